"""Records that were repaired after somebody had been told of them, found in the data by subject and day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date

import duckdb

from louver_sandbox.catalog.model import PrivacyUnit, Table
from louver_sandbox.catalog.sources import attach_statement, quote, relation

SUBJECTS_AT_ONCE = 10_000


def repairs(
    table: Table,
    unit: PrivacyUnit,
    read: Mapping[str, date],
    connect: Callable[[], duckdb.DuckDBPyConnection],
    emit: Callable[[Table, str], str],
) -> Iterator[tuple[str, date]]:
    """The days of repairs of these subjects' records that data of the day they were `read` as of need not have had.

    A repair of that very day counts: whether the data had it nobody knows. Each subject and day comes once. `emit`
    turns a predicate into engine text.
    """
    if table.repaired is None or table.source is None or unit.via or not read:
        return
    wanted = [column for column in table.columns if column.level < 5]
    holds = "TRUE" if unit.when is None else emit(table, unit.when)
    subject, day = f"CAST({quote(unit.column)} AS VARCHAR)", quote(table.repaired)
    rows = f"FROM {relation(table, tuple(wanted))} WHERE {holds} AND {day} IS NOT NULL"
    subjects = sorted(read)
    with connect() as engine:
        if statement := attach_statement(table.source):
            engine.execute(statement)
        for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
            some = subjects[start : start + SUBJECTS_AT_ONCE]
            found = engine.execute(
                f"SELECT DISTINCT {subject}, {day} {rows} AND list_contains(?, {subject}) ORDER BY 1, 2",
                [some],
            )
            for name, repaired in found.fetchall():
                if repaired >= read[name]:
                    yield name, repaired

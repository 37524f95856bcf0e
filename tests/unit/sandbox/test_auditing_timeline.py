"""Counts over time are those of counting every entry, whatever is asked; and stay so when entries are pruned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support.audited import BEGIN, Calendar, fill, year_log

from louver_sandbox.auditing import index, tables
from louver_sandbox.auditing.described import describe
from louver_sandbox.auditing.index import fields_of
from louver_sandbox.auditing.search import Filter
from louver_sandbox.auditing.timeline import timeline
from louver_sandbox.journal import Books
from louver_sandbox.retention import pruning
from louver_sandbox.store import State, schema

SINCE, UNTIL = "2026-01-01", "2027-01-01"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with State.open(Path(tmp_path_factory.mktemp("year")) / "state.db") as state:
        fill(year_log(state, 300), 300)
        while index.catch_up(state, 1000):
            pass
        yield state


def naive(state: State, wanted: Filter, length: int) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    with state.reading() as tx:
        for (body,) in tx.execute(select(schema.entries.c.body)):
            said = describe(fields_of(body))
            fits = all(getattr(said, name) in values for name, values in wanted.facets.items())
            cost = wanted.least_cost is None or said.cost >= wanted.least_cost
            if fits and cost and (wanted.since or "") <= said.time < (wanted.until or "~"):
                found[said.time[:length], said.verdict] += 1
    return found


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(since=SINCE, until=UNTIL),
        Filter({"institution": ("bank_a",)}, since=SINCE, until=UNTIL),
        Filter({"verdict": ("refused",)}, since="2026-03-01", until="2026-04-01"),
        Filter(least_cost=3, since=SINCE, until=UNTIL),
        Filter({"institution": ("nobody",)}, since=SINCE, until=UNTIL),
        Filter(since="2026-03-01T10:00:00.000000Z", until="2026-03-07T10:00:00.000000Z"),
    ],
)
@pytest.mark.parametrize("hours", [False, True])
def test_counts_over_time_are_those_of_every_entry(state: State, wanted: Filter, hours: bool) -> None:
    with state.reading() as tx:
        found = timeline(tx, wanted, hours=hours)
    assert found.exact
    assert found.counts == naive(state, wanted, 13 if hours else 10)


def test_words_are_counted_where_they_stand(state: State) -> None:
    with state.reading() as tx:
        every = timeline(tx, Filter(since=SINCE, until=UNTIL), hours=False)
        found = timeline(tx, Filter(text="select", since=SINCE, until=UNTIL), hours=False)
        nothing = timeline(tx, Filter(text="nowhere", since=SINCE, until=UNTIL), hours=False)
    assert nothing.counts == {}
    assert 0 < sum(found.counts.values()) < sum(every.counts.values())
    assert all(number <= every.counts[key] for key, number in found.counts.items())


def test_sums_are_those_of_an_index_made_anew_after_a_pruning(tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        log = year_log(state, 120)
        fill(log, 120)
        while index.catch_up(state, 1000):
            pass
        log._clock = Calendar(timedelta(seconds=1), BEGIN + timedelta(days=366))
        before = pruning.limits({"refusal": 200, "admission": 250, "outcome": 200}, BEGIN + timedelta(days=366))
        assert sum(pruning.by_age(Books(state, log), before, execute=True).pruned.values()) > 15
        index.catch_up(state, 1000)
        kept = sums(state)
        index.clear(state)
        while index.catch_up(state, 1000):
            pass
        assert sums(state) == kept


def sums(state: State) -> dict[str, dict[tuple[object, ...], int]]:
    """Every sum of the index, by what groups say and not by their numbers."""
    of, found = tables.groups.c, dict[str, dict[tuple[object, ...], int]]()
    with state.reading() as tx:
        for name, table, column in (("days", tables.days, "day"), ("blocks", tables.blocks, "block")):
            joined = select(table.c[column], of.key, table.c.entries).join_from(
                table, tables.groups, of.id == table.c.group_id
            )
            found[name] = {(row[0], row[1]): int(row[2]) for row in tx.execute(joined).all()}
        groups = tx.execute(select(of.key, of.entries).where(of.entries > 0)).all()
        found["groups"] = {(row[0],): int(row[1]) for row in groups}
        rows = select(tables.rows.c.entry, of.key, tables.rows.c.cost).join_from(
            tables.rows, tables.groups, of.id == tables.rows.c.group_id
        )
        found["rows"] = {(row[0], row[1]): int(row[2]) for row in tx.execute(rows).all()}
        words = tx.execute(select(tables.terms.c.word, tables.terms.c.entries)).all()
        found["words"] = {(row[0],): int(row[1]) for row in words}
    return found

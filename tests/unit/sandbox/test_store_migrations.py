"""A store of any released version, with rows in all of its tables, is brought to the newest and has lost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Boolean, Connection, Integer, LargeBinary, MetaData, Table, insert, select
from tests.support.databases import BOTH, SQLITE
from tests.support.lengths import at_length
from tests.support.postgres import Server

from louver_sandbox import store
from louver_sandbox.store import State
from louver_sandbox.store.postgres import Postgres
from louver_sandbox.store.sqlite import Sqlite
from louver_sandbox.store.state import BUSY_TIMEOUT_S, _upgrade, newest_revision

SCRIPTS = ScriptDirectory(str(Path(store.__file__).parent / "migrations"))
REVISIONS = sorted(script.revision for script in SCRIPTS.walk_revisions())[:-1]
ROWS = range(2, 5)
OWN = ("alembic_version", "health")
ERASED = "erased"
"""The one column that is empty where others are filled."""


def tables(tx: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(tx)
    return [table for table in metadata.sorted_tables if table.name not in OWN]


def row(table: Table, number: int) -> dict[str, Any]:
    """A row whose values say what they are; equal numbers refer to each other."""
    values: dict[str, Any] = {}
    for column in table.columns:
        if isinstance(column.type, Integer | BigInteger):
            values[column.name] = number
        elif isinstance(column.type, Boolean):
            values[column.name] = number % 2 == 0
        elif isinstance(column.type, LargeBinary):
            values[column.name] = f"{column.name} {number}".encode()
        else:
            values[column.name] = None if column.name == ERASED else f"{column.name} {number}"
    return values


def held(tx: Connection, names: Mapping[str, list[str]]) -> dict[str, list[tuple[object, ...]]]:
    """What the tables of these names have in these columns."""
    found = {table.name: table for table in tables(tx)}
    return {
        name: sorted(tuple(one) for one in tx.execute(select(*(found[name].c[column] for column in columns))))
        for name, columns in names.items()
    }


@pytest.mark.parametrize("database", BOTH)
@pytest.mark.parametrize("revision", REVISIONS if at_length(0, 1) else REVISIONS[:: len(REVISIONS) - 1])
def test_a_store_of_every_version_comes_forward_with_all_its_rows(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, revision: str
) -> None:
    place: Path | str = tmp_path / "state.db"
    made: Sqlite | Postgres
    if database == SQLITE:
        made = Sqlite(tmp_path / "state.db", BUSY_TIMEOUT_S)
    else:
        server: Server = request.getfixturevalue("postgres_server")
        place = server.database(empty=True)
        made = Postgres(place, BUSY_TIMEOUT_S)
    engine = made.engine(writes=True)
    with engine.connect() as tx, tx.begin():
        _upgrade(tx, revision)
        names = {}
        for table in tables(tx):
            tx.execute(insert(table), [row(table, number) for number in ROWS])
            names[table.name] = [column.name for column in table.columns]
        before = held(tx, names)
    engine.dispose()
    assert all(len(rows) == len(ROWS) for rows in before.values())
    with State.open(place) as state, state.reading() as tx:
        assert held(tx, names) == before
        assert tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == newest_revision()

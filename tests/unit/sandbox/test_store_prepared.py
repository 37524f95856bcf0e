"""A prepared statement does what SQLAlchemy would do with it, in the same transaction and with the same errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Date, MetaData, Table, bindparam, insert, select

from louver_sandbox.store import State, StoreConflict, StoreUnavailable, schema
from louver_sandbox.store.prepared import Prepared

HEADS = schema.heads
ADD = Prepared(insert(HEADS))
OF_SIZE = select(HEADS).where(HEADS.c.size == bindparam("wanted"))
FIRST = select(HEADS).where(HEADS.c.size >= bindparam("least")).order_by(HEADS.c.size).limit(1)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with State.open(tmp_path_factory.mktemp("prepared") / "state.db") as opened:
        yield opened


def head(size: int, root: bytes = b"r", note: bytes = b"n", time: str = "t") -> dict[str, object]:
    return {"size": size, "root": root, "note": note, "time": time}


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(0, 2**62), root=st.binary(max_size=40), text=st.text(st.characters(exclude_categories=["Cs"]))
)
def test_what_it_writes_and_reads_is_what_sqlalchemy_writes_and_reads(
    state: State, size: int, root: bytes, text: str
) -> None:
    with state.transaction() as tx:
        if tx.execute(OF_SIZE, {"wanted": size}).first() is None:
            ADD.run(tx, head(size, root, b"n", text))
        for statement, values in ((OF_SIZE, {"wanted": size}), (FIRST, {"least": size})):
            expected = [tuple(row) for row in tx.execute(statement, values)]
            assert Prepared(statement).rows(tx, values) == expected
            assert Prepared(statement).row(tx, values) == expected[0]


def test_what_is_not_found_is_none(state: State) -> None:
    with state.reading() as tx:
        assert Prepared(OF_SIZE).row(tx, {"wanted": -1}) is None
        assert Prepared(OF_SIZE).rows(tx, {"wanted": -1}) == []


def test_it_runs_inside_the_transaction_and_goes_with_it(state: State) -> None:
    def given_up() -> None:
        with state.transaction() as tx:
            ADD.run(tx, head(-7), head(-8))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        given_up()
    with state.reading() as tx:
        assert Prepared(OF_SIZE).rows(tx, {"wanted": -7}) == []


def test_its_failures_are_the_stores_and_hold_no_value(state: State) -> None:
    with state.transaction() as tx:
        ADD.run(tx, head(-1))
    with pytest.raises(StoreConflict) as conflict, state.transaction() as tx:
        ADD.run(tx, head(-1, time="secret"))
    assert "secret" not in str(conflict.value)
    assert conflict.value.__cause__ is None
    with pytest.raises(StoreUnavailable), state.reading() as tx:
        ADD.run(tx, head(-2))
    assert state.healthy


def test_a_value_that_is_not_given_is_a_mistake(state: State) -> None:
    with state.reading() as tx, pytest.raises(KeyError):
        Prepared(OF_SIZE).rows(tx, {})


def test_columns_that_need_converting_are_refused() -> None:
    dated = Table("dated", MetaData(), Column("day", Date))
    for statement in (select(dated), insert(dated)):
        with pytest.raises(TypeError, match="integers, text and bytes"):
            Prepared(statement)


def test_a_statement_is_text_with_places_and_never_a_value(tmp_path: Path) -> None:
    assert "7" not in Prepared(select(HEADS).where(HEADS.c.size == 7))._sqlite.text
    with State.open(tmp_path / "state.db") as fresh, fresh.transaction() as tx:
        ADD.run(tx, head(7))
        assert Prepared(select(HEADS.c.time).where(HEADS.c.size == 7)).rows(tx, {}) == [("t",)]

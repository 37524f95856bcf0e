"""The registry knows whose table is whose; dropping and replacing never touch another institution."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import IntegrityError
from tests.support.catalogs import demo_catalog

from louver.errors import Refused
from louver_sandbox.algebra.types import INTEGER, TEXT, TableName, decimal
from louver_sandbox.catalog.model import SpaceKind
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.uploads import registry
from louver_sandbox.uploads.ingest import Taken, TakenColumn

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
BOOK = Taken("a" * 64, 3, 4096, (TakenColumn("loan_id", "text", False), TakenColumn("金额", "decimal(2)", True)))
OTHER = Taken("b" * 64, 5, 8192, (TakenColumn("n", "integer", False),))


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    registry.metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_a_registered_table_is_listed_for_its_institution_only(connection: Connection) -> None:
    own = registry.register(connection, "bank_a", "loan_book", BOOK, NOW)
    assert registry.own_tables(connection, "bank_a") == (own,)
    assert registry.own_tables(connection, "bank_b") == ()
    assert registry.find(connection, "bank_b", "loan_book") is None


def test_a_new_upload_replaces_the_one_of_that_name(connection: Connection) -> None:
    registry.register(connection, "bank_a", "loan_book", BOOK, NOW)
    registry.register(connection, "bank_b", "loan_book", BOOK, NOW)
    registry.register(connection, "bank_a", "loan_book", OTHER, NOW + timedelta(hours=1))
    (own,) = registry.own_tables(connection, "bank_a")
    assert (own.digest, own.rows, own.created) == (OTHER.digest, 5, NOW + timedelta(hours=1))
    assert registry.live_digests(connection, "bank_a") == {OTHER.digest}
    assert registry.live_digests(connection, "bank_b") == {BOOK.digest}


def test_the_same_upload_again_changes_nothing(connection: Connection) -> None:
    first = registry.register(connection, "bank_a", "loan_book", BOOK, NOW)
    assert registry.register(connection, "bank_a", "loan_book", BOOK, NOW + timedelta(days=1)) == first


def test_a_dropped_table_is_gone_and_dropping_it_again_is_refused(connection: Connection) -> None:
    registry.register(connection, "bank_a", "loan_book", BOOK, NOW)
    with pytest.raises(Refused, match="no table"):
        registry.drop(connection, "bank_b", "loan_book", NOW)
    registry.drop(connection, "bank_a", "loan_book", NOW)
    assert registry.own_tables(connection, "bank_a") == ()
    with pytest.raises(Refused) as again:
        registry.drop(connection, "bank_a", "loan_book", NOW)
    assert again.value.code == "LVR-4008"


@pytest.mark.parametrize("name", ["", "1a", "a.b", "a b", 'x"; DROP TABLE uploads', "x" * 64, "a\n"])
def test_a_name_sql_could_not_hold_is_refused(connection: Connection, name: str) -> None:
    with pytest.raises(Refused) as error:
        registry.register(connection, "bank_a", name, BOOK, NOW)
    assert error.value.code == "LVR-4006"


def test_bytes_of_one_content_count_once(connection: Connection) -> None:
    registry.register(connection, "bank_a", "one", BOOK, NOW)
    registry.register(connection, "bank_a", "two", BOOK, NOW)
    registry.register(connection, "bank_a", "three", OTHER, NOW)
    assert registry.used_bytes(connection, "bank_a") == 4096 + 8192


def test_two_live_tables_of_one_name_cannot_be(connection: Connection) -> None:
    values = {
        "institution": "bank_a",
        "name": "t",
        "digest": "d",
        "columns": "[]",
        "rows": 1,
        "bytes": 1,
        "created": "t",
    }
    connection.execute(registry.uploads.insert().values(values))
    with pytest.raises(IntegrityError):
        connection.execute(registry.uploads.insert().values(values))


def test_an_own_table_in_the_catalogue_is_level_three_without_units_and_named_by_its_content(
    connection: Connection,
) -> None:
    own = registry.register(connection, "bank_a", "loan_book", BOOK, NOW)
    table = registry.catalog_table(own)
    assert table.name == TableName("bank_a", "loan_book")
    assert table.space is SpaceKind.INSTITUTION
    assert table.units == ()
    assert [(column.name, column.type, column.level, column.nullable) for column in table.columns] == [
        ("loan_id", TEXT, 3, False),
        ("金额", decimal(2), 3, True),
    ]
    assert snapshot_id(table, ("loan_id",), None) == BOOK.digest


def test_own_tables_take_the_place_of_declared_ones(connection: Connection) -> None:
    own = registry.register(connection, "bank_a", "loan_book", OTHER, NOW)
    merged = registry.with_own_tables(demo_catalog(), [own])
    table = merged.tables[TableName("bank_a", "loan_book")]
    assert [column.type for column in table.columns] == [INTEGER]
    assert merged.digest == demo_catalog().digest
    assert len(merged.tables) == len(demo_catalog().tables)


def test_what_is_remembered_of_a_row_is_never_out_of_date(connection: Connection) -> None:
    first = registry.register(connection, "bank_a", "book", BOOK, NOW)
    assert registry.own_tables(connection, "bank_a") == registry.own_tables(connection, "bank_a") == (first,)
    registry.drop(connection, "bank_a", "book", NOW)
    assert registry.own_tables(connection, "bank_a") == ()
    again = registry.register(connection, "bank_a", "book", BOOK, NOW + timedelta(days=1))
    assert registry.own_tables(connection, "bank_a") == (again,)
    assert registry.find(connection, "bank_a", "book") == again
    assert [own.created for own in registry.ever(connection, "bank_a")] == [NOW, NOW + timedelta(days=1)]

"""Snapshots hold the granted columns and rows with a record key per unit, and nothing that could be used further."""

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tests.support.catalogs import a_column, a_table

from louver_sandbox.algebra.types import DOUBLE, INTEGER, TEXT, TableName, decimal
from louver_sandbox.catalog.load import catalog_of
from louver_sandbox.catalog.model import (
    Catalog,
    Column,
    PrivacyUnit,
    Role,
    Source,
    SourceKind,
    SpaceKind,
    Table,
    UnitType,
)
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.catalog.sources import data_version
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.publisher import Published, PublishRefused, publish, snapshot_path
from louver_sandbox.publishing.record_keys import KeyRefused, create_key, read_key, record_keys

KEY = bytes(range(32))
FIRM = TableName("gov", "firm")
MIXED = "SELECT 'P' || i AS id, CASE WHEN i % 2 = 0 THEN 'P' ELSE 'E' END AS class, i AS amount FROM range(100) t(i)"
BY_CLASS = (
    PrivacyUnit(UnitType.PERSON, "id", None, "class = 'P'"),
    PrivacyUnit(UnitType.ENTERPRISE, "id", None, "class = 'E'"),
)


def as_written(table: Table, predicate: str) -> str:
    return f"({predicate})"


def registered(folder: Path, table: Table, select: str) -> Table:
    """The table over one Parquet file that the query fills."""
    path = folder / f"{table.name}.parquet"
    duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    source = Source(SourceKind.PARQUET, str(path))
    return replace(table, source=source, data_version=data_version(source))


def firms(
    folder: Path, select: str = "SELECT 'U' || i AS uscc, 'A' AS section, i AS amount FROM range(50) t(i)"
) -> Catalog:
    return catalog_of([registered(folder, a_table(), select)])


def mixed(folder: Path, select: str = MIXED, units: Iterable[PrivacyUnit] = BY_CLASS) -> Catalog:
    columns = (a_column("id", role=Role.IDENTIFIER), a_column("class"), a_column("amount", INTEGER, role=Role.VALUE))
    return catalog_of([registered(folder, a_table(columns=columns, units=tuple(units)), select)])


def one(catalog: Catalog, folder: Path, grant: GrantSet, key: bytes = KEY) -> Published:
    (made,) = publish(catalog, [grant], folder=folder, key=key, emit=as_written)
    return made


def rows(folder: Path, made: Published, select: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(snapshot_path(folder, made.id)), read_only=True) as connection:
        found: list[tuple[object, ...]] = connection.execute(select).fetchall()
        return found


def test_a_snapshot_holds_one_table_with_granted_columns_and_record_keys_only(tmp_path: Path) -> None:
    made = one(firms(tmp_path), tmp_path / "s", GrantSet(FIRM, ("amount",), None))
    assert made.rows == 50
    names = rows(tmp_path / "s", made, "SELECT table_schema, table_name, column_name FROM information_schema.columns")
    assert names == [("main", "data", "amount"), ("main", "data", "record_key_enterprise_uscc")]
    assert rows(tmp_path / "s", made, "SELECT count(*) FROM duckdb_views() WHERE NOT internal") == [(0,)]
    content = snapshot_path(tmp_path / "s", made.id).read_bytes()
    assert b"U17" not in content
    assert KEY not in content


def test_the_record_key_is_the_keyed_hash_of_type_and_id(tmp_path: Path) -> None:
    made = one(firms(tmp_path), tmp_path / "s", GrantSet(FIRM, ("uscc",), None))
    for uscc, key in rows(tmp_path / "s", made, "SELECT uscc, record_key_enterprise_uscc FROM data"):
        digest = hashlib.blake2b(f"enterprise\0{uscc}".encode(), key=KEY, digest_size=8).digest()
        assert key == int.from_bytes(digest, "little", signed=True)


def test_a_snapshot_that_templates_read_is_found_in_by_subject(tmp_path: Path) -> None:
    """By an index, for whoever is there, absent or nobody: a scan would take longer for the first two than for the
    last, which is above every number. What is only analysed has none."""
    catalog = firms(tmp_path)
    whole = one(catalog, tmp_path / "s", GrantSet(FIRM, ("amount", "uscc"), None))
    assert rows(tmp_path / "s", whole, "SELECT count(*) FROM duckdb_indexes()") == [(0,)]
    looked_up = GrantSet(FIRM, ("amount", "uscc"), None, looked_up=True)
    assert looked_up == GrantSet(FIRM, ("amount", "uscc"), None), "it is the same data"
    made = one(catalog, tmp_path / "t", looked_up)
    assert made.id == whole.id
    assert rows(tmp_path / "t", made, "SELECT expressions FROM duckdb_indexes()") == [("[uscc]",)]
    blocks = "SELECT max(block_size) FROM pragma_database_size()"
    assert rows(tmp_path / "t", made, blocks) == [(16_384,)], "what is read around one row"
    assert rows(tmp_path / "s", whole, blocks) == [(262_144,)]
    for everything in (whole, made):
        folder = tmp_path / ("s" if everything is whole else "t")
        assert rows(folder, everything, "SELECT * FROM data ORDER BY ALL") == rows(
            tmp_path / "s", whole, "SELECT * FROM data ORDER BY ALL"
        )


def test_the_same_unit_has_the_same_key_in_every_table_whatever_type_it_is_stored_in(tmp_path: Path) -> None:
    text = registered(
        tmp_path, a_table("gov.text"), "SELECT i::VARCHAR AS uscc, 'A' AS section, i AS amount FROM range(9) t(i)"
    )
    number = a_table(
        "gov.number", columns=(a_column("uscc", INTEGER), a_column("section"), a_column("amount", INTEGER))
    )
    number = registered(tmp_path, number, "SELECT i AS uscc, 'A' AS section, i AS amount FROM range(9) t(i)")
    grants = [GrantSet(table.name, ("amount",), None) for table in (text, number)]
    made = list(publish(catalog_of([text, number]), grants, folder=tmp_path / "s", key=KEY, emit=as_written))
    first, second = (rows(tmp_path / "s", item, "SELECT * FROM data ORDER BY amount") for item in made)
    assert first == second


def test_another_key_gives_other_hashes_and_a_person_is_not_a_firm() -> None:
    ids = ["a", "b", "a"]
    persons = record_keys(ids, UnitType.PERSON, KEY).tolist()
    assert persons[0] == persons[2] != persons[1]
    assert set(persons).isdisjoint(record_keys(ids, UnitType.ENTERPRISE, KEY).tolist())
    assert set(persons).isdisjoint(record_keys(ids, UnitType.PERSON, bytes(32)).tolist())


def test_a_key_is_null_where_the_unit_s_condition_does_not_hold(tmp_path: Path) -> None:
    made = one(mixed(tmp_path), tmp_path / "s", GrantSet(FIRM, ("class",), None))
    counted = (
        "SELECT class, count(record_key_person_id), count(record_key_enterprise_id) FROM data GROUP BY ALL ORDER BY 1"
    )
    assert rows(tmp_path / "s", made, counted) == [("E", 0, 50), ("P", 50, 0)]


def test_the_row_filter_decides_the_rows_and_the_name(tmp_path: Path) -> None:
    catalog = mixed(tmp_path)
    whole = one(catalog, tmp_path / "s", GrantSet(FIRM, ("amount",), None))
    part = one(catalog, tmp_path / "s", GrantSet(FIRM, ("amount",), "class = 'P' AND amount < 10"))
    assert part.id != whole.id
    assert rows(tmp_path / "s", part, "SELECT amount FROM data ORDER BY 1") == [(0,), (2,), (4,), (6,), (8,)]


def test_a_unit_behind_a_foreign_key_gets_its_key(tmp_path: Path) -> None:
    loans = registered(
        tmp_path,
        a_table("gov.loan"),
        "SELECT 'L' || i AS uscc, 'U' || i // 2 AS section, i AS amount FROM range(6) t(i)",
    )
    via = PrivacyUnit(UnitType.ENTERPRISE, "loan_id", None, via=("loan_id", "gov.loan.uscc", "section"))
    columns = (a_column("loan_id"), a_column("paid", INTEGER))
    payments = registered(
        tmp_path,
        a_table("gov.payment", columns=columns, units=(via,)),
        "SELECT 'L' || i % 6 AS loan_id, i AS paid FROM range(12) t(i)",
    )
    made = one(catalog_of([loans, payments]), tmp_path / "s", GrantSet(payments.name, ("paid",), None))
    keys = [
        key
        for key, _ in rows(tmp_path / "s", made, "SELECT record_key_enterprise_loan_id, paid FROM data ORDER BY paid")
    ]
    assert keys == record_keys([f"U{i % 6 // 2}" for i in range(12)], UnitType.ENTERPRISE, KEY).tolist()


def test_rows_lie_in_the_order_of_the_hash_not_of_the_source(tmp_path: Path) -> None:
    made = one(firms(tmp_path), tmp_path / "s", GrantSet(FIRM, ("amount",), None))
    found = rows(tmp_path / "s", made, "SELECT record_key_enterprise_uscc, amount FROM data")
    assert found == rows(tmp_path / "s", made, "SELECT record_key_enterprise_uscc, amount FROM data ORDER BY 1")
    assert [amount for _, amount in found] != list(range(50))


def test_types_are_kept_and_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    select = "SELECT 'U1' AS uscc, 1.25::DECIMAL(18,2) AS section, 'nan'::DOUBLE AS amount"
    table = a_table()
    typed = zip(table.columns, (TEXT, decimal(2), DOUBLE), strict=True)
    columns = tuple(replace(column, type=type_) for column, type_ in typed)
    catalog = catalog_of([registered(tmp_path, replace(table, columns=columns), select)])
    made = one(catalog, tmp_path / "s", GrantSet(FIRM, ("amount", "section"), None))
    found = rows(tmp_path / "s", made, "SELECT typeof(section), section::VARCHAR, typeof(amount), amount FROM data")
    assert found == [("DECIMAL(18,2)", "1.25", "DOUBLE", None)]


@pytest.mark.parametrize("kind", [SourceKind.CSV, SourceKind.DUCKDB])
def test_a_csv_and_a_duckdb_file_are_published_like_parquet(tmp_path: Path, kind: SourceKind) -> None:
    select = "SELECT lpad(i::VARCHAR, 3, '0') AS uscc, 'A' AS section, i AS amount FROM range(9) t(i)"
    path = tmp_path / f"firm.{kind.value}"
    if kind is SourceKind.CSV:
        duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT csv, HEADER)")
    else:
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE TABLE firm AS {select}")
    source = Source(kind, str(path), "firm" if kind is SourceKind.DUCKDB else None)
    table = replace(a_table(), source=source, data_version=data_version(source))
    made = one(catalog_of([table]), tmp_path / "s", GrantSet(FIRM, ("uscc", "amount"), "amount < 2"))
    found = rows(tmp_path / "s", made, "SELECT uscc, amount, typeof(amount) FROM data ORDER BY 1")
    assert found == [("000", 0, "BIGINT"), ("001", 1, "BIGINT")]


def test_what_a_killed_builder_left_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / "s" / ".building-abc-999999999"
    left.mkdir(parents=True)
    (left / "snapshot.duckdb").write_bytes(b"half")
    one(firms(tmp_path), tmp_path / "s", GrantSet(FIRM, ("amount",), None))
    assert not left.exists()


def test_a_snapshot_is_immutable_and_made_once(tmp_path: Path) -> None:
    catalog, grant = firms(tmp_path), GrantSet(FIRM, ("amount",), None)
    made = one(catalog, tmp_path / "s", grant)
    path = snapshot_path(tmp_path / "s", made.id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert made.bytes == path.stat().st_size
    assert made.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    before = path.stat().st_mtime_ns
    assert one(catalog, tmp_path / "s", grant) == replace(made, seconds=0.0)
    assert path.stat().st_mtime_ns == before
    assert sorted(item.suffix for item in (tmp_path / "s").iterdir()) == [".duckdb", ".json"]


def test_a_snapshot_that_was_tampered_with_is_built_again(tmp_path: Path) -> None:
    catalog, grant = firms(tmp_path), GrantSet(FIRM, ("amount",), None)
    made = one(catalog, tmp_path / "s", grant)
    path = snapshot_path(tmp_path / "s", made.id)
    os.chmod(path, 0o600)
    with path.open("r+b") as file:
        file.seek(5_000)
        file.write(b"\xff")
    assert one(catalog, tmp_path / "s", grant).seconds > 0
    assert rows(tmp_path / "s", made, "SELECT count(*) FROM data") == [(50,)]


def test_grant_sets_with_one_snapshot_build_it_once(tmp_path: Path) -> None:
    grants = [GrantSet(FIRM, ("amount", "uscc"), None), GrantSet(FIRM, ("uscc", "amount"), None)]
    assert len(list(publish(firms(tmp_path), grants, folder=tmp_path / "s", key=KEY, emit=as_written))) == 1


@pytest.mark.parametrize(
    ("select", "grant", "reason"),
    [
        (None, GrantSet(TableName("gov", "nothing"), ("a",), None), "no registered table"),
        (None, GrantSet(FIRM, ("nothing",), None), "not in the catalogue"),
        (
            "SELECT 'U' || i % 9 AS uscc, 'A' AS section, i AS amount FROM range(50) t(i)",
            None,
            "9 units have more than 1 rows",
        ),
        (
            "SELECT CASE WHEN i > 2 THEN 'U' || i END AS uscc, 'A' AS section, i AS amount FROM range(9) t(i)",
            None,
            "3 rows belong to no",
        ),
    ],
)
def test_what_contradicts_the_catalogue_is_refused_and_leaves_nothing(
    tmp_path: Path, select: str | None, grant: GrantSet | None, reason: str
) -> None:
    catalog = firms(tmp_path, select) if select else firms(tmp_path)
    with pytest.raises(PublishRefused, match=reason):
        one(catalog, tmp_path / "s", grant or GrantSet(FIRM, ("amount",), None))
    assert list((tmp_path / "s").iterdir()) == []


def test_a_column_declared_unique_repeats_no_value_but_null(tmp_path: Path) -> None:
    columns = (a_column("uscc", role=Role.IDENTIFIER), replace(a_column("code"), unique=True))
    table = a_table(columns=columns)
    good = registered(
        tmp_path, table, "SELECT 'U' || i AS uscc, CASE WHEN i > 2 THEN 'C' || i END AS code FROM range(9) t(i)"
    )
    grant = GrantSet(FIRM, ("uscc", "code"), None)
    made = one(catalog_of([good]), tmp_path / "s", grant)
    assert made.id != snapshot_id(
        replace(good, columns=(columns[0], replace(columns[1], unique=False))), grant.columns, None
    )
    bad = registered(tmp_path, table, "SELECT 'U' || i AS uscc, 'C' || i % 8 AS code FROM range(9) t(i)")
    with pytest.raises(PublishRefused, match="values of code repeat"):
        one(catalog_of([bad]), tmp_path / "t", grant)


def test_l5_columns_own_tables_and_missing_data_are_never_published(tmp_path: Path) -> None:
    table = registered(tmp_path, a_table(), "SELECT 'U1' AS uscc, 'A' AS section, 1 AS amount")
    secret = replace(table, columns=(*table.columns[:2], replace(table.columns[2], level=5)))
    own = replace(table, space=SpaceKind.INSTITUTION, units=())
    absent = replace(table, data_version="")
    for spoiled, reason in ((secret, "L5"), (own, "own table"), (absent, "not there")):
        with pytest.raises(PublishRefused, match=reason):
            one(catalog_of([spoiled]), tmp_path / "s", GrantSet(FIRM, ("amount",), None))


LOCKED_DOWN = """
import duckdb, sys
config = {"threads": 2, "temp_directory": "", "autoload_known_extensions": False, "python_enable_replacements": False}
connection = duckdb.connect(":memory:", config=config)
connection.execute(f"ATTACH '{sys.argv[1]}' AS s1 (READ_ONLY)")
connection.execute("SET enable_external_access = false; SET disabled_filesystems = 'LocalFileSystem'")
connection.execute("SET lock_configuration = true")
answer = connection.execute('SELECT sum(amount), count(DISTINCT record_key_enterprise_uscc) FROM "s1"."main"."data"')
print(answer.fetchall())
"""


def test_another_process_reads_it_under_the_lock_down(tmp_path: Path) -> None:
    made = one(firms(tmp_path), tmp_path / "s", GrantSet(FIRM, ("amount",), None))
    command = [sys.executable, "-c", LOCKED_DOWN, str(snapshot_path(tmp_path / "s", made.id))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[(1225, 50)]\n"


class TestKeyFile:
    def test_init_makes_a_private_key_once(self, tmp_path: Path) -> None:
        path = tmp_path / "record.key"
        create_key(path, randomness=lambda count: KEY[:count])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_key(path) == KEY
        with pytest.raises(FileExistsError):
            create_key(path)

    def test_a_key_others_may_read_or_of_another_size_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "record.key"
        with pytest.raises(KeyRefused, match="cannot be opened"):
            read_key(path)
        path.write_bytes(KEY)
        path.chmod(0o640)
        with pytest.raises(KeyRefused, match="0600"):
            read_key(path)
        path.write_bytes(KEY[:-1])
        path.chmod(0o600)
        with pytest.raises(KeyRefused, match="32 bytes"):
            read_key(path)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (replace(a_column("section"), domain=("B",)), "50 rows of section are outside what is declared"),
        (replace(a_column("section"), domain=("A", "B")), ""),
        (replace(a_column("amount", INTEGER), bounds=(Decimal(0), Decimal(48))), "1 rows of amount are outside"),
        (replace(a_column("amount", INTEGER), bounds=(Decimal(0), Decimal(49))), ""),
        (replace(a_column("amount", INTEGER, role=Role.VALUE), bounds=(Decimal(0), Decimal(1))), ""),
    ],
    ids=["domain broken", "domain", "bounds broken", "bounds", "bounds of a value"],
)
def test_what_limits_the_number_of_groups_holds_in_every_row(tmp_path: Path, column: Column, says: str) -> None:
    (table,) = firms(tmp_path).tables.values()
    columns = tuple(column if item.name == column.name else item for item in table.columns)
    catalog, grant = catalog_of([replace(table, columns=columns)]), GrantSet(FIRM, (column.name,), None)
    if not says:
        assert one(catalog, tmp_path / "s", grant).rows == 50
        return
    with pytest.raises(PublishRefused, match=says):
        one(catalog, tmp_path / "s", grant)


@pytest.mark.parametrize(
    ("at_least", "row_filter"), [(50, None), (50, "amount < 10"), (51, None), (51, "amount < 10")]
)
def test_the_table_holds_the_units_that_are_declared_whatever_rows_are_granted(
    tmp_path: Path, at_least: int, row_filter: str | None
) -> None:
    (table,) = firms(tmp_path).tables.values()
    units = (replace(table.units[0], at_least=at_least),)
    catalog, grant = catalog_of([replace(table, units=units)]), GrantSet(FIRM, ("amount",), row_filter)
    if at_least == 50:
        assert one(catalog, tmp_path / "s", grant).rows == (10 if row_filter else 50)
        return
    with pytest.raises(PublishRefused, match="fewer units uscc than declared"):
        one(catalog, tmp_path / "s", grant)


def test_units_behind_a_foreign_key_are_counted_by_what_they_lead_to(tmp_path: Path) -> None:
    select = "SELECT 'L' || i AS uscc, 'U' || i // 2 AS section, i AS amount FROM range(6) t(i)"
    loans = registered(tmp_path, a_table("gov.loan"), select)
    via = PrivacyUnit(UnitType.ENTERPRISE, "loan_id", None, via=("loan_id", "gov.loan.uscc", "section"), at_least=3)
    declared = a_table("gov.payment", columns=(a_column("loan_id"), a_column("paid", INTEGER)), units=(via,))
    payments = registered(tmp_path, declared, "SELECT 'L' || i % 6 AS loan_id, i AS paid FROM range(12) t(i)")
    grant = GrantSet(payments.name, ("paid",), None)
    assert one(catalog_of([loans, payments]), tmp_path / "s", grant).rows == 12
    more = replace(payments, units=(replace(via, at_least=4),))
    with pytest.raises(PublishRefused, match="fewer units"):
        one(catalog_of([loans, more]), tmp_path / "s", grant)


ONCE = (PrivacyUnit(UnitType.ENTERPRISE, "uscc", 2, once_per=("section",)),)


@pytest.mark.parametrize("via", [False, True])
def test_a_unit_has_one_row_for_the_values_that_are_declared_so(tmp_path: Path, via: bool) -> None:
    select = "SELECT 'U' || i // 2 AS uscc, 'S' || i % 2 AS section, i AS amount FROM range(20) t(i)"
    table = registered(tmp_path, a_table(units=ONCE), select)
    grant = GrantSet(FIRM, ("section",), None)
    assert one(catalog_of([table]), tmp_path / "s", grant).rows == 20
    twice = select.replace("i % 2", "i // 2")
    if via:  # two local values of one unit
        table = registered(
            tmp_path,
            a_table("gov.of"),
            "SELECT 'U' || i AS uscc, 'V' || i // 2 AS section, i AS amount FROM range(20) t(i)",
        )
        path = ("uscc", "gov.of.uscc", "section")
        units = (replace(ONCE[0], rows_per_unit=None, via=path),)
        broken = [table, registered(tmp_path, a_table(units=units), select)]
    else:
        broken = [registered(tmp_path, a_table(units=ONCE), twice)]
    with pytest.raises(PublishRefused, match="times a unit uscc has several rows for one section"):
        one(catalog_of(broken), tmp_path / "t", grant)
    # Nobody who is not granted the column can ask for its values.
    assert one(catalog_of(broken), tmp_path / "t", GrantSet(FIRM, ("amount",), None)).rows == 20


def test_that_a_unit_has_one_row_for_a_value_is_part_of_the_name_of_what_was_checked_for_it() -> None:
    plain, once = a_table(), a_table(units=ONCE)
    plain = replace(plain, units=(replace(ONCE[0], once_per=()),))
    assert snapshot_id(plain, ("uscc", "section"), None) != snapshot_id(once, ("uscc", "section"), None)
    assert snapshot_id(plain, ("uscc",), None) == snapshot_id(once, ("uscc",), None)

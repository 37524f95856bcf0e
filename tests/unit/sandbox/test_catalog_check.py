"""`catalog check`: the data are compared with what was declared, and only counts are told."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tests.support.catalogs import FIRM_YAML, a_table, declarations

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.check import check_catalog
from louver_sandbox.catalog.load import load_catalog, read_declarations
from louver_sandbox.catalog.model import Role, Table
from louver_sandbox.catalog.positions import CatalogProblem
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.catalog.sources import data_version

GOOD = "SELECT * FROM (VALUES ('U1', 'A', 1.50::DECIMAL(9,2)), ('U2', NULL, NULL)) t(uscc, section, amount)"
CANARY = "CANARY_VALUE_7"


def parquet(folder: Path, select: str = GOOD, part: int = 0) -> None:
    target = folder / "gov.firm"
    target.mkdir(exist_ok=True)
    duckdb.connect().execute(f"COPY ({select}) TO '{target}/part-{part}.parquet' (FORMAT parquet)")


def checked(folder: Path, text: str = FIRM_YAML) -> tuple[CatalogProblem, ...]:
    paths = declarations(folder, text)
    declared, _ = read_declarations(paths)

    def text_of(table: Table, predicate: str) -> str:
        return f"({predicate})"

    return check_catalog(load_catalog(paths, folder), connect=duckdb.connect, emit=text_of, declared=declared)


def told(problems: tuple[CatalogProblem, ...]) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.message) for problem in problems]


def test_data_as_declared_have_no_problem(tmp_path: Path) -> None:
    parquet(tmp_path)
    assert checked(tmp_path) == ()


def test_a_source_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert told(checked(tmp_path)) == [(11, "no file is there")]


def test_a_source_that_is_not_what_it_says_is_a_problem_without_the_engine_s_words(tmp_path: Path) -> None:
    (tmp_path / "gov.firm").mkdir()
    (tmp_path / "gov.firm" / "part-0.parquet").write_text(CANARY)
    problems = checked(tmp_path)
    assert told(problems) == [(11, "the source cannot be read")]
    assert CANARY not in str(problems)


def test_columns_and_types_are_those_of_the_source(tmp_path: Path) -> None:
    parquet(tmp_path, "SELECT 'U1' AS uscc, 1.5::DOUBLE AS amount")
    assert told(checked(tmp_path)) == [
        (16, "the source has no such column"),
        (17, "declared decimal(2), but the source holds DOUBLE"),
    ]


def test_nulls_domain_rows_per_unit_and_bounds_are_counted_in_the_data(tmp_path: Path) -> None:
    rows = f"('U1','A',1.50), ('U1','{CANARY}',100.50), (NULL,'B',-0.01)"
    parquet(
        tmp_path,
        f"SELECT uscc, section, amount::DECIMAL(9,2) AS amount FROM (VALUES {rows}) t(uscc, section, amount)",
    )
    problems = checked(tmp_path)
    assert told(problems) == [
        (15, "1 rows are null"),
        (16, "1 rows are outside the domain"),
        (17, "2 rows are outside the bounds"),
        (13, "1 units have more than 1 rows"),
        (12, "1 rows belong to no privacy unit"),
    ]
    assert [problem.warning for problem in problems] == [False, False, True, False, False]
    assert CANARY not in str(problems)


def test_a_unit_s_condition_limits_what_is_counted(tmp_path: Path) -> None:
    rows = "('U1','A',1.50), ('U1','B',2.00), ('U2','A',3.00)"
    parquet(
        tmp_path,
        f"SELECT uscc, section, amount::DECIMAL(9,2) AS amount FROM (VALUES {rows}) t(uscc, section, amount)",
    )
    conditional = FIRM_YAML.replace("rows_per_unit: 1}", "rows_per_unit: 1, when: \"section = 'A'\"}")
    assert told(checked(tmp_path, conditional)) == [(12, "1 rows belong to no privacy unit")]


def test_a_csv_is_read_as_text_and_what_does_not_parse_is_counted(tmp_path: Path) -> None:
    (tmp_path / "gov.firm").mkdir()
    (tmp_path / "gov.firm" / "part.csv").write_text(
        f"uscc,section,amount\n007,A,1.25\n008,B,{CANARY}\n", encoding="utf-8"
    )
    text = FIRM_YAML.replace("kind: parquet, path: gov.firm/*.parquet", "kind: csv, path: gov.firm/*.csv")
    assert told(checked(tmp_path, text)) == [(17, "1 fields do not parse")]


def test_a_duckdb_file_is_a_source_too(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "firm.duckdb")) as connection:
        connection.execute(f"CREATE TABLE firm AS {GOOD}")
    source = "kind: duckdb, path: firm.duckdb, table: firm"
    assert checked(tmp_path, FIRM_YAML.replace("kind: parquet, path: gov.firm/*.parquet", source)) == ()


def test_a_double_that_is_not_finite_is_a_problem(tmp_path: Path) -> None:
    parquet(tmp_path, "SELECT 'U1' AS uscc, 'A' AS section, 'inf'::DOUBLE AS amount")
    text = FIRM_YAML.replace("decimal(2), nullable", "double, decimals: 2, nullable")
    assert (17, "1 values are not finite") in told(checked(tmp_path, text))


class TestVersions:
    def test_the_data_version_follows_contents_not_times_or_places(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            parquet(tmp_path / name)
        first, second = (self.version(tmp_path / name) for name in ("a", "b"))
        assert first == second
        parquet(tmp_path / "b", part=1)
        assert self.version(tmp_path / "b") != second

    @staticmethod
    def version(folder: Path) -> str:
        (table,) = load_catalog(declarations(folder, FIRM_YAML), folder).tables.values()
        assert table.source is not None
        assert table.data_version == data_version(table.source)
        return table.data_version

    def test_a_snapshot_is_named_by_all_that_decides_its_content(self) -> None:
        table = a_table()
        base = snapshot_id(table, ("amount", "uscc"), None)
        assert len(base) == 64
        assert snapshot_id(table, ("uscc", "amount"), None) == base
        others = {
            snapshot_id(table, ("uscc",), None),
            snapshot_id(table, ("amount", "uscc"), "section = 'A'"),
            snapshot_id(a_table(data_version="v2"), ("amount", "uscc"), None),
            snapshot_id(a_table("gov.other"), ("amount", "uscc"), None),
            snapshot_id(a_table(units=()), ("amount", "uscc"), None),
        }
        assert base not in others
        assert len(others) == 5

    def test_an_own_table_is_named_by_its_content(self, tmp_path: Path) -> None:
        text = FIRM_YAML.replace("space: government", "space: institution").replace(
            "  - {type: enterprise, column: uscc, rows_per_unit: 1}", "  []"
        )
        parquet(tmp_path)
        table = load_catalog(declarations(tmp_path, text), tmp_path).tables[TableName("gov", "firm")]
        assert snapshot_id(table, ("uscc",), None) == table.data_version


@pytest.mark.parametrize("path", ["gov.firm/*.parquet", "gov.firm/part-0.parquet", "*/part-0.parquet"])
def test_globs_and_plain_paths_find_files(tmp_path: Path, path: str) -> None:
    parquet(tmp_path)
    assert checked(tmp_path, FIRM_YAML.replace("gov.firm/*.parquet", f"'{path}'")) == ()


def test_a_value_of_a_unique_column_is_there_once_and_nulls_do_not_count(tmp_path: Path) -> None:
    text = FIRM_YAML.replace("role: qi, domain: [A, B]}", "role: qi, unique: true}")
    parquet(tmp_path)
    assert checked(tmp_path, text) == ()
    parquet(tmp_path, GOOD.replace("NULL, NULL", "'A', NULL"))
    assert told(checked(tmp_path, text)) == [(16, "1 rows repeat a value of this column")]


def test_a_number_of_units_that_is_promised_is_there(tmp_path: Path) -> None:
    parquet(tmp_path)
    text = FIRM_YAML.replace("rows_per_unit: 1}", "rows_per_unit: 1, at_least: 2}")
    assert checked(tmp_path, text) == ()
    (problem,) = checked(tmp_path, text.replace("at_least: 2", "at_least: 3"))
    assert (problem.line, problem.message) == (13, "there are fewer units than declared")


def test_bounds_of_what_is_no_value_must_hold(tmp_path: Path) -> None:
    parquet(tmp_path)
    text = FIRM_YAML.replace("bounds: [0, 100]", "bounds: [0, 1]")
    (warned,) = checked(tmp_path, text)
    assert warned.warning
    (refused,) = checked(tmp_path, text.replace("role: val", "role: qi"))
    assert not refused.warning
    assert refused.message == "1 rows are outside the bounds"


def test_what_was_checked_when_a_snapshot_was_built_is_in_its_name() -> None:
    table = a_table()
    names = {
        snapshot_id(one, ("amount", "section", "uscc"), None)
        for one in (
            table,
            replace(table, units=(replace(table.units[0], at_least=2),)),
            replace(table, columns=tuple(replace(item, domain=("A",)) for item in table.columns)),
            replace(
                table,
                columns=tuple(
                    replace(item, role=Role.KEY, bounds=(Decimal(0), Decimal(9))) for item in table.columns
                ),
            ),
        )
    }
    assert len(names) == 4


def test_a_unit_that_has_several_rows_for_one_value_is_counted(tmp_path: Path) -> None:
    rows = "('U1','A',1.50), ('U1','B',2.00), ('U2','A',3.00)"
    select = "SELECT uscc, section, amount::DECIMAL(9,2) AS amount FROM (VALUES {}) t(uscc, section, amount)"
    text = FIRM_YAML.replace("rows_per_unit: 1}", "rows_per_unit: unbounded, once_per: [section]}")
    parquet(tmp_path, select.format(rows))
    assert checked(tmp_path, text) == ()
    parquet(tmp_path, select.format(f"{rows}, ('U1','B',4.00)"))
    assert told(checked(tmp_path, text)) == [(13, "1 times a unit has several rows with the same section")]

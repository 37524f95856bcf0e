"""What the rules of quality, the suggestions and the scanner say of data that nobody made up; counts as SOURCE.md has."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.real.conftest import DATA, FILES
from typer.testing import CliRunner

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Role, Source, SourceKind
from louver_sandbox.operator.main import app
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.measure import measure
from louver_sandbox.quality.model import Grade, Report
from louver_sandbox.quality.suggest import declaration, look, suggest

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")

SAMPLES = {"sba_loan": "loan_nr", "food_fine": "case_id", "census_person": "row_id"}
MISSING = "owner: 局\ntitle: t\nshare_type: 有条件共享\nopen_type: 有条件开放\noperable: [analyse]\nrefresh: year\n"
PLANTED = (
    "370291199001011235",
    "110105491231002",
    "91370291MA3TEKT122",
    "13800138000",
    "4111 1111 1111 1111",
    "联系人：王小明",
)


def measured(name: str, folder: Path, as_of: str, domains: dict[str, str]) -> Report:
    """The report of a data set by the declaration that is suggested for it, with these code lists written in."""
    path = DATA / FILES[name]
    there = Source(SourceKind.PARQUET, path.name)
    suggested = tuple(map(suggest, look(Source(SourceKind.PARQUET, str(path)), connect)))
    text = f"{MISSING}as_of: {as_of}\n" + declaration(f"gov.{name}", there, suggested)
    unit = f"[{{type: enterprise, column: {SAMPLES[name]}, rows_per_unit: 1}}]"
    text = text.replace("units: []", f"units: {unit}")
    for column, domain in domains.items():
        line = next(line for line in text.splitlines() if line.strip().startswith(f'"{column}"'))
        changed = re.sub(r", domain: \[.*?\]", "", line).replace("}", f", domain: {domain}}}")
        text = text.replace(line, changed)
    (folder / "one.yaml").write_text(text, encoding="utf-8")
    shutil.copyfile(path, folder / path.name)
    catalog = load_catalog([folder / "one.yaml"], folder)
    table = catalog.tables[TableName("gov", name)]
    return measure(table, catalog.tables, connect, predicate_sql, date.fromisoformat(as_of))


def faulty(found: Report, column: str, rule: str) -> int:
    (item,) = (item for item in found.measured if item.column == column and item.rule == rule)
    return item.faulty


def test_the_known_defects_of_the_loans_are_counted(tmp_path: Path) -> None:
    found = measured(
        "sba_loan", tmp_path, "2018-06-30", {"rev_line_cr": '["N", "Y"]', "low_doc": '["N", "Y"]', "new_exist": '["1", "2"]'}
    )  # fmt: skip
    assert found.rows == 22_427
    assert faulty(found, "mis_status", "has a value") == 119
    assert faulty(found, "bank", "has a value") == 15
    assert faulty(found, "low_doc", "is in the domain") == 1
    assert faulty(found, "new_exist", "is in the domain") == 40
    assert faulty(found, "rev_line_cr", "is in the domain") == 4_130
    assert faulty(found, "", "no row stands twice") == 0
    assert found.grade is Grade.E, "18 of 100 are letters, noughts and signs in a column of yes and no"


def test_the_fines_are_as_their_source_says(tmp_path: Path) -> None:
    found = measured("food_fine", tmp_path, "2024-04-04", {})
    assert found.rows == 7_159
    with duckdb.connect() as plain:
        ((late, empty),) = plain.execute(
            f"SELECT count(*) FILTER (WHERE judgment_date > DATE '2024-04-04'), count(*) - count(business_status) "
            f"FROM '{DATA / FILES['food_fine']}'"
        ).fetchall()
    assert faulty(found, "judgment_date", "is not after the day of the data") == late
    assert faulty(found, "business_status", "has a value") == empty
    assert faulty(found, "", "no row stands twice") == 0
    assert (faulty(found, "establishment_name", "is a firm_name"), found.grade) == (39, Grade.C), (
        "untidy blanks and signs"
    )


def test_the_census_is_complete_and_its_sensitive_columns_are_known(tmp_path: Path) -> None:
    found = measured("census_person", tmp_path, "1995-12-31", {})
    assert found.rows == 299_285
    assert sum(item.faulty for item in found.measured if item.rule == "has a value") == 0
    assert faulty(found, "row_id", "at most 1 rows a unit") == 0
    seen = {
        one.seen.name: one
        for one in map(suggest, look(Source(SourceKind.PARQUET, str(DATA / FILES["census_person"])), connect))
    }
    for name in ("race", "hispanic_origin"):
        assert (seen[name].role, seen[name].level) == (Role.SENSITIVE, 4), name
    assert seen["age"].role is not Role.SENSITIVE


def scanned(path: Path) -> tuple[int, str]:
    told = CliRunner().invoke(app, ["catalog", "scan", str(path)])
    return told.exit_code, told.stdout


@pytest.mark.parametrize("name", FILES)
def test_the_scanner_raises_no_false_alarm_and_misses_nothing_planted(name: str, tmp_path: Path) -> None:
    path = DATA / FILES[name]
    assert scanned(path) == (0, "")
    table = pq.read_table(path)
    rows = table.num_rows
    remarks = ["" if row % 1_000 else f"备注 {PLANTED[row // 1_000 % len(PLANTED)]} 已核" for row in range(rows)]
    pq.write_table(pa.table({"remark": remarks}), tmp_path / "planted.parquet")
    counts = dict(line.split("\t")[1:] for line in scanned(tmp_path / "planted.parquet")[1].splitlines())
    assert sum(map(int, counts.values())) == sum(bool(one) for one in remarks)

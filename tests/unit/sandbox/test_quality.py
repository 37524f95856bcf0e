"""Quality of data: what a dirty world's own list of defects says, the rules find; the clean world has none."""

import re
import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench.quality import scores
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog, read_declarations
from louver_sandbox.catalog.model import Catalog, Source, SourceKind
from louver_sandbox.demo import world as demo_world
from louver_sandbox.operator.listing import declarations, listed
from louver_sandbox.operator.main import app
from louver_sandbox.operator.tidying import tidied_delivery
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.conflicts import collected_twice, conflicts
from louver_sandbox.quality.measure import measure
from louver_sandbox.quality.model import Dimension, Grade, Measured, Report
from louver_sandbox.quality.suggest import declaration, look, suggest
from louver_sandbox.quality.tidying import tidy
from louver_sandbox.settings import Settings, load

DECLARATIONS = Path(demo_world.__file__).parent.parent / "catalog"
TODAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("quality")
    for name, dirt in (("clean", 0.0), ("dirty", 1.0)):
        demo_world.generate(persons=3_000, seed=9, dirt=dirt, out=root / name)
    return {name: root / name for name in ("clean", "dirty")}


def catalogue(data: Path) -> Catalog:
    return load_catalog([DECLARATIONS], data)


def report(data: Path, table: str) -> Report:
    catalog = catalogue(data)
    return measure(catalog.tables[TableName(*table.split("."))], catalog.tables, connect, predicate_sql, TODAY)


def faulty(found: Report, column: str, rule: str) -> int:
    (item,) = (item for item in found.measured if item.column == column and item.rule == rule)
    return item.faulty


def defects_of(data: Path) -> Counter[tuple[str, str, str]]:
    """How often each defect is in the world's own list."""
    rows = pq.read_table(data / "truth" / "dirt.parquet").to_pylist()
    return Counter((row["table"], row["column"], row["kind"]) for row in rows)


LATE = "published_on is within 7 working days of decided_on"


def test_a_clean_world_is_without_fault_but_for_decisions_that_it_publishes_late(worlds: Mapping[str, Path]) -> None:
    for table in ("gov.ent_registry", "gov.pop_person", "gov.hf_account", "gov.tax_quarter", "gov.pen_penalty"):
        found = report(worlds["clean"], table)
        broken = {item.rule for item in found.measured if item.binding and item.grade > Grade.A}
        assert broken == ({LATE} if table == "gov.pen_penalty" else set()), table


def test_what_the_list_of_defects_says_the_rules_find(worlds: Mapping[str, Path]) -> None:
    defects, dirty = defects_of(worlds["dirty"]), worlds["dirty"]
    registry, fund = report(dirty, "gov.ent_registry"), report(dirty, "gov.hf_account")
    written = defects["gov.ent_registry", "ent_name", "traditional_characters"]
    written += defects["gov.ent_registry", "ent_name", "pinyin_noise"]
    assert faulty(registry, "ent_name", "is a firm_name") == written > 0
    damaged = defects["gov.hf_account", "person_id", "fifteen_digit_id"]
    damaged += defects["gov.hf_account", "person_id", "lower_case_x"]
    assert faulty(fund, "person_id", "is a citizen_number") == damaged > 0
    assert faulty(fund, "", "no row stands twice") == defects["gov.hf_account", "*", "duplicate_row"] > 0
    property_ = report(dirty, "gov.re_property")
    retired = defects["gov.re_property", "district_code", "retired_code"]
    assert faulty(property_, "district_code", "is in the domain") == retired > 0
    assert faulty(property_, "district_code", "is a region") == 0, "a retired code is one still"
    born = defects["gov.pop_person", "birth_date", "impossible_date"]
    assert faulty(report(dirty, "gov.pop_person"), "birth_date", "is not after the day of the data") == born > 0
    assert registry.grade > Grade.A
    assert registry.of(Dimension.VALIDITY) == registry.grade
    assert registry.of(Dimension.COMPLETENESS) is Grade.A


KNOWN_TO_THEIR_DEPARTMENT = {
    *("conflicting_name", "conflicting_address", "impossible_date"),
    *("wan_for_yuan", "late_publication"),
}
"""Defects that no form tells: what is right is not in the delivery."""


@pytest.mark.parametrize(
    "table",
    ["gov.pop_person", "gov.ent_registry", "gov.tax_quarter", "gov.hf_account", "gov.re_property", "gov.pen_penalty"],
)
def test_a_tidied_delivery_is_the_clean_world_but_for_what_its_department_alone_knows(
    worlds: Mapping[str, Path], tmp_path: Path, table: str
) -> None:
    declared = catalogue(worlds["dirty"]).tables[TableName(*table.split("."))]
    assert declared.source is not None
    found = tidy(declared, declared.source, tmp_path / "made.parquet", tmp_path / "aside.parquet", connect)

    def rows(path: Path) -> Counter[tuple[str, ...]]:
        return Counter(tuple(map(str, row.values())) for row in pq.read_table(path).to_pylist())

    clean, made = rows(worlds["clean"] / table), rows(tmp_path / "made.parquet")
    kinds = Counter({kind: n for (of, _, kind), n in defects_of(worlds["dirty"]).items() if of == table})
    left = sum(number for kind, number in kinds.items() if kind in KNOWN_TO_THEIR_DEPARTMENT)
    assert ((made - clean).total(), (clean - made).total()) == (left, left)
    assert found.repeated == kinds["duplicate_row"]
    assert sum(found.tidied.values()) == kinds.total() - left - kinds["duplicate_row"], "one defect a row at most"
    assert dict(found.set_aside) == {}
    assert found.kept == clean.total()
    assert not (tmp_path / "aside.parquet").exists()


def test_what_breaks_a_promise_is_set_aside_and_said(tmp_path: Path) -> None:
    text = REGISTER.format(name="filed", owner="税务局").replace("unbounded", "1")
    text += "  section: {type: text, nullable: true, level: L1, role: qi, domain: [A, B]}\n"
    (tmp_path / "declared").mkdir()
    (tmp_path / "declared" / "filed.yaml").write_text(text, encoding="utf-8")
    lines = [f"{CODES[0]},甲,A", f"{CODES[0]},甲,A", f"{CODES[1]},乙,Z", f"{CODES[2]},丙,A", f"{CODES[2]},丁,B"]
    lines += [f"{CODES[3].lower()},戊,B"]
    (tmp_path / "filed.csv").write_text("\n".join(["uscc,ent_name,section", *lines]), encoding="utf-8")
    table = load_catalog([tmp_path / "declared"], tmp_path).tables[TableName("gov", "filed")]
    assert table.source is not None
    found = tidy(table, table.source, tmp_path / "made.csv", tmp_path / "aside.csv", connect)
    assert dict(found.set_aside) == {"section is in the domain": 1, "at most 1 rows a unit": 2}
    assert (found.rows, found.repeated, found.kept, dict(found.tidied)) == (6, 1, 2, {"uscc": 1})
    assert (tmp_path / "made.csv").read_text(encoding="utf-8").splitlines() == [
        "uscc,ent_name,section", f"{CODES[3]},戊,B", f"{CODES[0]},甲,A",
    ]  # fmt: skip
    aside = (tmp_path / "aside.csv").read_text(encoding="utf-8").splitlines()
    assert aside[0] == "uscc,ent_name,section,louver_set_aside_because"
    assert [line.rpartition(",")[2] for line in aside[1:]] == [
        "section is in the domain", "at most 1 rows a unit", "at most 1 rows a unit",
    ]  # fmt: skip


def test_the_rules_find_the_defects_of_the_list_and_raise_no_false_alarm(worlds: Mapping[str, Path]) -> None:
    """`python -m bench.quality` prints recall and precision of every rule; these are what is promised."""
    found = list(scores(worlds["clean"], worlds["dirty"]))
    assert len(found) == 14
    # A firm that has filed three quarters has no usual revenue; a representative of several firms is told of by each.
    least = {"wan_for_yuan": 0.9, "conflicting_name": 0.5}
    for one in found:
        assert one.recall >= least.get(one.kinds, 1.0), one
        assert one.precision == 1.0, one


def test_data_that_ought_to_be_fresher_are_late(worlds: Mapping[str, Path]) -> None:
    catalog = catalogue(worlds["clean"])
    table = catalog.tables[TableName("gov", "tax_quarter")]
    assert table.refresh == "quarter"
    for today, grade in ((date(2026, 12, 1), Grade.A), (date(2027, 1, 15), Grade.E)):
        assert measure(table, catalog.tables, connect, predicate_sql, today).of(Dimension.TIMELINESS) is grade


@pytest.mark.parametrize(
    ("faulty_rows", "grade"), [(0, "A"), (1, "A"), (2, "B"), (11, "C"), (101, "D"), (1_001, "E"), (10_000, "E")]
)
def test_a_grade_is_a_share(faulty_rows: int, grade: str) -> None:
    assert Measured(Dimension.VALIDITY, "x", "is", 10_000, faulty_rows).grade == grade


def test_nothing_to_look_at_is_no_fault() -> None:
    assert Measured(Dimension.VALIDITY, "x", "is", 0, 0).grade is Grade.A


REGISTER = """
table: gov.{name}
space: government
owner: {owner}
title: t
share_type: 有条件共享
open_type: 有条件开放
operable: [analyse]
refresh: year
as_of: 2026-06-30
source: {{kind: csv, path: {name}.csv}}
units:
  - {{type: enterprise, column: uscc, rows_per_unit: unbounded}}
columns:
  uscc: {{type: text, nullable: false, level: L1, role: id, element: uscc}}
  ent_name: {{type: text, nullable: true, level: L1, role: id, element: firm_name}}
"""
CODES = ["91370291MA3TEKT122", "92370293MAC0TEY95H", "93370298MA94XRT80X", "51370290MJX000018F"]


def test_rows_that_once_per_forbids_are_counted_and_graded(tmp_path: Path) -> None:
    """One row for a firm and a quarter is declared: of five rows two are of the same, and are told as such."""
    text = REGISTER.format(name="filed", owner="税务局").replace("unbounded", "8, once_per: [quarter]")
    text += "  quarter: {type: date, nullable: true, level: L2, role: time}\n"
    declarations = tmp_path / "declared"
    declarations.mkdir()
    (declarations / "filed.yaml").write_text(text, encoding="utf-8")
    days = ("2026-01-01", "2026-04-01")
    rows = [(CODES[0], days[0]), (CODES[0], days[1]), (CODES[1], days[0]), (CODES[1], days[0]), (CODES[2], days[0])]
    lines = ["uscc,ent_name,quarter", *(f"{code},甲,{day}" for code, day in rows)]
    (tmp_path / "filed.csv").write_text("\n".join(lines), encoding="utf-8")
    catalog = load_catalog([declarations], tmp_path)
    found = measure(
        catalog.tables[TableName("gov", "filed")], catalog.tables, connect, predicate_sql, date(2026, 7, 1)
    )
    assert faulty(found, "uscc", "at most 1 row a unit for one quarter") == 2
    assert faulty(found, "uscc", "at most 8 rows a unit") == 0
    assert found.of(Dimension.UNIQUENESS) is Grade.E


def test_the_demos_months_have_one_row_of_a_unit_as_declared(worlds: Mapping[str, Path]) -> None:
    for table, unit in (("gov.ss_person_month", "person_id"), ("gov.ss_ent_month", "uscc")):
        assert faulty(report(worlds["clean"], table), unit, "at most 1 row a unit for one pay_month") == 0


def two_registers(folder: Path, other_owner: str = "税务局") -> Catalog:
    rows = {
        "one": [(CODES[0], "甲公司"), (CODES[1], "乙公司"), (CODES[2], "丙公司")],
        "two": [(CODES[0], "甲  公司"), (CODES[1], "乙公司（新）"), (CODES[2], "丙公司"), (CODES[2], "丁公司")],
    }
    declarations = folder / "declared"
    declarations.mkdir(parents=True)
    for name, owner in (("one", "市场监管局"), ("two", other_owner)):
        lines = ["uscc,ent_name", *(",".join(row) for row in rows[name])]
        (folder / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
        (declarations / f"{name}.yaml").write_text(REGISTER.format(name=name, owner=owner), encoding="utf-8")
    return load_catalog([declarations], folder)


def test_departments_that_tell_different_things_are_counted(tmp_path: Path) -> None:
    (found,) = conflicts(two_registers(tmp_path).tables, connect)
    assert (found.element, found.subjects) == ("firm_name", 2), "the third is at odds with itself"
    assert found.conflicts == 2, "甲  公司 is 甲 公司 and not 甲公司; 乙公司(新) is another name"


def test_one_department_has_no_conflict_with_itself(tmp_path: Path) -> None:
    assert list(conflicts(two_registers(tmp_path, "市场监管局").tables, connect)) == []


def test_what_two_departments_collect_is_told(tmp_path: Path) -> None:
    (found,) = collected_twice(two_registers(tmp_path / "a").tables.values())
    assert (found.element, found.column) == ("firm_name", "ent_name")
    assert [str(name) for name in found.tables] == ["gov.one", "gov.two"]
    assert collected_twice(two_registers(tmp_path / "b", "市场监管局").tables.values()) == ()


def test_injected_conflicts_of_the_dirty_world_are_found(worlds: Mapping[str, Path], tmp_path: Path) -> None:
    """The clean registry of one department beside the dirty one of another."""
    shutil.copytree(worlds["clean"] / "gov.ent_registry", tmp_path / "clean")
    shutil.copytree(worlds["dirty"] / "gov.ent_registry", tmp_path / "dirty")
    declared = (DECLARATIONS / "gov.ent_registry.yaml").read_text(encoding="utf-8")
    folder = tmp_path / "declared"
    folder.mkdir()
    for name, owner in (("clean", "市市场监管局"), ("dirty", "市税务局")):
        text = declared.replace("gov.ent_registry", f"gov.{name}", 1).replace("市市场监管局", owner)
        (folder / f"{name}.yaml").write_text(text.replace("gov.ent_registry/", f"{name}/"), encoding="utf-8")
    found = {item.element: item for item in conflicts(load_catalog([folder], tmp_path).tables, connect)}
    names = defects_of(worlds["dirty"])["gov.ent_registry", "legal_rep_name", "conflicting_name"]
    assert found["person_name"].conflicts == names > 0
    assert found["firm_name"].conflicts == 0, "traditional characters and readings are the same name"


def test_a_proposal_knows_identifiers_codes_and_amounts(worlds: Mapping[str, Path]) -> None:
    source = Source(SourceKind.PARQUET, str(worlds["clean"] / "gov.ent_registry" / "*.parquet"))
    found = {item.seen.name: item for item in map(suggest, look(source, connect))}
    declared = catalogue(worlds["clean"]).tables[TableName("gov", "ent_registry")]
    for name in ("uscc", "legal_rep_id", "industry_code", "section", "district_code", "ent_name"):
        column = declared.column(name)
        assert column is not None
        assert found[name].element == column.element, name
        assert found[name].level >= column.level, f"{name}: never milder than the department's own"
    assert found["reg_capital_wan"].role.value == "val"
    text = declaration("gov.proposed", source, tuple(found.values()))
    proposed = YAML(typ="safe").load(text)
    assert {unit["column"]: unit["type"] for unit in proposed["units"]} == {
        "uscc": "enterprise",
        "legal_rep_id": "person",
    }
    low, high = proposed["columns"]["reg_capital_wan"]["bounds"]
    seen = found["reg_capital_wan"].seen
    assert seen.least is not None
    assert seen.greatest is not None
    assert Decimal(str(low)) <= seen.least
    assert Decimal(str(high)) >= seen.greatest
    assert len(str(high).rstrip("0").rstrip(".")) == 1, "one digit: the largest value is not told"


def delivery(folder: Path, path: str, name: str = "gov.one", beside: str = "") -> Settings:
    """An installation with the register `name` at this path, another at `beside`, and a delivery of the first."""
    home = folder / "home"
    assert CliRunner().invoke(app, ["init", "--home", str(home)]).exit_code == 0
    settings = load(home)
    row = f"uscc,ent_name\n{CODES[0]},甲公司\n"
    for place in (settings.data / "box", folder / "delivered" / "box"):
        place.mkdir(parents=True)
    (settings.data / "box" / "old.csv").write_text(row, encoding="utf-8")
    (folder / "delivered" / "box" / "new.csv").write_text(row, encoding="utf-8")
    first = REGISTER.format(name="one", owner="市场监管局").replace("gov.one", name).replace("one.csv", path)
    (settings.catalog / "one.yaml").write_text(first, encoding="utf-8")
    if beside:
        second = REGISTER.format(name="two", owner="税务局").replace("two.csv", beside)
        (settings.catalog / "two.yaml").write_text(second, encoding="utf-8")
    return settings


def test_a_delivery_replaces_its_tables_own_folder_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = delivery(tmp_path, "box/*.csv")
    rename = Path.rename

    def cut_off(self: Path, target: Path) -> Path:
        if self.name.startswith(".tidying"):
            raise OSError("the disk is full")
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", cut_off)
        with pytest.raises(OSError, match="full"):
            list(tidied_delivery(settings, tmp_path / "delivered"))
    assert [file.name for file in (settings.data / "box").iterdir()] == ["old.csv"]
    # Killed between the two renames: the old folder stands aside, and is there again before anything else is done.
    (settings.data / "box").rename(settings.data / ".retired-gov.one")
    ((_, found),) = tidied_delivery(settings, tmp_path / "delivered")
    assert found.kept == 1
    assert [file.name for file in (settings.data / "box").iterdir()] == ["part-00000.csv"]
    assert sorted(file.name for file in settings.data.iterdir()) == ["box"]


@pytest.mark.parametrize(
    ("path", "name", "beside", "says"),
    [
        ("box/n*.csv", "gov.one", "", "FOLDER"),
        ("box/*", "gov.one", "", "FOLDER"),
        ("b*/*.csv", "gov.one", "", "FOLDER"),
        ("b*/new.csv", "gov.one", "", "FOLDER"),
        ("box/*.csv", "gov.one", "box/inner/two.csv", "gov.two"),
        ("box/*.csv", "gov.one", "box/two.txt", "gov.two"),
        ("box/*.csv", "cube.one_1", "", "published"),
        ("box/*.csv", "gov.one", "box.csv", "another kind"),
    ],
)
def test_a_delivery_that_would_take_other_files_away_is_refused(
    tmp_path: Path, path: str, name: str, beside: str, says: str
) -> None:
    settings = delivery(tmp_path, path, name, beside)
    other = settings.data / "box" / "two.txt"
    other.write_text("theirs", encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        list(tidied_delivery(settings, tmp_path / "delivered"))
    assert sorted(file.name for file in (settings.data / "box").iterdir()) == ["old.csv", "two.txt"]


def test_the_commands_tell_counts_and_no_values(worlds: Mapping[str, Path], tmp_path: Path) -> None:
    two_registers(tmp_path / "data")
    home = tmp_path / "home"
    assert CliRunner().invoke(app, ["init", "--home", str(home)]).exit_code == 0
    imported = ["import", "--catalog", str(tmp_path / "data" / "declared"), "--home", str(home)]
    assert CliRunner().invoke(app, imported).exit_code == 0
    for name in ("one", "two"):
        (home / "data").mkdir(exist_ok=True)
        shutil.copy(tmp_path / "data" / f"{name}.csv", home / "data")
    shown = CliRunner().invoke(app, ["catalog", "quality", "--home", str(home)])
    assert shown.exit_code == 0, shown.output
    assert "gov.two  4 rows  E" in shown.stdout
    assert "is a firm_name" in shown.stdout
    assert not any(code in shown.stdout for code in CODES)
    poor = CliRunner().invoke(app, ["catalog", "quality", "gov.two", "--least", "B", "--home", str(home)])
    assert poor.exit_code == 1
    told = CliRunner().invoke(app, ["catalog", "conflicts", "--home", str(home)])
    assert "firm_name  gov.one.ent_name and gov.two.ent_name  2 of 2  100.00%" in told.stdout
    assert "collected 2 times: ent_name" in told.stdout
    unknown = CliRunner().invoke(app, ["catalog", "quality", "gov.nothing", "--home", str(home)])
    assert unknown.exit_code == 1
    assert "no table gov.nothing" in unknown.stderr


def test_a_departments_list_is_exported_and_imported_as_the_same_catalogue(tmp_path: Path) -> None:
    home, listing = tmp_path / "home", tmp_path / "list.csv"

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--home", str(home)])

    assert run("init").exit_code == 0
    government = tmp_path / "declared"
    shutil.copytree(DECLARATIONS, government, ignore=shutil.ignore_patterns("bank_a.*"))
    assert run("import", "--catalog", str(government)).exit_code == 0
    before = load_catalog([home / "catalog"], home / "data")
    taxes = run("catalog", "export", "市税务局").stdout
    assert taxes.count("\ngov.tax_quarter,") == 9, "a row of the table and one of each column"
    assert "gov.hf_account" not in taxes
    listing.write_bytes(run("catalog", "export").stdout.encode("utf-8-sig"))
    shutil.rmtree(home / "catalog")
    (home / "catalog").mkdir()
    assert run("catalog", "import", str(listing)).exit_code == 0
    assert load_catalog([home / "catalog"], home / "data").digest == before.digest
    # A list is its department's own, and one with a problem changes nothing.
    listing.write_text(taxes, encoding="utf-8")
    assert "is of 市税务局" in run("catalog", "import", str(listing), "--department", "市公安局").stderr
    listing.write_text(taxes.replace("市税务局", "市公安局"), encoding="utf-8")
    assert "is of 市税务局" in run("catalog", "import", str(listing)).stderr
    theirs = taxes.replace("gov.tax_quarter/*.parquet", "gov.pop_person/p*.parquet")
    assert theirs != taxes
    for wrong in (theirs, taxes.replace("有条件共享", "随意"), "a,b\n", taxes + taxes.partition("\n")[2], "\xff"):
        listing.write_text(wrong, encoding="latin-1" if wrong == "\xff" else "utf-8")
        assert run("catalog", "import", str(listing)).exit_code == 1, wrong[:40]
    assert load_catalog([home / "catalog"], home / "data").digest == before.digest


def test_texts_that_spreadsheets_would_run_are_quoted(tmp_path: Path) -> None:
    text = REGISTER.format(name="one", owner="局").replace("title: t", "title: =HYPERLINK(1)")
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    declared, problems = read_declarations([tmp_path / "one.yaml"])
    assert problems == ()
    told = listed(declared)
    assert not re.search(r"(^|,)\"?[=+@-]", told, re.MULTILINE)
    ((_, made),) = declarations(told)
    assert '"title": "=HYPERLINK(1)"' in made


def test_values_are_checked_line_by_line() -> None:
    lines = "370291199001011235\n37029119900101123x\n"
    told = CliRunner().invoke(app, ["catalog", "elements", "citizen_number"], input=lines)
    assert told.exit_code == 1
    assert told.stdout.splitlines() == ["370291199001011235\t370291********1235\tok", "-\t***\tcheck_digit"]
    assert "no data element" in CliRunner().invoke(app, ["catalog", "elements", "nonsense"]).stderr
    assert "uscc\t" in CliRunner().invoke(app, ["catalog", "elements"]).stdout


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", b"\xff\xfe secret", "neither"),
        ("x.parquet", b"PAR1 is not enough, secret", "cannot be read"),
        ("y.csv", None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_proposed_is_a_line(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    told = CliRunner().invoke(app, ["catalog", "suggest", str(tmp_path / name)])
    assert told.exit_code == 1
    assert said in told.stderr
    assert "secret" not in told.stderr


def test_a_file_is_scanned_without_showing_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "remarks.csv"
    path.write_text("no,remark\n1,身份证370291199001011235\n2,ok\n3,370291199001011235\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["catalog", "scan", str(path)])
    assert (told.exit_code, told.stdout) == (1, "remark\tcitizen_number\t2\n")
    path.write_text("no,remark\n1,ok\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["catalog", "scan", str(path)]).exit_code == 0

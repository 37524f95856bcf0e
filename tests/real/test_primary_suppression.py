"""Which cells and values are withheld is what `acro`, an independent implementation, says of the same tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.support.peers import installed
from tests.real.conftest import DATA, DECLARATIONS, FILES
from tests.support.catalogs import DEMO_DECLARATIONS
from tests.support.judged_by_acro import DOMINANCE, NULL, P_PERCENT, UNITS, Asked, Said, judged
from tests.support.lengths import at_length_only
from tests.support.stored_relations import Stored

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.demo.city import City
from louver_sandbox.obligations import ThresholdRules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # acro judges all tables in one run, before the first test

Keys = tuple[str, ...]

HOUSE = ThresholdRules({UnitType.PERSON: 10, UnitType.ENTERPRISE: 5})
STRICT = ThresholdRules({UnitType.PERSON: 25, UnitType.ENTERPRISE: 10}, dominance_percent=35, p_percent=40)
LOOSE = ThresholdRules({UnitType.PERSON: 3, UnitType.ENTERPRISE: 3}, dominance_percent=80, p_percent=5)


@dataclass(frozen=True)
class Case:
    """A table: its keys, the unit, the value whose sum (or mean) is asked for beside the count, and where it is from."""

    keys: Sequence[str]
    unit: str
    source: str
    value: str | None = None
    aggregate: str = "sum"
    rules: ThresholdRules = HOUSE
    type: UnitType = UnitType.ENTERPRISE

    @property
    def question(self) -> str:
        """As a bank asks it."""
        function = {"sum": "sum", "mean": "avg"}[self.aggregate]
        measure = "count(*) AS n" if self.value is None else f"{function}({self.value}) AS value"
        return f"SELECT {', '.join(self.keys)}, {measure} FROM {self.source} GROUP BY {', '.join(self.keys)}"

    @property
    def asked(self) -> Asked:
        """For acro: each unit once in each cell."""
        keys = ", ".join(self.keys)
        sql = f"SELECT {keys}, {self.unit}, sum({self.value or 1}) FROM {self.source} GROUP BY {keys}, {self.unit}"
        return Asked(sql, len(self.keys), self.aggregate if self.value else None, self.rules, self.rules.k[self.type])


LOANS, LOAN = "gov.sba_loan", "loan_nr"
SOUTHERN_LOANS = f"{LOANS} WHERE state IN ('FL', 'GA')"
PEOPLE, PERSON = "gov.census_person", "row_id"
PEOPLE_OF_1995 = f"{PEOPLE} WHERE year = 1995"
FINES, BUSINESS = "gov.food_fine", "business_id"

REAL = {
    "loans by state and sector": Case(("state", "substr(naics, 1, 2)"), LOAN, LOANS),
    "loans by state and outcome": Case(("state", "mis_status"), LOAN, LOANS, rules=STRICT),
    "employees by state": Case(("state",), LOAN, LOANS, "n_employees"),
    "employees by state, strictly": Case(("state",), LOAN, LOANS, "n_employees", rules=STRICT),
    "employees by sector and place": Case(("substr(naics, 1, 2)", "urban_rural"), LOAN, LOANS, "n_employees"),
    "mean loans by city": Case(("state", "city"), LOAN, SOUTHERN_LOANS, "gross_approved", "mean"),
    "loans by state and year": Case(("state", "approval_fy"), LOAN, LOANS, "gross_approved", rules=LOOSE),
    "people by education and race": Case(("education", "race"), PERSON, PEOPLE, type=UnitType.PERSON),
    "people by three keys": Case(
        ("marital_stat", "race", "class_of_worker"), PERSON, PEOPLE_OF_1995, rules=STRICT, type=UnitType.PERSON
    ),
    "employers by industry": Case(
        ("major_industry_code", "citizenship"),
        PERSON,
        PEOPLE_OF_1995,
        "num_persons_worked_for_employer",
        type=UnitType.PERSON,
    ),
    "mean wages": Case(
        ("education", "tax_filer_stat"), PERSON, PEOPLE_OF_1995, "wage_per_hour", "mean", LOOSE, UnitType.PERSON
    ),
    "businesses fined": Case(("category", "municipality"), BUSINESS, FINES),
    "fines by category": Case(("category",), BUSINESS, FINES, "fine_cad"),
    "fines by place and owner": Case(("municipality", "owner_type"), BUSINESS, FINES, "fine_cad", rules=STRICT),
    "fines by place and year": Case(("municipality", "year(offence_date)"), BUSINESS, FINES, "fine_cad", rules=LOOSE),
}
RETURNS = "gov.tax_quarter q JOIN gov.ent_registry r ON r.uscc = q.uscc"
GRADES = "gov.tax_credit t JOIN gov.ent_registry r ON r.uscc = t.uscc"
BILLS = "gov.utl_month u JOIN gov.ent_registry r ON r.uscc = u.subject_id"
INSURED = "gov.ss_ent_month s JOIN gov.ent_registry r ON r.uscc = s.uscc"

GENERATED = {
    "grades by section": Case(("r.section", "t.grade"), "t.uscc", GRADES),
    "grades by section and size": Case(("r.section", "r.scale", "t.grade"), "t.uscc", GRADES, rules=STRICT),
    "revenue by section and district": Case(("r.section", "r.district_code"), "q.uscc", RETURNS, "q.revenue"),
    "revenue by quarter": Case(("r.section", "q.quarter"), "q.uscc", RETURNS, "q.revenue", rules=STRICT),
    "arrears by section": Case(("r.section", "r.scale"), "q.uscc", RETURNS, "q.arrears_amt", rules=LOOSE),
    "electricity by section": Case(("r.section", "u.kind"), "u.subject_id", BILLS, "u.usage_qty"),
    "insured by section and district": Case(
        ("r.section", "r.district_code"), "s.uscc", INSURED, "s.headcount", rules=STRICT
    ),
}


@dataclass(frozen=True)
class Judged:
    """What left of each question, and what acro says of it."""

    shown: Mapping[str, Mapping[Keys, object]]
    said: Mapping[str, Said]


def judge(stored: Stored, cases: Mapping[str, Case], folder: Path) -> Judged:
    shown = {}
    for name, case in cases.items():
        ran = stored.run(case.question, case.rules)
        keys = len(case.keys)
        shown[name] = {
            tuple(NULL if key is None else str(key) for key in row[:keys]): row[keys] for row in ran.release.rows
        }
    with stored.plain() as connection:
        said = judged(connection, [case.asked for case in cases.values()], folder)
    return Judged(shown, dict(zip(cases, said, strict=True)))


@pytest.fixture(scope="module")
def by_acro() -> None:
    if not installed("acro"):
        pytest.skip("acro is not installed: `make bench-peers`")


@pytest.fixture(scope="module")
def real(by_acro: None, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    if not DATA.exists():
        pytest.skip(f"the real data folders are not here ({DATA.name}); set LOUVER_REAL_DATA to where they are")
    files = {f"gov.{name}": str(DATA / file) for name, file in FILES.items()}
    return judge(Stored.of(DECLARATIONS / "catalog", files), REAL, tmp_path_factory.mktemp("acro"))


@pytest.fixture(scope="module")
def generated(by_acro: None, city: City, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    tables = ("gov.tax_quarter", "gov.ent_registry", "gov.tax_credit", "gov.utl_month", "gov.ss_ent_month")
    files = {name: f"{city.world / name}/*.parquet" for name in tables}
    stored = Stored.of(DEMO_DECLARATIONS, files, public=frozenset({"gov.ent_registry"}))
    return judge(stored, GENERATED, tmp_path_factory.mktemp("acro"))


def agrees(found: Judged, name: str, case: Case) -> None:
    """The cells that are missing fail acro's threshold, the empty values its dominance or p%, and no others."""
    said, shown = found.said[name], found.shown[name]
    missing = {cell for cell, checks in said.fails.items() if UNITS in checks}
    assert set(shown) == set(said.fails) - missing
    empty = {cell for cell, value in shown.items() if value is None}
    broken = {cell for cell in shown if said.fails[cell] & {DOMINANCE, P_PERCENT}}
    assert empty == broken | (said.few_contributors & set(shown))


@at_length_only
@pytest.mark.parametrize("name", REAL)
def test_real_tables_lose_what_acro_would_suppress(real: Judged, name: str) -> None:
    agrees(real, name, REAL[name])


@pytest.mark.parametrize("name", GENERATED)
def test_tables_of_the_generated_world_lose_what_acro_would_suppress(generated: Judged, name: str) -> None:
    agrees(generated, name, GENERATED[name])


@at_length_only
def test_every_rule_is_met_in_the_real_tables(real: Judged) -> None:
    """Else nothing would have been compared."""
    met = [checks for said in real.said.values() for checks in said.fails.values()]
    for rule in (UNITS, DOMINANCE, P_PERCENT):
        assert sum(rule in checks for checks in met) > 20
    assert any(checks == {DOMINANCE} for checks in met)
    assert any(checks == {P_PERCENT} for checks in met)
    assert any(said.few_contributors for said in real.said.values())

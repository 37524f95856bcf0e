"""Terms that cannot hold what is promised of numbers are refused by lint, unless an officer names each risk they take."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench.support.default_policies import rewrite
from tests.support.atomic import DIMENSIONS, OWNER, firm, firm_grant
from tests.support.catalogs import a_catalog, a_column, a_table
from tests.support.policy_questions import (
    BANK_A,
    CASES,
    LIBRARY,
    TODAY,
    city_catalog,
    grant_document,
    platform,
    policy,
)
from tests.unit.sandbox.test_policy_load import PLATFORM, POLICY
from tests.unit.sandbox.test_policy_unit_sets import catalog, loaded, said
from typer.testing import CliRunner

from louver.errors import Refused
from louver_sandbox.catalog.atoms import HOLDING_UNITS
from louver_sandbox.catalog.model import Catalog, LevelCondition, Table
from louver_sandbox.demo.city import City
from louver_sandbox.operator.main import app
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.holding import idle, taken, unheld
from louver_sandbox.policy.lint import lint, unaccepted_risks
from louver_sandbox.policy.load import CONTENT_FILE, load_library
from louver_sandbox.policy.model import Grant, Policy
from louver_sandbox.policy.risks import Risk
from louver_sandbox.policy.severity import Severity
from louver_sandbox.policy.testing import load_queries
from louver_sandbox.stages import Facts, Request

CAP, LARGE = "unit_sets: {}", "unit_sets: {percent: 2}"
NOISE = "noise: {method: cell-key, rounding: {mode: random, base: 5}}"
UNROUNDED = "noise: {method: cell-key}"
STRICT = "encrypted: %s"
FREE, UNCAPPED, EQUAL, WIDE = "free-predicates", "uncapped-noise", "unrounded-noise", "large-cap"


def accepting(*risks: str) -> str:
    return f"accepts_risk: [{', '.join(f'{{risk: {risk}, because: a pilot}}' for risk in risks)}]"


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (["person: 10"], ["no atoms"]),
        ([NOISE, CAP], ["no atoms"]),
        ([NOISE], ["averaged away", "no atoms"]),
        ([UNROUNDED, CAP], ["tells equal sets", "no atoms"]),
        ([UNROUNDED], ["averaged away", "tells equal sets", "no atoms"]),
        ([LARGE], ["no atoms", "2 % of the units"]),
        ([NOISE, LARGE, accepting(FREE)], ["2 % of the units"]),
        ([NOISE, CAP, accepting(FREE)], []),
        ([UNROUNDED, accepting(FREE, UNCAPPED, EQUAL)], []),
        ([NOISE, LARGE, accepting(FREE, WIDE)], []),
        ([NOISE, CAP, accepting(FREE, WIDE)], ["names large-cap, a risk that these terms do not take"]),
        ([STRICT % "{protection: strict}", accepting(FREE)], []),
        ([STRICT % "{protection: strict, epsilon: '0.5', labels: 2, labels_of_all: 4}", accepting(FREE)], []),
        ([STRICT % "{protection: strict, epsilon: '4'}", accepting(FREE)], ["98.2 times in 100"]),
        ([STRICT % "{protection: strict, labels: 3}", accepting(FREE)], ["3 ways of grouping together"]),
        ([STRICT % "{protection: strict, labels_of_all: 9}", accepting(FREE)], ["9 ways of grouping together"]),
        ([STRICT % "{protection: strict, epsilon: '4'}", accepting(FREE, "readable-rows")], []),
        (["accepts_risk: a pilot with one bank"], ["no atoms", "a text that names no risk"]),
    ],
)
def test_terms_that_cannot_hold_are_refused_unless_an_officer_names_the_risk(
    tmp_path: Path, terms: list[str], says: list[str]
) -> None:
    found = said(loaded(tmp_path, *terms))
    assert len(found) == len(says), found
    assert all(words in problem for words, problem in zip(says, found, strict=True))


def test_what_lint_says_has_its_place(tmp_path: Path) -> None:
    noise, free = said(loaded(tmp_path, "person: 10", NOISE))
    assert noise.startswith("tax.yaml:19:7: noise without a cap")
    assert free.startswith("tax.yaml:13:5: gov.tax_credit has protected columns")
    assert "name the risk free-predicates in threshold.accepts_risk" in free
    (idle_one,) = said(loaded(tmp_path, NOISE, CAP, accepting(FREE, WIDE)))
    assert idle_one.startswith("tax.yaml:20:")


@pytest.mark.parametrize(
    "spoiled",
    ["''", "[]", "[{risk: anything, because: a pilot}]", "[{risk: large-cap}]", "[{risk: large-cap, because: ''}]"],
)
def test_a_risk_that_is_none_is_not_loaded(tmp_path: Path, spoiled: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        loaded(tmp_path, f"accepts_risk: {spoiled}")
    for problem in caught.value.problems:
        assert "threshold.accepts_risk" in str(problem)
        assert (problem.source, problem.line) == ("tax.yaml", 18)


# atoms


def risks(document: dict[str, Any], table: Table, *others: dict[str, Any]) -> set[str]:
    """The risks of a grant in a bundle with others."""
    bundle = parse_bundle(bundle_content(platform(), [policy(document, *others, owner=OWNER)]))
    grant = bundle.policies[0].grants[0]
    return {one.risk.value for one in taken(grant, table, bundle.rulebook.atoms(table))}


DEFAULT: dict[str, Any] = {"atom_units": {}}
"""What a grant with atoms has that says nothing of their size."""


def test_atoms_hold_by_themselves_unless_they_are_made_smaller() -> None:
    assert risks(firm_grant(**DEFAULT), firm()) == set()
    assert risks(firm_grant(atom_units={"enterprise": HOLDING_UNITS - 1}), firm()) == {"small-atoms"}
    assert risks(firm_grant(atom_units={"person": 1}), firm()) == set(), "there are no persons"
    assert risks(firm_grant(), firm()) == {"small-atoms"}
    strict = firm_grant(threshold={"enterprise": HOLDING_UNITS})
    assert risks(strict, firm()) == set(), "a threshold holds for atoms as well"
    assert risks(firm_grant(), firm(), firm_grant("other", **DEFAULT)) == set(), (
        "the strictest grant makes the partition"
    )
    assert risks(firm_grant(dimensions=None), firm()) == {"free-predicates"}


def test_a_cap_of_any_size_stands_beside_atoms_that_hold() -> None:
    cap = {"enterprise": 5, "unit_sets": {"percent": 10}}
    assert risks(firm_grant(threshold=cap, **DEFAULT), firm()) == set()
    assert risks(firm_grant(threshold=cap), firm()) == {"small-atoms", "large-cap"}


def test_the_default_is_left_out_of_a_bundle_and_a_size_of_nothing_is_refused() -> None:
    content = bundle_content(platform(), [policy(firm_grant(**DEFAULT), owner=OWNER)])
    assert b"atom_units" not in content
    (grant,) = parse_bundle(content).policies[0].grants
    assert (grant.atom_units.person, grant.atom_units.enterprise) == (110, 110)
    assert grant.atoms is not None
    assert len(grant.atoms) == len(DIMENSIONS)
    with pytest.raises(PolicyRefused, match="there are none"):
        bundle_content(platform(), [policy(firm_grant(dimensions=None, atom_units={"person": 3}), owner=OWNER)])


# what is protected


def grade_table(*conditions: LevelCondition, level: int = 3) -> Table:
    grade = replace(a_column("grade", level=level), when=conditions)
    return a_table("gov.tax_credit", columns=[a_column("uscc", level=1), grade, a_column("rating_year", level=1)])


def free(table: Table, **changes: Any) -> bool:
    """Whether a grant without atoms takes the risk."""
    found = {one.risk for one in taken(Grant.model_validate(grant_document(**changes)), table, None)}
    return Risk.FREE_PREDICATES in found


def test_only_protected_columns_that_are_granted_for_analysis_need_atoms() -> None:
    assert free(grade_table())
    assert free(grade_table(level=2))
    assert not free(grade_table(level=1))
    assert not free(grade_table(), columns={"rating_year": ["filter"]})
    assert free(grade_table(), treatment="exact"), "their level asks for a threshold answer whatever the grant says"
    assert not free(grade_table(), treatment="dp")
    assert not free(grade_table(), verbs=["match"])


def test_a_condition_makes_a_column_public_only_for_a_grant_of_those_rows() -> None:
    public = grade_table(LevelCondition("grade = 'A'", 1))
    assert free(public)
    assert not free(public, row_filter="grade = 'A'")
    assert free(public, row_filter="grade = 'B'")


# a library that takes no risk


def test_the_demos_policies_without_a_risk_answer_what_is_public_and_join_nobody(tmp_path: Path) -> None:
    """What the defaults cost the demo (ADR 25), by verdict: `bench.utility` asks them of a city."""
    folder = tmp_path / "library"
    shutil.copytree(LIBRARY, folder)
    rewrite(folder)
    safe = load_library([folder])
    assert [item for item in lint(safe, city_catalog(), TODAY) if item.severity is not Severity.NOTE] == []
    content = bundle_content(safe.platform, safe.policies)
    assert b"accepts_risk" not in content
    bundle, found = parse_bundle(content), {}
    for name, query in load_queries(CASES / "queries.yaml").items():
        if name.startswith("A"):
            try:
                request = Request(name, BANK_A, query.purpose, query.sql)
                found[name] = judge(request, city_catalog(), bundle, Facts(TODAY)).treatment.value
            except Refused:
                found[name] = "refused"
    assert found == dict.fromkeys((f"A0{number}" for number in range(1, 10)), "refused") | dict.fromkeys(
        ("A01", "A02", "A06"), "exact"
    )


# what an officer can put in force


def test_nobody_puts_terms_in_force_that_lint_refuses(own_city: City) -> None:
    home, policies = own_city.settings.home, own_city.settings.home / "policies"
    signed = (own_city.settings.bundle / CONTENT_FILE).read_bytes()
    file = policies / "utilities.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("free-predicates", "small-atoms"), encoding="utf-8")
    result = CliRunner().invoke(app, ["policy", "activate", "--home", str(home)])
    assert result.exit_code == 1
    assert "utilities.yaml:13:5: gov.utl_month has protected columns and no atoms" in result.stderr
    assert (own_city.settings.bundle / CONTENT_FILE).read_bytes() == signed


def test_what_is_no_risk_of_numbers_stops_no_activation(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (tmp_path / "tax.yaml").write_text(POLICY.replace("2026-12-31", "2026-01-02"), encoding="utf-8")
    library = load_library([tmp_path])
    (free_predicates,) = unaccepted_risks(library, catalog())
    assert "no atoms" in str(free_predicates)
    elsewhere: Catalog = a_catalog(a_table("gov.other"))
    assert unaccepted_risks(library, elsewhere) == ()
    assert len(said(library)) == 2, "lint tells of the expired grant as well"
    document = library.loaded[1].document
    assert isinstance(document, Policy)
    (grant,) = document.grants
    table = catalog().tables[next(name for name in catalog().tables if str(name) == grant.table)]
    assert [len(tuple(say(grant, table, None))) for say in (unheld, idle)] == [1, 0]
    assert grant.valid.until < TODAY

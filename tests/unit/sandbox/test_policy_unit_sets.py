"""The cap on released cells as policies write it. The risks of terms without: `test_policy_risks`."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from tests.support.policy_questions import TODAY, city_catalog, grant_document, platform, policy, table_name
from tests.unit.sandbox.test_policy_load import PLATFORM, POLICY

from louver_sandbox.catalog.model import Catalog
from louver_sandbox.obligations import UnitSetCap
from louver_sandbox.policy.bundle import bundle_content
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.load import Library, load_library
from louver_sandbox.policy.terms import ThresholdTerms
from louver_sandbox.policy.unit_sets import accepted, combined, written

CAP = "unit_sets: {percent: 1, institution_percent: 25}"
RISK = "accepts_risk: [{risk: free-predicates, because: a pilot with one bank}]"
MORE = POLICY.split("grants:\n")[1].replace("id: grades", "id: other").replace("[sum, avg]", "[sum]")


def loaded(folder: Path, *terms: str, more: str = "") -> Library:
    """The library with a grant under these terms."""
    threshold = "".join(f"      {line}\n" for line in terms)
    text = POLICY.replace("treatment: threshold", f"treatment: threshold\n    threshold:\n{threshold}".rstrip())
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (folder / "tax.yaml").write_text(text + more, encoding="utf-8")
    return load_library([folder])


def catalog(at_least: int | None = 9_000) -> Catalog:
    """The demo city's, where the tax office says how many firms it has at least."""
    city = city_catalog()
    name = table_name("gov.tax_credit")
    table = city.tables[name]
    units = tuple(replace(unit, at_least=at_least) for unit in table.units)
    return Catalog({**city.tables, name: replace(table, units=units)}, city.digest)


def said(library: Library, known: Catalog | None = None) -> list[str]:
    return [str(problem) for problem in lint(library, known or catalog(), TODAY) if problem.severity.fails]


def test_a_cap_that_cannot_be_counted_or_is_got_round_is_told(tmp_path: Path) -> None:
    library = loaded(tmp_path, CAP, RISK)
    (uncounted,) = said(library, catalog(None))
    assert "does not say how many units gov.tax_credit has at least" in uncounted
    found = said(loaded(tmp_path, CAP, RISK, more=MORE))
    assert any("cells released under taxation/other are not counted" in problem for problem in found)


@pytest.mark.parametrize(
    ("cap", "says"),
    [
        ("unit_sets: {percent: 11}", "above the floor of 10"),
        ("unit_sets: {percent: 0}", "too small"),
        ("unit_sets: {institution_percent: 101}", "too large"),
        ("unit_sets: 10", "not a value of the kind"),
    ],
)
def test_a_cap_that_is_none_is_not_loaded(tmp_path: Path, cap: str, says: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        loaded(tmp_path, cap)
    (problem,) = caught.value.problems
    assert says in str(problem)
    assert (problem.source, problem.line) == ("tax.yaml", 18)


def test_the_smallest_of_several_holds_in_any_order() -> None:
    caps = (None, UnitSetCap(10, 25), UnitSetCap(4, 50), UnitSetCap(10, 100))
    assert {combined(several) for several in permutations(caps)} == {UnitSetCap(4, 25)}
    assert combined([None, None]) is None
    assert combined([]) is None
    assert accepted([("b",), (), ("a", "b")]) == ("a", "b")


def test_the_defaults_are_a_hundredth_and_a_quarter_of_it() -> None:
    assert written(ThresholdTerms.model_validate({"unit_sets": {}})) == UnitSetCap(1, 25)
    assert written(ThresholdTerms()) is None


def test_bundles_signed_before_there_was_a_cap_are_the_same_bytes() -> None:
    plain = bundle_content(platform(), [policy(grant_document())])
    assert b"unit_sets" not in plain
    assert b"accepts_risk" not in plain
    capped = bundle_content(platform(), [policy(grant_document(threshold={"unit_sets": {"percent": 10}}))])
    assert b'"unit_sets":{"institution_percent":25,"percent":10}' in capped

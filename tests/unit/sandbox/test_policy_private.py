"""Budgets of privacy loss in policies: what may be written, what lint finds, and the strictest of several."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from tests.support.private_worlds import world

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import Period
from louver_sandbox.policy.model import Grant
from louver_sandbox.policy.private import cost_of, findings, private_rules, problems
from louver_sandbox.policy.terms import PrivateTerms
from louver_sandbox.privacy.conversion import epsilon_of
from louver_sandbox.privacy.cost import NOTHING

PAY = world().tables[1]
"""Persons with a declared number of rows, employers with none."""


def loss(epsilon: str, delta: str = "0.0000001") -> dict[str, str]:
    return {"epsilon": epsilon, "delta": delta}


def budget(**more: object) -> dict[str, object]:
    return {
        "lifetime": loss("20", "0.000001"),
        "allowance": loss("8", "0.000001"),
        "most": loss("2"),
        "each": loss("1"),
        **more,
    }


def grant(privacy: dict[str, Any] | None, treatment: str = "dp") -> Grant:
    written: dict[str, Any] = {
        "id": "g",
        "to": {"groups": ["banks"]},
        "verbs": ["analyse"],
        "purposes": ["RESEARCH"],
        "valid": {"from": "2026-01-01", "until": "2030-12-31"},
        "table": "gov.pay",
        "columns": {"amount": ["aggregate"]},
        "treatment": treatment,
        "budget": {"queries_per_day": 10, "predicates_per_day": 10},
    }
    return Grant.model_validate(written if privacy is None else {**written, "privacy": privacy})


def wrong(privacy: dict[str, Any], treatment: str = "dp") -> list[str]:
    return [".".join(problem.where) for problem in problems(grant(privacy, treatment))]


def test_an_amount_is_the_largest_rho_that_is_certainly_within_it() -> None:
    terms = grant({"person": budget()}).privacy
    assert terms is not None
    assert terms.person is not None
    cost = cost_of(terms.person.each)
    assert epsilon_of(cost, Fraction(1, 10**7)) <= 1 + Fraction(1, 10**9), "both directions round up"
    assert cost.delta == Fraction(1, 2 * 10**7), "half of delta is kept for groups that a threshold lists"


def test_nonsense_is_not_loaded() -> None:
    assert wrong({"person": budget()}) == []
    assert wrong({"person": budget()}, "threshold") == [""]
    assert wrong({"person": budget(), "exempt": {"person": "no"}}) == ["exempt.person"]
    assert wrong({"person": budget(each=loss("3"))}) == ["person.each"]
    assert wrong({"person": budget(most=loss("2", "0.00001"))}) == ["person.most"]
    assert wrong({"person": budget(allowance=loss("20", "0.001"))}) == ["person.allowance"]
    assert wrong({"person": budget(purposes={"RESEARCH": loss("9", "0.000001")})}) == ["person.purposes.RESEARCH"]
    assert wrong({"person": budget(each=loss("0.000000000001"))}) == []


@pytest.mark.parametrize("amount", ["50", "0", "-1", "NaN", "Infinity", "1e400", "many", "1." + "1" * 30])
def test_no_epsilon_but_a_sensible_one_is_read(amount: str) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        grant({"person": budget(each=loss(amount))})


def found(privacy: dict[str, Any] | None, units: int | None = None) -> list[str]:
    counted = replace(PAY, units=tuple(replace(unit, at_least=units) for unit in PAY.units))
    return [".".join(problem.where) for problem in findings(grant(privacy), counted)]


def test_lint_finds_what_cannot_be_asked_and_what_protects_nobody() -> None:
    both = {"person": budget(), "enterprise": budget(rows=50)}
    assert found(both) == []
    assert found({"person": budget(), "exempt": {"enterprise": "published"}}) == []
    assert found(None) == ["", ""]
    assert found({"person": budget()}) == [""]
    assert found({"person": budget(), "enterprise": budget()}) == ["enterprise.rows"]
    assert "person.lifetime.delta" in found(both, 2_000_000)
    assert "person.allowance.delta" in found(both, 2_000_000)
    assert found(both, 900_000) == []
    parts = {"person": budget(purposes={"RESEARCH": loss("1", "0.000001")}), "enterprise": budget(rows=50)}
    assert "person.purposes.RESEARCH.delta" in found(parts, 2_000_000)


def test_lint_finds_an_accuracy_that_no_question_has() -> None:
    """Persons have four rows; a single count of them is within ±21 at epsilon 2, ±40 at 1."""
    asked = {
        accuracy: {"person": budget(accuracy=accuracy), "enterprise": budget(rows=50)} for accuracy in (1, 30, 500)
    }
    (never, unless_asked_for, fine) = (list(findings(grant(terms), PAY)) for terms in asked.values())
    assert [problem.where for problem in never] == [("person", "accuracy")]
    assert "every question is refused" in never[0].message
    assert "does not ask for more" in unless_asked_for[0].message
    assert fine == []


def test_the_least_accuracy_of_several_grants_holds_and_none_is_not_written() -> None:
    demanding, lenient = (grant({"person": budget(accuracy=n), "exempt": {"enterprise": "no"}}) for n in (100, 900))
    rules = private_rules(PAY, [lenient, demanding])
    assert rules is not None
    assert rules[0].accuracy == 100
    assert "accuracy" not in grant({"person": budget()}).model_dump(mode="json")["privacy"]["person"]
    for nonsense in (0, -5, 10**10, "exact"):
        with pytest.raises(ValueError, match="accuracy"):
            grant({"person": budget(accuracy=nonsense)})


def test_of_several_grants_the_strictest_of_each_holds() -> None:
    lenient = grant({"person": budget(groups=8, rows=9), "exempt": {"enterprise": "published"}})
    strict = grant({"person": budget(each=loss("0.5"), window="year", shared=False), "enterprise": budget(rows=5)})
    rules = private_rules(PAY, [lenient, strict])
    assert rules is not None
    person, enterprise = rules
    assert (person.unit, person.groups, person.rows, person.exempt) == (UnitType.PERSON, 1, 9, "")
    assert person.terms is not None
    assert (person.terms.period, person.terms.shared) == (Period.YEAR, False)
    assert person.each == cost_of(PrivateTerms.model_validate({"person": budget(each=loss("0.5"))}).person.each)  # type: ignore[union-attr]
    assert (enterprise.exempt, enterprise.rows) == ("", 5)
    assert private_rules(PAY, [grant({"person": budget()})]) is None, "employers have no budget and no exemption"
    assert private_rules(PAY, [grant(None)]) is None


def test_a_purpose_that_one_of_several_grants_has_no_part_for_has_none() -> None:
    """Grants that name no purpose together left every purpose the whole allowance."""
    lending = grant(
        {"person": budget(purposes={"LENDING": loss("2"), "BOTH": loss("2")}), "exempt": {"enterprise": "-"}}
    )
    research = grant({"person": budget(purposes={"RESEARCH": loss("2")}), "exempt": {"enterprise": "-"}})
    rules = private_rules(PAY, [lending, research])
    assert rules is not None
    assert rules[0].terms is not None
    assert dict(rules[0].terms.purposes) == dict.fromkeys(["BOTH", "LENDING", "RESEARCH"], NOTHING)


def test_bundles_signed_before_there_were_budgets_stay_as_they_are() -> None:
    assert "privacy" not in grant(None).model_dump(mode="json")
    again = Grant.model_validate(grant({"person": budget()}).model_dump(mode="json", by_alias=True))
    assert again == grant({"person": budget()})
    assert Decimal("0.0000001") == again.privacy.person.each.delta  # type: ignore[union-attr]


@pytest.mark.parametrize("where", ["lifetime", "allowance", "most", "each"])
@pytest.mark.parametrize("amount", ["0", "1", "2", "-0.1", "NaN", "sNaN", "-Infinity", "1e-400", "little"])
def test_no_delta_but_a_chance_is_read_in_any_limit(where: str, amount: str) -> None:
    with pytest.raises(ValueError, match="delta"):
        grant({"person": budget(**{where: loss("1", amount)})})


@pytest.mark.parametrize("where", ["lifetime", "allowance", "most"])
@pytest.mark.parametrize("amount", ["50", "-8", "NaN", "Infinity", "0"])
def test_no_limit_is_read_that_is_none(where: str, amount: str) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        grant({"person": budget(**{where: loss(amount)})})


@pytest.mark.parametrize("where", ["groups", "rows"])
@pytest.mark.parametrize("amount", [0, -1, 1.5, "many", float("nan")])
def test_no_number_of_rows_or_groups_is_read_that_is_none(where: str, amount: object) -> None:
    with pytest.raises(ValueError, match=where):
        grant({"person": budget(**{where: amount})})


@pytest.mark.parametrize("window", ["week", "", "DAY", None, 7])
def test_no_window_is_read_that_the_calendar_does_not_have(window: object) -> None:
    with pytest.raises(ValueError, match="window"):
        grant({"person": budget(window=window)})

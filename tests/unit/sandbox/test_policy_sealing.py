"""Where a policy, or the caller, asks for a seal, the answer leaves sealed; nobody can ask it away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.line import ask
from tests.support.policy_questions import (
    BANK_A,
    TODAY,
    bundle_of,
    city_bundle,
    city_catalog,
    facts,
    grant_document,
    library,
    policy,
    question,
    use,
)
from tests.support.relations import RULES_5

from louver.errors import Refused
from louver_sandbox.obligations import Seal, ThresholdRules
from louver_sandbox.policy import sealing
from louver_sandbox.policy.bundle import Bundle, bundle_content, parse_bundle
from louver_sandbox.policy.decide import decide
from louver_sandbox.policy.terms import ThresholdTerms
from louver_sandbox.policy.testing import Case, PlacedCase, run_case
from louver_sandbox.stages import Bound, Clause, Treatment

KEYED = replace(facts(), sealing_key="k" * 64)
SEALED = replace(RULES_5, seal=Seal.PAILLIER)


def test_a_bundle_that_was_signed_before_there_were_seals_is_still_canonical() -> None:
    assert "seal" not in ThresholdTerms().model_dump()
    assert ThresholdTerms.model_validate({"seal": "paillier"}).model_dump(mode="json")["seal"] == "paillier"
    assert ThresholdTerms.model_validate({"seal": "none"}) == ThresholdTerms()


def test_another_kind_of_seal_is_no_policy() -> None:
    with pytest.raises(ValueError, match="seal"):
        ThresholdTerms.model_validate({"seal": "rot13"})


def test_of_several_grants_one_is_enough() -> None:
    assert sealing.strictest([Seal.NONE, Seal.PAILLIER]) is Seal.PAILLIER
    assert sealing.strictest([Seal.NONE, Seal.NONE]) is Seal.NONE
    assert sealing.strictest([]) is Seal.NONE


@pytest.mark.parametrize(
    ("rules", "asked", "sealed"),
    [(RULES_5, "", Seal.NONE), (RULES_5, "paillier", Seal.PAILLIER), (SEALED, "", Seal.PAILLIER)],
)
def test_either_may_ask_for_it(rules: ThresholdRules, asked: str, sealed: Seal) -> None:
    assert sealing.demanded(rules, ask(seal=asked), KEYED) == replace(rules, seal=sealed)


@pytest.mark.parametrize("rules", [RULES_5, SEALED])
def test_without_a_key_nothing_is_sealed_and_nothing_answered(rules: ThresholdRules) -> None:
    with pytest.raises(Refused, match="LVR-5021"):
        sealing.demanded(rules, ask(seal="paillier"), facts())


@pytest.mark.parametrize(
    ("grants", "asked"), [([Seal.NONE], "paillier"), ([Seal.PAILLIER, Seal.NONE], ""), ([Seal.PAILLIER], "paillier")]
)
def test_an_answer_with_differential_privacy_is_sealed_for_the_same_reasons(grants: list[Seal], asked: str) -> None:
    assert sealing.of_private(grants, ask(seal=asked), KEYED) is Seal.PAILLIER
    assert sealing.of_private([Seal.NONE], ask(), facts()) is Seal.NONE
    with pytest.raises(Refused, match="LVR-5021"):
        sealing.of_private(grants, ask(seal=asked), facts())


def test_an_exact_answer_is_not_sealed_and_says_so() -> None:
    assert sealing.demanded(None, ask(), KEYED) is None
    with pytest.raises(Refused, match="LVR-5022"):
        sealing.demanded(None, ask(seal="paillier"), KEYED)


def _deposits(seal: str = "") -> Bound:
    """A count of housing fund accounts, which are L4."""
    bound = question(tables=("gov.hf_account",))
    return replace(bound, request=replace(bound.request, seal=seal))


def _sealing(bundle_of_the_city: Bundle) -> Bundle:
    """The city's policies, each of which demands a seal."""
    demanding = [
        item.model_copy(
            update={
                "grants": tuple(
                    grant.model_copy(update={"threshold": grant.threshold.model_copy(update={"seal": Seal.PAILLIER})})
                    for grant in item.grants
                )
            }
        )
        for item in bundle_of_the_city.policies
    ]
    return parse_bundle(bundle_content(library().platform, demanding))


def test_a_question_that_needs_noise_is_decided_by_what_caller_and_policies_say_of_seals() -> None:
    plain = decide(_deposits(), city_bundle(), KEYED)
    assert (plain.treatment, plain.seal, plain.threshold) == (Treatment.DP, Seal.NONE, None)
    assert decide(_deposits("paillier"), city_bundle(), KEYED).seal is Seal.PAILLIER
    assert decide(_deposits(), _sealing(city_bundle()), KEYED).seal is Seal.PAILLIER
    with pytest.raises(Refused, match="LVR-5021"):
        decide(_deposits(), _sealing(city_bundle()), facts())


def test_the_missing_budget_is_told_before_the_seal() -> None:
    bundle = bundle_of(policy(grant_document(treatment="dp", threshold={"seal": "paillier"})))
    bound = question(use("gov.tax_credit", "grade", Clause.GROUP_KEY), bundle=bundle)
    with pytest.raises(Refused, match="LVR-2105"):
        decide(bound, bundle, KEYED)


def test_a_policys_tests_are_about_requesters_with_a_key() -> None:
    """A policy without tests cannot be activated, and its tests know no institution's keys."""
    bundle = bundle_of(policy(grant_document(threshold={"seal": "paillier"})))
    sql = "SELECT grade, count(*) AS n FROM gov.tax_credit GROUP BY grade"
    case = Case.model_validate({"case": "sealed", "who": "bank_a", "sql": sql, "expect": "threshold"})
    result = run_case(PlacedCase("here", 1, case, BANK_A, sql, "RESEARCH", {}, TODAY), city_catalog(), bundle)
    assert result.passed, str(result)


def test_a_bundle_that_was_signed_before_columns_had_bounds_is_still_canonical() -> None:
    loss = {"epsilon": "1", "delta": "0.000001"}
    written = {"protection": "contract", "most": "5", "each": loss, "allowance": loss, "lifetime": loss}
    terms = ThresholdTerms.model_validate({"encrypted": written})
    assert terms.encrypted is not None
    assert "most_of" not in terms.encrypted.model_dump()
    bounded = ThresholdTerms.model_validate({"encrypted": {**written, "most_of": {"days": "9"}}})
    assert bounded.model_dump(mode="json")["encrypted"]["most_of"] == {"days": "9"}
    for wrong in ({"days": "0"}, {"": "9"}, {"days": "1e13"}):
        with pytest.raises(ValueError, match="most_of"):
            ThresholdTerms.model_validate({"encrypted": {**written, "most_of": wrong}})

"""Where a policy, or the caller, asks for a seal, the answer leaves sealed; nobody can ask it away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.line import ask
from tests.support.policy_questions import facts
from tests.support.relations import RULES_5

from louver.errors import Refused
from louver_sandbox.obligations import Seal, ThresholdRules
from louver_sandbox.policy import sealing
from louver_sandbox.policy.model import ThresholdTerms

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


def test_an_exact_answer_is_not_sealed_and_says_so() -> None:
    assert sealing.demanded(None, ask(), KEYED) is None
    with pytest.raises(Refused, match="LVR-5022"):
        sealing.demanded(None, ask(seal="paillier"), KEYED)

"""A bank asks about persons' accounts: noise drawn by OpenDP, the cost said before and after, one answer for ever."""

from __future__ import annotations

import pytest
from tests.e2e.soundness import wrongs
from tests.support.installation import service
from tests.support.queries import QUERIES

from louver_sandbox.demo.city import City

pytest.importorskip("opendp", reason="the extra louver[dp] is not installed")


def test_the_histogram_of_deposits_is_answered_once_and_costs_what_was_said(own_city: City) -> None:
    question = QUERIES["B02"]
    with service(own_city) as served, served.connect("bank_a") as bank:
        said = bank.explain(question.sql, purpose="RESEARCH")
        answer = bank.analyse(question.sql, purpose="RESEARCH")
        assert answer.treatment == said.treatment == "dp"
        losses = [item.message for item in answer.notices if item.code == "PRIVACY_LOSS"]
        assert losses == [item.message for item in said.notices if item.code == "PRIVACY_LOSS"]
        assert "gov.hf_account" in losses[0]
        (exactness,) = answer.accuracy
        (predicted,) = said.accuracy
        assert (exactness.above, exactness.message) == (predicted.above, predicted.message)
        assert predicted.low == ()
        assert len(exactness.low) == len(exactness.high) == len(answer)
        for (_, number), low, high in zip(answer, exactness.low, exactness.high, strict=True):
            assert low is not None
            assert high is not None
            assert (low, high) == (max(0, number - exactness.below), max(0, number + exactness.above))
        assert len({number for _, number in answer}) > 1
        again = bank.analyse(question.sql + " -- once more", purpose="RESEARCH")
        assert again.stored
        assert again.stream == answer.stream
        assert again.accuracy == answer.accuracy
    with service(own_city) as served, served.connect("bank_a") as bank:
        assert bank.analyse(question.sql, purpose="RESEARCH").stream == answer.stream
    assert not wrongs(own_city)

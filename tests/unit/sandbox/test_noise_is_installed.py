"""A sandbox without an exact source of noise answers nothing that needs it, and says so before anything is charged."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date
from typing import cast

import pytest
from tests.support.policy_questions import city_bundle, facts
from tests.support.private_worlds import planned, world
from tests.support.relations import BANK

from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.delegates import JudgeInChecker
from louver_sandbox.premises import sampler_of
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.stages import Plan, Request, Verdict
from louver_sandbox.withdrawn import Withdrawn

MADE = planned(world(), "SELECT count(*) FROM gov.account")


class Answering:
    """A checker that has judged already."""

    def ask(self, question: bytes, seconds: float) -> bytes:
        return codec.encode(Verdict(MADE, None))


class InForce:
    """A book of revocations in which nothing stands."""

    def check(self, policies: Iterable[str], today: date) -> None:
        """Every policy answers."""


def judged(*, has_noise: bool) -> Plan:
    checkers, withdrawn = cast(CheckerPool, Answering()), cast(Withdrawn, InForce())
    judge = JudgeInChecker(checkers, lambda institution: (), 1.0, withdrawn, has_noise=has_noise)
    return judge(Request(MADE.request_id, BANK, "RESEARCH", "SELECT"), facts())


def test_what_needs_noise_is_refused_where_there_is_none() -> None:
    assert judged(has_noise=True) == MADE
    with pytest.raises(Refused, match="LVR-3106"):
        judged(has_noise=False)


def test_noise_comes_from_opendp_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opendp.measurements", None)
    monkeypatch.setitem(sys.modules, "opendp", None)
    assert sampler_of(city_bundle()) is None

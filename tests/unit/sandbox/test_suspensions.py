"""The kill switch: from one moment on nothing is paid and nothing leaves, whatever is under way; two persons end it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC
from functools import partial
from pathlib import Path

import pytest
from tests.support.line import EngineSlot, Line, ask, call, line

from louver.errors import Fault, Refused
from louver_sandbox import journal
from louver_sandbox.pipeline import Call
from louver_sandbox.stages import Plan
from louver_sandbox.suspensions import LONGEST_REASON, Suspensions

WHY = "key found on a public server"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def switch(of: Line) -> Suspensions:
    return Suspensions(of.books.state, of.clock, partial(journal.appended, of.books))


def steps(of: Line) -> list[tuple[object, object]]:
    """What the log says was done, and by whom."""
    found = of.books.log.entries(kind="suspension", limit=100)
    return [(entry.fields["step"], entry.fields["by"]) for entry in found]


class Suspending(EngineSlot):
    """A worker that is at work while somebody throws the switch."""

    def __init__(self, act: Suspensions) -> None:
        super().__init__()
        self._act = act

    def run(self, plan: Plan, call: Call) -> bytes:
        reply = super().run(plan, call)
        self._act.suspend("bank_a", WHY, "zhao")
        return reply


def test_a_suspended_institution_pays_nothing_and_is_told_why_in_both_languages(bank: Line) -> None:
    switch(bank).suspend("bank_a", WHY, "zhao")
    with pytest.raises(Refused) as caught:
        bank.pipeline.answer(ask(), call())
    refused = caught.value
    assert refused.code == "LVR-7301"
    assert "suspended since 2026-" in refused.message
    assert "暂停服务" in refused.message_zh
    assert WHY not in f"{refused.message}{refused.hint}{refused.details}", "the reason is the operator's"
    assert (bank.kinds(), bank.spent()) == (["suspension", "refusal"], 0)


def test_one_that_is_suspended_while_its_question_runs_gets_nothing_and_stays_charged(bank: Line) -> None:
    bank.slot = Suspending(switch(bank))
    with pytest.raises(Fault):
        bank.pipeline.answer(ask(), call())
    assert bank.kinds() == ["admission", "suspension", "aborted"]
    (aborted,) = bank.books.log.entries(kind="aborted", limit=2)
    assert aborted.fields["reason"] == "suspended"
    assert bank.spent() == 1, "charged stays charged (law 3)"


def test_another_institution_is_answered_meanwhile(bank: Line) -> None:
    switch(bank).suspend("bank_b", WHY, "zhao")
    bank.pipeline.answer(ask(), call())
    assert bank.kinds() == ["suspension", "admission", "outcome"]


def test_whatever_the_race_no_outcome_comes_after_the_suspension(bank: Line) -> None:
    """Answers in one thread, the switch in another: the log's order is the order of events."""
    pipeline, ready, told = bank.pipeline, threading.Event(), []

    def asking() -> None:
        for number in range(40):
            if number == 3:
                ready.set()
            try:
                pipeline.answer(ask(request_id=f"request-{number}"), call())
            except (Refused, Fault) as error:
                told.append(error)

    asks = threading.Thread(target=asking)
    asks.start()
    assert ready.wait(60)
    switch(bank).suspend("bank_a", WHY, "zhao")
    asks.join(60)
    kinds = bank.kinds()
    after = kinds[kinds.index("suspension") + 1 :]
    assert set(after) <= {"refusal", "aborted"}
    assert len(told) == len(after), "each that was asked afterwards was told so, and logged"
    assert kinds.count("aborted") <= 1, "only what was under way"


def test_it_is_suspended_once_however_often_it_is_said(bank: Line) -> None:
    act = switch(bank)
    first = act.suspend("bank_a", WHY, "zhao")
    assert act.suspend("bank_a", "again", "qian") == first
    assert (first.by, first.reason, first.since.tzinfo) == ("zhao", WHY, UTC)
    assert steps(bank) == [("suspended", "zhao")]
    assert act.all() == {"bank_a": first}


def test_two_persons_let_it_be_served_again_and_one_does_not(bank: Line) -> None:
    act = switch(bank)
    act.suspend("bank_a", WHY, "zhao")
    for _ in range(2):
        held = act.resume("bank_a", "new key in place", "zhao")
        assert held is not None
        assert held.resume_by == "zhao"
    with pytest.raises(Refused):
        act.check("bank_a")
    assert act.resume("bank_a", "I have seen it", "qian") is None
    act.check("bank_a")
    assert steps(bank) == [("suspended", "zhao"), ("resume_proposed", "zhao"), ("resumed", "qian")]
    assert act.resume("bank_a", "once more", "sun") is None, "one that is served stays served"
    assert act.suspend("bank_a", "again", "sun").by == "sun", "and may be suspended anew"


def test_whoever_suspends_again_takes_a_proposal_back(bank: Line) -> None:
    act = switch(bank)
    act.suspend("bank_a", WHY, "zhao")
    act.resume("bank_a", "new key", "zhao")
    assert act.suspend("bank_a", "not yet", "qian").resume_by == ""
    held = act.resume("bank_a", "now", "qian")
    assert held is not None, "the former proposal counts no more"
    assert steps(bank)[2:] == [("resume_withdrawn", "qian"), ("resume_proposed", "qian")]


@pytest.mark.parametrize("reason", ["", " \n", "x" * (LONGEST_REASON + 1)])
def test_nobody_is_suspended_or_resumed_without_a_reason(bank: Line, reason: str) -> None:
    for act in (switch(bank).suspend, switch(bank).resume):
        with pytest.raises(Refused) as caught:
            act("bank_a", reason, "zhao")
        assert caught.value.code == "LVR-7307"
    assert bank.kinds() == []


def test_a_reason_stands_in_the_log_as_a_commitment_that_can_be_erased(bank: Line) -> None:
    held = switch(bank).suspend("bank_a", WHY, "zhao")
    entry = bank.books.log.entry(held.entry)
    assert WHY not in str(dict(entry.fields))
    assert bank.books.log.open(held.entry)["reason"].text == WHY

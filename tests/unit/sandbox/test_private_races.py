"""Many at once for noise and for what is left of a budget: through the whole line, with real plans and charges."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.line import ask, call
from tests.support.losses import loss
from tests.support.policy_questions import BANK_A, BANK_B
from tests.support.private_line import PrivateLine, budget, private_line
from tests.support.private_worlds import world
from tests.support.relations import Row

from louver.errors import Refused
from louver_sandbox.accounting import privacy
from louver_sandbox.accounting.one_at_a_time import OneAtATime
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.obligations import PrivacyCharge
from louver_sandbox.pipeline import Call
from louver_sandbox.recount import verify
from louver_sandbox.stages import Plan, Receipted

CLIENTS = 64
PAID = 5
ACCOUNTS: list[Row] = [{"person_id": f"p{n}", "district": "d1", "amount": Decimal(n), "age": n} for n in range(50)]
COUNT = "SELECT count(*) AS n FROM gov.account"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PrivateLine]:
    with private_line(tmp_path, world(accounts=ACCOUNTS)) as made:
        yield made
        assert list(verify.differences(made.books.state)) == [], "every balance follows from the log"
        assert not verify_log(made.books.state, made.books.log.key).findings


def at_once(tasks: Sequence[Callable[[], Receipted]]) -> tuple[list[Receipted], list[str]]:
    """Answers and codes of refusals of tasks that all begin together; every one of them ends."""
    answers: list[Receipted] = []
    refusals: list[str] = []
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], Receipted]) -> None:
        start.wait()
        try:
            answers.append(task())
        except Refused as refused:
            refusals.append(refused.code)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "nobody waits for ever"
    assert len(answers) + len(refusals) == len(tasks)
    return answers, refusals


def test_64_clients_racing_for_the_last_epsilon_never_overspend_it_and_lose_none_of_it(line: PrivateLine) -> None:
    line.allowed = (budget(lifetime=PAID, allowance=PAID),)

    def asking(number: int) -> Callable[[], Receipted]:
        who = (BANK_A, BANK_B)[number % 2]
        request = ask(f"{COUNT} WHERE age > {number}", f"racer-{number}", who)
        return lambda: line.pipeline.answer(request, call(100.0))

    answers, refusals = at_once([asking(number) for number in range(CLIENTS)])
    assert len(answers) == PAID, "all that was left was spent"
    assert set(refusals) == {"LVR-3012"}
    assert sum(kind == "admission" for kind in line.kinds()) == PAID
    assert sum(kind == "outcome" for kind in line.kinds()) == PAID
    with line.books.state.reading() as tx:
        assert privacy.audit(tx) == ()


def test_the_same_question_by_all_at_once_is_one_draw_and_is_charged_once(line: PrivateLine) -> None:
    """Two institutions, each from many threads: every one is entitled, and the lifetime pays for one."""
    line.allowed = (budget(lifetime=1, allowance=1),)

    def asking(number: int) -> Callable[[], Receipted]:
        request = ask(COUNT, f"equal-{number}", (BANK_A, BANK_B)[number % 2])
        return lambda: line.pipeline.answer(request, call(100.0))

    answers, refusals = at_once([asking(number) for number in range(16)])
    assert refusals == []
    assert len({one.answer.arrow for one in answers}) == 1
    assert sum(not one.stored for one in answers) == 1
    assert line.kinds().count("admission") == 1


def test_who_waits_for_a_failing_question_is_asked_to_pay_for_it_in_turn(line: PrivateLine) -> None:
    failing = threading.Event()
    honest = line.run

    def fails_once(plan: Plan, call: Call) -> bytes:
        if not failing.is_set():
            failing.set()
            raise MemoryError
        return honest(plan, call)

    line.run = fails_once  # type: ignore[method-assign]
    with pytest.raises(Exception, match="incident"):
        line.pipeline.answer(ask(COUNT, "first"), call())
    assert not line.pipeline.answer(ask(COUNT, "second", BANK_B), call()).stored
    assert line.kinds().count("admission") == 2, "what failed stays paid, and its noise was never drawn"


@dataclass(frozen=True)
class Digest:
    """A question by its digest alone."""

    noise: str
    privacy: tuple[PrivacyCharge, ...] = (loss(1),)


def test_patience_and_hanging_up_end_the_waiting() -> None:
    waiting, patient, hung_up = OneAtATime(), call(1.0), call(3600.0)
    hung_up.cancelled.set()
    with waiting.alone(Digest("q"), patient):
        with waiting.alone(Digest("another"), patient):
            assert len(waiting) == 2
        for caller in (call(0.1), hung_up):
            with pytest.raises(Refused, match="LVR-3101"), waiting.alone(Digest("q"), caller):
                pass
        with waiting.alone(Digest("exact", ()), patient), waiting.alone(Digest("exact", ()), patient):
            assert len(waiting) == 1, "without noise nobody waits"
    with waiting.alone(Digest("q"), patient):
        assert len(waiting) == 1
    assert len(waiting) == 0


def test_a_question_that_outlasts_the_patience_of_who_waits_is_told_as_busy(line: PrivateLine) -> None:
    running, done = threading.Event(), threading.Event()
    honest = line.run

    def slow(plan: Plan, call: Call) -> bytes:
        running.set()
        assert done.wait(30)
        return honest(plan, call)

    line.run = slow  # type: ignore[method-assign]
    first = threading.Thread(target=lambda: line.pipeline.answer(ask(COUNT, "first"), call()))
    first.start()
    assert running.wait(30)
    with pytest.raises(Refused, match="LVR-3101"):
        line.pipeline.answer(ask(COUNT, "second", BANK_B), call(0.2))
    done.set()
    first.join(30)
    assert line.pipeline.answer(ask(COUNT, "second", BANK_B), call()).stored

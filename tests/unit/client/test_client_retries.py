"""A call that was cut off is repeated under the same request id and paid once; a refusal is final."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from tests.support.sandbox_simulator import Simulation, Trouble
from tests.unit.client.conftest import DISTRICTS, FORBIDDEN, IMPATIENT

from louver.client import Client, connect
from louver.errors import Fault, Refused
from louver.failures import Misused, Unreachable
from louver.surroundings import Surroundings, pause_before_retry


@pytest.mark.parametrize("trouble", [Trouble.UNAVAILABLE, Trouble.CUT_OFF])
def test_a_cut_off_question_is_repeated_and_charged_once(sandbox: Simulation, bank: Client, trouble: Trouble) -> None:
    sandbox.service.troubles.extend([trouble, trouble])
    answer = bank.analyse(DISTRICTS)
    assert len(answer) == 3
    assert len({question.request_id for question in sandbox.service.asked}) == 1
    assert len(sandbox.service.asked) == 3
    assert len(sandbox.service.charged) == 1
    assert answer.stored == (trouble is Trouble.CUT_OFF)


def test_it_gives_up_after_a_few_attempts_and_says_how_to_go_on(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.extend([Trouble.UNAVAILABLE] * 9)
    with pytest.raises(Unreachable) as caught:
        bank.analyse(DISTRICTS)
    assert len(sandbox.service.asked) == 1 + len(IMPATIENT.pauses)
    assert caught.value.request_id == sandbox.service.asked[0].request_id
    assert caught.value.request_id in str(caught.value)
    assert "restarting" not in str(caught.value), "the text of a status is not passed on"


def test_a_refusal_arrives_whole_and_is_final(sandbox: Simulation, bank: Client) -> None:
    with pytest.raises(Refused) as caught:
        bank.analyse(FORBIDDEN)
    refused = caught.value
    assert (refused.code, refused.line, refused.column) == ("LVR-2104", 1, 8)
    assert refused.hint == "count or group instead"
    assert refused.message_zh == "name 列可识别个人"
    assert (refused.rule, refused.policy_version) == ("negative-list", "hukou-credit@3")
    assert refused.details == {"column": "name"}
    assert not refused.retryable
    assert len(sandbox.service.asked) == 1


def test_a_fault_carries_the_incident_and_is_not_repeated(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.append(Trouble.FAULT)
    with pytest.raises(Fault, match="inc-17"):
        bank.analyse(DISTRICTS)
    assert len(sandbox.service.asked) == 1


def test_foreign_text_in_a_status_never_reaches_the_caller(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.append(Trouble.FOREIGN_TEXT)
    with pytest.raises(Fault) as caught:
        bank.analyse(DISTRICTS)
    assert "张三" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_deadline_ends_the_call_and_stops_the_engine(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.append(Trouble.SLOW)
    started = time.monotonic()
    with pytest.raises(Unreachable, match="time allowed"):
        bank.analyse(DISTRICTS, timeout=1.5)
    assert time.monotonic() - started < 10, "by itself it takes twenty seconds"
    assert sandbox.service.cancelled.wait(15)


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """A shell that starts something in the background lets it ignore Ctrl-C, and what it starts inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
def test_ctrl_c_cancels_the_call(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.append(Trouble.SLOW)
    stopped = threading.Event()

    def press() -> None:
        """Again after a while: an interrupt that comes while Python cleans up is dropped by it."""
        for pause in (0.3, 5.0, 5.0):
            if stopped.wait(pause):
                return
            os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        bank.analyse(DISTRICTS, timeout=20)
    stopped.set()
    assert sandbox.service.cancelled.wait(15)
    pressing.join()


def test_the_same_request_id_gets_the_stored_answer(sandbox: Simulation, bank: Client) -> None:
    first = bank.analyse(DISTRICTS)
    again = bank.analyse(DISTRICTS, request_id=first.request_id)
    assert again.stored
    assert again.cost == {}
    assert again.rows == first.rows


def test_small_calls_are_repeated_too_but_a_drop_is_not(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.append(Trouble.UNAVAILABLE)
    assert bank.tables() == []
    sandbox.service.troubles.append(Trouble.UNAVAILABLE)
    with pytest.raises(Unreachable):
        bank.drop("loan_book")


def test_pauses_grow_are_jittered_and_respect_the_time_left() -> None:
    passing, final = Unreachable("", transient=True), Unreachable("", transient=False)
    lazy = Surroundings(jitter=lambda: 0.0, pauses=(1.0, 2.0))
    assert pause_before_retry(passing, 0, 10, lazy) == 0.5
    assert pause_before_retry(passing, 1, 10, lazy) == 1.0
    assert pause_before_retry(passing, 2, 10, lazy) is None
    assert pause_before_retry(passing, 1, 0.9, lazy) is None
    assert pause_before_retry(final, 0, 10, lazy) is None


def test_explain_spends_nothing_and_gives_verdicts(sandbox: Simulation, bank: Client) -> None:
    verdict = bank.explain(DISTRICTS)
    assert verdict.admitted
    assert verdict.treatment == "threshold"
    assert verdict.obligations == ("threshold 10",)
    refused = bank.explain(FORBIDDEN)
    assert not refused.admitted
    assert refused.refusal is not None
    assert refused.refusal.code == "LVR-2104"
    assert sandbox.service.charged == {}


def test_the_own_trail_is_paged_through(sandbox: Simulation, bank: Client) -> None:
    for _ in range(5):
        bank.analyse(DISTRICTS)
    assert len(bank.my_queries(limit=4)) == 4
    records = bank.my_queries()
    assert [record.request_id for record in records] == [q.request_id for q in reversed(sandbox.service.asked)]


def test_a_closed_client_says_so(sandbox: Simulation) -> None:
    client = connect(**sandbox.arguments())
    client.close()
    with pytest.raises(Misused, match="closed"):
        client.tables()

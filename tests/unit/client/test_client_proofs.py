"""With a log key, an answer is believed only when its receipt proves it; what was tampered with is never returned."""

from __future__ import annotations

import pytest
from tests.support.sandbox_simulator import LogSimulator, Simulation, Trouble
from tests.unit.client.conftest import DISTRICTS, IMPATIENT

from louver.client import Client, connect
from louver.errors import Unproven
from louver.failures import Misused


def test_a_proof_covers_sql_result_and_request(bank: Client) -> None:
    answer = bank.analyse(DISTRICTS)
    assert answer.proof is not None
    assert answer.proof.checked == {"sql", "result_digest", "request_id"}


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.OTHER_BYTES,
        Trouble.OTHER_RECEIPT,
        Trouble.OTHER_REQUEST,
        Trouble.OTHER_TREATMENT,
        Trouble.NO_REMAINDER,
        Trouble.LONGER,
    ],
)
def test_what_does_not_belong_together_is_not_an_answer(sandbox: Simulation, bank: Client, trouble: Trouble) -> None:
    sandbox.service.troubles.append(trouble)
    with pytest.raises(Unproven):
        bank.analyse(DISTRICTS)
    assert len(sandbox.service.asked) == 1, "a failed proof is not asked again until it fits"


def test_a_receipt_of_another_log_proves_nothing(sandbox: Simulation) -> None:
    other = str(LogSimulator(sandbox.service.log.key.name).key)
    with connect(**sandbox.arguments(log_key=other)) as bank, pytest.raises(Unproven):
        bank.analyse(DISTRICTS)


def test_without_a_log_key_the_answer_says_that_it_is_not_proved(sandbox: Simulation) -> None:
    with connect(**sandbox.arguments(log_key=None)) as bank:
        answer = bank.analyse(DISTRICTS)
    assert answer.proof is None
    assert answer.receipt is not None
    assert "receipt not verified" in answer.summary


def test_verification_cannot_be_asked_for_without_a_key(sandbox: Simulation) -> None:
    with pytest.raises(Misused):
        connect(**sandbox.arguments(log_key=None, verify=True))


def test_a_key_that_is_none_is_noticed_before_the_first_question(sandbox: Simulation) -> None:
    with pytest.raises(Unproven):
        connect(**sandbox.arguments(log_key="louver.example/log+00000000+AAAA"))


def test_a_receipt_can_be_fetched_later_and_must_be_the_right_one(sandbox: Simulation, bank: Client) -> None:
    answer = bank.analyse(DISTRICTS)
    receipt = bank.receipt(answer.request_id)
    assert receipt.verify(sandbox.log_key, sql=DISTRICTS).kind == "outcome"


def test_the_head_is_verified(sandbox: Simulation, bank: Client) -> None:
    bank.analyse(DISTRICTS)
    assert bank.head().size == 1
    other = str(LogSimulator(sandbox.service.log.key.name).key)
    with connect(**sandbox.arguments(log_key=other, surroundings=IMPATIENT)) as stranger, pytest.raises(Unproven):
        stranger.head()

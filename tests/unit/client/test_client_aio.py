"""The asyncio client promises what the blocking one does, without blocking the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from tests.support.sandbox_simulator import Authority, Simulation, Trouble
from tests.unit.client.conftest import DISTRICTS, FORBIDDEN, IMPATIENT

from louver import aio
from louver.aio import AsyncClient
from louver.errors import Refused, Unproven
from louver.failures import Misused, Unreachable

T = TypeVar("T")


def run(sandbox: Simulation, story: Callable[[AsyncClient], Awaitable[T]], **changes: object) -> T:
    """Live one story with a connected client."""

    async def live() -> T:
        async with aio.connect(**sandbox.arguments(surroundings=IMPATIENT, **changes)) as bank:
            return await story(bank)

    return asyncio.run(live())


def test_a_question_is_answered_and_proved(sandbox: Simulation) -> None:
    stages: list[str] = []
    answer = run(sandbox, lambda bank: bank.analyse(DISTRICTS, progress=stages.append))
    assert len(answer) == 3
    assert answer.proof is not None
    assert stages == ["checked", "running"]


def test_many_questions_at_once(sandbox: Simulation) -> None:
    async def story(bank: AsyncClient) -> list[int]:
        answers = await asyncio.gather(*(bank.analyse(DISTRICTS) for _ in range(8)))
        return [len(answer) for answer in answers]

    assert run(sandbox, story) == [3] * 8


def test_a_cut_off_question_is_repeated_and_charged_once(sandbox: Simulation) -> None:
    sandbox.service.troubles.extend([Trouble.CUT_OFF, Trouble.UNAVAILABLE])
    answer = run(sandbox, lambda bank: bank.analyse(DISTRICTS))
    assert answer.stored
    assert len(sandbox.service.charged) == 1


def test_a_refusal_is_final(sandbox: Simulation) -> None:
    with pytest.raises(Refused, match="LVR-2104"):
        run(sandbox, lambda bank: bank.analyse(FORBIDDEN))
    assert len(sandbox.service.asked) == 1


def test_what_is_not_proved_is_no_answer(sandbox: Simulation) -> None:
    sandbox.service.troubles.append(Trouble.OTHER_RECEIPT)
    with pytest.raises(Unproven):
        run(sandbox, lambda bank: bank.analyse(DISTRICTS))


def test_cancelling_the_task_stops_the_engine(sandbox: Simulation) -> None:
    sandbox.service.troubles.append(Trouble.SLOW)

    async def story(bank: AsyncClient) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bank.analyse(DISTRICTS), 0.3)
        assert await asyncio.to_thread(sandbox.service.cancelled.wait, 5)

    run(sandbox, story)


def test_the_other_calls(sandbox: Simulation) -> None:
    async def story(bank: AsyncClient) -> None:
        answer = await bank.analyse(DISTRICTS)
        assert (await bank.explain(DISTRICTS)).admitted
        assert (await bank.upload("loan_book", [{"a": 1}])).rows == 1
        assert [table.name for table in await bank.tables(own_only=True)] == ["loan_book"]
        await bank.drop("loan_book")
        assert [record.sql for record in await bank.my_queries()] == [DISTRICTS]
        assert (await bank.receipt(answer.request_id)).verify(sandbox.log_key, sql=DISTRICTS)
        assert (await bank.head()).size == 1

    run(sandbox, story)


def test_an_upload_is_repeated_from_its_beginning(sandbox: Simulation) -> None:
    sandbox.service.troubles.append(Trouble.CUT_OFF)
    table = run(sandbox, lambda bank: bank.upload("loan_book", [{"a": 1}, {"a": 2}]))
    assert table.rows == 2


def test_a_wrong_authority_is_named(sandbox: Simulation, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    with pytest.raises(Unreachable, match="not signed by the authority"):
        run(sandbox, lambda bank: bank.tables(), ca=stranger.certificate)


def test_a_closed_client_says_so(sandbox: Simulation) -> None:
    async def live() -> None:
        client = aio.connect(**sandbox.arguments())
        await client.close()
        with pytest.raises(Misused, match="closed"):
            await client.tables()

    asyncio.run(live())

"""Windows of real questions: Beijing days, a boundary in mid-question, and clocks that jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.line import ask, call
from tests.support.private_line import PrivateLine, budget, private_line
from tests.support.private_worlds import world
from tests.support.relations import Row

from louver.errors import Fault, Refused
from louver_sandbox.obligations import Period
from louver_sandbox.pipeline import Call
from louver_sandbox.privacy.calendar import BEIJING
from louver_sandbox.recount import verify
from louver_sandbox.stages import Plan

ACCOUNTS: list[Row] = [{"person_id": f"p{n}", "district": "d1", "amount": Decimal(n), "age": n} for n in range(9)]
QUESTION = "SELECT count(*) AS n FROM gov.account WHERE age > {}"
LAST_SECOND = {
    Period.DAY: datetime(2026, 2, 28, 23, 59, 59, tzinfo=BEIJING),
    Period.MONTH: datetime(2028, 2, 29, 23, 59, 59, tzinfo=BEIJING),
    Period.YEAR: datetime(2026, 12, 31, 23, 59, 59, tzinfo=BEIJING),
}


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PrivateLine]:
    with private_line(tmp_path, world(accounts=ACCOUNTS)) as made:
        yield made
        assert list(verify.differences(made.books.state)) == [], "every balance follows from the log"


def one_in_each(line: PrivateLine, period: Period) -> None:
    """One question in each window from now on."""
    of = budget(allowance=1)
    assert of.terms is not None
    line.allowed = (replace(of, terms=replace(of.terms, period=period)),)


def asks(line: PrivateLine, number: int, at: datetime) -> str:
    """What becomes of a question at an instant: nothing but an answer, or the code of its refusal."""
    line.clock.now = at.astimezone(UTC)
    try:
        line.pipeline.answer(ask(QUESTION.format(number), f"r{number}"), call())
    except Refused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("period", list(LAST_SECOND))
def test_a_window_ends_at_midnight_in_beijing_also_at_the_ends_of_months_and_years(
    line: PrivateLine, period: Period
) -> None:
    one_in_each(line, period)
    last = LAST_SECOND[period]
    assert asks(line, 1, last - timedelta(hours=8)) == ""
    assert asks(line, 2, last) == "LVR-3013"
    assert asks(line, 3, last + timedelta(seconds=1)) == "", "UTC is a day behind at that moment"
    assert asks(line, 4, last + timedelta(hours=8)) == "LVR-3013"


@pytest.mark.parametrize("period", list(LAST_SECOND))
def test_a_clock_that_jumps_back_over_a_boundary_refills_nothing_and_forth_again_nothing_twice(
    line: PrivateLine, period: Period
) -> None:
    one_in_each(line, period)
    last = LAST_SECOND[period]
    assert asks(line, 1, last) == ""
    assert asks(line, 2, last + timedelta(seconds=1)) == ""
    for number, back in enumerate(
        (timedelta(0), timedelta(days=1), timedelta(days=40), timedelta(days=800)), start=3
    ):
        assert asks(line, number, last - back) == "LVR-3013"
        assert asks(line, 10 + number, last + timedelta(seconds=2)) == "LVR-3013"


def test_a_boundary_in_mid_question_charges_the_window_that_it_was_admitted_in(line: PrivateLine) -> None:
    one_in_each(line, Period.DAY)
    last = LAST_SECOND[Period.DAY]
    honest = line.run

    def across(plan: Plan, call: Call) -> bytes:
        line.clock.now = (last + timedelta(hours=1)).astimezone(UTC)
        return honest(plan, call)

    line.run = across  # type: ignore[method-assign]
    assert asks(line, 1, last) == ""
    assert asks(line, 2, last + timedelta(hours=1)) == "", "the new day is whole"
    line.run = honest  # type: ignore[method-assign]
    assert asks(line, 3, last + timedelta(hours=2)) == "LVR-3013"


def test_a_retry_after_midnight_of_what_was_paid_before_pays_nothing(line: PrivateLine) -> None:
    one_in_each(line, Period.DAY)
    last = LAST_SECOND[Period.DAY]
    honest = line.run

    def dies(plan: Plan, call: Call) -> bytes:
        raise MemoryError

    line.run = dies  # type: ignore[method-assign]
    with pytest.raises(Fault):
        asks(line, 1, last)
    line.run = honest  # type: ignore[method-assign]
    assert asks(line, 1, last + timedelta(seconds=1)) == ""
    assert asks(line, 2, last + timedelta(seconds=2)) == "", "the new day has paid for nothing yet"
    assert line.spent_losses() == 2 * 3

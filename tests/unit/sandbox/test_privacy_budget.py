"""Privacy budgets: one lifetime cap over all, windows of Beijing days, parts for purposes, clocks that cannot be right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from louver_sandbox.privacy.budget import Charge, PrivacyBudget, remaining
from louver_sandbox.privacy.calendar import BEIJING, Period, opened_at, refreshes_at
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

NOON = datetime(2026, 11, 22, 12, tzinfo=BEIJING)


def rho(hundredths: int) -> PrivacyCost:
    return PrivacyCost(Fraction(hundredths, 100))


def budget(period: Period = Period.DAY, **purposes: PrivacyCost) -> PrivacyBudget:
    return PrivacyBudget("bank-a", rho(100), rho(20), period, purposes)


def charge(hundredths: int, at: datetime = NOON, institution: str = "bank-a", purpose: str = "lending") -> Charge:
    return Charge(institution, purpose, rho(hundredths), at)


def test_a_new_window_brings_the_allowance_back_and_not_the_lifetime() -> None:
    spent = [charge(15)]
    today, tomorrow = (remaining(spent, budget(), "lending", NOON + timedelta(days=days)) for days in (0, 1))
    assert (today.allowance, today.lifetime) == (rho(5), rho(85))
    assert (tomorrow.allowance, tomorrow.lifetime) == (rho(20), rho(85))
    assert remaining(spent, budget(Period.LIFETIME), "lending", NOON + timedelta(days=9_999)).allowance == rho(5)


def test_the_lifetime_is_spent_by_all_institutions_together() -> None:
    spent = [charge(20, NOON - timedelta(days=days), "bank-b") for days in range(5)]
    left = remaining(spent, budget(), "lending", NOON)
    assert (left.allowance, left.lifetime, left.spendable) == (rho(20), NOTHING, NOTHING)


def test_a_purpose_has_its_part_and_shares_the_allowance() -> None:
    parts = budget(lending=rho(15), fraud=rho(15))
    left = remaining([charge(12, purpose="fraud")], parts, "lending", NOON)
    assert (left.purpose, left.allowance, left.spendable) == (rho(15), rho(8), rho(8))
    assert remaining([charge(12, purpose="fraud")], parts, "fraud", NOON).spendable == rho(3)
    with pytest.raises(PrivacyRefused) as refused:
        remaining([], parts, "marketing", NOON)
    assert refused.value.reason is Reason.PURPOSE_UNKNOWN


def test_days_begin_at_midnight_in_beijing() -> None:
    before, after = (datetime(2026, 11, 21, 15, 59, tzinfo=UTC), datetime(2026, 11, 21, 16, 0, tzinfo=UTC))
    assert refreshes_at(Period.DAY, before) == after
    assert opened_at(Period.DAY, after) == after
    left = remaining([charge(15, before)], budget(), "lending", after)
    assert left.allowance == rho(20), "what was charged a minute before midnight belongs to the former day"
    assert remaining([charge(15, after)], budget(), "lending", after).allowance == rho(5)


@pytest.mark.parametrize(
    ("period", "opened", "refreshed"),
    [
        (Period.DAY, (2026, 12, 31), (2027, 1, 1)),
        (Period.MONTH, (2026, 12, 1), (2027, 1, 1)),
        (Period.YEAR, (2026, 1, 1), (2027, 1, 1)),
    ],
)
def test_windows_end_where_the_next_begin(
    period: Period, opened: tuple[int, int, int], refreshed: tuple[int, int, int]
) -> None:
    now = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=BEIJING)
    assert opened_at(period, now) == datetime(*opened, tzinfo=BEIJING)
    assert refreshes_at(period, now) == datetime(*refreshed, tzinfo=BEIJING)
    assert opened_at(period, datetime(*refreshed, tzinfo=BEIJING)) == refreshes_at(period, now)


def test_a_leap_day_has_a_next_year_and_none_has_no_window() -> None:
    leap = datetime(2028, 2, 29, 8, tzinfo=BEIJING)
    assert refreshes_at(Period.YEAR, leap) == datetime(2029, 1, 1, tzinfo=BEIJING)
    assert refreshes_at(Period.MONTH, leap) == datetime(2028, 3, 1, tzinfo=BEIJING)
    assert opened_at(Period.LIFETIME, leap) is refreshes_at(Period.LIFETIME, leap) is None


def test_a_clock_that_jumps_back_is_refused_whoever_was_charged() -> None:
    for other in ("bank-a", "bank-b"):
        with pytest.raises(PrivacyRefused) as refused:
            remaining([charge(1, institution=other)], budget(), "lending", NOON - timedelta(microseconds=1))
        assert refused.value.reason is Reason.CLOCK_WENT_BACK


@pytest.mark.parametrize(
    "instant", [NOON.replace(tzinfo=None), datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
def test_an_instant_that_is_none_is_refused(instant: datetime) -> None:
    with pytest.raises(PrivacyRefused, match="CLOCK_WITHOUT_ZONE"):
        charge(1, instant)
    with pytest.raises(PrivacyRefused, match="CLOCK_WITHOUT_ZONE"):
        remaining([], budget(), "lending", instant)


def test_unsound_budgets_are_refused() -> None:
    with pytest.raises(PrivacyRefused, match="BUDGET_UNSOUND"):
        PrivacyBudget("bank-a", rho(10), rho(20), Period.DAY)
    with pytest.raises(PrivacyRefused, match="BUDGET_UNSOUND"):
        budget(lending=rho(21))
    with pytest.raises(PrivacyRefused, match="BUDGET_UNSOUND"):
        PrivacyBudget("bank-a", rho(30), PrivacyCost(Fraction(1, 10), Fraction(1, 10**9)), Period.DAY)


def test_a_ledger_that_is_overdrawn_leaves_nothing() -> None:
    """However it came to that: what is left is never negative, and delta is a limit of its own."""
    assert remaining([charge(500)], budget(), "lending", NOON).spendable == NOTHING
    parts = PrivacyBudget("bank-a", PrivacyCost(Fraction(1), Fraction(1, 10**6)), rho(100), Period.LIFETIME)
    assert remaining([], parts, "lending", NOON).spendable == rho(100), "no delta in the allowance, none to spend"

"""The ledger of privacy loss: one lifetime for all, windows that only pace, and nothing that gives anything back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.audit_logs import behind_the_back
from tests.support.line import fresh_books
from tests.support.losses import loss, rho, terms

from louver_sandbox.accounting import privacy
from louver_sandbox.accounting.privacy import Spent, amount, booked
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import Period, PrivacyBalance, PrivacyCharge
from louver_sandbox.privacy.calendar import BEIJING
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.store import State, schema

NOON = datetime(2026, 7, 1, 12, tzinfo=BEIJING)
TINY = Fraction(1, 10**9)


@pytest.fixture
def state(any_place: Path | str) -> Iterator[State]:
    if isinstance(any_place, Path):
        any_place.write_bytes(fresh_books())
    with State.open(any_place) as opened:
        yield opened


def charge(
    state: State, *charges: PrivacyCharge, who: str = "bank_a", now: datetime = NOON, dry: bool = False
) -> tuple[PrivacyBalance, ...]:
    with state.transaction() as tx:
        return privacy.charge(tx, charges, who, now, request_id="r", dry=dry)


def left(state: State, one: PrivacyCharge, who: str = "bank_a", now: datetime = NOON) -> PrivacyBalance:
    with state.reading() as tx:
        (found,) = privacy.standing(tx, [one], who, now)
    return found


def refused(state: State, *charges: PrivacyCharge, who: str = "bank_a", now: datetime = NOON) -> Spent:
    with pytest.raises(Spent) as caught:
        charge(state, *charges, who=who, now=now)
    return caught.value


def rows(state: State) -> int:
    with state.reading() as tx:
        return int(tx.execute(select(func.count()).select_from(schema.privacy_ledger)).scalar_one())


def test_a_charge_is_what_was_previewed_and_leaves_what_it_said(state: State) -> None:
    previewed = charge(state, loss(20), dry=True)
    assert rows(state) == 0
    assert charge(state, loss(20)) == previewed
    (balance,) = previewed
    assert (balance.cost, balance.lifetime, balance.allowance, balance.part) == (rho(20), rho(80), rho(30), rho(30))
    assert balance.refreshes_at == datetime(2026, 7, 2, tzinfo=BEIJING)
    assert balance.spendable == rho(30)
    assert left(state, loss(20)).spendable == rho(30)


def test_one_question_costs_no_more_than_policy_lets_it(state: State) -> None:
    spent = refused(state, loss(31))
    assert (spent.scope, spent.needed, spent.left) == ("question", rho(31), rho(30))
    parted = (loss(20), loss(11))
    assert refused(state, *parted).needed == rho(31), "what a question costs in parts, it costs"
    assert rows(state) == 0


def test_the_lifetime_is_everybodys_in_any_order(state: State) -> None:
    for who in ("bank_a", "bank_b", "bank_c", "bank_b", "bank_a"):
        charge(state, loss(20), who=who)
    for who in ("bank_c", "bank_d"):
        spent = refused(state, loss(1), who=who, now=NOON + timedelta(days=4_000))
        assert (spent.scope, spent.left, spent.refreshes_at) == ("lifetime", NOTHING, None)


def test_an_allowance_is_renewed_at_midnight_in_beijing_and_the_lifetime_is_not(state: State) -> None:
    charge(state, loss(30))
    charge(state, loss(20))
    late = datetime(2026, 7, 1, 15, 59, 59, tzinfo=UTC)
    spent = refused(state, loss(1), now=late)
    assert (spent.scope, spent.refreshes_at) == ("allowance", datetime(2026, 7, 2, tzinfo=BEIJING))
    (balance,) = charge(state, loss(1), now=late + timedelta(seconds=1))
    assert (balance.allowance, balance.lifetime) == (rho(49), rho(49))


def test_a_purpose_has_its_part_of_the_allowance_and_no_other(state: State) -> None:
    parts = terms(LENDING=30, FRAUD=30)
    charge(state, loss(25, parts, "FRAUD"))
    spent = refused(state, loss(6, parts, "FRAUD"))
    assert (spent.scope, spent.left) == ("purpose", rho(5))
    charge(state, loss(25, parts, "LENDING"))
    assert refused(state, loss(5, parts, "LENDING")).scope == "allowance"
    assert refused(state, loss(1, parts, "MARKETING"), who="bank_b").scope == "purpose", "no part, nothing to spend"


@pytest.mark.parametrize("changed", [Period.DAY, Period.MONTH, Period.YEAR, Period.LIFETIME])
def test_a_policy_that_changes_its_windows_gives_nothing_back(state: State, changed: Period) -> None:
    for day in (0, 1):
        charge(state, loss(15), now=NOON + timedelta(days=day))
    now = left(state, loss(1, terms(period=changed)), now=NOON + timedelta(days=1))
    assert now.allowance == (rho(35) if changed is Period.DAY else rho(20))


def test_a_policy_that_divides_an_allowance_knows_what_was_spent_before(state: State) -> None:
    charge(state, loss(20, purpose="LENDING"))
    parts = terms(LENDING=25, FRAUD=25)
    assert left(state, loss(1, parts, "LENDING")).part == rho(5)
    assert left(state, loss(1, parts, "FRAUD")).spendable == rho(25)


def test_a_cap_that_is_lowered_below_what_was_spent_leaves_nothing(state: State) -> None:
    charge(state, loss(30))
    assert left(state, loss(1, terms(lifetime=10, allowance=10))).spendable == NOTHING
    assert refused(state, loss(1, terms(lifetime=10, allowance=10))).left == NOTHING


@pytest.mark.parametrize("back", [timedelta(hours=13), timedelta(days=40), timedelta(days=800)])
def test_a_clock_set_back_opens_no_earlier_window(state: State, back: timedelta) -> None:
    charge(state, loss(30))
    charge(state, loss(20))
    spent = refused(state, loss(1), now=NOON - back)
    assert spent.refreshes_at == datetime(2026, 7, 2, tzinfo=BEIJING)


@pytest.mark.parametrize("period", list(Period))
def test_a_clock_that_jumps_gives_no_window_twice(state: State, period: Period) -> None:
    whole = terms(lifetime=1000, allowance=30, period=period)
    paid = 0
    for days in (0, 400, 0, 400, 31, 1, 400):
        try:
            charge(state, loss(30, whole), now=NOON + timedelta(days=days))
        except Spent:
            continue
        paid += 1
    assert paid == (1 if period is Period.LIFETIME else 2)


def test_a_question_of_two_kinds_of_units_pays_for_both_or_for_none(state: State) -> None:
    persons = terms(unit=UnitType.PERSON, lifetime=10, allowance=10)
    assert [one.unit for one in charge(state, loss(10), loss(10, persons))] == [UnitType.ENTERPRISE, UnitType.PERSON]
    spent = refused(state, loss(10), loss(10, persons))
    assert spent.charge.terms.unit is UnitType.PERSON
    assert left(state, loss(1)).lifetime == rho(90)


def test_datasets_have_accounts_of_their_own(state: State) -> None:
    charge(state, loss(30))
    assert left(state, loss(1, dataset="gov.person")).lifetime == rho(100)


def test_what_thresholds_spend_of_delta_is_a_limit_of_its_own(state: State) -> None:
    capped = replace(terms(), lifetime=rho(100, 2 * TINY), allowance=rho(50, 2 * TINY), most=rho(30, 2 * TINY))
    one = replace(loss(1, capped), cost=rho(1, TINY))
    charge(state, one)
    charge(state, one)
    spent = refused(state, one)
    assert (spent.scope, spent.left) == ("allowance", rho(48)), "what is left to all is not told beyond what is own"
    charge(state, loss(1, capped))


def test_ten_tenths_are_one(state: State) -> None:
    tenth = replace(terms(), allowance=rho(100))
    for _ in range(10):
        charge(state, loss(10, tenth))
    assert left(state, loss(10, tenth)).spendable == NOTHING


def test_what_has_no_end_in_decimals_is_counted_as_more_and_a_cap_as_written(state: State) -> None:
    third = PrivacyCost(Fraction(1, 3))
    assert third.rho < booked(third).rho < third.rho + Fraction(1, 10**30)
    whole = replace(terms(), lifetime=PrivacyCost(Fraction(1)), allowance=PrivacyCost(Fraction(1)), most=third)
    one = PrivacyCharge("gov.firm", "RESEARCH", third, whole)
    charge(state, one)
    charge(state, one)
    assert refused(state, one).scope == "lifetime"


def test_a_thousand_unlike_fractions_stay_short(state: State) -> None:
    much = rho(10**6, Fraction(1))
    wide = replace(terms(), lifetime=much, allowance=much, most=much)
    with state.transaction() as tx:
        for number in range(3, 1000, 50):
            cost = PrivacyCost(Fraction(1, number**2 + 1), Fraction(1, 10**12 + number))
            privacy.charge(tx, [PrivacyCharge("gov.firm", "P", cost, wide)], "bank_a", NOON, request_id="r")
        texts = tx.execute(select(schema.privacy_ledger.c.spent_rho, schema.privacy_ledger.c.spent_delta)).all()
    assert max(len(text) for row in texts for text in row) <= 40


@pytest.mark.parametrize(
    ("value", "text"), [(Fraction(0), "0"), (Fraction(5, 2), "2.5"), (Fraction(1, 10**30), f"0.{'0' * 29}1")]
)
def test_amounts_are_written_exactly(value: Fraction, text: str) -> None:
    assert amount(value) == text
    assert Fraction(text) == value
    with pytest.raises(ValueError, match="thirty digits"):
        amount(value + Fraction(1, 10**31))


@pytest.mark.parametrize("charges", [(loss(1, purpose="*"),), (loss(1, dataset="*"),), (loss(1), loss(1, terms(9)))])
def test_charges_that_no_plan_makes_are_mistakes(state: State, charges: Sequence[PrivacyCharge]) -> None:
    with pytest.raises(ValueError, match=r"names its|one question"):
        charge(state, *charges)
    with pytest.raises(ValueError, match="everybody"):
        charge(state, loss(1), who="*")


def test_a_row_taken_out_or_altered_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(fresh_books())
    with State.open(tmp_path / "state.db") as state:
        _is_noticed(state)


def _is_noticed(state: State) -> None:
    for _ in range(3):
        charge(state, loss(10))
    with behind_the_back(state.location) as connection:
        connection.execute("DELETE FROM privacy_ledger WHERE sequence = 2 AND institution = '*'")
        connection.execute("UPDATE privacy_ledger SET spent_rho = '0.01' WHERE sequence = 3 AND purpose = 'RESEARCH'")
    with state.reading() as tx:
        assert privacy.audit(tx) == (
            "*, gov.firm, enterprise, *: charge 3 does not follow charge 1",
            "bank_a, gov.firm, enterprise, RESEARCH: charge 3 does not follow charge 2",
        )

"""The ledger promises: all charges or none, never over the limit, never given back, and windows by the calendar."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.support.audit_logs import behind_the_back

from louver_sandbox.accounting import ledger
from louver_sandbox.accounting.ledger import (
    PREDICATES,
    QUERIES,
    Account,
    Balance,
    Charge,
    Exhausted,
    Limit,
    Period,
    account_for,
)
from louver_sandbox.store import State, schema

NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
QUERY = Charge("bank-a", "gov.tax", "risk")
DAILY = Limit("gov.tax", QUERIES, Period.DAY, 3)


@pytest.fixture
def state(any_place: Path | str) -> Iterator[State]:
    with State.open(any_place) as opened:
        yield opened


def charge(
    state: State, charges: Sequence[Charge], limits: Sequence[Limit], now: datetime = NOON
) -> tuple[Balance, ...]:
    with state.transaction() as tx:
        return ledger.charge(tx, charges, limits, now, request_id="r")


def rows(state: State) -> int:
    with state.reading() as tx:
        return int(tx.execute(select(func.count()).select_from(schema.ledger)).scalar_one())


def test_a_budget_is_spent_one_by_one_and_then_refused(state: State) -> None:
    spent = [charge(state, [QUERY], [DAILY])[0] for _ in range(3)]
    assert [(balance.spent, balance.remaining) for balance in spent] == [(1, 2), (2, 1), (3, 0)]
    with pytest.raises(Exhausted) as caught:
        charge(state, [QUERY], [DAILY])
    assert (caught.value.limit, caught.value.spent) == (3, 3)
    assert caught.value.refreshes_at == datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
    assert caught.value.account == account_for(QUERY, Period.DAY, NOON)
    assert rows(state) == 3


def test_a_charge_without_a_limit_is_refused(state: State) -> None:
    for limits in ([], [Limit("gov.other", QUERIES, Period.DAY, 9)], [Limit("gov.tax", PREDICATES, Period.DAY, 9)]):
        with pytest.raises(Exhausted) as caught:
            charge(state, [QUERY], limits)
        assert caught.value.limit == 0


def test_all_charges_of_a_request_are_booked_or_none(state: State) -> None:
    tight = [DAILY, Limit("gov.court", QUERIES, Period.DAY, 0)]
    with state.transaction() as tx:
        with pytest.raises(Exhausted):
            ledger.charge(tx, [QUERY, Charge("bank-a", "gov.court", "risk")], tight, NOON)
        # The same transaction goes on, for instance to log the refusal.
        assert ledger.balance(tx, account_for(QUERY, Period.DAY, NOON)) == 0
    assert rows(state) == 0


def test_two_charges_on_one_account_add_up_within_a_request(state: State) -> None:
    assert [balance.spent for balance in charge(state, [QUERY, QUERY], [DAILY])] == [1, 2]
    with pytest.raises(Exhausted):
        charge(state, [QUERY, QUERY], [DAILY])
    assert rows(state) == 2


def test_every_period_with_a_limit_is_charged_and_the_strictest_limit_counts(state: State) -> None:
    monthly, lifetime = (Limit("gov.tax", QUERIES, period, 2) for period in (Period.MONTH, Period.LIFETIME))
    balances = charge(state, [QUERY], [DAILY, monthly, lifetime, Limit("gov.tax", QUERIES, Period.DAY, 1)])
    assert [(b.account.window, b.limit, b.remaining) for b in balances] == [
        ("2026-07-01", 1, 0),
        ("2026-07", 2, 1),
        ("always", 2, 1),
    ]
    assert [b.refreshes_at for b in balances][1:] == [datetime(2026, 7, 31, 16, 0, tzinfo=UTC), None]


def test_the_day_is_the_day_in_shanghai(state: State) -> None:
    before, after = (datetime(2026, 7, 1, 15, 59, tzinfo=UTC) + timedelta(minutes=late) for late in (0, 1))
    assert charge(state, [QUERY], [DAILY], before)[0].account.window == "2026-07-01"
    balance = charge(state, [QUERY], [DAILY], after)[0]
    assert (balance.account.window, balance.spent) == ("2026-07-02", 1)


def test_a_year_ends_with_december_in_shanghai(state: State) -> None:
    limit = Limit("gov.tax", QUERIES, Period.YEAR, 1)
    last, first = (datetime(2026, 12, 31, 15, 59, tzinfo=UTC) + timedelta(minutes=late) for late in (0, 1))
    balance = charge(state, [QUERY], [limit], last)[0]
    assert (balance.account.window, balance.refreshes_at) == ("2026", first)
    with pytest.raises(Exhausted):
        charge(state, [QUERY], [limit], last)
    assert charge(state, [QUERY], [limit], first)[0].account.window == "2027"


@pytest.mark.parametrize("period", [Period.DAY, Period.MONTH, Period.YEAR, Period.LIFETIME])
def test_a_clock_that_jumps_never_gives_a_window_twice(state: State, period: Period) -> None:
    """Ahead and back again, whatever the order: of each window that has ever been open, the budget once."""
    limit, paid = Limit("gov.tax", QUERIES, period, 1), []
    for days in (0, 400, 0, 400, 31, 1, 400):
        try:
            paid.append(charge(state, [QUERY], [limit], NOON + timedelta(days=days))[0].account.window)
        except Exhausted:
            continue
    assert len(paid) == len(set(paid)) == (1 if period is Period.LIFETIME else 2)


@pytest.mark.parametrize(
    ("month", "following"), [((2026, 12), (2027, 1)), ((2028, 2), (2028, 3)), ((2026, 1), (2026, 2))]
)
def test_months_end_where_the_calendar_says(state: State, month: tuple[int, int], following: tuple[int, int]) -> None:
    limit = Limit("gov.tax", QUERIES, Period.MONTH, 9)
    balance = charge(state, [QUERY], [limit], datetime(*month, 15, tzinfo=UTC))[0]
    assert balance.refreshes_at == datetime(*following, 1, tzinfo=ledger.SHANGHAI)


def test_a_clock_set_back_opens_no_earlier_window(state: State) -> None:
    for _ in range(3):
        charge(state, [QUERY], [DAILY])
    for back in (timedelta(hours=1), timedelta(days=1), timedelta(days=400)):
        with pytest.raises(Exhausted) as caught:
            charge(state, [QUERY], [DAILY], NOON - back)
        assert caught.value.account.window == "2026-07-01"
    assert charge(state, [QUERY], [DAILY], NOON + timedelta(days=1))[0].spent == 1


def test_a_time_without_a_zone_is_a_mistake(state: State) -> None:
    with pytest.raises(ValueError, match="time zone"):
        charge(state, [QUERY], [DAILY], datetime(2026, 7, 1))
    assert rows(state) == 0


def test_accounts_are_apart_by_institution_dataset_and_purpose(state: State) -> None:
    limits = [DAILY, Limit("gov.court", QUERIES, Period.DAY, 3)]
    for other in (QUERY, Charge("bank-b", "gov.tax", "risk"), Charge("bank-a", "gov.court", "risk")):
        assert charge(state, [other], limits)[0].spent == 1
    assert charge(state, [Charge("bank-a", "gov.tax", "marketing")], limits)[0].spent == 1


def test_a_distinct_predicate_counts_once_per_window(state: State) -> None:
    limits = [Limit("gov.tax", PREDICATES, Period.DAY, 2)]

    def predicate(key: str) -> Charge:
        return Charge("bank-a", "gov.tax", "risk", PREDICATES, key=key)

    assert [charge(state, [predicate(key)], limits)[0].spent for key in ("a", "a", "b", "a", "b")] == [1, 1, 2, 2, 2]
    with pytest.raises(Exhausted):
        charge(state, [predicate("c")], limits)
    # What is paid for stays usable when the budget is spent, and is paid for anew on another day.
    assert charge(state, [predicate("a"), predicate("a")], limits)[1].remaining == 0
    tomorrow = charge(state, [predicate("a"), predicate("a")], limits, NOON + timedelta(days=1))
    assert [balance.spent for balance in tomorrow] == [1, 1]
    assert rows(state) == 3


def test_nothing_is_ever_given_back(state: State) -> None:
    for amount in (0, -1):
        with pytest.raises(ValueError, match="given back"):
            charge(state, [Charge("bank-a", "gov.tax", "risk", amount=amount)], [DAILY])


def test_a_preview_says_what_a_charge_would_and_writes_nothing(state: State) -> None:
    for _ in range(3):
        with state.reading() as tx:
            previewed = ledger.preview(tx, [QUERY], [DAILY], NOON)
        assert charge(state, [QUERY], [DAILY]) == previewed
    with state.reading() as tx, pytest.raises(Exhausted):
        ledger.preview(tx, [QUERY], [DAILY], NOON)


def test_concurrent_charges_never_exceed_the_limit(state: State) -> None:
    outcomes: list[bool] = []

    def work() -> None:
        for _ in range(4):
            try:
                charge(state, [QUERY], [Limit("gov.tax", QUERIES, Period.DAY, 10)])
                outcomes.append(True)
            except Exhausted:
                outcomes.append(False)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(True), outcomes.count(False)) == (10, 6)


CHARGES = st.builds(
    Charge,
    institution=st.sampled_from(["a", "b"]),
    dataset=st.just("d"),
    purpose=st.just("p"),
    kind=st.sampled_from([QUERIES, PREDICATES]),
    amount=st.integers(1, 3),
    key=st.sampled_from([None, "k1", "k2"]),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(requests=st.lists(st.lists(CHARGES, min_size=1, max_size=3), min_size=1, max_size=6), days=st.data())
def test_whatever_is_asked_the_books_balance(
    tmp_path_factory: pytest.TempPathFactory, requests: list[list[Charge]], days: st.DataObject
) -> None:
    limits = [
        Limit("d", kind, period, 5) for kind in (QUERIES, PREDICATES) for period in (Period.DAY, Period.LIFETIME)
    ]
    with State.open(tmp_path_factory.mktemp("ledger") / "state.db") as state:
        for charges in requests:
            now = NOON + timedelta(days=days.draw(st.integers(-1, 2)))
            before = rows(state)
            try:
                balances = charge(state, charges, limits, now)
            except Exhausted:
                assert rows(state) == before
                continue
            assert all(balance.spent <= balance.limit for balance in balances)
        with state.reading() as tx:
            assert ledger.audit(tx) == ()
            for row in tx.execute(
                select(*list(schema.ledger.columns)[:6], func.sum(schema.ledger.c.amount)).group_by(
                    *list(schema.ledger.columns)[:6]
                )
            ):
                assert ledger.balance(tx, Account(*row[:4], Period(row[4]), row[5])) == row[6] <= 5


def test_a_row_taken_out_of_the_books_is_noticed(tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        _noticed(state)


def _noticed(state: State) -> None:
    for _ in range(3):
        charge(state, [QUERY], [DAILY])
    with behind_the_back(state.location) as connection:
        connection.execute("DELETE FROM ledger WHERE sequence = 2")
    with state.reading() as tx:
        assert ledger.audit(tx) == (
            "bank-a, gov.tax, risk, queries, day, 2026-07-01: charge 3 does not follow charge 1",
        )

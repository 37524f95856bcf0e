"""The commit: charge and admission together or not at all, and the same question never charged twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.line import NARROWED, NOON, QUERIES_PER_DAY, SECTIONS, Line, ask, firm_policies, firms, line
from tests.support.policy_questions import BANK_A, BANK_B

from louver.errors import Refused
from louver.transparency.retention import LEAST_DAYS
from louver_sandbox import journal
from louver_sandbox.commit import charge, commit, cost, find_stored, remaining
from louver_sandbox.obligations import Charge, Period
from louver_sandbox.pipeline import facts_at, judge
from louver_sandbox.stages import Committed, Plan, Request, Stored


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def planned(request: Request) -> Plan:
    """The plan of a question."""
    return judge(request, firms(), firm_policies(), facts_at(NOON))


def committed(bank: Line, request: Request) -> Committed:
    """A plan that is paid for."""
    found = commit(planned(request), request, bank.books, NOON)
    assert isinstance(found, Committed)
    return found


def test_a_commit_charges_each_kind_once_and_says_what_is_left(bank: Line) -> None:
    request = ask(NARROWED, parameters={"section": "A"})
    found = committed(bank, request)
    assert found.cost == {"gov.firm query": 1, "gov.firm predicate": 1}
    assert found.remaining == {"gov.firm query": QUERIES_PER_DAY - 1, "gov.firm predicate": 9}
    assert bank.kinds() == ["admission"]


def test_the_admission_says_everything_that_a_replay_needs(bank: Line) -> None:
    request = ask()
    found = committed(bank, request)
    fields = bank.books.log.entry(found.admission).fields
    plan = found.plan
    assert fields["question"] == plan.question
    assert fields["bundle"] == plan.bundle_digest
    assert fields["catalog"] == plan.catalog_digest
    assert fields["purpose"] == "RESEARCH"
    assert fields["signature"] == b"signed".hex()
    assert fields["subject"] == {"type": "bank", "groups": ["banks"]}
    assert fields["snapshots"] == {"gov.firm": plan.sources[0].snapshot}
    assert SECTIONS.encode() not in bank.books.log.entry(found.admission).body, "SQL enters as a commitment"
    assert bank.books.log.open(found.admission)["sql"].text == SECTIONS


def test_committing_an_unfinished_request_again_pays_nothing(bank: Line) -> None:
    first = committed(bank, ask())
    again = committed(bank, ask())
    assert again.admission == first.admission
    assert again.cost == {}
    assert bank.spent() == 1


def test_two_banks_may_use_the_same_request_id(bank: Line) -> None:
    first, second = committed(bank, ask(who=BANK_A)), committed(bank, ask(who=BANK_B))
    assert first.admission != second.admission
    assert bank.spent() == 2


def test_an_admission_whose_outcome_may_be_pruned_is_paid_for_again(bank: Line) -> None:
    first = committed(bank, ask())
    plan = planned(ask())
    made = journal.moment(bank.books.log.entry(first.admission))
    soon = commit(plan, ask(), bank.books, made + timedelta(days=LEAST_DAYS))
    assert isinstance(soon, Committed)
    assert soon.admission == first.admission
    late = commit(plan, ask(), bank.books, made + timedelta(days=LEAST_DAYS, seconds=1))
    assert isinstance(late, Committed)
    assert late.admission != first.admission
    assert late.cost == first.cost


@pytest.mark.parametrize("change", ["purpose", "sql", "parameters"])
def test_a_request_id_belongs_to_one_question(bank: Line, change: str) -> None:
    request = ask(NARROWED, parameters={"section": "A"})
    plan = planned(request)
    commit(plan, request, bank.books, NOON)
    other = {
        "purpose": replace(request, purpose="MODEL_BUILD"),
        "sql": replace(request, sql=request.sql + " "),
        "parameters": replace(request, parameters={"section": "B"}),
    }[change]
    with pytest.raises(Refused) as caught:
        commit(plan, other, bank.books, NOON)
    assert caught.value.code == "LVR-0106"
    assert bank.spent() == 1


def test_a_charge_that_does_not_fit_books_none_of_its_parts(bank: Line) -> None:
    fits = Charge("gov.firm", "RESEARCH", "query", 5)
    full = Charge("gov.person", "RESEARCH", "query", 0)
    with bank.books.state.reading() as tx, pytest.raises(Refused) as caught:
        charge(tx, (fits, full), ask(), NOON, dry=True)
    assert caught.value.code == "LVR-3001"
    assert caught.value.rule == "budget.query"
    assert caught.value.details["dataset"] == "gov.person"
    with pytest.raises(Refused), bank.books.state.transaction() as tx:
        charge(tx, (fits, full), ask(), NOON)
    assert bank.spent() == 0


def test_a_dry_charge_writes_nothing(bank: Line) -> None:
    item = Charge("gov.firm", "RESEARCH", "query", 5)
    with bank.books.state.reading() as tx:
        left = remaining(charge(tx, (item,), ask(), NOON, dry=True))
    assert left == {"gov.firm query": 4}
    assert bank.spent() == 0


def test_the_ledgers_day_is_beijings(bank: Line) -> None:
    before, after = datetime(2026, 7, 1, 15, 59, tzinfo=UTC), datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
    one = Charge("gov.firm", "RESEARCH", "query", 1)
    with bank.books.state.transaction() as tx:
        charge(tx, (one,), ask(), before)
        with pytest.raises(Refused) as caught:
            charge(tx, (one,), ask(request_id="r2"), before)
        assert caught.value.details["refreshes_at"] == "2026-07-02T00:00+08:00"
        charge(tx, (one,), ask(request_id="r3"), after)


def test_costs_add_up_by_dataset_and_kind() -> None:
    a, b = Charge("gov.a", "P", "predicate", 9, "x"), Charge("gov.a", "P", "predicate", 9, "y")
    assert cost((a, b, Charge("gov.b", "P", "query", 9))) == {"gov.a predicate": 2, "gov.b query": 1}


def test_nothing_is_stored_before_it_was_answered(bank: Line) -> None:
    committed(bank, ask())
    assert find_stored(ask(), bank.books) is None
    with bank.books.state.reading():
        assert not isinstance(find_stored(ask(), bank.books), Stored)


def test_a_held_store_refuses_and_the_next_try_goes_through(bank: Line) -> None:
    request = ask()
    with bank.store_held(), pytest.raises(Refused) as caught:
        commit(planned(request), request, bank.books, NOON)
    assert caught.value.code == "LVR-3103"
    assert caught.value.retryable
    assert committed(bank, request).cost


def test_every_window_of_a_budget_is_charged_and_the_refusal_names_the_one_that_is_spent(bank: Line) -> None:
    further = ((Period.MONTH, 2), (Period.YEAR, 5), (Period.LIFETIME, 9))
    one = Charge("gov.firm", "RESEARCH", "query", 9, further=further)
    days = [NOON + timedelta(days=day) for day in range(4)]
    with bank.books.state.transaction() as tx:
        left = remaining(charge(tx, (one,), ask(), days[0]))
        charge(tx, (one,), ask(), days[1])
        with pytest.raises(Refused) as caught:
            charge(tx, (one,), ask(), days[2])
    assert left == {
        "gov.firm query": 8,
        "gov.firm query month": 1,
        "gov.firm query year": 4,
        "gov.firm query lifetime": 8,
    }
    assert caught.value.details["period"] == "month"
    assert caught.value.details["refreshes_at"] == "2026-08-01T00:00+08:00"
    assert "this month's budget of 2" in caught.value.message


def test_a_budget_for_ever_is_never_renewed(bank: Line) -> None:
    one = Charge("gov.firm", "RESEARCH", "query", 9, further=((Period.LIFETIME, 1),))
    with bank.books.state.transaction() as tx:
        charge(tx, (one,), ask(), NOON)
        with pytest.raises(Refused) as caught:
            charge(tx, (one,), ask(), NOON + timedelta(days=9000))
    assert "never renewed" in caught.value.hint

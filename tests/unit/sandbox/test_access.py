"""Requests for access: taken without telling what there is, decided once with a reason, counted by department."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.line import NOON, Line, line

from louver.errors import Refused
from louver_sandbox import access, journal
from louver_sandbox.access import (
    LONGEST_TEXT,
    MOST_A_DAY,
    MOST_WAITING,
    Access,
    AccessRequests,
    AccessState,
    Decision,
    Figures,
    Wish,
    question,
)
from louver_sandbox.authorisations.deadlines import deadline, working_days
from louver_sandbox.stages import InstitutionType, Subject

WISH = Wish("gov.tax_return", ("tax_paid", "period"), "RESEARCH", "《征信业管理条例》第十三条", "测算行业税负")
TAX = "市税务局"
BANK_A, BANK_B = (Subject(name, InstitutionType.BANK, frozenset(), "f" * 64) for name in ("bank_a", "bank_b"))
YES = Decision(grant=True, answer="同意，见 taxation-3", officer="wang", version="taxation-3")
NO = Decision(grant=False, answer="用途不明确", officer="wang")


@dataclass
class Desk:
    """The requests of a small installation, and a clock that can be put forward."""

    line: Line
    requests: AccessRequests
    now: datetime

    def figures(self, since: date | None = None, until: date | None = None) -> dict[str, Figures]:
        with self.line.books.state.reading() as tx:
            return {one.department: one for one in access.figures(tx, since, until, self.now.date())}

    def of(self, institution: str) -> tuple[Access, ...]:
        with self.line.books.state.reading() as tx:
            return access.of_institution(tx, institution)

    def to(self, departments: list[str] | None, *, waiting: bool = False) -> list[str]:
        with self.line.books.state.reading() as tx:
            return [one.id for one in access.of_departments(tx, departments, waiting=waiting)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with line(tmp_path) as made:
        ids = map(str, count(1))
        holder: list[Desk] = []
        append = partial(journal.appended, made.books)
        requests = AccessRequests(made.books.state, lambda: holder[0].now, append, lambda: next(ids))
        holder.append(Desk(made, requests, NOON))
        yield holder[0]


def code(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def test_a_request_is_taken_answered_and_logged_step_by_step(desk: Desk) -> None:
    made = desk.requests.ask(BANK_A, WISH, TAX)
    assert (made.state, made.department, made.wish) == (AccessState.WAITING, TAX, WISH)
    assert made.due == deadline(made.received, 10).day
    desk.now += timedelta(days=5)
    done = desk.requests.decide(made.id, YES)
    assert (done.state, done.answer, done.version, done.officer) == ("granted", YES.answer, "taxation-3", "wang")
    assert done.took == working_days(made.received, desk.now.date())
    found = desk.line.books.log.entries(kind="access_request", limit=10)
    assert [entry.fields["step"] for entry in found] == ["requested", "granted"]
    told = str([dict(entry.fields) for entry in found])
    assert all(text not in told for text in (WISH.legal_basis, WISH.reason, YES.answer)), "texts are commitments"
    assert desk.line.books.log.open(made.entry)["reason"].text == WISH.reason


def test_the_same_while_it_waits_is_the_same_request_whatever_the_order_of_columns(desk: Desk) -> None:
    made = desk.requests.ask(BANK_A, WISH, TAX)
    again = desk.requests.ask(BANK_A, replace(WISH, columns=WISH.columns[::-1], reason="again"), TAX)
    assert again == made
    others = [
        desk.requests.ask(BANK_A, replace(WISH, purpose="POST_LOAN"), TAX),
        desk.requests.ask(BANK_A, replace(WISH, columns=("tax_paid",)), TAX),
        desk.requests.ask(BANK_B, WISH, TAX),
    ]
    assert len({made.id, *(one.id for one in others)}) == 4
    desk.requests.decide(made.id, NO)
    assert desk.requests.ask(BANK_A, WISH, TAX).id != made.id, "who was refused may ask again"


def test_what_is_decided_or_withdrawn_stays_so(desk: Desk) -> None:
    granted, taken_back = desk.requests.ask(BANK_A, WISH, TAX), desk.requests.ask(BANK_B, WISH, TAX)
    desk.requests.decide(granted.id, YES)
    left = desk.requests.withdraw("bank_b", taken_back.id)
    assert left.state is AccessState.WITHDRAWN
    assert desk.requests.withdraw("bank_b", taken_back.id) == left
    assert code(lambda: desk.requests.decide(granted.id, NO)) == "LVR-5404"
    assert code(lambda: desk.requests.decide(taken_back.id, YES)) == "LVR-5404"
    assert code(lambda: desk.requests.withdraw("bank_a", granted.id)) == "LVR-5404"
    assert len(desk.line.books.log.entries(kind="access_request", limit=10)) == 4


def test_another_institutions_request_is_none(desk: Desk) -> None:
    made = desk.requests.ask(BANK_A, WISH, TAX)
    assert code(lambda: desk.requests.withdraw("bank_b", made.id)) == "LVR-5403"
    assert code(lambda: desk.requests.withdraw("bank_b", "no such")) == "LVR-5403"
    assert desk.of("bank_b") == ()
    assert [one.id for one in desk.of("bank_a")] == [made.id]


def test_departments_see_their_own_what_is_due_first_before_the_others(desk: Desk) -> None:
    first = desk.requests.ask(BANK_A, WISH, TAX)
    desk.now += timedelta(days=1)
    second, other = desk.requests.ask(BANK_B, WISH, TAX), desk.requests.ask(BANK_B, replace(WISH, purpose="X"), "")
    third = desk.requests.ask(BANK_A, replace(WISH, purpose="X"), TAX)
    desk.requests.decide(first.id, NO)
    assert desk.to([TAX]) == [second.id, third.id, first.id]
    assert desk.to([TAX], waiting=True) == [second.id, third.id]
    assert desk.to([""]) == [other.id]
    assert set(desk.to(None)) == {first.id, second.id, third.id, other.id}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("table", "tax_return"),
        ("table", "gov.tax; DROP TABLE entries"),
        ("table", "gov.税"),
        ("columns", ()),
        ("columns", ("a", "a")),
        ("columns", ("a b",)),
        ("columns", tuple(f"c{n}" for n in range(65))),
        ("purpose", "research"),
        ("purpose", ""),
        ("legal_basis", "  "),
        ("legal_basis", "x" * (LONGEST_TEXT + 1)),
        ("reason", ""),
        ("sql", "x" * 16_385),
    ],
)
def test_what_has_not_its_form_is_refused_by_the_fields_name_alone(desk: Desk, field: str, value: object) -> None:
    wish = replace(WISH, **{field: value})  # type: ignore[arg-type] # one of its fields
    with pytest.raises(Refused) as caught:
        desk.requests.ask(BANK_A, wish, TAX)
    assert (caught.value.code, caught.value.details) == ("LVR-5401", {"field": field})
    assert desk.line.kinds() == []


def test_so_many_wait_and_no_more(desk: Desk) -> None:
    made = [desk.requests.ask(BANK_A, replace(WISH, columns=(f"c{number}",)), TAX) for number in range(MOST_WAITING)]
    assert code(lambda: desk.requests.ask(BANK_A, WISH, TAX)) == "LVR-5402"
    desk.requests.ask(BANK_B, WISH, TAX)
    for one in made:
        desk.requests.withdraw("bank_a", one.id)
    for number in range(MOST_A_DAY - MOST_WAITING):
        taken = desk.requests.ask(BANK_A, replace(WISH, columns=(f"d{number}",)), TAX)
        desk.requests.withdraw("bank_a", taken.id)
    assert code(lambda: desk.requests.ask(BANK_A, WISH, TAX)) == "LVR-5402", "nor by taking them back"
    desk.now += timedelta(days=1)
    desk.requests.ask(BANK_A, WISH, TAX)


def test_an_answer_has_a_reason(desk: Desk) -> None:
    made = desk.requests.ask(BANK_A, WISH, TAX)
    for said in (" ", "x" * (LONGEST_TEXT + 1)):
        decision = replace(YES, answer=said)
        assert code(lambda decision=decision: desk.requests.decide(made.id, decision)) == "LVR-5401"  # type: ignore[misc]
    assert code(lambda: desk.requests.decide("no such", YES)) == "LVR-5403"


def test_the_figures_count_what_was_met_and_how_fast(desk: Desk) -> None:
    desk.now = datetime(2026, 7, 1, 4, tzinfo=UTC)  # a Wednesday
    made = [
        desk.requests.ask(BANK_A, replace(WISH, columns=(f"c{number}",)), TAX if number < 5 else "")
        for number in range(6)
    ]
    desk.now = datetime(2026, 7, 2, 4, tzinfo=UTC)
    desk.requests.decide(made[0].id, YES)  # 1 working day
    desk.requests.withdraw("bank_a", made[4].id)
    desk.now = datetime(2026, 7, 6, 4, tzinfo=UTC)
    desk.requests.decide(made[1].id, YES)  # 3: a weekend lies between
    desk.now = datetime(2026, 7, 10, 4, tzinfo=UTC)
    desk.requests.decide(made[2].id, NO)  # 7
    desk.now = datetime(2026, 7, 31, 4, tzinfo=UTC)
    found = desk.figures()
    assert found[TAX] == Figures(TAX, 5, 1, 1, 2, 1, 1, 666, 6)
    assert found[""] == Figures("", 1, 1, 1, 0, 0, 0, None, None)
    assert found["*"] == Figures("*", 6, 2, 2, 2, 1, 1, 666, 6)
    assert desk.figures(date(2026, 7, 2)) == {"*": Figures("*", 0, 0, 0, 0, 0, 0, None, None)}
    assert desk.figures(None, date(2026, 7, 2))["*"].received == 6
    assert desk.figures(None, date(2026, 7, 1))["*"].received == 0


@given(st.integers(0, 400), st.integers(1, 30))
def test_working_days_are_counted_as_deadlines_are(offset: int, days: int) -> None:
    received = date(2025, 1, 1) + timedelta(days=offset)
    until = deadline(received, days).day
    assert working_days(received, until) == days
    assert working_days(received, until - timedelta(days=1)) == days - 1
    assert working_days(received, received) == 0


def test_a_request_without_a_question_has_the_plainest_one() -> None:
    assert question(WISH) == 'SELECT count("tax_paid"), count("period") FROM "gov"."tax_return"'
    assert question(replace(WISH, sql="SELECT 1")) == "SELECT 1"

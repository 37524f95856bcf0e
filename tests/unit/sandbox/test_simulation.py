"""What a draft would have changed is told of the questions that were really asked, each once, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support.line import ask
from tests.support.policy_questions import BANK_A

from louver.errors import Refused
from louver_sandbox import journal
from louver_sandbox.demo.city import City
from louver_sandbox.drafting.simulation import Asked, History, history, lines, simulate
from louver_sandbox.journal import Books
from louver_sandbox.obligations import Charge
from louver_sandbox.pipeline import facts_at
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.stages import Case, Plan, RefusalRecord, Request, Treatment, Verdict
from louver_sandbox.store import State

NOW = utc_now()
DAYS = timedelta(days=30)


@pytest.fixture
def books(own_city: City) -> Iterator[Books]:
    with State.open(own_city.settings.state) as state:
        yield open_books(own_city.settings, state, utc_now)


def refused(books: Books, sql: str, code: str = "LVR-2001", **more: object) -> Request:
    request = replace(ask(sql, **more), subject=BANK_A)  # type: ignore[arg-type]
    journal.refuse(request, Refused(code, "no"), books)
    return request


def test_equal_questions_are_one_and_the_newest_entry_is_their_example(books: Books) -> None:
    for number in range(3):
        refused(books, "SELECT 1", request_id=f"r{number}")
    other = refused(books, "SELECT 1", parameters={"x": Decimal("1.50")})
    refused(books, "not a question", code="LVR-0103")
    found = history(books.log, NOW - DAYS, {})
    assert [(len(item.entries), item.request.sql) for item in found.asked] == [(1, "SELECT 1"), (3, "SELECT 1")]
    assert found.asked[0].request.parameters == other.parameters
    assert found.asked[1].entries[0] > found.asked[1].entries[2]
    assert found.asked[1].request.subject.groups == BANK_A.groups


def test_what_was_asked_before_or_erased_is_left_out(books: Books) -> None:
    refused(books, "SELECT 1")
    assert history(books.log, utc_now() + DAYS, {}).asked == []
    books.log.erase(history(books.log, NOW - DAYS, {}).asked[0].entries[0], "sql")
    found = history(books.log, NOW - DAYS, {})
    assert (found.asked, found.erased) == ([], 1)


def test_a_refusal_that_does_not_describe_its_requester_needs_the_registry(books: Books) -> None:
    request = ask("SELECT 1")
    with books.state.transaction() as tx:
        body = journal.common(request, "refusal") | {"code": "LVR-2001"}
        books.log.append(tx, body, journal.private(request))
    assert history(books.log, NOW - DAYS, {}).unknown == 1
    (item,) = history(books.log, NOW - DAYS, {request.subject.institution: BANK_A}).asked
    assert item.request.subject == BANK_A


PLAN = Plan("r", Treatment.THRESHOLD, (), (), None, (), None, (), "q", "b", "c", ("taxation@1",), ())
CHARGED = replace(PLAN, charges=(Charge("gov.t", "RESEARCH", "query", 100),))
PERMIT, COSTLY, DEARER = (
    Verdict(PLAN, None),
    Verdict(CHARGED, None),
    Verdict(replace(CHARGED, charges=CHARGED.charges * 2), None),
)
OTHER_TERMS = Verdict(replace(CHARGED, charges=(Charge("gov.t", "RESEARCH", "query", 50),)), None)
REFUSED = Verdict(None, RefusalRecord("LVR-2002", "no", "", "", "", None, None, "default-deny", "", {}, None))


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        (PERMIT, PERMIT, {}),
        (REFUSED, REFUSED, {}),
        (PERMIT, REFUSED, {("threshold", "LVR-2002"): 3}),
        (REFUSED, PERMIT, {("LVR-2002", "threshold"): 3}),
        (COSTLY, DEARER, {("threshold", "threshold at another cost"): 3}),
        (COSTLY, OTHER_TERMS, {("threshold", "threshold under other terms"): 3}),
        (PERMIT, None, {("threshold", "unfinished"): 3}),
    ],
)
def test_a_move_counts_every_time_the_question_was_asked(
    before: Verdict, after: Verdict | None, moves: Mapping[tuple[str, str], int]
) -> None:
    past = History([Asked(ask("SELECT 1"), (9, 5, 2))])
    heard: list[tuple[int, int]] = []
    found = simulate(
        past, (lambda case: before, lambda case: after), lambda name: (), facts_at(NOW), lambda *at: heard.append(at)
    )
    assert dict(found.moves) == moves
    assert (found.asked, found.distinct) == (3, 1)
    assert heard == [(1, 1)]
    assert found.plain()["changed"] == sum(moves.values())


def test_both_sides_judge_the_same_case_today_and_examples_are_few_and_without_sql() -> None:
    cases: list[Case] = []

    def side(case: Case) -> Verdict:
        cases.append(case)
        return PERMIT if len(cases) % 2 else REFUSED

    past = History([Asked(ask(f"SELECT secret{number}"), (number,)) for number in range(9)])
    found = simulate(
        past,
        (side, side),
        lambda name: (),
        facts_at(NOW),
        lambda *at: None,
        threads=1,
        examples=2,
        sealing_key=lambda name: f"key of {name}",
    )
    assert cases[::2] == cases[1::2]
    asker = ask("SELECT 1").subject.institution
    assert {case.facts for case in cases} == {replace(facts_at(NOW), sealing_key=f"key of {asker}")}
    (move,) = found.plain()["moves"]
    assert (move["questions"], len(move["examples"])) == (9, 2)
    told = "\n".join(lines(found))
    assert "9 questions asked, 9 of them different; 9 would have come out otherwise" in told
    assert "secret" not in told + str(found.plain())

"""Replaying a decision: the log, the kept catalogue and the kept bundle are enough to reach the same verdict again."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from tests.support.line import ask

from louver_sandbox import checker
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.auditing.replay import NotReplayable, replay
from louver_sandbox.commit import commit
from louver_sandbox.demo import questions
from louver_sandbox.demo.city import City
from louver_sandbox.journal import Books
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy.load import CONTENT_FILE
from louver_sandbox.premises import load_judgement, open_books, utc_now
from louver_sandbox.stages import Case, Committed, Request
from louver_sandbox.store import State

GRADES = next(question for question in questions.ANSWERED if question.name == "A03")


@pytest.fixture
def books(own_city: City) -> Iterator[Books]:
    settings = own_city.settings
    judgement = load_judgement(settings, utc_now())
    checker.write_judgement(settings.run, judgement.catalog, (settings.bundle / CONTENT_FILE).read_bytes())
    with State.open(settings.state) as state:
        yield open_books(settings, state, utc_now)


def admitted(city: City, books: Books, request: Request) -> int:
    """The log entry of a decision made now."""
    now = utc_now()
    verdict = checker.check_here(Case(request, (), facts_at(now)), load_judgement(city.settings, now))
    assert verdict.plan is not None, verdict.refusal
    found = commit(verdict.plan, request, books, now)
    assert isinstance(found, Committed)
    return found.admission


def test_a_decision_replays_to_the_same_verdict(own_city: City, books: Books) -> None:
    index = admitted(own_city, books, ask(GRADES.sql, purpose=GRADES.purpose))
    result = replay(index, books.log, own_city.settings, ())
    assert result.same
    assert set(result.recorded) == {"treatment", "question", "statement_sha256"}


@pytest.mark.parametrize("asked", ["paillier", ""])
def test_a_sealed_admission_replays_with_the_key_of_its_time(own_city: City, books: Books, asked: str) -> None:
    """The key is a fact of the decision: the log has it, and no register is looked at."""
    now, request = utc_now(), replace(ask(GRADES.sql, purpose=GRADES.purpose), seal=asked)
    judgement = load_judgement(own_city.settings, now)
    facts = replace(facts_at(now), sealing_key="k" * 64)
    plan = checker.check_here(Case(request, (), facts), judgement).plan
    assert plan is not None
    assert (plan.seal is not None) == bool(asked)
    found = commit(plan, request, books, now)
    assert isinstance(found, Committed)
    assert replay(found.admission, books.log, own_city.settings, ()).same


@pytest.mark.parametrize(
    ("condition", "parameters"),
    [
        ("r.section = :a", {"a": "C"}),
        ("r.section = :a", {"a": 'it\'s "quoted" \\ 区'}),
        ("r.established_on < :a", {"a": date(2020, 1, 31)}),
        ("r.reg_capital_wan > :a", {"a": 10}),
        ("r.reg_capital_wan > :a", {"a": Decimal("10.50")}),
    ],
)
def test_parameters_of_every_type_replay(
    own_city: City, books: Books, condition: str, parameters: Mapping[str, Value]
) -> None:
    sql = f"SELECT count(*) AS n FROM gov.ent_registry AS r WHERE {condition}"
    index = admitted(own_city, books, ask(sql, parameters=parameters))
    assert replay(index, books.log, own_city.settings, ()).same


@pytest.mark.parametrize(
    ("dialect", "condition"),
    [
        ("postgres", "reg_capital_wan > 7 / 2"),
        ("mysql", '`section` = "C" and reg_capital_wan > 7 div 2'),
        ("oracle", "established_on < to_date('20200131', 'YYYYMMDD')"),
    ],
)
def test_a_question_in_another_dialect_replays_in_it(
    own_city: City, books: Books, dialect: str, condition: str
) -> None:
    sql = f"SELECT count(*) AS n FROM gov.ent_registry WHERE {condition}"
    index = admitted(own_city, books, replace(ask(sql), dialect=dialect))
    assert replay(index, books.log, own_city.settings, ()).same


def test_another_text_would_not_replay_the_same(own_city: City, books: Books) -> None:
    one = admitted(own_city, books, ask("SELECT count(*) AS n FROM gov.ent_registry", "r1"))
    two = admitted(own_city, books, ask("SELECT count(*) AS m FROM gov.ent_registry", "r2"))
    results = [replay(index, books.log, own_city.settings, ()) for index in (one, two)]
    assert results[0].found != results[1].found


def test_only_a_decision_can_be_replayed(own_city: City, books: Books) -> None:
    with pytest.raises(NotReplayable, match="of kind snapshot"):
        replay(0, books.log, own_city.settings, ())


def test_an_erased_question_cannot_be_replayed(own_city: City, books: Books) -> None:
    index = admitted(own_city, books, ask("SELECT count(*) AS n FROM gov.ent_registry"))
    books.log.erase(index, "sql")
    with pytest.raises(NotReplayable, match="erased"):
        replay(index, books.log, own_city.settings, ())


def test_a_decision_whose_policies_are_gone_says_so(own_city: City, books: Books) -> None:
    index = admitted(own_city, books, ask("SELECT count(*) AS n FROM gov.ent_registry"))
    shutil.rmtree(own_city.settings.run / "kept")
    with pytest.raises(NotReplayable, match="no longer kept"):
        replay(index, books.log, own_city.settings, ())


def test_policies_put_in_anothers_place_are_not_taken_for_it(own_city: City, books: Books) -> None:
    index = admitted(own_city, books, ask("SELECT count(*) AS n FROM gov.ent_registry"))
    (kept,) = (own_city.settings.run / "kept").glob("bundle-*.json")
    kept.write_bytes(kept.read_bytes().replace(b'"title":"', b'"title":"another '))
    with pytest.raises(NotReplayable, match="not the catalogue and bundle"):
        replay(index, books.log, own_city.settings, ())

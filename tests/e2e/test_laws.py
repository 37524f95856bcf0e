"""The laws of the line, on the real service: all of it logged, in order, and every decision can be decided again."""

import pytest
from tests.e2e.conftest import PROTECTED, SIMPLE
from tests.e2e.soundness import entries, kinds
from tests.support.installation import Service

import louver
from louver.errors import Refused
from louver_sandbox.auditing.replay import replay
from louver_sandbox.demo import questions
from louver_sandbox.demo.city import City
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.settings import SettingsRefused, load
from louver_sandbox.store import State
from louver_sandbox.uploads.own_tables import own_tables_ever

GRADES = next(question for question in questions.ANSWERED if question.name == "A03")


def test_law_2_and_9_everything_is_in_the_log_in_order(served: Service, bank: louver.Client) -> None:
    before = len(entries(served.city))
    bank.analyse(SIMPLE + " WHERE section = 'G'")
    with pytest.raises(Refused):
        bank.analyse("SELECT name FROM gov.pop_person")
    bank.explain(SIMPLE)
    bank.explain("SELECT name FROM gov.pop_person")
    found = kinds(served.city)
    assert found[before:] == ["admission", "outcome", "refusal", "explain", "explain"]
    assert found.count("activation") == 1
    assert "snapshot" in found


def test_no_question_stands_in_the_log_in_clear(served: Service, bank: louver.Client) -> None:
    bank.analyse(SIMPLE + " WHERE section = 'K'")
    with pytest.raises(Refused):
        bank.analyse("SELECT nobody_may_read_this FROM gov.pop_person")
    assert not any("SELECT" in str(entry) or "nobody_may_read_this" in str(entry) for entry in entries(served.city))


def test_law_3_a_charge_is_what_the_dry_run_said(bank: louver.Client) -> None:
    foretold = bank.explain(PROTECTED.format(17))
    answer = bank.analyse(PROTECTED.format(17))
    assert answer.cost == foretold.cost == {"gov.tax_credit query": 1, "gov.tax_credit predicate": 1}
    assert answer.remaining == foretold.remaining
    after = bank.explain(PROTECTED.format(18)).remaining
    assert after == {account: left - 1 for account, left in answer.remaining.items()}


def test_a_predicate_is_paid_for_once_a_day(bank: louver.Client) -> None:
    first = bank.analyse(PROTECTED.format(19))
    other = bank.analyse(
        PROTECTED.format(19).replace("count(*) AS n", "count(*) AS n, count(DISTINCT uscc) AS firms")
    )
    assert other.remaining["gov.tax_credit predicate"] == first.remaining["gov.tax_credit predicate"]
    assert other.remaining["gov.tax_credit query"] == first.remaining["gov.tax_credit query"] - 1


def test_law_6_a_decision_replays_also_behind_an_answer_that_was_given_before(
    served: Service, bank: louver.Client
) -> None:
    answers = [bank.analyse(GRADES.sql, purpose=GRADES.purpose) for _ in range(2)]
    with State.open(served.city.settings.state) as state:
        books = open_books(served.city.settings, state, utc_now)
        own = own_tables_ever(state, "bank_a", frozenset())
        for answer in answers:
            (outcome,) = books.log.entries(kind="outcome", request_id=answer.request_id)
            result = replay(outcome.index, books.log, served.city.settings, own)
            assert result.same, result
    assert "same_as" in outcome.fields


def test_the_configuration_is_checked(own_city: City) -> None:
    path = own_city.settings.home / "louver.toml"
    path.write_text(path.read_text() + "\nworkerz = 3\n")
    with pytest.raises(SettingsRefused, match="workerz"):
        load(own_city.settings.home)

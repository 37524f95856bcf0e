"""The line, with a fault at every step of it: what the caller gets, what the log says, what was paid, what left."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pytest
from tests.support.line import (
    FAILURES,
    FORBIDDEN,
    NARROWED,
    QUERIES_PER_DAY,
    SECTIONS,
    EngineSlot,
    Line,
    ask,
    call,
    firm_policies,
    line,
    run_statement,
    stream,
)
from tests.support.policy_questions import BANK_B

from louver.errors import Error, Fault, Refused
from louver.receipt import Receipt
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.pipeline import Call, Failed
from louver_sandbox.processes.pool import FailureKind
from louver_sandbox.refusals import capacity
from louver_sandbox.stages import Plan, Receipted
from louver_sandbox.store import StoreError
from louver_sandbox.suppression.pattern import Pattern, Problem


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made
        assert made.reserved == 0, "every worker is given back"
        assert verify_log(made.books.state, made.books.log.key).ok


def refused(bank: Line, sql: str = SECTIONS, request_id: str = "request-1") -> Refused:
    """The refusal that this question meets."""
    with pytest.raises(Refused) as caught:
        bank.pipeline.answer(ask(sql, request_id), call())
    return caught.value


def rows(receipted: Receipted) -> list[dict[str, object]]:
    """The answer's rows."""
    found: list[dict[str, object]] = pa.ipc.open_stream(receipted.answer.arrow).read_all().to_pylist()
    return found


def test_a_question_is_paid_logged_answered_and_proved(bank: Line) -> None:
    receipted = bank.pipeline.answer(ask(), call())
    assert rows(receipted) == [
        {"section": "A", "n": 30, "total": sum(range(100, 130))},
        {"section": "B", "n": 8, "total": sum(range(130, 138))},
    ]
    assert bank.kinds() == ["admission", "outcome"]
    assert bank.spent() == 1
    proof = Receipt.from_bytes(receipted.receipt).verify(
        bank.books.log.key,
        sql=SECTIONS,
        result_digest=hashlib.sha256(receipted.answer.arrow).hexdigest(),
        request_id="request-1",
    )
    assert proof.index == 1
    assert not receipted.stored


def test_the_caller_hears_what_has_been_done(bank: Line) -> None:
    said: list[str] = []
    quiet = call()
    bank.pipeline.answer(ask(), Call(quiet.deadline_s, quiet.cancelled, said.append))
    assert said == ["checked", "admitted"]


class Witness:
    """A worker that looks at the books before it reads a row."""

    def __init__(self, bank: Line) -> None:
        self._bank = bank
        self.seen: tuple[list[str], int] = ([], 0)

    def run(self, plan: Plan, call: Call) -> bytes:
        self.seen = self._bank.kinds(), self._bank.spent()
        return run_statement(plan)


def test_law_2_when_a_row_is_read_the_log_and_the_ledger_know_already(bank: Line) -> None:
    bank.slot = witness = Witness(bank)
    bank.pipeline.answer(ask(), call())
    assert witness.seen == (["admission"], 1)


def test_a_refused_question_costs_nothing_reserves_nothing_and_is_logged(bank: Line) -> None:
    found = refused(bank, FORBIDDEN)
    assert found.code.startswith("LVR-2")
    assert bank.kinds() == ["refusal"]
    assert bank.books.log.entry(0).fields["code"] == found.code
    assert bank.spent() == bank.reserved == 0


def test_overload_refuses_before_anything_is_charged(bank: Line) -> None:
    bank.refusal = capacity.overloaded("service", 2.0)
    assert refused(bank).code == "LVR-3101"
    assert bank.kinds() == ["refusal"]
    assert bank.spent() == 0
    bank.refusal = None
    assert rows(bank.pipeline.answer(ask(), call()))


def test_a_broken_checker_charges_nothing(bank: Line) -> None:
    bank.judge_fault = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        bank.pipeline.answer(ask(), call())
    assert (bank.kinds(), bank.spent()) == ([], 0)


def test_a_spent_budget_is_refused_and_a_repeated_question_stays_free(bank: Line) -> None:
    sections = "ABCD"
    for number in range(QUERIES_PER_DAY):
        bank.pipeline.answer(ask(NARROWED, f"r{number}", parameters={"section": sections[number]}), call())
    with pytest.raises(Refused) as caught:
        bank.pipeline.answer(ask(NARROWED, "r9", parameters={"section": "D"}), call())
    assert caught.value.code == "LVR-3001"
    assert "2026-07-02T00:00+08:00" in caught.value.hint
    again = bank.pipeline.answer(ask(NARROWED, "r10", parameters={"section": "A"}), call())
    assert again.stored
    assert bank.spent() == QUERIES_PER_DAY


def test_when_the_books_cannot_be_written_nothing_is_answered(bank: Line) -> None:
    with bank.store_held():
        assert refused(bank).code == "LVR-3103"
    assert (bank.kinds(), bank.spent(), bank.answers()) == ([], 0, 0)
    assert rows(bank.pipeline.answer(ask(), call()))


def test_an_admission_that_cannot_be_logged_is_not_charged(bank: Line) -> None:
    with bank.log_refuses("admission"):
        assert refused(bank).code == "LVR-3103"
    assert (bank.kinds(), bank.spent()) == (["refusal"], 0)


def test_a_refusal_that_cannot_be_logged_says_only_that(bank: Line) -> None:
    with bank.log_refuses("refusal"):
        assert refused(bank, FORBIDDEN).code == "LVR-3103"


@pytest.mark.parametrize("reason", FAILURES)
def test_law_1_and_3_a_failing_worker_is_one_constant_fault_and_stays_charged(bank: Line, reason: str) -> None:
    bank.slot = EngineSlot(fault=FAILURES[reason]())
    with pytest.raises(Fault) as caught:
        bank.pipeline.answer(ask(), call())
    assert str(caught.value) == "the platform could not answer; incident incident-1"
    assert bank.kinds() == ["admission", "aborted"]
    assert bank.books.log.entry(1).fields["reason"] == reason
    assert b"91370200" not in b"".join(entry.body for entry in bank.books.log.entries())
    assert (bank.spent(), bank.answers()) == (1, 0)


WITH_TOTAL = "SELECT section, count(*) AS n FROM gov.firm GROUP BY ROLLUP (section)"


def test_further_parts_are_withheld_where_the_policy_keeps_totals(bank: Line) -> None:
    assert {row["section"] for row in rows(bank.pipeline.answer(ask(WITH_TOTAL), call()))} == {"A", "B"}
    bank.bundle = firm_policies(totals="complementary")
    kept = rows(bank.pipeline.answer(ask(WITH_TOTAL, "request-2"), call()))
    assert kept == [{"section": "A", "n": 30}, {"section": None, "n": 40}]


def test_law_1_and_3_a_solver_that_is_killed_is_a_fault_that_stays_charged(bank: Line) -> None:
    def killed(problem: Problem) -> Pattern | None:
        raise Failed("timeout")

    bank.bundle, bank.solve = firm_policies(totals="complementary"), killed
    with pytest.raises(Fault) as caught:
        bank.pipeline.answer(ask(WITH_TOTAL), call())
    assert str(caught.value) == "the platform could not answer; incident incident-1"
    assert bank.kinds() == ["admission", "aborted"]
    assert bank.books.log.entry(1).fields["reason"] == "timeout"
    assert (bank.spent(), bank.answers()) == (1, 0)


def lies() -> dict[str, bytes]:
    """Replies that are not what the plan says."""
    return {
        "not Arrow": b"not an Arrow stream",
        "nothing": b"",
        "other columns": stream(pa.table({"x": [1]})),
        "too few columns": stream(pa.table({"c1": ["A"]})),
        "raw identifiers": stream(pa.table({f"c{i}": ["91370200MA3XXXXX0A"] for i in range(1, 10)})),
    }


@pytest.mark.parametrize("name", lies())
def test_a_lying_worker_is_a_fault_and_nothing_of_its_reply_leaves(bank: Line, name: str) -> None:
    bank.slot = EngineSlot(lie=lies()[name])
    with pytest.raises(Fault) as caught:
        bank.pipeline.answer(ask(), call())
    assert "91370200MA3XXXXX0A" not in str(caught.value)
    assert bank.kinds() == ["admission", "aborted"]
    assert (bank.spent(), bank.answers()) == (1, 0)


def test_law_8_an_outcome_that_cannot_be_logged_does_not_leave(bank: Line) -> None:
    with bank.log_refuses("outcome"), pytest.raises(Fault):
        bank.pipeline.answer(ask(), call())
    assert bank.kinds() == ["admission", "aborted"]
    assert (bank.spent(), bank.answers()) == (1, 0)


def test_law_1_nothing_is_refused_after_the_commit_even_when_the_log_is_gone(bank: Line) -> None:
    with bank.log_refuses("outcome", "aborted"), pytest.raises(Fault):
        bank.pipeline.answer(ask(), call())
    assert bank.kinds() == ["admission"]
    assert len(bank.incidents) == 2, "the operator learns of both"
    assert all(isinstance(error, StoreError) for error in bank.incidents)


@pytest.mark.parametrize("reason", FAILURES)
def test_a_retry_of_a_paid_question_runs_again_and_pays_nothing(bank: Line, reason: str) -> None:
    bank.slot = EngineSlot(fault=FAILURES[reason]())
    with pytest.raises(Fault):
        bank.pipeline.answer(ask(), call())
    bank.slot = EngineSlot()
    receipted = bank.pipeline.answer(ask(), call())
    assert len(rows(receipted)) == 2
    assert receipted.answer.cost == {}
    assert bank.kinds() == ["admission", "aborted", "outcome"]
    assert bank.books.log.entry(2).fields["admission"] == 0
    assert bank.spent() == 1


def test_a_retry_under_another_policy_is_admitted_and_paid_anew(bank: Line) -> None:
    bank.slot = EngineSlot(fault=FAILURES["timeout"]())
    with pytest.raises(Fault):
        bank.pipeline.answer(ask(), call())
    bank.slot, bank.bundle = EngineSlot(), firm_policies(version="2")
    bank.pipeline.answer(ask(), call())
    assert bank.kinds() == ["admission", "aborted", "admission", "outcome"]
    first, second = bank.books.log.entries(kind="admission")
    assert first.fields["bundle"] != second.fields["bundle"]
    assert bank.books.log.entry(3).fields["admission"] == second.index


def test_the_same_request_gets_the_same_bytes_for_nothing(bank: Line) -> None:
    first = bank.pipeline.answer(ask(), call())
    again = bank.pipeline.answer(ask(), call())
    assert again.stored
    assert again.answer.arrow == first.answer.arrow
    assert Receipt.from_bytes(again.receipt).entry == Receipt.from_bytes(first.receipt).entry
    assert (bank.kinds(), bank.spent()) == (["admission", "outcome"], 1)


def test_a_retry_outlives_a_change_of_policy(bank: Line) -> None:
    first = bank.pipeline.answer(ask(), call())
    bank.judge_fault = AssertionError("nothing is judged again")
    assert bank.pipeline.answer(ask(), call()).answer.arrow == first.answer.arrow


def test_the_same_question_under_a_new_id_gets_the_same_bytes_and_its_own_entry(bank: Line) -> None:
    first = bank.pipeline.answer(ask(), call())
    again = bank.pipeline.answer(ask(SECTIONS.replace(" AS n", "  AS n"), "request-2"), call())
    assert again.stored
    assert again.answer.arrow == first.answer.arrow
    assert bank.kinds() == ["admission", "outcome", "outcome"]
    assert bank.books.log.entry(2).fields["same_as"] == 1
    assert bank.spent() == 1
    third = bank.pipeline.answer(ask(SECTIONS.replace(" AS n", "  AS n"), "request-2"), call())
    assert third.answer.arrow == first.answer.arrow
    assert len(bank.kinds()) == 3, "the retry of a repetition is logged once"


def test_another_bank_pays_for_its_own_answer(bank: Line) -> None:
    bank.pipeline.answer(ask(), call())
    other = bank.pipeline.answer(ask(who=BANK_B), call())
    assert not other.stored
    assert bank.spent() == 2


@pytest.mark.parametrize("spoil", [(FORBIDDEN, "request-1"), (SECTIONS + " DESC", "request-1")])
def test_a_request_id_is_for_one_question(bank: Line, spoil: tuple[str, str]) -> None:
    bank.pipeline.answer(ask(), call())
    assert refused(bank, *spoil).code == "LVR-0106"
    assert bank.spent() == 1


def test_a_request_id_of_an_unfinished_question_is_taken_too(bank: Line) -> None:
    bank.slot = EngineSlot(fault=FAILURES["timeout"]())
    with pytest.raises(Fault):
        bank.pipeline.answer(ask(), call())
    assert refused(bank, SECTIONS + " DESC").code == "LVR-0106"


def test_a_dry_run_spends_nothing_and_is_logged(bank: Line) -> None:
    planned = bank.pipeline.explain(ask())
    assert planned.treatment.value == "threshold"
    with pytest.raises(Refused):
        bank.pipeline.explain(ask(FORBIDDEN, "request-2"))
    assert bank.kinds() == ["explain", "explain"]
    assert "code" in bank.books.log.entry(1).fields
    assert bank.spent() == bank.answers() == 0


def test_the_budget_comes_back_at_midnight_in_beijing(bank: Line) -> None:
    for number, section in enumerate("ABC"):
        bank.pipeline.answer(ask(NARROWED, f"r{number}", parameters={"section": section}), call())
    bank.clock.now += timedelta(hours=12, minutes=1)  # from noon in Beijing
    assert not bank.pipeline.answer(ask(NARROWED, "r3", parameters={"section": "D"}), call()).stored
    assert bank.spent() == QUERIES_PER_DAY + 1


def test_every_error_of_the_line_is_one_of_ours() -> None:
    assert issubclass(Refused, Error)
    assert issubclass(Fault, Error)
    assert set(FAILURES) == {*get_args(FailureKind), "internal"}

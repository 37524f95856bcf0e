"""The commit of a lookup: the authorisation is read then, and what the log says of it holds for every retry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.support.line import NOON, Line, line
from tests.support.policy_questions import LIBRARY, city_catalog

from louver.errors import Fault
from louver_sandbox import journal
from louver_sandbox.commit import commit
from louver_sandbox.consents import Consent, Consents
from louver_sandbox.lookups import DIALECT
from louver_sandbox.pipeline import Call, Failed, Pipeline, facts_at
from louver_sandbox.plan.calls import judge_call
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.load import load_library
from louver_sandbox.stages import Committed, InstitutionType, Plan, Request, Subject

BANK = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "f" * 64)
FIRM = "91370299MA3TEST012"
DAY = NOON.date()
ASKED = Request(
    "5f0c6a52-6a0e-4f6c-9a55-5b1f0c8f2d11",
    BANK,
    "LOAN_ORIGINATION",
    "enterprise-report@1",
    {"subject": FIRM, "authorisation": "a1"},
    DIALECT,
)


@pytest.fixture(scope="module")
def planned() -> Plan:
    library = load_library([LIBRARY])
    bundle = parse_bundle(bundle_content(library.platform, library.policies))
    return judge_call(ASKED, city_catalog(), bundle, facts_at(NOON))


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def consents(bank: Line) -> Consents:
    append = partial(journal.appended, bank.books)
    return Consents(bank.books.state, lambda: NOON, append, lambda: "a1")


def authorised(bank: Line, plan: Plan) -> None:
    assert plan.lookup is not None
    scope, day = tuple(plan.lookup.rules.columns), DAY.isoformat()
    signed = "ab" * 32
    consent = Consent("enterprise", FIRM, "LOAN_ORIGINATION", scope, day, day, signed, False, False, 1)
    consents(bank).record(BANK, consent)


def committed(bank: Line, plan: Plan, request: Request = ASKED) -> Committed:
    found = commit(replace(plan, request_id=request.id), request, bank.books, NOON)
    assert isinstance(found, Committed)
    assert found.standing is not None
    return found


def is_about_the_firm(found: Committed) -> bool:
    """Whether the subject's rows would be read; that the commit says so too is part of it."""
    assert found.standing is not None
    read = any(FIRM in core.statement for core in found.plan.cores)
    assert read is found.standing.covered
    return read


def test_a_covered_lookup_is_tried_again_at_no_cost_and_uses_nothing_up(bank: Line, planned: Plan) -> None:
    authorised(bank, planned)
    first, again = committed(bank, planned), committed(bank, planned)
    assert is_about_the_firm(first)
    assert is_about_the_firm(again)
    assert first.cost
    assert (again.cost, again.admission) == ({}, first.admission)
    other = replace(ASKED, id="0d2a4f0e-2c53-4a0b-8a39-1f0a5a7a1b22")
    assert not is_about_the_firm(committed(bank, planned, other)), "it was good for one request"


def test_what_the_log_says_was_not_covered_is_not_read_by_a_retry(bank: Line, planned: Plan) -> None:
    first = committed(bank, planned)
    assert not is_about_the_firm(first)
    authorised(bank, planned)
    again = committed(bank, planned)
    assert again.admission == first.admission
    assert not is_about_the_firm(again), "its admission would explain nobody's rows"
    anew = replace(ASKED, id="0d2a4f0e-2c53-4a0b-8a39-1f0a5a7a1b22")
    assert is_about_the_firm(committed(bank, planned, anew))


def test_a_revocation_counts_for_a_retry(bank: Line, planned: Plan) -> None:
    authorised(bank, planned)
    assert is_about_the_firm(committed(bank, planned))
    consents(bank).revoke("a1", BANK.institution)
    assert not is_about_the_firm(committed(bank, planned))


@pytest.mark.parametrize(("stage", "read"), [("checked", False), ("admitted", True)])
def test_a_revocation_during_the_answer_counts_until_it_is_admitted(
    bank: Line, planned: Plan, stage: str, read: bool
) -> None:
    """Recorded before the admission it counts, though the question was found good; after it the rows are read, since
    the log has said so by then."""
    authorised(bank, planned)
    seen: list[bool] = []

    class Reading:
        def run(self, plan: Plan, call: Call) -> bytes:
            seen.append(any(FIRM in core.statement for core in plan.cores))
            raise Failed("worker_died")

    def told(at: str) -> None:
        if at == stage:
            consents(bank).revoke("a1", BANK.institution)

    answering = Pipeline(
        lambda request, facts: planned,
        lambda institution, call: nullcontext(Reading()),
        bank.books,
        bank.clock,
        lambda error: "incident",
    )
    with pytest.raises(Fault):
        answering.answer(ASKED, Call(10.0, threading.Event(), told))
    assert seen == [read]


def test_an_admission_tells_its_reader_the_same_whether_it_covers_or_not(bank: Line, planned: Plan) -> None:
    uncovered = bank.books.log.entry(committed(bank, planned).admission)
    authorised(bank, planned)
    anew = replace(ASKED, id="0d2a4f0e-2c53-4a0b-8a39-1f0a5a7a1b22")
    covered = bank.books.log.entry(committed(bank, planned, anew).admission)
    apart = {name for name in covered.fields if covered.fields[name] != uncovered.fields.get(name)}
    assert covered.fields.keys() == uncovered.fields.keys()
    assert apart <= {"request_id", "time", "ledger", "commitments", "index"}

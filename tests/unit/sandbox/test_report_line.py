"""A credit report leaves whole or says nothing, whatever happens while its sections are asked."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.line import NOON, Line, call, line
from tests.support.policy_questions import city_bundle
from tests.support.restored import copied, restored

from louver.errors import Refused
from louver.receipt import Receipt
from louver.transparency.retention import Hold
from louver_sandbox import inquiries, journal, reports_kept
from louver_sandbox.audit import JSON, verify_log
from louver_sandbox.audit.stored import PrunedEntry
from louver_sandbox.consents import Consent, Consents
from louver_sandbox.lookups import LookupRules, LookupSource
from louver_sandbox.pipeline import facts_at
from louver_sandbox.report_line import REPORT_DIALECT, Reported, ReportLine, offered_reports
from louver_sandbox.retention import holds, pruning
from louver_sandbox.stages import Answer, Facts, InstitutionType, Receipted, Request, Subject, Treatment
from louver_sandbox.store import StoreUnavailable
from louver_sandbox.store.clock import rfc3339

BANK = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "f" * 64)
FIRM, PERSON = "91370299MA3TEST012", "370291199001011235"
ASKED = Request(
    "5f0c6a52-6a0e-4f6c-9a55-5b1f0c8f2d11",
    BANK,
    "LOAN_ORIGINATION",
    "credit-enterprise@1",
    {"subject": FIRM, "authorisation": "a1"},
    REPORT_DIALECT,
)
TEMPLATES = {
    template.name: template
    for _, _, templates in offered_reports(city_bundle(), BANK, Facts(NOON.date()))
    for template in templates.values()
}


@dataclass
class Lookups:
    """Answers sections as the line does: an admission, an inquiry, an outcome. `before` runs ahead of each section;
    `silent` are templates without rows, and `uncovered` those that the authorisation does not cover."""

    line: Line
    before: Callable[[str], None] = lambda template: None
    silent: set[str] = field(default_factory=set)
    uncovered: set[str] = field(default_factory=set)
    asked: list[Request] = field(default_factory=list)

    def answer(self, request: Request, _call: object) -> Receipted:
        self.before(request.sql)
        self.asked.append(request)
        template = TEMPLATES[request.sql]
        covered = request.sql not in self.uncovered
        cells = [["一"]] if covered and request.sql not in self.silent else [[]]
        table = pa.table({name: pa.array(cells[0], pa.string()) for name in template.fields})
        made = io.BytesIO()
        with pa.ipc.new_stream(made, table.schema) as stream:
            stream.write_table(table)
        rules = LookupRules(
            template.name,
            template.subject,
            str(request.parameters["subject"]),
            str(request.parameters["authorisation"]),
            {} if request.sql == "organisation@1" else {"gov.tax_credit": frozenset({"grade"})},
            False,
            False,
            (),
            1,
            (LookupSource("gov.tax_credit", "市税务局", date(2026, 6, 30)),),
        )
        with self.line.books.state.transaction() as tx:
            body = {"institution": BANK.institution, "request_id": request.id}
            entry = self.line.books.log.append(tx, {**body, "kind": "admission"}).index
            asked = BANK.institution, request.id, request.purpose
            inquiries.note(tx, rules, asked, entry, NOON, covered=covered)
        answer = Answer(Treatment.AUTHORISED, made.getvalue(), b"", len(cells[0]), (), {}, {}, ())
        return Receipted(answer, b"", stored=False)


@dataclass
class Counter:
    """A line of reports with its consents."""

    line: Line
    lookups: Lookups
    consents: Consents
    reports: ReportLine

    def make(self, **changes: object) -> Reported:
        return self.reports.make(replace(ASKED, **changes), call())  # type: ignore[arg-type]

    def revoke(self) -> None:
        self.consents.revoke("a1", BANK.institution)


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    with line(tmp_path) as made:
        lookups = Lookups(made)
        append = partial(journal.appended, made.books)
        consents = Consents(made.books.state, lambda: NOON, append, iter(("a1", "a2")).__next__)
        day, scope = NOON.date(), ("gov.tax_credit",)
        until = (day + timedelta(days=5)).isoformat()
        for _ in range(2):
            given = Consent(
                "enterprise", FIRM, "LOAN_ORIGINATION", scope, day.isoformat(), until, "ab" * 32, False, False, 1
            )
            consents.record(BANK, given)
        reports = ReportLine(lookups.answer, city_bundle, facts_at, made.books, lambda: NOON)
        yield Counter(made, lookups, consents, reports)


def sections(made: Reported) -> list[str]:
    return [one["template"] for one in json.loads(made.document)["sections"]]


def form(made: Reported) -> tuple[object, ...]:
    """What of a report and its entry is not the request's own."""
    entry = dict(json.loads(Receipt.from_bytes(made.receipt).entry))
    names = ("request_id", "request_digest", "result_digest", "index", "time", "admissions", "commitments")
    told = {**json.loads(made.document), "request_id": ""}
    return told, {name: value for name, value in entry.items() if name not in names}, len(made.document)


def test_a_report_has_all_its_sections_and_ends_with_its_authorisation(counter: Counter) -> None:
    made = counter.make()
    assert sections(made) == [one.sql for one in counter.lookups.asked]
    said = json.loads(made.document)
    assert said["valid_until"] == "2026-07-06", "the authorisation ends before the thirty days do"
    assert said["sections"][1]["sources"] == [{"table": "gov.tax_credit", "owner": "市税务局", "as_of": "2026-06-30"}]
    proved = Receipt.from_bytes(made.receipt).verify(
        counter.line.books.log.key,
        result_digest=hashlib.sha256(made.document).hexdigest(),
        request_id=ASKED.id,
    )
    assert proved.kind == "report"
    assert FIRM.encode() not in Receipt.from_bytes(made.receipt).entry


def test_a_report_does_not_say_when_its_last_section_was_found(counter: Counter) -> None:
    counter.reports = ReportLine(
        counter.lookups.answer, city_bundle, facts_at, counter.line.books, counter.line.clock
    )
    asked: list[str] = []
    counter.lookups.before = lambda template: asked.append(rfc3339(counter.line.clock.now))
    made = counter.make()
    shown = json.loads(Receipt.from_bytes(made.receipt).entry)["time"]
    assert shown <= asked[0] < asked[-1]


def test_every_section_is_asked_under_the_one_authorisation(counter: Counter) -> None:
    counter.make()
    assert {one.parameters["authorisation"] for one in counter.lookups.asked} == {"a1"}
    assert [one.id for one in counter.lookups.asked] == [f"{ASKED.id}#{place}" for place in range(6)]
    assert {inquiries.asked_as(one.id) for one in counter.lookups.asked} == {ASKED.id}


@pytest.mark.parametrize("last", ["registration@1", "penalties@1", "lists@1"])
def test_a_revocation_while_the_sections_are_asked_leaves_nothing(counter: Counter, last: str) -> None:
    """The story: a bank holds the call open, the subject revokes in the meantime. The sections that were asked before
    have been answered by the line; none of them leaves."""
    counter.lookups.before = lambda template: counter.revoke() if template == last else None
    made = counter.make()
    assert sections(made) == []
    with counter.line.books.state.reading() as tx:
        asked = inquiries.of_request(tx, BANK.institution, ASKED.id)
        assert len(asked) == 6
        assert not any(inquiries.was_told(tx, one) for one in asked)


def test_there_is_one_report_that_says_nothing(counter: Counter) -> None:
    identities = iter(f"00000000-0000-4000-8000-{number:012d}" for number in range(9))
    counter.lookups.silent = set(TEMPLATES)
    absent = counter.make(id=next(identities))
    counter.lookups.silent = {"registration@1"}
    unregistered = counter.make(id=next(identities))
    counter.lookups.silent = set()
    counter.lookups.uncovered = {"lists@1"}
    partly = counter.make(id=next(identities))
    counter.lookups.uncovered = set(TEMPLATES)
    unauthorised = counter.make(id=next(identities))
    counter.lookups.uncovered = set()
    counter.revoke()
    revoked = counter.make(id=next(identities))
    assert form(absent) == form(unregistered) == form(partly) == form(unauthorised) == form(revoked)
    assert sections(absent) == []


def test_the_same_request_is_the_same_report_until_it_is_revoked(counter: Counter) -> None:
    made = counter.make()
    again = counter.make()
    assert again.document == made.document
    assert len(counter.lookups.asked) == 6, "nothing is asked a second time"
    counter.revoke()
    assert code(counter) == "LVR-5134"


def test_a_report_that_said_nothing_says_nothing_when_it_is_asked_again(counter: Counter) -> None:
    counter.lookups.uncovered = {"lists@1"}
    made = counter.make()
    counter.lookups.uncovered = set()
    assert counter.make().document == made.document
    counter.revoke()
    assert counter.make().document == made.document


def code(counter: Counter, **changes: object) -> str:
    with pytest.raises(Refused) as refused:
        counter.make(**changes)
    assert refused.value.message_zh
    assert counter.line.books.log.entries(kind="refusal"), "refusals are logged too"
    return refused.value.code


def test_what_is_no_question_for_a_report_is_refused(counter: Counter) -> None:
    given = dict(ASKED.parameters)
    assert code(counter, sql="credit-everybody@1") == "LVR-5131"
    assert code(counter, subject=replace(BANK, groups=frozenset())) == "LVR-5131"
    assert code(counter, purpose="RESEARCH") == "LVR-5132"
    assert code(counter, parameters={**given, "authorisation2": "a2"}) == "LVR-5133"
    assert code(counter, parameters={**given, "authorisation": "a1 a2" * 40}) == "LVR-5133"
    assert code(counter, parameters={**given, "subject": "x' OR 1=1"}) == "LVR-5133"
    assert code(counter, parameters={"authorisation": "a1"}) == "LVR-5133"
    assert counter.lookups.asked == []


def test_a_request_id_is_good_for_one_report(counter: Counter) -> None:
    counter.make()
    assert code(counter, parameters={"subject": FIRM, "authorisation": "a2"}) == "LVR-0106"


def test_a_refused_section_refuses_the_report(counter: Counter) -> None:
    def broken(template: str) -> None:
        if template == "penalties@1":
            raise Refused("LVR-6104", "not granted", "", message_zh="未授权", hint_zh="")

    counter.lookups.before = broken
    with pytest.raises(Refused) as refused:
        counter.make()
    assert refused.value.code == "LVR-6104"
    counter.lookups.before = lambda template: None
    assert len(sections(counter.make())) == 6, "the same request ends what it began"


def test_a_report_that_the_log_cannot_take_does_not_leave(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Receipt:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(counter.line.books.log, "attested", full)
        with pytest.raises(StoreUnavailable):
            counter.make()
    with counter.line.books.state.reading() as tx:
        asked = inquiries.of_request(tx, BANK.institution, ASKED.id)
        assert asked
        assert not any(inquiries.was_told(tx, one) for one in asked), "nobody was told"
    assert len(sections(counter.make())) == 6


def test_what_is_public_needs_nobodys_leave_and_a_person_is_masked(counter: Counter) -> None:
    given = {"subject": FIRM, "authorisation": "approved by the mayor"}
    public = counter.make(sql="credit-organisation@1", parameters=given)
    assert json.loads(public.document)["authorisation"] == "", "the platform signs no word of the caller's"
    assert sections(public) == ["organisation@1"]
    assert json.loads(public.document)["valid_until"] == "2026-07-31"
    person = counter.make(
        id="00000000-0000-4000-8000-000000000001",
        sql="credit-person@1",
        parameters={"subject": PERSON, "authorisation": "a1"},
    )
    assert PERSON not in person.document.decode()
    assert json.loads(person.document)["subject"]["number"].startswith("370291***")


def ordered() -> dict[str, JSON]:
    """What an order says in the log; who has to sign it is no matter here."""
    return {"reason": "r", "order": {"institution": BANK.institution, "request_id": ASKED.id}}


def test_a_report_is_redacted_with_its_sections_and_its_document(counter: Counter, tmp_path: Path) -> None:
    before, books = counter.make(), counter.line.books
    counter.make(id="5f0c6a52-6a0e-4f6c-9a55-5b1f0c8f2d12")  # so that the newest admission is another's
    with books.state.reading() as tx:
        number = {one.index for one in pruning.of_request(tx, BANK.institution, ASKED.id)}
        (asked, *_) = inquiries.of_request(tx, BANK.institution, ASKED.id)
        assert inquiries.was_told(tx, asked) is False, "these lookups leave no outcomes"
        kept = reports_kept.find(tx, BANK.institution, ASKED.id)
        assert kept is not None
    assert FIRM in books.log.open(kept.entry)["parameters"].text
    assert len(number) == len(sections(before)) + 1, "an admission of each, and the report's own"
    assert kept.entry in number, "its digest of the question would confirm a guess at the subject"
    copy = copied(books, tmp_path / "before.db")
    hold = Hold("case", "a court", entries=((kept.entry, kept.entry),))
    holds.place(books, hold)
    with pytest.raises(holds.Held, match="'case'"):
        pruning.redact(books, BANK.institution, ASKED.id, ordered())
    holds.release(books, "case", "closed")
    assert set(pruning.redact(books, BANK.institution, ASKED.id, ordered())) == number
    with pytest.raises(PrunedEntry) as gone:
        books.log.open(kept.entry)
    assert not {"request_digest", "result_digest", "signature"} & gone.value.left.fields.keys()
    assert not verify_log(books.state, books.log.key).findings
    with restored(books, copy) as back, back.reading() as tx:
        assert reports_kept.find(tx, BANK.institution, ASKED.id) is None, "nor is it there after a restore"
    with books.state.reading() as tx:
        assert reports_kept.find(tx, BANK.institution, ASKED.id) is None
        assert pruning.of_request(tx, BANK.institution, ASKED.id) == []
        assert inquiries.was_told(tx, asked), "the subject may still ask, and hears that it was told"
    lookups = len(counter.lookups.asked)
    assert counter.make().document
    assert len(counter.lookups.asked) == lookups + len(number) - 1, "a retry is asked anew"

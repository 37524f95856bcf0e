"""The line of a credit report: its sections down the one line of lookups, then all of them or nothing.

There is no second way to the rows: a section is a question in the dialect `template` that `Pipeline.answer` decides,
charges, logs and answers. Here its answers are put together, once more under the eyes of the authorisation: if it
covers not every section, or was revoked while they were asked, or there is nothing to tell, one and the same report
that says nothing leaves. What leaves is logged by its digest, and the receipt is the platform's signature on it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from louver.errors import Refused
from louver_sandbox import consents, inquiries, journal, reports_kept
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON, Entry, canonical
from louver_sandbox.authorisations.decide import BEIJING, holds
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.elements import masks
from louver_sandbox.inquiries import SECTION, Inquiry
from louver_sandbox.journal import Books
from louver_sandbox.lookups import DIALECT
from louver_sandbox.pipeline import Call
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.called import LONGEST_ID, offered
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.reports import Library, Report, ReportSection
from louver_sandbox.policy.templates import AUTHORISATION, SUBJECT, Template, is_subject
from louver_sandbox.refusals import capacity, identity
from louver_sandbox.refusals import reports as refuse
from louver_sandbox.stages import Facts, Receipted, Request, Subject
from louver_sandbox.store import StoreError
from louver_sandbox.store.clock import rfc3339

REPORT_DIALECT = "report"
"""What a question says its text is written in when it names a report."""
FORMAT = "louver credit report 1"
_EXACT = 2**53
"""From here on not every whole number is one in JSON."""
TOLD = "told"
"""The text in which the log's entry says whether the report says anything, as a commitment."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What leaves: the report's bytes, and the proof that the log holds their digest."""

    document: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """A report with what was given to it."""

    policy: Policy
    report: Report
    templates: Mapping[str, Template]
    subject: str
    authorisation: str
    request: Request
    began: datetime
    """What the report says of its moment: it leaves at a mark, and when it was made would undo that."""


@dataclass(frozen=True, slots=True)
class _Section:
    """An answered section: what was asked, the answer, and the inquiry that the log explains it by."""

    section: ReportSection
    template: Template
    answer: Receipted
    inquiry: Inquiry


class ReportLine:
    """Makes reports. `answer` is the pipeline's, `bundle` gives the policies in force, `facts` those of a moment."""

    def __init__(
        self,
        answer: Callable[[Request, Call], Receipted],
        bundle: Callable[[], Bundle],
        facts: Callable[[datetime], Facts],
        books: Books,
        clock: Callable[[], datetime],
    ) -> None:
        self._answer = answer
        self._bundle = bundle
        self._facts = facts
        self._books = books
        self._clock = clock

    def make(self, request: Request, call: Call) -> Reported:
        """The report, or the one that was made for this very request. Raises `Refused` (logged) or `Fault`."""
        try:
            asked = self._asked(request)
            if (before := self._before(asked)) is not None:
                return before
        except Refused as refused:
            raise self._logged(request, refused) from None
        return self._concluded(
            asked, [self._section(asked, place, call) for place in range(len(asked.report.sections))]
        )

    def _asked(self, request: Request) -> _Asked:
        """Raises `Refused` LVR-5131 to LVR-5133."""
        began = self._clock()
        found = offered_reports(self._bundle(), request.subject, self._facts(began))
        known = {report.name: (policy, report, templates) for policy, report, templates in found}
        if request.sql not in known:
            raise refuse.report_unknown(request.sql[:LONGEST_ID], sorted(known))
        policy, report, templates = known[request.sql]
        if request.purpose not in report.purposes:
            raise refuse.report_purpose(report.name, report.purposes)
        given = dict(request.parameters)
        subject, authorisation = given.pop(SUBJECT, None), given.pop(AUTHORISATION, "")
        sound = isinstance(authorisation, str) and len(authorisation) <= LONGEST_ID and not given
        if not sound or not is_subject(report.subject, subject):
            raise refuse.report_parameters()
        return _Asked(policy, report, templates, str(subject), str(authorisation), request, began)

    def _before(self, asked: _Asked) -> Reported | None:
        """The report that was made for this request. Raises `Refused` LVR-0106 or LVR-5134."""
        request = asked.request
        with self._books.state.reading() as tx:
            kept = reports_kept.find(tx, request.subject.institution, request.id)
            live = kept is not None and self._live(tx, asked, needed=kept.needed)
        if kept is None:
            return None
        if kept.request_digest != journal.request_digest(request):
            raise identity.request_id_reused()
        if kept.told and not live:
            raise refuse.reported_before()
        return Reported(kept.document, self._books.log.receipt(kept.entry).to_bytes())

    def _section(self, asked: _Asked, place: int, call: Call) -> _Section:
        """One section, asked like any lookup; a retry of the report asks it again under the same id."""
        section = asked.report.sections[place]
        given = {SUBJECT: asked.subject, AUTHORISATION: asked.authorisation}
        identity_of = f"{asked.request.id}{SECTION}{place}"
        question = replace(asked.request, id=identity_of, sql=section.template, parameters=given, dialect=DIALECT)
        answer = self._answer(question, call)
        with self._books.state.reading() as tx:
            (inquiry,) = inquiries.of_section(tx, question.subject.institution, identity_of)[-1:]
        return _Section(section, asked.templates[section.template], answer, inquiry)

    def _concluded(self, asked: _Asked, sections: Sequence[_Section]) -> Reported:
        """Puts the sections together, logs the digest and keeps the report, as one. Refuses nothing."""
        needed = any(one.inquiry.needed for one in sections)
        found = _is_of(asked.report.library, [one.answer.answer.rows for one in sections])
        made: list[bytes] = []

        def write(tx: Connection) -> Entry:
            now = asked.began
            live = self._live(tx, asked, needed=needed)
            told = found and live and all(one.inquiry.covered for one in sections)
            document = canonical(
                _document(tx, asked, sections if told else (), now, _expiry(tx, asked, now, needed=needed))
            )
            made.append(document)
            entry = self._books.log.append(
                tx, _body(asked, sections, document), _private(asked, told=told), time=rfc3339(now)
            )
            kept = reports_kept.Kept(
                asked.request.subject.institution,
                asked.request.id,
                journal.request_digest(asked.request),
                asked.authorisation,
                needed,
                told,
                document,
                entry.index,
            )
            reports_kept.keep(tx, kept)
            return entry

        receipt = self._books.log.attested(write)
        return Reported(made[-1], receipt.to_bytes())

    def _live(self, tx: Connection, asked: _Asked, *, needed: bool) -> bool:
        """Whether the authorisation holds now; what reads public columns alone needs none."""
        return not needed or holds(consents.find(tx, asked.authorisation), self._clock())

    def _logged(self, request: Request, refused: Refused) -> Refused:
        try:
            journal.refuse(request, refused, self._books)
        except StoreError:
            return capacity.not_accepting()
        return refused


def offered_reports(
    bundle: Bundle, subject: Subject, facts: Facts
) -> tuple[tuple[Policy, Report, Mapping[str, Template]], ...]:
    """The reports of which every template is offered to this subject, by name, each with those templates."""
    known = {template.name: template for _, template in offered(bundle, subject, facts)}
    found = [
        (policy, report, {section.template: known[section.template] for section in report.sections})
        for policy in bundle.policies
        for report in policy.reports
        if all(section.template in known for section in report.sections)
    ]
    return tuple(sorted(found, key=lambda item: item[1].name))


def _is_of(library: Library, rows: Sequence[int]) -> bool:
    """Whether there is anything to tell, by the numbers of rows of the sections.

    An enterprise or organisation is one whom the first section, the registration of its library, knows.
    """
    return any(rows) if library is Library.NATURAL_PERSON else bool(rows[0])


def _expiry(tx: Connection, asked: _Asked, now: datetime, *, needed: bool) -> str:
    """The last day on which the report may be relied on."""
    last = now.astimezone(BEIJING).date() + timedelta(days=asked.report.valid_days)
    held = consents.find(tx, asked.authorisation) if needed else None
    return (last if held is None else min(last, held.expires_on)).isoformat()


def _document(
    tx: Connection, asked: _Asked, sections: Sequence[_Section], now: datetime, until: str
) -> dict[str, JSON]:
    """The report; without sections it is the one that says nothing, whatever the reason."""
    report, request = asked.report, asked.request
    number = masks.citizen_number(asked.subject) if report.subject is UnitType.PERSON else asked.subject
    last = now.astimezone(BEIJING).date() + timedelta(days=report.valid_days)
    return {
        "format": FORMAT,
        "report": report.name,
        "title": report.title,
        "library": report.library.value,
        "answers_for": asked.policy.owner,
        "institution": request.subject.institution,
        "purpose": request.purpose,
        "request_id": request.id,
        # What nothing was told by is no text of the platform's: the caller might have written anything.
        "authorisation": asked.authorisation if any(one.inquiry.needed for one in sections) else "",
        "subject": {"unit": report.subject.value, "number": number},
        "made": now.astimezone(BEIJING).isoformat(timespec="seconds"),
        "valid_until": until if sections else last.isoformat(),
        "sections": [_part(tx, one) for one in sections],
    }


def _part(tx: Connection, one: _Section) -> dict[str, JSON]:
    answer = one.answer.answer
    table = pa.ipc.open_stream(io.BytesIO(answer.arrow)).read_all()
    names = table.column_names
    quality = _quality(tx, one.inquiry.admission)
    return {
        "title": one.section.title,
        "template": one.template.name,
        "columns": [
            {"name": name, "title": one.template.fields[name].title, "show": one.template.fields[name].show.value}
            for name in names
        ],
        "rows": [[_cell(row[name]) for name in names] for row in table.to_pylist()],
        "sources": [
            {"table": source.table, "owner": source.owner, "as_of": source.as_of.isoformat()}
            | ({"quality": quality[source.table]} if source.table in quality else {})
            for source in one.inquiry.sources
        ],
        "cut": any(notice.code == "ROWS_CUT" for notice in answer.notices),
        "admission": one.inquiry.admission,
    }


def _quality(tx: Connection, admission: int) -> Mapping[str, Any]:
    """What is told of the quality of the snapshots that an admission names, by table."""
    read: Any = log_rows.find(tx, admission).fields.get("snapshots", {})
    told: Any = journal.quality_of(tx, read).get("quality", {})
    return dict(told)


def _cell(value: object) -> JSON:
    """A cell as JSON: numbers other than whole ones, days and moments as text, exactly."""
    plain = value is None or isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < _EXACT)
    return value if plain else str(value)  # type: ignore[return-value]  # what is plain is JSON


def _body(asked: _Asked, sections: Sequence[_Section], document: bytes) -> dict[str, JSON]:
    """The entry is the same in form whether the report says anything or not: it goes to the institution."""
    digest = hashlib.sha256(document).hexdigest()
    return journal.common(asked.request, "report") | {
        "request_digest": journal.request_digest(asked.request),
        "signature": asked.request.signature.hex(),
        "policies": [f"{asked.policy.id}@{asked.policy.version}"],
        "library": asked.report.library.value,
        "admissions": [one.inquiry.admission for one in sections],
        "result_digest": digest,
    }


def _private(asked: _Asked, *, told: bool) -> Mapping[str, str]:
    return {**journal.private(asked.request), TOLD: "something" if told else "nothing"}

"""Disputes and corrections, and the definitions of reports, as a caller sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from louver import questions
from louver.errors import Unproven
from louver.reports.document import CreditReport, parse
from louver.settings import Settings
from louver.subjects import call_parameters
from louver.v1 import subjects_pb2 as pb

if TYPE_CHECKING:
    from louver.v1.sandbox_pb2 import Question

DIALECT = "report"
"""What a question says its text is written in when it names a report."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a subject disputes, as it was passed on. ``state`` is ``open`` or ``answered``; ``outcome`` is
    ``corrected``, ``stands`` or ``taken_back``, and empty while it is open and where you have been told nothing of
    the subject. Days are Beijing's; ``settled`` says whether the calendar up to ``due`` has been announced."""

    id: str
    request_id: str
    table: str
    received: date
    due: date
    settled: bool
    state: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Correction:
    """A record that you were told of is another now; ``request_ids`` are your requests that were answered from it.
    Ask again to be told what it is. ``delivered`` is when you first fetched it, empty the first time."""

    id: str
    subject: str
    table: str
    kind: str
    effective: date
    received: date
    due: date
    request_ids: tuple[str, ...]
    delivered: str


@dataclass(frozen=True, slots=True)
class ReportDefinition:
    """A credit report that officers have approved. ``name`` is ``id@version``; ``sections`` are pairs of title and
    template; it may be relied on for ``valid_days``."""

    name: str
    title: str
    subject: str
    library: str
    purposes: tuple[str, ...]
    sections: tuple[tuple[str, str], ...]
    valid_days: int
    owner: str


def filing(request_id: str, table: str, statement: str, evidence_sha256: str) -> pb.FileDisputeRequest:
    """The message that passes a dispute on. Raises ``Misused``."""
    return pb.FileDisputeRequest(
        request_id=questions.checked_request_id(request_id),
        table=table,
        statement=statement,
        evidence_sha256=evidence_sha256,
    )


def dispute(message: pb.Dispute) -> Dispute:
    """A dispute from the wire."""
    return Dispute(
        message.id,
        message.request_id,
        message.table,
        date.fromisoformat(message.received),
        date.fromisoformat(message.due),
        message.settled,
        message.state,
        message.outcome,
    )


def corrections(messages: Iterable[pb.Correction]) -> list[Correction]:
    """Corrections from the wire."""
    return [
        Correction(
            one.id,
            one.subject,
            one.table,
            one.kind,
            date.fromisoformat(one.effective),
            date.fromisoformat(one.received),
            date.fromisoformat(one.due),
            tuple(one.request_ids),
            one.delivered,
        )
        for one in messages
    ]


def definitions(messages: Iterable[pb.ReportDefinition]) -> list[ReportDefinition]:
    """Reports from the wire."""
    return [
        ReportDefinition(
            one.name,
            one.title,
            one.subject,
            one.library,
            tuple(one.purposes),
            tuple((part.title, part.template) for part in one.sections),
            one.valid_days,
            one.owner,
        )
        for one in messages
    ]


def ordered(
    settings: Settings,
    name: str,
    subject: str,
    authorisation: str,
    purpose: str | None,
    request_id: str | None,
    allowed: float,
) -> Question:
    """The signed question for a report. Raises ``Misused``."""
    given = call_parameters(subject, authorisation, None)
    return settings.question(name, purpose, given, request_id, allowed, DIALECT, False, None, None)


def proven(response: pb.MakeReportResponse, question: Question, log_key: str) -> CreditReport:
    """The report, if it is the one that was asked for and its receipt proves it. Raises ``Unproven``."""
    report = parse(response.document, response.receipt)
    asked = (question.request_id, question.sql, question.purpose)
    subject = question.parameters["subject"].text if report.unit == "enterprise" else report.subject
    if (report.request_id, report.name, report.purpose) != asked or report.subject != subject:
        raise Unproven("the report is not the one that was asked for", response.document)
    if log_key:
        report.verify(log_key)
    return report

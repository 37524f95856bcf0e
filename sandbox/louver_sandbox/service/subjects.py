"""The gRPC methods around questions about one subject: what may be asked, and under whose authorisation."""

from __future__ import annotations

import math
import threading
from datetime import UTC, date

import grpc
from cryptography import x509

from louver.errors import Refused
from louver.v1 import subjects_pb2 as pb
from louver.v1 import subjects_pb2_grpc as pb_grpc
from louver.v1.sandbox_pb2 import Question
from louver_sandbox import disputes, standing
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.authorisations.model import Authorisation
from louver_sandbox.consents import of_grantee
from louver_sandbox.corrections import Notice
from louver_sandbox.disputes import Filing
from louver_sandbox.identity import check_signature
from louver_sandbox.pipeline import Call, facts_at
from louver_sandbox.policy.called import offered
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.reports import Report
from louver_sandbox.policy.templates import Parameter, Template
from louver_sandbox.refusals import identity
from louver_sandbox.report_line import REPORT_DIALECT, offered_reports
from louver_sandbox.service import convert
from louver_sandbox.service.edge import deadline, guarded, on_end
from louver_sandbox.service.marks import REPORT_MARK_S, Started
from louver_sandbox.service.peers import peer
from louver_sandbox.service.turnstile import Turnstile
from louver_sandbox.stages import Request, Subject
from louver_sandbox.wiring import Platform

MOST_LISTED = 1000
LONGEST_ID = 64


class Subjects(pb_grpc.SubjectServiceServicer):
    """Templates and authorisations over one `Platform`."""

    def __init__(self, platform: Platform, turnstile: Turnstile) -> None:
        self._platform = platform
        self._turnstile = turnstile

    def ListTemplates(
        self, message: pb.ListTemplatesRequest, context: grpc.ServicerContext
    ) -> pb.ListTemplatesResponse:
        """The templates that are offered to the caller today."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            found = offered(self._platform.judgement.bundle, subject, facts_at(self._platform.clock()))
            return pb.ListTemplatesResponse(templates=[template(policy, one) for policy, one in found])

    def ListAuthorisations(
        self, message: pb.ListAuthorisationsRequest, context: grpc.ServicerContext
    ) -> pb.ListAuthorisationsResponse:
        """The caller's own authorisations."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            with self._platform.state.reading() as tx:
                found = of_grantee(tx, subject.institution, MOST_LISTED)
                used = standing.used(tx, [one.id for one, _ in found])
            return pb.ListAuthorisationsResponse(
                authorisations=[authorisation(one, entry, used.get(one.id, 0)) for one, entry in found]
            )

    def ListReports(self, message: pb.ListReportsRequest, context: grpc.ServicerContext) -> pb.ListReportsResponse:
        """The credit reports that are offered to the caller today."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            found = offered_reports(self._platform.judgement.bundle, subject, facts_at(self._platform.clock()))
            return pb.ListReportsResponse(reports=[_definition(policy, report) for policy, report, _ in found])

    def MakeReport(self, message: pb.MakeReportRequest, context: grpc.ServicerContext) -> pb.MakeReportResponse:
        """A credit report, or the one that says nothing; it leaves at marks of time like a lookup."""
        with guarded(context):
            started = Started()
            subject, certificate = peer(self._platform, context)
            cancelled = threading.Event()
            with self._turnstile.line_up(subject.institution, self._seconds(context)) as place:
                request = self._signed(message.question, subject, certificate)
                with self._turnstile.claim(request):
                    on_end(context, cancelled.set)
                    on_end(context, place.wake)
                    place.wait(math.inf)
                    place.take()
                    call = Call(self._seconds(context), cancelled, lambda stage: None)
                    made = self._platform.reports.make(request, call)
            started.wait_for_mark(REPORT_MARK_S)
            return pb.MakeReportResponse(document=made.document, receipt=made.receipt)

    def _seconds(self, context: grpc.ServicerContext) -> float:
        return deadline(context, self._platform.settings.limits.query_seconds)

    def _signed(self, question: Question, subject: Subject, certificate: x509.Certificate) -> Request:
        """The caller's question. Raises `Refused` (logged) for what it has not signed, or that names no report."""
        try:
            check_signature(question, certificate, self._platform.clock())
            if question.dialect != REPORT_DIALECT or question.seal:
                raise identity.malformed_request("dialect")
            return convert.request(question, subject)
        except Refused as refused:
            raise self._platform.refused_at_the_edge(subject, question, refused) from None

    def FileDispute(self, message: pb.FileDisputeRequest, context: grpc.ServicerContext) -> pb.FileDisputeResponse:
        """Takes what a subject disputes in an answer to the caller."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            filing = Filing(message.table, message.statement, message.evidence_sha256)
            taken = self._platform.disputes.pass_on(subject.institution, message.request_id[:LONGEST_ID], filing)
            return pb.FileDisputeResponse(dispute=_dispute(taken, self._today()))

    def ListDisputes(self, message: pb.ListDisputesRequest, context: grpc.ServicerContext) -> pb.ListDisputesResponse:
        """The disputes that the caller has passed on."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            with self._platform.state.reading() as tx:
                found = disputes.of_institution(tx, subject.institution, MOST_LISTED)
            today = self._today()
            return pb.ListDisputesResponse(disputes=[_dispute(one, today) for one in found])

    def ListCorrections(
        self, message: pb.ListCorrectionsRequest, context: grpc.ServicerContext
    ) -> pb.ListCorrectionsResponse:
        """What has been corrected since the caller was told of it; that it is fetched now is noted."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            found = self._platform.corrections.fetch(subject.institution, MOST_LISTED)
            return pb.ListCorrectionsResponse(corrections=[_correction(one) for one in found])

    def _today(self) -> date:
        return self._platform.clock().astimezone(BEIJING).date()


def _definition(policy: Policy, report: Report) -> pb.ReportDefinition:
    return pb.ReportDefinition(
        name=report.name,
        title=report.title,
        subject=report.subject.value,
        library=report.library.value,
        purposes=list(report.purposes),
        sections=[pb.ReportSection(title=one.title, template=one.template) for one in report.sections],
        valid_days=report.valid_days,
        owner=policy.owner,
    )


def _dispute(one: disputes.Dispute, today: date) -> pb.Dispute:
    state, outcome = one.seen(today)
    return pb.Dispute(
        id=one.id,
        request_id=one.request_id or "",
        table=one.table,
        received=one.received.isoformat(),
        due=one.due.isoformat(),
        settled=one.settled,
        state=state,
        outcome=outcome,
    )


def _correction(one: Notice) -> pb.Correction:
    made = one.correction
    return pb.Correction(
        id=made.id,
        subject=made.change.subject,
        table=made.change.table,
        kind=made.change.kind.value,
        effective=made.change.effective.isoformat(),
        received=made.received.isoformat(),
        due=made.due.isoformat(),
        request_ids=list(one.requests),
        delivered="" if one.delivered_at is None else one.delivered_at.astimezone(UTC).isoformat(),
    )


def template(policy: Policy, one: Template) -> pb.Template:
    """A template as the wire carries it."""
    return pb.Template(
        name=one.name,
        title=one.title,
        subject=one.subject.value,
        purposes=list(one.purposes),
        parameters=[_parameter(name, item) for name, item in one.parameters.items()],
        fields=[
            pb.TemplateField(name=name, title=item.title, show=item.show.value) for name, item in one.fields.items()
        ],
        most_rows=one.most_rows,
        owner=policy.owner,
    )


def _parameter(name: str, one: Parameter) -> pb.TemplateParameter:
    return pb.TemplateParameter(
        name=name,
        type=one.type.value,
        title=one.title,
        least="" if one.least is None else str(one.least),
        most="" if one.most is None else str(one.most),
        choices=list(one.choices),
    )


def authorisation(made: Authorisation, entry: int, used: int) -> pb.Authorisation:
    """An authorisation as the wire carries it."""
    return pb.Authorisation(
        id=made.id,
        unit=made.unit.value,
        subject=made.subject,
        purpose=made.purpose,
        scope=sorted(made.scope),
        granted_on=made.granted_on.isoformat(),
        expires_on=made.expires_on.isoformat(),
        evidence_sha256=made.evidence_sha256,
        single_consent=made.single_consent,
        adverse_notice=made.adverse_notice,
        uses=made.uses or 0,
        used=used,
        revoked="" if made.revoked_at is None else made.revoked_at.astimezone(UTC).isoformat(),
        log_index=entry,
    )

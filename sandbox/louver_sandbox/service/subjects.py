"""The gRPC methods around questions about one subject: what may be asked, and under whose authorisation."""

from __future__ import annotations

from datetime import UTC, date

import grpc

from louver.v1 import subjects_pb2 as pb
from louver.v1 import subjects_pb2_grpc as pb_grpc
from louver_sandbox.consents.record import Consent
from louver_sandbox.consents.registry import Recorded
from louver_sandbox.identity import check_recording
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy.called import offered
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.templates import Parameter, Template
from louver_sandbox.refusals import lookups as refuse
from louver_sandbox.service.edge import guarded
from louver_sandbox.service.servicer import peer
from louver_sandbox.wiring import Platform


class Subjects(pb_grpc.SubjectServiceServicer):
    """Templates and authorisations over one `Platform`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def ListTemplates(
        self, message: pb.ListTemplatesRequest, context: grpc.ServicerContext
    ) -> pb.ListTemplatesResponse:
        """The templates that are offered to the caller today."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            found = offered(self._platform.judgement.bundle, subject, facts_at(self._platform.clock()))
            return pb.ListTemplatesResponse(templates=[template(policy, one) for policy, one in found])

    def RecordAuthorisation(
        self, message: pb.RecordAuthorisationRequest, context: grpc.ServicerContext
    ) -> pb.RecordAuthorisationResponse:
        """Records what a subject has authorised the caller to ask."""
        with guarded(context):
            subject, certificate = peer(self._platform, context)
            check_recording(message, certificate)
            made = self._platform.consents.record(subject, consent(message))
            return pb.RecordAuthorisationResponse(authorisation=authorisation(made))

    def RevokeAuthorisation(
        self, message: pb.RevokeAuthorisationRequest, context: grpc.ServicerContext
    ) -> pb.RevokeAuthorisationResponse:
        """Makes one of the caller's authorisations void."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            at = self._platform.consents.revoke(subject, message.id)
            return pb.RevokeAuthorisationResponse(revoked=at.astimezone(UTC).isoformat())

    def ListAuthorisations(
        self, message: pb.ListAuthorisationsRequest, context: grpc.ServicerContext
    ) -> pb.ListAuthorisationsResponse:
        """The caller's own authorisations."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            found = self._platform.consents.of(subject.institution)
            return pb.ListAuthorisationsResponse(authorisations=[authorisation(one) for one in found])


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


def consent(message: pb.RecordAuthorisationRequest) -> Consent:
    """What is to be recorded. Raises `Refused` LVR-6107."""
    return Consent(
        unit=message.unit,
        subject=message.subject,
        purpose=message.purpose,
        scope=tuple(sorted(set(message.scope))),
        granted_on=_day("granted_on", message.granted_on),
        expires_on=_day("expires_on", message.expires_on),
        evidence_sha256=message.evidence_sha256,
        single_consent=message.single_consent,
        adverse_notice=message.adverse_notice,
        uses=message.uses or None,
    )


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise refuse.consent_unfit(field) from None


def authorisation(recorded: Recorded) -> pb.Authorisation:
    """An authorisation as the wire carries it."""
    made = recorded.authorisation
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
        used=recorded.used,
        recorded=recorded.recorded.astimezone(UTC).isoformat(),
        revoked="" if made.revoked_at is None else made.revoked_at.astimezone(UTC).isoformat(),
        log_index=recorded.entry,
    )

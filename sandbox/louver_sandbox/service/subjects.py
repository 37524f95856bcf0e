"""The gRPC methods around questions about one subject: what may be asked, and under whose authorisation."""

from __future__ import annotations

from datetime import UTC

import grpc

from louver.v1 import subjects_pb2 as pb
from louver.v1 import subjects_pb2_grpc as pb_grpc
from louver_sandbox import standing
from louver_sandbox.authorisations.model import Authorisation
from louver_sandbox.consents import of_grantee
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy.called import offered
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.templates import Parameter, Template
from louver_sandbox.service.edge import guarded
from louver_sandbox.service.peers import peer
from louver_sandbox.wiring import Platform

MOST_LISTED = 1000


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

"""The gRPC methods around the registry: institutions' own certificates, and what administrators do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import grpc
from cryptography.hazmat.primitives import hashes

from louver.errors import Refused
from louver.v1 import registry_pb2 as pb
from louver.v1 import registry_pb2_grpc as pb_grpc
from louver_sandbox.administrators import Administrator
from louver_sandbox.identity import check_renewal
from louver_sandbox.refusals import registry as refuse
from louver_sandbox.registered import Institution, Pin, stamp
from louver_sandbox.renewals import Renewal, RenewalState
from louver_sandbox.service.edge import guarded, peer_certificate
from louver_sandbox.service.peers import peer
from louver_sandbox.suspensions import Suspension
from louver_sandbox.wiring import Platform

VOID = "void"
"""What an open request is whose signer counts no more."""
BY = "administrator:"
"""What stands before an administrator's id where somebody at the machine might bear the same name."""


class Certificates(pb_grpc.CertificateServiceServicer):
    """An institution's own certificates, over one `Platform`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def RequestCertificate(
        self, message: pb.RequestCertificateRequest, context: grpc.ServicerContext
    ) -> pb.RequestCertificateResponse:
        """Asks for the next certificate."""
        with guarded(context):
            subject, certificate = peer(self._platform, context)
            check_renewal(message, certificate, self._platform.clock())
            taken = self._platform.renewals.ask(subject, message.request, certificate)
            return pb.RequestCertificateResponse(request=self._renewal(taken))

    def ListCertificates(
        self, message: pb.ListCertificatesRequest, context: grpc.ServicerContext
    ) -> pb.ListCertificatesResponse:
        """The caller's certificates, and its requests for more."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            known, now = self._platform.registry.institutions()[subject.institution], self._platform.clock()
            return pb.ListCertificatesResponse(
                certificates=pinned(known.pins, now, calling=subject.fingerprint),
                requests=[self._renewal(one) for one in self._platform.renewals.of(subject.institution)],
            )

    def _renewal(self, one: Renewal) -> pb.CertificateRequest:
        known = self._platform.registry.institutions().get(one.institution)
        counts = known is not None and known.knows(one.signer, self._platform.clock())
        return pb.CertificateRequest(
            id=one.id,
            key_sha256=one.key_sha256,
            requested=stamp(one.requested),
            state=VOID if one.state is RenewalState.OPEN and not counts else one.state.value,
            certificate=one.certificate,
        )


class Administration(pb_grpc.AdministrationServiceServicer):
    """What administrators do, over one `Platform`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def ListInstitutions(
        self, message: pb.ListInstitutionsRequest, context: grpc.ServicerContext
    ) -> pb.ListInstitutionsResponse:
        """Every institution as it stands at this moment."""
        with guarded(context):
            self._peer(context)
            platform, now = self._platform, self._platform.clock()
            known, held = platform.registry.institutions(), platform.suspensions.all()
            waiting = [one.institution for one in platform.renewals.waiting()]
            return pb.ListInstitutionsResponse(
                institutions=[
                    _institution(item, held.get(name), waiting.count(name), now)
                    for name, item in sorted(known.items())
                ],
                problem=platform.registry.problem(),
            )

    def SuspendInstitution(
        self, message: pb.SuspendInstitutionRequest, context: grpc.ServicerContext
    ) -> pb.SuspendInstitutionResponse:
        """Nothing is answered to it from this moment on."""
        with guarded(context):
            by = self._peer(context)
            name = self._known(message.institution)
            held = self._platform.suspensions.suspend(name, message.reason, BY + by.id)
            return pb.SuspendInstitutionResponse(suspension=_suspension(held))

    def ResumeInstitution(
        self, message: pb.ResumeInstitutionRequest, context: grpc.ServicerContext
    ) -> pb.ResumeInstitutionResponse:
        """A proposal to serve it again, or the agreement to somebody else's."""
        with guarded(context):
            by = self._peer(context)
            name = self._known(message.institution)
            held = self._platform.suspensions.resume(name, message.reason, BY + by.id)
            return pb.ResumeInstitutionResponse(suspension=None if held is None else _suspension(held))

    def _known(self, name: str) -> str:
        """Raises `Refused` LVR-7306. One that was struck out while it is suspended is still known here."""
        if self._platform.suspensions.of(name) is None and name not in self._platform.registry.institutions():
            raise refuse.unknown_institution()
        return name

    def _peer(self, context: grpc.ServicerContext) -> Administrator:
        """The administrator; anybody else's try is noted in the log."""
        certificate = peer_certificate(context)
        try:
            return self._platform.administrators.administrator(certificate)
        except Refused as refused:
            self._platform.note_stranger(certificate.fingerprint(hashes.SHA256()).hex(), refused)
            raise


def pinned(pins: Iterable[Pin], now: datetime, calling: str = "") -> list[pb.PinnedCertificate]:
    """Certificates as the wire carries them."""
    return [
        pb.PinnedCertificate(
            fingerprint=pin.fingerprint,
            not_before="" if pin.not_before is None else stamp(pin.not_before),
            not_after="" if pin.not_after is None else stamp(pin.not_after),
            calling=pin.fingerprint == calling,
            state=pin.state(now).value,
        )
        for pin in pins
    ]


def _institution(item: Institution, held: Suspension | None, waiting: int, now: datetime) -> pb.RegisteredInstitution:
    return pb.RegisteredInstitution(
        id=item.id,
        type=item.type.value,
        title=item.title,
        groups=sorted(item.groups),
        certificates=pinned(item.pins, now),
        suspension=None if held is None else _suspension(held),
        requests=waiting,
    )


def _suspension(held: Suspension) -> pb.Suspension:
    return pb.Suspension(
        since=held.since.astimezone(UTC).isoformat(timespec="seconds"),
        by=held.by,
        reason=held.reason,
        resume_by=held.resume_by,
        resume_reason=held.resume_reason,
        log_index=held.entry,
    )

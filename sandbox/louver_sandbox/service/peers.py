"""Who asks, for every service behind the same mutual TLS."""

from __future__ import annotations

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from louver.errors import Refused
from louver_sandbox.service.edge import peer_certificate
from louver_sandbox.stages import Subject
from louver_sandbox.wiring import Platform


def peer(platform: Platform, context: grpc.ServicerContext) -> tuple[Subject, x509.Certificate]:
    """Who asks. Somebody with a certificate of our authority that is not registered, or of an institution that is
    suspended, is refused and noted in the log."""
    certificate = peer_certificate(context)
    try:
        subject = platform.registry.subject(certificate)
        platform.suspensions.check(subject.institution)
        return subject, certificate
    except Refused as refused:
        platform.note_stranger(certificate.fingerprint(hashes.SHA256()).hex(), refused)
        raise

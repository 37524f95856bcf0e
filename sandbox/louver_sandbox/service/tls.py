"""Mutual TLS whose certificate can be replaced while the service runs.

The files are looked at before each handshake. What does not fit together, as between the replacing of a key and that
of its certificate, is left alone: then connections are made as before. Connections that stand keep what they were
made with; gRPC closes each after an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from louver_sandbox.settings import Settings

logger = logging.getLogger("louver.sandbox")


class Certificates:
    """The server's key and certificate, and the authorities that callers are known by. Threads may share it.

    Raises `OSError` or `ValueError` where there are none to begin with, or they do not fit together.
    """

    def __init__(self, settings: Settings) -> None:
        self._files = (
            settings.secrets / "server.key",
            settings.secrets / "server.pem",
            settings.pki / "authority.pem",
        )
        self._stamp = _stamp(self._files)
        self._told: tuple[tuple[int, ...], ...] | None = self._stamp
        self.first = self._read()

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the next handshake is made with, where that is something new; None leaves it as it is."""
        try:
            stamp = _stamp(self._files)
            if stamp == self._stamp:
                return None
            fresh = self._read()
        except (OSError, ValueError, UnsupportedAlgorithm) as unfit:
            if (seen := _seen(self._files)) != self._told:
                self._told = seen
                logger.error("the server's certificate is not replaced: %s", unfit)
            return None
        self._stamp = stamp
        logger.info("the server's certificate is replaced")
        return fresh

    def _read(self) -> grpc.ServerCertificateConfiguration:
        key, chain, roots = (path.read_bytes() for path in self._files)
        certificate = x509.load_pem_x509_certificates(chain)[0]
        private = load_pem_private_key(key, None)
        der = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if private.public_key().public_bytes(*der) != certificate.public_key().public_bytes(*der):
            raise ValueError("server.pem is not of server.key")
        x509.load_pem_x509_certificates(roots)
        return grpc.ssl_server_certificate_configuration([(key, chain)], roots)


def credentials(settings: Settings) -> grpc.ServerCredentials:
    """Mutual TLS: our certificate, and callers known by our authority only. Raises what `Certificates` raises."""
    certificates = Certificates(settings)
    return grpc.dynamic_ssl_server_credentials(
        certificates.first,
        certificates.renewed,  # type: ignore[arg-type] # None, as documented, changes nothing
        require_client_authentication=True,
    )


def _seen(files: Iterable[Path]) -> tuple[tuple[int, ...], ...] | None:
    """What changes when one of the files does; None where one is not there."""
    try:
        return _stamp(files)
    except OSError:
        return None


def _stamp(files: Iterable[Path]) -> tuple[tuple[int, ...], ...]:
    return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in (path.stat() for path in files))

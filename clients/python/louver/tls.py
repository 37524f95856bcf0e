"""Who we are to the sandbox: certificate, key and the authority we trust, checked before anything is sent.

gRPC reports every handshake that fails as "unavailable". ``diagnose`` therefore repeats a failed handshake with
the standard library, whose reasons are exact, and says in our own words what is wrong.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from louver.failures import UNKNOWN_INCIDENT, Misused, Unreachable
from louver.profiles import Profile

_PROBE_SECONDS = 3.0
_URN = "urn:louver:institution:"


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files as read, and the key that signs questions (ECDSA P-256, FIPS 186-5)."""

    chain: bytes
    private_key: bytes = field(repr=False)
    roots: bytes
    signing_key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate


def read_credentials(profile: Profile, now: datetime) -> Credentials:
    """Read and check the three PEM files of a profile. Raises ``Misused`` with what to do about it."""
    chain = _read(profile.certificate, "certificate")
    private_key = _read(profile.key, "key")
    roots = _read(profile.ca, "ca")
    certificate = _certificate(chain, "certificate")
    _certificate(roots, "ca")
    signing_key = _signing_key(private_key)
    if certificate.public_key() != signing_key.public_key():
        raise Misused("the key does not belong to the certificate", "give the key the certificate was made for")
    if now > certificate.not_valid_after_utc:
        day = certificate.not_valid_after_utc.date().isoformat()
        raise Misused(f"your certificate expired on {day}", "ask the operator for a new one")
    if now < certificate.not_valid_before_utc:
        day = certificate.not_valid_before_utc.date().isoformat()
        raise Misused(f"your certificate is valid from {day} on", "check this machine's clock")
    return Credentials(chain, private_key, roots, signing_key, certificate)


def institution_of(certificate: x509.Certificate) -> str:
    """The institution a client certificate names. Raises ``Misused`` when it names none, or several."""
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = found.get_values_for_type(x509.UniformResourceIdentifier)
    if len(names) != 1 or not names[0].startswith(_URN):
        raise Misused("your certificate does not name one institution", "ask the operator for another")
    return names[0].removeprefix(_URN)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Misused(f"the {what} file does not exist: {path}") from None
    except OSError:
        raise Misused(f"the {what} file cannot be read: {path}") from None


def _certificate(pem: bytes, what: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise Misused(f"the {what} file holds no certificate in PEM form") from None


def _signing_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise Misused("the key is protected by a password", "decrypt it into a file only you can read") from None
    except ValueError:
        raise Misused("the key file holds no private key in PEM form") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misused("questions are signed with ECDSA P-256; the key is of another kind")
    return key


def diagnose(profile: Profile) -> Unreachable | None:
    """Why a secure connection to the target fails, or None when it succeeds."""
    host, port = profile.target.rsplit(":", 1)
    context = ssl.create_default_context(cafile=str(profile.ca))
    # gRPC does not ask for the strict profile that Python 3.13 turns on; a probe must not find more than it does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_cert_chain(str(profile.certificate), str(profile.key))
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host.strip("[]")) as secure,
        ):
            # In TLS 1.3 the server judges our certificate after the handshake: its verdict comes with a read.
            secure.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                if not secure.recv(1):
                    raise ConnectionResetError
    except OSError as error:
        return _reason(error, profile.target)
    return None


_NOT_BY_OUR_AUTHORITY = (
    "the sandbox's certificate is not signed by the authority in `ca`",
    "is `ca` the file of this sandbox?",
)

_BY_VERIFY_CODE = {
    **dict.fromkeys((2, 7, 18, 19, 20, 21), _NOT_BY_OUR_AUTHORITY),
    9: ("the sandbox's certificate is not valid yet", "check this machine's clock"),
    10: ("the sandbox's certificate has expired", "tell the operator, and check this machine's clock"),
    62: ("the sandbox's certificate is for another host name", "use the name the operator gave you as target"),
    64: ("the sandbox's certificate is for another address", "use the name the operator gave you as target"),
}
"""OpenSSL's X509_V_ERR codes (openssl-verification-options), those a client meets."""

_BY_ALERT = {
    "TLSV1_ALERT_UNKNOWN_CA": ("the sandbox does not trust the authority of your certificate", ""),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("the sandbox says that your certificate has expired", ""),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": ("the sandbox does not accept your certificate", ""),
    "SSLV3_ALERT_BAD_CERTIFICATE": ("the sandbox does not accept your certificate", ""),
    "TLSV1_ALERT_DECRYPT_ERROR": ("the sandbox does not accept your certificate's signature", ""),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ("the sandbox demands a client certificate", ""),
    "WRONG_VERSION_NUMBER": ("whatever answers at the target does not speak TLS", "check the port"),
}
"""TLS alerts (RFC 8446, 6.2) by the names the standard library gives them."""


def _reason(error: OSError, target: str) -> Unreachable:
    message, hint, transient = f"{target} does not answer", "check the address and the network", True
    if isinstance(error, ssl.SSLCertVerificationError):
        default = ("the sandbox's certificate cannot be verified", "is `ca` the file of this sandbox?")
        message, hint = _BY_VERIFY_CODE.get(error.verify_code, default)
        transient = False
    elif isinstance(error, ssl.SSLError) and error.reason in _BY_ALERT:
        (message, hint), transient = _BY_ALERT[error.reason], False
    elif isinstance(error, socket.gaierror):
        message, hint, transient = f"the host name in {target} is unknown", "check the spelling", False
    elif isinstance(error, ConnectionRefusedError):
        message, hint = f"nothing listens at {target}", "is the sandbox running, and the port right?"
    elif isinstance(error, ConnectionResetError | ssl.SSLEOFError):
        message, hint = f"{target} hung up during the handshake", "does the sandbox know your certificate?"
    return Unreachable(UNKNOWN_INCIDENT, message, hint, transient)

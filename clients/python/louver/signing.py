"""What a client signs, byte for byte, so that nobody else can ask in its name.

The signing bytes are a domain line, then one `name: value` line per field in a fixed order. SQL and parameters go in
as SHA-256, so that the log can keep the signature after the text is redacted. ECDSA P-256 with SHA-256 (FIPS 186-5)
by the private key of the client certificate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from louver.v1 import matching_pb2 as matching_pb
from louver.v1 import registry_pb2 as registry_pb
from louver.v1 import sandbox_pb2 as pb
from louver.v1 import tokens_pb2 as tokens_pb

DOMAIN = "louver.dev/question/v1"
MATCH_DOMAIN = "louver.dev/match/v1"
EVALUATION_DOMAIN = "louver.dev/token/v1"
RENEWAL_DOMAIN = "louver.dev/certificate/v1"
REGISTRATION_DOMAIN = "louver.dev/sealing-key/v1"


def parameters_digest(parameters: Mapping[str, pb.Value]) -> str:
    """SHA-256 of the named parameters, in order of their names, each with its kind."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        value = parameters[name]
        kind = value.WhichOneof("kind") or "null"
        text = "" if kind == "null" else str(getattr(value, kind))
        for part in (name, kind, text):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()


def accuracy_digest(wanted: Iterable[pb.WantedAccuracy]) -> str:
    """SHA-256 of the wanted accuracies, in order: column, within, ``%`` or nothing, of, among."""
    digest = hashlib.sha256()
    for one in wanted:
        for part in (one.column, one.within, "%" if one.percent else "", one.of, str(one.among)):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()


def signing_bytes(question: pb.Question) -> bytes:
    """The bytes a signature is made over."""
    # A field that is not set adds no line, so that what was signed before the field came still verifies.
    dialect = (f"dialect: {question.dialect}",) if question.dialect else ()
    seal = (f"seal: {question.seal}",) if question.seal else ()
    epsilon = (f"epsilon: {question.epsilon}",) if question.epsilon else ()
    accuracy = (f"accuracy_sha256: {accuracy_digest(question.accuracy)}",) if question.accuracy else ()
    lines = (
        DOMAIN,
        f"request_id: {question.request_id}",
        f"purpose: {question.purpose}",
        f"expires: {question.expires}",
        f"sql_sha256: {hashlib.sha256(question.sql.encode()).hexdigest()}",
        f"parameters_sha256: {parameters_digest(question.parameters)}",
        *dialect,
        *seal,
        *epsilon,
        *accuracy,
    )
    return ("\n".join(lines) + "\n").encode()


def sign(question: pb.Question, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The signature to put into the question."""
    return key.sign(signing_bytes(question), ec.ECDSA(hashes.SHA256()))


def is_signed_by(question: pb.Question, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the question's signature is by this key."""
    return verifies(question.signature, signing_bytes(question), key)


def registration_bytes(request: pb.RegisterKeyRequest) -> bytes:
    """The bytes that the registration of a Paillier key is signed over."""
    lines = (
        REGISTRATION_DOMAIN,
        f"modulus_sha256: {hashlib.sha256(request.modulus).hexdigest()}",
        f"proof_sha256: {hashlib.sha256(request.proof).hexdigest()}",
        f"expires: {request.expires}",
    )
    return ("\n".join(lines) + "\n").encode()


def sign_registration(request: pb.RegisterKeyRequest, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The signature to put into the registration of a Paillier key."""
    return key.sign(registration_bytes(request), ec.ECDSA(hashes.SHA256()))


def is_registered_by(request: pb.RegisterKeyRequest, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the registration's signature is by this key."""
    return verifies(request.signature, registration_bytes(request), key)


def renewal_bytes(request: registry_pb.RequestCertificateRequest) -> bytes:
    """The bytes that a request for the next certificate is signed over, by the key of the present one."""
    lines = (
        RENEWAL_DOMAIN,
        f"request_sha256: {hashlib.sha256(request.request).hexdigest()}",
        f"expires: {request.expires}",
    )
    return ("\n".join(lines) + "\n").encode()


def sign_renewal(request: registry_pb.RequestCertificateRequest, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The signature to put into a request for the next certificate."""
    return key.sign(renewal_bytes(request), ec.ECDSA(hashes.SHA256()))


def is_renewal_signed_by(request: registry_pb.RequestCertificateRequest, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether a request for the next certificate is signed by this key."""
    return verifies(request.signature, renewal_bytes(request), key)


def match_bytes(question: matching_pb.MatchQuestion) -> bytes:
    """The bytes that a match is signed over."""
    lines = (
        MATCH_DOMAIN,
        f"request_id: {question.request_id}",
        f"purpose: {question.purpose}",
        f"expires: {question.expires}",
        f"list: {question.list}",
        f"mode: {question.mode}",
        f"ids: {question.ids}",
        f"batch_sha256: {question.batch_sha256.hex()}",
        f"public_key: {question.public_key.hex()}",
        *([f"largest_amount: {question.largest_amount}"] if question.largest_amount else []),
        *([f"authorisations: {' '.join(question.authorisations)}"] if question.authorisations else []),
    )
    return ("\n".join(lines) + "\n").encode()


def sign_match(question: matching_pb.MatchQuestion, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The signature to put into a match."""
    return key.sign(match_bytes(question), ec.ECDSA(hashes.SHA256()))


def is_match_signed_by(question: matching_pb.MatchQuestion, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the match's signature is by this key."""
    return verifies(question.signature, match_bytes(question), key)


def token_bytes(question: tokens_pb.TokenQuestion) -> bytes:
    """The bytes that a question for tokens is signed over."""
    lines = (
        EVALUATION_DOMAIN,
        f"request_id: {question.request_id}",
        f"expires: {question.expires}",
        f"element: {question.element}",
        f"ids: {question.ids}",
        f"batch_sha256: {question.batch_sha256.hex()}",
    )
    return ("\n".join(lines) + "\n").encode()


def sign_tokens(question: tokens_pb.TokenQuestion, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The signature to put into a question for tokens."""
    return key.sign(token_bytes(question), ec.ECDSA(hashes.SHA256()))


def are_tokens_signed_by(question: tokens_pb.TokenQuestion, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the signature of a question for tokens is by this key."""
    return verifies(question.signature, token_bytes(question), key)


def verifies(signature: bytes, content: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the signature over the content is by this key."""
    try:
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True

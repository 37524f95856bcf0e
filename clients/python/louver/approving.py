"""An officer's part in the life of a policy: reading what is to be approved, and signing it where the key is.

The sandbox gets signatures, never a key. What is signed is a statement about one document, in canonical JSON after a
context; the document stands in the file as text, and its SHA-256 must be the one that the statement names.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from louver.failures import Misused

APPROVAL_CONTEXT = b"louver policy approval v1\n"
REVOCATION_CONTEXT = b"louver policy revocation v1\n"
REDACTION_CONTEXT = b"louver redaction v1\n"
ORDER = ("entries", "institution", "leaves", "origin", "reason", "request_id")
STATEMENT = ("document", "effective", "expires", "four_eyes", "id", "owner", "serial", "submitter")


class Signer(Protocol):
    """An officer's Ed25519 key, wherever it is."""

    def sign(self, message: bytes, /) -> bytes:
        """The signature (RFC 8032)."""


@dataclass(frozen=True, slots=True)
class ToApprove:
    """A version of a document that waits for signatures: the document's text and the statement about it."""

    document: str
    statement: Mapping[str, Any]
    report: Mapping[str, Any]

    @property
    def message(self) -> bytes:
        """What is signed."""
        return APPROVAL_CONTEXT + canonical(self.statement)


def canonical(value: Mapping[str, Any]) -> bytes:
    """RFC 8785 of a flat object of texts, whole numbers and truth values with ASCII keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_version(text: bytes) -> ToApprove:
    """What a version file asks to be approved. Raises `Misused` where its document is not the one spoken of."""
    try:
        body = json.loads(text)
        document, statement = body["document"], body["approval"]["statement"]
        digest = hashlib.sha256(document.encode()).hexdigest()
        said = json.loads(document)
        same = (said["id"], said.get("owner", "platform")) == (statement["id"], statement["owner"])
        flat = all(type(value) in (str, int, bool) for value in statement.values())
        found = ToApprove(document, statement, body["report"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Misused("not a version of a policy document") from None
    if sorted(statement) != list(STATEMENT) or not flat:
        raise Misused("the statement says more or less than this version of louver knows")
    if digest != statement["document"] or not same:
        raise Misused("the statement is of another document: do not sign it")
    return found


def read_order(text: bytes) -> Mapping[str, str]:
    """What an order to redact says. Raises `Misused` where it is none, or says more than this version knows."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise Misused("not an order to redact") from None
    if not isinstance(said, dict) or sorted(said) != list(ORDER):
        raise Misused("not an order to redact, or one that says more than this version of louver knows")
    if not all(isinstance(value, str) for value in said.values()):
        raise Misused("not an order to redact")
    return said


def officers_key(pem: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    """An officer's private key. Raises `Misused`; `TypeError` when a passphrase is needed and not given."""
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except ValueError:
        raise Misused("not a key file, or not its passphrase") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misused("an officer's key is an Ed25519 key")
    return key


def signature(message: bytes, officer: str, key: Signer) -> Mapping[str, str]:
    """The signature as the sandbox takes it."""
    return {"officer": officer, "signature": base64.b64encode(key.sign(message)).decode()}


def revocation(said: Mapping[str, Any], key: Signer) -> Mapping[str, Any]:
    """A signed revocation as the sandbox takes it; `said` has id, owner, serial, officer and reason."""
    signed = base64.b64encode(key.sign(REVOCATION_CONTEXT + canonical(said))).decode()
    return {"revocation": dict(said), "signature": signed}


def new_key(name: str, department: str, seed: bytes, passphrase: bytes | None) -> tuple[bytes, Mapping[str, str]]:
    """A key file's content from 32 random bytes, and the officer's row for `officers.json`."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    row = {"department": department, "officer": name, "public_key": base64.b64encode(raw).decode()}
    return pem, row

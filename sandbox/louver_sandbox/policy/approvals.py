"""Who has approved which document: statements about one document, signed by officers of its department.

A statement says which document it is about (SHA-256 of its canonical bytes), its place in the document's own line of
versions (`serial`), from when until when it is in force, and who submitted it. Officers sign `APPROVAL_CONTEXT`
followed by its canonical bytes with Ed25519; the context keeps the signature from meaning anything elsewhere. Two
different officers of the owning department must sign, the submitter among all who sign. Where the document grants a
column of L4, two of them must be others than the submitter. A bundle counts when every document in it is approved
(the threshold idea of TUF). Everything here is pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import rfc8785
from pydantic import ValidationError

from louver_sandbox.catalog.model import Catalog
from louver_sandbox.policy.bundle import Bundle, BundleRefused, document_content, parse_bundle
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.officers import Officer, Signature, serves, signers
from louver_sandbox.policy.words import Document, Identifier, Text

APPROVAL_CONTEXT = b"louver policy approval v1\n"
OFFICER_THRESHOLD = 2
FOUR_EYES_LEVEL = 4
HOUSE = "platform"
"""The department that the platform document belongs to."""


class Statement(Document):
    """What officers sign about one version of one document. Days are Beijing calendar days, both included.

    `four_eyes`: two officers other than the submitter are needed.
    """

    document: str
    id: Identifier
    owner: Text
    serial: int
    effective: date
    expires: date
    submitter: Text
    four_eyes: bool

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed, after the context."""
        return bytes(rfc8785.dumps(self.model_dump(mode="json")))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes in hex; names the request."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Approval:
    """A statement with the signatures under it, few or enough."""

    statement: Statement
    signatures: tuple[Signature, ...]


def owner_of(document: Platform | Policy) -> str:
    """The department that a document belongs to."""
    return HOUSE if isinstance(document, Platform) else document.owner


def document_digest(document: Platform | Policy) -> str:
    """SHA-256 of a document's canonical bytes, in hex."""
    return hashlib.sha256(document_content(document)).hexdigest()


def needs_four_eyes(document: Platform | Policy, catalog: Catalog) -> bool:
    """Whether a grant of the document names a column of L4, or one that the catalogue does not know."""
    if isinstance(document, Platform):
        return False
    levels = {
        f"{table.name}.{column.name}": column.level for table in catalog.tables.values() for column in table.columns
    }
    named = (f"{grant.table}.{name}" for grant in document.grants for name in grant.rights)
    views = {str(table.name) for table in catalog.tables.values() if table.view is not None}
    return any(
        levels.get(name, FOUR_EYES_LEVEL) >= FOUR_EYES_LEVEL for name in named if name.rpartition(".")[0] not in views
    )


def missing(approval: Approval, officers: Sequence[Officer]) -> tuple[str, ...]:
    """What keeps a statement from counting: signatures that do not hold, and approvals that are not there yet."""
    statement = approval.statement
    held, reasons = signers(APPROVAL_CONTEXT + statement.to_bytes(), approval.signatures, officers)
    ours = [officer for officer in held if serves(officer, statement.owner)]
    reasons.extend(f"{officer.name!r} is no officer of {statement.owner}" for officer in held if officer not in ours)
    if statement.submitter not in {officer.name for officer in ours}:
        reasons.append(f"{statement.submitter!r}, who submitted it, has not signed it")
    if len(ours) < OFFICER_THRESHOLD:
        reasons.append(f"{len(ours)} different officer keys of {statement.owner} signed it; 2 are needed")
    others = [officer for officer in ours if officer.name != statement.submitter]
    if statement.four_eyes and len(others) < OFFICER_THRESHOLD:
        reasons.append(f"{len(others)} officers other than the submitter signed it; L4 needs 2")
    return tuple(reasons)


def verify_bundle(
    content: bytes,
    approvals: Sequence[Approval],
    officers: Sequence[Officer],
    today: date,
    catalog: Catalog,
) -> Bundle:
    """The bundle, if every document in it is approved by enough officers of its department and in force.

    A statement past its last day still counts here, because its
    denies must go on denying; its grants no longer answer (`policy/withdrawn.py`). Raises BundleRefused with every
    reason.
    """
    bundle = parse_bundle(content)
    reasons: list[str] = []
    documents: tuple[Platform | Policy, ...] = (bundle.platform, *bundle.policies)
    for document in documents:
        reasons.extend(f"{document.id}: {reason}" for reason in _unapproved(document, approvals, officers, today))
        claims = [item.statement for item in approvals if item.statement.id == document.id]
        if needs_four_eyes(document, catalog) and not all(claim.four_eyes for claim in claims):
            reasons.append(f"{document.id}: it grants L4, and its approval does not say that four eyes saw it")
    if bundle.platform.expires < today:
        reasons.append(f"the bundle expired on {bundle.platform.expires.isoformat()}")
    if reasons:
        raise BundleRefused(reasons)
    return bundle


def _unapproved(
    document: Platform | Policy, approvals: Sequence[Approval], officers: Sequence[Officer], today: date
) -> Iterator[str]:
    found = [item for item in approvals if item.statement.id == document.id]
    if len(found) != 1:
        yield f"{len(found)} approvals; exactly one is needed"
        return
    (approval,) = found
    statement = approval.statement
    if statement.document != document_digest(document):
        yield "the approval is of another document"
    if statement.owner != owner_of(document):
        yield f"the approval is of {statement.owner}, the document of {owner_of(document)}"
    if today < statement.effective:
        yield f"it is in force from {statement.effective.isoformat()} on"
    yield from missing(approval, officers)


def approvals_text(approvals: Sequence[Approval]) -> bytes:
    """The approvals as the JSON that `parse_approvals` reads."""
    return bytes(rfc8785.dumps([plain(item) for item in approvals]))


def plain(approval: Approval) -> Mapping[str, Any]:
    """An approval as plain data."""
    signatures = [
        {"officer": item.officer, "signature": base64.b64encode(item.signature).decode()}
        for item in approval.signatures
    ]
    return {"signatures": signatures, "statement": approval.statement.model_dump(mode="json")}


def parse_approvals(text: bytes) -> tuple[Approval, ...]:
    """Approvals from their JSON. Raises BundleRefused."""
    try:
        rows = json.loads(text)
        if not isinstance(rows, list):
            raise TypeError("not a list")
        return tuple(map(_approval, rows))
    except (ValueError, RecursionError, TypeError, KeyError, ValidationError) as wrong:
        raise BundleRefused(("not a list of approvals",)) from wrong


def _approval(row: Any) -> Approval:
    if not isinstance(row, dict) or row.keys() != {"signatures", "statement"}:
        raise ValueError("not an approval")
    signatures = []
    for item in row["signatures"]:
        if (
            not isinstance(item, dict)
            or item.keys() != {"officer", "signature"}
            or not isinstance(item["officer"], str)
        ):
            raise ValueError("not a signature")
        signatures.append(Signature(item["officer"], base64.b64decode(item["signature"], validate=True)))
    return Approval(Statement.model_validate(row["statement"]), tuple(signatures))

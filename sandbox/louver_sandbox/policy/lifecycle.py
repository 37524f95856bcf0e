"""Versions of policy documents: draft, review, approved, scheduled, active, then superseded, revoked or expired.

The state of a version is no field of it: it follows from its signatures, from what is in force and from the day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

import rfc8785
from pydantic import ValidationError

from louver_sandbox.catalog.model import Catalog
from louver_sandbox.policy.approvals import (
    APPROVAL_CONTEXT,
    Approval,
    Statement,
    document_digest,
    missing,
    needs_four_eyes,
    owner_of,
    parse_approvals,
    plain,
    verify_bundle,
)
from louver_sandbox.policy.bundle import Bundle, BundleRefused, bundle_content, document_content
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.officers import Officer, Signature, serves, signers


class State(StrEnum):
    """How far a version has come."""

    DRAFT = "draft"
    REVIEW = "review"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Version:
    """One version of one document, its statement, the signatures so far, and what was found when it was drafted."""

    document: Platform | Policy
    approval: Approval
    report: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`id-serial`, by which people speak of it."""
        return f"{self.statement.id}-{self.statement.serial}"

    @property
    def statement(self) -> Statement:
        """What officers sign."""
        return self.approval.statement


@dataclass(frozen=True)
class Standing:
    """What the states of versions follow from: serials in force and revoked by document, the officers, the day."""

    active: Mapping[str, int]
    revoked: Mapping[str, int]
    officers: Sequence[Officer]
    today: date

    def state(self, version: Version) -> State:
        """The state of a version."""
        said = version.statement
        if said.serial <= self.revoked.get(said.id, 0):
            return State.REVOKED
        if said.serial < self.active.get(said.id, 0):
            return State.SUPERSEDED
        if said.expires < self.today:
            return State.EXPIRED
        if said.serial == self.active.get(said.id, 0):
            return State.ACTIVE
        if not missing(version.approval, self.officers):
            return State.SCHEDULED if self.today < said.effective else State.APPROVED
        return State.REVIEW if version.approval.signatures else State.DRAFT


def drafted(
    document: Platform | Policy, serial: int, dates: tuple[date, date], submitter: str, catalog: Catalog
) -> Statement:
    """What officers are to sign about a new version; `dates` are its first and last day."""
    return Statement(
        document=document_digest(document),
        id=document.id,
        owner=owner_of(document),
        serial=serial,
        effective=dates[0],
        expires=dates[1],
        submitter=submitter,
        four_eyes=needs_four_eyes(document, catalog),
    )


def signed(version: Version, signature: Signature, officers: Sequence[Officer]) -> Version:
    """The version with one more signature. Raises BundleRefused when that does not hold or must not stand there.

    The submitter signs first: what nobody answers for is not reviewed.
    """
    said = version.statement
    held, reasons = signers(APPROVAL_CONTEXT + said.to_bytes(), [signature], officers)
    reasons.extend(f"{one.name!r} is no officer of {said.owner}" for one in held if not serves(one, said.owner))
    names = {item.officer for item in version.approval.signatures}
    if signature.officer in names:
        reasons.append(f"{signature.officer!r} has signed already")
    if not names and signature.officer != said.submitter:
        reasons.append(f"{said.submitter!r}, who submits it, signs first")
    if reasons:
        raise BundleRefused(reasons)
    signatures = (*version.approval.signatures, signature)
    return replace(version, approval=replace(version.approval, signatures=signatures))


def assembled(
    current: Iterable[tuple[Platform | Policy, Approval]], versions: Iterable[Version], standing: Standing
) -> tuple[bytes, tuple[Approval, ...]]:
    """The content and approvals of the bundle that is to be in force: of each document the latest version that is
    approved and effective. Raises BundleRefused without a platform document or where a document's owner would change,
    PolicyRefused where they contradict."""
    chosen = {document.id: (document, approval) for document, approval in current}
    for version in sorted(versions, key=lambda item: item.statement.serial):
        if standing.state(version) is State.APPROVED:
            if (known := chosen.get(version.statement.id)) and owner_of(known[0]) != version.statement.owner:
                raise BundleRefused(
                    (f"{version.name} is of {version.statement.owner}, the document of {owner_of(known[0])}",)
                )
            chosen[version.statement.id] = (version.document, version.approval)
    platforms = [document for document, _ in chosen.values() if isinstance(document, Platform)]
    policies = [document for document, _ in chosen.values() if isinstance(document, Policy)]
    if len(platforms) != 1:
        raise BundleRefused((f"{len(platforms)} approved platform documents; exactly one is needed",))
    approvals = tuple(approval for _, (_, approval) in sorted(chosen.items()))
    return bundle_content(platforms[0], policies), approvals


def verified(content: bytes, approvals: Sequence[Approval], standing: Standing, catalog: Catalog) -> Bundle:
    """The assembled bundle as the sandbox will load it. Raises BundleRefused."""
    return verify_bundle(content, approvals, standing.officers, standing.today, catalog)


def version_text(version: Version) -> bytes:
    """A version as the file that is handed around; the document stands in it as the very text that is approved."""
    return bytes(
        rfc8785.dumps(
            {
                "approval": plain(version.approval),
                "document": document_content(version.document).decode(),
                "report": version.report,
            }
        )
    )


def parse_version(text: bytes) -> Version:
    """A version from its file. Raises BundleRefused when the document is not the one that is spoken of."""
    try:
        body = json.loads(text)
        if not isinstance(body, dict) or body.keys() != {"approval", "document", "report"}:
            raise ValueError("not a version")
        written = json.loads(body["document"])
        model: type[Platform] | type[Policy] = Platform if written.get("kind") == "platform" else Policy
        document: Platform | Policy = model.model_validate(written)
    except (ValueError, RecursionError, TypeError, AttributeError, ValidationError) as wrong:
        raise BundleRefused(("not a version of a policy document",)) from wrong
    (approval,) = parse_approvals(rfc8785.dumps([body["approval"]]))
    if document_digest(document) != approval.statement.document or document.id != approval.statement.id:
        raise BundleRefused(("the statement is of another document",))
    return Version(document, approval, body["report"])

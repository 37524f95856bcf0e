"""Revocations: one officer ends what a department has approved, up to and with a version.

One officer of the owning department, or of the platform, is enough, because nothing gets looser by it. Everything
here is pure; `withdrawn.py` looks at the file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
from pydantic import ValidationError

from louver_sandbox.policy.approvals import HOUSE
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.officers import Officer, Signature, serves, signers
from louver_sandbox.policy.words import Document, Identifier, Text

REVOCATION_CONTEXT = b"louver policy revocation v1\n"


class Revocation(Document):
    """What one officer signs to end a document up to and with a serial, and why."""

    id: Identifier
    owner: Text
    serial: int
    officer: Text
    reason: Text

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed, after the context."""
        return bytes(rfc8785.dumps(self.model_dump(mode="json")))


@dataclass(frozen=True, slots=True)
class SignedRevocation:
    """A revocation with its officer's signature."""

    revocation: Revocation
    signature: bytes


def verify_revocation(item: SignedRevocation, officers: Sequence[Officer]) -> None:
    """Raises BundleRefused unless its officer signed it and may."""
    said = item.revocation
    signature = Signature(said.officer, item.signature)
    held, reasons = signers(REVOCATION_CONTEXT + said.to_bytes(), [signature], officers)
    if any(serves(officer, said.owner) or officer.department == HOUSE for officer in held):
        return
    raise BundleRefused(reasons or (f"{said.officer!r} is no officer of {said.owner}",))


def revocations_text(items: Iterable[SignedRevocation]) -> bytes:
    """The revocations as the JSON that `parse_revocations` reads."""
    return bytes(
        rfc8785.dumps(
            [
                {
                    "revocation": item.revocation.model_dump(mode="json"),
                    "signature": base64.b64encode(item.signature).decode(),
                }
                for item in items
            ]
        )
    )


def parse_revocations(text: bytes) -> tuple[SignedRevocation, ...]:
    """Revocations from their JSON, not yet verified. Raises BundleRefused."""
    try:
        rows = json.loads(text)
        if not isinstance(rows, list):
            raise TypeError("not a list")
        return tuple(map(_revocation, rows))
    except (ValueError, RecursionError, TypeError, KeyError, ValidationError) as wrong:
        raise BundleRefused(("not a list of revocations",)) from wrong


def _revocation(row: Any) -> SignedRevocation:
    if not isinstance(row, dict) or row.keys() != {"revocation", "signature"}:
        raise ValueError("not a revocation")
    return SignedRevocation(
        Revocation.model_validate(row["revocation"]), base64.b64decode(row["signature"], validate=True)
    )


def latest(items: Iterable[SignedRevocation], officers: Sequence[Officer]) -> Mapping[str, Revocation]:
    """The revocation of the latest serial by document. Raises BundleRefused when one of them is not signed."""
    found: dict[str, Revocation] = {}
    for item in items:
        verify_revocation(item, officers)
        said = item.revocation
        if said.id not in found or found[said.id].serial < said.serial:
            found[said.id] = said
    return found

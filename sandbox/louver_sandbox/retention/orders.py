"""What has to be signed before a request's entries are redacted: by two officers, each with a key of their own.

The order names the log, the request and its entries by their leaves, so a signature is good for nothing else. It is
canonical JSON after a context, like all that officers sign (`louver policy redaction` signs it where the key is).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from louver.approving import REDACTION_CONTEXT, canonical
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.policy.officers import Officer, Signature, signers

NEEDED = 2
"""Officers who have to sign."""


class NotOrdered(Exception):
    """Too few signatures hold; the text says why."""


def order(origin: str, institution: str, request_id: str, reason: str, entries: Sequence[Entry]) -> dict[str, JSON]:
    """The order to redact these entries of a request."""
    return {
        "entries": " ".join(str(entry.index) for entry in entries),
        "institution": institution,
        "leaves": " ".join(entry.leaf_hash.hex() for entry in entries),
        "origin": origin,
        "reason": reason,
        "request_id": request_id,
    }


def signed(said: dict[str, JSON], signatures: Sequence[Signature], officers: Sequence[Officer]) -> dict[str, JSON]:
    """What the log says of an order that is signed by enough officers. Raises ``NotOrdered``."""
    held, reasons = signers(REDACTION_CONTEXT + canonical(said), signatures, officers)
    if len(held) < NEEDED:
        reasons.append(f"{NEEDED} officers have to sign, and {len(held)} did")
        raise NotOrdered("; ".join(reasons))
    names = {officer.name for officer in held}
    kept: list[JSON] = [
        {"officer": one.officer, "signature": base64.b64encode(one.signature).decode()}
        for one in signatures
        if one.officer in names
    ]
    return {"reason": said["reason"], "signatures": kept, "order": said}

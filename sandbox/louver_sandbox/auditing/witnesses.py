"""The cosignatures that stand under checkpoints: taken from registered witnesses, kept, and served with the heads."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from louver.errors import Unproven
from louver.transparency.checkpoint import Checkpoint
from louver.transparency.cosignature import WitnessKey, verify_cosignature, with_signatures
from louver.transparency.note import Signature
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.audit.stored import UnknownEntry
from louver_sandbox.auditing import tables
from louver_sandbox.refusals import auditing
from louver_sandbox.store.upserts import insert_into

LATENESS_S = 300
"""How far ahead of this machine's clock a witness's may be."""


def take(log: AuditLog, size: int, line: str, keys: Iterable[WitnessKey], now: float) -> None:
    """Keeps a cosignature of the head signed at this size; a later one of the same key replaces it.

    `keys` are those registered for the caller, `now` is in POSIX seconds. Raises `Refused` LVR-7107 or LVR-7108.
    """
    try:
        head = log.signed(size).claimed
    except UnknownEntry:
        raise auditing.unknown_head() from None
    try:
        signature = Signature.parse(line)
        known = next((key for key in keys if (key.name, key.id) == (signature.name, signature.key_id)), None)
        if known is None:
            raise auditing.cosignature_unfit("its key is not registered for you", "签名密钥未登记在您名下")
        found = verify_cosignature(signature, head, known)
    except Unproven as unproven:
        raise auditing.cosignature_unfit(unproven.message, "签名无法验证") from None
    if found.time > now + LATENESS_S:
        raise auditing.cosignature_unfit("its time is in the future", "签名时间晚于当前时间")
    row = {
        "size": size,
        "witness": known.name,
        "key_id": known.id.hex(),
        "line": signature.line(),
        "signed": found.time,
    }
    with log.state.transaction() as tx:
        made = insert_into(tables.cosignatures, tx).values(row)
        tx.execute(made.on_conflict_do_update(index_elements=["size", "witness", "key_id"], set_=row))


def under(tx: Connection, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the cosignatures kept for its size; each still has to be verified by its reader."""
    table = tables.cosignatures.c
    query = select(table.line).where(table.size == checkpoint.claimed.size).order_by(table.witness, table.key_id)
    lines = (line.removesuffix("\n") for line in tx.execute(query).scalars())
    return with_signatures(checkpoint, tuple(map(Signature.parse, lines)))


def newest_cosigned(tx: Connection) -> int | None:
    """The largest size that any witness has cosigned, None where none has."""
    found = tx.execute(select(func.max(tables.cosignatures.c.size))).scalar_one()
    return None if found is None else int(found)


def sizes(tx: Connection) -> frozenset[int]:
    """Every size that a witness has cosigned."""
    return frozenset(tx.execute(select(tables.cosignatures.c.size).distinct()).scalars())

"""Which keys have signed the log and which one does, as its own entries say.

An entry of kind ``log_key`` holds the old key's last word (``louver.transparency.succession``). Nothing else says
which key is the present one, so there is no second truth to be put back from a backup, and services that share a log
go over to the next key with the transaction that has the entry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from sqlalchemy import Connection, bindparam, select

from louver.errors import Unproven
from louver.transparency.note import VerifierKey
from louver.transparency.succession import FIELD as FIELD
from louver.transparency.succession import KIND as KIND
from louver.transparency.succession import LogKey, Succession
from louver_sandbox.audit.entries import InvalidEntry, parse
from louver_sandbox.audit.head import Signer
from louver_sandbox.audit.stored import LogDamaged
from louver_sandbox.store import schema
from louver_sandbox.store.prepared import Prepared

FindSigner: TypeAlias = Callable[[VerifierKey], Signer | None]
"""Whoever has this key of the log, None where nobody has."""


class LogKeyMissing(LogDamaged):
    """The log has gone over to a key whose secret is not here; nothing can be signed, so nothing is answered."""


def no_other(key: VerifierKey) -> Signer | None:
    """For a log whose key is not replaced."""
    return None


def read(tx: Connection, held: VerifierKey) -> LogKey:
    """What the log says of its keys, to whoever holds one of them; the newest is pinned.

    Raises ``LogDamaged`` for entries that do not lead from the held key or to it: whoever writes the database cannot
    make the log another's.
    """
    return _known(held, tuple(bytes(body) for (body,) in _CHANGES.rows(tx, {"kind": KIND})))


_CHANGES = Prepared(
    select(schema.entries.c.body).where(schema.entries.c.kind == bindparam("kind")).order_by(schema.entries.c.index)
)


@lru_cache(maxsize=64)
def _known(held: VerifierKey, bodies: tuple[bytes, ...]) -> LogKey:
    try:
        found = [Succession.from_note(str(parse(body).get(FIELD)).encode()) for body in bodies]
        known = LogKey(held).learn(found)
    except (InvalidEntry, Unproven):
        raise LogDamaged("an entry by which the log's key changed is not one that the log wrote") from None
    if len(known.successions) != len(found):
        raise LogDamaged(f"the log's key changed, and {held} is none of its keys")
    return known.repinned()

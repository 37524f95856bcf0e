"""The Paillier keys that institutions have registered: rows in the state store.

Every function takes a connection inside the caller's transaction. A row is never changed or removed: answers are
sealed to an institution's newest key while it is valid, and moduli are compared with all there ever were.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gmpy2 import mpz
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
)
from sqlalchemy.sql import bindparam

from louver.sealing.keys import PublicKey
from louver_sandbox.store.prepared import Prepared

metadata = MetaData()

sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("kid", Text, nullable=False, unique=True),
    Column("institution", Text, nullable=False),
    Column("modulus", LargeBinary, nullable=False),
    Column("registered", Text, nullable=False),
    Column("expires", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Index("sealing_keys_by_institution", "institution", "id"),
)
"""Registered keys, in the order of registration. ``entry`` is the log's entry about it."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered key. Times are in UTC."""

    institution: str
    key: PublicKey
    registered: datetime
    expires: datetime
    entry: int

    def is_valid(self, now: datetime) -> bool:
        """Whether answers may still be sealed to it."""
        return now < self.expires


def add(tx: Connection, made: Registered) -> None:
    """Keeps a key."""
    tx.execute(
        insert(sealing_keys).values(
            kid=made.key.kid,
            institution=made.institution,
            modulus=made.key.to_bytes(),
            registered=_text(made.registered),
            expires=_text(made.expires),
            entry=made.entry,
        )
    )


def keys_of(tx: Connection, institution: str) -> tuple[Registered, ...]:
    """The institution's keys, the newest first."""
    query = select(*_COLUMNS).where(_k.institution == institution).order_by(_k.id.desc())
    return tuple(_registered(*row) for row in tx.execute(query))


def current(tx: Connection, institution: str, now: datetime) -> str:
    """The id of the newest key, if it is valid; empty otherwise: an older one never takes its place."""
    row = _NEWEST.row(tx, {"of": institution})
    return row[0] if row is not None and now < datetime.fromisoformat(row[1]) else ""


def find(tx: Connection, kid: str) -> Registered | None:
    """The key of that id."""
    row = tx.execute(select(*_COLUMNS).where(_k.kid == kid)).one_or_none()
    return None if row is None else _registered(*row)


def moduli(tx: Connection, after: int = 0) -> tuple[int, tuple[mpz, ...]]:
    """The moduli of all keys that were registered after the one of that place, and the place of the last."""
    rows = tx.execute(select(_k.id, _k.modulus).where(_k.id > after).order_by(_k.id)).all()
    return (rows[-1][0] if rows else after), tuple(mpz(int.from_bytes(content, "big")) for _, content in rows)


def count_since(tx: Connection, institution: str, moment: datetime) -> int:
    """How many keys the institution has registered from that moment on."""
    of_it = (_k.institution == institution) & (_k.registered >= _text(moment))
    return tx.execute(select(func.count()).select_from(sealing_keys).where(of_it)).scalar_one()


def live(tx: Connection, now: datetime) -> tuple[str, ...]:
    """The ids of all keys that answers may be sealed to."""
    institutions = tx.execute(select(_k.institution).distinct()).scalars().all()
    return tuple(kid for kid in (current(tx, institution, now) for institution in institutions) if kid)


def _registered(institution: str, content: bytes, registered: str, expires: str, entry: int) -> Registered:
    key = PublicKey(mpz(int.from_bytes(content, "big")))
    return Registered(institution, key, datetime.fromisoformat(registered), datetime.fromisoformat(expires), entry)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


_k = sealing_keys.c
_COLUMNS = (_k.institution, _k.modulus, _k.registered, _k.expires, _k.entry)
_NEWEST = Prepared(
    select(_k.kid, _k.expires).where(_k.institution == bindparam("of")).order_by(_k.id.desc()).limit(1)
)

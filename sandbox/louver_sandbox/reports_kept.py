"""Credit reports that were made, kept for retries: the same request has the same bytes, asking nothing again."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
)

metadata = MetaData()

reports = Table(
    "reports",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("request_digest", Text, nullable=False),
    Column("authorisation", Text, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("entry", BigInteger, nullable=False),
)
"""One report a row; ``entry`` is the log's about it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A report. `needed` is whether it needs an authorisation, `told` whether it says anything."""

    institution: str
    request_id: str
    request_digest: str
    authorisation: str
    needed: bool
    told: bool
    document: bytes = field(repr=False)
    entry: int


def keep(tx: Connection, kept: Kept) -> None:
    """Keeps a report, in the transaction that logs it."""
    tx.execute(
        insert(reports).values(
            institution=kept.institution,
            request_id=kept.request_id,
            request_digest=kept.request_digest,
            authorisation=kept.authorisation,
            needed=int(kept.needed),
            told=int(kept.told),
            document=kept.document,
            entry=kept.entry,
        )
    )


def find(tx: Connection, institution: str, request_id: str) -> Kept | None:
    """The report that the institution's request has had."""
    this = (_r.institution == institution) & (_r.request_id == request_id)
    row = tx.execute(select(reports).where(this)).one_or_none()
    if row is None:
        return None
    return Kept(
        row.institution,
        row.request_id,
        row.request_digest,
        row.authorisation,
        bool(row.needed),
        bool(row.told),
        bytes(row.document),
        int(row.entry),
    )


def forget(tx: Connection, institution: str, request_id: str) -> None:
    """Removes the report that the institution's request has had."""
    tx.execute(delete(reports).where(_r.institution == institution, _r.request_id == request_id))


_r = reports.c

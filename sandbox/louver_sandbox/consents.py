"""Recorded authorisations: what a subject has allowed an institution, as rows in the state store.

A row is added and may once be revoked; nothing else ever changes in it. Whether one covers a lookup is for
`authorisations.decide.cover` to say, at the moment of the lookup: a revocation one second earlier counts.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON
from louver_sandbox.authorisations.model import Authorisation
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.refusals import scoring as refuse
from louver_sandbox.stages import Subject
from louver_sandbox.store import State
from louver_sandbox.store.prepared import Prepared

metadata = MetaData()

authorisations = Table(
    "authorisations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("grantee", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("granted_on", Text, nullable=False),
    Column("expires_on", Text, nullable=False),
    Column("evidence_sha256", Text, nullable=False),
    Column("single_consent", Integer, nullable=False),
    Column("adverse_notice", Integer, nullable=False),
    Column("uses", Integer),
    Column("revoked_at", Text),
    Column("entry", BigInteger, nullable=False),
)
"""One consent a row. ``scope`` is a JSON list of tables; ``entry`` the log's entry about it."""

SUBJECT = re.compile(r"[0-9A-Za-z]{1,32}\Z")
_PURPOSE = re.compile(r"[A-Z][A-Z0-9_]{0,39}\Z")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_MOST_TABLES = 64
_MOST_USES = 1000
_PAGE = 1000

Append = Callable[[Connection, Mapping[str, JSON], Mapping[str, str]], int]
"""Adds a log entry in a transaction, with texts that enter as commitments only, and gives its index."""


class Authorisations(Protocol):
    """Where authorisations are read, in the transaction that decides by them."""

    def find(self, tx: Connection, identity: str) -> Authorisation | None:
        """The authorisation of that id, as it is now."""


@dataclass(frozen=True, slots=True)
class Consent:
    """An authorisation as an institution records it: dates are days in Beijing, `uses` 0 is any number."""

    unit: str
    subject: str
    purpose: str
    scope: Sequence[str]
    granted_on: str
    expires_on: str
    evidence_sha256: str
    single_consent: bool
    adverse_notice: bool
    uses: int
    signature: bytes = b""


class Consents:
    """Records authorisations and finds them. ``identities`` makes their ids."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime],
        append: Append,
        identities: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._state = state
        self._clock = clock
        self._append = append
        self._identities = identities

    def record(self, subject: Subject, consent: Consent) -> tuple[str, int]:
        """Keeps an authorisation given to the caller, and logs it: its id and entry. Raises `Refused` LVR-5221."""
        _check(consent)
        identity = self._identities()
        with self._state.transaction() as tx:
            entry = self._append(
                tx,
                {
                    "kind": "authorisation",
                    "institution": subject.institution,
                    "certificate": subject.fingerprint,
                    "authorisation": identity,
                    "unit": consent.unit,
                    "purpose": consent.purpose,
                    "scope": list(consent.scope),
                    "granted_on": consent.granted_on,
                    "expires_on": consent.expires_on,
                    "evidence_sha256": consent.evidence_sha256,
                    "single_consent": consent.single_consent,
                    "adverse_notice": consent.adverse_notice,
                    "uses": consent.uses,
                    "signature": consent.signature.hex(),
                },
                {"subject": consent.subject},
            )
            tx.execute(
                insert(authorisations).values(
                    id=identity,
                    grantee=subject.institution,
                    unit=consent.unit,
                    subject=consent.subject,
                    purpose=consent.purpose,
                    scope=json.dumps(list(consent.scope)),
                    granted_on=consent.granted_on,
                    expires_on=consent.expires_on,
                    evidence_sha256=consent.evidence_sha256,
                    single_consent=int(consent.single_consent),
                    adverse_notice=int(consent.adverse_notice),
                    uses=consent.uses or None,
                    entry=entry,
                )
            )
        return identity, entry

    def revoke(self, identity: str, institution: str | None, by: str = "") -> datetime:
        """Makes an authorisation void from now on, and logs it; one that is void already stays so from then.

        ``institution`` is the caller's, None for the operator, who acts for the subject. Raises `Refused` LVR-5222.
        """
        with self._state.transaction() as tx:
            row = tx.execute(select(_a.grantee, _a.revoked_at).where(_a.id == identity)).one_or_none()
            if row is None or institution not in (None, row.grantee):
                raise refuse.unknown_authorisation({})
            if row.revoked_at is not None:
                return datetime.fromisoformat(row.revoked_at)
            now = self._clock().astimezone(UTC)
            told: dict[str, JSON] = {
                "kind": "authorisation_revoked",
                "institution": row.grantee,
                "authorisation": identity,
                "by": by or row.grantee,
            }
            self._append(tx, told, {})
            tx.execute(update(authorisations).where(_a.id == identity).values(revoked_at=now.isoformat()))
            return now

    def find(self, tx: Connection, identity: str) -> Authorisation | None:
        """The authorisation of that id, as it is now."""
        return find(tx, identity)


def revoke_again(tx: Connection, start: int) -> int:
    """Makes every authorisation void of which the log says so from entry ``start`` on; returns how many were not."""
    revoked = 0
    while page := log_rows.entries(tx, start, _PAGE, {"kind": "authorisation_revoked"}):
        for entry in page:
            this = (_a.id == str(entry.fields["authorisation"])) & _a.revoked_at.is_(None)
            at = datetime.fromisoformat(str(entry.fields["time"])).astimezone(UTC).isoformat()
            revoked += int(tx.execute(update(authorisations).where(this).values(revoked_at=at)).rowcount)
        start = page[-1].index + 1
    return revoked


def use_up(tx: Connection, now: datetime) -> int:
    """Ends every authorisation that is good for so many uses; returns how many."""
    this = _a.uses.is_not(None) & _a.revoked_at.is_(None)
    at = now.astimezone(UTC).isoformat()
    return int(tx.execute(update(authorisations).where(this).values(revoked_at=at)).rowcount)


def find(tx: Connection, identity: str) -> Authorisation | None:
    """The authorisation of that id, whoever's it is."""
    row = _FIND.row(tx, {"this": identity})
    return None if row is None else _authorisation(_Found(*row))


def find_all(tx: Connection, identities: Sequence[str]) -> tuple[Authorisation, ...]:
    """The authorisations of these ids that there are."""
    return tuple(map(_authorisation, tx.execute(select(authorisations).where(_a.id.in_(identities)))))


def of_grantee(tx: Connection, grantee: str, most: int) -> tuple[tuple[Authorisation, int], ...]:
    """The newest that an institution has recorded, each with the log's entry about it."""
    rows = tx.execute(select(authorisations).where(_a.grantee == grantee).order_by(_a.entry.desc()).limit(most))
    return tuple((_authorisation(row), int(row.entry)) for row in rows)


def about(tx: Connection, unit: UnitType, subject: str) -> tuple[tuple[Authorisation, int], ...]:
    """All that are recorded of a subject, whoever they were given to, each with the log's entry about it."""
    this = (_a.unit == unit.value) & (_a.subject == subject)
    rows = tx.execute(select(authorisations).where(this).order_by(_a.entry))
    return tuple((_authorisation(row), int(row.entry)) for row in rows)


def _authorisation(row: Any) -> Authorisation:
    return Authorisation(
        id=row.id,
        unit=UnitType(row.unit),
        subject=row.subject,
        grantee=row.grantee,
        purpose=row.purpose,
        scope=dict.fromkeys(json.loads(row.scope), None),
        granted_on=date.fromisoformat(row.granted_on),
        expires_on=date.fromisoformat(row.expires_on),
        evidence_sha256=row.evidence_sha256,
        single_consent=bool(row.single_consent),
        adverse_notice=bool(row.adverse_notice),
        revoked_at=None if row.revoked_at is None else datetime.fromisoformat(row.revoked_at),
        uses=row.uses,
    )


def _check(consent: Consent) -> None:
    """Raises `Refused` LVR-5221 with the field's name, never with what stands in it."""
    tables = len(consent.scope) in range(1, _MOST_TABLES + 1) and all(map(_TABLE.match, consent.scope))
    sound = {
        "unit": consent.unit in set(UnitType),
        "subject": SUBJECT.match(consent.subject) is not None,
        "purpose": _PURPOSE.match(consent.purpose) is not None,
        "scope": tables and len(set(consent.scope)) == len(consent.scope),
        "granted_on": _day(consent.granted_on) is not None,
        "expires_on": (_day(consent.expires_on) or date.min) >= (_day(consent.granted_on) or date.max),
        "evidence_sha256": _DIGEST.match(consent.evidence_sha256) is not None,
        "uses": 0 <= consent.uses <= _MOST_USES,
    }
    for field, holds in sound.items():
        if not holds:
            raise refuse.authorisation_form({"field": field})


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-01") else None
    except ValueError:
        return None


_a = authorisations.c
_FIND = Prepared(select(authorisations).where(_a.id == bindparam("this")))
_Found = namedtuple("_Found", _a.keys())  # type: ignore[misc] # the table's columns

"""What an institution is told: the notices that it has not had, while their authorisations hold.

They are read together with the authorisations of this very moment: a flag that came up a moment before a revocation
stays untold. What leaves is one document, logged by its digest before it leaves, and its receipt is the platform's
signature on it. It names subscriptions and flags, and no subject.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, false, or_, select

from louver_sandbox.audit.entries import JSON, Entry, canonical
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.consents import authorisations
from louver_sandbox.journal import Books
from louver_sandbox.refusals import warnings as refuse
from louver_sandbox.warnings.tables import notices, subscriptions

FORMAT = "louver warnings 1"
MOST = 1000
"""Notices in one document."""


@dataclass(frozen=True, slots=True)
class Told:
    """A document of notices with the proof that the log holds its digest, and the last of them; where there is
    nothing to tell there is no proof, since nothing leaves that anybody did not know."""

    document: bytes
    receipt: bytes
    last: str
    count: int


May = Callable[[str, str, str], bool]
"""Whether an institution may be told of a template for a purpose by what is in force now."""


class Telling:
    """Tells institutions what has come up, as long as `may` says so."""

    def __init__(self, books: Books, clock: Callable[[], datetime], may: May) -> None:
        self._books = books
        self._clock = clock
        self._may = may

    def tell(self, institution: str, after: str, most: int, by: str) -> Told:
        """The notices after the one whose id is `after`, or from the first. Raises `Refused` LVR-5148."""
        with self._books.state.reading() as tx:
            waiting = self._query(tx, institution, after).order_by(None)
            kinds = tx.execute(waiting.with_only_columns(_s.template, _s.purpose).distinct()).all()
        told = [kind for kind in sorted(map(tuple, kinds)) if self._may(institution, *kind)]
        if not told:
            return Told(canonical(_document(institution, [])), b"", after, 0)
        permitted = or_(*(and_(_s.template == template, _s.purpose == purpose) for template, purpose in told))
        left: list[Told] = []

        def write(tx: Connection) -> Entry:
            query = self._query(tx, institution, after).where(permitted).limit(min(max(most, 1), MOST))
            rows = list(tx.execute(query))
            document = canonical(_document(institution, rows))
            left.append(Told(document, b"", rows[-1].id if rows else after, len(rows)))
            body: dict[str, JSON] = {
                "kind": "warnings_told",
                "institution": institution,
                "by": by,
                "notices": len(rows),
                "result_digest": hashlib.sha256(document).hexdigest(),
            }
            return self._books.log.append(tx, body)

        receipt = self._books.log.attested(write).to_bytes()
        return Told(left[-1].document, receipt, left[-1].last, left[-1].count)

    def _query(self, tx: Connection, institution: str, after: str) -> Select[Any]:
        """Notices of live subscriptions whose authorisation holds now. Whoever looks cannot tell what is kept back:
        the places that are told are random ids."""
        seq = 0
        if after:
            found = tx.execute(
                select(_n.seq).where(_n.institution == institution, _n.id == after)
            ).scalar_one_or_none()
            if found is None:
                raise refuse.unknown_place()
            seq = int(found)
        today = self._clock().astimezone(BEIJING).date().isoformat()
        joined = notices.join(subscriptions, _s.id == _n.subscription).outerjoin(
            authorisations, _a.id == _s.authorisation
        )
        covered = _a.revoked_at.is_(None) & (_a.granted_on <= today) & (_a.expires_on >= today)
        return (
            select(notices, _s.template)
            .select_from(joined)
            .where(_n.institution == institution, _n.seq > seq, _s.cancelled.is_(None), _s.until >= today)
            .where(or_(_n.needed == false(), covered))
            .order_by(_n.seq)
        )


def _document(institution: str, rows: list[Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "institution": institution,
        "notices": [
            {
                "id": row.id,
                "subscription": row.subscription,
                "template": row.template,
                "raised": json.loads(row.raised),
                "cleared": json.loads(row.cleared),
                "as_of": json.loads(row.as_of),
                "made": row.made,
            }
            for row in rows
        ],
    }


def moment(now: datetime) -> str:
    """A moment as rows hold it: texts of one form, which sort as the moments do."""
    return now.astimezone(UTC).isoformat(timespec="seconds")


_n, _s, _a = notices.c, subscriptions.c, authorisations.c

"""Recording and revoking authorisations: each a log entry that holds its subject as a commitment only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from louver_sandbox.algebra.types import TableName
from louver_sandbox.authorisations.model import Authorisation
from louver_sandbox.catalog.model import Catalog, SpaceKind, UnitType
from louver_sandbox.consents import registry
from louver_sandbox.consents.registry import Recorded
from louver_sandbox.policy.templates import is_subject
from louver_sandbox.refusals import lookups as refuse
from louver_sandbox.stages import Subject
from louver_sandbox.store import State

Note = Callable[..., int]
"""Writes a log entry in a transaction (kind and fields, `texts` as commitments) and gives its index."""

MOST_DAYS = 1830
MOST_LISTED = 1000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PURPOSE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Consent:
    """What an institution says that a subject has authorised. `scope` are tables, as `schema.name`."""

    unit: str
    subject: str
    purpose: str
    scope: tuple[str, ...]
    granted_on: date
    expires_on: date
    evidence_sha256: str
    single_consent: bool = False
    adverse_notice: bool = False
    uses: int | None = 1


class Consents:
    """The recorded authorisations of every institution. `new_id` gives ids that nobody can guess."""

    def __init__(
        self, state: State, clock: Callable[[], datetime], note: Note, catalog: Catalog, new_id: Callable[[], str]
    ) -> None:
        self._state = state
        self._clock = clock
        self._note = note
        self._catalog = catalog
        self._new_id = new_id

    def record(self, subject: Subject, consent: Consent) -> Recorded:
        """Keeps what the institution says was authorised, and logs it. Raises `Refused` LVR-6107."""
        made = self._checked(subject, consent)
        now = self._clock()
        with self._state.transaction() as tx:
            entry = self._logged(tx, subject, made)
            registry.add(tx, made, now, entry)
        return Recorded(made, now, entry)

    def _checked(self, subject: Subject, consent: Consent) -> Authorisation:
        for field, holds in self._conditions(consent).items():
            if not holds:
                raise refuse.consent_unfit(field)
        return Authorisation(
            id=self._new_id(),
            unit=UnitType(consent.unit),
            subject=consent.subject,
            grantee=subject.institution,
            purpose=consent.purpose,
            scope=dict.fromkeys(consent.scope),
            granted_on=consent.granted_on,
            expires_on=consent.expires_on,
            evidence_sha256=consent.evidence_sha256,
            single_consent=consent.single_consent,
            adverse_notice=consent.adverse_notice,
            uses=consent.uses,
        )

    def _conditions(self, consent: Consent) -> Mapping[str, bool]:
        unit = consent.unit in set(UnitType)
        return {
            "unit": unit,
            "subject": unit and is_subject(UnitType(consent.unit), consent.subject),
            "purpose": _PURPOSE.fullmatch(consent.purpose) is not None,
            "scope": 0 < len(consent.scope) <= 100 and all(map(self._is_registered, consent.scope)),
            "expires_on": 0 <= (consent.expires_on - consent.granted_on).days <= MOST_DAYS,
            "evidence_sha256": _DIGEST.fullmatch(consent.evidence_sha256) is not None,
            "uses": consent.uses is None or 1 <= consent.uses <= 1_000_000,
        }

    def _is_registered(self, name: str) -> bool:
        schema, _, table = name.partition(".")
        found = self._catalog.tables.get(TableName(schema, table))
        return found is not None and found.space is SpaceKind.GOVERNMENT

    def _logged(self, tx: Connection, subject: Subject, made: Authorisation) -> int:
        return self._note(
            tx,
            "authorisation",
            {"subject": f"{made.unit.value} {made.subject}"},
            institution=subject.institution,
            certificate=subject.fingerprint,
            authorisation=made.id,
            purpose=made.purpose,
            scope=sorted(made.scope),
            granted_on=made.granted_on.isoformat(),
            expires_on=made.expires_on.isoformat(),
            evidence_sha256=made.evidence_sha256,
            single_consent=made.single_consent,
            adverse_notice=made.adverse_notice,
            uses=made.uses or 0,
        )

    def revoke(self, subject: Subject, identifier: str) -> datetime:
        """Makes one of the institution's own void from now on, and logs it. Raises `Refused` LVR-6108."""
        now = self._clock()
        with self._state.transaction() as tx:
            if not registry.revoke(tx, identifier, subject.institution, now):
                raise refuse.consent_unknown()
            self._note(
                tx,
                "authorisation_revoked",
                {},
                institution=subject.institution,
                certificate=subject.fingerprint,
                authorisation=identifier,
            )
        return now

    def of(self, institution: str) -> tuple[Recorded, ...]:
        """The newest that the institution has recorded, at most a thousand."""
        with self._state.reading() as tx:
            return registry.of_grantee(tx, institution, MOST_LISTED)

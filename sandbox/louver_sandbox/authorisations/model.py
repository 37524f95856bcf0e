"""An authorisation as it is recorded, and a lookup that wants to be covered by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from louver_sandbox.catalog.model import UnitType


class Requester(StrEnum):
    """Types of requesters that the law tells apart (DOMAIN 2.6)."""

    BANK = "bank"
    CREDIT_AGENCY = "credit_agency"
    DEPARTMENT = "department"


@dataclass(frozen=True, slots=True)
class Authorisation:
    """One consent of one subject to one institution, for one purpose (PIPL art. 23).

    `scope` are the datasets it covers, for each the columns, or None for all that a template may show.
    `single_consent`: given separately for this provision (单独同意). `adverse_notice`: the subject was told of
    adverse consequences and agreed in writing (征信业管理条例 art. 14). `granted_on` and `expires_on` are the first
    and the last day in Beijing; `revoked_at` the instant from which it is void. `uses` is how often it may be used
    (逐笔授权: once), None for any number until it ends. `evidence_sha256` is the digest of the signed document.
    """

    id: str
    unit: UnitType
    subject: str
    grantee: str
    purpose: str
    scope: Mapping[str, frozenset[str] | None]
    granted_on: date
    expires_on: date
    evidence_sha256: str
    single_consent: bool = False
    adverse_notice: bool = False
    revoked_at: datetime | None = None
    uses: int | None = 1


@dataclass(frozen=True, slots=True)
class Lookup:
    """A question about one subject: what a template reads, for whom and for what.

    `columns` are those read of each dataset; `sensitive` says that one of them needs separate consent, `restricted`
    that one is among what a credit agency may only have after a warning. `used` is how often the authorisation has
    been used before.
    """

    unit: UnitType
    subject: str
    institution: str
    requester: Requester
    purpose: str
    columns: Mapping[str, frozenset[str]]
    sensitive: bool
    restricted: bool
    at: datetime
    used: int = 0


class Reason(StrEnum):
    """Why an authorisation does not cover a lookup. For the log: the caller is told none of them from another."""

    UNKNOWN = "unknown"
    OTHER_GRANTEE = "other_grantee"
    OTHER_SUBJECT = "other_subject"
    OTHER_PURPOSE = "other_purpose"
    OUT_OF_SCOPE = "out_of_scope"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    REVOKED = "revoked"
    USED_UP = "used_up"
    NO_SINGLE_CONSENT = "no_single_consent"
    NO_ADVERSE_NOTICE = "no_adverse_notice"
    NO_EVIDENCE = "no_evidence"
    MINOR = "minor"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether a lookup is covered; all reasons why not, in the order of `Reason`, the first being the log's code."""

    reasons: tuple[Reason, ...] = field(default_factory=tuple)

    @property
    def covered(self) -> bool:
        return not self.reasons

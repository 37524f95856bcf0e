"""Whether an authorisation covers a lookup, as a function of the two and of nothing else.

Every condition is looked at whatever the others say, so that how long it takes does not tell which one failed.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from hmac import compare_digest
from typing import Final

from louver_sandbox.authorisations.model import Authorisation, Coverage, Lookup, Reason, Requester
from louver_sandbox.catalog.model import UnitType

BEIJING: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BORN: Final = re.compile(r"[0-9]{6}(?P<day>[0-9]{8})[0-9]{3}[0-9Xx]")
_ADULT: Final = 18


def cover(lookup: Lookup, authorisation: Authorisation | None) -> Coverage:
    """What the authorisation says to the lookup. One that nobody has recorded fails everything.

    Deny by default: a dataset or column that the scope does not name is not covered, an authorisation without the
    digest of a document is none, and a moment without a time zone is refused.

    Raises:
        ValueError: the moment of the lookup, or of the revocation, has no time zone.
    """
    held = _NOBODYS if authorisation is None else authorisation
    failed = {
        Reason.UNKNOWN: authorisation is None,
        Reason.OTHER_GRANTEE: not _same(held.grantee, lookup.institution),
        Reason.OTHER_SUBJECT: held.unit is not lookup.unit or not _same(held.subject, lookup.subject),
        Reason.OTHER_PURPOSE: not _same(held.purpose, lookup.purpose),
        Reason.OUT_OF_SCOPE: not _within(lookup, held),
        **_of_time(lookup, held),
        Reason.USED_UP: held.uses is not None and lookup.used >= held.uses,
        Reason.NO_SINGLE_CONSENT: _needs_single_consent(lookup) and not held.single_consent,
        Reason.NO_ADVERSE_NOTICE: _needs_warning(lookup) and not held.adverse_notice,
        Reason.NO_EVIDENCE: _DIGEST.fullmatch(held.evidence_sha256) is None,
        Reason.MINOR: lookup.unit is UnitType.PERSON and _is_minor(lookup),
    }
    return Coverage(tuple(reason for reason in Reason if failed[reason]))


def holds(authorisation: Authorisation | None, at: datetime) -> bool:
    """Whether there is such an authorisation and it is in force at the moment, whatever it is about."""
    today = _aware(at).astimezone(BEIJING).date()
    return (
        authorisation is not None
        and authorisation.granted_on <= today <= authorisation.expires_on
        and (authorisation.revoked_at is None or _aware(authorisation.revoked_at) > at)
    )


def _of_time(lookup: Lookup, held: Authorisation) -> dict[Reason, bool]:
    today = _aware(lookup.at).astimezone(BEIJING).date()
    return {
        Reason.NOT_YET: today < held.granted_on,
        Reason.EXPIRED: today > held.expires_on,
        Reason.REVOKED: held.revoked_at is not None and _aware(held.revoked_at) <= lookup.at,
    }


def _within(lookup: Lookup, held: Authorisation) -> bool:
    """Whether all that is read is in the scope; a lookup that reads nothing is in none."""
    inside = [
        dataset in held.scope and (columns_of is None or wanted <= columns_of)
        for dataset, wanted in lookup.columns.items()
        for columns_of in (held.scope.get(dataset),)
    ]
    return bool(inside) and all(inside)


def _is_minor(lookup: Lookup) -> bool:
    """Whether the citizen number says that its holder is under eighteen on the day: no consent to a credit lookup
    covers that (PIPL art. 28, 31). What is no citizen number says nothing of an age."""
    born = _BORN.fullmatch(lookup.subject)
    today = _aware(lookup.at).astimezone(BEIJING).date()
    return born is not None and born["day"] > f"{today.year - _ADULT:04d}{today.month:02d}{today.day:02d}"


def _needs_single_consent(lookup: Lookup) -> bool:
    """Of a person whoever asks (PIPL art. 23), and of whatever is sensitive (art. 29)."""
    return lookup.unit is UnitType.PERSON or lookup.sensitive


def _needs_warning(lookup: Lookup) -> bool:
    """Income, deposits, securities, insurance, real estate and tax of a person, asked for by a credit agency
    (征信业管理条例 art. 14)."""
    return lookup.requester is Requester.CREDIT_AGENCY and lookup.unit is UnitType.PERSON and lookup.restricted


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode(), other.encode())


def _aware(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("a moment needs a time zone")
    return moment


_NOBODYS: Final = Authorisation(
    id="",
    unit=UnitType.PERSON,
    subject="",
    grantee="",
    purpose="",
    scope={},
    granted_on=datetime.max.date(),
    expires_on=datetime.min.date(),
    evidence_sha256="",
)
"""What a lookup is compared with where there is nothing, so that this takes as long."""

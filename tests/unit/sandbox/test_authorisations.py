"""One lookup, one live authorisation: each way in which it can fail to cover, alone and together with others."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver_sandbox.authorisations.deadlines import CORRECTION, DISPUTE, deadline
from louver_sandbox.authorisations.decide import BEIJING, cover
from louver_sandbox.authorisations.model import Authorisation, Coverage, Lookup, Reason, Requester
from louver_sandbox.catalog.model import UnitType

NOON = datetime(2026, 6, 15, 12, tzinfo=BEIJING)
HELD = Authorisation(
    id="a1",
    unit=UnitType.PERSON,
    subject="370291199001011235",
    grantee="bank_a",
    purpose="LOAN_ORIGINATION",
    scope={"gov.hf_account": None, "gov.ss_person_month": frozenset({"status", "pay_month"})},
    granted_on=date(2026, 6, 1),
    expires_on=date(2026, 6, 30),
    evidence_sha256="ab" * 32,
    single_consent=True,
)
CHILD = "370291201001011237"
ASKED = Lookup(
    unit=UnitType.PERSON,
    subject="370291199001011235",
    institution="bank_a",
    requester=Requester.BANK,
    purpose="LOAN_ORIGINATION",
    columns={"gov.hf_account": frozenset({"base_amt"}), "gov.ss_person_month": frozenset({"status"})},
    sensitive=True,
    restricted=True,
    at=NOON,
)


def test_a_live_authorisation_covers_what_it_names() -> None:
    assert cover(ASKED, HELD) == Coverage(())
    assert cover(ASKED, HELD).covered


@pytest.mark.parametrize(
    ("asked", "held", "reason"),
    [
        (ASKED, replace(HELD, grantee="bank_b"), Reason.OTHER_GRANTEE),
        (ASKED, replace(HELD, subject="370293198506150044"), Reason.OTHER_SUBJECT),
        (ASKED, replace(HELD, unit=UnitType.ENTERPRISE), Reason.OTHER_SUBJECT),
        (ASKED, replace(HELD, purpose="POST_LOAN"), Reason.OTHER_PURPOSE),
        (ASKED, replace(HELD, scope={"gov.hf_account": None}), Reason.OUT_OF_SCOPE),
        (replace(ASKED, columns={"gov.ss_person_month": frozenset({"base_amt"})}), HELD, Reason.OUT_OF_SCOPE),
        (replace(ASKED, columns={}), HELD, Reason.OUT_OF_SCOPE),
        (ASKED, replace(HELD, granted_on=date(2026, 6, 16)), Reason.NOT_YET),
        (ASKED, replace(HELD, expires_on=date(2026, 6, 14)), Reason.EXPIRED),
        (ASKED, replace(HELD, revoked_at=NOON - timedelta(seconds=1)), Reason.REVOKED),
        (ASKED, replace(HELD, revoked_at=NOON), Reason.REVOKED),
        (replace(ASKED, used=1), HELD, Reason.USED_UP),
        (ASKED, replace(HELD, single_consent=False), Reason.NO_SINGLE_CONSENT),
        (replace(ASKED, requester=Requester.CREDIT_AGENCY), HELD, Reason.NO_ADVERSE_NOTICE),
        (ASKED, replace(HELD, evidence_sha256="photo.jpg"), Reason.NO_EVIDENCE),
        (replace(ASKED, subject=CHILD), replace(HELD, subject=CHILD), Reason.MINOR),
    ],
)
def test_each_thing_that_is_missing_is_the_logs_code(asked: Lookup, held: Authorisation, reason: Reason) -> None:
    assert cover(asked, held).reasons == (reason,)


def test_who_is_eighteen_today_may_be_asked_about() -> None:
    for day, covered in (("20080615", True), ("20080616", False)):
        born = f"370291{day}001X"
        assert cover(replace(ASKED, subject=born), replace(HELD, subject=born)).covered is covered


def test_what_nobody_has_recorded_covers_nothing() -> None:
    found = cover(ASKED, None)
    assert found.reasons[0] is Reason.UNKNOWN
    assert not found.covered
    nobody = replace(ASKED, subject="", institution="", purpose="")
    assert not cover(nobody, None).covered, "an empty question is not covered by the empty authorisation"


def test_days_are_those_of_beijing() -> None:
    last = replace(HELD, expires_on=date(2026, 6, 15))
    evening = datetime(2026, 6, 15, 15, 59, tzinfo=UTC)
    assert cover(replace(ASKED, at=evening), last).covered
    assert cover(replace(ASKED, at=evening + timedelta(minutes=1)), last).reasons == (Reason.EXPIRED,)


def test_a_revocation_later_than_the_lookup_does_not_reach_back() -> None:
    assert cover(ASKED, replace(HELD, revoked_at=NOON + timedelta(seconds=1))).covered


def test_a_firm_needs_no_separate_consent_unless_something_is_sensitive() -> None:
    firm = replace(HELD, unit=UnitType.ENTERPRISE, single_consent=False)
    asked = replace(ASKED, unit=UnitType.ENTERPRISE, sensitive=False, requester=Requester.CREDIT_AGENCY)
    assert cover(asked, firm).covered
    assert cover(replace(asked, sensitive=True), firm).reasons == (Reason.NO_SINGLE_CONSENT,)


def test_a_standing_authorisation_is_used_until_it_ends() -> None:
    assert cover(replace(ASKED, used=500), replace(HELD, uses=None)).covered


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        cover(replace(ASKED, at=datetime(2026, 6, 15)), HELD)
    with pytest.raises(ValueError, match="time zone"):
        cover(ASKED, replace(HELD, revoked_at=datetime(2026, 6, 15)))


BREAKS = {
    Reason.OTHER_GRANTEE: lambda held: replace(held, grantee="bank_b"),
    Reason.OTHER_SUBJECT: lambda held: replace(held, subject="x"),
    Reason.OTHER_PURPOSE: lambda held: replace(held, purpose="MARKETING"),
    Reason.OUT_OF_SCOPE: lambda held: replace(held, scope={}),
    Reason.EXPIRED: lambda held: replace(held, expires_on=date(2026, 6, 2)),
    Reason.REVOKED: lambda held: replace(held, revoked_at=NOON),
    Reason.USED_UP: lambda held: replace(held, uses=0),
    Reason.NO_SINGLE_CONSENT: lambda held: replace(held, single_consent=False),
    Reason.NO_EVIDENCE: lambda held: replace(held, evidence_sha256=""),
}


@given(st.sets(st.sampled_from(sorted(BREAKS))))
def test_every_reason_is_found_whatever_else_fails(broken: set[Reason]) -> None:
    held = HELD
    for reason in broken:
        held = BREAKS[reason](held)
    assert set(cover(ASKED, held).reasons) == broken


@pytest.mark.parametrize(
    ("received", "days", "last"),
    [
        (date(2026, 6, 15), CORRECTION, date(2026, 6, 23)),  # the Dragon Boat Festival, 19 June, lies between
        (date(2026, 6, 1), DISPUTE, date(2026, 6, 15)),
        (date(2026, 9, 30), 1, date(2026, 10, 8)),  # the week of the National Day
        (date(2026, 2, 13), 1, date(2026, 2, 14)),  # a Saturday that is worked for the Spring Festival
    ],
)
def test_deadlines_follow_the_announced_calendar(received: date, days: int, last: date) -> None:
    found = deadline(received, days)
    assert (found.day, found.settled) == (last, True)


def test_a_year_that_is_not_announced_says_so() -> None:
    assert not deadline(date(2090, 1, 2), 5).settled


@given(st.dates(date(2010, 1, 1), date(2040, 1, 1)), st.integers(1, 60))
def test_more_days_are_never_earlier(received: date, days: int) -> None:
    assert received < deadline(received, days).day < deadline(received, days + 1).day


@pytest.mark.parametrize("days", [0, -1, 251])
def test_a_deadline_is_some_days_away(days: int) -> None:
    with pytest.raises(ValueError, match="between"):
        deadline(date(2026, 6, 15), days)

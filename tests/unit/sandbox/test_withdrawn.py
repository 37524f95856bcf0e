"""A revoked policy answers no more from the next question on, and nobody revives it by touching a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from louver.errors import Refused
from louver_sandbox.policy.approvals import HOUSE, Statement
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.officers import make_officer
from louver_sandbox.policy.revocations import (
    REVOCATION_CONTEXT,
    Revocation,
    SignedRevocation,
    parse_revocations,
    revocations_text,
    verify_revocation,
)
from louver_sandbox.withdrawn import Withdrawn

TAX = "市税务局"
TODAY = date(2026, 7, 1)
WANG, WANG_KEY = make_officer("wang", lambda count: b"\x01" * count, TAX)
CHEN, CHEN_KEY = make_officer("chen", lambda count: b"\x02" * count, HOUSE)
QIAN, QIAN_KEY = make_officer("qian", lambda count: b"\x03" * count, "市公安局")
OFFICERS = (WANG, CHEN, QIAN)
KEYS = {"wang": WANG_KEY, "chen": CHEN_KEY, "qian": QIAN_KEY}
PLAN = ("court@1", "taxation@7")


def statement(name: str, serial: int = 2, expires: str = "2026-12-31") -> Statement:
    return Statement.model_validate(
        {
            "document": "0" * 64,
            "id": name,
            "owner": TAX,
            "serial": serial,
            "effective": "2026-01-01",
            "expires": expires,
            "submitter": "wang",
            "four_eyes": False,
        }
    )


def revoked(officer: str = "wang", serial: int = 2, key: str | None = None) -> SignedRevocation:
    said = Revocation(id="taxation", owner=TAX, serial=serial, officer=officer, reason="a leak")
    return SignedRevocation(said, KEYS[key or officer].sign(REVOCATION_CONTEXT + said.to_bytes()))


def watched(path: Path, serial: int = 2, **logged: int) -> Withdrawn:
    return Withdrawn(path, [statement("taxation", serial), statement("court")], OFFICERS, logged)


def refusal(withdrawn: Withdrawn, policies: tuple[str, ...] = PLAN, today: date = TODAY) -> str:
    with pytest.raises(Refused) as refused:
        withdrawn.check(policies, today)
    assert refused.value.code == "LVR-2010"
    return refused.value.message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "revocations.json"


def test_a_revocation_counts_at_the_next_question_and_for_its_policy_only(file: Path) -> None:
    withdrawn = watched(file)
    withdrawn.check(PLAN, TODAY)
    file.write_bytes(revocations_text([revoked()]))
    assert refusal(withdrawn) == "policy taxation is revoked: its grants answer no more"
    withdrawn.check(("court@1",), TODAY)
    withdrawn.check((), TODAY)
    assert "taxation" in refusal(withdrawn, ("court+taxation@1+7",))


def test_a_later_version_is_not_revoked_with_an_earlier_one(file: Path) -> None:
    file.write_bytes(revocations_text([revoked(serial=2)]))
    watched(file, serial=3).check(PLAN, TODAY)
    refusal(watched(file, serial=1))


def test_taking_the_revocation_out_of_the_file_revives_nothing(file: Path) -> None:
    withdrawn = watched(file)
    file.write_bytes(revocations_text([revoked()]))
    refusal(withdrawn)
    file.unlink()
    refusal(withdrawn)
    refusal(watched(file, taxation=2))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b"[" * 100_000,
        revocations_text([revoked("qian")]),
        revocations_text([revoked(key="qian")]),
    ],
)
def test_a_file_that_cannot_be_trusted_stops_everything_until_it_can(file: Path, content: bytes) -> None:
    withdrawn = watched(file)
    file.write_bytes(content)
    refusal(withdrawn, ("court@1",))
    withdrawn.check((), TODAY)
    file.write_bytes(revocations_text([]))
    withdrawn.check(PLAN, TODAY)


def test_an_officer_of_the_platform_may_stop_any_policy_and_other_departments_none() -> None:
    verify_revocation(revoked("chen"), OFFICERS)
    with pytest.raises(BundleRefused, match="'qian' is no officer of 市税务局"):
        verify_revocation(revoked("qian"), OFFICERS)


def test_past_its_last_day_an_approval_answers_no_more(file: Path) -> None:
    withdrawn = Withdrawn(file, [statement("taxation", expires="2026-07-01")], OFFICERS, {})
    withdrawn.check(("taxation@7",), date(2026, 7, 1))
    assert "expired" in refusal(withdrawn, ("taxation@7",), date(2026, 7, 2))


def test_a_policy_that_nobody_approved_answers_nothing(file: Path) -> None:
    assert "ghost" in refusal(watched(file), ("ghost@1",))


def test_whoever_revokes_the_rules_of_the_house_stops_everything_but_own_data(file: Path) -> None:
    house = statement("platform").model_copy(update={"owner": HOUSE})
    withdrawn = Withdrawn(file, [statement("court"), house], OFFICERS, {})
    withdrawn.check(("court@1",), TODAY)
    said = Revocation(id="platform", owner=HOUSE, serial=2, officer="chen", reason="an alarm")
    file.write_bytes(revocations_text([SignedRevocation(said, CHEN_KEY.sign(REVOCATION_CONTEXT + said.to_bytes()))]))
    assert "platform" in refusal(withdrawn, ("court@1",))
    withdrawn.check((), TODAY)


def test_revocations_survive_their_text() -> None:
    assert parse_revocations(revocations_text([revoked(), revoked("chen", 1)])) == (revoked(), revoked("chen", 1))


def test_what_another_service_has_replaced_or_revoked_answers_no_more_here(file: Path) -> None:
    """The log says which version decides; where the folder here has an older one, that must not go on."""
    withdrawn = watched(file, serial=2)
    withdrawn.know({"taxation": 2 - 1, "court": 2 - 1})  # in force elsewhere: the same versions
    withdrawn.check(PLAN, TODAY)
    withdrawn.know({"taxation": 3 - 1})  # the third version of one of them
    assert refusal(withdrawn) == "policy taxation is revoked: its grants answer no more"
    withdrawn.know({"taxation": 1})
    assert refusal(withdrawn), "and nothing that is said later revives it"
    withdrawn.check(("court@1",), TODAY)

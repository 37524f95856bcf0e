"""What decided formerly goes with its last use: neither under somebody's hands, nor never."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.attacks.test_officer_attacks import WIDER, House, opened
from tests.support.line import ask
from tests.support.officers import appointed

from louver_sandbox import checker
from louver_sandbox.demo.city import City
from louver_sandbox.processes.pool import CheckerFailed

QUESTION = "SELECT grade, count(*) AS n FROM gov.tax_credit WHERE rating_year = 2025 GROUP BY grade"


def test_what_decided_formerly_ends_with_its_last_use(own_city: City, tmp_path: Path) -> None:
    """A simulation goes on by the bundle it began with, however long it takes; what nobody uses ends."""
    with opened(own_city, appointed(own_city, tmp_path / "desk")) as house:
        former, case = house.platform.in_force, case_of(house)
        with former.more_checkers(1) as checkers:
            version = house.submitted(WIDER)
            house.approve(version, "wang", "li")
            house.office.activate(house.caller("li"), version.name)
            assert house.platform.in_force is not former
            house.platform.succession._former = [(0.0, one) for _, one in house.platform.succession._former]
            house.platform.succession.retire()
            assert checkers.ask(case, 60.0)
            assert [one for _, one in house.platform.succession._former] == [former]
        house.platform.succession.retire()
        assert house.platform.succession._former == []
        with pytest.raises(CheckerFailed), former.more_checkers(1):
            pass
        assert house.verdict()[0] == "permitted"


def case_of(house: House) -> bytes:
    request = ask(QUESTION, purpose="POST_LOAN")
    return checker.case_to_bytes(
        house.office.case(house.caller("wang"), "explaining", "bank_a", request.purpose, request.sql, "")
    )

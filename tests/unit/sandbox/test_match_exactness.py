"""What a match says of its accuracy is so: over a thousand secrets, which are draws of the keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.matching import LIST, Listed, firm, house, match_grant, terms
from tests.support.policy_questions import BANK_A, bundle_of, city_catalog, policy

from louver.matching.asking import within
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.matching.exactness import accuracy_of, of_largest
from louver_sandbox.matching.releasing import Met, release
from louver_sandbox.obligations import RoundingKind, ThresholdRules
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.policy.matching import MatchAdmitted, MatchQuestion, decide_match
from louver_sandbox.stages import Facts

SECRETS = [hashlib.sha256(b"exactness %d" % number).digest() for number in range(1000)]
DAY = date(2026, 7, 1)
FAILING = 1000 * 5 // 100
"""How many of a thousand draws may be further away than is said of 95 in 100. The secrets are always the same."""


def admitted(mode: str, **changes: Any) -> MatchAdmitted:
    """A permit for this mode, by the house's policy with these changes."""
    bundle = bundle_of(policy(match_grant(**changes), owner="市发改委"))
    question = MatchQuestion(BANK_A, "RESEARCH", LIST, MatchMode(mode), 100)
    return decide_match(question, city_catalog(), bundle, Facts(DAY))


def rules(mode: str, kind: RoundingKind = RoundingKind.BASE) -> ThresholdRules:
    found = admitted(mode).threshold
    assert found is not None
    assert found.noise is not None
    return replace(found, noise=replace(found.noise, rounding=kind))


def met(units: int, amounts: tuple[int, ...] = (), unit: UnitType = UnitType.ENTERPRISE) -> Met:
    largest = [*sorted(amounts, reverse=True)[:2], 0, 0]
    combined = int.from_bytes(hashlib.sha256(b"%d" % units).digest()[:8], "big")
    return Met(unit, units, combined, sum(amounts), largest[0], largest[1])


def released(found: list[Met], mode: MatchMode, by: ThresholdRules) -> Iterator[int]:
    for secret in SECRETS:
        number = release(found, mode, by, secret).value
        assert number is not None
        yield number


@pytest.mark.parametrize("units", [5, 6, 9, 14, 37, 400])
@pytest.mark.parametrize("kind", [RoundingKind.BASE, RoundingKind.RANDOM])
def test_a_count_is_as_near_as_is_said(units: int, kind: RoundingKind) -> None:
    by = rules("count", kind)
    told = accuracy_of(MatchMode.COUNT, (UnitType.ENTERPRISE,), by)
    assert told is not None
    below, above, error = int(told.below), int(told.above), float(told.standard_error)
    found = list(released([met(units)], MatchMode.COUNT, by))
    assert len(set(found)) > 1
    wrong = sum(not value - below <= units <= value + above for value in found)
    assert wrong <= FAILING + 25
    assert sum((value - units) ** 2 for value in found) / len(found) <= (1.15 * error) ** 2


def test_of_two_kinds_of_subjects_both_have_noise() -> None:
    units = 40
    by = rules("count")
    both = (UnitType.ENTERPRISE, UnitType.PERSON)
    one, two = (accuracy_of(MatchMode.COUNT, some, by) for some in (both[:1], both))
    assert one is not None
    assert two is not None
    assert float(two.standard_error) > float(one.standard_error)
    found = list(released([met(units), met(units, unit=UnitType.PERSON)], MatchMode.COUNT, by))
    wrong = sum(not value - int(two.below) <= 2 * units <= value + int(two.above) for value in found)
    assert wrong <= FAILING


@pytest.mark.parametrize(
    "amounts", [(1000,) * 30, tuple(range(1, 60)), (10**9, *(10**8,) * 12), (1,) * 7, (50_000, 40_000, *(900,) * 40)]
)
@pytest.mark.parametrize("kind", [RoundingKind.BASE, RoundingKind.RANDOM])
def test_a_sum_is_as_near_as_is_said(amounts: tuple[int, ...], kind: RoundingKind) -> None:
    by = replace(rules("sum", kind), dominance_percent=60, dominance_of_two=None, p_percent=1)
    told = accuracy_of(MatchMode.SUM, (UnitType.ENTERPRISE,), by)
    assert told is not None
    assert (told.kind, told.standard_error, told.below, told.above) == ("sum", "", "", "")
    total = sum(amounts)
    found = list(released([met(len(amounts), amounts)], MatchMode.SUM, by))
    assert len(set(found)) > 1
    relative = float(told.message.split("is within ")[1].split(" times")[0])
    assert sum(abs(value - total) > relative * total for value in found) <= FAILING
    assert sum((value - total) ** 2 for value in found) / len(found) <= (float(told.relative_error) * total) ** 2
    own = within(of_largest(MatchMode.SUM, by), [*amounts, 3])
    assert own is not None
    assert sum(abs(value - total) > own for value in found) <= FAILING
    # Each number is a multiple of a step of its own, and as many of these away as is said.
    steps = float(told.message.split("within ")[-1].split(" of its own steps")[0])
    assert sum(bool(value) and abs(value - total) > steps * _step(value) for value in found) <= FAILING


def _step(value: int) -> int:
    """The largest of 1, 2, 5, 10, ... that divides a number: its step is none that is larger."""
    steps = (lead * 10**power for power in range(20) for lead in (1, 2, 5))
    return max(int(step) for step in steps if value % step == 0)


def test_what_is_said_follows_from_policy_and_never_from_what_met(tmp_path: Path) -> None:
    """Two batches that meet other subjects with other amounts: one statement, with no figure of either."""
    listed = [Listed(firm(number)) for number in range(40)]
    with house(tmp_path, listed) as here:
        few, many = ([firm(number) for number in range(start, 60)] for start in (30, 0))
        one = here.ask(few, "sum", amounts=[700 + number for number in range(len(few))]).number
        two = here.ask(many, "sum", amounts=[9_000] * len(many)).number
        count = here.ask(many, "count").number
        withheld = here.ask([firm(number) for number in range(39, 70)], "count").number
    assert one is not None
    assert two is not None
    assert count is not None
    assert withheld is not None
    assert one.accuracy == two.accuracy is not None
    assert one.value != two.value
    assert count.accuracy is not None
    assert (count.accuracy.kind, count.accuracy.column) == ("count", "count")
    assert (withheld.value, withheld.accuracy) == (None, None)


def test_whoever_sent_the_amounts_knows_more_of_a_sum() -> None:
    told = of_largest(MatchMode.SUM, rules("sum"))
    many = [1000 + number for number in range(5000)]
    far = within(told, many)
    assert far is not None
    assert 0 < far < sum(many) / 50
    assert within(told, [0, 0]) == 0
    assert within("2", [3, 4, 1]) == 10
    assert within("0.5", [1]) == 1
    assert of_largest(MatchMode.COUNT, rules("count")) == ""
    for hostile in ("", "1e999999", "-1", "nan", "9" * 5000, "1/3"):
        assert within(hostile, many) is None


def test_entries_of_persons_count_only_where_a_statute_makes_them_public() -> None:
    assert admitted("count").units == (UnitType.ENTERPRISE,)
    assert admitted("count", matching=terms(persons="statute")).units == (UnitType.ENTERPRISE, UnitType.PERSON)
    assert accuracy_of(MatchMode.HITS, (UnitType.ENTERPRISE,), rules("count")) is None
    bare = replace(rules("sum"), noise=None)
    for mode in (MatchMode.COUNT, MatchMode.SUM):
        with pytest.raises(ValueError, match="without noise"):
            accuracy_of(mode, (UnitType.ENTERPRISE,), bare)

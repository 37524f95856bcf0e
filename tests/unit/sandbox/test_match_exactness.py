"""What a match says of its accuracy is so, and what leaves of a number is the true one with that noise and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.matching import LIST, Listed, firm, house, match_bundle, numbers, terms
from tests.support.policy_questions import BANK_A, city_catalog
from tests.support.seeded_noise import SeededSampler, Silent

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.matching.exactness import accuracy_of
from louver_sandbox.matching.releasing import Met, met_from, release
from louver_sandbox.policy.match_numbers import NumberRules
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.policy.matching import MatchAdmitted, MatchQuestion, decide_match
from louver_sandbox.stages import Facts

DAY = date(2026, 7, 1)
DRAWS = 2000
FAILING = DRAWS * 5 // 100


def admitted(mode: str, largest: int = 0, **changes: Any) -> MatchAdmitted:
    """A permit for this mode, by the house's policy with these changes."""
    question = MatchQuestion(BANK_A, "RESEARCH", LIST, MatchMode(mode), 100, largest)
    return decide_match(question, city_catalog(), match_bundle(matching=terms(**changes)), Facts(DAY))


def rules(mode: str, largest: int = 0, **changes: Any) -> NumberRules:
    found = admitted(mode, largest, **changes).number
    assert found is not None
    return found


@pytest.mark.parametrize("each", [0.5, 2, 4])
@pytest.mark.parametrize(("mode", "bound"), [("count", 0), ("sum", 1), ("sum", 250_000)])
def test_a_number_is_as_near_as_is_said(mode: str, bound: int, each: float) -> None:
    by = rules(mode, bound, numbers=numbers(each=each))
    told = accuracy_of(MatchMode(mode), by)
    reach, error = int(told.below or -1), float(told.standard_error or -1)
    assert told.below == told.above
    assert (told.kind, told.column) == (mode, mode)
    met, sampler = Met(4_000, 4_000 * by.bound), SeededSampler(7)
    exact = met.total if mode == "sum" else met.units
    found = [release(met, MatchMode(mode), 9_000, by, sampler) for _ in range(DRAWS)]
    # Among 2,000 draws of 95 in 100, more than 150 outside would be eleven deviations.
    assert sum(abs(value - exact) > reach for value in found) <= FAILING + 50
    assert sum((value - exact) ** 2 for value in found) / DRAWS <= (1.2 * error) ** 2
    assert len(set(found)) > 1


@given(units=st.integers(0, 500), spare=st.integers(0, 500), bound=st.integers(1, 10**6), seed=st.integers(0, 10**6))
def test_a_number_is_never_below_nothing_nor_above_what_a_batch_can_come_to(
    units: int, spare: int, bound: int, seed: int
) -> None:
    by = rules("sum", bound)
    ids = units + spare
    assert 0 <= release(Met(units, units * bound), MatchMode.SUM, ids, by, SeededSampler(seed)) <= ids * bound
    assert release(Met(units, units * bound), MatchMode.SUM, ids, by, Silent()) == units * bound
    assert release(Met(units, 0), MatchMode.COUNT, ids, rules("count"), Silent()) == units


def test_what_contradicts_the_batch_never_leaves() -> None:
    for met in (Met(101, 0), Met(3, 4)):
        with pytest.raises(ValueError, match="contradict"):
            release(met, MatchMode.SUM, 100, rules("sum", 1), Silent())
    told: tuple[object, ...] = ({}, [1], [1, 2, 3], [True, 1], [1, -1], [1.0, 2], None, "12")
    for hostile in told:
        with pytest.raises(ValueError, match="none"):
            met_from(hostile)


def test_what_is_said_follows_from_policy_and_bound_and_never_from_what_met(tmp_path: Path) -> None:
    """Nobody, few and many: a number leaves each time, and the statement beside it has nothing of them."""
    with house(tmp_path, [Listed(firm(number)) for number in range(40)]) as here:
        for start in (30, 39, 100):
            found = here.ask([firm(number) for number in range(start, start + 30)], "count")
            assert found.number is not None
        assert len(here.entries("outcome")) == 3
        sizes = {len(str(sorted(entry))) for entry in here.entries("outcome")}
    assert len(sizes) == 1


def test_entries_of_persons_count_only_where_a_statute_makes_them_public() -> None:
    """And then a number costs the privacy of both kinds of subjects."""
    assert admitted("count").units == (UnitType.ENTERPRISE,)
    both = admitted("count", persons="statute")
    assert both.units == (UnitType.ENTERPRISE, UnitType.PERSON)
    assert [loss.terms.unit for loss in both.losses] == list(both.units)
    assert admitted("hits").losses == ()

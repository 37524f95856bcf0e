"""Somebody wants one firm's revenue out of many harmless questions. With thresholds alone every one of these attacks
succeeds, on the very same rows; under the atom rule what comes out of them is nobody's or that of five firms and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.support.atomic import SEVERAL_ROWS, Atomic, K, a_firm, atomic, firm, firm_bundle, firm_grant

from louver.errors import Refused

TARGET: dict[str, Any] = {"founded": date(2020, 6, 17), "staff": 99, "amount": 177}
DISTRICTS = ("310101", "310104", "320100")
SECTIONS = "ABDE"


def city() -> Iterator[dict[str, Any]]:
    """240 firms; one of them was founded on a day of its own and has 99 staff."""
    for number in range(240):
        yield a_firm(number, DISTRICTS[number % 3], 2018 + number % 4, SECTIONS[number // 12 % 4])
    yield a_firm(240, DISTRICTS[0], 2020, "A") | TARGET


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Atomic:
    """Thresholds, dominance and p %, and nothing else."""
    return atomic(tmp_path_factory.mktemp("baseline"), list(city()), firm_bundle(firm_grant(dimensions=None)))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Atomic:
    """The same rows under the atom rule."""
    return atomic(tmp_path_factory.mktemp("guarded"), list(city()))


def total(world: Atomic, where: str) -> tuple[int, int]:
    """Firms and their revenue where a condition holds, as the answer says; nobody is nothing."""
    ((firms, amount),) = world.ask(f"SELECT count(*) AS n, sum(amount) AS s FROM gov.firm WHERE {where}").rows
    assert firms is not None, f"withheld: {where}"
    return int(str(firms)), int(str(amount))


def difference(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] - other[0], one[1] - other[1]


def is_harmless(found: tuple[int, int]) -> bool:
    """Nobody, or firms that are enough by themselves."""
    return found == (0, 0) or found[0] >= K


FOUNDED = f"founded = DATE '{TARGET['founded']}'"
Attack = Callable[[Atomic, str], tuple[int, int]]
ALL = "founded >= DATE '1900-01-01'"


def by_difference(world: Atomic, firm_is: str) -> tuple[int, int]:
    """With and without the firm."""
    here = f"district = '{DISTRICTS[0]}'"
    return difference(total(world, here), total(world, f"{here} AND NOT ({firm_is})"))


def by_tracker(world: Atomic, firm_is: str) -> tuple[int, int]:
    """Schlörer's: q(C and D) = q(C) - q(C and not D), where C and D are the firm and neither is alone."""
    old = "founded >= DATE '2020-01-01'"
    return difference(total(world, old), total(world, f"{old} AND NOT ({firm_is})"))


def by_general_tracker(world: Atomic, firm_is: str) -> tuple[int, int]:
    """Denning's: q(C) = q(C or T) + q(C or not T) - q(all), for a T of about half of all."""
    tracker = "section IN ('A', 'B')"
    with_it, without = total(world, f"{firm_is} OR {tracker}"), total(world, f"{firm_is} OR NOT {tracker}")
    return difference((with_it[0] + without[0], with_it[1] + without[1]), total(world, ALL))


def by_double_tracker(world: Atomic, firm_is: str) -> tuple[int, int]:
    """Denning's: q(C) = q(U) + q(C or T) - q(T) - q(not (C and T) and U), for a T within a U."""
    small, large = "section = 'A'", "section IN ('A', 'B', 'D')"
    all_of, more = total(world, large), total(world, f"{firm_is} OR {small}")
    fewer, rest = total(world, small), total(world, f"NOT ({firm_is} AND {small}) AND {large}")
    return all_of[0] + more[0] - fewer[0] - rest[0], all_of[1] + more[1] - fewer[1] - rest[1]


@pytest.mark.parametrize("attack", [by_difference, by_tracker, by_general_tracker, by_double_tracker])
def test_trackers_find_one_firm_by_thresholds_and_none_by_atoms(
    attack: Attack, baseline: Atomic, guarded: Atomic
) -> None:
    assert attack(baseline, FOUNDED) == (1, TARGET["amount"]), "the attack works where nothing stands against it"
    assert attack(guarded, FOUNDED) == (0, 0), "nobody was founded on a day"
    told = attack(guarded, f"district = '{DISTRICTS[0]}' AND section = 'A' AND founded = DATE '2020-01-01'")
    assert told[0] >= K, "and this is the least that can be asked of it"


def test_a_sweep_over_a_small_domain_finds_single_firms_by_thresholds_and_none_by_atoms(
    baseline: Atomic, guarded: Atomic
) -> None:
    """How many were founded up to each day: every step from day to day is asked for."""
    days = [TARGET["founded"] + timedelta(days=number) for number in range(-3, 3)]
    days += [date(2020, 1, 1), date(2021, 1, 1)]

    def steps(world: Atomic) -> list[tuple[int, int]]:
        found = [total(world, f"founded <= DATE '{day}'") for day in sorted(days)]
        return [difference(more, less) for less, more in pairwise(found)]

    assert (1, TARGET["amount"]) in steps(baseline)
    assert all(is_harmless(step) for step in steps(guarded))
    assert any(step != (0, 0) for step in steps(guarded)), "something is answered"


def test_what_is_no_dimension_cannot_single_anybody_out(baseline: Atomic, guarded: Atomic) -> None:
    with_all, without = (
        "SELECT sum(amount) AS s FROM gov.firm",
        "SELECT sum(amount) AS s FROM gov.firm WHERE staff <> 99",
    )
    ((whole,),), ((rest,),) = baseline.ask(with_all).rows, baseline.ask(without).rows
    assert int(str(whole)) - int(str(rest)) == TARGET["amount"]
    with pytest.raises(Refused, match="LVR-2108"):
        guarded.ask(without)


def test_two_answers_tell_the_sum_of_a_dominated_group_by_thresholds_and_of_none_by_atoms(tmp_path: Path) -> None:
    """One firm has nine tenths of a district's revenue: its sum is withheld, and told by the others' beside all."""
    large = [a_firm(500 + number, "310199", amount=100 if number else 4_000) for number in range(6)]
    rows = [*city(), *large]
    plain = atomic(tmp_path / "plain", rows, firm_bundle(firm_grant(dimensions=None)))
    guarded = atomic(tmp_path / "guarded", rows, firm_bundle(firm_grant(dimensions=[{"column": "district"}])))
    here, elsewhere = "district = '310199'", "district <> '310199'"
    alone = "SELECT sum(amount) AS s FROM gov.firm WHERE "
    assert plain.ask(alone + here).rows == ((None,),)
    told = difference(total(plain, ALL), total(plain, elsewhere))
    assert told == (6, 4_500), "which is within an eighth of the large firm's own"
    told = difference(total(guarded, "district IS NOT NULL"), total(guarded, elsewhere))
    assert told == (0, 0), "its firms are counted in the next district"
    assert guarded.ask(alone + here).rows == ((None,),)


def test_firms_in_two_groups_are_counted_by_thresholds_and_not_by_atoms(tmp_path: Path) -> None:
    """Inclusion and exclusion: one firm has rows in both districts, though each of three answers has many."""
    rows = [*city(), a_firm(0, DISTRICTS[1])]
    plain = atomic(tmp_path / "a", rows, firm_bundle(firm_grant(dimensions=None)), firm(SEVERAL_ROWS))
    guarded = atomic(tmp_path / "b", rows, None, firm(SEVERAL_ROWS))
    one, other = f"district = '{DISTRICTS[0]}'", f"district = '{DISTRICTS[1]}'"
    counted = "SELECT count(DISTINCT uscc) AS n FROM gov.firm WHERE "
    found = [plain.ask(counted + where).rows[0][0] for where in (one, other, f"{one} OR {other}")]
    numbers = [int(str(number)) for number in found]
    assert numbers[0] + numbers[1] - numbers[2] == 1
    with pytest.raises(Refused, match="LVR-2109"):
        guarded.ask(counted + one)

"""What somebody does with many answers at once: solves for everybody's bit, with all institutions colluding.

Two thousand people, of whom 0.3 are late (and half, which is the hardest rate to protect); three seeds.
"""

import numpy as np
import pytest
from tests.support.attackers.people import DISTRICTS
from tests.support.attackers.reconstruction import (
    asked,
    by_least_squares,
    decoded,
    random_halves,
    reconstruct,
)
from tests.support.attackers.releasers import CellKeyed, PlainThreshold
from tests.support.attackers.scene import Scene, scene

SEEDS = [1, 2, 3]
TENTH = 200
HUNDREDTH = 20


def test_exact_numbers_tell_everybody_by_linear_program() -> None:
    """Six questions for ten people are enough, for bits are whole: the program has one solution."""
    at = scene()
    guesses = reconstruct(PlainThreshold(at.engine), at.people.known, range(DISTRICTS), 120)
    assert at.gain(guesses["linear program"]) + at.people.base > 0.98


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tenth_as_many_cells_as_people_tell_little_of_a_rare_bit(seed: int) -> None:
    """Spent on all people, or on so few that each is asked about ten times as often; both decoders."""
    at = scene(seed)
    for districts in (10, 1):
        found = reconstruct(CellKeyed(at.engine), at.people.known, range(districts), TENTH // districts)
        assert max(at.gain(guesses) for guesses in found.values()) <= 0.05


def gain_of(at: Scene, cells: int) -> float:
    """What the best linear estimate gains on all people from so many halves of them."""
    subsets = random_halves(at.people.known, range(DISTRICTS), cells, seed=5)
    answers = asked(CellKeyed(at.engine), subsets)
    return at.gain(decoded(at.people.known, subsets, answers, by_least_squares))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bit_that_half_of_the_people_have_needs_a_smaller_cap(seed: int) -> None:
    """m answers tell m/n of the variance of each bit, which is right 0.4 * sqrt(m/n) more often where both values are
    as likely: 0.13 for n/10, 0.04 for n/100. The noise, small beside random halves, hardly matters."""
    at = scene(seed, 0.5)
    assert 0.05 < gain_of(at, TENTH) < 0.2
    assert gain_of(at, HUNDREDTH) <= 0.05


def test_without_a_cap_noise_is_solved_for() -> None:
    """Four questions a person: the errors are a few people each, and cancel."""
    at = scene()
    guesses = reconstruct(CellKeyed(at.engine), at.people.known, [0], 800)
    inside = at.people.known.district == 0
    right = {name: float((found == at.people.late)[inside].mean()) for name, found in guesses.items()}
    assert max(right.values()) > 0.95, right


def test_an_attacker_knows_whom_a_predicate_selects() -> None:
    """The equations are those of the questions: halves that differ, as the engine counts them."""
    at = scene()
    subsets = random_halves(at.people.known, [2, 7], 20, seed=3)
    exact = asked(PlainThreshold(at.engine), subsets)
    assert exact == [int((one.members & at.people.late).sum()) for one in subsets]
    assert len({one.members.tobytes() for one in subsets}) == 20
    assert np.mean([one.members.sum() for one in subsets]) == pytest.approx(200, abs=15)

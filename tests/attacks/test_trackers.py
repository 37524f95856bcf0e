"""What somebody does who asks for many people with one of them and without: trackers, clones, sweeps, probes.

Every attack finds everybody where numbers are exact and only a threshold stands. Noise and rounding make a pair of
answers tell about half; caps bound how many can be asked about; the atom rule is what ends it (`test_defaults`, with
the platform's own caps and atoms). The tests say each, so that nobody takes the first for the last.
"""

from decimal import Decimal

import numpy as np
import pytest
from tests.support.attackers.people import GRADES
from tests.support.attackers.releasers import (
    NOISE,
    CellKeyed,
    Line,
    PlainNumber,
    PlainThreshold,
    Releaser,
)
from tests.support.attackers.scene import scene
from tests.support.attackers.trackers import (
    TRACKERS,
    Attack,
    near_clones,
    sweep_of_persons,
    sweep_of_values,
    threshold_probe,
    within,
)
from tests.support.noisy import SUMS

ATTACKS: dict[str, Attack] = {**TRACKERS, "near-clones": near_clones(1)}


@pytest.fixture(params=list(ATTACKS.values()), ids=list(ATTACKS))
def attack(request: pytest.FixtureRequest) -> Attack:
    found: Attack = request.param
    return found


def test_trackers_find_everybody_beside_a_plain_threshold(attack: Attack) -> None:
    at = scene()
    guesses = attack(PlainThreshold(at.engine), at.people.known, at.targets)
    assert (guesses == at.late).all()


def test_noise_by_set_without_rounding_is_no_protection(attack: Attack) -> None:
    """Equal answers mean equal sets, nearly (SECURITY 2.6)."""
    at = scene()
    assert at.found(attack(CellKeyed(at.engine, NOISE), at.people.known, at.targets)) > 0.75


def test_a_pair_of_rounded_answers_tells_about_half(attack: Attack) -> None:
    """Half of those who are late, and nobody who is not: equal sets are never answered differently. That is more than
    the gate promises of a person, so free predicates need the further settings below."""
    at = scene()
    guesses = attack(CellKeyed(at.engine), at.people.known, at.targets)
    assert 0.25 < at.found(guesses) < 0.8
    assert not guesses[~at.late].any()


def test_three_clones_find_nearly_everybody_whom_nothing_but_noise_protects() -> None:
    at = scene()
    assert at.found(near_clones(3)(CellKeyed(at.engine), at.people.known, at.targets)) > 0.8


def test_a_threshold_is_a_question_without_noise() -> None:
    """k - 1 people who are known and one who may be late: the threshold says which, whatever the noise. Suppression
    is judged on exact numbers, so nothing but the atom rule (or refusing such predicates) stands against it."""
    at = scene()
    for releaser in (PlainThreshold(at.engine), CellKeyed(at.engine)):
        assert (threshold_probe(releaser, at.people.known, at.targets[:100]) == at.late[:100]).all()


def test_a_sweep_over_persons_is_a_tracker_for_each() -> None:
    at = scene()
    targets = tuple(int(one) for one in np.flatnonzero(at.people.known.district == 3))
    late = at.people.late[list(targets)]
    assert (sweep_of_persons(PlainThreshold(at.engine), at.people.known, targets) == late).all()
    guesses = sweep_of_persons(CellKeyed(at.engine), at.people.known, targets)
    assert 0.3 < guesses[late].mean() < 0.7


def right_grades(releaser: Releaser) -> float:
    at = scene()
    targets = at.targets[:60]
    guesses = sweep_of_values(releaser, at.people.known, targets, GRADES)
    return float(np.mean([guess == at.people.grade[target] for target, guess in zip(targets, guesses, strict=True)]))


def test_a_sweep_over_a_small_domain_finds_the_value() -> None:
    at = scene()
    assert right_grades(PlainThreshold(at.engine)) == 1
    assert 0.3 < right_grades(CellKeyed(at.engine)) < 0.7


def known_incomes(releaser: Releaser) -> float:
    """How many incomes are found to a tenth by asking for a district's sum with somebody and without."""
    at = scene()
    close = 0
    for target in at.targets[:30]:
        near = f"SELECT sum(income) FROM gov.person WHERE district = {at.people.known.district[target]}"
        whole, rest = releaser.ask([near, f"{near} AND NOT {at.people.known.only(target)}"])
        assert whole is not None
        assert rest is not None
        income = int(at.people.income[target])
        close += abs(whole - rest - income) * 10 <= income
    return close / 30


def test_a_difference_of_sums_is_an_income_only_beside_a_plain_threshold() -> None:
    at = scene()
    assert SUMS.noise is not None
    assert SUMS.noise.share == Decimal(2)
    assert known_incomes(PlainNumber(at.engine)) == 1
    assert known_incomes(Line(at.engine, SUMS.noise)) < 0.2


def on_a_thousand(attack: Attack, affordable: int) -> float:
    """What an attack gains on a thousand named people if so many of them can be paid for."""
    at = scene(targets=1_000)
    return at.gain_on_targets(within(attack, affordable)(CellKeyed(at.engine), at.people.known, at.targets))


def test_a_thousand_named_people_and_a_tenth_as_many_cells_as_people() -> None:
    """What pairs tell stays within 0.05 of the base rate, since each is paid for. A probe needs one question and is
    always right, so it does not: everybody who is asked about is known. Those who were asked about are found all the
    same, and in a larger dataset the same share of cells is enough for all thousand (`test_defaults`)."""
    cells = 200
    assert on_a_thousand(near_clones(1), cells - 10) <= 0.05
    assert on_a_thousand(near_clones(2), cells // 2 - 10) <= 0.05
    assert on_a_thousand(TRACKERS["complement tracker"], cells - 1) <= 0.05
    assert 0.05 < on_a_thousand(threshold_probe, cells) < 0.08


def test_who_asks_nothing_gains_nothing() -> None:
    """The measure itself: neither below nor above saying the same of everybody."""
    at = scene()
    assert at.gain_on_targets(at.people.known.guess(at.targets)) == pytest.approx(0)

"""Trackers and differencing: numbers of many people that differ by one person.

The names are those of Denning, Denning and Schwartz (1979). Each attack asks pairs of questions whose sets are the
same unless the target is late, and says late where their answers differ. Against exact numbers that is the arithmetic
of the formulae; against noise by set it is more, since equal sets have equal answers for certain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from tests.support.attackers.people import DISTRICTS, Known, Truths
from tests.support.attackers.releasers import Releaser, counts

Attack = Callable[[Releaser, Known, Sequence[int]], Truths]
"""What is guessed of each target: whether it is late."""


def differ(releaser: Releaser, pairs: Sequence[tuple[str, str]]) -> Truths:
    """Whether the numbers of people who satisfy two conditions are both answered and differ, pair by pair."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    answers = dict(zip(texts, counts(releaser, texts), strict=True))
    found = [(answers[one], answers[other]) for one, other in pairs]
    return np.array([None not in pair and pair[0] != pair[1] for pair in found], dtype=bool)


def differencing(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
    """The late of a district with the target and without."""
    pairs = []
    for target in targets:
        near = f"late AND district = {known.district[target]}"
        pairs.append((near, f"{near} AND NOT {known.only(target)}"))
    return differ(releaser, pairs)


def complement_tracker(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
    """All who are late, and those who are late and not the target: one answer is shared by all targets."""
    return differ(releaser, [("late", f"late AND NOT {known.only(target)}") for target in targets])


def individual_tracker(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
    """The target is C = A and B; with T = A and not B, q(C and late) = q(T or (A and late and B)) - q(T)."""
    pairs = []
    for target in targets:
        district = f"district = {known.district[target]}"
        rest = f"(age = {known.age[target]} AND house = {known.house[target]})"
        tracker = f"{district} AND NOT {rest}"
        pairs.append((tracker, f"({tracker}) OR ({district} AND {rest} AND late)"))
    return differ(releaser, pairs)


def general_tracker(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
    """q(C) = q(C or T) + q(C or not T) - q(T) - q(not T), with any T that has 2 k to n - 2 k people."""
    some, others = "house < 150", "house >= 150"
    late = [f"({known.only(target)} AND late)" for target in targets]
    added = differ(releaser, [(some, f"{some} OR {one}") for one in late])
    return added | differ(releaser, [(others, f"{others} OR {one}") for one in late])


def double_tracker(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
    """q(C) = q(U) + q(C or T) - q(T) - q(not (C and T) and U), where T lies in U and neither is nearly everybody."""
    small, large = "house < 100", "house < 250"
    late = [f"({known.only(target)} AND late)" for target in targets]
    added = differ(releaser, [(small, f"{small} OR {one}") for one in late])
    removed = differ(releaser, [(large, f"NOT ({one} AND {small}) AND {large}") for one in late])
    return added | removed


TRACKERS: Final[dict[str, Attack]] = {
    "differencing": differencing,
    "complement tracker": complement_tracker,
    "individual tracker": individual_tracker,
    "general tracker": general_tracker,
    "double tracker": double_tracker,
}


def near_clones(number_of_pairs: int) -> Attack:
    """Gadotti et al. (2019): so many pairs of large sets that differ by the target if it is late, each with noise of
    its own. Where noise is by set, one pair that differs is proof."""

    def attack(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
        found = np.zeros(len(targets), dtype=bool)
        for number in range(number_of_pairs):
            bases = [_clone(known, target, number) for target in targets]
            pairs = [
                (f"late AND {base}", f"late AND ({base} OR {known.only(target)})")
                for base, target in zip(bases, targets, strict=True)
            ]
            found |= differ(releaser, pairs)
        return found

    return attack


def _clone(known: Known, target: int, number: int) -> str:
    """A district that is not the target's, a different one for each number: all targets of a district share it."""
    return f"district = {(known.district[target] + 1 + number) % DISTRICTS}"


def threshold_probe(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
    """The target, if it is late, beside k - 1 people whom everybody knows: that there is an answer says that it is.

    No noise is in that, for the threshold is judged on exact numbers. One question for each target.
    """
    named = _companions(known, set(targets))
    asked = [f"{named} OR ({known.only(target)} AND late)" for target in targets]
    return np.array([answer is not None for answer in counts(releaser, asked)])


def _companions(known: Known, apart_from: set[int], number: int = 9) -> str:
    chosen = [person for person in range(len(known)) if person not in apart_from][:number]
    return "(" + " OR ".join(known.only(person) for person in chosen) + ")"


def sweep_of_persons(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
    """The late of a district up to each of its people, in order of age and house, with all late of the next district:
    every step is one person."""
    guesses = known.guess(targets)
    places = {target: place for place, target in enumerate(targets)}
    for district in sorted({int(known.district[target]) for target in targets}):
        near = f"late AND (district = {(district + 1) % DISTRICTS} OR (district = {district}"
        inside = np.flatnonzero(known.district == district)
        ordered = inside[np.lexsort((known.house[inside], known.age[inside]))]
        up_to = [f"{near} AND age * 1000 + house < {1000 * known.age[one] + known.house[one]}))" for one in ordered]
        steps = differ(releaser, list(zip(up_to, [*up_to[1:], f"{near}))"], strict=True)))
        for person, step in zip(ordered, steps, strict=True):
            if int(person) in places:
                guesses[places[int(person)]] = step
    return guesses


def sweep_of_values(releaser: Releaser, known: Known, targets: Sequence[int], values: int) -> list[int | None]:
    """The grade of each target: every value that a small domain has is tried beside a district that is not theirs."""
    guesses: list[int | None] = []
    for target in targets:
        base = f"district = {(known.district[target] + 1) % DISTRICTS}"
        tried = [(base, f"{base} OR ({known.only(target)} AND grade = {value})") for value in range(values)]
        found = np.flatnonzero(differ(releaser, tried))
        guesses.append(int(found[0]) if len(found) == 1 else None)
    return guesses


def within(attack: Attack, affordable: int) -> Attack:
    """The attack on as many targets as can be paid for; of the others it says what is said of everybody."""

    def limited(releaser: Releaser, known: Known, targets: Sequence[int]) -> Truths:
        guesses = known.guess(targets)
        guesses[:affordable] = attack(releaser, known, targets[:affordable])
        return guesses

    return limited

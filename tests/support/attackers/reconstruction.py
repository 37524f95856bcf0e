"""Reconstruction: the secret bits of all people at once, from numbers of random subsets (Dinur and Nissim 2003; by
linear program as Cohen and Nissim 2018 did with Diffix).

Subsets are arithmetic over what is known of everybody, so that they are random and yet short predicates. People are
attacked by districts, since small programs are solved in no time and one equation says most of few unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack
from tests.support.attackers.people import Known, Truths
from tests.support.attackers.releasers import Answer, Releaser, counts

Numbers = NDArray[np.float64]
Decode = Callable[[Numbers, Numbers, float], Numbers]
"""From equations (rows of 0 and 1, and the answer of each) and the share that is late: how likely each person is."""

PRIME: Final = 4_001
ERROR: Final = 2.85
"""Standard deviation of noise and random rounding to 5, which everybody may know."""


@dataclass(frozen=True)
class Subset:
    """A random half of a group of people, as a predicate and as the attacker knows it."""

    condition: str
    members: Truths


def random_halves(known: Known, districts: Sequence[int], number: int, seed: int) -> list[Subset]:
    """Halves of these districts, no two alike."""
    random = np.random.default_rng(seed)
    inside = np.isin(known.district, districts)
    everywhere = bool(inside.all())
    where = "" if everywhere else f"district IN ({', '.join(map(str, districts))}) AND "
    found = []
    for _ in range(number):
        by_age, by_house, by_district, start = (int(one) for one in random.integers(1, PRIME, 4))
        mixed = (by_age * known.age + by_house * known.house + by_district * known.district + start) % PRIME
        text = f"({by_age} * age + {by_house} * house + {by_district} * district + {start}) % {PRIME} < {PRIME // 2}"
        found.append(Subset(f"{where}{text}", inside & (mixed < PRIME // 2)))
    return found


def unions_of(
    known: Known, groups: NDArray[np.int64], conditions: Sequence[str], number: int, seed: int
) -> list[Subset]:
    """Random halves of groups that are never divided: `conditions[g]` holds for whom `groups` is g."""
    random = np.random.default_rng(seed)
    found = [Subset(condition, groups == group) for group, condition in enumerate(conditions)][:number]
    for _ in range(number - len(found)):
        chosen = random.permutation(len(conditions))[: len(conditions) // 2]
        text = " OR ".join(conditions[one] for one in chosen)
        found.append(Subset(f"({text})", np.isin(groups, chosen)))
    return found


def by_linear_program(rows: Numbers, answers: Numbers, rate: float) -> Numbers:
    """The bits, relaxed to 0..1, that contradict the answers least, in sum of absolute errors, and are likely.

    What is minimised is the negative logarithm of the likelihood under errors of Laplace's law with this standard
    deviation and under the share that is late. Solved by HiGHS.
    """
    equations, people = rows.shape
    if not equations:
        return np.full(people, rate)
    left = hstack([csr_array(rows), eye_array(equations), -eye_array(equations)])
    cost = [np.full(people, np.log((1 - rate) / rate)), np.full(2 * equations, np.sqrt(2) / ERROR)]
    solved = linprog(
        np.concatenate(cost),
        A_eq=left,
        b_eq=answers,
        bounds=[(0, 1)] * people + [(0, None)] * (2 * equations),
        method="highs",
    )
    assert solved.success, solved.message
    return np.asarray(solved.x[:people], dtype=np.float64)


def by_least_squares(rows: Numbers, answers: Numbers, rate: float) -> Numbers:
    """The best linear estimate, given the share that is late and the variance of the errors."""
    spread = rate * (1 - rate)
    gain = spread * rows.T @ np.linalg.inv(spread * rows @ rows.T + ERROR**2 * np.eye(len(rows)))
    return np.asarray(rate + gain @ (answers - rate * rows.sum(axis=1)), dtype=np.float64)


DECODERS: Final[dict[str, Decode]] = {"linear program": by_linear_program, "least squares": by_least_squares}


def asked(releaser: Releaser, subsets: Sequence[Subset]) -> list[Answer]:
    """How many of each subset are late, as it is answered."""
    return counts(releaser, [f"late AND {subset.condition}" for subset in subsets])


def decoded(known: Known, subsets: Sequence[Subset], answers: Sequence[Answer], decode: Decode) -> Truths:
    """Who is late. Nothing is said of people who are in no subset that was answered but what is said of everybody."""
    kept = [(subset, answer) for subset, answer in zip(subsets, answers, strict=True) if answer is not None]
    guesses = known.guess(range(len(known)))
    if not kept:
        return guesses
    members = np.array([subset.members for subset, _ in kept])
    about = members.any(axis=0)
    numbers = np.array([answer for _, answer in kept], dtype=np.float64)
    guesses[about] = decode(members[:, about].astype(np.float64), numbers, known.rate) > 0.5
    return guesses


def reconstruct(
    releaser: Releaser, known: Known, districts: Sequence[int], questions: int, seed: int = 0
) -> dict[str, Truths]:
    """Who is late, by each decoder, after so many questions about each of these districts."""
    guesses = {name: known.guess(range(len(known))) for name in DECODERS}
    for district in districts:
        subsets = random_halves(known, [district], questions, seed + district)
        answers = asked(releaser, subsets)
        inside = known.district == district
        for name, decode in DECODERS.items():
            guesses[name][inside] = decoded(known, subsets, answers, decode)[inside]
    return guesses

"""The people who are attacked: what everybody knows of them, and what nobody should learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]

DISTRICTS, AGES, HOUSES, GRADES = 10, range(18, 90), range(400), 8


@dataclass(frozen=True)
class Known:
    """Quasi-identifiers: together they single everybody out. `rate` is how many of a hundred are late, which is
    known from one answer."""

    district: Integers
    age: Integers
    house: Integers
    rate: float

    def __len__(self) -> int:
        return len(self.district)

    def only(self, person: int) -> str:
        """A condition that this person alone satisfies."""
        return f"(district = {self.district[person]} AND age = {self.age[person]} AND house = {self.house[person]})"

    def guess(self, people: Sequence[int] | Integers) -> Truths:
        """What is said of people of whom nothing was learnt."""
        return np.full(len(people), self.rate > 0.5)


@dataclass(frozen=True)
class People:
    """What is known, and who is late, which grade they have, what they earn in fen."""

    known: Known
    late: Truths
    grade: Integers
    income: Integers

    @property
    def base(self) -> float:
        """How often somebody is right who says the same of everybody."""
        share = float(self.late.mean())
        return max(share, 1 - share)


def people(seed: int, size: int = 2_000, rate: float = 0.3) -> People:
    """So many people in ten districts of equal size; secrets are independent of what is known."""
    random = np.random.default_rng(seed)
    each = size // DISTRICTS
    places = np.concatenate([random.choice(len(AGES) * len(HOUSES), each, replace=False) for _ in range(DISTRICTS)])
    known = Known(
        np.repeat(np.arange(DISTRICTS), each), AGES.start + places // len(HOUSES), places % len(HOUSES), rate
    )
    return People(
        known,
        random.random(size) < rate,
        random.integers(0, GRADES, size),
        random.integers(100_000, 2_000_000, size),
    )


def accuracy(guesses: NDArray[np.generic], truth: NDArray[np.generic]) -> float:
    """How many of the guesses are right."""
    return float((guesses == truth).mean())

"""Who is attacked in a test, and what the platform would let leave of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from tests.support.attackers.people import People, Truths, people
from tests.support.attackers.releasers import Engine


@dataclass(frozen=True)
class Scene:
    """People, the engine that has their rows, and some whose names the attacker has."""

    people: People
    engine: Engine
    targets: tuple[int, ...]

    @property
    def late(self) -> Truths:
        """Which of the targets are late."""
        return self.people.late[list(self.targets)]

    def gain(self, guesses: Truths) -> float:
        """By how much guesses about all people are better than saying the same of everybody."""
        return float((guesses == self.people.late).mean()) - self.people.base

    def gain_on_targets(self, guesses: Truths) -> float:
        """The same for guesses about the targets."""
        share = float(self.late.mean())
        return float((guesses == self.late).mean()) - max(share, 1 - share)

    def found(self, guesses: Truths) -> float:
        """How many of the late targets were found."""
        return float(guesses[self.late].mean())


@cache
def scene(seed: int = 1, rate: float = 0.3, size: int = 2_000, targets: int = 150) -> Scene:
    """Tests only read it."""
    made = people(seed, size, rate)
    chosen = np.random.default_rng(seed).choice(size, targets, replace=False)
    return Scene(made, Engine(made), tuple(int(one) for one in chosen))

"""Where noise comes from: an argument of every mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol


class Sampler(Protocol):
    """Independent draws, exactly distributed. A scale is a number that a double holds exactly (`noise.granted`)."""

    def discrete_laplace(self, scale: Fraction, draws: int) -> Sequence[int]:
        """Draws with a chance in proportion to e^(-|x| / scale)."""

    def discrete_gaussian(self, scale: Fraction, draws: int) -> Sequence[int]:
        """Draws with a chance in proportion to e^(-x^2 / (2 scale^2))."""

"""How much a score tells of what it is added up of, counted over all combinations of points.

A score is a sum of one number for each feature. In how many ways each score comes about is a product of polynomials,
one for each feature, with the points as exponents; leaving a feature out is a division. Both are done exactly on
integers that hold all coefficients side by side (Kronecker's substitution), so that hundreds of thousands of scores
take seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gmpy2 import mpz

MOST_WORK = 1 << 23
"""Words of coefficients that are gone through at most: some ten seconds. Twenty features may have 400,000 scores."""

_WORD = 64


class TooWide(Exception):
    """There are more different scores than can be gone through."""


class Telling:
    """What the scores of a card tell. Points that several bins of a feature share count once: that such bins look the
    same is no company for other combinations.

    Raises ``TooWide``.
    """

    def __init__(self, points: Sequence[Sequence[int]]) -> None:
        lowest = [min(of) for of in points]
        self._steps = [sorted({each - low for each in of}) for of, low in zip(points, lowest, strict=True)]
        self._combinations = math.prod(map(len, self._steps))
        self._words = self._combinations.bit_length() // _WORD + 1
        scores = 1 + sum(of[-1] for of in self._steps)
        if scores * self._words * (1 + len(self._steps)) > MOST_WORK:
            raise TooWide
        self._whole = mpz(1)
        for of in self._steps:
            self._whole *= self._packed(of)

    def lonely(self, crowd: int) -> float:
        """The share of all combinations that have their score with fewer than ``crowd`` in all, 0 to 1."""
        return sum(count for count in self._counts(self._whole) if count < crowd) / self._combinations

    def of_features(self) -> tuple[float, ...]:
        """For each feature the share of its entropy that a score tells, 0 to 1 (mutual information over entropy, each
        combination as likely as any other); 0 where all its points are the same.

        Given the feature, a score is as uncertain as the score of all the others: so the mutual information is the
        entropy of scores less that of scores without the feature.
        """
        whole = self._entropy(self._whole)
        return tuple(
            (whole - self._entropy(self._whole // self._packed(of))) / math.log2(len(of)) if len(of) > 1 else 0.0
            for of in self._steps
        )

    def _packed(self, steps: Sequence[int]) -> mpz:
        one, width = mpz(1), self._words * _WORD
        return sum((one << width * step for step in steps), mpz(0))

    def _counts(self, packed: mpz) -> list[int]:
        """The coefficients that are not zero."""
        size = self._words * _WORD // 8
        content = int(packed).to_bytes(-(-packed.bit_length() // (8 * size)) * size, "little")
        found = (int.from_bytes(content[at : at + size], "little") for at in range(0, len(content), size))
        return [count for count in found if count]

    def _entropy(self, packed: mpz) -> float:
        """In bits."""
        counts = self._counts(packed)
        total = sum(counts)
        return math.log2(total) - math.fsum(count * math.log2(count) for count in counts) / total

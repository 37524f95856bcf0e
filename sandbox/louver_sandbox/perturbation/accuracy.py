"""How far a released count can be from the true one: exact statements from the table alone.

A statement depends on the released value and on public settings, never on the true count, so it may be published.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import Final

from louver_sandbox.perturbation.keys import CellKey
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode, rounded
from louver_sandbox.perturbation.table import KEYS, PerturbationTable

CONFIDENCE: Final = Fraction(95, 100)
_DIGITS: Final = 3
_NO_KEY: Final = CellKey(bytes(64))


@dataclass(frozen=True, slots=True)
class Statement:
    """Whatever the true count is, `low`..`high` holds it with at least the confidence, over the draw of keys.

    `standard_error` is the root of the mean squared error of released counts, the largest over the counts in the
    interval, rounded up.
    """

    low: int
    high: int
    standard_error: Decimal


@dataclass(frozen=True)
class Accuracy:
    """The statements for one table and rounding. Made by `accuracy`."""

    statements: tuple[Statement | None, ...]
    """For each released count; None for those that no true count gives. Beyond them they repeat, moved along."""
    period: int

    def of(self, released: int) -> Statement:
        """What a released count says of the true one: those counts that would be released as near as this.

        A true count of 1..k-1 is withheld and none of them.

        Raises:
            ValueError: no true count is released as this.
        """
        beyond = released - len(self.statements)
        moved = 0 if beyond < 0 else (beyond // self.period + 1) * self.period
        statement = self.statements[released - moved] if released >= 0 else None
        if statement is None:
            raise ValueError("no count is released as this")
        return (
            Statement(statement.low + moved, statement.high + moved, statement.standard_error) if moved else statement
        )


def accuracy(
    table: PerturbationTable, rounding: Rounding | None = None, confidence: Fraction = CONFIDENCE
) -> Accuracy:
    """The statements for a table and the rounding that follows it. Computed once per policy.

    What a count is released as depends, beyond the table's last row, on its remainder by twice the base only (twice,
    since halves are rounded to even).
    """
    period = 1 if rounding is None else 2 * rounding.base
    first = [
        _spread(count, released(table, rounding, count), confidence)
        for count in range(table.terms.last_count + period)
    ]
    reach = max(distance for distance, _ in first)
    spreads = first + [first[-period + n % period] for n in range(2 * reach + period)]
    k = table.terms.threshold
    statements = []
    for value in range(table.terms.last_count + reach + period):
        near = range(max(0, value - reach), value + reach + 1)
        possible = [n for n in near if (n == 0 or n >= k) and abs(value - n) <= spreads[n][0]]
        error = max((spreads[n][1] for n in possible), default=Fraction(0))
        statements.append(Statement(possible[0], possible[-1], _root(error)) if possible else None)
    return Accuracy(tuple(statements), period)


def released(table: PerturbationTable, rounding: Rounding | None, count: int) -> Mapping[int, Fraction]:
    """The distribution of what is released for a true count, over uniform keys. Random rounding as if unbiased."""
    found: dict[int, Fraction] = defaultdict(Fraction)
    row = table.row(count)
    for step, weight in zip(row.noise, row.weights, strict=True):
        for value, chance in _rounded(count + step, rounding):
            found[value] += chance * weight / KEYS
    return {value: chance for value, chance in found.items() if chance}


@cache
def _rounded(value: int, rounding: Rounding | None) -> tuple[tuple[int, Fraction], ...]:
    if rounding is None:
        return ((value, Fraction(1)),)
    if rounding.mode is RoundingMode.NEAREST:
        return ((rounded(value, rounding, _NO_KEY), Fraction(1)),)
    rest = value % rounding.base
    up = Fraction(rest, rounding.base)
    return ((value - rest, 1 - up), (value - rest + rounding.base, up))


def _spread(count: int, distribution: Mapping[int, Fraction], confidence: Fraction) -> tuple[int, Fraction]:
    squares = sum((chance * (value - count) ** 2 for value, chance in distribution.items()), Fraction(0))
    by_distance: dict[int, Fraction] = defaultdict(Fraction)
    for value, chance in distribution.items():
        by_distance[abs(value - count)] += chance
    return _least_distance(sorted(by_distance.items()), confidence), squares


def _least_distance(chances: Iterable[tuple[int, Fraction]], confidence: Fraction) -> int:
    within, last = Fraction(0), 0
    for distance, chance in chances:
        if within >= confidence:
            break
        within, last = within + chance, distance
    return last


def _root(square: Fraction) -> Decimal:
    """The square root, rounded up to `_DIGITS` digits after the point."""
    scaled = -(-square.numerator * 10 ** (2 * _DIGITS) // square.denominator)
    root = isqrt(scaled)
    return Decimal(root + (root * root < scaled)).scaleb(-_DIGITS)

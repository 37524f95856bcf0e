"""Checks a table against its terms with exact numbers, sharing no code with the solver and trusting nothing of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, DecimalException
from fractions import Fraction
from itertools import pairwise

from louver_sandbox.perturbation.entropy import entropy, entropy_bound
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.table import KEYS, MagnitudeTable, NoiseRow, NoiseTerms, PerturbationTable

MOST_EXCESS = Fraction(1, 1 << 20)
"""How far a row's variance may be from V by rounding to whole weights."""

MOST_GAP = Decimal("1e-6")
"""How many nats of entropy a row may lack by rounding to whole weights."""


def verified(table: PerturbationTable) -> PerturbationTable:
    """The table, when all faults are absent.

    Raises:
        PerturbationRefused: TABLE_UNSOUND, with the first fault.
    """
    for fault in faults(table):
        raise _unsound(fault)
    return table


def verified_for_magnitudes(table: MagnitudeTable) -> MagnitudeTable:
    """The table, when all faults are absent. Raises as `verified` does."""
    if table.terms.threshold != 1:
        raise _unsound("a magnitude has no threshold of its own")
    for fault in _row_faults(table.terms, table.terms.last_count, table.row):
        raise _unsound(fault)
    return table


def faults(table: PerturbationTable) -> Iterator[str]:
    """Everything that is wrong with a table: its shape, then each row."""
    if len(table.rows) != table.terms.last_count + 1:
        yield f"{len(table.rows)} rows for counts from 0 to {table.terms.last_count}"
        return
    for count, row in enumerate(table.rows):
        yield from (f"count {count}: {fault}" for fault in _row_faults(table.terms, count, row))


def _unsound(fault: str) -> PerturbationRefused:
    return PerturbationRefused(
        Reason.TABLE_UNSOUND, f"the perturbation table is unsound: {fault}", f"扰动表不成立：{fault}"
    )


def _row_faults(terms: NoiseTerms, count: int, row: NoiseRow) -> Iterator[str]:
    if len(row.noise) != len(row.weights) or any(a >= b for a, b in pairwise(row.noise)):
        yield "noise values and weights do not match"
        return
    if any(weight < 0 for weight in row.weights) or sum(row.weights) != KEYS:
        yield "the weights are not a distribution"
        return
    for step in row.noise:
        result = count + step
        if abs(step) > terms.maximum or result < 0 or 0 < result < terms.threshold or (count == 0 and step):
            yield f"noise of {step} is not allowed"
            return
    if row.mean != 0:
        yield f"the mean is {row.mean}"
    yield from _spread_faults(terms, count, row)


def _spread_faults(terms: NoiseTerms, count: int, row: NoiseRow) -> Iterator[str]:
    """Variance, entropy and form.

    Where k lies above the count, noise is -i or at least k - i, so (v + i)(v - (k - i)) is never negative and mean
    zero makes the variance at least i (k - i). Where that exceeds V, the least variance is what is asked for.
    """
    least = max(0, count * (terms.threshold - count))
    if count == 0 or least >= terms.variance:
        if abs(row.variance - least) > MOST_EXCESS:
            yield f"the variance is {float(row.variance)} and could be {least}"
        return
    if row.variance > terms.variance + MOST_EXCESS:
        yield f"the variance {float(row.variance)} exceeds V"
    if count >= terms.last_count:
        if row.variance < terms.variance - MOST_EXCESS:
            yield f"the variance {float(row.variance)} is less than V"
        if row.weights != row.weights[::-1]:
            yield "noise up and noise down are not equally likely"
    if not _single_peaked(_together(row), terms.maximum**2):
        yield "larger noise is likelier than smaller noise"
    yield from _entropy_faults(terms, count, row)


def _entropy_faults(terms: NoiseTerms, count: int, row: NoiseRow) -> Iterator[str]:
    multipliers = row.multipliers
    if multipliers is None:
        yield "nothing certifies its entropy"
        return
    possible = [step for step in range(-terms.maximum, terms.maximum + 1) if _allowed(terms, count + step)]
    try:
        certified = Decimal(multipliers.curvature) >= 0
        gap = entropy_bound(possible, terms.variance, multipliers) - entropy(row)
    except DecimalException:
        certified, gap = False, Decimal(0)
    if not certified or not gap.is_finite():
        yield "the multipliers are no certificate"
    elif gap > MOST_GAP:
        yield "more entropy is possible"


def _allowed(terms: NoiseTerms, result: int) -> bool:
    return result == 0 or result >= terms.threshold


def _together(row: NoiseRow) -> tuple[int, ...]:
    """The weights of the noise values that follow one another; a jump to zero across 1..k-1 stands alone."""
    start = next((n for n in range(1, len(row.noise)) if row.noise[n] - row.noise[n - 1] > 1), 0)
    return row.weights[start:]


def _single_peaked(weights: Sequence[int], slack: int) -> bool:
    """Whether weights rise to one peak and fall; making the mean exact moves a weight by up to D^2, the slack."""
    peak = max(range(len(weights)), key=weights.__getitem__)
    rising, falling = weights[: peak + 1], weights[peak:]
    return all(a <= b + slack for a, b in pairwise(rising)) and all(a + slack >= b for a, b in pairwise(falling))

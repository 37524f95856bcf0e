"""Entropy to fifty digits, without floating point: the same number on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction

from louver_sandbox.perturbation.table import KEYS, Multipliers, NoiseRow

_CONTEXT = Context(prec=50)


def entropy(row: NoiseRow) -> Decimal:
    """The entropy of a row in nats."""
    total = Decimal(0)
    for weight in row.weights:
        if weight:
            share = _CONTEXT.divide(Decimal(weight), Decimal(KEYS))
            total = _CONTEXT.subtract(total, _CONTEXT.multiply(share, _CONTEXT.ln(share)))
    return total


def entropy_bound(support: Sequence[int], variance: Fraction, multipliers: Multipliers) -> Decimal:
    """What the entropy of no distribution over the support with mean zero and at most this variance exceeds.

    Weak Lagrangian duality: ln sum exp(slope v - curvature v^2) + curvature V bounds it for every slope and every
    curvature that is not negative, so the bound holds whoever computed the multipliers.
    """
    slope, curvature = Decimal(multipliers.slope), Decimal(multipliers.curvature)
    partition = Decimal(0)
    for step in support:
        exponent = _CONTEXT.subtract(_CONTEXT.multiply(slope, step), _CONTEXT.multiply(curvature, step * step))
        partition = _CONTEXT.add(partition, _CONTEXT.exp(exponent))
    limit = _CONTEXT.divide(Decimal(variance.numerator), Decimal(variance.denominator))
    return _CONTEXT.add(_CONTEXT.ln(partition), _CONTEXT.multiply(curvature, limit))

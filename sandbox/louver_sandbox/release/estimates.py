"""From the noisy numbers of one cell to its aggregates and their 95 % intervals, in the types of the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.mechanisms.moments import Estimate, Moments, deviation, mean, ratio, variance
from louver_sandbox.mechanisms.noise import CONFIDENCE
from louver_sandbox.mechanisms.ranks import Ranks
from louver_sandbox.mechanisms.release import Bounds, Noisy
from louver_sandbox.private_core import PrivateMeasure
from louver_sandbox.release.private_quantiles import estimated
from louver_sandbox.stages import Cell


@dataclass(frozen=True, slots=True)
class Told:
    """A released value and the ends of its interval, each in the type of its column."""

    value: Cell
    low: Cell
    high: Cell


def told(measure: PrivateMeasure, numbers: Mapping[str, Noisy], confidence: Fraction = CONFIDENCE) -> Told:
    """One aggregate of a cell, with an interval of this confidence; those of the numbers themselves are of it
    already. ValueError for a kind that no mechanism has."""
    unit = Fraction(1, 10**measure.digits)
    match measure.kind:
        case "count" | "units":
            found = _of(numbers[measure.count])
        case "sum":
            found = _times(_of(numbers[measure.total]), unit)
        case "average":
            found = _times(_average(measure, numbers, confidence), unit)
        case "var_pop" | "var_samp":
            found = _times(_spread(measure, numbers, confidence), unit * unit)
        case "stddev_pop" | "stddev_samp":
            found = _times(deviation(_spread(measure, numbers, confidence)), unit)
        case _:
            raise ValueError("a measure of no known kind")
    return _typed(found, measure.type)


def quantile_told(measure: PrivateMeasure, ranks: Ranks | None, confidence: Fraction = CONFIDENCE) -> Told:
    """One quantile of a cell; nothing where the cell has no ranks."""
    return Told(None, None, None) if ranks is None else _typed(estimated(measure, ranks, confidence), measure.type)


def _typed(found: Estimate, type_: Type) -> Told:
    ends = (in_type(found.low, type_, ROUND_FLOOR), in_type(found.high, type_, ROUND_CEILING))
    return Told(in_type(found.value, type_, ROUND_HALF_EVEN), *ends)


def _of(number: Noisy) -> Estimate:
    return Estimate(Fraction(number.value), Fraction(number.low), Fraction(number.high))


def _moments(measure: PrivateMeasure, numbers: Mapping[str, Noisy]) -> Moments:
    """Values less the centre that the worker took away, between their bounds less the same."""
    bounds = Bounds(measure.low, measure.high)
    count, total = numbers[measure.count], numbers[measure.total]
    squares = numbers[measure.squares] if measure.squares else None
    return Moments(bounds, count, total, squares)


def _average(measure: PrivateMeasure, numbers: Mapping[str, Noisy], confidence: Fraction) -> Estimate:
    """Of values less the centre of their bounds, or of values as they are where their sum is asked for as well."""
    bounds = Bounds(measure.low, measure.high)
    if measure.centre == bounds.centre:
        return mean(_moments(measure, numbers), confidence)
    if measure.centre:
        raise ValueError("values less another centre than that of their bounds")
    return ratio(numbers[measure.total], numbers[measure.count], bounds, confidence)


def _spread(measure: PrivateMeasure, numbers: Mapping[str, Noisy], confidence: Fraction) -> Estimate:
    return variance(_moments(measure, numbers), measure.kind.endswith("samp"), confidence)


def _times(found: Estimate, factor: Fraction) -> Estimate:
    return Estimate(found.value * factor, found.low * factor, found.high * factor)


def in_type(value: Fraction, type_: Type, rounding: str) -> Cell:
    """The number in its column's type; the ends of intervals are rounded outwards."""
    match type_.kind:
        case Kind.INTEGER:
            return int(_decimal(value, 0, rounding))
        case Kind.DECIMAL:
            return _decimal(value, type_.scale, rounding)
        case _:
            near = float(value)
            if rounding == ROUND_FLOOR and Fraction(near) > value:
                return math.nextafter(near, -math.inf)
            if rounding == ROUND_CEILING and Fraction(near) < value:
                return math.nextafter(near, math.inf)
            return near


def _decimal(value: Fraction, scale: int, rounding: str) -> Decimal:
    scaled = value * 10**scale
    whole = {
        ROUND_FLOOR: math.floor,
        ROUND_CEILING: math.ceil,
    }.get(rounding, round)(scaled)
    with localcontext() as context:
        context.prec = 60
        return Decimal(whole).scaleb(-scale)

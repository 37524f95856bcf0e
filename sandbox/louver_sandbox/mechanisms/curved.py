"""Intervals of what is computed smoothly from several released numbers of independent noise: products, quotients and
differences of averages.

Let Y = y + S e with e of independent standard Gaussians, S the scales, f smooth, and B the ball |S^-1 (x - Y)| <= z.
The interval is f(B): a value v is in it exactly where the surface f = v comes within z of Y in units of noise, so the
true v = f(y) is missed where Y is farther than z from the surface that y lies on. For a plane that has the chance
alpha(z) of one Gaussian beyond z, however many numbers there are (for a quotient of two it is Fieller's set). For a
surface that leaves its tangent plane at y by h(t), t being the part of e along that plane and u the part across it,

    |Y - surface| <= |u - h(t)|,   P(|u - h| > z) <= alpha(z) + 0.13 h^2   for z >= 1.96,

since the second derivative of the left side by h is (z - h) phi(z - h) + (z + h) phi(z + h) <= 0.26 and the first
is 0 at h = 0. To the second order h = t' K t / 2 |g| with g = S grad f and K the part of S (Hess f) S along the
plane, so E h^2 = (2 |K|^2 + (tr K)^2) / (4 |g|^2), and z is taken where alpha(z) + 0.13 E h^2 is what may be missed.
Terms of the third order are neglected, and curvature is measured at Y and not at y; so that intervals hold is tested,
down to where `of_curve` gives up. They are as wide as those of the Gaussian that f(Y) nearly is.

Where it gives up another interval is shown: that of a larger ball, or of a box of every number's own. It need not
hold f(B): the sides of a box of two are 2.24 deviations, and z is up to 2.50 just before it gives up. So that both
together miss in less than 5 of 100 is measured (ADR 51) and not proved.

Roundings inside f are carried by the first derivative, as far as the value may be from the rounded one. That says
nothing where it is no small part of the noise and what follows bends: there it gives up as well.

Noise is discrete: each number is a rounded Gaussian but for the chance stated in `mechanisms.joint`, so half a step
of each is added as far as f follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from statistics import NormalDist
from typing import Final, TypeVar

from louver_sandbox.mechanisms.joint import Spread, lost
from louver_sandbox.mechanisms.noise import CONFIDENCE

_BEND: Final = 0.13
_LEAST_MISSED: Final = 0.0125
"""Where bends leave less than this to be missed, the other interval is hardly wider."""
_ROUNDS: Final = 8
_NEAR: Final = 1e-4
_CLEAR: Final = 2.5
"""So many standard deviations of its noise a divisor has to be away from nothing."""
_FAINT: Final = 0.01
"""The part of its noise that roundings may have moved a number by, where what follows bends: what they do to the
second order is the square of it."""

Pair = tuple[str, str]
Key = TypeVar("Key", str, Pair)


class NotSmooth(ArithmeticError):
    """Nothing is said where a divisor may be nothing, or what is rounded is bent."""


@dataclass(frozen=True, slots=True)
class Jet:
    """A number, its first and second derivatives by the released numbers it is computed from (pairs in the order of
    their names; none are kept without `bends`), and how far roundings may have moved it."""

    value: float
    slopes: Mapping[str, float]
    bends: Mapping[Pair, float] | None = None
    slack: float = 0.0

    def through(self, value: float, first: float, second: float, slack: float = 0.0) -> Jet:
        """A function of it, by its value and derivatives here."""
        slopes = {name: first * one for name, one in self.slopes.items()}
        if self.bends is None:
            return Jet(value, slopes, None, abs(first) * self.slack + slack)
        bends = {pair: first * one for pair, one in self.bends.items()}
        _add_products(bends, self.slopes, self.slopes, second / 2)
        return Jet(value, slopes, bends, abs(first) * self.slack + slack)

    def plus(self, other: Jet, factor: float = 1.0) -> Jet:
        """The sum of it and a multiple of another."""
        slack = self.slack + abs(factor) * other.slack
        value, slopes = self.value + factor * other.value, _sum(self.slopes, other.slopes, factor)
        if self.bends is None or other.bends is None:
            return Jet(value, slopes, None, slack)
        return Jet(value, slopes, _sum(self.bends, other.bends, factor), slack)

    def times(self, other: Jet) -> Jet:
        """Their product."""
        a, b = self.value, other.value
        slopes = _sum({name: b * one for name, one in self.slopes.items()}, other.slopes, a)
        slack = abs(a) * other.slack + abs(b) * self.slack + self.slack * other.slack
        if self.bends is None or other.bends is None:
            return Jet(a * b, slopes, None, slack)
        bends = _sum({pair: b * one for pair, one in self.bends.items()}, other.bends, a)
        _add_products(bends, self.slopes, other.slopes, 1.0)
        return Jet(a * b, slopes, bends, slack)

    def inverted(self) -> Jet:
        """One over it."""
        if self.value == 0:
            raise NotSmooth
        one = 1 / self.value
        return self.through(one, -one * one, 2 * one**3)


def _sum(left: Mapping[Key, float], right: Mapping[Key, float], factor: float) -> dict[Key, float]:
    found = dict(left)
    for key, one in right.items():
        found[key] = found.get(key, 0.0) + factor * one
    return found


def _add_products(bends: dict[Pair, float], left: Mapping[str, float], right: Mapping[str, float], by: float) -> None:
    """Adds the symmetric matrix of both slopes' products, the diagonal whole and each other pair once."""
    for one, a in left.items():
        for other, b in right.items():
            pair = (one, other) if one <= other else (other, one)
            bends[pair] = bends.get(pair, 0.0) + by * a * b * (2 if one == other else 1)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where a function is looked at, and the reach of noise there: what divisors must be clear of."""

    values: Mapping[str, float]
    spreads: Mapping[str, Spread]
    with_bends: bool = False

    def jet(self, name: str) -> Jet:
        """A released number."""
        return Jet(self.values[name], {name: 1.0}, {} if self.with_bends else None)

    def constant(self, value: float) -> Jet:
        """What is exact."""
        return Jet(value, {}, {} if self.with_bends else None)

    def divided(self, above: Jet, below: Jet) -> Jet:
        """A quotient. NotSmooth where the divisor may be nothing, or roundings are bent."""
        self.clear(below)
        self.faint(below)
        return self.product(above, below.inverted())

    def product(self, left: Jet, right: Jet) -> Jet:
        """A product. NotSmooth where either side is noisy and the other rounded by more than little."""
        for one, other in ((left, right), (right, left)):
            if other.slopes:
                self.faint(one)
        return left.times(right)

    def clear(self, jet: Jet) -> None:
        """Raises NotSmooth where noise may have a number be nothing, or change its sign."""
        if abs(jet.value) <= _CLEAR * self._noise(jet) + jet.slack:
            raise NotSmooth

    def faint(self, jet: Jet) -> None:
        """Raises NotSmooth where roundings move a number by more than little beside its noise, or a number without
        noise by more than little of itself: it may be added and multiplied by what is exact, nothing else."""
        reach = self._noise(jet) if jet.slopes else min(1.0, abs(jet.value))
        if jet.slack > _FAINT * reach:
            raise NotSmooth

    def _noise(self, jet: Jet) -> float:
        return sqrt(sum((self.spreads[name].scale * one) ** 2 for name, one in jet.slopes.items()))


Function = Callable[[Numbers], Jet]


def of_curve(
    function: Function,
    numbers: Mapping[str, Fraction],
    spreads: Mapping[str, Spread],
    confidence: Fraction = CONFIDENCE,
) -> tuple[Fraction, Fraction] | None:
    """The interval of a smooth function of released numbers; None where it bends too much for the noise, or divides
    by what may be nothing."""
    centre = {name: float(one) for name, one in numbers.items()}
    try:
        here = function(Numbers(centre, spreads, with_bends=True))
        missed = float(1 - confidence) - lost([one.scale / one.step for one in spreads.values()])
        missed -= _BEND * _bent(here, spreads)
        if missed < _LEAST_MISSED:
            return None
        z = NormalDist().inv_cdf(1 - missed / 2)
        ends = [_end(function, here, centre, spreads, sign * z) for sign in (-1.0, 1.0)]
    except ArithmeticError:
        return None
    low, high = min(here.value, ends[0]), max(here.value, ends[1])
    return Fraction(low), Fraction(high)


def _bent(here: Jet, spreads: Mapping[str, Spread]) -> float:
    """The mean square of what the surface leaves its tangent plane by, in units of noise."""
    slopes = {name: spreads[name].scale * one for name, one in here.slopes.items()}
    square = sum(one * one for one in slopes.values())
    if not square:
        raise NotSmooth
    whole = trace = across = 0.0
    column = dict.fromkeys(slopes, 0.0)
    for (one, other), bend in (here.bends or {}).items():
        scaled = bend * spreads[one].scale * spreads[other].scale
        column[one] += scaled * slopes[other]
        if one == other:
            whole, trace, across = whole + scaled**2, trace + scaled, across + scaled * slopes[one] ** 2
        else:
            column[other] += scaled * slopes[one]
            whole, across = whole + 2 * scaled**2, across + 2 * scaled * slopes[one] * slopes[other]
    across /= square
    along = whole - 2 * sum(one * one for one in column.values()) / square + across**2
    return (2 * max(0.0, along) + (trace - across) ** 2) / (4 * square)


def _end(
    function: Function, here: Jet, centre: Mapping[str, float], spreads: Mapping[str, Spread], z: float
) -> float:
    """The farthest value in the ball, downwards for a z below nothing; NotSmooth where it is not found."""
    jet, last = here, here.value
    for _ in range(_ROUNDS):
        length = sqrt(sum((spreads[name].scale * one) ** 2 for name, one in jet.slopes.items()))
        if not length:
            raise NotSmooth
        at = {
            name: value + z * spreads[name].scale ** 2 * jet.slopes.get(name, 0.0) / length
            for name, value in centre.items()
        }
        jet = function(Numbers(at, spreads))
        moved, last = abs(jet.value - last), jet.value
        if moved <= _NEAR * abs(last - here.value):
            steps = sum(abs(one) * spreads[name].step / 2 for name, one in jet.slopes.items())
            reach = abs(last - here.value) * (1 + 2 * _NEAR) + steps + jet.slack
            return here.value + (reach if z > 0 else -reach)
    raise NotSmooth

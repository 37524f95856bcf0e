"""The accountant against OpenDP's own: noise, composition, and from zCDP to (epsilon, delta) and back.

What dp-accounting says of the same is kept in `tests/support/zcdp_figures.py`.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.support.private_worlds import ENTERPRISE, PERSON, charged, planned, rules, world

from louver_sandbox.mechanisms.noise import Sensitivity, gaussian
from louver_sandbox.privacy.conversion import delta_of, epsilon_of, rho_of
from louver_sandbox.privacy.cost import PrivacyCost, composed

dp = pytest.importorskip("opendp.prelude", reason="the extra louver[dp] is not installed")
dp.enable_features("contrib")

NUMBERS = (dp.atom_domain(T=int), dp.absolute_distance(T=int))
DELTAS = [Fraction(1, 10**9), Fraction(1, 10**6), Fraction(1, 100)]
AGREED = 1 + 1e-9


def measured(scale: Fraction) -> object:
    """OpenDP's discrete Gaussian of this scale."""
    return dp.m.make_gaussian(*NUMBERS, scale=float(scale))


@pytest.mark.parametrize("rho", [Fraction(1, 2000), Fraction(1, 8), Fraction(2), Fraction(9)], ids=str)
@pytest.mark.parametrize("delta", DELTAS, ids=str)
def test_epsilon_and_delta_of_a_release_are_those_of_opendp_and_never_less(rho: Fraction, delta: Fraction) -> None:
    noise = gaussian(rho, Sensitivity(1))
    curve = dp.c.make_zCDP_to_approxDP(measured(noise.scale)).map(1)
    epsilon = float(epsilon_of(noise.cost(Sensitivity(1)), delta))
    theirs = curve.epsilon(float(delta))
    assert theirs <= epsilon * (1 + 1e-12)
    assert epsilon <= theirs * AGREED + 1e-11
    assert float(delta_of(noise.cost(Sensitivity(1)), Fraction(theirs))) == pytest.approx(float(delta), rel=1e-6)


@pytest.mark.parametrize("delta", DELTAS, ids=str)
def test_a_budget_is_the_rho_that_opendp_finds_within_it(delta: Fraction) -> None:
    cost = rho_of(Fraction(1), delta)
    scale = (1 / (2 * cost.rho)) ** Fraction(1, 2)
    told = dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*NUMBERS, scale=float(scale))).map(1).epsilon(float(delta))
    assert told == pytest.approx(1.0, rel=1e-9)


def test_several_releases_cost_what_opendp_says_of_their_composition() -> None:
    noises = [gaussian(rho, Sensitivity(1)) for rho in (Fraction(1, 50), Fraction(1, 8), Fraction(3, 7))]
    together = dp.c.make_composition([measured(noise.scale) for noise in noises])
    ours = composed(noise.cost(Sensitivity(1)) for noise in noises)
    assert together.map(1) == pytest.approx(float(ours.rho), rel=1e-12)
    assert float(epsilon_of(ours, DELTAS[1])) == pytest.approx(
        dp.c.make_zCDP_to_approxDP(together).map(1).epsilon(float(DELTAS[1])), rel=1e-9
    )


def test_a_question_is_charged_what_opendp_says_of_the_noise_that_it_gets() -> None:
    """The scales of the plan, and what one person changes by the definition of the cut: three rows of 100.00 in fen."""
    allowed = (rules("gov.pay", PERSON, rows=3), rules("gov.pay", ENTERPRISE, exempt="not asked"))
    made = planned(world(), "SELECT count(*), sum(amount) FROM gov.pay", allowed)
    (core,) = (one.private for one in made.cores if one.private is not None)
    rows, total = core.noisy
    told = measured(rows.scale).map(3) + measured(total.scale).map(3 * 10_000)  # type: ignore[attr-defined]
    assert charged(made, PERSON) == PrivacyCost(charged(made, PERSON).rho)
    assert told == pytest.approx(float(charged(made, PERSON).rho), rel=1e-12)

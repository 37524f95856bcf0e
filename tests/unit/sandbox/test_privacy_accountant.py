"""The accountant of differential privacy: conversions against figures of others, bad input, division of a budget."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import inf, nan

import pytest
from tests.support.zcdp_figures import FIGURES

from louver_sandbox.privacy import amounts
from louver_sandbox.privacy.conversion import delta_of, epsilon_of, rho_of
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost, composed, of_pure
from louver_sandbox.privacy.refused import PrivacyRefused, Reason
from louver_sandbox.privacy.split import Wanted, split


@pytest.mark.parametrize(("rho", "delta", "rdp", "gaussian"), FIGURES)
def test_conversions_agree_with_another_accountant(rho: str, delta: str, rdp: float, gaussian: float) -> None:
    """As tight as the other's best order, and never below what a mechanism of this cost truly loses."""
    found = float(epsilon_of(PrivacyCost(Fraction(rho)), Fraction(delta)))
    assert gaussian < found <= rdp + 1e-11
    assert found == pytest.approx(rdp, rel=1e-6)


@pytest.mark.parametrize(("rho", "delta", "rdp", "gaussian"), FIGURES)
def test_conversions_lose_nothing_and_give_nothing(rho: str, delta: str, rdp: float, gaussian: float) -> None:
    """Forth and back: never more than before, and hardly less."""
    cost, stated = PrivacyCost(Fraction(rho)), epsilon_of(PrivacyCost(Fraction(rho)), Fraction(delta))
    back = rho_of(stated - Fraction(1, 10**12), Fraction(delta))
    assert cost.rho * (1 - Fraction(1, 10**6)) <= back.rho <= cost.rho
    assert Fraction(delta) * (1 - Fraction(1, 10**6)) <= delta_of(cost, stated) <= Fraction(delta)


def test_what_thresholds_spend_of_delta_is_not_there_for_the_conversion() -> None:
    delta, part = Fraction(1, 10**6), Fraction(1, 10**7)
    alone, beside = (epsilon_of(PrivacyCost(Fraction(1, 8), spent), delta) for spent in (Fraction(0), part))
    assert beside == epsilon_of(PrivacyCost(Fraction(1, 8)), delta - part) > alone
    assert rho_of(Fraction(1), delta, part).delta == part
    with pytest.raises(PrivacyRefused) as refused:
        epsilon_of(PrivacyCost(Fraction(1, 8), delta), delta)
    assert refused.value.reason is Reason.DELTA_SPENT


def test_pure_epsilon_costs_half_its_square_and_nothing_costs_nothing() -> None:
    assert of_pure(Fraction(1, 10)) == PrivacyCost(Fraction(1, 200))
    assert epsilon_of(NOTHING, Fraction(1, 10**9)) == 0
    assert delta_of(NOTHING, Fraction(0)) == 0
    assert composed([]) == NOTHING


def test_ten_tenths_are_one() -> None:
    """In floats they are not, and a budget of one would let an eleventh through or stop the tenth."""
    assert composed([PrivacyCost(Fraction(1, 10))] * 10) == PrivacyCost(Fraction(1))


BAD = [
    *(-1, 0, -0.5, 0.5, nan, inf, -inf, True, None, "1", "0.1", "NaN", b"1", [1], 1j),
    *map(Decimal, ("NaN", "sNaN", "Infinity", "-Infinity", "-1", "0", "1E-19", "1E+999999", "21")),
    *(10**400, 21, Fraction(1, 3**100), Fraction(-1, 2)),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(bad)[:12])
def test_bad_epsilons_are_refused_by_name(bad: object) -> None:
    with pytest.raises(PrivacyRefused) as refused:
        amounts.epsilon(bad)
    assert refused.value.reason in {Reason.NOT_EXACT, Reason.EPSILON_OUT_OF_RANGE}
    assert refused.value.message_zh


@pytest.mark.parametrize("bad", [*BAD, 1, Fraction(3, 4)], ids=lambda bad: str(bad)[:12])
def test_bad_deltas_are_refused_by_name(bad: object) -> None:
    with pytest.raises(PrivacyRefused) as refused:
        amounts.delta(bad)
    assert refused.value.reason in {Reason.NOT_EXACT, Reason.DELTA_OUT_OF_RANGE}


def test_a_delta_above_one_over_the_units_is_refused() -> None:
    assert amounts.delta(Decimal("1E-6"), units=1_000_000) == Fraction(1, 10**6)
    with pytest.raises(PrivacyRefused, match="DELTA_OUT_OF_RANGE"):
        amounts.delta(Decimal("1E-6"), units=1_000_001)


def test_good_amounts_are_what_was_written() -> None:
    assert amounts.epsilon(Decimal("0.1")) == Fraction(1, 10)
    assert amounts.epsilon(20) == 20
    assert amounts.rho(Fraction(1, 8)) == Fraction(1, 8)
    with pytest.raises(PrivacyRefused, match="RHO_OUT_OF_RANGE"):
        amounts.rho(201)


@pytest.mark.parametrize("parts", [(Fraction(-1), Fraction(0)), (Fraction(0), Fraction(-1)), (0.5, Fraction(0))])
def test_a_cost_that_would_give_budget_back_cannot_be_made(parts: tuple[Fraction, Fraction]) -> None:
    with pytest.raises(PrivacyRefused):
        PrivacyCost(*parts)


@pytest.mark.parametrize("delta", [Fraction(0), Fraction(1), Fraction(-1)])
def test_conversions_refuse_what_is_no_delta(delta: Fraction) -> None:
    for convert in (lambda: epsilon_of(NOTHING, delta), lambda: rho_of(Fraction(1), delta)):
        with pytest.raises(PrivacyRefused, match="DELTA_OUT_OF_RANGE"):
            convert()
    for refused in (lambda: rho_of(Fraction(0), Fraction(1, 2)), lambda: delta_of(NOTHING, Fraction(-1))):
        with pytest.raises(PrivacyRefused, match="EPSILON_OUT_OF_RANGE"):
            refused()
    with pytest.raises(PrivacyRefused, match="EPSILON_OUT_OF_RANGE"):
        of_pure(Fraction(-1))


def test_a_budget_is_divided_so_that_all_numbers_are_equally_accurate() -> None:
    numbers = [Wanted("count", 1, Fraction(10_000)), Wanted("sum", 500_000**2, Fraction(3 * 10**9))]
    shares = split(Fraction(1, 50), numbers)
    assert sum(share.rho for share in shares) <= Fraction(1, 50)
    assert float(sum(share.rho for share in shares)) == pytest.approx(0.02)
    assert float(shares[0].relative_error) == pytest.approx(float(shares[1].relative_error), rel=1e-6)
    equally = max((500_000**2 / (2 * 0.01)) ** 0.5 / 3e9, (1 / (2 * 0.01)) ** 0.5 / 1e4)
    assert shares[0].relative_error < equally, "half for each would leave the worse number worse"


def test_a_budget_that_cannot_be_divided_is_refused() -> None:
    for rho, numbers in (
        (Fraction(1), [Wanted("a", 0, Fraction(1))]),
        (Fraction(1), [Wanted("a", 1, Fraction(0))]),
        (Fraction(0), [Wanted("a", 1, Fraction(1))]),
        (Fraction(1, 10**18), [Wanted("a", 1, Fraction(1)), Wanted("b", 1, Fraction(1))]),
    ):
        with pytest.raises(PrivacyRefused):
            split(rho, numbers)

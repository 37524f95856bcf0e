"""Noise by definition: for all sets, settings and tables, however they come."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.perturbation import solve, stored
from louver_sandbox.perturbation.accuracy import accuracy
from louver_sandbox.perturbation.additivity import Limits, Total, restored
from louver_sandbox.perturbation.keys import COUNT, UnitSet, cell_keys, combined
from louver_sandbox.perturbation.magnitudes import Contributed, MagnitudeNoise, MagnitudeTerms
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode, checked, rounded
from louver_sandbox.perturbation.table import NoiseTerms
from louver_sandbox.perturbation.verify import faults

PERSONS = stored.read(stored.supplied(stored.PERSONS))
MAGNITUDES = stored.read_for_magnitudes(stored.supplied(stored.MAGNITUDE))
RECORD_KEYS = st.integers(-(1 << 63), (1 << 63) - 1)


@st.composite
def terms(draw: st.DrawFn) -> NoiseTerms:
    maximum = draw(st.integers(1, 14))
    threshold = draw(st.integers(1, maximum))
    most = Fraction(maximum * (maximum + 1), 3)
    return NoiseTerms(maximum, most * Fraction(draw(st.integers(1, 100)), 100), threshold)


@st.composite
def settings_of_release(draw: st.DrawFn) -> Rounding:
    base = draw(st.sampled_from([5, *range(10, 40)]))
    return checked(Rounding(draw(st.sampled_from(list(RoundingMode))), base), PERSONS.terms)


@given(terms())
@settings(max_examples=40, deadline=None)
def test_whatever_the_terms_the_table_holds_them(given_terms: NoiseTerms) -> None:
    """The check is exact and shares nothing with the solver: zero mean, bounds, no 1..k-1, variance, entropy."""
    table = solve.solved(given_terms)
    assert list(faults(table)) == []
    assert stored.read(stored.written(table)) == table


@given(st.lists(RECORD_KEYS), st.data())
def test_a_set_has_one_key_in_any_order_and_with_any_repetition(keys: list[int], data: st.DataObject) -> None:
    rewritten = data.draw(st.permutations(keys + data.draw(st.lists(st.sampled_from(keys)) if keys else st.just([]))))
    assert combined(rewritten) == combined(keys)


@given(st.sets(RECORD_KEYS, min_size=1, max_size=50), RECORD_KEYS)
def test_a_set_with_a_unit_more_or_less_has_another(keys: set[int], other: int) -> None:
    of = cell_keys(bytes(32), COUNT)
    changed = keys ^ {other}
    one, two = (UnitSet(UnitType.PERSON, len(some), combined(some)) for some in (keys, changed))
    assert of((one,)) != of((two,))


@given(st.integers(0, 10_000), st.sets(RECORD_KEYS, min_size=1), settings_of_release())
def test_a_released_count_is_zero_or_at_least_k_and_near_the_true_one(
    count: int, keys: set[int], rounding: Rounding
) -> None:
    key = cell_keys(bytes(32), COUNT)((UnitSet(UnitType.PERSON, len(keys), combined(keys)),))
    noisy = PERSONS.perturbed(count, key.noise())
    value = rounded(noisy, rounding, key)
    assert abs(noisy - count) <= PERSONS.terms.maximum
    assert abs(value - noisy) < rounding.base
    for some in (noisy, value):
        assert some == 0 or some >= PERSONS.terms.threshold
    if count == 0:
        assert value == 0


@given(st.integers(10, 10_000), settings_of_release())
@settings(max_examples=30, deadline=None)
def test_every_released_count_has_an_interval_around_it(count: int, rounding: Rounding) -> None:
    statements = accuracy(PERSONS, rounding)
    value = rounded(count, rounding, cell_keys(bytes(32), COUNT)(()))
    statement = statements.of(value)
    assert statement.low <= value <= statement.high or value == 0
    assert statement.low == 0 or statement.low >= PERSONS.terms.threshold


@given(
    st.lists(st.integers(0, 10**15), min_size=1, max_size=8),
    st.integers(1, 10**12),
    st.integers(1, 200),
    st.integers(0, (1 << 512) - 1),
)
def test_a_sum_that_cannot_be_negative_stays_so_whatever_the_draw(
    contributions: list[int], flexpoint: int, percent: int, digest: int
) -> None:
    noise = MagnitudeNoise(
        MAGNITUDES, MagnitudeTerms(flexpoint, Fraction(percent, 100), Fraction(1, 100), weights=(Fraction(1),) * 3)
    )
    contributed = Contributed(tuple(sorted(contributions, reverse=True)[:3]), sum(contributions))
    units = UnitSet(UnitType.PERSON, len(contributions), digest & (1 << 64) - 1)
    value = noise.perturbed(sum(contributions), contributed, cell_keys(bytes(32), COUNT)((units,)))
    assert 0 <= value <= 2 * sum(contributions)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[int], list[Total], Limits]:
    base = draw(st.sampled_from([1, 5, 10]))
    value = st.one_of(st.just(0), st.integers(10 // base, 300 // base)).map(lambda count: count * base)
    cells = draw(st.lists(value, min_size=1, max_size=12))
    covered = st.sets(st.integers(0, len(cells) - 1), min_size=1)
    totals = [
        Total(max(0, sum(cells[cell] for cell in some) + base * draw(st.integers(-6, 6))), tuple(sorted(some)))
        for some in draw(st.lists(covered, max_size=6))
    ]
    return cells, totals, Limits(10, base, draw(st.integers(0, 30)))


@given(tables())
def test_a_restored_table_adds_up_and_keeps_its_limits(given_table: tuple[list[int], list[Total], Limits]) -> None:
    cells, totals, limits = given_table
    found = restored(cells, totals, limits)
    assert restored(cells, totals, limits) == found
    for total, value in zip(totals, found.totals, strict=True):
        assert value == sum(found.cells[cell] for cell in total.cells)
        assert value == 0 or value >= limits.threshold
    for old, new in zip(cells, found.cells, strict=True):
        assert (new == 0) == (old == 0)
        assert new == 0 or new >= limits.threshold
        assert new % limits.base == 0
        assert abs(new - old) <= limits.most

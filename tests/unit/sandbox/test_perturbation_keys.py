"""The same set of units has the same noise, however it is asked for; any other set has noise of its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import duckdb
import pytest
from tests.support.engines import fill

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.keys import (
    COUNT,
    MOST_NOISE_WORDS,
    CellKey,
    Statistic,
    StatisticKind,
    UnitSet,
    cell_keys,
    combined,
)
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.publishing.record_keys import record_keys

SECRET = bytes(range(32))
RECORD_KEY = b"k" * 32
UNITS = [f"unit {number}" for number in range(500)]
KEYS = [int(key) for key in record_keys(UNITS, UnitType.PERSON, RECORD_KEY)]
REVENUE = Statistic(StatisticKind.MAGNITUDE, "gov.tax_quarter.revenue")
PINNED = (3_909_759_157, 501_444_559, 9_433_398_977_245_696_802)
CHI_SQUARE_99_9 = 330.5
"""The 99.9 % point of the chi-square distribution with 255 degrees of freedom."""


def persons(keys: list[int]) -> UnitSet:
    return UnitSet(UnitType.PERSON, len(set(keys)), combined(keys))


def key_of(*sets: UnitSet, statistic: Statistic = COUNT, secret: bytes = SECRET) -> CellKey:
    return cell_keys(secret, statistic)(sets)


def test_row_order_and_repeated_rows_make_no_other_key() -> None:
    shuffled = random.Random(4).sample(KEYS * 3, k=len(KEYS) * 3)
    assert persons(shuffled) == persons(KEYS)
    assert key_of(persons(shuffled)) == key_of(persons(KEYS))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_engine_combines_record_keys_as_defined(threads: int) -> None:
    """One row per unit below, as the unit-level partial sums are, then `bit_xor` and a number of units."""
    with duckdb.connect(config={"threads": threads}) as engine:
        engine.execute("CREATE TABLE rows (unit BIGINT, cell INTEGER)")
        rows = [(key, place % 7) for place, key in enumerate(KEYS * 2)]
        fill(engine, "rows", ["BIGINT", "INTEGER"], rows)
        found = engine.execute(
            "SELECT cell, count(*), bit_xor(unit) FROM (SELECT DISTINCT cell, unit FROM rows) GROUP BY cell"
        ).fetchall()
    for cell, units, key in found:
        expected = persons([one for one, place in rows if place == cell])
        assert key_of(UnitSet(UnitType.PERSON, units, key)) == key_of(expected)
    assert len(found) == 7


def test_a_set_that_differs_by_one_unit_has_another_key() -> None:
    whole = key_of(persons(KEYS))
    without_one = {key_of(persons(KEYS[:place] + KEYS[place + 1 :])) for place in range(len(KEYS))}
    assert whole not in without_one
    assert len(without_one) == len(KEYS)


def test_which_side_of_a_join_is_written_first_makes_no_other_key() -> None:
    left, right = persons(KEYS[:40]), persons(KEYS[30:90])
    firms = UnitSet(UnitType.ENTERPRISE, 9, 12345)
    assert len({key_of(*order) for order in ((left, right, firms), (firms, left, right), (right, firms, left))}) == 1
    assert key_of(left, right) != key_of(left)


def test_an_absent_optional_group_makes_no_other_key() -> None:
    assert key_of(persons(KEYS), UnitSet(UnitType.ENTERPRISE, 0, 0)) == key_of(persons(KEYS))


def test_persons_are_not_enterprises_and_the_number_of_units_counts() -> None:
    """Whoever could make record keys cancel would still have to keep their number."""
    one = persons(KEYS[:20])
    others = (replace(one, type=UnitType.ENTERPRISE), replace(one, units=22), replace(one, combined=one.combined ^ 1))
    assert len({key_of(one), *map(key_of, others)}) == 4


def test_engines_give_signed_numbers_and_the_definition_unsigned_ones() -> None:
    one = persons(KEYS[:3])
    signed = one.combined - (1 << 64) if one.combined >> 63 else one.combined
    assert key_of(replace(one, combined=signed)) == key_of(one)


def test_every_count_over_the_same_units_has_the_same_noise_and_each_sum_its_own() -> None:
    """The divisor of an average is the count beside it; two columns say nothing about each other's noise."""
    units = persons(KEYS[:30])
    assert key_of(units, statistic=Statistic(StatisticKind.COUNT)) == key_of(units, statistic=COUNT)
    others = [COUNT, REVENUE, replace(REVENUE, of="gov.tax_quarter.tax"), Statistic(StatisticKind.MAGNITUDE)]
    assert len({key_of(units, statistic=one) for one in others}) == len(others)


def test_another_secret_is_other_noise() -> None:
    assert key_of(persons(KEYS)) != key_of(persons(KEYS), secret=SECRET[::-1])


@pytest.mark.parametrize("secret", [b"", b"x" * 31, b"x" * 33])
def test_a_secret_of_another_length_is_refused(secret: bytes) -> None:
    with pytest.raises(PerturbationRefused) as caught:
        cell_keys(secret, COUNT)
    assert caught.value.reason is Reason.SECRET_TOO_SHORT


def test_a_known_cell_key_stays_what_it_was() -> None:
    """A change of how keys are made is a change of all noise, so it must not happen unnoticed."""
    key = key_of(UnitSet(UnitType.PERSON, 3, 7), UnitSet(UnitType.ENTERPRISE, 2, -9), statistic=REVENUE)
    assert (key.noise(), key.noise(1), key.rounding) == PINNED


def test_the_words_of_a_key_do_not_overlap() -> None:
    key = CellKey(bytes(range(64)))
    words = [key.noise(number).to_bytes(4, "little") for number in range(MOST_NOISE_WORDS)]
    assert b"".join([*words, key.base.to_bytes(8, "little"), key.rounding.to_bytes(8, "little")]) == key.digest


def unlike_sets() -> Iterator[UnitSet]:
    """Sets as a tracker would make them: each one unit more than another."""
    for start in range(20):
        for end in range(start + 1, len(KEYS)):
            yield persons(KEYS[start:end])


def test_draws_over_neighbouring_sets_are_uniform_and_unrelated() -> None:
    """Fixed keys, so this is one computation and no chance; the bound is the 99.9 % point of chi-square."""
    keys = cell_keys(SECRET, COUNT)
    draws = [keys((one,)).noise() for one in unlike_sets()]
    expected = len(draws) / 256
    for shift in (24, 0):
        seen = Counter(draw >> shift & 255 for draw in draws)
        assert sum((seen[value] - expected) ** 2 / expected for value in range(256)) < CHI_SQUARE_99_9
    pairs = Counter((a >> 28) * 16 + (b >> 28) for a, b in pairwise(draws))
    expected = (len(draws) - 1) / 256
    assert sum((pairs[value] - expected) ** 2 / expected for value in range(256)) < CHI_SQUARE_99_9


def test_averaging_ten_thousand_answers_gains_nothing_and_would_with_fresh_noise() -> None:
    """The attack: ask the same of the same units again and again, in another order, with other aliases and twins."""
    table = stored.read(stored.supplied(stored.PERSONS))
    keys, order, units = cell_keys(SECRET, COUNT), random.Random(20), KEYS[:60]
    sticky, fresh = [], []
    for _ in range(10_000):
        rewritten = order.sample(units * 2, k=2 * len(units))
        sticky.append(table.perturbed(60, keys((persons(rewritten),)).noise()))
        fresh.append(table.perturbed(60, order.getrandbits(32)))
    assert len(set(sticky)) == 1
    assert abs(Fraction(sum(fresh), len(fresh)) - 60) < Fraction(1, 10)
    assert len(set(fresh)) > 10

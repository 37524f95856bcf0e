"""Totals beside their parts under noise: each with its own, or made the sums of the parts that leave with them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.noisy import NOISE, ROUNDED, SUMS, ask, count_of, firm
from tests.support.relations import Ran, Row

from louver_sandbox.obligations import RoundingKind
from louver_sandbox.perturbation.additivity import Limits
from louver_sandbox.release.additive import MOST_PARTS, adjusted
from louver_sandbox.release.release import release

assert NOISE.noise is not None
assert SUMS.noise is not None
TOGETHER = replace(NOISE, noise=replace(NOISE.noise, rounding=RoundingKind.CONTROLLED, base=5))
WITH_SUMS = replace(SUMS, noise=replace(SUMS.noise, rounding=RoundingKind.CONTROLLED, base=5))
FIRMS: list[Row] = [firm(number, "ABC"[number % 3], arrears=number % 4 == 0) for number in range(400)]
CUBE = "SELECT section, arrears, count(*) FROM gov.firm GROUP BY CUBE (section, arrears)"
LIMITS = Limits(threshold=5, base=5, most=8)


def cells(ran: Ran) -> dict[tuple[object, object], int]:
    found: dict[tuple[object, object], int] = {}
    for section, arrears, count in ran.release.rows:
        assert isinstance(count, int)
        found[section, arrears] = count
    return found


def adds_up(found: Mapping[tuple[object, object], int | Fraction]) -> bool:
    sums: dict[tuple[object, object], int | Fraction] = defaultdict(int)
    for (section, arrears), count in found.items():
        if section is not None and arrears is not None:
            for key in ((section, None), (None, arrears), (None, None)):
                sums[key] += count
    return all(found[key] == total for key, total in sums.items())


def test_every_total_has_the_noise_of_its_own_units() -> None:
    found = cells(ask(CUBE, FIRMS))
    for (section, arrears), shown in found.items():
        units = [
            str(row["uscc"])
            for row in FIRMS
            if (section is None or row["section"] == section) and (arrears is None or row["arrears"] == arrears)
        ]
        assert shown == count_of(units)
    assert not adds_up(found)


def test_a_total_is_the_same_number_alone_and_beside_its_parts() -> None:
    alone = ask("SELECT count(*) FROM gov.firm", FIRMS, ROUNDED).release.rows[0][0]
    assert cells(ask(CUBE, FIRMS, ROUNDED))[None, None] == alone


@pytest.mark.parametrize("seed", range(10))
def test_with_controlled_rounding_totals_are_the_sums_of_their_parts(seed: int) -> None:
    ran = ask(CUBE, FIRMS, TOGETHER, bytes([seed] * 32))
    found = cells(ran)
    assert adds_up(found)
    assert all(count % 5 == 0 for count in found.values())
    assert ran.codes()["TOTALS_ADD_UP"] < 20
    (one,) = ran.release.accuracy
    true = cells(ask(CUBE, FIRMS, replace(NOISE, noise=None)))
    assert all(abs(true[key] - count) <= int(one.above) for key, count in found.items())


def test_a_total_over_a_withheld_part_is_left_as_it_is() -> None:
    firms = [*FIRMS, *(firm(900 + number, "DE"[number % 2]) for number in range(6))]
    ran = ask("SELECT section, count(*) FROM gov.firm GROUP BY ROLLUP (section)", firms, TOGETHER)
    found = {row[0]: row[1] for row in ran.release.rows}
    assert set(found) == {"A", "B", "C", None}
    alone = ask("SELECT count(*) FROM gov.firm", firms, TOGETHER).release.rows
    assert alone == ((found[None],),)
    assert ran.codes()["TOTALS_ADD_UP"] == 0


def test_what_leaves_beside_a_withheld_measure_is_rounded_too() -> None:
    """In section A one firm holds nearly all revenue, so the average is withheld, and the number of rows is not."""
    firms = [
        firm(number, "AB"[number % 2], revenue="1000000.00" if number == 0 else f"{10 + number % 7}.00")
        for number in range(80)
    ]
    sql = "SELECT section, count(*), avg(revenue) FROM gov.firm GROUP BY ROLLUP (section)"
    for seed in range(8):
        rows = ask(sql, firms, WITH_SUMS, bytes([seed] * 32)).release.rows
        assert {row[2] is None for row in rows} == {True, False}
        assert all(isinstance(row[1], int) and row[1] % 5 == 0 for row in rows)


def test_subjects_in_several_parts_are_never_made_to_add_up() -> None:
    ran = ask("SELECT quarter, count(DISTINCT uscc) FROM gov.return GROUP BY ROLLUP (quarter)", FIRMS, TOGETHER)
    shown = {row[0]: row[1] for row in ran.release.rows}
    total = shown.pop(None)
    assert set(shown.values()) == {total}
    assert "TOTALS_DO_NOT_ADD_UP" in ran.codes()


def test_sets_none_of_which_has_all_keys_are_rounded_by_themselves() -> None:
    sql = "SELECT section, arrears, count(*) FROM gov.firm GROUP BY GROUPING SETS ((section), (arrears))"
    found = cells(ask(sql, FIRMS, TOGETHER))
    plain = ask("SELECT section, count(*) FROM gov.firm GROUP BY section", FIRMS, TOGETHER).release.rows
    assert {(section, None): count for section, count in plain} == {
        key: count for key, count in found.items() if key[0] is not None
    }
    grand = sql.replace("(arrears))", "(arrears), ())")
    assert "TOTALS_DO_NOT_ADD_UP" in ask(grand, FIRMS, TOGETHER).codes()


SUM_CUBE = (
    "SELECT section, arrears, sum(revenue), avg(revenue), count(*) FROM gov.return GROUP BY CUBE (section, arrears)"
)


def sums(ran: Ran, column: int = 2) -> dict[tuple[object, object], Fraction]:
    return {(row[0], row[1]): Fraction(str(row[column])) for row in ran.release.rows}


@pytest.mark.parametrize("seed", range(2))
def test_with_controlled_rounding_sums_are_those_of_their_parts(seed: int) -> None:
    """And averages are made of them."""
    ran = ask(SUM_CUBE, FIRMS, WITH_SUMS, bytes([seed] * 32))
    found = sums(ran)
    assert adds_up(found)
    assert adds_up(sums(ran, 4))
    assert "TOTALS_ADD_UP" in ran.codes()
    for row in ran.release.rows:
        assert float(str(row[3])) == pytest.approx(float(found[row[0], row[1]] / Fraction(str(row[4]))))


def test_what_is_said_of_sums_holds_of_those_of_parts_too() -> None:
    """In proportion to amounts, over 100 draws of keys; a step of its own such a total has none."""
    sql = SUM_CUBE.replace(", avg(revenue), count(*)", "")
    ran = ask(sql, FIRMS, WITH_SUMS)
    said = next(one for one in ran.release.accuracy if one.kind == "sum")
    assert "steps" not in said.message
    within = re.search(r"the true number is within ([\d.]+) times", said.message)
    assert within
    true = sums(ask(sql, FIRMS, replace(WITH_SUMS, noise=None)))
    held: dict[tuple[object, object], int] = defaultdict(int)
    squares: dict[tuple[object, object], Fraction] = defaultdict(Fraction)
    for number in range(100):
        for row in release(ran.execution, secret=number.to_bytes(32)).rows:
            off = Fraction(str(row[2])) - true[row[0], row[1]]
            held[row[0], row[1]] += abs(off) <= Fraction(within[1]) * true[row[0], row[1]]
            squares[row[0], row[1]] += off * off / 100
    assert min(held[key] for key in true) >= 95
    assert all(squares[key] <= (Fraction(said.relative_error) * true[key]) ** 2 for key in true)


def test_a_sum_over_a_withheld_part_keeps_noise_of_its_own() -> None:
    firms = [*FIRMS, *(firm(900 + number, "DE"[number % 2]) for number in range(6))]
    ran = ask("SELECT section, sum(revenue) FROM gov.return GROUP BY ROLLUP (section)", firms, WITH_SUMS)
    found = {row[0]: row[1] for row in ran.release.rows}
    assert set(found) == {"A", "B", "C", None}
    assert ask("SELECT sum(revenue) FROM gov.return", firms, WITH_SUMS).release.rows == ((found[None],),)


def test_sums_rounded_to_bounds_keep_noise_of_their_own_and_it_is_said() -> None:
    assert WITH_SUMS.noise is not None
    rules = replace(WITH_SUMS, noise=replace(WITH_SUMS.noise, by_bounds=True))
    ran = ask("SELECT section, sum(revenue) FROM gov.firm GROUP BY ROLLUP (section)", FIRMS, rules)
    total = next(row[1] for row in ran.release.rows if row[0] is None)
    assert ask("SELECT sum(revenue) FROM gov.firm", FIRMS, rules).release.rows == ((total,),)
    assert "TOTALS_DO_NOT_ADD_UP" in ran.codes()


NUMBERS = st.lists(st.one_of(st.just(0), st.integers(5, 500)), min_size=1, max_size=12)


@given(NUMBERS, st.integers(-9, 9))
def test_a_column_adds_up_or_is_rounded_to_the_nearest(parts: list[int], noise: int) -> None:
    total = sum(parts) + noise
    if total < 0 or 0 < total < 5:
        total = 0
    numbers = {**dict(enumerate(parts)), len(parts): total}
    found = adjusted(numbers, {len(parts): range(len(parts))}, LIMITS)
    assert all(number % 5 == 0 for number in found.numbers.values())
    shown = [found.numbers[place] for place in range(len(parts))]
    assert found.adds_up is False or sum(shown) == found.numbers[len(parts)]
    assert all(abs(found.numbers[place] - number) <= 13 for place, number in numbers.items())
    if not found.adds_up:
        assert all(abs(found.numbers[place] - number) <= 2 for place, number in numbers.items())


def test_a_table_that_is_too_large_is_rounded_by_itself() -> None:
    numbers = {**dict.fromkeys(range(MOST_PARTS + 1), 12), MOST_PARTS + 1: 12 * (MOST_PARTS + 1)}
    found = adjusted(numbers, {MOST_PARTS + 1: range(MOST_PARTS + 1)}, LIMITS)
    assert not found.adds_up
    assert set(found.numbers.values()) == {10, 5 * round(12 * (MOST_PARTS + 1) / 5)}


def test_restoring_is_the_same_every_time() -> None:
    ran = ask(CUBE, FIRMS, TOGETHER)
    assert release(ran.execution, secret=bytes(range(32))) == ran.release
    assert cells(ask(CUBE, FIRMS[::-1], TOGETHER)) == cells(ran)

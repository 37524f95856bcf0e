"""Identifiers of the synthetic city are valid in form and belong to nobody."""

import csv
from pathlib import Path

import numpy as np
import pytest
from stdnum.cn import ric, uscc

from louver_sandbox.demo.world import codes, identifiers

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "cn_reference"
needs_reference = pytest.mark.skipif(not REFERENCE.exists(), reason="the code tables are not on this machine")


def _days(*dates: str) -> np.ndarray:
    return np.array(dates, dtype="datetime64[D]").astype(np.int64)


def test_a_citizen_number_is_spelled_from_its_key() -> None:
    keys = identifiers.person_key(
        np.array([1, 3, 8]), _days("1990-01-01", "1985-06-15", "1977-12-31"), np.array([123, 4, 998])
    )
    assert identifiers.text(identifiers.person_ids(keys)) == [
        "370291199001011235",
        "370293198506150044",
        "370298197712319987",
    ]
    assert identifiers.key_birth(keys).tolist() == _days("1990-01-01", "1985-06-15", "1977-12-31").tolist()


def test_check_characters_agree_with_an_independent_library() -> None:
    rng = np.random.default_rng(7)
    n = 2_000
    keys = identifiers.person_key(rng.integers(0, 10, n), rng.integers(-20_000, 20_000, n), rng.integers(1, 999, n))
    numbers = identifiers.text(identifiers.person_ids(keys))
    assert all(ric.calc_check_digit(number) == number[-1] for number in numbers)
    assert any(number.endswith("X") for number in numbers)


def test_credit_codes_validate_and_never_repeat() -> None:
    rows = np.arange(3_000)
    rng = np.random.default_rng(3)
    subject = rng.integers(0, 4, len(rows))
    made = identifiers.text(identifiers.credit_codes(rows, subject, rng.integers(0, 10, len(rows)), seed=5))
    assert [uscc.validate(code) for code in made] == made
    assert len(set(made)) == len(made)
    assert {code[2:7] for code in made} == {"37029"}
    assert {code[:2] for code in made} == {"91", "92", "93", "52"}


def test_the_credit_code_bijection_covers_the_largest_city() -> None:
    rows = np.arange(0, 2_800_000, 7)
    matrix = identifiers.credit_codes(rows, np.zeros(len(rows), int), np.zeros(len(rows), int), seed=1)
    bodies = np.ascontiguousarray(matrix[:, 8:16]).view("S8").ravel()
    assert len(np.unique(bodies)) == len(rows)


def test_no_number_is_dealt_twice_even_across_chunks() -> None:
    rng = np.random.default_rng(11)
    dealt = []
    for slot in range(3):
        cell, male = rng.integers(0, 4, 400), rng.integers(0, 2, 400)
        cell = cell * 2 + male
        numbers = identifiers.sequences(cell, male, slot, 3, rng.integers(0, 10**6, 400))
        assert set((numbers % 2).tolist()) == {0, 1}
        assert (numbers % 2 == male).all()
        dealt += list(zip(cell.tolist(), numbers.tolist(), strict=True))
    assert len(set(dealt)) == len(dealt)
    assert all(1 <= number <= 998 for _, number in dealt)


def test_a_full_cell_is_an_error_not_a_duplicate() -> None:
    full = np.zeros(500, dtype=np.int64)
    with pytest.raises(OverflowError):
        identifiers.sequences(full, full, 0, 1, full)


@needs_reference
def test_the_prefixes_are_assigned_to_no_county() -> None:
    with (REFERENCE / "counties_2023.csv").open(encoding="utf-8") as file:
        assigned = {row["code"] for row in csv.DictReader(file)}
    assert not {f"37029{digit}" for digit in range(10)} & assigned


@needs_reference
def test_code_tables_agree_with_the_reference() -> None:
    with (REFERENCE / "qingdao_districts.csv").open(encoding="utf-8") as file:
        official = {row["code"]: (row["name"], int(row["population_2020_census"])) for row in csv.DictReader(file)}
    assert {d.code: (d.name, d.population) for d in codes.DISTRICTS} == official
    assert sum(d.population for d in codes.DISTRICTS) == codes.CITY_POPULATION
    with (REFERENCE / "qingdao_streets_2023.csv").open(encoding="utf-8") as file:
        streets = {row["code"]: row["district_code"] for row in csv.DictReader(file)}
    assert all(streets[street] == d.code for d in codes.DISTRICTS for street in d.streets)
    with (REFERENCE / "qingdao_retired_codes.csv").open(encoding="utf-8") as file:
        retired = {row["code"]: row["successor"] for row in csv.DictReader(file)}
    assert {d.retired: d.code for d in codes.DISTRICTS if d.retired} == retired
    with (REFERENCE / "industry_gbt4754_2017.csv").open(encoding="utf-8") as file:
        classes = {row["code"] for row in csv.DictReader(file) if row["level"] == "小类"}
    assert all(industry in classes for section in codes.SECTIONS for industry in section.industries)

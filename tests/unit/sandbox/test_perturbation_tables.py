"""Perturbation tables hold what noise promises: checked exactly, by something that does not know how they were made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from louver_sandbox.perturbation import solve, stored
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.table import KEYS, MOST_NOISE, Multipliers, NoiseRow, NoiseTerms, PerturbationTable
from louver_sandbox.perturbation.verify import MOST_EXCESS, faults, verified

FOUR = Fraction(4)
SUPPLIED = {
    stored.PERSONS: (
        NoiseTerms(12, FOUR, 10),
        "sha256:4e8dfcf65fac9fbdf6f7184eb33ac7e91978657c2e00fc0aee1e384ecc005eba",
    ),
    stored.ENTERPRISES: (
        NoiseTerms(8, FOUR, 5),
        "sha256:887310032f3aa21d4db702ddcab2f4f75363bde7a90d7501e9f1b235d384c11c",
    ),
}
MAGNITUDES = "sha256:d70f16908b5d44d866a697f4a89d37191dcfa13bbe9a95dc0349ea5b0a2391c6"
LEAST_D, CENSUS, NO_K, FINE = (
    NoiseTerms(10, FOUR, 10),
    NoiseTerms(5, Fraction(2), 3),
    NoiseTerms(6, Fraction(9, 4), 1),
    NoiseTerms(6, Fraction(1, 3), 4),
)


@pytest.fixture(scope="module")
def persons() -> PerturbationTable:
    return stored.read(stored.supplied(stored.PERSONS))


@pytest.mark.parametrize("name", SUPPLIED)
def test_the_supplied_tables_never_change(name: str) -> None:
    """The same set of units has the same noise for ever, so another table is another file."""
    terms, digest = SUPPLIED[name]
    table = stored.read(stored.supplied(name))
    assert table.terms == terms
    assert stored.digest(table) == digest
    assert stored.written(table) == stored.supplied(name)


def test_the_supplied_table_for_magnitudes_never_changes() -> None:
    table = stored.read_for_magnitudes(stored.supplied(stored.MAGNITUDE))
    assert stored.digest(table) == MAGNITUDES
    assert table.row.weights == table.row.weights[::-1]


@pytest.mark.parametrize("name", SUPPLIED)
def test_a_count_that_may_leave_has_the_full_variance_and_an_exact_mean_of_zero(name: str) -> None:
    terms, _ = SUPPLIED[name]
    for count, row in enumerate(stored.read(stored.supplied(name)).rows):
        assert row.mean == 0
        if count >= terms.threshold:
            assert abs(row.variance - terms.variance) <= MOST_EXCESS


@pytest.mark.parametrize("name", SUPPLIED)
def test_the_solver_finds_the_supplied_tables(name: str) -> None:
    """On another machine floating point may differ in the last place, and a weight by a few of 2^32."""
    terms, _ = SUPPLIED[name]
    rows = zip(solve.solved(terms).rows, stored.read(stored.supplied(name)).rows, strict=True)
    for mine, theirs in rows:
        assert mine.noise == theirs.noise
        assert sum(abs(a - b) for a, b in zip(mine.weights, theirs.weights, strict=True)) < 10_000


@pytest.mark.parametrize("terms", [LEAST_D, CENSUS, NO_K, FINE])
def test_other_terms_can_be_solved_and_stand_the_check(terms: NoiseTerms) -> None:
    table = solve.solved(terms)
    assert list(faults(table)) == []
    assert stored.read(stored.written(table)) == table


def test_where_zero_is_out_of_reach_the_variance_may_be_less() -> None:
    """With D = k a count of k + 1 can go down by one only; equal chances for all above it are not asked for."""
    row = solve.solved(LEAST_D).rows[11]
    assert row.noise == tuple(range(-1, 11))
    assert row.variance < 2
    assert row.multipliers is not None
    assert float(row.multipliers.curvature) == 0


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 17, 22, 23, 1000])
def test_looking_up_every_draw_gives_the_weights_exactly(persons: PerturbationTable, count: int) -> None:
    """Noise grows with the draw, so the draws at which it changes tell the whole distribution."""
    row = persons.row(count)
    found: Counter[int] = Counter()
    start = 0
    for step, end in zip(row.noise, row.ends, strict=True):
        if end > start:
            assert persons.perturbed(count, start) == persons.perturbed(count, end - 1) == count + step
        found[step] += end - start
        start = end
    assert start == KEYS
    assert found == Counter(dict(zip(row.noise, row.weights, strict=True)))


def test_no_count_becomes_one_below_k_and_zero_stays_zero(persons: PerturbationTable) -> None:
    for count in range(200):
        results = {
            count + step for step, weight in zip(persons.row(count).noise, persons.row(count).weights, strict=True)
        }
        assert results.isdisjoint(range(1, 10))
        assert min(results) >= 0
    assert {persons.perturbed(0, draw) for draw in (0, 1, KEYS // 2, KEYS - 1)} == {0}


@pytest.mark.parametrize(("count", "draw"), [(-1, 0), (5, -1), (5, KEYS)])
def test_what_is_no_count_or_draw_is_an_error(persons: PerturbationTable, count: int, draw: int) -> None:
    with pytest.raises(ValueError, match="not negative"):
        persons.perturbed(count, draw)


@pytest.mark.parametrize(
    ("maximum", "variance", "threshold", "reason"),
    [
        (9, FOUR, 10, Reason.MAXIMUM_BELOW_K),
        (5, FOUR, 0, Reason.MAXIMUM_BELOW_K),
        (MOST_NOISE + 1, FOUR, 10, Reason.MAXIMUM_BELOW_K),
        (5, Fraction(0), 3, Reason.VARIANCE_OUT_OF_RANGE),
        (5, Fraction(101, 10), 3, Reason.VARIANCE_OUT_OF_RANGE),
    ],
)
def test_terms_that_no_unbiased_noise_holds_are_refused(
    maximum: int, variance: Fraction, threshold: int, reason: Reason
) -> None:
    with pytest.raises(PerturbationRefused) as caught:
        NoiseTerms(maximum, variance, threshold)
    assert caught.value.reason is reason
    assert caught.value.message
    assert caught.value.message_zh


def tampered(table: PerturbationTable, count: int, **changes: Any) -> PerturbationTable:
    rows = list(table.rows)
    rows[count] = replace(rows[count], **changes)
    return replace(table, rows=tuple(rows))


def moved(row: NoiseRow, *changes: tuple[int, int]) -> tuple[int, ...]:
    """The weights with some added to those of the named noise."""
    weights = list(row.weights)
    for step, more in changes:
        weights[row.noise.index(step)] += more
    return tuple(weights)


def test_a_table_that_was_changed_is_found_out(persons: PerturbationTable) -> None:
    last = persons.rows[22]
    wrong: dict[str, dict[str, Any]] = {
        "are not a distribution": {"weights": moved(last, (0, 1))},
        "the mean is": {"weights": moved(last, (0, -1), (1, 1))},
        "not equally likely": {"weights": moved(last, (-1, -2), (0, 3), (2, -1))},
        "is less than V": {"weights": moved(last, (-2, -200_000), (0, 400_000), (2, -200_000))},
        "exceeds V": {"weights": moved(last, (-2, 200_000), (0, -400_000), (2, 200_000))},
        "is not allowed": {"noise": (*last.noise[:-1], 13)},
        "do not match": {"noise": last.noise[:-1]},
        "nothing certifies": {"multipliers": None},
        "no certificate": {"multipliers": Multipliers("0.0", "-0.125")},
        "more entropy": {"multipliers": Multipliers("0.0", "1.0")},
    }
    for fault, change in wrong.items():
        found = list(faults(tampered(persons, 22, **change)))
        assert any(fault in text for text in found), (fault, found)


def test_a_flat_row_of_the_right_variance_is_not_accepted_for_one_of_maximal_entropy(
    persons: PerturbationTable,
) -> None:
    """Mean, variance and bounds are right; the shape is not the one that tells least."""
    last = persons.rows[22]
    # Fourth differences change neither the sum nor the mean nor the variance.
    bend = 40_000_000
    weights = moved(last, (-2, bend), (-1, -4 * bend), (0, 6 * bend), (1, -4 * bend), (2, bend))
    assert replace(last, weights=weights).variance == last.variance
    found = list(faults(tampered(persons, 22, weights=weights)))
    assert found == ["count 22: more entropy is possible"]


def test_the_row_of_a_count_below_k_has_the_least_variance_there_is(persons: PerturbationTable) -> None:
    row = persons.rows[3]
    rest = moved(row, (-3, 80_000_000), (7, -160_000_000), (8, 80_000_000))
    found = list(faults(tampered(persons, 3, weights=rest)))
    assert any("could be" in fault for fault in found)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999999", "many"])
def test_multipliers_that_are_no_numbers_certify_nothing(persons: PerturbationTable, text: str) -> None:
    for multipliers in (Multipliers(text, "0.1"), Multipliers("0.1", text)):
        found = list(faults(tampered(persons, 22, multipliers=multipliers)))
        assert any("no certificate" in fault or "more entropy" in fault for fault in found)


def test_a_table_with_a_row_too_few_is_refused(persons: PerturbationTable) -> None:
    with pytest.raises(PerturbationRefused, match="rows for counts") as caught:
        verified(replace(persons, rows=persons.rows[:-1]))
    assert caught.value.reason is Reason.TABLE_UNSOUND


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"format": "louver-perturbation-counts/1"}',
        stored.supplied(stored.MAGNITUDE),
        stored.supplied(stored.PERSONS).replace(b'"variance":"4"', b'"variance":"1/0"'),
        stored.supplied(stored.PERSONS).replace(b'"key_bits":32', b'"key_bits":16'),
        stored.supplied(stored.PERSONS).replace(b'"maximum":12', b'"maximum":12.0'),
        stored.supplied(stored.PERSONS).replace(b'"variance":"4"', b'"variance":"5"'),
        stored.supplied(stored.PERSONS).replace(b'"threshold":10', b'"threshold":9'),
    ],
)
def test_a_document_that_is_no_table_for_counts_is_refused(document: bytes) -> None:
    with pytest.raises(PerturbationRefused) as caught:
        stored.read(document)
    assert caught.value.reason is Reason.TABLE_UNSOUND


def test_a_document_for_counts_is_none_for_magnitudes() -> None:
    two_rows = json.loads(stored.supplied(stored.MAGNITUDE))
    two_rows["rows"] *= 2
    with_threshold = json.loads(stored.supplied(stored.MAGNITUDE)) | {"threshold": 2}
    for document in (stored.supplied(stored.PERSONS), json.dumps(two_rows), json.dumps(with_threshold)):
        with pytest.raises(PerturbationRefused, match="TABLE_UNSOUND"):
            stored.read_for_magnitudes(document.encode() if isinstance(document, str) else document)


def test_reading_and_looking_up_never_loads_the_solver() -> None:
    program = (
        "import sys\n"
        "from louver_sandbox.perturbation import accuracy, additivity, keys, magnitudes, rounding, stored, verify\n"
        "stored.read(stored.supplied(stored.PERSONS)).perturbed(12, 1)\n"
        "print('scipy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_row_where_larger_noise_is_likelier_is_found_out(persons: PerturbationTable) -> None:
    last = persons.rows[22]
    found = list(faults(tampered(persons, 22, weights=moved(last, (-12, 10_000), (0, -20_000), (12, 10_000)))))
    assert any("likelier" in fault for fault in found)


def test_equally_likely_noise_is_the_limit() -> None:
    """At the largest variance all noise is equally likely; two to the 32 is no multiple of seven, and that is all."""
    last = solve.solved(NoiseTerms(3, FOUR, 1)).rows[-1]
    assert max(last.weights) - min(last.weights) <= 3

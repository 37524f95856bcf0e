"""Noise comes after every rule and changes nothing of what leaves but numbers.

The questions are those whose thresholds are held to the naive protection; here the same question is asked twice, with
noise and without it, over rows in two orders. Cells, withheld values and remainders must be the same, numbers of
subjects follow from the set of subjects alone, and what is told of accuracy holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.test_threshold_by_definition import RULES, Question, questions, select_all, types_of
from tests.support.lengths import at_length
from tests.support.relations import Ran, World, admitted, run

from louver.errors import Refused
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.keys import COUNT, UnitSet, cell_keys
from louver_sandbox.perturbation.named import named
from louver_sandbox.plan.rewrites.threshold import CELL
from louver_sandbox.stages import Cell

TABLES = {UnitType.PERSON: "persons", UnitType.ENTERPRISE: "enterprises"}
NOISY = replace(RULES, noise=NoiseRules(TABLES, share=Decimal(2)))
ROUNDED = replace(RULES, noise=NoiseRules(TABLES, RoundingKind.RANDOM, 5, Decimal(2)))
SECRET = bytes(range(32))

Rows = tuple[tuple[Cell, ...], ...]


def answered(question: Question, rules: ThresholdRules, world: World | None = None) -> Ran | str:
    """What leaves, or the code of the refusal."""
    core = question.core
    try:
        permit = admitted(world or question.world, select_all(core), types_of(core), rules=rules)
        return run(world or question.world, permit, SECRET)
    except Refused as refused:
        return refused.code


def by_keys(rows: Rows, keys: int) -> Mapping[tuple[Cell, ...], tuple[Cell, ...]]:
    return {row[:keys]: row[keys:] for row in rows}


def empty_alike(exact: Rows, noisy: Rows, keys: int, divided: Sequence[bool]) -> bool:
    """The same cells, and in each the same values; only a quotient may have lost what it is divided by."""
    one, other = by_keys(exact, keys), by_keys(noisy, keys)
    return one.keys() == other.keys() and all(
        (left is None) == (right is None) or (is_divided and left is not None)
        for key, row in one.items()
        for left, right, is_divided in zip(row, other[key], divided, strict=True)
    )


@settings(max_examples=at_length(25, 60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(questions(), st.randoms(use_true_random=False), st.sampled_from([NOISY, ROUNDED]))
def test_noise_changes_numbers_and_nothing_else(question: Question, random: object, rules: ThresholdRules) -> None:
    exact, noisy = answered(question, RULES), answered(question, rules)
    if isinstance(exact, str) or isinstance(noisy, str):
        assert exact == noisy
        return
    keys = len(question.core.keys)
    divided = [measure.kind == "average" for core in exact.plan.cores for measure in core.measures]
    assert empty_alike(exact.release.rows, noisy.release.rows, keys, divided)
    if exact.release.remainder is None or noisy.release.remainder is None:
        assert exact.release.remainder is noisy.release.remainder is None
    else:
        assert empty_alike((exact.release.remainder,), (noisy.release.remainder,), keys, divided)
    for code, count in exact.codes().items():
        assert noisy.codes().get(code, 0) >= count
    shuffled = {name: list(rows) for name, rows in question.world.rows.items()}
    for rows in shuffled.values():
        random.shuffle(rows)  # type: ignore[attr-defined]  # random.Random, as hypothesis gives it
    again = answered(question, rules, World(question.world.tables, shuffled))
    assert isinstance(again, Ran)
    assert (again.release.rows, again.release.remainder) == (noisy.release.rows, noisy.release.remainder)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(questions())
def test_rows_that_are_as_many_as_subjects_have_the_number_of_their_set(question: Question) -> None:
    """Every number of rows, of whatever kind, by the set of units that the worker combined."""
    ran = answered(question, NOISY)
    if isinstance(ran, str):
        return
    (core,) = ran.plan.cores
    (rows,) = ran.execution.rows
    places = {column.name: place for place, column in enumerate(core.columns)}
    shown = by_keys(ran.release.rows, len(question.core.keys))
    names = [column.name for column in core.columns if column.part.value == "key"]
    for row in (row for row in rows if row[places["row_kind"]] == CELL):
        left = shown.get(tuple(row[places[name]] for name in names))  # type: ignore[misc]  # keys are cells
        for measure, value in zip(core.measures, left or (), strict=False):
            total = next(one for one in core.noisy if one.value == measure.addends[0].total.value)
            if measure.kind != "count" or value is None:
                continue
            exact = row[places[total.value]]
            alike = [one for one in total.sets if row[places[one.units]] == exact]
            assert isinstance(exact, int)
            assert isinstance(value, int)
            if alike:
                units, combined = exact, row[places[alike[0].combined]]
                assert isinstance(combined, int)
                key = cell_keys(SECRET, COUNT)([UnitSet(alike[0].type, units, combined)])
                assert value == named(TABLES[alike[0].type]).perturbed(units, key.noise())
            else:
                assert 0 <= value <= 2 * exact

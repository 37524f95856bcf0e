"""Whatever is asked of whatever rows: if it is admitted, one unit moves the exact numbers by no more than is charged.

Questions are put together from pieces (joins of protected and own tables, subqueries with groups of their own, filters,
grouping sets), rows are hostile, limits vary. `LOUVER_QUESTIONS` asks for more of them.
"""

from __future__ import annotations

import os
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.property.test_private_declared_rows import once_a_month
from tests.property.test_private_sensitivity import (
    AMOUNTS,
    DISTRICT,
    ESTATES,
    FIRMS,
    NAMES,
    PAY,
    PERSONS,
    fewer,
    rows_of,
)
from tests.support.private_questions import questions
from tests.support.private_worlds import (
    BOTH,
    ENTERPRISE,
    PERSON,
    cells,
    charged,
    executed,
    loss,
    planned,
    rules,
    without,
    world,
)
from tests.support.relations import World

from louver.errors import Refused
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.stages import Execution, Plan

QUESTIONS = int(os.environ.get("LOUVER_QUESTIONS", "40"))
LOANS = rows_of(
    6, id_no=st.sampled_from([*NAMES, *FIRMS]), bad=st.sampled_from([True, False, None]), mark=st.integers(1, 3)
)
ACCOUNTS = st.lists(
    st.fixed_dictionaries(
        {
            "person_id": st.sampled_from(NAMES),
            "district": DISTRICT,
            "amount": AMOUNTS,
            "age": st.sampled_from([None, -5, 0, 7, 30, 2**62]),
        }
    ),
    max_size=4,
    unique_by=lambda row: row["person_id"],
)
WORLDS = st.builds(world, PAY, PERSONS, ESTATES, LOANS, ACCOUNTS)
LIMITS = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3]))


@pytest.mark.timeout(7200 if QUESTIONS > 100 else 300)
def test_one_unit_moves_what_any_admitted_question_finds_by_no_more_than_is_charged() -> None:
    asked: list[UnitType] = []

    @settings(max_examples=QUESTIONS, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(
        sql=questions(), whole=WORLDS, limits=LIMITS, together=st.booleans(), monthly=st.booleans(), data=st.data()
    )
    def hold(
        sql: str, whole: World, limits: tuple[int, int], together: bool, monthly: bool, data: st.DataObject
    ) -> None:
        found = declared(whole) if together else whole
        if monthly:  # declared, and kept by rows only where a plan relies on it
            told = once_a_month(found)
            found = told if together else World(told.tables, found.rows)
        try:
            made = planned(found, sql, BOTH if together else alone(*limits))
        except Refused:
            return
        assert made.privacy, "what is admitted is charged"
        for unit in sorted({charge.terms.unit for charge in made.privacy}):
            names = FIRMS if unit is ENTERPRISE and "gov.estate" not in sql else NAMES
            held(made, found, unit, data.draw(st.sampled_from(names)))
            asked.append(unit)

    hold()
    assert PERSON in asked, "not all were refused"


def alone(rows: int, groups: int) -> tuple[PrivateRules, ...]:
    """One kind of unit in each row, cut off at so many rows and groups."""
    return (
        rules("gov.account", PERSON, groups=groups),
        rules("gov.pay", PERSON, rows=rows, groups=groups),
        rules("gov.pay", ENTERPRISE, exempt="employers publish their size"),
        rules("gov.person", PERSON, groups=groups),
        rules("gov.estate", PERSON, rows=rows, groups=groups),
        rules("gov.estate", ENTERPRISE, rows=rows + 1, groups=groups),
    )


def declared(whole: World) -> World:
    """The world with no more rows of a person than publishing lets pass."""
    kept = {name: fewer(list(rows)) if str(name) == "gov.pay" else rows for name, rows in whole.rows.items()}
    return World(whole.tables, kept)


def held(made: Plan, whole: World, unit: UnitType, who: str) -> None:
    """Numbers are moved by no more than rho pays for, and groups of this unit alone listed no oftener than delta."""
    before, after = executed(whole, made), executed(without(whole, unit, who), made)
    assert loss(made, before, after) <= charged(made, unit).rho
    assert listed(made, before, after) <= charged(made, unit).delta


def listed(made: Plan, before: Execution, after: Execution) -> Fraction:
    """The chance that a group is listed which is there because of one unit."""
    total = Fraction(0)
    cores = [core.private for core in made.cores if core.private]
    for core, ours, theirs in zip(cores, cells(made, before), cells(made, after), strict=True):
        if core.domain is None:
            place = [one.name for one in core.noisy].index(core.units)
            noise = DiscreteGaussian(core.noisy[place].scale)
            assert theirs.keys() <= ours.keys(), "a unit that is left out brings no group"
            alone = [numbers[place] for key, numbers in ours.items() if key not in theirs]
            total += sum((noise.tail(core.tau - units) for units in alone), Fraction(0))
    return total

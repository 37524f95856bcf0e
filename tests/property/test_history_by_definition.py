"""Selections by definition: what is written in several ways is one, what is proved of two holds for every row, and the
index over what was asked before finds what comparing with each of them finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.asked_before import looking_back
from tests.support.line import NOON, ask, firms

from louver_sandbox.accounting import history
from louver_sandbox.algebra.regions import ANY_VALUE, HOLDS, NO_VALUE, Region, common, either, hull, within
from louver_sandbox.pipeline import facts_at, judge
from louver_sandbox.selections import (
    Condition,
    HistoryRules,
    Pattern,
    Response,
    Selected,
    Selection,
    apart,
    conjoined,
    part_of,
    patterns_between,
)
from louver_sandbox.store import State

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
Row = Mapping[str, int | str]
ROWS: tuple[Row, ...] = tuple({"amount": amount, "section": section} for amount in range(8) for section in "ABCD")


@dataclass(frozen=True)
class Told:
    """A condition: two ways to write it, and what it means."""

    plain: str
    other: str
    holds: Callable[[Row], bool]


def compared(column: str, sign: str, constant: int | str) -> Told:
    """One comparison, and another form of it."""
    text = f"'{constant}'" if isinstance(constant, str) else str(constant)
    meaning: dict[str, Callable[[int | str, int | str], bool]] = {
        "=": lambda value, given: value == given,
        "<>": lambda value, given: value != given,
        "<": lambda value, given: value < given,  # type: ignore[operator]
        "<=": lambda value, given: value <= given,  # type: ignore[operator]
        ">": lambda value, given: value > given,  # type: ignore[operator]
        ">=": lambda value, given: value >= given,  # type: ignore[operator]
    }
    mirrored = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign]
    other = f"{text} {mirrored} {column}"
    if isinstance(constant, int) and sign in ("<", ">="):
        closed = "<=" if sign == "<" else ">"
        other = f"{column} + 2 {closed} {constant + 1}"
    if sign == "<>":
        other = f"{column} NOT IN ({text}, {text})"
    return Told(f"{column} {sign} {text}", other, lambda row: meaning[sign](row[column], constant))


def both(one: Told, two: Told) -> Told:
    return Told(
        f"({one.plain}) AND ({two.plain})",
        f"NOT (NOT ({two.other}) OR NOT ({one.other}))",
        lambda row: one.holds(row) and two.holds(row),
    )


def any_of(one: Told, two: Told) -> Told:
    return Told(
        f"({one.plain}) OR ({two.plain})",
        f"NOT (NOT ({two.other}) AND NOT ({one.other}))",
        lambda row: one.holds(row) or two.holds(row),
    )


def negated(one: Told) -> Told:
    return Told(f"NOT ({one.plain})", f"NOT (({one.other}) OR ({one.other}))", lambda row: not one.holds(row))


SIGNS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
LEAVES = st.one_of(
    st.builds(compared, st.just("amount"), SIGNS, st.integers(0, 7)),
    st.builds(compared, st.just("section"), SIGNS, st.sampled_from("ABCD")),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.builds(both, inner, inner), st.builds(any_of, inner, inner), inner.map(negated)),
    max_leaves=5,
)


@cache
def _bundle() -> object:
    return looking_back({})


def selected(condition: str) -> Selection | None:
    """What the question selects; None where no row can satisfy it."""
    sql = f"SELECT count(*) AS n FROM gov.firm WHERE {condition}"
    plan = judge(ask(sql), firms(), _bundle(), facts_at(NOON))  # type: ignore[arg-type]
    return next(iter(plan.selections), None)


@QUICK
@given(told=CONDITIONS)
def test_a_condition_written_in_two_ways_is_one(told: Told) -> None:
    plain, other = selected(told.plain), selected(told.other)
    assert (plain is None) == (other is None)
    if plain is None or other is None:
        assert not any(map(told.holds, ROWS))
    else:
        assert plain.digest == other.digest
        assert set(plain.opposites) == set(other.opposites)


@QUICK
@given(one=CONDITIONS, two=CONDITIONS)
def test_what_is_proved_of_two_conditions_holds_for_every_row(one: Told, two: Told) -> None:
    left, right = selected(one.plain), selected(two.plain)
    if left is None or right is None:
        return
    if part_of(left.conditions, right.conditions):
        assert all(two.holds(row) for row in ROWS if one.holds(row))
    if apart(left.conditions, right.conditions):
        assert not any(one.holds(row) and two.holds(row) for row in ROWS)
    if left.digest == right.digest:
        assert [one.holds(row) for row in ROWS] == [two.holds(row) for row in ROWS]


def one_of_each(amount: Told, section: Told, joined: Callable[[Told, Told], Told], denied: tuple[bool, ...]) -> Told:
    first, second, whole = denied
    told = joined(negated(amount) if first else amount, negated(section) if second else section)
    return negated(told) if whole else told


NO_TAUTOLOGIES = st.builds(
    one_of_each,
    st.builds(compared, st.just("amount"), SIGNS, st.integers(0, 7)),
    st.builds(compared, st.just("section"), SIGNS, st.sampled_from("ABCD")),
    st.sampled_from([both, any_of]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
"""Of `x = 1 OR x <> 1` the negation is nothing, and of what it says, that x has a value, that it has none."""


@QUICK
@given(told=st.one_of(LEAVES, NO_TAUTOLOGIES))
@example(told=both(compared("amount", "=", 0), any_of(compared("section", "=", "A"), compared("section", "<>", "A"))))
def test_a_condition_and_its_negation_are_complements(told: Told) -> None:
    one, other = selected(told.plain), selected(f"NOT ({told.other})")
    if one is not None and other is not None:
        assert Pattern.COMPLEMENT in patterns_between(one, other)


CUTS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), unique=True, max_size=4).map(
    lambda cuts: tuple(sorted(cuts))
)
REGIONS = st.builds(Region, st.booleans(), CUTS, st.booleans()) | st.sampled_from([ANY_VALUE, NO_VALUE, HOLDS])
PLACES = [place / 2 for place in range(-1, 15)]


def holds(region: Region, place: float) -> bool:
    cuts = [(float(str(value)), after) for value, after in region.cuts]
    passed = [value for value, after in cuts if place > value or (place == value and not after)]
    return region.inside is (len(passed) % 2 == 0)


@QUICK
@given(left=REGIONS, right=REGIONS)
def test_regions_are_sets(left: Region, right: Region) -> None:
    for place in PLACES:
        one, other = holds(left, place), holds(right, place)
        assert holds(common(left, right), place) is (one and other)
        assert holds(either(left, right), place) is (one or other)
        if left.cuts:
            assert holds(left.opposite, place) is not one
    inner = all(holds(right, place) for place in PLACES if holds(left, place)) and (right.null or not left.null)
    assert within(left, right) is inner
    assert common(left, right).empty is not (
        any(holds(left, place) and holds(right, place) for place in PLACES) or (left.null and right.null)
    )
    (low, high), (least, most) = hull(left), hull(right)
    assert common(left, right).empty or (low <= most and least <= high)
    assert left.empty or not inner or (least <= low and high <= most)


def _conditions() -> st.SearchStrategy[tuple[Condition, ...]]:
    spans = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted)
    ranges = spans.map(lambda span: Region(False, ((span[0], False), (span[1] + 1, False))))
    one = st.builds(
        Condition,
        st.sampled_from(["x", "y", "z + 1", "z"]),
        st.just(()),
        ranges | st.sampled_from([HOLDS, HOLDS.opposite, ANY_VALUE, NO_VALUE]),
    )
    named = one.map(lambda item: Condition(item.operand, (f"d.{item.operand[0]}",), item.region))
    return st.lists(named, max_size=3).map(conjoined).filter(lambda all_: not any(item.region.empty for item in all_))


def opposites(conditions: tuple[Condition, ...]) -> Iterator[str]:
    """Single conditions negated, as the plan does it."""
    for item in conditions:
        turned = Condition(item.operand, item.columns, item.region.opposite)
        rest = tuple(other for other in conditions if other != item)
        yield Selection((), conjoined((*rest, turned)), (), 0).digest


SELECTIONS = st.builds(
    lambda conditions, keys: Selection((Selected("d", "v"),), conditions, keys, 0, tuple(opposites(conditions))),
    _conditions(),
    st.sampled_from([(), ("k",)]),
)
ALL = HistoryRules(overlap=Response.FLAG)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with State.open(Path(tmp_path_factory.mktemp("history")) / "state.db") as opened:
        yield opened


_BANKS = iter(range(10**9))


@QUICK
@given(before=st.lists(SELECTIONS, max_size=8), new=SELECTIONS)
def test_the_index_finds_what_comparing_with_each_finds(
    state: State, before: list[Selection], new: Selection
) -> None:
    asked = history.Asked(f"bank{next(_BANKS)}", "P", "r", ALL)
    with state.transaction() as tx:
        for place, old in enumerate(before):
            history.record(tx, asked, [old], place, NOON)
        found = history.find(tx, asked, [new], NOON)
    expected = frozenset[Pattern]().union(*(patterns_between(new, old) for old in before))
    assert {item.pattern for item in found} == expected
    for item in found:
        assert item.admission is not None
        assert item.pattern in patterns_between(new, before[item.admission])

"""The atom rule by its definition: whatever the rows, the dimensions and the hierarchies, any two questions that can be
asked differ by nobody or by enough of every kind of unit, in every sum as well; and the order of rows decides nothing.
"""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.atomic import SEVERAL_ROWS, K, a_firm, atomic, firm, firm_bundle, firm_grant

from louver_sandbox.catalog.model import PrivacyUnit, UnitType
from louver_sandbox.publishing.publisher import PublishRefused

PERSONS = 10
BY_SECTION = (
    PrivacyUnit(UnitType.PERSON, "uscc", 1, "section = 'P'"),
    PrivacyUnit(UnitType.ENTERPRISE, "uscc", 1, "section <> 'P'"),
)
KEYS = {"record_key_enterprise_uscc": K, "record_key_person_uscc": PERSONS}

DISTRICT: Sequence[dict[str, Any]] = (
    {"column": "district"},
    {"column": "district", "merge": [{"prefix": 4}]},
    {"column": "district", "merge": [{"prefix": 5}, {"groups": {"310100": "x", "320100": "x", "310110": "y"}}]},
    {"column": "district", "prefix": 4},
)
FOUNDED: Sequence[dict[str, Any]] = ({"column": "founded", "by": "year"}, {"column": "founded", "by": "month"})
SECTION: Sequence[dict[str, Any]] = (
    {"column": "section"},
    {"column": "section", "merge": [{"groups": {"A": "goods", "B": "goods"}}]},
)

dimensions = st.tuples(*(st.sampled_from(kinds) for kinds in (DISTRICT, FOUNDED, SECTION))).flatmap(
    lambda found: st.permutations(found).flatmap(lambda order: st.integers(1, 3).map(lambda size: order[:size]))
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[dict[str, Any]], tuple[PrivacyUnit, ...]]:
    """Rows whose combinations have from one unit to dozens, and how its units are declared."""
    units = draw(st.sampled_from([(PrivacyUnit(UnitType.ENTERPRISE, "uscc", 1),), SEVERAL_ROWS, BY_SECTION]))
    chance = random.Random(draw(st.integers(0, 2**32)))
    districts = ("310100", "310101", "310110", "320100", None)
    weights = [chance.choice((1, 3, 30)) for _ in districts]
    rows = []
    for number in range(draw(st.sampled_from((40, 90, 160)))):
        row = a_firm(
            number,
            chance.choices(districts, weights)[0],
            chance.choice((2018, 2019, 2020, 2020, 2020)),
            chance.choice("AABP"),
            amount=chance.choice((None, 0, 5, 9, 10, 10, 12, 80)),
        )
        rows.append(row)
        if units == SEVERAL_ROWS and chance.random() < 0.3:
            rows.append(row | {"district": chance.choice(districts), "amount": chance.choice((3, 30))})
    return rows, units


def snapshot(
    rows: Sequence[Mapping[str, Any]], units: tuple[PrivacyUnit, ...], found: Sequence[dict[str, Any]]
) -> list[dict[str, Any]] | None:
    """The published rows, in no order; None where there is no partition."""
    bundle = firm_bundle(firm_grant(dimensions=found, threshold={"enterprise": K, "person": PERSONS}))
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = atomic(Path(folder), rows, bundle, firm(units))
        except PublishRefused:
            return None
        names = [name for (name,) in made.rows("SELECT column_name FROM duckdb_columns() WHERE table_name = 'data'")]
        stored = made.rows("SELECT * FROM data ORDER BY ALL")
    return [dict(zip(names, row, strict=True)) for row in stored]


def is_safe(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rows may be a difference of two answers, by the rules of single answers (threshold.md)."""
    counted = False
    for key, least in KEYS.items():
        held: dict[int, list[Any]] = defaultdict(list)
        for row in rows:
            if row.get(key) is not None:
                held[row[key]].append(row["amount"])
        if not held:
            continue
        counted = True
        amounts = sorted((abs(sum(one or 0 for one in values)) for values in held.values()), reverse=True)
        lacking = sum(None in values for values in held.values())
        enough = len(held) >= least and sum(one > 0 for one in amounts) >= least and not 0 < lacking < least
        within = amounts[0] * 100 <= sum(amounts) * 60 and sum(amounts[2:]) * 100 >= amounts[0] * 10
        if not (enough and within):
            return False
    return counted


@pytest.mark.timeout(300)
@settings(max_examples=12, deadline=None)
@given(tables(), dimensions, st.integers(0, 2**32))
def test_any_two_questions_differ_by_nobody_or_by_enough(
    table: tuple[list[dict[str, Any]], tuple[PrivacyUnit, ...]], found: Sequence[dict[str, Any]], seed: int
) -> None:
    rows, units = table
    names = [str(item["column"]) for item in found]
    stored = snapshot(rows, units, found)
    if stored is None:
        assert not is_safe([row | dict.fromkeys(keys_of(row, units), row["uscc"]) for row in rows])
        return
    assert len(stored) == len(rows)
    atoms: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in stored:
        atoms[tuple(row[name] for name in names)].append(row)
    assert all(is_safe(atom) for atom in atoms.values())
    chance = random.Random(seed)
    for _ in range(5):
        one, other = ({atom for atom in atoms if chance.random() < 0.5} for _ in range(2))
        for only in (one - other, one | other, one ^ other):
            assert not only or is_safe([row for atom in only for row in atoms[atom]])
    turned = list(rows)
    chance.shuffle(turned)
    assert snapshot(turned, units, found) == stored


def keys_of(row: Mapping[str, Any], units: tuple[PrivacyUnit, ...]) -> tuple[str, ...]:
    """The record keys that a stored row has."""
    if units != BY_SECTION:
        return ("record_key_enterprise_uscc",)
    return ("record_key_person_uscc",) if row["section"] == "P" else ("record_key_enterprise_uscc",)

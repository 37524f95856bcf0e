"""Subqueries, inner aggregates and grouping sets leave what their definitions say, on every small world.

Everything is computed here from lists of rows and sets of firms, with k = 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.relations import firms, question, record_key, run

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.stages import Cell

K = 2
RULES = ThresholdRules({UnitType.PERSON: 3, UnitType.ENTERPRISE: K})

Row = Mapping[str, Any]
few = st.sampled_from
worlds = st.lists(
    st.fixed_dictionaries(
        {
            "uscc": few("abcdefg"),
            "district": few(["x", "y", "z", None]),
            "arrears": few([True, False, None]),
            "revenue": few([Decimal(text) for text in ("0.00", "1.00", "2.50", "-3.00", "5.00", "400.00")] + [None]),
            "staff": few([0, 1, 2, 3, None]),
            "score": st.none(),
        }
    ),
    min_size=4,
    max_size=30,
)
quickly = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answer(sql: str, rows: Sequence[Row]) -> tuple[tuple[Cell, ...], ...]:
    world = firms(rows)
    return run(world, question(world, sql, rules=RULES)).release.rows


def units(rows: Sequence[Row]) -> set[str]:
    return {row["uscc"] for row in rows}


def shares(rows: Sequence[Row]) -> list[Decimal]:
    """What each firm adds to the sum of revenues, the largest first, without signs."""
    found: dict[str, Decimal] = {}
    for row in rows:
        found[row["uscc"]] = found.get(row["uscc"], Decimal(0)) + (row["revenue"] or Decimal(0))
    return sorted(map(abs, found.values()), reverse=True)


def is_spread(rows: Sequence[Row], *, strictly: bool = False) -> bool:
    """Whether a sum of revenues may be known; `strictly` takes the second largest share to be the largest again."""
    given = [*shares(rows), Decimal(0), Decimal(0)]
    whole, largest = sum(given), given[0]
    second = largest if strictly else given[1]
    enough = sum(1 for share in given if share) >= K
    return enough and largest * 100 <= whole * 60 and (whole - largest - second) * 100 >= largest * 10


def inner(function: str, rows: Sequence[Row]) -> float | None:
    """What an inner aggregate gives to compare with, by the rules of an answer."""
    values = [row["revenue"] for row in rows if row["revenue"] is not None]
    if len(units(rows)) < K:
        return 0 if function == "count" else None
    if function == "count":
        return len(rows)
    if not is_spread(rows, strictly=True):
        return None
    if function == "sum":
        return float(sum(values))
    given = units([row for row in rows if row["revenue"] is not None])
    counted = len(given) >= K and len(units(rows) - given) not in range(1, K)
    return float(sum(values) / len(values)) if counted else None


@quickly
@given(worlds, few(["sum", "avg", "count"]))
def test_an_inner_aggregate_is_compared_with_where_it_may_be_known(rows: list[Row], function: str) -> None:
    value = "count(*)" if function == "count" else f"{function}(x.revenue)"
    sql = (
        "SELECT count(*) FROM gov.tax t WHERE t.revenue >= "
        f"(SELECT {value} FROM gov.tax x WHERE x.district = t.district)"
    )
    kept: list[Row] = []
    for row in rows:
        same = [other for other in rows if row["district"] is not None and other["district"] == row["district"]]
        bound = inner(function, same)
        if row["revenue"] is not None and bound is not None and float(row["revenue"]) >= bound:
            kept.append(row)
    assert answer(sql, rows) == ((len(kept) if len(units(kept)) >= K else None,),)


@quickly
@given(worlds)
def test_the_others_behind_exists_are_counted_by_one_for_each_value(rows: list[Row]) -> None:
    sql = (
        "SELECT count(*) FROM gov.tax t WHERE EXISTS (SELECT 1 FROM gov.tax x WHERE x.staff = t.staff AND x.arrears)"
    )
    behind: dict[int, str] = {}
    for row in rows:
        if row["arrears"] and row["staff"] is not None:
            behind[row["staff"]] = max(
                behind.get(row["staff"], row["uscc"]), row["uscc"], key=lambda u: record_key(u) or 0
            )
    kept = [row for row in rows if row["staff"] in behind]
    others = {behind[row["staff"]] for row in kept}
    safe = len(units(kept)) >= K and len(others) >= K
    assert answer(sql, rows) == ((len(kept) if safe else None,),)


KEYS = ("district", "arrears")
SETS = ((0, 1), (0,), (1,), ())
CUBE = (
    "SELECT district, arrears, count(*), sum(revenue), grouping(district, arrears) "
    "FROM gov.tax GROUP BY CUBE (district, arrears)"
)

Place = tuple[Any, tuple[Any, ...]]
"""A grouping set as GROUPING counts it, and the values of its keys."""


def cells_of(rows: Sequence[Row], keys: tuple[int, ...]) -> dict[Place, list[Row]]:
    mask = sum(1 << (1 - key) for key in (0, 1) if key not in keys)
    found: dict[Place, list[Row]] = {}
    for row in rows:
        values = tuple(row[name] if index in keys else None for index, name in enumerate(KEYS))
        found.setdefault((mask, values), []).append(row)
    return found


@quickly
@given(worlds)
def test_no_total_less_its_parts_tells_what_is_missing(rows: list[Row]) -> None:
    released = {(row[4], row[:2]): row for row in answer(CUBE, rows)}
    cells = {keys: cells_of(rows, keys) for keys in SETS}
    every = {place: found for one in cells.values() for place, found in one.items()}
    for place, row in released.items():
        assert len(units(every[place])) >= K
        assert row[2] == len(every[place])
        assert row[3] is None or (row[3] == sum(r["revenue"] or 0 for r in every[place]) and is_spread(every[place]))
    complete = all(len(units(found)) >= K for found in every.values())
    assert not complete or released.keys() == every.keys()
    for coarse in SETS:
        for fine in (keys for keys in SETS if set(coarse) < set(keys)):
            for place in cells[coarse].keys() & released.keys():
                parts = {
                    part: found
                    for part, found in cells[fine].items()
                    if all(part[1][key] == place[1][key] for key in coarse)
                }
                missing = [found for part, found in parts.items() if part not in released]
                assert_safe_together(missing)
                if released[place][3] is not None:
                    unknown = [
                        found for part, found in parts.items() if part not in released or released[part][3] is None
                    ]
                    assert_safe_together(unknown)
                    assert not unknown or is_spread([row for found in unknown for row in found])


def assert_safe_together(missing: Sequence[Sequence[Row]]) -> None:
    """What is missing is several cells, and those are of enough firms."""
    assert not missing or (len(missing) > 1 and len(units([row for found in missing for row in found])) >= K)


UNITED = (
    "SELECT d, count(*), count(DISTINCT u) FROM (SELECT district AS d, uscc AS u FROM gov.tax WHERE arrears "
    "UNION ALL SELECT district, uscc FROM gov.tax WHERE staff > 1) x GROUP BY d"
)


@quickly
@given(worlds)
def test_a_cell_of_a_union_needs_both_sides(rows: list[Row]) -> None:
    left = [row for row in rows if row["arrears"]]
    right = [row for row in rows if row["staff"] is not None and row["staff"] > 1]
    expected: list[tuple[Cell, ...]] = []
    by_district = itemgetter("district")
    ordered = sorted(left + right, key=lambda row: (by_district(row) is None, by_district(row) or ""))
    for district, found in groupby(ordered, key=by_district):
        both = list(found)
        sides = [[row for row in side if row["district"] == district] for side in (left, right)]
        if all(len(units(side)) >= K for side in sides):
            expected.append((district, len(both), len(units(both))))
    assert sorted(map(repr, answer(UNITED, rows))) == sorted(map(repr, expected))

"""What an honest worker computes of a table of firms, by definition and without an engine: exact cells for a core.

For tests that judge hundreds of tables. The plan is the real one; its columns are filled in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from louver_sandbox.core_plan import CorePlan, Part
from louver_sandbox.plan.rewrites.threshold import CELL

Row = Mapping[str, Any]

_ZERO = Decimal(0)


def exact_cells(core: CorePlan, rows: Sequence[Row], keys: Sequence[str], sets: Iterable[Sequence[str]]) -> list[Any]:
    """The result of the core's statement over `rows`, for COUNT(*) and SUM(revenue) by these keys."""
    found = []
    for one in sets:
        cells: dict[tuple[object, ...], list[Row]] = {} if one else {(None,) * len(keys): []}
        for row in rows:
            cells.setdefault(tuple(row[key] if key in one else None for key in keys), []).append(row)
        left_out = sum(1 << (len(keys) - 1 - place) for place, key in enumerate(keys) if key not in one)
        found += [_cell(core, place, left_out, cell) for place, cell in cells.items()]
    return found


def _cell(core: CorePlan, place: Sequence[object], left_out: int, rows: Sequence[Row]) -> tuple[object, ...]:
    by_firm: dict[object, Decimal] = {}
    for row in rows:
        by_firm[row["uscc"]] = by_firm.get(row["uscc"], _ZERO) + row["revenue"]
    amounts = [*sorted(by_firm.values(), reverse=True), _ZERO, _ZERO]
    whole = sum(amounts, _ZERO)
    parts: Mapping[str, Callable[[], object]] = {
        "row_kind": lambda: CELL,
        "k0": lambda: left_out,
        "u1": lambda: len(by_firm),
        "n": lambda: len(rows),
        "n1": lambda: len(rows),
        "s1": lambda: whole,
        "z1_1": lambda: sum(amount != 0 for amount in by_firm.values()),
        "l1_1": lambda: amounts[0],
        "e1_1": lambda: amounts[1],
        "m1_1": lambda: whole,
    }
    keys = iter(place)
    return tuple(next(keys) if column.part is Part.KEY else parts[column.name]() for column in core.columns)

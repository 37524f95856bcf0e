"""The worker's word on which rows of an upload are in which cell: hostile input, read column by column.

There may be a row for every row of an upload, so nothing here goes through Python values one by one but the keys of
cells, each once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Type
from louver_sandbox.core_plan import CoreColumn, Part
from louver_sandbox.encrypted_core import EncryptedPlan
from louver_sandbox.stages import Members

MOST_CELLS = 100_000


class NotMembers(Exception):
    """The table is not of the planned rows."""


def columns_of(plan: EncryptedPlan) -> tuple[Type, ...]:
    """The types of the statement's columns."""
    units = (INTEGER,) if plan.has_units else ()
    return (*plan.keys, INTEGER, *units, *(BOOLEAN for _ in range(plan.conditions)))


def members(table: pa.Table, plan: EncryptedPlan, values: Callable[[Any, CoreColumn], list[object]]) -> Members:
    """Which rows are in which cell. `values` reads a column of keys. Raises `NotMembers`."""
    count = len(plan.keys)
    cells, cell = _cells(table, plan, values)
    row, present = _whole(table.column(count))
    if not present.all() or (len(row) and int(row.max()) >= plan.rows):
        raise NotMembers("rows that the upload does not have")
    unit, known = np.empty(0, "<u8"), np.empty(0, bool)
    if plan.has_units:
        unit, known = _whole(table.column(count + 1), signed=True)
    first = count + 1 + plan.has_units
    holds = tuple(_truth(table.column(place)).tobytes() for place in range(first, first + plan.conditions))
    there = known.astype("u1").tobytes()
    return Members(cells, cell.astype("<u8").tobytes(), row.tobytes(), unit.tobytes(), there, holds)


def _cells(
    table: pa.Table, plan: EncryptedPlan, values: Callable[[Any, CoreColumn], list[object]]
) -> tuple[tuple[tuple[object, ...], ...], Any]:
    """The keys of the cells there are, and each row's cell."""
    found = np.zeros(table.num_rows, "<i8")
    keys: list[list[object]] = []
    for place, type_ in enumerate(plan.keys):
        coded = table.column(place).combine_chunks()
        coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
        coded = coded.dictionary_encode(null_encoding="encode")
        own = values(pa.chunked_array([coded.dictionary]), CoreColumn("", Part.KEY, type_))
        if len(own) > MOST_CELLS:
            raise NotMembers("too many cells")
        keys.append(own)
        codes = coded.indices.to_numpy(zero_copy_only=False).astype("<i8")
        joined, found = np.unique(found * max(1, len(own)) + codes, return_inverse=True)
        if len(joined) > MOST_CELLS:
            raise NotMembers("too many cells")
        keys = _picked(keys, joined, max(1, len(own)))
    if not plan.keys:
        return ((),), found
    return tuple(zip(*keys, strict=True)), found


def _picked(keys: list[list[object]], joined: Any, radix: int) -> list[list[object]]:
    """The keys so far of each combination that there is."""
    before, last = keys[:-1], keys[-1]
    outer, inner = (joined // radix).tolist(), (joined % radix).tolist()
    return [*([one[at] for at in outer] for one in before), [last[at] for at in inner]]


def _whole(column: Any, *, signed: bool = False) -> tuple[Any, Any]:
    """Whole numbers of 64 bits that came as decimals, and which of them are there. Raises `NotMembers`.

    Record keys may be `signed`: what matters is which are the same.
    """
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else pa.concat_arrays([array])
    words = np.frombuffer(array.buffers()[1] or b"", "<u8", count=2 * len(array)).reshape(-1, 2)
    present = np.asarray(array.is_valid())
    beyond = words[present, 1]
    if (beyond + np.uint64(signed) > np.uint64(signed)).any():
        raise NotMembers("numbers that are none of rows and subjects")
    return np.where(present, words[:, 0], 0).astype("<u8"), present


def _truth(column: Any) -> Any:
    """Where a condition holds: where it is true, and neither false nor null."""
    return np.asarray(column.fill_null(False)).astype("u1")

"""An engine that takes no time: it answers every plan with rows made up beforehand in the planned form.

Its cells are large enough to be released, so that everything after the engine
runs as it would.
"""

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.core_plan import CoreColumn, CorePlan, Part
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.stages import Plan

CELLS = 20
"""Rows of every grouped reply."""
UNITS, LARGEST, SECOND = 1000, 20, 10


def _arrow(type_: Type) -> pa.DataType:
    match type_.kind:
        case Kind.INTEGER:
            return pa.decimal128(38, 0)
        case Kind.DECIMAL:
            return pa.decimal128(38, type_.scale)
        case Kind.DOUBLE:
            return pa.float64()
        case Kind.BOOLEAN:
            return pa.bool_()
        case Kind.DATE:
            return pa.date32()
        case Kind.TIMESTAMP:
            return pa.timestamp("us")
        case _:
            return pa.string()


def _key(type_: Type, row: int) -> object:
    match type_.kind:
        case Kind.INTEGER | Kind.DECIMAL:
            return Decimal(row)
        case Kind.DOUBLE:
            return float(row)
        case Kind.BOOLEAN:
            return row == 0
        case Kind.DATE:
            return date.fromordinal(730_000 + row)
        case Kind.TIMESTAMP:
            return datetime.fromordinal(730_000 + row)
        case _:
            return f"key {row}"


def _part(column: CoreColumn, row: int, *, remainder: bool) -> object:
    match column.part:
        case Part.ROW_KIND:
            return Decimal(int(remainder))
        case Part.KEY:
            return None if remainder else _key(column.type, row)
        case Part.UNITS:
            return Decimal(UNITS)
        case Part.VALUE if column.name.startswith("l"):
            return Decimal(LARGEST)
        case Part.VALUE if column.name.startswith("e"):
            return Decimal(SECOND)
        case _:
            return Decimal(UNITS) if column.type.kind in (Kind.INTEGER, Kind.DECIMAL) else _key(column.type, row)


def reply(plan: Plan) -> bytes:
    """An Arrow IPC stream per core in the form this plan asks for."""
    return b"".join(_stream(core, plan.threshold) for core in plan.cores)


def _stream(core: CorePlan, threshold: ThresholdRules | None) -> bytes:
    keyed = any(column.part is Part.KEY for column in core.columns)
    cells = CELLS if keyed or not core.protected else 1
    rows = [(row, False) for row in range(cells)]
    if keyed and threshold is not None and threshold.remainder:
        rows.append((cells, True))
    columns = [
        pa.array([_part(column, row, remainder=rest) for row, rest in rows], _arrow(column.type))
        for column in core.columns
    ]
    table = pa.table(columns, names=[f"c{i}" for i, _ in enumerate(columns, start=1)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content

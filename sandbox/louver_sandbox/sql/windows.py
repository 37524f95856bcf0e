"""The window functions: what each takes, what it gives, and what it means over one partition (ISO/IEC 9075-2, 6.10).

In a protected answer they are computed by the releaser over released values; over public and own rows the engine
computes them. Either way the result never depends on the order in which rows happen to lie: a partition's rows come
here in a total order, the query's own order first and then every other value of the row. Rows that are equal under
the query's own order are peers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import DOUBLE, INTEGER, NULL, NUMERIC, Kind, Type
from louver_sandbox.sql.rules import MAX_SCALE, Types, quantize, to_type, unify

_ORDERED = NUMERIC | {Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.BOOLEAN}


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of one partition, in order, as a window function sees them.

    `arguments` holds one tuple of argument values per row; `peers` numbers the groups of peers from 0, so it never
    falls and rises by one at most. Without an ORDER BY all rows are peers. `running` is the call's frame.
    """

    arguments: Sequence[tuple[Value, ...]]
    peers: Sequence[int]
    running: bool


@dataclass(frozen=True, slots=True)
class WindowRule:
    """One window function.

    `result` gives None for argument types it does not take. `evaluate` gives one value per row of a partition; it
    never raises on data. `ordered` functions mean nothing without an ORDER BY; `framed` ones look at the rows of
    their frame, the others at the whole partition. `constants` are the arguments that must be constants: integers,
    at least 1 for `ntile` and at least 0 for `lag` and `lead`.
    """

    name: str
    result: Callable[[Types], Type | None]
    evaluate: Callable[[Partition, Type], Sequence[Value]]
    ordered: bool = False
    framed: bool = False
    constants: tuple[int, ...] = ()


def evaluate_window(function: str, partition: Partition, result: Type) -> Sequence[Value]:
    """What the window function gives for each row of the partition, as values of `result`; None is NULL."""
    return WINDOWS[function].evaluate(partition, result)


def _before(peers: Sequence[int]) -> list[int]:
    """For each row, the number of rows before its peers."""
    first: dict[int, int] = {}
    for place, group in enumerate(peers):
        first.setdefault(group, place)
    return [first[group] for group in peers]


def _through(peers: Sequence[int]) -> list[int]:
    """For each row, the number of rows up to and including its peers."""
    last = {group: place for place, group in enumerate(peers)}
    return [last[group] + 1 for group in peers]


def _frame_ends(partition: Partition) -> list[int]:
    """For each row, how many rows of the partition its frame holds, from the first on."""
    size = len(partition.peers)
    return _through(partition.peers) if partition.running else [size] * size


def _rank(partition: Partition, result: Type) -> Sequence[Value]:
    return [before + 1 for before in _before(partition.peers)]


def _dense_rank(partition: Partition, result: Type) -> Sequence[Value]:
    return [group + 1 for group in partition.peers]


def _row_number(partition: Partition, result: Type) -> Sequence[Value]:
    return list(range(1, len(partition.peers) + 1))


def _percent_rank(partition: Partition, result: Type) -> Sequence[Value]:
    others = len(partition.peers) - 1
    return [before / others if others else 0.0 for before in _before(partition.peers)]


def _cume_dist(partition: Partition, result: Type) -> Sequence[Value]:
    return [through / len(partition.peers) for through in _through(partition.peers)]


def _ntile(partition: Partition, result: Type) -> Sequence[Value]:
    """Buckets of as equal a size as can be, the larger ones first."""
    size = len(partition.peers)
    wanted = partition.arguments[0][0] if size else None
    if not isinstance(wanted, int) or wanted < 1:
        return [None] * size
    small, larger = divmod(size, wanted)
    in_larger = larger * (small + 1)
    return [
        place // (small + 1) + 1 if place < in_larger else larger + (place - in_larger) // small + 1
        for place in range(size)
    ]


def _widened(value: Value, result: Type) -> Value:
    """A value that is passed on, in the type that holds the default too."""
    return value if isinstance(value, float) else to_type(value, result)


def _shifted(direction: int) -> Callable[[Partition, Type], Sequence[Value]]:
    def shift(partition: Partition, result: Type) -> Sequence[Value]:
        rows = partition.arguments
        found: list[Value] = []
        for place, row in enumerate(rows):
            distance = row[1] if len(row) > 1 else 1
            default = _widened(row[2], result) if len(row) > 2 else None
            if not isinstance(distance, int):
                found.append(None)
                continue
            source = place + direction * distance
            found.append(_widened(rows[source][0], result) if 0 <= source < len(rows) else default)
        return found

    return shift


def _first_value(partition: Partition, result: Type) -> Sequence[Value]:
    return [partition.arguments[0][0] for _ in partition.arguments]


def _last_value(partition: Partition, result: Type) -> Sequence[Value]:
    return [partition.arguments[end - 1][0] for end in _frame_ends(partition)]


Fold = Callable[[Sequence[tuple[Value, ...]], Type], Iterator[Value]]
"""An aggregate's value over the first row, the first two rows, and so on."""


def _framed(fold: Fold) -> Callable[[Partition, Type], Sequence[Value]]:
    def evaluate(partition: Partition, result: Type) -> Sequence[Value]:
        over = list(fold(partition.arguments, result))
        return [over[end - 1] for end in _frame_ends(partition)]

    return evaluate


def _counts(rows: Sequence[tuple[Value, ...]], result: Type) -> Iterator[Value]:
    count = 0
    for row in rows:
        count += not row or row[0] is not None
        yield count


def _exact(value: Value) -> int | Decimal | None:
    """A number to add up. Doubles are added up as decimals: a sum of doubles depends on the order of rows."""
    if isinstance(value, float):
        return quantize(Decimal(value), MAX_SCALE, 38)
    return value if isinstance(value, int | Decimal) else None


def _sums(rows: Sequence[tuple[Value, ...]], result: Type) -> Iterator[Value]:
    total: Any = None
    for (value,) in rows:
        exact = _exact(value)
        if exact is not None:
            total = exact if total is None else total + exact
        yield to_type(total, DOUBLE) if result == DOUBLE else total


def _averages(rows: Sequence[tuple[Value, ...]], result: Type) -> Iterator[Value]:
    total, count = Fraction(0), 0
    for (value,) in rows:
        exact = _exact(value)
        if exact is not None:
            total, count = total + Fraction(exact), count + 1
        yield to_type(float(total / count), DOUBLE) if count else None


def _extremes(better: Callable[[Any, Any], Any]) -> Fold:
    def fold(rows: Sequence[tuple[Value, ...]], result: Type) -> Iterator[Value]:
        best: Value = None
        for (value,) in rows:
            if value is not None:
                best = value if best is None else better(best, value)
            yield best

    return fold


def _none(result: Type) -> Callable[[Types], Type | None]:
    return lambda types: None if types else result


def _same(types: Types) -> Type | None:
    return types[0] if len(types) == 1 else None


def _ordered(types: Types) -> Type | None:
    return types[0] if len(types) == 1 and types[0].kind in _ORDERED else None


def _numeric(types: Types) -> Type | None:
    return types[0] if len(types) == 1 and types[0].kind in NUMERIC else None


def _shift_type(types: Types) -> Type | None:
    """The value's type, widened to hold the default."""
    if not 1 <= len(types) <= 3 or (len(types) > 1 and types[1] != INTEGER):
        return None
    found = unify((types[0], *types[2:]))
    return None if found == NULL else found


_TABLE: tuple[WindowRule, ...] = (
    WindowRule("rank", _none(INTEGER), _rank, ordered=True),
    WindowRule("dense_rank", _none(INTEGER), _dense_rank, ordered=True),
    WindowRule("row_number", _none(INTEGER), _row_number),
    WindowRule("percent_rank", _none(DOUBLE), _percent_rank, ordered=True),
    WindowRule("cume_dist", _none(DOUBLE), _cume_dist, ordered=True),
    WindowRule("ntile", lambda types: INTEGER if types == (INTEGER,) else None, _ntile, ordered=True, constants=(0,)),
    WindowRule("lag", _shift_type, _shifted(-1), ordered=True, constants=(1,)),
    WindowRule("lead", _shift_type, _shifted(1), ordered=True, constants=(1,)),
    WindowRule("first_value", _same, _first_value, ordered=True, framed=True),
    WindowRule("last_value", _same, _last_value, ordered=True, framed=True),
    WindowRule("count", lambda types: INTEGER if len(types) <= 1 else None, _framed(_counts), framed=True),
    WindowRule("sum", _numeric, _framed(_sums), framed=True),
    WindowRule("avg", lambda types: DOUBLE if _numeric(types) else None, _framed(_averages), framed=True),
    WindowRule("min", _ordered, _framed(_extremes(min)), framed=True),
    WindowRule("max", _ordered, _framed(_extremes(max)), framed=True),
)

WINDOWS: Mapping[str, WindowRule] = MappingProxyType({rule.name: rule for rule in _TABLE})
"""Every window function by name; nothing else is one."""

"""GROUP BY as grouping sets: ROLLUP, CUBE and GROUPING SETS multiplied out (ISO/IEC 9075-2, 7.13)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from math import prod

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.context import Context, Text

Keys = tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The keys of a GROUP BY, each once, and its sets; one set that holds every key is plain grouping."""

    sets: tuple[Keys, ...]

    @property
    def keys(self) -> Keys:
        """Every key of any set."""
        return tuple(dict.fromkeys(chain.from_iterable(self.sets)))

    def indexes(self, keys: Sequence[Expression]) -> tuple[tuple[int, ...], ...]:
        """The sets as indexes into `keys`; empty for plain grouping."""
        if len(self.sets) == 1:
            return ()
        return tuple(tuple(keys.index(key) for key in one) for one in self.sets)


class Expansion:
    """Multiplies out the elements of one GROUP BY. `bind` reads a key."""

    def __init__(self, context: Context, text: Text, bind: Callable[[exp.Expr], Expression]) -> None:
        self.context = context
        self.text = text
        self.bind = bind

    def of(self, group: exp.Expr) -> Grouping:
        """The sets of the clause. Raises LVR-1006 above the limit and LVR-1316 for a set that is there twice."""
        at = self.text.at(group)
        elements = [self.element(node) for node in group.expressions]
        if group.args.get("rollup") or group.args.get("cube"):
            # WITH ROLLUP, behind the list it is about.
            parts = [self.keys(node) for node in group.expressions]
            elements = [_rollup(parts) if group.args.get("rollup") else self.cube(parts, at)]
        self.bounded(prod(len(element) for element in elements), at)
        sets = [tuple(dict.fromkeys(chain.from_iterable(parts))) for parts in product(*elements)]
        if len({frozenset(one) for one in sets}) < len(sets):
            raise refusals.grouping_invalid(at)
        return Grouping(tuple(sets))

    def element(self, node: exp.Expr) -> list[Keys]:
        kind = type(node)
        if kind is exp.Rollup:
            return _rollup([self.keys(part) for part in node.expressions])
        if kind is exp.Cube:
            return self.cube([self.keys(part) for part in node.expressions], self.text.at(node))
        if kind is exp.GroupingSets:
            found = [one for part in node.expressions for one in self.element(part)]
            self.bounded(len(found), self.text.at(node))
            return found
        return [self.keys(node)]

    def keys(self, node: exp.Expr) -> Keys:
        """One key, or several in brackets."""
        if type(node) is exp.Tuple:
            return tuple(self.bind(part) for part in node.expressions)
        return (self.bind(node),)

    def cube(self, parts: Sequence[Keys], at: Position | None) -> list[Keys]:
        self.bounded(2 ** min(len(parts), 30), at)
        subsets = chain.from_iterable(combinations(parts, size) for size in range(len(parts), -1, -1))
        return [_joined(subset) for subset in subsets]

    def bounded(self, count: int, at: Position | None) -> None:
        limit = self.context.limits.grouping_sets
        if count > limit:
            raise refusals.too_complex("grouping sets", "分组集", limit, at)


def _rollup(parts: Sequence[Keys]) -> list[Keys]:
    return [_joined(parts[:size]) for size in range(len(parts), -1, -1)]


def _joined(parts: Sequence[Keys]) -> Keys:
    return tuple(chain.from_iterable(parts))

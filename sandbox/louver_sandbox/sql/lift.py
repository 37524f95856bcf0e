"""Moving expressions above an Aggregate: keys and aggregates become its columns, other columns are refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    SortKey,
    WindowCall,
)
from louver_sandbox.algebra.relations import Aggregate, Relation
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.clauses import Item
from louver_sandbox.sql.context import Context


class Lift:
    """One Aggregate in the making.

    `sets` are the grouping sets as indexes of `keys`, none for the one set of all keys. References to relations in
    `free` stand above the Aggregate themselves and stay as they are; those to `inner` belong to this query at all.
    """

    def __init__(
        self,
        context: Context,
        keys: Sequence[Expression],
        *,
        inner: Collection[int],
        free: Collection[int] = (),
        sets: Sequence[Sequence[int]] = (),
    ) -> None:
        self.context = context
        self.id = context.new_id()
        self.keys = {key: f"k{index}" for index, key in enumerate(dict.fromkeys(keys), start=1)}
        self.inner = inner
        self.free = free
        self.sets = tuple(sorted(tuple(sorted(one)) for one in sets))
        self.measures: dict[AggregateCall, str] = {}

    def expression(self, expression: Expression) -> Expression:
        """The expression over the Aggregate's own columns. Raises LVR-1301, LVR-1311, LVR-1316."""
        name = self.keys.get(expression)
        if name is not None:
            return ColumnRef(self.id, name, expression.type, expression.at)
        match expression:
            case Literal():
                return expression
            case AggregateCall():
                return self._measure(expression)
            case Call():
                lifted = tuple(self.expression(argument) for argument in expression.arguments)
                return self.context.weighed(replace(expression, arguments=lifted))
            case ColumnRef():
                if expression.relation in self.free:
                    return expression
                if expression.relation not in self.inner:
                    raise refusals.correlation_unsupported(expression.at)
                raise refusals.returned_per_row(expression.name, expression.at)

    def _measure(self, call: AggregateCall) -> Expression:
        if call.function == "grouping":
            if any(argument not in self.keys for argument in call.arguments):
                raise refusals.grouping_invalid(call.at)
            if not self.sets:
                return Literal(0, call.type, call.at)
        name = self.measures.setdefault(call, f"m{len(self.measures) + 1}")
        return ColumnRef(self.id, name, call.type, call.at)

    def sort_keys(self, keys: Sequence[SortKey]) -> tuple[SortKey, ...]:
        """ORDER BY over the Aggregate's columns."""
        return tuple(replace(key, expression=self.expression(key.expression)) for key in keys)

    def window(self, call: WindowCall) -> WindowCall:
        """A window call over the Aggregate's columns."""
        return replace(
            call,
            arguments=tuple(self.expression(part) for part in call.arguments),
            partition=tuple(self.expression(part) for part in call.partition),
            order=self.sort_keys(call.order),
        )

    def refs(self) -> tuple[ColumnRef, ...]:
        """The keys as columns of the Aggregate."""
        return tuple(ColumnRef(self.id, name, key.type) for key, name in self.keys.items())

    def aggregate(self, source: Relation) -> Aggregate:
        """The Aggregate over `source` with every measure that was asked for so far."""
        keys = tuple(Named(name, key) for key, name in self.keys.items())
        measures = tuple(Named(name, measure) for measure, name in self.measures.items())
        return Aggregate(self.id, source, keys, measures, self.sets)

    def shows_all_keys(self, items: Sequence[Item]) -> bool:
        """Whether the items hold every key, so that no two groups can look alike."""
        shown = {item.expression for item in items}
        return not self.sets and all(ref in shown for ref in self.refs())


def ordered_keys(keys: Sequence[Expression], items: Sequence[Item]) -> tuple[Expression, ...]:
    """Keys in the order of the SELECT list, then the others as written: `GROUP BY a, b` is `GROUP BY b, a`."""
    distinct = tuple(dict.fromkeys(keys))
    places = {item.expression: index for index, item in reversed(list(enumerate(items)))}
    return tuple(sorted(distinct, key=lambda key: places.get(key, len(items))))

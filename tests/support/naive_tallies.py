"""Inner counts of one subject's rows with a property, by definition: their sum is a number of such rows again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tests.support.naive_rows import Column
from tests.support.naive_sums import Nullable, is_presence, there

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.relations import Aggregate, walk
from louver_sandbox.algebra.types import Kind


def tallies(core: Aggregate, nullable: Nullable, partners: Collection[Column]) -> Mapping[ColumnRef, bool]:
    """The columns that are inner counts of rows with a property, and whether it is only that of having a value."""
    found: dict[ColumnRef, bool] = {}
    for node in (node for node in walk(core.input) if isinstance(node, Aggregate)):
        for named in node.measures:
            call = named.expression
            asked = _asked(call, nullable, partners) if isinstance(call, AggregateCall) else None
            if asked is not None:
                found[ColumnRef(node.id, named.name, call.type)] = asked
    return found


def _asked(call: AggregateCall, nullable: Nullable, partners: Collection[Column]) -> bool | None:
    if call.function == "count":
        tests = [test for argument in call.arguments for test in there(argument, nullable)]
        if call.where is None and not tests:
            return None
        return call.where is None and all(is_presence(test, partners) for test, _ in tests)
    if call.function in ("sum", "max", "min") and _is_zero_or_one(call.arguments[0]):
        return False
    return None


def _is_zero_or_one(expression: Expression) -> bool:
    """Whether it is 0, 1 or NULL, and not always the same."""
    match expression:
        case Call(function="try_cast", arguments=(inner,)):
            return inner.type.kind is Kind.BOOLEAN or _is_zero_or_one(inner)
        case Call(function="case", arguments=arguments):
            results = (*arguments[1:-1:2], arguments[-1])
            return all(_is_known(one) or _is_zero_or_one(one) for one in results)
        case Call(function="coalesce", arguments=arguments):
            return all(_is_known(one) or _is_zero_or_one(one) for one in arguments)
        case _:
            return False


def _is_known(expression: Expression) -> bool:
    return isinstance(expression, Literal) and expression.value in (None, 0, 1)

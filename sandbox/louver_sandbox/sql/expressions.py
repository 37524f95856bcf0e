"""Binding expressions: syntax nodes in, typed algebra out, every column resolved against the scope it stands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import AggregateCall, ColumnRef, Expression, Literal, walk
from louver_sandbox.algebra.types import (
    BOOLEAN,
    DOUBLE,
    INTEGER,
    NULL,
    TEXT,
    Kind,
    Position,
    decimal,
)
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls, constants, quantiles, spelled_dates, spellings
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.grammar import FUNCTIONS, OPERATORS
from louver_sandbox.sql.rules import FunctionKind
from louver_sandbox.sql.scopes import Scope, fold
from louver_sandbox.sql.statistics import STATISTICS
from louver_sandbox.sql.temporal import DIFFERENCES, TRUNCATIONS
from louver_sandbox.sql.typenames import type_named

_PARTS = {"doy": "dayofyear", "dayofmonth": "day", "weekofyear": "week", "dow": "dow", "dayofweek": "dow"} | {
    name: name
    for name in ("year", "quarter", "month", "week", "day", "dayofyear", "isodow", "isoyear", "hour", "minute")
}
_DEFAULT_DECIMALS = 6


_OF_NUMBERS = frozenset({"sum", "avg"}) | {rule.name for rule in STATISTICS}


@dataclass(frozen=True)
class Names:
    """How a name is read in one clause: columns of the scope and aliases of the SELECT list.

    `place` is set where aggregates may not stand, and says so in the refusal (English, Chinese). `special` reads what
    only a query can give a meaning to: subqueries, windows, GROUPING.
    """

    scope: Scope
    text: Text
    aliases: Mapping[str, exp.Expr] = field(default_factory=dict)
    aliases_first: bool = False
    place: tuple[str, str] | None = None
    special: Mapping[type[exp.Expr], Handler] = field(default_factory=dict)


class Binder:
    """Binds the expressions of one clause."""

    def __init__(self, context: Context, names: Names) -> None:
        self.context = context
        self.names = names

    def bind(self, node: exp.Expr) -> Expression:
        """The expression, typed. Raises `Refused`."""
        kind = type(node)
        if kind in OPERATORS:
            bound = calls.call(self.context, OPERATORS[kind], (self.bind(node.this), self.bind(node.expression)))
            return calls.call(self.context, "not", (bound,)) if node.args.get("negate") else bound
        spelled = spellings.NODES.get(kind)
        if spelled is not None:
            bound = spelled(self, node)
            return calls.call(self.context, "not", (bound,)) if node.args.get("negate") else bound
        handler = self.names.special.get(kind) or _HANDLERS.get(kind)
        if handler is not None:
            return handler(self, node)
        return self._function(node)

    @property
    def dialect(self) -> str:
        """The dialect the question is written in; views are in DuckDB's."""
        return "duckdb" if self.names.text.fixed is not None else self.context.dialect

    def predicate(self, node: exp.Expr) -> Expression:
        """A condition: a truth value, or refused (LVR-1304)."""
        bound = self.bind(node)
        if bound.type not in (BOOLEAN, NULL):
            raise refusals.type_mismatch("a condition", [str(bound.type)], bound.at or self.at(node))
        return bound

    def at(self, node: exp.Expr) -> Position | None:
        return self.names.text.at(node)

    def call(self, name: str, *arguments: Expression, at: Position | None = None) -> Expression:
        return calls.call(self.context, name, arguments, at)

    # names and constants

    def column(self, node: exp.Expr) -> Expression:
        at = self.at(node)
        name = str(node.this.this)
        qualifier = tuple(
            str(part.this) for part in (node.args.get("db"), node.args.get("table")) if part is not None
        )
        alias = None if qualifier else self.names.aliases.get(fold(name))
        if alias is None:
            return self.names.scope.resolve(name, qualifier, at)
        if not self.names.aliases_first:
            found = self.names.scope.find(name, at)
            if found is not None:
                return found
        return self._alias(fold(name), alias)

    def _alias(self, name: str, node: exp.Expr) -> Expression:
        self.context.enter_alias(self.at(node))
        # Inside its own definition an alias is not visible, so definitions cannot go round in circles.
        remaining = {other: value for other, value in self.names.aliases.items() if other != name}
        names = replace(self.names, aliases=remaining, aliases_first=False)
        return Binder(self.context, names).bind(node)

    def literal(self, node: exp.Expr) -> Expression:
        if node.is_string:
            return Literal(str(node.this), TEXT, self.at(node))
        return constants.number(str(node.this), self.at(node))

    def placeholder(self, node: exp.Expr) -> Expression:
        name = str(node.this)
        offset = self.names.text.source.parameters.get(name, 0)
        at = self.names.text.fixed or self.names.text.source.position(offset, offset + len(name) + 1)
        if name not in self.context.parameters:
            raise refusals.parameter_missing(name, at)
        return constants.parameter(self.context.parameters[name], at)

    def interval(self, node: exp.Expr) -> Expression:
        if not isinstance(node, exp.Interval):
            raise refusals.syntax(self.at(node))
        return constants.interval(node, self.at(node))

    # operators with a syntax of their own

    def connective(self, node: exp.Expr) -> Expression:
        """AND and OR, flat: a long chain must not become deep recursion."""
        parts: list[exp.Expr] = []
        stack = [node]
        while stack:
            part = stack.pop()
            if type(part) is type(node):
                stack += [part.expression, part.this]
            else:
                parts.append(part)
        return self.call("and" if type(node) is exp.And else "or", *(self.predicate(part) for part in parts))

    def concatenation(self, node: exp.Expr) -> Expression:
        parts: list[exp.Expr] = []
        while type(node) is exp.DPipe:
            parts.append(node.expression)
            node = node.this
        bound = [self.bind(part) for part in (node, *reversed(parts))]
        return spellings.concatenated(self, exp.DPipe(), bound)

    def concat(self, node: exp.Expr) -> Expression:
        """`concat(a, b)`, which in some dialects reads NULL as empty text, unlike `||`."""
        return spellings.concatenated(self, node, [self.bind(part) for part in node.expressions])

    def same(self, node: exp.Expr) -> Expression:
        return self.call("not", self.call("is_distinct", self.bind(node.this), self.bind(node.expression)))

    def negation(self, node: exp.Expr) -> Expression:
        return self.call("not", self.predicate(node.this))

    def test(self, node: exp.Expr) -> Expression:
        """IS NULL, IS TRUE, IS FALSE."""
        operand, constant = self.bind(node.this), node.expression
        if type(constant) is exp.Null:
            return self.call("is_null", operand)
        if type(constant) is not exp.Boolean:
            raise refusals.syntax(self.at(node))
        wanted = operand if constant.this else self.call("not", operand)
        return self.call("coalesce", wanted, Literal(False, BOOLEAN))

    def between(self, node: exp.Expr) -> Expression:
        operand = self.bind(node.this)
        low, high = self.bind(node.args["low"]), self.bind(node.args["high"])
        return self.call("and", self.call(">=", operand, low), self.call("<=", operand, high))

    def member(self, node: exp.Expr) -> Expression:
        if not node.expressions:
            raise refusals.syntax(self.at(node))
        return self.call("in", self.bind(node.this), *(self.bind(item) for item in node.expressions))

    def case(self, node: exp.Expr) -> Expression:
        operand = None if node.args.get("this") is None else self.bind(node.this)
        arguments: list[Expression] = []
        for branch in node.args["ifs"]:
            if operand is None:
                arguments.append(self.predicate(branch.this))
            else:
                arguments.append(self.call("=", operand, self.bind(branch.this)))
            arguments.append(self.bind(branch.args["true"]))
        default = node.args.get("default")
        return self.call("case", *arguments, calls.null() if default is None else self.bind(default))

    def choice(self, node: exp.Expr) -> Expression:
        otherwise = node.args.get("false")
        default = calls.null() if otherwise is None else self.bind(otherwise)
        return self.call("case", self.predicate(node.this), self.bind(node.args["true"]), default)

    def cast(self, node: exp.Expr) -> Expression:
        bound, wanted = self.bind(node.this), type_named(node.args["to"])
        if wanted is None:
            raise refusals.unknown_type(self.at(node))
        if self.dialect == "spark" and wanted == INTEGER and bound.type.kind in (Kind.DECIMAL, Kind.DOUBLE):
            # There a cast cuts off what is after the point; elsewhere it rounds.
            bound = self.call("trunc", bound)
        return calls.cast(self.context, bound, wanted, self.at(node))

    # functions

    def _function(self, node: exp.Expr) -> Expression:
        if type(node) is exp.Anonymous:
            named = spellings.NAMES[self.dialect].get(str(node.this).lower())
            if named is None:
                raise refusals.unknown_function(str(node.this).lower(), self.at(node))
            return named(self, node, list(node.expressions))
        else:
            known = FUNCTIONS.get(type(node))
            if known is None:
                # A clause or name where an expression should stand.
                raise refusals.syntax(self.at(node))
            name, keys = known
            arguments = _arguments(node, keys)
        if name in ("extract", "date_trunc", "date_diff"):
            return self.calendar(name, node, arguments)
        if name == "count_if" or RULES[name].kind is FunctionKind.AGGREGATE:
            return self.aggregate(node, None)
        return self.call(name, *(self.bind(argument) for argument in arguments), at=self.at(node))

    def calendar(self, name: str, node: exp.Expr, arguments: list[exp.Expr]) -> Expression:
        """EXTRACT, DATE_TRUNC and DATE_DIFF, whose first argument names a unit."""
        unit = arguments[0] if arguments else node
        word = str(unit.this).lower() if type(unit) in (exp.Var, exp.Literal) else ""
        known = {"extract": tuple(_PARTS), "date_trunc": TRUNCATIONS, "date_diff": DIFFERENCES}[name]
        wanted = 3 if name == "date_diff" else 2
        if word not in known or len(arguments) != wanted:
            listed = ", ".join(known)
            raise refusals.wrong_arguments(
                name, f"the unit is one of {listed}", f"单位为 {listed} 之一", self.at(node)
            )
        if name == "extract":
            aged = spelled_dates.years_of_age(self, node, arguments[1]) if word == "year" else None
            return aged or self._part(_PARTS[word], node, arguments[1])
        rest = [self.bind(argument) for argument in arguments[1:]]
        return self.call(name, Literal(word, TEXT), *rest, at=self.at(node))

    def _part(self, part: str, node: exp.Expr, operand: exp.Expr) -> Expression:
        if part == "dow":
            return spelled_dates.day_of_week(self, node, operand)
        if part == "week" and self.dialect == "mysql":
            raise refusals.unclear_in_dialect(
                "week", "mysql", "write weekofyear(d) for the ISO week", "ISO 周请写 weekofyear(d)", self.at(node)
            )
        return self.call(part, self.bind(operand), at=self.at(node))

    def filtered(self, node: exp.Expr) -> Expression:
        inner, where = node.this, node.expression.this
        if type(inner) in (exp.LogicalAnd, exp.LogicalOr):
            return spellings.every(self, inner, inner.this, wanted=type(inner) is exp.LogicalAnd, where=where)
        if type(inner) in spellings.QUANTILE_NODES:
            return quantiles.quantile(self, inner, where)
        return self.aggregate(inner, where)

    def aggregate(self, node: exp.Expr, where: exp.Expr | None) -> Expression:
        """An aggregate call of the parser's, with its FILTER."""
        name, keys = FUNCTIONS[type(node)]
        return self.aggregate_of(name, node, tuple(_arguments(node, keys)), where)

    def aggregate_of(
        self, name: str, node: exp.Expr, arguments: tuple[exp.Expr, ...], where: exp.Expr | None = None
    ) -> Expression:
        """The aggregate `name` of these arguments; `count_if(p)` is COUNT(*) under a filter."""
        at = self.at(node)
        if self.names.place is not None:
            raise refusals.aggregate_misplaced(name, *self.names.place, at)
        inside = Binder(self.context, replace(self.names, place=("another aggregate", "另一个聚合函数")))
        condition = None if where is None else inside.predicate(where)
        argument = arguments[0] if arguments else None
        if name == "count_if" and argument is not None:
            counted = inside.predicate(argument)
            condition = counted if condition is None else calls.call(self.context, "and", (condition, counted))
            return self._made("count", (), False, condition, at)
        distinct = type(argument) is exp.Distinct
        if distinct and argument is not None:
            argument = argument.expressions[0]
        if argument is None or type(argument) is exp.Star:
            if name != "count" or distinct:
                raise refusals.wrong_arguments(name, "name one column or expression", "请写一个列或表达式", at)
            return self._made(name, (), False, condition, at)
        if name in _OF_NUMBERS:
            numbers = tuple(self._summable(inside.bind(part)) for part in arguments)
            return self._made(name, numbers, distinct, condition, at)
        bound = inside.bind(argument)
        if name == "count" and not distinct and isinstance(bound, Literal) and bound.value is not None:
            return self._made(name, (), False, condition, at)
        return self._made(name, (bound,), distinct, condition, at)

    def quantile_of(
        self, name: str, argument: exp.Expr, share: Literal, where: exp.Expr | None, at: Position | None
    ) -> Expression:
        """The quantile of an argument at a share. Truth values and doubles are ranked as they are summed."""
        if self.names.place is not None:
            raise refusals.aggregate_misplaced(name, *self.names.place, at)
        inside = Binder(self.context, replace(self.names, place=("another aggregate", "另一个聚合函数")))
        condition = None if where is None else inside.predicate(where)
        return self._made(name, (self._summable(inside.bind(argument)), share), False, condition, at)

    def _made(
        self,
        name: str,
        arguments: tuple[Expression, ...],
        distinct: bool,
        where: Expression | None,
        at: Position | None,
    ) -> Expression:
        result = RULES[name].result(tuple(item.type for item in arguments))
        if result is None:
            raise refusals.type_mismatch(name, [str(item.type) for item in arguments], at)
        if isinstance(where, Literal) and where.value is True:
            where = None
        return self.context.weighed(AggregateCall(name, arguments, result, distinct, where, at))

    def _summable(self, argument: Expression) -> Expression:
        """Truth values are summed as 0 and 1, doubles as decimals: a sum of doubles depends on the order of rows."""
        if argument.type == BOOLEAN:
            return calls.cast(self.context, argument, INTEGER)
        if argument.type != DOUBLE:
            return argument
        digits = _DEFAULT_DECIMALS
        if isinstance(argument, ColumnRef):
            digits = self.context.decimals.get((argument.relation, argument.name), digits)
        return calls.cast(self.context, argument, decimal(digits))


def _arguments(node: exp.Expr, keys: tuple[str, ...]) -> list[exp.Expr]:
    found: list[exp.Expr] = []
    for key in keys:
        value = node.args.get(key)
        if value is not None:
            found += value if isinstance(value, list) else [value]
    return found


Handler = Callable[[Binder, exp.Expr], Expression]
"""Binds the nodes of one class."""

_HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Column: Binder.column,
    exp.Literal: Binder.literal,
    exp.Boolean: lambda binder, node: Literal(bool(node.this), BOOLEAN),
    exp.Null: lambda binder, node: calls.null(),
    exp.Placeholder: Binder.placeholder,
    exp.Interval: Binder.interval,
    exp.Paren: lambda binder, node: binder.bind(node.this),
    exp.And: Binder.connective,
    exp.Or: Binder.connective,
    exp.DPipe: Binder.concatenation,
    exp.Concat: Binder.concat,
    exp.NullSafeEQ: Binder.same,
    exp.Not: Binder.negation,
    exp.Neg: lambda binder, node: binder.call("negate", binder.bind(node.this)),
    exp.Is: Binder.test,
    exp.Between: Binder.between,
    exp.In: Binder.member,
    exp.Case: Binder.case,
    exp.If: Binder.choice,
    exp.Cast: Binder.cast,
    exp.TryCast: Binder.cast,
    exp.Filter: Binder.filtered,
}


def has_aggregate(expression: Expression) -> bool:
    """Whether an aggregate stands anywhere in the expression."""
    return any(isinstance(part, AggregateCall) for part in walk(expression))

"""Binding expressions: syntax nodes in, typed algebra out, every column resolved against the scope it stands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, walk
from louver_sandbox.algebra.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    NULL,
    TEXT,
    TIMESTAMP,
    Position,
    Type,
    decimal,
)
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls, constants
from louver_sandbox.sql.constructs import words
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.grammar import FUNCTIONS, NAMED_FUNCTIONS, OPERATORS
from louver_sandbox.sql.rules import MAX_SCALE, FunctionKind
from louver_sandbox.sql.scopes import Scope, fold
from louver_sandbox.sql.temporal import DIFFERENCES, TRUNCATIONS

_INTEGER_TYPES = words("TINYINT SMALLINT INT BIGINT INT128 UTINYINT USMALLINT UINT UBIGINT")
_TEXT_TYPES = words("TEXT VARCHAR CHAR")
_PLAIN_TYPES = {
    "BOOLEAN": BOOLEAN,
    "DOUBLE": DOUBLE,
    "FLOAT": DOUBLE,
    "DATE": DATE,
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMPNTZ": TIMESTAMP,
}
_PARTS = {"doy": "dayofyear", "dayofmonth": "day"} | {
    name: name for name in ("year", "quarter", "month", "day", "dayofyear", "isodow")
}
_DEFAULT_DECIMALS = 6


@dataclass(frozen=True)
class Names:
    """How a name is read in one clause: columns of the scope and aliases of the SELECT list.

    `place` is set where aggregates may not stand, and says so in the refusal (English, Chinese).
    """

    scope: Scope
    text: Text
    aliases: Mapping[str, exp.Expr] = field(default_factory=dict)
    aliases_first: bool = False
    place: tuple[str, str] | None = None


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
        handler = _HANDLERS.get(kind)
        if handler is not None:
            return handler(self, node)
        return self._function(node)

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
        return self.call("concat", *(self.bind(part) for part in (node, *reversed(parts))))

    def concat(self, node: exp.Expr) -> Expression:
        """`concat(a, b)` reads NULL as empty text, unlike `||`."""
        empty = Literal("", TEXT)
        return self.call("concat", *(self.call("coalesce", self.bind(part), empty) for part in node.expressions))

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
        return calls.cast(self.context, self.bind(node.this), self._type(node.args["to"], node), self.at(node))

    def _type(self, node: exp.Expr, place: exp.Expr) -> Type:
        name = getattr(node.this, "value", "")
        digits = [str(part.this.this) for part in node.expressions if isinstance(part, exp.DataTypeParam)]
        if name in _PLAIN_TYPES and not digits:
            return _PLAIN_TYPES[name]
        if name in _INTEGER_TYPES and not digits:
            return INTEGER
        if name in _TEXT_TYPES:
            return TEXT
        if name == "DECIMAL" and all(item.isdigit() for item in digits):
            scale = 3 if not digits else 0 if len(digits) == 1 else int(digits[1])
            if scale <= MAX_SCALE:
                return decimal(scale)
        raise refusals.unknown_type(self.at(place))

    # functions

    def _function(self, node: exp.Expr) -> Expression:
        if type(node) is exp.Anonymous:
            name, arguments = NAMED_FUNCTIONS[str(node.this).lower()], list(node.expressions)
        else:
            known = FUNCTIONS.get(type(node))
            if known is None:
                # A clause or name where an expression should stand.
                raise refusals.syntax(self.at(node))
            name, keys = known
            arguments = _arguments(node, keys)
        if name in ("extract", "date_trunc", "date_diff"):
            return self._calendar(name, node, arguments)
        if type(node) is exp.Trim:
            name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or ""), "trim")
        if name == "count_if" or RULES[name].kind is FunctionKind.AGGREGATE:
            return self.aggregate(node, None)
        return self.call(name, *(self.bind(argument) for argument in arguments), at=self.at(node))

    def _calendar(self, name: str, node: exp.Expr, arguments: list[exp.Expr]) -> Expression:
        unit = arguments[0] if arguments else node
        word = str(unit.this).lower() if type(unit) in (exp.Var, exp.Literal) else ""
        known = {"extract": tuple(_PARTS), "date_trunc": TRUNCATIONS, "date_diff": DIFFERENCES}[name]
        wanted = 3 if name == "date_diff" else 2
        if word not in known or len(arguments) != wanted:
            listed = ", ".join(known)
            raise refusals.wrong_arguments(
                name, f"the unit is one of {listed}", f"单位为 {listed} 之一", self.at(node)
            )
        rest = [self.bind(argument) for argument in arguments[1:]]
        if name == "extract":
            return self.call(_PARTS[word], *rest, at=self.at(node))
        return self.call(name, Literal(word, TEXT), *rest, at=self.at(node))

    def filtered(self, node: exp.Expr) -> Expression:
        return self.aggregate(node.this, node.expression.this)

    def aggregate(self, node: exp.Expr, where: exp.Expr | None) -> Expression:
        """An aggregate call with its FILTER; `count_if(p)` is COUNT(*) under a filter."""
        at = self.at(node)
        name = FUNCTIONS[type(node)][0]
        if self.names.place is not None:
            raise refusals.aggregate_misplaced(name, *self.names.place, at)
        inside = Binder(self.context, replace(self.names, place=("another aggregate", "另一个聚合函数")))
        condition = None if where is None else inside.predicate(where)
        argument: exp.Expr | None = node.args.get("this")
        if name == "count_if":
            counted = inside.predicate(node.this)
            condition = counted if condition is None else calls.call(self.context, "and", (condition, counted))
            return self._made("count", (), False, condition, at)
        distinct = type(argument) is exp.Distinct
        if distinct and argument is not None:
            argument = argument.expressions[0]
        if argument is None or type(argument) is exp.Star:
            if name != "count" or distinct:
                raise refusals.wrong_arguments(name, "name one column or expression", "请写一个列或表达式", at)
            return self._made(name, (), False, condition, at)
        bound = self._summable(inside.bind(argument)) if name in ("sum", "avg") else inside.bind(argument)
        if name == "count" and not distinct and isinstance(bound, Literal) and bound.value is not None:
            return self._made(name, (), False, condition, at)
        return self._made(name, (bound,), distinct, condition, at)

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


_HANDLERS: dict[type[exp.Expr], Callable[[Binder, exp.Expr], Expression]] = {
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


def title(expression: Expression) -> str:
    """The name of an output column nobody named, as an analyst would expect it; at most 60 characters."""
    text = _title(expression)
    return text if len(text) <= 60 else text[:59] + "…"


def _title(expression: Expression) -> str:
    match expression:
        case ColumnRef():
            return expression.name
        case Literal():
            return "NULL" if expression.value is None else str(expression.value)
        case AggregateCall():
            if not expression.arguments:
                return "count_star()"
            distinct = "DISTINCT " if expression.distinct else ""
            return f"{expression.function}({distinct}{', '.join(map(_title, expression.arguments))})"
        case Call():
            parts = [_title(part) for part in expression.arguments[:8]]
            if expression.function == "try_cast":
                return parts[0]
            if not expression.function[0].isalpha() and len(parts) == 2:
                return f"({parts[0]} {expression.function} {parts[1]})"
            return f"{expression.function}({', '.join(parts)})"

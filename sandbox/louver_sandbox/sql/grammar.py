"""The closed list of syntax: which node classes may stand in a query, and with which arguments.

Allowing functions is not enough (sqlglot calls AND a function, and a sample is an argument): a node class or an
argument that is not named here is refused, whatever the parser makes of it (SECURITY 0.2, 5.1). Refusals tell apart
what a later version brings (LVR-1302), what gives stored values away (LVR-1202), what never will be allowed
(LVR-1203) and what is unknown (LVR-1201). Of several faults the first in the text is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.constructs import (
    LATER_ARGUMENTS,
    LATER_FUNCTIONS,
    LATER_NODES,
    NEVER_ARGUMENTS,
    NEVER_FUNCTIONS,
    NEVER_NODES,
    STORED_VALUE_FUNCTIONS,
    STORED_VALUE_NODES,
)
from louver_sandbox.sql.dialects import BY_NAME
from louver_sandbox.sql.lexical import LIMITS, Limits, Source
from louver_sandbox.sql.places import PLACES, RANKINGS, Fault, later, never, own_place

_BINARY = frozenset({"this", "expression"})
_UNARY = frozenset({"this"})
_SET_OPERATION = frozenset({"this", "expression", "distinct", "order", "limit", "offset", "with_"})

STRUCTURE: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: frozenset(
        [
            "expressions",
            "from_",
            "joins",
            "where",
            "group",
            "having",
            "qualify",
            "windows",
            "order",
            "limit",
            "offset",
            "distinct",
            "with_",
        ]
    ),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), _SET_OPERATION),
    exp.From: _UNARY,
    exp.Join: frozenset({"this", "on", "using", "side", "kind", "method"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias", "joins"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.Subquery: frozenset({"this", "alias"}),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias", "materialized"}),
    exp.Alias: frozenset({"this", "alias"}),
    exp.Column: frozenset({"this", "table", "db"}),
    exp.Star: frozenset({"except_", "replace"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Boolean: _UNARY,
    exp.Null: frozenset(),
    exp.Placeholder: _UNARY,
    exp.Where: _UNARY,
    exp.Having: _UNARY,
    exp.Qualify: _UNARY,
    exp.Group: frozenset({"expressions", "all", "rollup", "cube"}),
    **dict.fromkeys((exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple), frozenset({"expressions"})),
    **dict.fromkeys((exp.Grouping, exp.GroupingId), frozenset({"expressions"})),
    **dict.fromkeys((exp.Exists, exp.Any, exp.All), _UNARY),
    exp.Window: frozenset({"this", "partition_by", "order", "spec", "alias", "over"}),
    exp.WindowSpec: frozenset({"kind", "start", "start_side", "end", "end_side"}),
    **dict.fromkeys(RANKINGS, frozenset({"this", "offset", "default"})),
    exp.Order: frozenset({"expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Limit: frozenset({"expression"}),
    exp.Fetch: frozenset({"direction", "count", "limit_options"}),
    exp.LimitOptions: frozenset({"rows"}),
    exp.Offset: frozenset({"expression"}),
    exp.Distinct: frozenset({"expressions"}),
    exp.Var: _UNARY,
    exp.DataType: frozenset({"this", "expressions"}),
    exp.DataTypeParam: _UNARY,
    exp.Interval: frozenset({"this", "unit"}),
}
"""Clauses, names and constants with the arguments they may have."""

OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeNEQ: "is_distinct",
    exp.Mul: "*",
    exp.IntDiv: "//",
    exp.Mod: "%",
}
"""Two-sided operators and the rows of the function table they are."""

EXPRESSIONS: dict[type[exp.Expr], frozenset[str]] = {
    **dict.fromkeys(OPERATORS, _BINARY),
    exp.Div: _BINARY | {"typed", "safe"},
    exp.Add: _BINARY,
    exp.Sub: _BINARY,
    exp.Like: _BINARY | {"negate"},
    exp.ILike: _BINARY | {"negate"},
    exp.Escape: _BINARY,
    exp.SimilarTo: _BINARY | {"negate"},
    exp.RegexpLike: _BINARY | {"negate"},
    exp.RegexpFullMatch: _BINARY,
    exp.NullSafeEQ: _BINARY,
    exp.And: _BINARY,
    exp.Or: _BINARY,
    exp.DPipe: _BINARY | {"safe"},
    exp.Is: _BINARY | {"negate"},
    exp.Not: _UNARY,
    exp.Neg: _UNARY,
    exp.Paren: _UNARY,
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true", "false"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.TryCast: frozenset({"this", "to", "safe", "requires_string"}),
    exp.Filter: _BINARY,
    exp.Pad: frozenset({"this", "expression", "fill_pattern", "is_left"}),
    exp.Nvl2: frozenset({"this", "true", "false"}),
    exp.Trim: frozenset({"this", "expression", "position"}),
    exp.Greatest: frozenset({"this", "expressions", "ignore_nulls"}),
    exp.Least: frozenset({"this", "expressions", "ignore_nulls"}),
    exp.Trunc: frozenset({"this", "decimals"}),
    exp.DayOfWeek: _UNARY,
    exp.Week: frozenset({"this", "mode"}),
    exp.AddMonths: _BINARY,
    exp.DateAdd: _BINARY,
    exp.Date: _UNARY,
    exp.LogicalAnd: _UNARY,
    exp.LogicalOr: _UNARY,
    exp.Median: _UNARY,
    exp.PercentileCont: _BINARY,
    exp.PercentileDisc: _BINARY,
    exp.Quantile: frozenset({"this", "quantile"}),
    exp.WithinGroup: _BINARY,
}
"""Expressions with a syntax of their own."""

FUNCTIONS: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    exp.Coalesce: ("coalesce", ("this", "expressions")),
    exp.Nullif: ("nullif", ("this", "expression")),
    exp.Abs: ("abs", ("this",)),
    exp.Sign: ("sign", ("this",)),
    exp.Round: ("round", ("this", "decimals")),
    exp.Floor: ("floor", ("this",)),
    exp.Ceil: ("ceil", ("this",)),
    exp.Ln: ("ln", ("this",)),
    exp.Sqrt: ("sqrt", ("this",)),
    exp.Upper: ("upper", ("this",)),
    exp.Lower: ("lower", ("this",)),
    exp.Length: ("length", ("this",)),
    exp.Substring: ("substr", ("this", "start", "length")),
    exp.Left: ("left", ("this", "expression")),
    exp.Right: ("right", ("this", "expression")),
    exp.StartsWith: ("starts_with", ("this", "expression")),
    exp.Contains: ("contains", ("this", "expression")),
    exp.EndsWith: ("ends_with", ("this", "expression")),
    exp.ConcatWs: ("concat_ws", ("expressions",)),
    exp.Replace: ("replace", ("this", "expression", "replacement")),
    exp.SplitPart: ("split_part", ("this", "delimiter", "part_index")),
    exp.StrPosition: ("strpos", ("this", "substr")),
    exp.Exp: ("exp", ("this",)),
    exp.WidthBucket: ("width_bucket", ("this", "min_value", "max_value", "num_buckets")),
    exp.LastDay: ("last_day", ("this",)),
    exp.DateFromParts: ("make_date", ("year", "month", "day")),
    exp.WeekOfYear: ("week", ("this",)),
    exp.YearOfWeekIso: ("isoyear", ("this",)),
    exp.Hour: ("hour", ("this",)),
    exp.Minute: ("minute", ("this",)),
    exp.VariancePop: ("var_pop", ("this",)),
    exp.Variance: ("var_samp", ("this",)),
    exp.StddevPop: ("stddev_pop", ("this",)),
    exp.Stddev: ("stddev_samp", ("this",)),
    exp.StddevSamp: ("stddev_samp", ("this",)),
    exp.CovarPop: ("covar_pop", ("this", "expression")),
    exp.CovarSamp: ("covar_samp", ("this", "expression")),
    exp.Corr: ("corr", ("this", "expression")),
    exp.RegrSlope: ("regr_slope", ("this", "expression")),
    exp.RegrIntercept: ("regr_intercept", ("this", "expression")),
    exp.RegrR2: ("regr_r2", ("this", "expression")),
    exp.Concat: ("concat", ("expressions",)),
    exp.Year: ("year", ("this",)),
    exp.Quarter: ("quarter", ("this",)),
    exp.Month: ("month", ("this",)),
    exp.Day: ("day", ("this",)),
    exp.DayOfMonth: ("day", ("this",)),
    exp.DayOfYear: ("dayofyear", ("this",)),
    exp.DayOfWeekIso: ("isodow", ("this",)),
    exp.Extract: ("extract", ("this", "expression")),
    exp.TimestampTrunc: ("date_trunc", ("unit", "this")),
    exp.DateTrunc: ("date_trunc", ("unit", "this")),
    exp.DateDiff: ("date_diff", ("unit", "expression", "this")),
    exp.Count: ("count", ("this",)),
    exp.CountIf: ("count_if", ("this",)),
    exp.Sum: ("sum", ("this",)),
    exp.Avg: ("avg", ("this",)),
    exp.Min: ("min", ("this",)),
    exp.Max: ("max", ("this",)),
}
"""Functions the parser knows by class: the row of the function table and the order of its arguments."""

_FLAGS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Concat: frozenset({"safe", "coalesce"}),
    exp.ConcatWs: frozenset({"safe", "coalesce"}),
    exp.Corr: frozenset({"null_on_zero_variance"}),
    exp.Count: frozenset({"big_int"}),
    exp.DateDiff: frozenset({"date_part_boundary"}),
}
"""Arguments by which the parser notes how its dialect means a function; the meaning is ours."""

_NAMES = frozenset({"alias", "table", "db", "catalog", "using"})


def locate(node: exp.Expr) -> tuple[int, int] | None:
    """First and last offset of the node in the text: its own, or those of the first part that has any."""
    stack = [node]
    while stack:
        part = stack.pop()
        own = own_place(part)
        if own is not None:
            return own
        if type(part) in _QUALIFIED:
            named = [own for own in map(own_place, _children(part)) if own is not None]
            if named:
                return min(named)[0], max(named)[1]
        if type(part) is not exp.DataType:
            # The parser reads types from a text of their own, so offsets inside them point elsewhere.
            stack.extend(reversed(list(_children(part))))
    return None


_QUALIFIED = (exp.Column, exp.Table)


def _children(node: exp.Expr) -> Iterator[exp.Expr]:
    for value in node.args.values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, exp.Expr):
                yield item


def place_of(node: exp.Expr, source: Source) -> tuple[int, int] | None:
    """Like `locate`, but a function whose name the parser forgot is found by the word before its bracket."""
    found = locate(node)
    if found is None or own_place(node) is not None or not isinstance(node, exp.Func):
        return found
    called = _CALLED.search(source.text, max(0, found[0] - 200), found[0])
    return found if called is None else (called.start(1), called.end(1) - 1)


_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(\s*(?:distinct\s+|select\s+)?\Z", re.IGNORECASE)


class _Check:
    """One walk over the tree; `faults` are refusals with the offset they stand at."""

    def __init__(self, source: Source, limits: Limits, names: frozenset[str]) -> None:
        self.source = source
        self.limits = limits
        self.names = names
        self.faults: list[tuple[int, Refused]] = []
        self.at: Position | None = None

    def run(self, tree: exp.Expr) -> None:
        stack: list[tuple[exp.Expr, exp.Expr | None, str, int]] = [(tree, None, "", 0)]
        while stack:
            node, parent, role, depth = stack.pop()
            if depth > self.limits.expression_depth:
                raise refusals.too_deep(self.position(node))
            if self.is_faulty(node, parent, role):
                continue
            deeper = depth if type(node) is type(parent) and type(node) in (exp.And, exp.Or) else depth + 1
            for key, value in node.args.items():
                for item in value if isinstance(value, list) else (value,):
                    if isinstance(item, exp.Expr) and type(node) is not exp.DataType:
                        stack.append((item, node, key, deeper))
        if self.faults:
            raise min(self.faults, key=lambda fault: fault[0])[1]

    def position(self, node: exp.Expr) -> Position | None:
        place = place_of(node, self.source)
        return None if place is None else self.source.position(place[0], place[1] + 1)

    def is_faulty(self, node: exp.Expr, parent: exp.Expr | None, role: str) -> bool:
        culprit: exp.Expr | None = node
        fault = self.placed(node, parent, role) if type(node) in _ALLOWED else self.unlisted(node)
        if fault is None:
            culprit, fault = self.argument(node)
        if fault is None:
            return False
        places = (place_of(part, self.source) for part in (culprit, node, parent) if part is not None)
        place = next((found for found in places if found is not None), (0, 0))
        self.faults.append((place[0], fault(self.source.position(place[0], place[1] + 1))))
        return True

    def argument(self, node: exp.Expr) -> tuple[exp.Expr | None, Fault | None]:
        """The first argument that is set and not on the list, with its refusal."""
        kind = type(node)
        allowed = _ALLOWED.get(kind, frozenset())
        for key, value in node.args.items():
            if key not in allowed and value not in (None, False, []) and kind is not exp.Anonymous:
                first = value[0] if isinstance(value, list) else value
                fault = _by_feature(LATER_ARGUMENTS.get((kind, key)), NEVER_ARGUMENTS.get((kind, key)))
                return (first if isinstance(first, exp.Expr) else None), fault
        return None, None

    def unlisted(self, node: exp.Expr) -> Fault | None:
        kind = type(node)
        if kind is exp.Anonymous:
            name = str(node.this).lower()
            # `age` stands only inside EXTRACT, where the binder takes both together.
            aged = (
                name == "age" and len(node.expressions) == 2 and isinstance(node.parent, exp.Extract | exp.Anonymous)
            )
            return None if name in self.names or aged else _by_name(name)
        word = self.word(node)
        if kind in STORED_VALUE_NODES:
            return lambda at: refusals.returns_stored_values(word, at)
        coming, banned = LATER_NODES.get(kind), NEVER_NODES.get(kind)
        if coming is None and banned is None and isinstance(node, exp.Func):
            return _by_name(word)
        return _by_feature(coming and coming.format(word), banned)

    def word(self, node: exp.Expr) -> str:
        place = place_of(node, self.source)
        written = "" if place is None else self.source.text[place[0] : place[1] + 1]
        named = re.fullmatch(r"[A-Za-z_]\w*", written)
        return written.lower() if named else type(node).key.lower()

    def placed(self, node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
        """Whether the node may stand where it stands."""
        kind = type(node)
        if role in _NAMES and kind not in (exp.Identifier, exp.TableAlias):
            return refusals.syntax
        if kind is exp.Identifier or (kind is exp.Literal and node.is_string):
            return None if self.reads_as_written(node) else refusals.syntax
        check = PLACES.get(kind)
        if check is not None:
            return check(node, parent, role)
        if kind is exp.In and len(node.expressions) > self.limits.in_list:
            limit = self.limits.in_list
            return lambda at: refusals.too_complex("values in one IN list", "IN 列表中的取值", limit, at)
        return None

    def reads_as_written(self, node: exp.Expr) -> bool:
        """Whether the parser read this name or text as it stands there; a name in single quotes is no name."""
        place = own_place(node)
        if place is None:
            # The parser splits the count off an interval (`INTERVAL 3 MONTH`) and then forgets its place.
            return type(node) is exp.Literal and isinstance(node.parent, exp.Interval)
        written = self.source.text[place[0] : place[1] + 1]
        if type(node) is exp.Literal:
            return written[:1] == "'" and written[1:-1].replace("''", "'") == node.this
        if node.args.get("quoted"):
            return written[:1] == '"' and written[1:-1].replace('""', '"') == node.this
        return bool(written == node.this)


def _by_feature(coming: str | None, banned: tuple[str, str, str] | None) -> Fault:
    if coming:
        return later(coming)
    return never(*banned) if banned else never("this construct")


def _by_name(name: str) -> Fault | None:
    if name in STORED_VALUE_FUNCTIONS:
        return lambda at: refusals.returns_stored_values(name, at)
    if name in LATER_FUNCTIONS:
        return later(f"function {name}")
    if name in NEVER_FUNCTIONS:
        return never(f"function {name}", *NEVER_FUNCTIONS[name])
    return lambda at: refusals.unknown_function(name, at)


_ALLOWED: dict[type[exp.Expr], frozenset[str]] = {
    **STRUCTURE,
    **EXPRESSIONS,
    **{kind: frozenset(names) | _FLAGS.get(kind, frozenset()) for kind, (_, names) in FUNCTIONS.items()},
}


def check(tree: exp.Expr, source: Source, limits: Limits = LIMITS, names: frozenset[str] = BY_NAME["duckdb"]) -> None:
    """Refuses the first construct in the text that is not on the list; `names` are the functions read by name.

    Returns nothing: the tree is as it was.
    """
    _Check(source, limits, names).run(tree)

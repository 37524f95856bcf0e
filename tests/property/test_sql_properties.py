"""Properties of the SQL front: it never breaks, equal meanings are equal trees, and `implies` proves only truths."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sandbox.test_sql_ordinary import GROUPED, ROWS
from tests.unit.sandbox.test_sql_world import CATALOG, ask

from louver.errors import Refused
from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Value
from louver_sandbox.algebra.relations import Aggregate, Project, Scan, Union, Window, expressions, scans, walk
from louver_sandbox.algebra.types import INTEGER, TEXT
from louver_sandbox.sql.calls import call
from louver_sandbox.sql.context import Context
from louver_sandbox.sql.functions import RULES, evaluate_call
from louver_sandbox.sql.predicates import implies
from louver_sandbox.stages import Bound, Clause

WORDS = [
    "select",
    "from",
    "where",
    "group",
    "by",
    "having",
    "order",
    "limit",
    "with",
    "as",
    "join",
    "left",
    "on",
    "using",
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "case",
    "when",
    "then",
    "else",
    "end",
    "distinct",
    "union",
    "all",
    "exists",
    "over",
    "filter",
    "between",
    "like",
    "count",
    "sum",
    "avg",
    "max",
    "(",
    ")",
    ",",
    ".",
    "*",
    "+",
    "-",
    "/",
    "=",
    "<>",
    "<",
    ">",
    "'a'",
    '"b"',
    "1",
    "2.5",
    ":p",
    ";",
    "--",
    "/*",
    "*/",
    "grade",
    "score",
    "uscc",
    "gov.tax_credit",
    "gov.ent_registry",
    "t",
    "r",
    "t.grade",
    "interval",
    "date",
    "'2020-01-01'",
    "month",
    "any_value",
    "median",
    "cast",
    "::",
    "int",
    "values",
    "lateral",
    "pivot",
    "recursive",
    "rollup",
    "cube",
    "grouping",
    "sets",
    "intersect",
    "except",
    "full",
    "right",
    "cross",
    "any",
    "window",
    "partition",
    "rank",
    "qualify",
    "true",
    "null",
    "#1",
    "`",
    "$1",
    "[",
    "]",
    "{",
    "}",
    "\u200b",
    "\x00",
    "中文",
]

soup = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)
prefixed = soup.map(lambda text: f"select {text}")
framed = st.tuples(soup, soup).map(lambda parts: f"select {parts[0]} from gov.tax_credit t {parts[1]}")


@settings(max_examples=250, deadline=None)
@given(st.one_of(st.text(max_size=200), soup, prefixed, framed))
def test_any_text_is_bound_or_refused_and_nothing_else(text: str) -> None:
    try:
        bound = ask(text)
    except Refused:
        return
    assert well_formed(bound)


PIECES = [re.findall(r"'(?:[^']|'')*'|\w+|\s+|::|<>|<=|>=|.", sql) for sql in GROUPED + ROWS]


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """An ordinary query with a few pieces left out, put in or exchanged for pieces of others."""
    pieces = list(draw(st.sampled_from(PIECES)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(pieces)))
        other = draw(st.sampled_from(PIECES))
        begin = draw(st.integers(0, len(other)))
        taken = other[begin : begin + draw(st.integers(0, 6))]
        pieces[start : start + draw(st.integers(0, 3))] = [" ", *taken, " "]
    return "".join(pieces)


@settings(max_examples=250, deadline=None)
@given(mutants())
def test_a_mutilated_query_is_bound_well_or_refused(sql: str) -> None:
    try:
        bound = ask(sql)
    except Refused:
        return
    assert well_formed(bound)


def well_formed(bound: Bound) -> bool:
    """Ids are unique, every reference meets its column, aggregates stand only in Aggregates, uses name scans."""
    nodes = list(walk(bound.relation))
    owners = [node for node in nodes if isinstance(node, Scan | Project | Aggregate | Window | Union)]
    offered: dict[int, set[str]] = {}
    for node in owners:
        assert node.id not in offered
        offered[node.id] = names_of(node)
    for below in nodes:
        assert not isinstance(below, Aggregate) or all(set(one) <= set(range(len(below.keys))) for one in below.sets)
        for expression in expressions(below):
            check(expression, offered, allowed=isinstance(below, Aggregate))
    known = {scan.id: scan for scan in scans(bound.relation)}
    assert all(use.column in known[use.scan].columns for use in bound.uses)
    used = {(use.scan, use.column) for use in bound.uses}
    # Every column that is read has a use: nothing reaches the worker that no right was asked for.
    assert {(scan.id, column) for scan in known.values() for column in scan.columns} <= used
    return True


def names_of(node: Scan | Project | Aggregate | Window | Union) -> set[str]:
    """The names a relation offers under its own id."""
    if isinstance(node, Scan):
        return set(node.columns)
    columns = node.keys + node.measures if isinstance(node, Aggregate) else node.columns
    return {column.name for column in columns}


def check(expression: Expression, offered: Mapping[int, set[str]], allowed: bool) -> None:
    match expression:
        case ColumnRef():
            assert expression.name in offered[expression.relation]
        case AggregateCall():
            assert allowed
            for part in (*expression.arguments, *([expression.where] if expression.where else [])):
                check(part, offered, allowed=False)
        case Call():
            result = RULES[expression.function].result(tuple(part.type for part in expression.arguments))
            assert expression.function == "try_cast" or result == expression.type
            for part in expression.arguments:
                check(part, offered, allowed=False)
        case Literal():
            pass


numbers = st.sampled_from(["t.score", "t.rating_year", "1", "2.5", "abs(t.score)", "length(t.grade)"])
texts = st.sampled_from(["t.grade", "'A'", "upper(t.grade)", "coalesce(t.grade, 'X')"])
comparisons = st.one_of(
    st.tuples(numbers, st.sampled_from(["=", "<>", "<", ">="]), numbers).map(" ".join),
    st.tuples(texts, st.sampled_from(["=", "<>", "<", ">="]), texts).map(" ".join),
    texts.map(lambda text: f"{text} in ('A', 'B')"),
    numbers.map(lambda number: f"{number} is not null"),
    numbers.map(lambda number: f"{number} between 1 and 10"),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"not ({part})"),
    ),
    max_leaves=6,
)
keys = st.lists(
    st.sampled_from(["t.grade", "t.rating_year", "upper(t.grade)", "t.score > 60"]), max_size=3, unique=True
)
measures = st.lists(
    st.one_of(
        st.just("count(*)"),
        numbers.map(lambda number: f"sum({number})"),
        texts.map(lambda text: f"count(distinct {text})"),
        conditions.map(lambda condition: f"count(*) filter (where {condition})"),
        st.tuples(conditions, numbers).map(lambda parts: f"avg(case when {parts[0]} then {parts[1]} end)"),
    ),
    min_size=1,
    max_size=3,
)


SETS = ("rollup", "cube")


@st.composite
def queries(draw: st.DrawFn) -> str:
    grouped, aggregated, where = draw(keys), draw(measures), draw(conditions)
    source = draw(
        st.sampled_from(
            [
                "gov.tax_credit t",
                "gov.tax_credit t join gov.ent_registry r using (uscc)",
                "gov.tax_credit t left join gov.ent_registry r on r.uscc = t.uscc and r.section = 'A'",
                "(select * from gov.tax_credit where score > 0) t",
                "(select grade, rating_year, max(score) as score from gov.tax_credit group by all) t",
                "gov.ent_registry r full join gov.tax_credit t on r.uscc = t.uscc",
                "(select grade, rating_year, score from gov.tax_credit union all select section, 1, 2 from "
                "gov.ent_registry) t",
                "(select * from gov.tax_credit where uscc not in (select uscc from gov.ent_registry)) t",
                "(select * from gov.tax_credit i where score > (select avg(score) from gov.tax_credit o where "
                "o.grade = i.grade)) t",
            ]
        )
    )
    having = draw(st.sampled_from(["", " having count(*) > 5"]))
    order = draw(st.sampled_from(["", " order by 1", " order by count(*) desc limit 5"]))
    # The parser takes columns and calls in ROLLUP and CUBE, and no comparisons.
    sets = [] if any(">" in key for key in grouped) else [f" group by {kind} ({', '.join(grouped)})" for kind in SETS]
    group = draw(st.sampled_from([" group by all", *sets])) if grouped else ""
    return f"select {', '.join(grouped + aggregated)} from {source} where {where}{group}{having}{order}"


@settings(max_examples=100, deadline=None)
@given(queries())
def test_a_query_of_the_grammar_is_bound_well(sql: str) -> None:
    bound = ask(sql)
    assert well_formed(bound)
    assert not any(use.clause is Clause.OUTPUT for use in bound.uses)


@settings(max_examples=100, deadline=None)
@given(queries())
def test_spelling_does_not_matter(sql: str) -> None:
    other = sql.upper().replace("T.", "t . ").replace(" FROM ", "\n/* here */ FROM\t").replace(" AND ", "\r\nAND ")
    assert values_apart(ask(sql)) == values_apart(ask(other))


def values_apart(bound: Bound) -> object:
    """The tree without the names of output columns, which are the caller's own spelling."""
    columns = (
        tuple(column.expression for column in bound.relation.columns) if isinstance(bound.relation, Project) else ()
    )
    below = bound.relation.input if isinstance(bound.relation, Project) else bound.relation
    return columns, below


NUMBER, WORD = ColumnRef(1, "n", INTEGER), ColumnRef(1, "w", TEXT)
WORLD: list[dict[str, Value]] = [
    {"n": number, "w": word} for number, word in itertools.product((None, 0, 1, 2, 3, 4), (None, "a", "b", "c"))
]


def atoms() -> st.SearchStrategy[Expression]:
    context = Context(CATALOG, "bank_a", {})
    operators = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    number = st.integers(0, 4).map(lambda value: Literal(value, INTEGER))
    word = st.sampled_from(["a", "b", "c"]).map(lambda value: Literal(value, TEXT))
    return st.one_of(
        st.tuples(operators, number).map(lambda parts: call(context, parts[0], (NUMBER, parts[1]))),
        st.tuples(operators, word).map(lambda parts: call(context, parts[0], (WORD, parts[1]))),
        st.lists(number, min_size=1, max_size=3).map(lambda items: call(context, "in", (NUMBER, *items))),
        st.sampled_from([NUMBER, WORD]).map(lambda column: call(context, "is_null", (column,))),
    )


def formulas() -> st.SearchStrategy[Expression]:
    context = Context(CATALOG, "bank_a", {})
    return st.recursive(
        atoms(),
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["and", "or"]), inner, inner).map(
                lambda parts: call(context, parts[0], parts[1:])
            ),
            inner.map(lambda part: call(context, "not", (part,))),
        ),
        max_leaves=5,
    )


def value(expression: Expression, row: Mapping[str, Value]) -> Value:
    match expression:
        case ColumnRef():
            return row[expression.name]
        case Literal():
            return expression.value
        case Call():
            return evaluate_call(
                expression.function, [value(part, row) for part in expression.arguments], expression.type
            )
        case AggregateCall():
            raise AssertionError("a row has no aggregates")


@settings(max_examples=300, deadline=None)
@given(st.lists(formulas(), max_size=3), formulas())
def test_what_is_implied_holds_in_every_row(facts: list[Expression], goal: Expression) -> None:
    if implies(facts, goal):
        for row in WORLD:
            if all(value(fact, row) is True for fact in facts):
                assert value(goal, row) is True


@settings(max_examples=100, deadline=None)
@given(formulas())
def test_a_condition_implies_itself_and_its_weaker_forms(fact: Expression) -> None:
    context = Context(CATALOG, "bank_a", {})
    other = dataclasses.replace(NUMBER, name="n")
    assert implies([fact], fact)
    assert implies([fact], call(context, "or", (fact, call(context, "=", (other, Literal(0, INTEGER))))))

"""Whether a number of a cell asks for what the cells are made by, by definition: columns of scans, followed by hand.

Nothing is shared with `plan/provenance.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.support.naive_rows import conjuncts
from tests.support.naive_sums import Test

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, column_refs
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Project, Scan, Union, scans, walk

Places = set[tuple[int, str]]
"""Columns of scans; `*` for the rows of one."""


def asks_for_key(tests: Iterable[Test], core: Aggregate) -> bool:
    """Whether some tests look at what decides a key."""
    return bool(behind_keys(core) & behind((expression for expression, _ in tests), core))


def behind_keys(core: Aggregate) -> Places:
    """The columns that decide the keys, and those that equal them in every row."""
    made_by = behind((key.expression for key in core.keys), core)
    pairs = list(_equal(core))
    while True:
        more = {place for pair in pairs if made_by & pair for place in pair}
        if more <= made_by:
            return made_by
        made_by |= more


def behind(expressions: Iterable[Expression], core: Aggregate) -> Places:
    """The columns of scans that some expressions depend on."""
    found: Places = set()
    for ref in (ref for expression in expressions for ref in column_refs(expression)):
        match _source(ref, core):
            case Scan():
                found.add((ref.relation, ref.name))
            case Union() as union:
                place = [column.name for column in union.columns].index(ref.name)
                found |= behind((side.columns[place].expression for side in (union.left, union.right)), core)
            case node:
                made = _made(ref, node)
                found |= behind([made], core)
                if isinstance(made, AggregateCall):
                    found |= {(scan.id, "*") for scan in scans(node)}
    return found


def _source(ref: ColumnRef, core: Aggregate) -> Scan | Union | Aggregate | Project:
    named = (Scan, Union, Aggregate, Project)
    return next(node for node in walk(core.input) if isinstance(node, named) and node.id == ref.relation)


def _made(ref: ColumnRef, node: Aggregate | Project) -> Expression:
    columns = node.columns if isinstance(node, Project) else node.keys + node.measures
    return next(named.expression for named in columns if named.name == ref.name)


def _equal(core: Aggregate) -> Iterator[Places]:
    """Pairs of columns that an inner join or a filter says are equal."""
    for node in walk(core.input):
        if isinstance(node, Join) and node.kind is JoinKind.INNER:
            condition = node.condition
        elif isinstance(node, Filter):
            condition = node.predicate
        else:
            continue
        for part in conjuncts(condition):
            if isinstance(part, Call) and part.function == "=":
                sides = [_renamed(argument, core) for argument in part.arguments]
                if None not in sides:
                    yield {side for side in sides if side is not None}


def _renamed(expression: Expression, core: Aggregate) -> tuple[int, str] | None:
    """The column that an expression is another name of."""
    while isinstance(expression, ColumnRef):
        node = _source(expression, core)
        if isinstance(node, Scan | Union):
            return expression.relation, expression.name
        expression = _made(expression, node)
    return None

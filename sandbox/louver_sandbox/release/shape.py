"""What stands above the cores, over released rows (ARCHITECTURE, stage 7b): arithmetic, HAVING, ORDER BY, LIMIT, and
aggregates, joins, unions and windows of released tables.

It sees released values only. A withheld value is `WITHHELD`: HAVING drops its row, whatever is computed from it is
withheld too, and it leaves as None. A withheld cell is no row at all. Without an ORDER BY the rows are in order of
their values, so that the order in the engine tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from louver_sandbox.algebra.cores import offered
from louver_sandbox.algebra.expressions import Named, SortKey
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    Union,
    Window,
    walk,
)
from louver_sandbox.release.aggregates import aggregated
from louver_sandbox.release.joins import Budget, Side, joined
from louver_sandbox.release.values import Row, ShapeUnsupported, cells, compiled, in_order, in_order_of_values
from louver_sandbox.release.windows import windowed
from louver_sandbox.release.withheld import WITHHELD, Withheld, as_null
from louver_sandbox.stages import Cell, OutputColumn

Tables = Mapping[int, Sequence[Row]]
"""The released rows of each core, by its id."""


def shaped(shape: Relation, tables: Tables, columns: tuple[OutputColumn, ...]) -> tuple[tuple[Cell, ...], ...]:
    """The answer's rows. Raises `TooManyPairs` when its joins are too large to compute."""
    if not isinstance(shape, Project):
        raise ShapeUnsupported("the answer has no select list")
    rows = _Evaluation(tables).below(shape)
    return tuple(zip(*_output(shape, rows, columns), strict=True))


def computed(shape: Relation, row: Row, columns: tuple[OutputColumn, ...]) -> tuple[Cell, ...]:
    """One row through every select list, past HAVING, ORDER BY and LIMIT: how the remainder is shown."""
    if not isinstance(shape, Project):
        raise ShapeUnsupported("the answer has no select list")
    ((*values,),) = zip(*_output(shape, [_projected(shape.input, row)], columns), strict=True)
    return tuple(values)


def row_by_row(shape: Relation) -> bool:
    """Whether each row of the answer is one released row: select lists, HAVING, ORDER BY and LIMIT only."""
    return all(isinstance(node, Project | Filter | Sort | Limit | Scan) for node in walk(shape))


def _projected(shape: Relation, row: Row) -> Row:
    match shape:
        case Scan():
            return row
        case Project():
            below = _projected(shape.input, row)
            return _rows(shape.id, shape.columns, [below])[0]
        case Filter() | Sort() | Limit():
            return _projected(shape.input, row)
        case _:
            raise ShapeUnsupported("a remainder of several rows")


class _Evaluation:
    """Computes the relations of one shape."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._budget = Budget()

    def rows(self, node: Relation) -> list[Row]:
        """The rows of a node, in order where the query asks for one."""
        match node:
            case Scan():
                return in_order_of_values(self._tables[node.id])
            case Project():
                return _rows(node.id, node.columns, self.below(node))
            case Filter():
                holds = compiled(node.predicate)
                return [row for row in self.rows(node.input) if holds(row) is True]
            case Join():
                left = Side(self.rows(node.left), offered(node.left))
                right = Side(self.rows(node.right), offered(node.right))
                return list(joined(node, left, right, self._budget))
            case Aggregate():
                return aggregated(node, self.rows(node.input))
            case Window():
                return windowed(node, self.rows(node.input))
            case Union():
                return self._side(node, node.left) + self._side(node, node.right)
            case Sort():
                return in_order(self.rows(node.input), node.keys)
            case Limit():
                return _cut(self.rows(node.input), node)

    def below(self, project: Project) -> list[Row]:
        """The rows a select list is computed over. Under a LIMIT it breaks ties, as in an emitted statement."""
        limit = project.input
        if not isinstance(limit, Limit):
            return self.rows(limit)
        sort = limit.input
        keys, source = (sort.keys, sort.input) if isinstance(sort, Sort) else ((), sort)
        ties = tuple(SortKey(named.expression) for named in project.columns)
        return _cut(in_order(self.rows(source), keys + ties), limit)

    def _side(self, union: Union, side: Project) -> list[Row]:
        if len(side.columns) != len(union.columns):
            raise ShapeUnsupported("a side of a union with other columns")
        shown = zip(union.columns, side.columns, strict=True)
        columns = [Named(column.name, named.expression) for column, named in shown]
        return _rows(union.id, columns, self.below(side))


def _cut(rows: list[Row], limit: Limit) -> list[Row]:
    kept = rows[limit.offset :]
    return kept if limit.count is None else kept[: limit.count]


def _rows(relation: int, columns: Sequence[Named], rows: Sequence[Row]) -> list[Row]:
    names = [(relation, named.name) for named in columns]
    parts = [cells(named.expression) for named in columns]
    return [{name: part(row) for name, part in zip(names, parts, strict=True)} for row in rows]


def _output(project: Project, rows: Sequence[Row], columns: tuple[OutputColumn, ...]) -> list[list[Cell]]:
    """The answer's columns, None where a value is withheld."""
    if len(project.columns) != len(columns):
        raise ShapeUnsupported("not the answer's columns")
    return [_leaving(list(map(cells(named.expression), rows))) for named in project.columns]


def _leaving(values: list[Cell | Withheld]) -> list[Cell]:
    return [as_null(value) for value in values] if WITHHELD in values else values  # type: ignore[return-value]  # the other list has no withheld value

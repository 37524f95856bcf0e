"""What rows are told by chance about, in a form that does not depend on how the question was written (ADR 52).

A way of grouping says of each row in which group it is, or that it is in none. Two spellings of one way must be told
by one draw, or whoever asks in both learns twice. What a condition or key makes of columns whose values the
catalogue lists is computed for every combination of these, so whatever says the same there is the same; of the rest
the text is taken, of tables that are joined and filtered and nothing else. Groups are numbered by that form as well:
with one draw and two numberings the groups that differ would be those that were not kept.

What is not recognised as the same is another way: it is drawn anew and paid for. Nothing that differs is ever taken
for the same, or its second draw would be free: so no form is used here that is equal for what differs in NULL, and of
a question with anything but inner joins and conditions the whole tree is its name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Value, column_refs
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Project, Relation, Scan, scans
from louver_sandbox.algebra.types import BOOLEAN, Kind
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.plan.emit import emit_expression, quote
from louver_sandbox.plan.private.domains import computed, typed
from louver_sandbox.plan.private.ranges import Ranges
from louver_sandbox.plan.provenance import conjuncts

MOST_TABULATED = 4096
"""Combinations of listed values for which conditions and keys are computed."""

Domain = tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Way:
    """A way of grouping: its canonical text, and the number of each group of the domain in it, -1 for those that no
    row can be in."""

    text: str
    numbers: tuple[int, ...]


def way(core: Aggregate, told: int, domain: Domain, catalog: Catalog) -> Way:
    """How an aggregate tells rows apart, its keys having the values of the domain.

    ``told`` is the scan whose rows are told about. A bank that joins its table to itself by a column of its own could
    else have one group of subjects told through every row that leads to it, a draw each for the charge of one.
    """
    groups = list(product(*domain))
    if not _is_plain(core.input):
        keys_of_tree = [key.expression for key in core.keys]
        said: object = {"tree": repr((core.input, keys_of_tree)), "told": told, "domain": repr(domain)}
        return Way(_text(said), tuple(range(len(groups))))
    ranges = Ranges(core.input, catalog)
    table = _Table(ranges)
    rest = table.without(core.input)
    keys = [ranges.resolved(key.expression) for key in core.keys]
    listed = [place for place, key in enumerate(keys) if table.takes(key)]
    texts = {place: table.text(key) for place, key in enumerate(keys) if place not in listed}
    others = sorted(texts, key=texts.__getitem__)
    columns, classes, entries = table.tabulated([keys[place] for place in listed])
    found = {at: classes.get(_plain([group[place] for place in listed])) for at, group in enumerate(groups)}
    order = sorted(
        (at for at, number in found.items() if number is not None),
        key=lambda at: (found[at], *(domain[place].index(groups[at][place]) for place in others)),
    )
    numbers = [-1] * len(groups)
    for number, at in enumerate(order):
        numbers[at] = number
    said = {
        "tables": sorted(table.names.values()),
        "told": table.names[told],
        "conditions": sorted(set(rest)),
        "keys": [[texts[place], [_plain([value]) for value in domain[place]]] for place in others],
        "columns": columns,
        "table": entries,
        "groups": len(order),
    }
    return Way(_text(said), tuple(numbers))


def _is_plain(relation: Relation) -> bool:
    """Whether rows come of tables, inner joins, conditions and select lists alone. Of these what a column holds in a
    row is what its table holds, and a row is there where every condition is true."""
    match relation:
        case Scan():
            return True
        case Filter() | Project():
            return _is_plain(relation.input)
        case Join(kind=JoinKind.INNER):
            return _is_plain(relation.left) and _is_plain(relation.right)
        case _:
            return False


def _text(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def digest(*parts: str) -> str:
    """Names what the parts say together."""
    return hashlib.sha256(b"louver way\0" + json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


@dataclass
class _Table:
    """Conditions and keys over columns of listed values, and what they come to for every combination."""

    ranges: Ranges
    conditions: list[Expression] = field(default_factory=list)
    _columns: dict[ColumnRef, tuple[Value, ...]] = field(default_factory=dict)

    @cached_property
    def names(self) -> Mapping[int, str]:
        """What each scan is called: its table, and which of its places, so that a table met twice is two."""
        seen: Counter[str] = Counter()
        named = {}
        for scan in scans(self.ranges.relation):
            named[scan.id] = f"{scan.table}#{seen[str(scan.table)]}"
            seen[str(scan.table)] += 1
        return named

    def text(self, expression: Expression) -> str:
        """The text of an expression over base columns, with the sides of an equality in one order."""
        if isinstance(expression, Call) and expression.function == "=":
            return " = ".join(sorted(self._written(side) for side in expression.arguments))
        return self._written(expression)

    def _written(self, expression: Expression) -> str:
        return emit_expression(expression, self._name)

    def without(self, relation: Relation) -> Sequence[str]:
        """The texts of the conditions that are not computed; those that are, are remembered."""
        match relation:
            case Filter():
                return [*self.without(relation.input), *self._kept(relation.predicate)]
            case Join():
                below = [*self.without(relation.left), *self.without(relation.right)]
                return [*below, *self._kept(relation.condition)]
            case Project():
                return self.without(relation.input)
            case _:
                return []

    def _kept(self, condition: Expression) -> Iterator[str]:
        for part in conjuncts(condition):
            resolved = self.ranges.resolved(part)
            if self.takes(resolved):
                self.conditions.append(resolved)
            else:
                yield self.text(resolved)

    def takes(self, expression: Expression) -> bool:
        """Whether an expression over base columns is computed; if so its columns become those of the table."""
        if isinstance(expression, AggregateCall):
            return False
        found = {ref: values for ref in column_refs(expression) if (values := self._listed(ref)) is not None}
        if not found or len(found) < len(set(column_refs(expression))):
            return False
        if math.prod(map(len, (self._columns | found).values())) > MOST_TABULATED:
            return False
        self._columns |= found
        return True

    def _listed(self, ref: ColumnRef) -> tuple[Value, ...] | None:
        """Every value that a government column can have by the catalogue alone, whatever the question says of it."""
        table = self.ranges.values.tables.get(ref.relation)
        column = None if table is None else table.column(ref.name)
        if table is None or column is None or table.space is SpaceKind.INSTITUTION:
            return None
        values: tuple[Value, ...]
        if column.type == BOOLEAN:
            values = (True, False)
        elif column.domain is not None and column.type.kind is not Kind.DOUBLE:
            values = tuple(value for text in column.domain if (value := typed(text, column.type)) is not None)
        else:
            return None
        return (*values, None) if column.nullable else values

    def tabulated(
        self, keys: Sequence[Expression]
    ) -> tuple[list[str], Mapping[str, int], Sequence[tuple[Sequence[str], int]]]:
        """The columns that decide anything; the number of each combination of the keys' values, in the order in which
        they come; and what each combination of the columns' values comes to, -1 being no group."""
        names = {ref: self._name(ref) for ref in self._columns}
        refs = sorted(self._columns, key=names.__getitem__)
        rows = [tuple(row) for row in product(*(sorted(self._columns[ref], key=_order) for ref in refs))]
        made = {row: self._group(keys, dict(zip(refs, row, strict=True))) for row in rows}
        for ref in list(refs):
            made, refs = _without(made, refs, refs.index(ref))
        classes: dict[str, int] = {}
        entries = []
        for row, group in made.items():
            number = -1 if group is None else classes.setdefault(group, len(classes))
            entries.append(([_plain([value]) for value in row], number))
        return [names[ref] for ref in refs], classes, entries

    def _name(self, ref: ColumnRef) -> str:
        return f"{self.names[ref.relation]}.{quote(ref.name)}"

    def _group(self, keys: Sequence[Expression], row: Mapping[ColumnRef, Value]) -> str | None:
        if not all(computed(condition, row) is True for condition in self.conditions):
            return None
        return _plain([computed(key, row) for key in keys])


Rows = dict[tuple[Value, ...], str | None]


def _without(made: Rows, refs: list[ColumnRef], place: int) -> tuple[Rows, list[ColumnRef]]:
    """The table without a column that decides nothing; as it is where the column decides something."""
    less: Rows = {}
    for row, group in made.items():
        if less.setdefault((*row[:place], *row[place + 1 :]), group) != group:
            return made, refs
    return less, [*refs[:place], *refs[place + 1 :]]


def _plain(values: Sequence[Value]) -> str:
    """Values as a text that no two have in common."""
    return json.dumps([[type(value).__name__, str(value)] for value in values], ensure_ascii=False)


def _order(value: Value) -> tuple[str, str]:
    return type(value).__name__, str(value)


def tables_of(named: Iterator[tuple[str, str]]) -> str:
    """The tables that a question reads and their contents, whatever they are called in it."""
    return json.dumps(sorted(named), ensure_ascii=False)

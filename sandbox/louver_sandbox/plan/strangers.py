"""Which other subjects a subject meets is not for the requester to choose (PRIVACY 5.3).

Where rows of several subjects meet, as in `tax a JOIN tax b ON b.score = a.score`, each is counted as often as it
meets others. A bank that decides by columns it knows who meets whom (a label that its two tables share, a range of
its own numbers) gives every subject a weight of its choice, and the number of rows spells out who is in a cell. So a
condition, key or measure with such a column must be about one subject.

Known are the columns of own tables, and those of public tables and judged cells that are found by a subject's
identity or by what is known already. A public table found by another protected column, as a nation by its number,
says no more than that column does, and chooses nobody. An aggregate without keys is one row for everybody.

Each side of a Union is looked at with all that stands above it, as if the other were not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

from louver_sandbox.algebra.expressions import AggregateCall, Call, Expression, Literal, Named, column_refs
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, Project, Relation, Scan, Union, scans, walk
from louver_sandbox.catalog.model import Catalog, Role, SpaceKind, Table
from louver_sandbox.plan.provenance import ROWS, BaseColumn, Provenance, conjuncts, equated, merged, trace
from louver_sandbox.plan.units import Units, home
from louver_sandbox.refusals.plan import meeting_by_known, unions_of_strangers

MAX_SIDES = 64
"""Ways to choose one side of every Union of a core; a core of several subjects with more of them is refused."""

Subjects = frozenset[int]
"""Subjects that a column may be about, by number."""


def check_strangers(core: Aggregate, units: Units, guarded: Collection[int], catalog: Catalog) -> None:
    """Accepts a core in which nothing that is known decides who meets whom. Raises `Refused` LVR-2309."""
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(core)}
    if all(id_ in units for id_ in tables) and not guarded:
        return
    chosen = tuple(islice(_sides(core), MAX_SIDES + 1))
    if len(chosen) > MAX_SIDES:
        raise unions_of_strangers(str(next(iter(tables.values())).name), MAX_SIDES)
    for tree in chosen:
        here = frozenset(scan.id for scan in scans(tree))
        _Meeting.of(tree, {id_: tables[id_] for id_ in here}, units, guarded).check(tree)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Rows that meet: where their columns come from, and the columns that hold each subject's identity.

    `identities` are numbered: the columns that hold one unit. `about` are the subjects of each protected scan.
    """

    tables: Mapping[int, Table]
    units: Units
    guarded: Collection[int]
    provenance: Provenance
    identities: Sequence[frozenset[BaseColumn]]
    about: Mapping[int, Subjects]
    constant: frozenset[int]

    @classmethod
    def of(cls, tree: Relation, tables: Mapping[int, Table], units: Units, guarded: Collection[int]) -> _Meeting:
        """What there is to know of a tree without Unions."""
        provenance = trace(tree)
        conditions = [
            node.condition if isinstance(node, Join) else node.predicate
            for node in walk(tree)
            if isinstance(node, Join | Filter)
        ]
        classes = merged(pair for condition in conditions for pair in equated(condition, provenance))
        identities: list[frozenset[BaseColumn]] = []
        about: dict[int, Subjects] = {}
        for scan in (scan for scan in tables if scan in units):
            for unit in units[scan]:
                own = home(scan, unit, tree, classes)
                same = next((group for group in classes if own in group), frozenset({own}))
                if same not in identities:
                    identities.append(same)
                about[scan] = about.get(scan, frozenset()) | {identities.index(same)}
        constant = frozenset(node.id for node in walk(tree) if isinstance(node, Aggregate) and not node.keys)
        return cls(tables, units, guarded, provenance, identities, about, constant)

    def check(self, tree: Relation) -> None:
        """Raises `Refused` LVR-2309 where a condition with something known is about no subject in common."""
        if len(self.identities) < 2:
            return
        touched = [found for part in _parts(tree) if (found := self._columns(part))]
        known = self._known(touched)
        narrowed = dict.fromkeys(known, frozenset(range(len(self.identities))))
        deciding = [columns for columns in touched if _meet(columns, known)]
        before: dict[int, Subjects] = {}
        while before != narrowed:
            before = dict(narrowed)
            for columns in deciding:
                common = frozenset.intersection(*(self._subjects(column, narrowed) for column in columns))
                if not common:
                    named = sorted(
                        f"{self.tables[id_].name.name}.{name}"
                        for id_, name in columns
                        if id_ in self.tables and name != ROWS
                    )
                    raise meeting_by_known(self._name(columns, known), list(dict.fromkeys(named)))
                narrowed |= {id_: common for id_, _ in columns if id_ in known}

    def _columns(self, expression: Expression) -> frozenset[BaseColumn]:
        """The columns that decide an expression's value; judged cells have their own, constants none."""
        found: set[BaseColumn] = set()
        for ref in column_refs(expression):
            if ref.relation in self.constant:
                continue
            if ref.relation in self.guarded or ref.relation in self.provenance.scans:
                found.add((ref.relation, ref.name))
                continue
            definition = self.provenance.definition(ref)
            found |= self._columns(definition)
            if isinstance(definition, AggregateCall):
                found |= {(scan, ROWS) for scan in self.provenance.below[ref.relation]}
        return frozenset(found)

    def _known(self, touched: Sequence[frozenset[BaseColumn]]) -> frozenset[int]:
        """The scans and judged cells that the requester knows or can choose by a subject's identity."""
        known = {id_ for id_, table in self.tables.items() if self._is_own(id_, table)}
        known |= {id_ for columns in touched if any(map(self._identifies, columns)) for id_, _ in columns}
        known -= self.units.keys()
        before: set[int] = set()
        while before != known:
            before = set(known)
            known = known.union(*({id_ for id_, _ in columns} for columns in touched if _meet(columns, known)))
            known -= self.units.keys()
        return frozenset(known)

    def _is_own(self, scan: int, table: Table) -> bool:
        return scan not in self.units and table.space is SpaceKind.INSTITUTION

    def _identifies(self, base: BaseColumn) -> bool:
        id_, name = base
        if any(base in identity for identity in self.identities):
            return True
        column = self.tables[id_].column(name) if id_ in self.units and id_ in self.tables else None
        return column is not None and column.role in (Role.IDENTIFIER, Role.KEY)

    def _subjects(self, base: BaseColumn, narrowed: Mapping[int, Subjects]) -> Subjects:
        """The subjects a column may be about; a row with several units is about each of them."""
        id_, _ = base
        if id_ in narrowed:
            return narrowed[id_]
        held = frozenset(number for number, identity in enumerate(self.identities) if base in identity)
        return held or self.about[id_]

    def _name(self, columns: frozenset[BaseColumn], known: frozenset[int]) -> str:
        """The table to name in a refusal: a known one if there is one, not judged cells."""
        named = sorted((id_ not in known, id_) for id_, _ in columns if id_ in self.tables)
        return str(self.tables[named[0][1]].name)


def _meet(columns: frozenset[BaseColumn], known: Collection[int]) -> bool:
    return any(id_ in known for id_, _ in columns)


def _parts(tree: Relation) -> Iterator[Expression]:
    """Everything that rows meet by, are selected by, divided by or added up by."""
    for node in walk(tree):
        match node:
            case Join(condition=condition) | Filter(predicate=condition):
                yield from conjuncts(condition)
            case Aggregate():
                yield from (key.expression for key in node.keys)
                for measure in node.measures:
                    if isinstance(measure.expression, AggregateCall):
                        yield from _of_measure(measure.expression)
            case _:
                continue


def _of_measure(call: AggregateCall) -> Iterator[Expression]:
    if call.where is not None:
        yield from conjuncts(call.where)
    for argument in call.arguments:
        match argument:
            case Call(function="case", arguments=(condition, value, Literal(value=None | 0))):
                yield from (*conjuncts(condition), value)
            case _:
                yield argument


def _sides(relation: Relation) -> Iterator[Relation]:
    """The tree with one side of every Union in its place, for all choices of sides."""
    match relation:
        case Scan():
            yield relation
        case Union():
            for side in (relation.left, relation.right):
                named = zip(relation.columns, side.columns, strict=True)
                columns = tuple(Named(column.name, given.expression) for column, given in named)
                yield from (Project(relation.id, below, columns) for below in _sides(side.input))
        case Join():
            both = (islice(_sides(side), MAX_SIDES + 1) for side in (relation.left, relation.right))
            yield from (replace(relation, left=left, right=right) for left, right in product(*both))
        case _:
            yield from (replace(relation, input=below) for below in _sides(relation.input))

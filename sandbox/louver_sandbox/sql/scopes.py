"""What names mean inside one SELECT: the tables of its FROM, their columns, and columns merged by USING.

Names are matched as the engine does, without regard to case, but only against what the caller may see.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from louver_sandbox.algebra.expressions import ColumnRef, Expression
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals


def fold(name: str) -> str:
    """The spelling under which names are compared."""
    return name.lower()


def similar(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three known names close to `name`, best first."""
    by_fold = {fold(item): item for item in known}
    return tuple(by_fold[found] for found in difflib.get_close_matches(fold(name), sorted(by_fold), n=3, cutoff=0.7))


def _placed(ref: ColumnRef, at: Position | None) -> ColumnRef:
    return ColumnRef(ref.relation, ref.name, ref.type, at)


@dataclass(frozen=True, slots=True)
class FromItem:
    """One table, view, CTE or derived table of a FROM. `names` are the spellings it can be called by.

    `columns` maps visible names, in order, to references; `merged` holds the folded names USING took over from it.
    """

    names: frozenset[tuple[str, ...]]
    title: str
    columns: Mapping[str, ColumnRef]
    merged: frozenset[str] = frozenset()
    folded: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded: dict[str, tuple[str, ...]] = {}
        for name in self.columns:
            folded[fold(name)] = (*folded.get(fold(name), ()), name)
        object.__setattr__(self, "folded", folded)

    def find(self, name: str, at: Position | None) -> ColumnRef | None:
        """The column called `name`; names that differ only in case must be spelled exactly."""
        spellings = self.folded.get(fold(name), ())
        if len(spellings) > 1 and name not in spellings:
            raise refusals.ambiguous_column(name, [self.title], at)
        chosen = name if name in spellings else spellings[0] if spellings else None
        return None if chosen is None else _placed(self.columns[chosen], at)


@dataclass(frozen=True, slots=True)
class Scope:
    """The items of a FROM, left to right.

    `merged` says what an unqualified name that USING made one column stands for. `outer` is the scope around a
    subquery: what is not found here is looked for there.
    """

    items: tuple[FromItem, ...] = ()
    merged: Mapping[str, Expression] = field(default_factory=dict)
    outer: Scope | None = None

    def joined(self, other: Scope, at: Position | None) -> Scope:
        """This scope with the items of another after its own; each must have a name of its own."""
        for item in other.items:
            if any(item.names & known.names for known in self.items):
                raise refusals.duplicate_name(item.title, at)
        return Scope((*self.items, *other.items), {**self.merged, **other.merged}, self.outer)

    def relations(self) -> frozenset[int]:
        """Ids of the relations whose columns can be named here."""
        return frozenset(ref.relation for item in self.items for ref in item.columns.values())

    def item(self, qualifier: tuple[str, ...], at: Position | None) -> FromItem:
        """The item that a qualifier (`t` or `schema.t`) names."""
        key = tuple(fold(part) for part in qualifier)
        found = next((item for item in self.items if key in item.names), None)
        if found is None:
            written = ".".join(qualifier)
            raise refusals.unknown_table(written, similar(qualifier[-1], (item.title for item in self.items)), at)
        return found

    def find(self, name: str, at: Position | None) -> Expression | None:
        """The unqualified column `name`, None if no item has it; a merged column is what USING made of it."""
        found: list[tuple[FromItem, ColumnRef]] = []
        for item in self.items:
            ref = None if fold(name) in item.merged else item.find(name, at)
            if ref is not None:
                found.append((item, ref))
        if len(found) > 1:
            raise refusals.ambiguous_column(name, [item.title for item, _ in found], at)
        if not found:
            return None
        return replace(self.merged[fold(name)], at=at) if fold(name) in self.merged else found[0][1]

    def resolve(self, name: str, qualifier: tuple[str, ...], at: Position | None) -> Expression:
        """The column, of this scope or else of the nearest around it; or LVR-1102 with names that look like it."""
        scope: Scope | None = self
        while scope is not None:
            ref = scope._own(name, qualifier, at)
            if ref is not None:
                return ref
            scope = scope.outer
        if qualifier:
            known = list(self.item(qualifier, at).columns)
        else:
            known = [column for item in self.items for column in item.columns]
        raise refusals.unknown_column(".".join((*qualifier, name)), similar(name, known), at)

    def _own(self, name: str, qualifier: tuple[str, ...], at: Position | None) -> Expression | None:
        if not qualifier:
            return self.find(name, at)
        key = tuple(fold(part) for part in qualifier)
        item = next((item for item in self.items if key in item.names), None)
        if item is None:
            return None
        ref = item.find(name, at)
        if ref is None:
            # The nearest item of that name is meant, whether it has the column or not.
            raise refusals.unknown_column(".".join((*qualifier, name)), similar(name, item.columns), at)
        return ref

    def star(self, qualifier: tuple[str, ...], at: Position | None) -> Sequence[tuple[str, Expression]]:
        """What `*` or `t.*` stands for, in order: the visible columns, merged ones once."""
        if qualifier:
            return [(name, _placed(ref, at)) for name, ref in self.item(qualifier, at).columns.items()]
        return [
            (name, replace(self.merged[fold(name)], at=at) if fold(name) in self.merged else _placed(ref, at))
            for item in self.items
            for name, ref in item.columns.items()
            if fold(name) not in item.merged
        ]

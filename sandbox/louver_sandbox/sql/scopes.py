"""What names mean inside one SELECT: the tables of its FROM, their columns, and columns merged by USING.

Names are matched as the engine does, without regard to case, but only against what the caller may see.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from louver_sandbox.algebra.expressions import ColumnRef
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals


def fold(name: str) -> str:
    """The spelling under which names are compared."""
    return name.lower()


def similar(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three known names close to `name`, best first."""
    by_fold = {fold(item): item for item in known}
    return tuple(by_fold[found] for found in difflib.get_close_matches(fold(name), sorted(by_fold), n=3, cutoff=0.7))


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
        return None if chosen is None else replace(self.columns[chosen], at=at)


@dataclass(frozen=True, slots=True)
class Scope:
    """The items of a FROM, left to right."""

    items: tuple[FromItem, ...] = ()

    def joined(self, item: FromItem, at: Position | None) -> Scope:
        """This scope with one more item, which must have a name of its own."""
        if any(item.names & other.names for other in self.items):
            raise refusals.duplicate_name(item.title, at)
        return Scope((*self.items, item))

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

    def find(self, name: str, at: Position | None) -> ColumnRef | None:
        """The unqualified column `name`, None if no item has it; a merged column is its left side's."""
        found: list[tuple[FromItem, ColumnRef]] = []
        for item in self.items:
            ref = None if fold(name) in item.merged else item.find(name, at)
            if ref is not None:
                found.append((item, ref))
        if len(found) > 1:
            raise refusals.ambiguous_column(name, [item.title for item, _ in found], at)
        return found[0][1] if found else None

    def resolve(self, name: str, qualifier: tuple[str, ...], at: Position | None) -> ColumnRef:
        """The column, or LVR-1102 with visible names that look like it."""
        if qualifier:
            item = self.item(qualifier, at)
            ref, known = item.find(name, at), list(item.columns)
        else:
            ref, known = self.find(name, at), [column for item in self.items for column in item.columns]
        if ref is None:
            raise refusals.unknown_column(".".join((*qualifier, name)), similar(name, known), at)
        return ref

    def star(self, qualifier: tuple[str, ...], at: Position | None) -> Sequence[tuple[str, ColumnRef]]:
        """What `*` or `t.*` stands for, in order: the visible columns, merged ones once."""
        if qualifier:
            return [(name, replace(ref, at=at)) for name, ref in self.item(qualifier, at).columns.items()]
        return [
            (name, replace(ref, at=at))
            for item in self.items
            for name, ref in item.columns.items()
            if fold(name) not in item.merged
        ]

"""Tables of tokens made before a question needs them, and those taken away that none can need any more.

An institution that has joined a published column by tokens will join it again when its data are new. So for every
table of tokens that the log names under a present key, one is made for each snapshot that now holds that column; what
the former one has is taken over. A table goes when its key is not the present one, or when its snapshot is published
no more and the ones that replace it are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from louver.errors import Refused
from louver_sandbox.matching.tokens import JoinKeys, TokenTables


@dataclass(frozen=True, slots=True)
class Made:
    """A table of tokens as the log tells of it: what it is called, whose it is, and of which snapshot's column."""

    name: str
    institution: str
    element: str
    key: str
    snapshot: str
    column: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A snapshot that is published now, and the columns in it."""

    snapshot: str
    columns: frozenset[str]


class Upkeep:
    """Keeps the tables of an installation. `made` and `table_of` (snapshot to table) are read from the log each time,
    `published` says by table what the bundle in force reads, and is asked each time too: another may have come."""

    def __init__(
        self,
        tables: TokenTables,
        keys: JoinKeys,
        made: Callable[[], Sequence[Made]],
        table_of: Callable[[], Mapping[str, str]],
        published: Callable[[], Mapping[str, Sequence[Holding]]],
    ) -> None:
        self._tables = tables
        self._keys = keys
        self._made = made
        self._table_of = table_of
        self._published = published
        self._failed: set[Made] = set()

    def make_next(self) -> bool:
        """Makes the first table that is missing; whether there was one. One that cannot be made is an incident once,
        and is tried again when a question needs it."""
        for table, wanted in self._missing(self._made(), self._table_of(), self._published()):
            if wanted in self._failed:
                continue
            try:
                self._tables.make(
                    table, wanted.snapshot, wanted.column, wanted.institution, wanted.element, wanted.key
                )
            except Refused:
                self._failed.add(wanted)
            return True
        return False

    def sweep(self) -> tuple[str, ...]:
        """Takes away the tables that no question can need; their names."""
        made, table_of, published = self._made(), self._table_of(), self._published()
        missing = {
            (wanted.institution, wanted.element, table) for table, wanted in self._missing(made, table_of, published)
        }
        gone = []
        for one in made:
            table = table_of.get(one.snapshot, "")
            held = any(one.snapshot == holding.snapshot for holding in published.get(table, ()))
            replaced = (one.institution, one.element, table) not in missing
            if (not self._is_present(one) or (not held and replaced)) and self._tables.drop(one.name):
                gone.append(one.name)
        return tuple(gone)

    def _missing(
        self, made: Sequence[Made], table_of: Mapping[str, str], published: Mapping[str, Sequence[Holding]]
    ) -> Iterator[tuple[str, Made]]:
        """What a question of tomorrow may need, by table, in the order in which it was first needed."""
        seen: set[str] = set()
        for one in made:
            table = table_of.get(one.snapshot, "")
            for holding in published.get(table, ()):
                if one.column not in holding.columns:
                    continue
                asked = (holding.snapshot, one.column, one.institution, one.element, one.key)
                name = self._tables.name(*asked)
                if name not in seen and not self._tables.has(name) and self._is_present(one):
                    yield table, Made(name, one.institution, one.element, one.key, holding.snapshot, one.column)
                seen.add(name)

    def _is_present(self, one: Made) -> bool:
        try:
            return self._keys.current(one.institution, one.element) == one.key
        except Refused:
            return False

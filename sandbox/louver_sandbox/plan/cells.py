"""How many cells an aggregate can have, by declaration: the bound that a question pays for before a row is read.

In each grouping set at most one cell for every combination of its keys' values. The bound depends on the question and
the catalogue alone; that rows may hold fewer combinations is nobody's business before they are released.
"""

from __future__ import annotations

from collections.abc import Sequence

from louver_sandbox.algebra.expressions import Named
from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.plan.provenance import ROWS
from louver_sandbox.plan.values import MOST, Values


class Unbounded(Exception):
    """Nothing says how many values a key has. `columns` are those that no declaration speaks of, as
    `schema.table.column`."""

    def __init__(self, key: Named, columns: tuple[str, ...]) -> None:
        super().__init__(key.name)
        self.key = key
        self.columns = columns


def most_cells(core: Aggregate, catalog: Catalog) -> tuple[int, ...]:
    """The most cells of each grouping set, in order, at most `MOST`; without sets one number for all keys.

    Raises:
        Unbounded: a key of which the number of values is not known.
    """
    values = Values(core.input, catalog)
    everything = (tuple(range(len(core.keys))),)
    return tuple(_combinations([core.keys[index] for index in one], values) for one in core.sets or everything)


def _combinations(keys: Sequence[Named], values: Values) -> int:
    """Keys of the same columns have no more values together than the columns have. One cell is always paid for."""
    alike: dict[frozenset[tuple[int, str]], list[Named]] = {}
    for key in keys:
        alike.setdefault(values.behind(key.expression), []).append(key)
    found = 1
    for columns, made in alike.items():
        together = 1
        for key in made:
            together = min(MOST, together * _of_key(key, values))
        if len(made) > 1 and (of_columns := _of_columns(columns, values)) is not None:
            together = min(together, of_columns)
        found = min(MOST, found * together)
    return max(1, found)


def _of_key(key: Named, values: Values) -> int:
    count = values.most(key.expression)
    if count is None:
        named = (f"{values.tables[scan].name}.{column}" for scan, column in values.unknown(key.expression))
        raise Unbounded(key, tuple(sorted(named)))
    return count + values.may_be_null(key.expression)


def _of_columns(columns: frozenset[tuple[int, str]], values: Values) -> int | None:
    found = 1
    for column in columns:
        count = None if column[1] == ROWS else values.most_stored(column)
        if count is None:
            return None
        found = min(MOST, found * (count + 1))
    return found

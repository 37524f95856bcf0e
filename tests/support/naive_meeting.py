"""Whether one row can pass all of some tests, found by trying: values around the constants in them, and none.

No condition is understood here, each is only evaluated, so that every proof in `plan/conditions.py` that two
conditions exclude each other is put to the test, and every proof that it misses shows as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import product

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Literal, Value, column_refs, walk
from louver_sandbox.algebra.types import Kind
from louver_sandbox.engines.oracle import Row, value_of

Tests = frozenset[tuple[Expression, bool]]
"""Expressions that are TRUE, and those that are not."""

Place = tuple[int, str]

MOST_ROWS = 20_000
"""So many rows are tried. Tests that none of them passes are then said to be met."""


@lru_cache(maxsize=1000)
def can_be_met(tests: Tests) -> bool:
    """Whether some row passes all tests."""
    return _Search(tests).found({})


class _Search:
    """Gives the columns their values one by one, and tests what has all its columns."""

    def __init__(self, tests: Tests) -> None:
        columns = {(ref.relation, ref.name): ref for test, _ in tests for ref in column_refs(test)}
        self.columns = [*columns]
        self.choices = {place: _values(ref, [test for test, _ in tests]) for place, ref in columns.items()}
        self.tests: list[list[tuple[Expression, bool]]] = [[] for _ in range(len(columns) + 1)]
        for test, wanted in tests:
            looked_at = [self.columns.index((ref.relation, ref.name)) + 1 for ref in column_refs(test)]
            self.tests[max(looked_at, default=0)].append((test, wanted))
        self.left = MOST_ROWS

    def found(self, values: Mapping[Place, Value]) -> bool:
        """Whether these values are the beginning of a row that passes."""
        self.left -= 1
        if self.left < 0:
            return True
        row = Row(values)
        if any((value_of(test, row) is True) is not wanted for test, wanted in self.tests[len(values)]):
            return False
        if len(values) == len(self.columns):
            return True
        place = self.columns[len(values)]
        return any(self.found({**values, place: value}) for value in self.choices[place])


def _values(column: ColumnRef, tests: Sequence[Expression]) -> list[Value]:
    """What a column may hold that could matter: every constant of its kind, and what lies beside it."""
    constants = {part.value for test in tests for part in walk(test) if isinstance(part, Literal)}
    match column.type.kind:
        case Kind.BOOLEAN:
            return [None, False, True]
        case Kind.INTEGER:
            numbers = {int(value) for value in _computed(constants)}
            return [None, *sorted({number + step for number in numbers for step in (-2, -1, 0, 1, 2)})]
        case Kind.DECIMAL:
            step = Decimal(1).scaleb(-column.type.scale)
            exact = {value.quantize(step) for value in _computed(constants)}
            return [None, *sorted({value + beside for value in exact for beside in (-step, Decimal(0), step)})]
        case Kind.TEXT:
            texts = {value for value in constants if isinstance(value, str)}
            return [None, *sorted({"", *texts, *(value + " " for value in texts)})]
        case _:
            return [None, *(value for value in constants if value is not None)]


def _computed(constants: Iterable[Value]) -> set[Decimal]:
    """Zero, the numbers, and what makes a number of one of them by arithmetic with another."""
    numbers = {
        Decimal(str(value))
        for value in constants
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    }
    found = {Decimal(0), *numbers}
    for one, other in product(numbers, numbers):
        found |= {one + other, one - other, *([one / other] if other else [])}
    return found

"""What two counts of one cell tell when they are subtracted, by definition: the rows where one test set is met only.

Nothing is shared with `plan/counts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from tests.support.naive_meeting import can_be_met
from tests.support.naive_rows import Column
from tests.support.naive_sums import Amount, Test, is_presence, meets

from louver_sandbox.engines.oracle import Row

Tests = frozenset[Test]

Part = Callable[[Row], Fraction | None]
"""One for a row in a part of the cell."""


def parts_of_counts(
    amount: Amount, everything: Sequence[Amount], partners: Collection[Column], *, alone: bool
) -> Iterator[tuple[Part, bool, bool, Tests]]:
    """The parts of a cell that must be safe beside one count: first whether they may have no row, then whether they
    may be all rows, and what they ask for. Not `alone`: another core may tell the number of all rows."""
    if amount.factors or not amount.tests:
        return
    counted = list(dict.fromkeys(other.tests for other in everything if other.tests and not other.factors))
    together = _reached(amount.tests, counted)
    if len(together) > 1:
        asked = frozenset[Test]().union(*together)
        yield from ((part, may_be_empty, False, asked) for part, may_be_empty in _parts(together, partners))
    rows_known = any(not other.tests and not other.factors for other in everything)
    if (rows_known or not alone) and _only_presence([amount.tests], partners):
        yield _where([], [amount.tests]), True, False, amount.tests
    if not rows_known or len(counted) < 2:
        return
    all_rows = any(_cover(one, other) for one, other in combinations(counted, 2))
    if not all_rows:
        yield (
            lambda row: None if any(meets(tests, row) for tests in counted) else Fraction(1),
            _any_presence(counted, partners),
            False,
            frozenset[Test]().union(*counted),
        )
    if all_rows or _any_presence(counted, partners):
        others = [tests for tests in counted if tests != amount.tests]
        yield from ((_where([tests], []), False, _only_presence([tests], partners), tests) for tests in others)


def _reached(start: Tests, counted: Sequence[Tests]) -> list[Tests]:
    """The test sets that a row may meet together with the first, or with one of those, and so on."""
    found = [start]
    for one in found:
        found += [other for other in counted if other not in found and not _excluded(one, other)]
    return found


def _excluded(one: Tests, other: Tests) -> bool:
    """Whether no row meets both."""
    return not can_be_met(one | other)


def _only_presence(counted: Sequence[Tests], partners: Collection[Column]) -> bool:
    return all(is_presence(test, partners) for tests in counted for test, _ in tests)


def _any_presence(counted: Sequence[Tests], partners: Collection[Column]) -> bool:
    return any(_only_presence([tests], partners) for tests in counted)


def _parts(together: Sequence[Tests], partners: Collection[Column]) -> Iterator[tuple[Part, bool]]:
    for size in range(1, len(together) + 1):
        for held in combinations(together, size):
            failing = [tests for tests in together if tests not in held]
            if not failing and len(together) == 2:
                continue
            met = {test for tests in held for test in tests}
            if any(_excluded(a, b) for a, b in combinations(held, 2)):
                continue
            if any(all(_is_met(test, met) for test in tests) for tests in failing):
                continue
            yield _where(held, failing), _only_presence(failing or together, partners)


def _is_met(test: Test, met: set[Test]) -> bool:
    """Whether rows that meet some tests are certain to meet one more."""
    known, (expression, wanted) = frozenset(met), test
    return not can_be_met(known | {(expression, not wanted)})


def _cover(one: Tests, other: Tests) -> bool:
    """Whether every row meets the one or the other."""
    return not any(can_be_met(frozenset({(a, not yes), (b, not no)})) for a, yes in one for b, no in other)


def _where(held: Sequence[Tests], failing: Sequence[Tests]) -> Part:
    def part(row: Row) -> Fraction | None:
        inside = all(meets(tests, row) for tests in held) and not any(meets(tests, row) for tests in failing)
        return Fraction(1) if inside else None

    return part

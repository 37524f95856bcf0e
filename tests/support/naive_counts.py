"""What two counts of one cell tell when they are subtracted, by definition: the rows where one test set is met only.

Nothing is shared with `plan/counts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from tests.support.naive_sums import Amount, Test, apart, is_presence, meets

from louver_sandbox.algebra.expressions import Call, Literal
from louver_sandbox.engines.oracle import Row

Tests = frozenset[Test]

Part = Callable[[Row], Fraction | None]
"""One for a row in a part of the cell."""


def parts_of_counts(
    amount: Amount, everything: Sequence[Amount], partners: Collection[int]
) -> Iterator[tuple[Part, bool, bool]]:
    """The parts of a cell that must be safe beside one count: first whether they may have no row, then whether they
    may be all rows."""
    if amount.factors or not amount.tests:
        return
    counted = list(dict.fromkeys(other.tests for other in everything if other.tests and not other.factors))
    together = _reached(amount.tests, counted)
    if len(together) > 1:
        yield from ((part, may_be_empty, False) for part, may_be_empty in _parts(together, partners))
    if len(counted) < 2 or not any(not other.tests and not other.factors for other in everything):
        return
    yield (
        lambda row: None if any(meets(tests, row) for tests in counted) else Fraction(1),
        _any_presence(counted, partners),
        False,
    )
    if _any_presence(counted, partners):
        others = [tests for tests in counted if tests != amount.tests]
        yield from ((_where([tests], []), False, _only_presence([tests], partners)) for tests in others)


def _reached(start: Tests, counted: Sequence[Tests]) -> list[Tests]:
    """The test sets that a row may meet together with the first, or with one of those, and so on."""
    found = [start]
    for one in found:
        found += [other for other in counted if other not in found and not _excluded(one, other)]
    return found


def _excluded(one: Tests, other: Tests) -> bool:
    return apart(Amount(Fraction(1), (), one), Amount(Fraction(1), (), other))


def _only_presence(counted: Sequence[Tests], partners: Collection[int]) -> bool:
    return all(is_presence(test, partners) for tests in counted for test, _ in tests)


def _any_presence(counted: Sequence[Tests], partners: Collection[int]) -> bool:
    return any(_only_presence([tests], partners) for tests in counted)


def _parts(together: Sequence[Tests], partners: Collection[int]) -> Iterator[tuple[Part, bool]]:
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
    """Whether rows that meet some tests are certain to meet one more: it is one of them, or a value is compared."""
    compared = {
        argument
        for expression, wanted in met
        if wanted and isinstance(expression, Call) and expression.function in ("=", ">")
        for argument in expression.arguments
        if not isinstance(argument, Literal)
    }
    inner = test[0].arguments[0] if isinstance(test[0], Call) and is_presence(test[0]) else None
    return test in met or (isinstance(inner, Call) and inner.arguments[0] in compared)


def _where(held: Sequence[Tests], failing: Sequence[Tests]) -> Part:
    def part(row: Row) -> Fraction | None:
        inside = all(meets(tests, row) for tests in held) and not any(meets(tests, row) for tests in failing)
        return Fraction(1) if inside else None

    return part

"""Joins of released rows: hashed on what the condition says is equal, with a bound on the work (SQL:2016, 7.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from louver_sandbox.algebra.cores import Column
from louver_sandbox.algebra.expressions import Call, Expression, Literal, Value, column_refs
from louver_sandbox.algebra.relations import Join, JoinKind
from louver_sandbox.release.values import Row, compiled
from louver_sandbox.release.withheld import WITHHELD, Withheld

MAX_PAIRS = 200_000
"""Pairs of rows that one answer may compare or give: about two seconds of work."""


class TooManyPairs(Exception):
    """The joins of an answer would compare more than `MAX_PAIRS` pairs of rows."""


class Budget:
    """The pairs that are left to one answer."""

    def __init__(self, pairs: int = MAX_PAIRS) -> None:
        self._left = pairs

    def spend(self, pairs: int = 1) -> None:
        """Counts pairs. Raises `TooManyPairs`."""
        self._left -= pairs
        if self._left < 0:
            raise TooManyPairs


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one side, and the columns it offers even when it has no row."""

    rows: Sequence[Row]
    columns: tuple[Column, ...]

    @property
    def nulls(self) -> Row:
        """What stands for this side beside a row without a partner."""
        return dict.fromkeys(self.columns)


def joined(join: Join, left: Side, right: Side, budget: Budget) -> Iterator[Row]:
    """The rows of the join, in the order of the left side and then of the right. Raises `TooManyPairs`.

    What is withheld matches nothing. Under NOT IN and NOT EXISTS, where no match keeps a row, it may match anything.
    """
    anti = join.kind is JoinKind.ANTI
    partners = _partners(join.condition, left, right, withheld_match=anti)
    holds = compiled(join.condition)
    met: set[int] = set()
    for row in left.rows:
        matched = False
        for place in partners.of(row):
            budget.spend()
            pair = {**row, **right.rows[place]}
            found = holds(pair)
            if found is not True and not (anti and found is WITHHELD):
                continue
            matched = True
            met.add(place)
            if join.kind in (JoinKind.SEMI, JoinKind.ANTI):
                break
            yield pair
        if join.kind is (JoinKind.SEMI if matched else JoinKind.ANTI):
            yield row
        elif not matched and join.kind in (JoinKind.LEFT, JoinKind.FULL):
            yield {**row, **right.nulls}
    if join.kind is JoinKind.FULL:
        yield from ({**left.nulls, **row} for place, row in enumerate(right.rows) if place not in met)


@dataclass(frozen=True, slots=True)
class _Key:
    """Two expressions that a condition compares, one over each side. `null_safe`: NULL equals NULL."""

    left: Expression
    right: Expression
    null_safe: bool


class _Partners:
    """Which rows of the right side a row of the left may match: those with equal keys.

    Only a first choice, the condition itself decides. Without a key every row of the right side is one.
    `withheld_match`: keys that are withheld may equal any other.
    """

    def __init__(self, keys: Sequence[_Key], right: Sequence[Row], *, withheld_match: bool) -> None:
        self._withheld_match = withheld_match
        self._withheld: list[int] = []
        self._null_safe = [key.null_safe for key in keys]
        self._left = [compiled(key.left) for key in keys]
        self._all = range(len(right))
        self._places: dict[tuple[Value | Withheld, ...], list[int]] = {}
        of_right = [compiled(key.right) for key in keys]
        for place, row in enumerate(right):
            values = tuple(part(row) for part in of_right)
            if not self._can_match(values):
                continue
            if WITHHELD in values:
                self._withheld.append(place)
            else:
                self._places.setdefault(values, []).append(place)

    def of(self, row: Row) -> Sequence[int]:
        """The places of the possible partners of a row of the left side."""
        if not self._left:
            return self._all
        values = tuple(part(row) for part in self._left)
        if not self._can_match(values):
            return ()
        if WITHHELD in values:
            return self._all
        equal = self._places.get(values, ())
        return [*equal, *self._withheld] if self._withheld else equal

    def _can_match(self, values: Sequence[Value | Withheld]) -> bool:
        if WITHHELD in values and not self._withheld_match:
            return False
        return all(safe or value is not None for safe, value in zip(self._null_safe, values, strict=True))


class _LoosePartners:
    """The same for NOT IN, whose comparison counts as true where it is NULL: a NULL may match anything, and so may
    what is withheld."""

    def __init__(self, key: _Key, right: Sequence[Row]) -> None:
        self._left = compiled(key.left)
        self._all = range(len(right))
        self._nulls: list[int] = []
        self._places: dict[Value | Withheld, list[int]] = {}
        of_right = compiled(key.right)
        for place, row in enumerate(right):
            value = of_right(row)
            (self._nulls if value in (None, WITHHELD) else self._places.setdefault(value, [])).append(place)

    def of(self, row: Row) -> Sequence[int]:
        """The places of the possible partners of a row of the left side."""
        value = self._left(row)
        return self._all if value in (None, WITHHELD) else [*self._places.get(value, ()), *self._nulls]


def _partners(condition: Expression, left: Side, right: Side, *, withheld_match: bool) -> _Partners | _LoosePartners:
    strict: list[_Key] = []
    loose: list[_Key] = []
    for part in _conjuncts(condition):
        match part:
            case Call("=", (one, other)):
                strict += _key(one, other, left, right, null_safe=False)
            case Call("not", (Call("is_distinct", (one, other)),)):
                strict += _key(one, other, left, right, null_safe=True)
            case Call("coalesce", (Call("=", (one, other)), Literal(True))):
                loose += _key(one, other, left, right, null_safe=False)
            case _:
                continue
    if loose and not strict:
        return _LoosePartners(loose[0], right.rows)
    return _Partners(strict, right.rows, withheld_match=withheld_match)


def _key(one: Expression, other: Expression, left: Side, right: Side, *, null_safe: bool) -> list[_Key]:
    """The key that two compared expressions make, if each looks at one side only and equal means the same to both."""
    if one.type != other.type:
        return []
    for first, second in ((one, other), (other, one)):
        if _over(first, left) and _over(second, right):
            return [_Key(first, second, null_safe)]
    return []


def _over(expression: Expression, side: Side) -> bool:
    refs = [(ref.relation, ref.name) for ref in column_refs(expression)]
    return bool(refs) and all(ref in side.columns for ref in refs)


def _conjuncts(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Call) and expression.function == "and":
        for argument in expression.arguments:
            yield from _conjuncts(argument)
    else:
        yield expression

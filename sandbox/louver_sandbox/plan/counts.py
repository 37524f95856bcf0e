"""Numbers of rows of one core that could be subtracted from one another, and what must be safe for them to leave.

Two counts under different conditions differ by the number of rows where only one of them holds, which may be one
subject's. Where one condition implies the other that is the difference itself; with three or more, every part into
which they divide the rows may be what a combination of them leaves. So these parts are guards: k subjects are in each
and k are not. A part that provably has no row needs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

from louver_sandbox.algebra.types import Position
from louver_sandbox.plan.conditions import Conditions, conjunction, disjoint, fails, implies, opposites
from louver_sandbox.plan.measures import ROWS, Total
from louver_sandbox.plan.polynomials import Columns, Summand, never_null
from louver_sandbox.refusals.plan import overlapping_sums

MAX_CONDITIONS = 6
"""So many conditions that may hold together are told apart; they make 63 parts at most."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A total that does not leave but must be safe; `optional` ones may also have no contributor at all."""

    total: Total
    optional: bool = False


def between_counts(
    places: Mapping[Total, Position | None], columns: Columns, *, rows_known: bool
) -> Iterator[tuple[Total, Guard]]:
    """The guards of every number of rows, of all totals that are asked for.

    `rows_known`: the number of all rows may be told elsewhere in the question.

    Raises:
        Refused: LVR-2311, for more than `MAX_CONDITIONS` conditions that may hold together.
    """
    counts = [total for total in places if total.counts and total.summand.conditions]
    for together in _overlapping(counts):
        if len(together) > MAX_CONDITIONS:
            raise overlapping_sums(places[together[-1]])
        yield from product(together, list(_parts(together)))
    if ROWS in places or rows_known:
        yield from ((total, _lacking(total)) for total in counts if total.presence)
    if ROWS in places and len(counts) > 1:
        yield from _beside_all_rows(counts, columns)


def _lacking(total: Total) -> Guard:
    """The rows without a value, beside the number of all rows: a subject may have them beside others with one."""
    return Guard(_rows(conjunction((fails(total.summand.conditions),))), optional=True)


def _overlapping(counts: Sequence[Total]) -> list[list[Total]]:
    """Totals that may hold together, directly or by way of others."""
    found: list[list[Total]] = []
    for total in counts:
        near = [group for group in found if any(_may_meet(total, other) for other in group)]
        found = [group for group in found if group not in near]
        found.append([*(other for group in near for other in group), total])
    return [group for group in found if len(group) > 1]


def _may_meet(one: Total, other: Total) -> bool:
    return not disjoint(one.summand.conditions, other.summand.conditions)


def _parts(together: Sequence[Total]) -> Iterator[Guard]:
    """The rows where some of the conditions hold and the others do not; of two conditions, where only one holds.

    A part that only lacks values may be empty, since all rows may have them.
    """
    for signs in product((True, False), repeat=len(together)):
        held, failing = (
            [one for one, holds in zip(together, signs, strict=True) if holds is side] for side in (True, False)
        )
        meant, unmet = ([total.summand.conditions for total in some] for some in (held, failing))
        if not held or (len(together) == 2 and not failing) or _is_empty(meant, unmet):
            continue
        part = conjunction((*(one for conditions in meant for one in conditions), *map(fails, unmet)))
        yield Guard(_rows(part), optional=all(total.presence for total in failing or together))


def _is_empty(held: Sequence[Conditions], failing: Iterable[Conditions]) -> bool:
    """Whether it is certain that no row is in the part."""
    if any(disjoint(one, other) for one, other in combinations(held, 2)):
        return True
    every = conjunction(part for one in held for part in one)
    return any(implies(every, one) for one in failing)


def _beside_all_rows(counts: Sequence[Total], columns: Columns) -> Iterator[tuple[Total, Guard]]:
    """With the number of all rows known, the rows where none of the conditions holds.

    A part that stays behind is what all rows and the others leave of it, together with the rest; where that may be
    nobody, that is no protection, so then all parts leave or none.
    """
    optional = any(total.presence for total in counts)
    rest = Guard(_rows(conjunction(fails(total.summand.conditions) for total in counts)), optional)
    nobody = any(_cover(one, other, columns) for one, other in permutations(counts, 2))
    for total in counts:
        if not nobody:
            yield total, rest
        if optional or nobody:
            yield from ((total, Guard(other)) for other in counts if other != total)


def _cover(one: Total, other: Total, columns: Columns) -> bool:
    """Whether it is certain that one of the conditions holds in every row."""
    first, second = one.summand.conditions, other.summand.conditions
    if second == conjunction((fails(first),)):
        return True
    return len(first) == len(second) == 1 and second[0] in opposites(first[0]) and never_null(first[0], columns)


def _rows(conditions: Conditions) -> Total:
    return Total(Summand((), conditions))

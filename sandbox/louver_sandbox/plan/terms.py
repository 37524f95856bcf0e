"""What the engine adds up for the totals of one core or inner aggregate: one argument per total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import Expression, column_refs
from louver_sandbox.algebra.relations import Relation
from louver_sandbox.algebra.types import INTEGER, Kind, Type
from louver_sandbox.plan.combinations import combined_value
from louver_sandbox.plan.lifting import lift, placed
from louver_sandbox.plan.measures import Asked, Reader, Total
from louver_sandbox.plan.overlaps import Guards, judged


@dataclass(frozen=True, slots=True)
class Term:
    """One distinct argument to add up.

    `summed` asks for its sum and the two largest contributions, `counted` for the number of its values.
    """

    expression: Expression
    exact: Type
    summed: bool = False
    counted: bool = False


Terms = Mapping[Total, Term]
"""The term of every total that is judged, in order of first use."""


def terms_of(asked: tuple[Asked, ...], needed: Guards, reader: Reader) -> Terms:
    """What each judged total adds up."""
    found: dict[Total, Term] = {}
    divisors = {one.count for one in asked}
    guarding = [guard.total for guard in dict.fromkeys(guard for one in needed.values() for guard in one)]
    for total in dict.fromkeys((*(total for one in asked for total in judged(one)), *guarding)):
        if not total.is_rows:
            combined = combined_value(total, reader.value, reader.columns.never_null) if total.combined else None
            argument = total.argument(combined or reader.value(total))
            counted = total.counts or total in divisors
            found[total] = Term(argument, summable(total.exact), summed=not total.counts, counted=counted)
    return found


def with_columns(base: Relation, terms: Terms) -> tuple[Relation, Terms]:
    """The base with every column that a term needs, and the terms over its columns."""
    wanted = {ref for term in terms.values() for ref in column_refs(term.expression)}
    lifted, places = lift(base, wanted)
    return lifted, {total: replace(term, expression=placed(term.expression, places)) for total, term in terms.items()}


def summable(exact: Type) -> Type:
    """At most 18 digits after the point, so that 38 places hold any sum."""
    return replace(exact, scale=min(exact.scale, 18)) if exact.kind is Kind.DECIMAL else INTEGER

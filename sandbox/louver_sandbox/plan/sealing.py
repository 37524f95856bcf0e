"""Which columns of an answer are sealed: all but groups, constants, and what is public or the requester's own.

A value computed from released ones counts as one of them. Row order and which groups are there tell what the question
asks them to tell, in clear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from louver_sandbox.algebra.cores import Cut
from louver_sandbox.algebra.expressions import ColumnRef, Expression, column_refs
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, Union, walk
from louver_sandbox.algebra.types import Kind
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.obligations import Seal, SealedColumns
from louver_sandbox.refusals import sealing as refuse
from louver_sandbox.stages import Admitted

SEALABLE = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.BOOLEAN, Kind.DOUBLE})
"""Types whose values are integers, a decimal's in units of its scale and a double's of the smallest double."""


def sealed_columns(admitted: Admitted, parts: Cut, cores: tuple[CorePlan, ...]) -> SealedColumns | None:
    """The places of the sealed columns, None where the answer is not sealed. Raises `Refused` LVR-5023."""
    seal = admitted.seal if admitted.threshold is None else admitted.threshold.seal
    if seal is Seal.NONE or not isinstance(parts.shape, Project):
        return None
    tracing = _Tracing(parts.shape, cores)
    places: list[int] = []
    shown = zip(admitted.bound.columns, parts.shape.columns, strict=True)
    for place, (column, named) in enumerate(shown):
        if tracing.is_clear(named.expression):
            continue
        if column.type.kind not in SEALABLE:
            raise refuse.unsealable(column.name, str(column.type))
        places.append(place)
    return SealedColumns(seal, admitted.facts.sealing_key, tuple(places))


class _Tracing:
    """What stands behind the columns of a shape."""

    def __init__(self, shape: Relation, cores: tuple[CorePlan, ...]) -> None:
        self._cores: Mapping[int, CorePlan] = {core.core_id: core for core in cores}
        self._behind = dict(_definitions(shape))

    def is_clear(self, expression: Expression) -> bool:
        """Whether nothing in it is a released value."""
        return all(self._is_clear(ref) for ref in column_refs(expression))

    def _is_clear(self, ref: ColumnRef) -> bool:
        core = self._cores.get(ref.relation)
        if core is not None:
            return not core.protected or ref.name not in _released_values(core)
        # What is not defined here (a window's column, an aggregate over released rows) is a released value.
        sides = self._behind.get((ref.relation, ref.name), ())
        return bool(sides) and all(self.is_clear(side) for side in sides)


def _released_values(core: CorePlan) -> set[str]:
    """What leaves of a protected core besides its keys. Which keys a total leaves out is by the question alone."""
    if core.private is None:
        return {measure.name for measure in core.measures}
    return {measure.name for measure in core.private.measures if measure.kind != "grouping"}


def _definitions(shape: Relation) -> Iterator[tuple[tuple[int, str], tuple[Expression, ...]]]:
    for node in walk(shape):
        match node:
            case Project():
                yield from (((node.id, named.name), (named.expression,)) for named in node.columns)
            case Aggregate():
                yield from (((node.id, named.name), (named.expression,)) for named in node.keys)
            case Union():
                sides = zip(node.columns, node.left.columns, node.right.columns, strict=True)
                yield from (((node.id, own.name), (one.expression, other.expression)) for own, one, other in sides)

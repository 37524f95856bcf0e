"""What a question costs: access budget per dataset and purpose (PRIVACY 5.8)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from louver_sandbox.algebra.cores import Core, Cut
from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, walk
from louver_sandbox.algebra.relations import Filter, Join, JoinKind, Relation, expressions, scans
from louver_sandbox.algebra.relations import walk as walk_relations
from louver_sandbox.catalog.model import SpaceKind, Table
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.obligations import CellCharge, Charge
from louver_sandbox.plan.emit import emit_expression, quote
from louver_sandbox.plan.provenance import Provenance, conjuncts, trace
from louver_sandbox.refusals.plan import units_undeclared
from louver_sandbox.stages import Admitted

QUERY = "query"
PREDICATE = "predicate"


def charges(admitted: Admitted, parts: Cut) -> tuple[Charge, ...]:
    """For every protected core, one query per protected dataset and one predicate for every way in which it selects.

    A question of several cores is several questions put together, and costs as much. The filters and join conditions
    are one predicate together, whatever the order and spelling of their parts, with the version of each own table
    they join; every FILTER clause and CASE condition of an aggregate is one more. What selects alike counts once a
    day.

    An `exact` question, and one about one subject, costs one query of every dataset it reads under a grant, and one
    of every own table when it reads nothing else; what it selects is free.
    """
    if admitted.treatment.of_rows:
        return tuple(_of_exact(admitted))
    return tuple(charge for core in parts.cores if core.protected for charge in _of_core(core, admitted))


def cell_charges(admitted: Admitted, parts: Cut, cores: Sequence[CorePlan]) -> tuple[CellCharge, ...]:
    """For every protected core under a cap, its families, for each protected dataset below it.

    Raises:
        Refused: LVR-2341, a dataset of which nobody has said how many units it has at least.
    """
    cap = None if admitted.threshold is None else admitted.threshold.unit_sets
    if cap is None:
        return ()
    found: dict[tuple[str, str], CellCharge] = {}
    for core, planned in zip(parts.cores, cores, strict=True):
        names = {scan.table for scan in scans(core.relation) if core.protected and scan.id in admitted.protected}
        for name in sorted(names, key=str):
            table = admitted.bound.catalog.tables[name]
            limit = _least_units(table) * cap.percent // 100
            share = limit * cap.institution_percent // 100
            for family in planned.families:
                charge = (str(name), table.data_version, family.key, family.cells, limit, share, table.refresh)
                found.setdefault((str(name), family.key), CellCharge(*charge))
    return tuple(found.values())


def _least_units(table: Table) -> int:
    """How many units a table has at least, of the type that it has fewest of."""
    numbers = [unit.at_least for unit in table.units if unit.at_least is not None]
    if not numbers or len(numbers) < len(table.units):
        raise units_undeclared(str(table.name))
    return min(numbers)


def _of_exact(admitted: Admitted) -> Iterator[Charge]:
    granted = {grant.table for grant in admitted.grants}
    for dataset in sorted(str(table) for table in granted or {scan.table for scan in scans(admitted.bound.relation)}):
        yield _query(dataset, admitted)


def _of_core(core: Core, admitted: Admitted) -> Iterator[Charge]:
    relation, purpose = core.relation, admitted.bound.request.purpose
    predicates = _predicates(relation, trace(relation), _own_versions(relation, admitted))
    for dataset in sorted({str(scan.table) for scan in scans(relation) if scan.id in admitted.protected}):
        yield _query(dataset, admitted)
        for texts in predicates:
            key = hashlib.sha256("\n".join(texts).encode()).hexdigest()
            further = admitted.budget.windows(PREDICATE)
            yield Charge(dataset, purpose, PREDICATE, admitted.budget.predicates_per_day, key, further)


def _query(dataset: str, admitted: Admitted) -> Charge:
    budget, purpose = admitted.budget, admitted.bound.request.purpose
    return Charge(dataset, purpose, QUERY, budget.queries_per_day, further=budget.windows(QUERY))


def _own_versions(relation: Relation, admitted: Admitted) -> tuple[str, ...]:
    """The contents of the own tables in the question: another upload selects other rows."""
    tables = admitted.bound.catalog.tables
    read = (tables[name] for name in {scan.table for scan in scans(relation)})
    return tuple(sorted(table.data_version for table in read if table.space is SpaceKind.INSTITUTION))


def _predicates(relation: Relation, provenance: Provenance, own: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Each selection among rows, as sorted canonical texts without aliases.

    A condition on a joined table selects rows of every protected one, so all of them are part of it.
    """
    tables = {scan.id: str(scan.table) for scan in scans(relation)}

    def name_of(ref: ColumnRef) -> str:
        if ref.relation in tables:
            return f"{quote(tables[ref.relation])}.{quote(ref.name)}"
        if ref.relation in provenance.unions:
            return " UNION ALL ".join(emit_expression(side, name_of) for side in provenance.sides(ref))
        return emit_expression(provenance.definition(ref), name_of)

    selecting = {f"{kind}{emit_expression(part, name_of)}" for kind, part in _row_conditions(relation)}
    base = (*sorted(selecting), *own)
    inside = {emit_expression(part, name_of) for part in aggregate_conditions(relation)}
    return tuple(texts for texts in (base, *((*base, text) for text in sorted(inside))) if texts)


def _row_conditions(relation: Relation) -> Iterator[tuple[str, Expression]]:
    """Conditions with the join they belong to, unless an inner one: EXISTS and NOT EXISTS ask for the same and
    select the opposite."""
    for node in walk_relations(relation):
        match node:
            case Filter(predicate=condition) | Join(condition=condition, kind=JoinKind.INNER):
                yield from (("", part) for part in conjuncts(condition))
            case Join(condition=condition, kind=kind):
                yield from ((f"{kind.value}: ", part) for part in conjuncts(condition))
            case _:
                continue


def aggregate_conditions(relation: Relation) -> Iterator[Expression]:
    """FILTER clauses, and conditions of a CASE inside an aggregate."""
    for node in walk_relations(relation):
        for part in (part for expression in expressions(node) for part in walk(expression)):
            if not isinstance(part, AggregateCall):
                continue
            if part.where is not None:
                yield part.where
            for inner in (inner for argument in part.arguments for inner in walk(argument)):
                if isinstance(inner, Call) and inner.function == "case":
                    yield from inner.arguments[:-1:2]

"""From a feature set to one statement: a row for each subject that is there, and in it the number of each bin.

The worker bins, so that no value leaves it. Subjects are text constants, names are quoted and come from catalogue and
policy; nothing in the statement was written by a caller. In the place of a subject that may not be scored stands one
that is nobody, so that statements about so many places differ in their constants only and are checked as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.lookups import NOBODY
from louver_sandbox.plan.emit import emit_expression, quote, text_literal
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.feature_columns import unit_column
from louver_sandbox.policy.features import Feature, FeatureSet, Take
from louver_sandbox.policy.scoring import decide_score
from louver_sandbox.score_plan import FeaturePlan, ScoreCase, ScorePlan
from louver_sandbox.sql.predicates import bind_predicate
from louver_sandbox.stages import SourceRef

ASKED = "asked"
"""What the statement calls the subjects it is about."""


def judge_scores(case: ScoreCase, catalog: Catalog, bundle: Bundle) -> ScorePlan:
    """Everything that is decided of a request for scores without reading a row. Raises `Refused`."""
    rules = decide_score(case, catalog, bundle)
    features = bundle.platform.feature_sets[case.feature_set]
    planned = feature_plan(features, rules.columns, catalog)
    return ScorePlan(case, rules, planned, bundle.digest, catalog.digest)


def statement_about(plan: FeaturePlan, subjects: Sequence[str | None]) -> str:
    """The statement about these subjects, by place. None stands for nobody, and takes as long."""
    listed = ", ".join(text_literal(NOBODY if one is None else one) for one in subjects)
    return f"{plan.before}{listed}{plan.after}"


def statement_about_nobody(plan: ScorePlan) -> str:
    """The statement as it is checked: about as many subjects as are asked for, none of them anybody."""
    return statement_about(plan.features, [None] * plan.case.subjects)


def feature_plan(features: FeatureSet, columns: Mapping[TableName, tuple[str, ...]], catalog: Catalog) -> FeaturePlan:
    """The plan; `columns` are those that the decision has permitted, of each table."""
    sources = {
        str(name): SourceRef(f"s{place}", name, snapshot_id(catalog.tables[name], held, None))
        for place, (name, held) in enumerate(columns.items(), start=1)
    }
    tables = {text: catalog.tables[ref.table] for text, ref in sources.items()}
    unit, scan = quote(_unit(tables[features.subjects], features)), _from(sources[features.subjects])
    joins: list[str] = []
    binned = ['"p"."id" AS "id"']
    for number, one in enumerate(features.features, start=1):
        joins.append(_taken(one, tables[one.table], features, sources[one.table], f"f{number}"))
        binned.append(f'CAST({_bin(one, f"f{number}")} AS BIGINT) AS "b{number}"')
    return FeaturePlan(
        tuple(sources.values()),
        f'WITH "{ASKED}" AS MATERIALIZED (SELECT DISTINCT {unit} AS "id" FROM {scan} WHERE {unit} IN (',
        f')) SELECT {", ".join(binned)} FROM "{ASKED}" AS "p" {" ".join(joins)}',
    )


def _taken(feature: Feature, table: Table, features: FeatureSet, source: SourceRef, alias: str) -> str:
    """A subject's value of one feature."""
    unit = quote(_unit(table, features))
    conditions = [_asked(unit)]
    if feature.where is not None:
        bound = bind_predicate(feature.where, table, 0)
        conditions.append(f"({emit_expression(bound, lambda ref: quote(ref.name))})")
    inner = f'SELECT {unit} AS "id", {_aggregate(feature)} AS "v" FROM {_from(source)}'
    inner += f" WHERE {' AND '.join(conditions)} GROUP BY {unit}"
    return f'LEFT JOIN ({inner}) AS "{alias}" ON "{alias}"."id" = "p"."id"'


def _aggregate(feature: Feature) -> str:
    match feature.take:
        case Take.COUNT:
            return "count(*)"
        case Take.LATEST:
            # Rows of one day are told apart by value, so that the order in which they lie decides nothing.
            column, order = quote(feature.column or ""), quote(feature.order or "")
            return f"max_by({column}, row({order}, {column})) FILTER (WHERE {column} IS NOT NULL)"
        case _:
            return f"{feature.take.value}({quote(feature.column or '')})"


def _bin(feature: Feature, alias: str) -> str:
    """The number of the bin: 0 where there is no value, and for a count the bin of 0."""
    value = f'"{alias}"."v"'
    if feature.values is not None:
        cases = [f"WHEN {value} = {text_literal(each)} THEN {place}" for place, each in enumerate(feature.values, 1)]
        return f"CASE WHEN {value} IS NULL THEN 0 {' '.join(cases)} ELSE {len(feature.values) + 1} END"
    if feature.take is Take.COUNT:
        value = f"coalesce({value}, 0)"
    edges = feature.edges or ()
    cases = [f"WHEN {value} < {_number(edge)} THEN {place}" for place, edge in enumerate(edges, 1)]
    return f"CASE WHEN {value} IS NULL THEN 0 {' '.join(cases)} ELSE {len(edges) + 1} END"


def _number(edge: Decimal) -> str:
    scale = max(0, -int(edge.as_tuple().exponent))
    return f"CAST({text_literal(f'{edge:f}')} AS DECIMAL(38,{scale}))"


def _asked(unit: str) -> str:
    return f'{unit} IN (SELECT "id" FROM "{ASKED}")'


def _from(source: SourceRef) -> str:
    return f'{quote(source.alias)}."main"."data"'


def _unit(table: Table, features: FeatureSet) -> str:
    column = unit_column(table, features.unit)
    if column is None:
        raise ValueError(f"{table.name} has no subjects of this kind")
    return column

"""Whether a model may be applied to subjects for a purpose: the decision about scores. Pure, and reads no row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from louver_sandbox.catalog.model import Catalog, Role, Table, UnitType, Verb
from louver_sandbox.lookups import LookupSource
from louver_sandbox.obligations import Charge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.feature_columns import read_columns, table_named
from louver_sandbox.policy.features import FeatureSet, ScoringTerms
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL
from louver_sandbox.policy.grants import Covering, Permit
from louver_sandbox.policy.history import budget_of, smallest_budget
from louver_sandbox.refusals import scoring as refuse
from louver_sandbox.score_plan import ScoreCase, ScoreRules
from louver_sandbox.stages import Subject

QUERY = "query"
SCORES = "scores"
"""What a score is charged as, on an account of the feature set."""


def decide_score(case: ScoreCase, catalog: Catalog, bundle: Bundle) -> ScoreRules:
    """The permit.

    Raises:
        Refused: LVR-5206 for the feature set, LVR-5212 for a column that is not granted, LVR-5213 for the model, and
            LVR-5214 for too few subjects.
    """
    features = bundle.platform.feature_sets.get(case.feature_set)
    if features is None or features.sha256 != case.feature_set_sha256:
        raise refuse.feature_set({})
    columns = read_columns(features, catalog)
    permits: list[Permit] = []
    queries: list[Charge] = []
    for name, wanted in columns.items():
        found = _permits(catalog.tables[name], wanted, case, bundle)
        permits += found
        budget = smallest_budget(budget_of(permit.grant.budget) for permit in found)
        more = budget.windows(QUERY)
        queries.append(Charge(str(name), case.purpose, QUERY, budget.queries_per_day, further=more))
    _terms(case, permits)
    return ScoreRules(
        tuple(len(one.bins) for one in features.features),
        columns,
        tuple(sorted({permit.rule for permit in permits})),
        tuple(sorted({f"{permit.policy.id}@{permit.policy.version}" for permit in permits})),
        tuple(queries),
        min(terms.subjects_per_day for terms in _of(permits)),
        any(_is_sensitive(catalog.tables[name], wanted) for name, wanted in columns.items()),
        features.unit,
        tuple(LookupSource(str(one), catalog.tables[one].owner, catalog.tables[one].as_of) for one in columns),
    )


def models_per_quarter(subject: Subject, features: FeatureSet, catalog: Catalog, bundle: Bundle, today: date) -> int:
    """How many models of the set the institution may register in a quarter: the least that any grant to it says;
    none where a table is not granted for scores at all."""
    least: list[int] = []
    for name in features.tables:
        table = catalog.table(table_named(name))
        held = () if table is None else bundle.rulebook.covering(table, subject).permits
        terms = [one.grant.scoring for one in held if one.grant.scoring is not None and one.grant.valid.holds(today)]
        least.append(min((one.models_per_quarter for one in terms), default=0))
    return min(least)


def _permits(table: Table, wanted: tuple[str, ...], case: ScoreCase, bundle: Bundle) -> list[Permit]:
    """The grants that together give all the columns. Raises `Refused` LVR-5212."""
    covering = bundle.rulebook.covering(table, case.subject)
    held = [
        permit
        for permit in covering.permits
        if Verb.SCORE in permit.grant.verbs
        and case.purpose in permit.grant.purposes
        and permit.grant.valid.holds(case.today)
    ]
    granted = {name for permit in held for name, rights in permit.grant.rights.items() if rights.score}
    denied = _denied(covering, table, case.purpose, bundle.platform.feature_sets[case.feature_set].unit)
    for name in wanted:
        column = table.column(name)
        too_high = column is None or column.level > HIGHEST_OPERABLE_LEVEL
        if Verb.SCORE not in table.operable or name not in granted or name in denied or too_high:
            versions = sorted({f"{permit.policy.id}@{permit.policy.version}" for permit in held})
            raise refuse.not_granted(str(table.name), name, "default-deny", "+".join(versions))
    return held


def _denied(covering: Covering, table: Table, purpose: str, unit: UnitType) -> frozenset[str]:
    """Columns that are denied, also by what an SQL condition could lift: here nobody writes one. A rule about the
    other kind of subjects passes by."""
    return frozenset(
        column.name
        for column in table.columns
        for denial in (*covering.denials, *covering.negatives)
        if denial.speaks_of(purpose) and denial.names(column.name) and denial.subject_class in (None, unit)
    )


def _terms(case: ScoreCase, permits: Iterable[Permit]) -> None:
    for permit in permits:
        terms = permit.grant.scoring
        if terms is None:
            continue
        if case.auditor not in terms.auditors or (terms.models is not None and case.model not in terms.models):
            raise refuse.model_not_allowed(case.model, permit.rule)
        if case.subjects < terms.least_subjects:
            raise refuse.too_few(terms.least_subjects, permit.rule)


def _of(permits: Iterable[Permit]) -> list[ScoringTerms]:
    return [permit.grant.scoring for permit in permits if permit.grant.scoring is not None]


def _is_sensitive(table: Table, wanted: tuple[str, ...]) -> bool:
    return any(column.role is Role.SENSITIVE for column in table.columns if column.name in wanted)

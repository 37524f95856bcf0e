"""What travels the line for the verb `score`: who asks for scores by which model, and what runs for it.

A request for scores is decided in a checker, as a question is, but without its subjects: these are known to the
service alone, and a checker needs to know only how many they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.lookups import LookupSource
from louver_sandbox.obligations import Charge
from louver_sandbox.stages import RefusalRecord, SourceRef, Subject


@dataclass(frozen=True, slots=True)
class ScoreCase:
    """What is decided about: who asks, for what, with which model (`institution/name`), for how many subjects.

    `today` is the day in Beijing.
    """

    subject: Subject
    purpose: str
    feature_set: str
    feature_set_sha256: str
    model: str
    auditor: str
    subjects: int
    today: date


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """A permit: what is read of which table, by which rules, and on the strictest of their terms.

    `bins` is how many bins each feature has, in order, `read` the tables with the days of their data. `sensitive`
    says that a column needs a separate consent, `unit` whose rows they are. Made by `policy.scoring.decide_score`.
    """

    bins: tuple[int, ...]
    columns: Mapping[TableName, tuple[str, ...]]
    rules: tuple[str, ...]
    policies: tuple[str, ...]
    queries: tuple[Charge, ...]
    subjects_per_day: int
    sensitive: bool
    unit: UnitType
    read: tuple[LookupSource, ...] = ()


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """What a worker runs: the snapshots, and the statement before and after its list of subjects."""

    sources: tuple[SourceRef, ...]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """A permit and what will run for it. Made by `plan.features.judge_scores`."""

    case: ScoreCase
    rules: ScoreRules
    features: FeaturePlan
    bundle_digest: str
    catalog_digest: str


@dataclass(frozen=True, slots=True)
class ScoreVerdict:
    """What a checker answers about scores: a plan, or why there is none."""

    plan: ScorePlan | None
    refusal: RefusalRecord | None

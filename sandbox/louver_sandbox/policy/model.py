"""Policy documents as officers write them (PRIVACY 3): grants, denies, and the platform's own rules.

Two kinds of document. A `policy` belongs to one owner (department) and grants columns of that owner's tables. The
`platform` document names purposes and groups, the negative list and the rules by requester type; one per bundle.
Everything not written is denied. JSON Schema for editors is exported from these classes to `policies/schema/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from louver_sandbox.catalog.atoms import AtomUnits, Dimension
from louver_sandbox.catalog.model import UnitType, Verb
from louver_sandbox.policy.cubes import PUBLISHER, Cube
from louver_sandbox.policy.features import FeatureName, FeatureSet, ScoreAsked, ScoringTerms
from louver_sandbox.policy.grantees import Grantees as Grantees
from louver_sandbox.policy.grantees import Validity as Validity
from louver_sandbox.policy.match_terms import MatchAsked, MatchTerms
from louver_sandbox.policy.reports import Report
from louver_sandbox.policy.templates import Template
from louver_sandbox.policy.terms import BudgetTerms, HistoryTerms, PrivateTerms, ThresholdTerms
from louver_sandbox.policy.token_terms import TokenTerms
from louver_sandbox.policy.words import CubeName, Document, Identifier, PurposeCode, TableText, TemplateName, Text
from louver_sandbox.stages import InstitutionType


class GrantTreatment(StrEnum):
    """The mildest treatment a grant allows (PRIVACY 4), mildest first; this version computes the first three."""

    EXACT = "exact"
    THRESHOLD = "threshold"
    DP = "dp"
    AUTHORISED = "authorised"
    MATCHED = "matched"

    @property
    def rank(self) -> int:
        """Strictness: a higher rank protects more."""
        return _RANKS[self]


_RANKS = {treatment: rank for rank, treatment in enumerate(GrantTreatment)}


class Right(StrEnum):
    """A right in its short form; the detailed form narrows it to binnings, operators or functions."""

    JOIN_KEY = "join_key"
    GROUP_KEY = "group_key"
    FILTER = "filter"
    AGGREGATE = "aggregate"
    ORDER = "order"
    OUTPUT = "output"
    MATCH = "match"
    SCORE = "score"


class GroupKeyRight(Document):
    """May be a group key; with `binnings`, only through one of them (`bare` is the column itself)."""

    binnings: tuple[str, ...] | None = None


class FilterRight(Document):
    """May stand in a condition; with `operators`, only under one of them (`=`, `in`, `<`, `year`, ...)."""

    operators: tuple[str, ...] | None = None


class AggregateRight(Document):
    """May be an argument of the listed aggregates; without a list, of `count`, `sum` and `avg`.

    `quantile` stands for medians and quantiles in all their spellings, which are answered under `dp` only."""

    functions: tuple[str, ...] | None = None


class OutputRight(Document):
    """May be shown as itself; with `where`, only if every row of the answer satisfies that predicate."""

    where: str | None = None


class ColumnRights(Document):
    """Everything one grant allows one column."""

    join_key: bool = False
    group_key: GroupKeyRight | None = None
    filter: FilterRight | None = None
    aggregate: AggregateRight | None = None
    order: bool = False
    output: OutputRight | None = None
    match: bool = False
    score: bool = False

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `match` and `score` where they are not given, so that bundles signed before they were rights stay
        canonical."""
        written: dict[str, Any] = handler(self)
        for name in ("match", "score"):
            if not written[name]:
                del written[name]
        return written

    @classmethod
    def of(cls, rights: tuple[Right, ...]) -> ColumnRights:
        """The short form spelt out: each named right without narrowing."""
        return cls(
            join_key=Right.JOIN_KEY in rights,
            group_key=GroupKeyRight() if Right.GROUP_KEY in rights else None,
            filter=FilterRight() if Right.FILTER in rights else None,
            aggregate=AggregateRight() if Right.AGGREGATE in rights else None,
            order=Right.ORDER in rights,
            output=OutputRight() if Right.OUTPUT in rights else None,
            match=Right.MATCH in rights,
            score=Right.SCORE in rights,
        )


class Grant(Document):
    """One grant: to whom, for which verbs and purposes, when, which columns of which table, and how they leave.

    With `atoms`, questions select and group by these dimensions only; those that give way first stand first, and
    every atom has `atom_units`.
    """

    id: Identifier
    to: Grantees
    verbs: tuple[Verb, ...] = Field(min_length=1)
    purposes: tuple[PurposeCode, ...] = Field(min_length=1)
    valid: Validity
    table: TableText
    row_filter: Text | None = None
    columns: Mapping[str, tuple[Right, ...] | ColumnRights] = Field(min_length=1)
    treatment: GrantTreatment
    threshold: ThresholdTerms = ThresholdTerms()
    atoms: tuple[Dimension, ...] | None = Field(default=None, min_length=1, max_length=12)
    atom_units: AtomUnits = AtomUnits()
    budget: BudgetTerms
    history: HistoryTerms = HistoryTerms()
    privacy: PrivateTerms | None = None
    matching: MatchTerms | None = None
    tokens: TokenTerms | None = None
    scoring: ScoringTerms | None = None
    templates: tuple[TemplateName, ...] = Field(default=(), max_length=100)
    cubes: tuple[CubeName, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _scores_alone(self) -> Grant:
        """What is scored is every row of a subject, under its authorisation, and nothing but a score leaves."""
        if (Verb.SCORE in self.verbs) is (self.scoring is None):
            raise ValueError("a grant with the verb score has terms of scoring, and no other has")
        if self.scoring is not None:
            if self.verbs != (Verb.SCORE,) or self.treatment is not GrantTreatment.AUTHORISED:
                raise ValueError("a grant to score has no other verb, and the treatment authorised")
            if self.row_filter is not None or self.atoms is not None:
                raise ValueError("a grant to score has no row_filter and no atoms")
        return self

    @model_validator(mode="after")
    def _tokens_are_joined(self) -> Grant:
        """Tokens are of the ids in a column that questions join by."""
        joined = any(rights.join_key for rights in self.rights.values())
        if self.tokens is not None and not (joined and Verb.ANALYSE in self.verbs):
            raise ValueError("terms of tokens need the verb analyse and a column with the right join_key")
        return self

    @model_validator(mode="after")
    def _cubes_are_published(self) -> Grant:
        """Cubes are named where their publisher is granted what they are made of."""
        if self.cubes and PUBLISHER not in self.to.institutions:
            raise ValueError(f"cubes are named in grants to {PUBLISHER}")
        return self

    @model_validator(mode="after")
    def _one_subject(self) -> Grant:
        """What leaves of one subject with its authorisation leaves by a template, and by nothing else."""
        asked = self.treatment is GrantTreatment.AUTHORISED and self.scoring is None
        if self.templates and not asked:
            raise ValueError("templates are named where the treatment is authorised and the verb is query")
        if asked and (set(self.verbs) != {Verb.QUERY} or self.row_filter is not None):
            raise ValueError("what is authorised is for the verb query or score alone, and for whole tables")
        return self

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `history` and `atom_units` where they are the defaults, and what there is none of (`atoms`,
        `privacy`, `matching`, `tokens`, `scoring`, `templates`, `cubes`), so that bundles signed before they were
        keys stay canonical.
        """
        written: dict[str, Any] = handler(self)
        if self.history == HistoryTerms():
            del written["history"]
        if self.atoms is None:
            del written["atoms"]
        if self.atom_units == AtomUnits():
            del written["atom_units"]
        if self.privacy is None:
            del written["privacy"]
        for name in ("matching", "tokens"):
            if written[name] is None:
                del written[name]
        if self.scoring is None:
            del written["scoring"]
        for name in ("templates", "cubes"):
            if not written[name]:
                del written[name]
        return written

    @cached_property
    def rights(self) -> Mapping[str, ColumnRights]:
        """Rights by column, the short form spelt out."""
        return {
            name: given if isinstance(given, ColumnRights) else ColumnRights.of(given)
            for name, given in self.columns.items()
        }


class Deny(Document):
    """Takes columns away whatever is granted; no columns means the whole table, no purposes means all."""

    id: Identifier
    to: Grantees
    table: TableText
    columns: tuple[str, ...] = ()
    purposes: tuple[PurposeCode, ...] = ()
    reason: Text


class Asker(Document):
    """An institution that tests speak of."""

    type: InstitutionType
    groups: tuple[Identifier, ...] = ()


Sql = Annotated[str, Field(min_length=1, max_length=65_536)]
Verdict = Annotated[str, Field(pattern=r"^(exact|threshold|dp|matched|authorised|LVR-\d{4})$")]
Given = Mapping[str, bool | int | date | str]
"""Parameters of a case."""


class OwnCase(Document):
    """One test of a policy: who asks what for which purpose, and what must be decided, by which rule.

    A `rule` without a slash is one of this policy. A case asks `sql`, a `match`, a `score`, or a `template` with its
    subject among the parameters; of no case is it asked whether a subject exists or has authorised anything.
    """

    case: Text
    who: Identifier
    purpose: Identifier
    sql: Sql | None = None
    match: MatchAsked | None = None
    score: ScoreAsked | None = None
    template: TemplateName | None = None
    parameters: Given = Field(default_factory=dict)
    today: date | None = None
    expect: Verdict
    rule: Text | None = None

    @model_validator(mode="after")
    def _one_question(self) -> OwnCase:
        if sum(asked is not None for asked in (self.sql, self.match, self.score, self.template)) != 1:
            raise ValueError("asks one of sql, a match, a score and a template")
        return self

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without whichever of `match`, `score`, `sql`, `template` is not asked: older bundles stay canonical."""
        written: dict[str, Any] = handler(self)
        for name in ("match", "score", "sql", "template"):
            if written[name] is None:
                del written[name]
        return written


class OwnTests(Document):
    """The tests that live with a policy and are signed with it; `today` is the day they are asked on."""

    today: date
    subjects: Mapping[Identifier, Asker] = Field(min_length=1)
    cases: tuple[OwnCase, ...] = Field(min_length=1)


class Policy(Document):
    """The policy of one owner. Its grants count only for tables the catalogue says this owner holds."""

    kind: Literal["policy"]
    id: Identifier
    version: Identifier
    owner: Text
    title: Text
    grants: tuple[Grant, ...] = ()
    denies: tuple[Deny, ...] = ()
    templates: tuple[Template, ...] = ()
    reports: tuple[Report, ...] = ()
    cubes: tuple[Cube, ...] = ()
    tests: OwnTests | None = None

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `templates`, `reports`, `cubes` and `tests` where there are none, so that bundles signed before
        they were keys stay canonical."""
        written: dict[str, Any] = handler(self)
        for name in ("templates", "reports", "cubes"):
            if not written[name]:
                del written[name]
        if self.tests is None:
            del written["tests"]
        return written


class Group(Document):
    """A group of institutions. Where `members` are listed, the registry's word alone does not make a member."""

    title: Text
    members: tuple[Identifier, ...] | None = None


class NegativeEntry(Document):
    """Columns no grant can permit: bare names (in any government table) or `schema.table.column`.

    `purposes` and `subject_classes` narrow the entry; empty means all. A subject class is met when the table
    holds units of it.
    """

    id: Identifier
    columns: tuple[str, ...] = Field(min_length=1)
    purposes: tuple[PurposeCode, ...] = ()
    subject_classes: tuple[UnitType, ...] = ()
    reason: Text
    reason_zh: Text


class RequesterRule(Document):
    """What requesters of a type may not have of a class of subjects (DOMAIN 2.6), e.g. art. 14 征信业管理条例.

    It holds for tables with units of `subject_class`; `unless` is a predicate over the table's columns that, when
    every row of the answer satisfies it, shows that no such subject is meant.
    """

    id: Identifier
    institution_types: tuple[InstitutionType, ...] = Field(min_length=1)
    subject_class: UnitType
    columns: Mapping[TableText, tuple[str, ...]] = Field(min_length=1)
    unless: Mapping[TableText, Text] = Field(default_factory=dict)
    purposes: tuple[PurposeCode, ...] = ()
    reason: Text
    reason_zh: Text


class Platform(Document):
    """The rules of the house, above every owner's policy."""

    kind: Literal["platform"]
    id: Identifier
    version: Identifier
    expires: date
    purposes: Mapping[PurposeCode, Text] = Field(min_length=1)
    groups: Mapping[Identifier, Group]
    own_data_budget: BudgetTerms
    negative_list: tuple[NegativeEntry, ...] = ()
    requester_rules: tuple[RequesterRule, ...] = ()
    feature_sets: Mapping[FeatureName, FeatureSet] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `feature_sets` where there are none, so that older bundles stay canonical."""
        written: dict[str, Any] = handler(self)
        if not self.feature_sets:
            del written["feature_sets"]
        return written

"""Policy documents as officers write them (PRIVACY 3): grants, denies, and the platform's own rules.

Two kinds of document. A `policy` belongs to one owner (department) and grants columns of that owner's tables. The
`platform` document names purposes and groups, the negative list and the rules by requester type; one per bundle.
Everything not written is denied. JSON Schema for editors is exported from these classes to `policies/schema/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    Tag,
    model_serializer,
    model_validator,
)

from louver_sandbox.catalog.atoms import AtomUnits, Dimension
from louver_sandbox.catalog.model import UnitType, Verb
from louver_sandbox.obligations import ClassDisclosure, Period, RoundingKind, Seal, Totals
from louver_sandbox.policy.risks import Risk
from louver_sandbox.selections import Response
from louver_sandbox.stages import InstitutionType

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}$")]
TableText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
TableId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}(@sha256:[0-9a-f]{64})?$")]
PurposeCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]


class Document(BaseModel):
    """The base of every part: frozen, and a key nobody declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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


class GroupKeyRight(Document):
    """May be a group key; with `binnings`, only through one of them (`bare` is the column itself)."""

    binnings: tuple[str, ...] | None = None


class FilterRight(Document):
    """May stand in a condition; with `operators`, only under one of them (`=`, `in`, `<`, `year`, ...)."""

    operators: tuple[str, ...] | None = None


class AggregateRight(Document):
    """May be an argument of the listed aggregates; without a list, of `count`, `sum` and `avg`."""

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
        )


class Grantees(Document):
    """To whom: a named institution or any member of a group; `institution_types` narrows that, or stands alone."""

    institutions: tuple[Identifier, ...] = ()
    groups: tuple[Identifier, ...] = ()
    institution_types: tuple[InstitutionType, ...] = ()

    @model_validator(mode="after")
    def _somebody(self) -> Grantees:
        if not (self.institutions or self.groups or self.institution_types):
            raise ValueError("names nobody")
        return self


class Validity(Document):
    """Beijing calendar days on which a grant holds, both ends included."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    start: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _forward(self) -> Validity:
        if self.until < self.start:
            raise ValueError("ends before it begins")
        return self

    def holds(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.start <= day <= self.until


class RoundingTerms(Document):
    """Rounding of perturbed counts to multiples of `base`; `none` has no base."""

    mode: RoundingKind = RoundingKind.NONE
    base: int | None = Field(default=None, ge=2, le=100_000)

    @model_validator(mode="after")
    def _whole(self) -> RoundingTerms:
        if (self.base is None) is not (self.mode is RoundingKind.NONE):
            raise ValueError("a base belongs to every mode but none")
        return self


class SumBase(StrEnum):
    """What decides the base to which a sum is rounded."""

    CELL = "cell"
    BOUNDS = "bounds"


class SumTerms(Document):
    """Noise of sums: its standard deviations for each of the largest contributions. With 2 a sum hides the absence of
    its largest unit as a count with variance 4 does. `base` says what decides the base to which sums are rounded:
    each cell's noise, or the bounds that the catalogue declares."""

    share: Decimal = Field(default=Decimal(2), gt=0, le=1_000, max_digits=8, decimal_places=4)
    base: SumBase = SumBase.CELL

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `base` where it is the default, so that bundles signed before it was a key stay canonical."""
        written: dict[str, Any] = handler(self)
        if self.base is SumBase.CELL:
            del written["base"]
        return written


class CellKeyTerms(Document):
    """Noise by cell key (PRIVACY 5.6): the perturbation table for each unit type, by name, and the rounding after.
    Without `sums` no sum of protected values leaves, nor a number of rows of which a unit may have several."""

    method: Literal["cell-key"]
    person: TableId = "persons"
    enterprise: TableId = "enterprises"
    rounding: RoundingTerms = RoundingTerms()
    sums: SumTerms | None = None


def _kind_of_noise(given: object) -> str:
    """Which form of `noise` is meant, so that what is wrong is said of that form and at its place."""
    return "CellKeyTerms" if isinstance(given, Mapping | CellKeyTerms) else "literal[none]"


NoiseChoice = Annotated[
    Annotated[Literal["none"], Tag("literal[none]")] | Annotated[CellKeyTerms, Tag("CellKeyTerms")],
    Discriminator(_kind_of_noise),
]


class DominanceTerms(Document):
    """(n,k) dominance: the `n` largest units hold at most `k` percent of a sum."""

    n: int = Field(ge=1, le=2)
    k: int = Field(ge=1, le=100)


class PriorPosteriorTerms(Document):
    """(p,q): whoever knows every contribution to within `q` percent must not learn one to within `p` percent."""

    p: int = Field(ge=1, le=100)
    q: int = Field(ge=1, le=100)

    @model_validator(mode="after")
    def _learns(self) -> PriorPosteriorTerms:
        if self.p > self.q:
            raise ValueError("asks for more than is unknown beforehand")
        return self


class UnitSetTerms(Document):
    """Cap on released cells per data version (PRIVACY 5.6): their number in percent of the table's units, over all
    institutions together, and the part of that which one institution may use up."""

    percent: int = Field(default=1, ge=1, le=100)
    institution_percent: int = Field(default=25, ge=1, le=100)


class AcceptedRisk(Document):
    """A risk that an officer takes, by name, and why."""

    risk: Risk
    because: Text


def _kind_of_acceptance(given: object) -> str:
    """Whether risks are named, or told in one text as they were before they had names."""
    return "constrained-str" if isinstance(given, str) else "AcceptedRisks"


Acceptance = Annotated[
    Annotated[Text, Tag("constrained-str")]
    | Annotated[tuple[AcceptedRisk, ...], Field(min_length=1), Tag("AcceptedRisks")],
    Discriminator(_kind_of_acceptance),
]


class ThresholdTerms(Document):
    """Obligations of a threshold answer: least units per cell, dominance and p percent, noise, cap (PRIVACY 5).

    `dominance_percent` is the (1,k) rule and `p_percent` the (p,100) rule; `dominance` and `pq` are more of them. All
    must pass. With `accepts_risk` an officer names the risks of terms that lint finds too weak, and says why they may
    stand. `seal` asks for numbers that are encrypted to the requester, on top of all of this.
    """

    person: int = Field(default=10, ge=1, le=100_000)
    enterprise: int = Field(default=5, ge=1, le=100_000)
    dominance_percent: int = Field(default=60, ge=1, le=100)
    p_percent: int = Field(default=10, ge=0, le=100)
    dominance: tuple[DominanceTerms, ...] = Field(default=(), max_length=8)
    pq: tuple[PriorPosteriorTerms, ...] = Field(default=(), max_length=8)
    class_disclosure: ClassDisclosure = ClassDisclosure.OWN
    remainder: bool = True
    noise: NoiseChoice = "none"
    totals: Totals = Totals.KEEP_BACK
    unit_sets: UnitSetTerms | None = None
    accepts_risk: Acceptance | None = None
    seal: Seal = Seal.NONE

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the keys of `_NOT_SIGNED_BEFORE` that have their defaults."""
        written: dict[str, Any] = handler(self)
        for name, default in _NOT_SIGNED_BEFORE.items():
            if getattr(self, name) == default:
                del written[name]
        return written


_NOT_SIGNED_BEFORE: Mapping[str, object] = {
    "totals": Totals.KEEP_BACK,
    "dominance": (),
    "pq": (),
    "class_disclosure": ClassDisclosure.OWN,
    "unit_sets": None,
    "accepts_risk": None,
    "seal": Seal.NONE,
}
"""Keys of later versions and their defaults: left out of a bundle's content, so that older bundles stay canonical."""


Amount = Annotated[int, Field(ge=1, le=1_000_000)]


class BudgetTerms(Document):
    """Most queries and distinct predicates per institution, dataset and purpose, in a Beijing calendar day and, where
    they are given, in a month, in a year, and for ever."""

    queries_per_day: Amount
    predicates_per_day: Amount
    queries_per_month: Amount | None = None
    queries_per_year: Amount | None = None
    queries_in_all: Amount | None = None
    predicates_per_month: Amount | None = None
    predicates_per_year: Amount | None = None
    predicates_in_all: Amount | None = None

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only the windows that are given, so that bundles signed before there were others stay canonical."""
        written: dict[str, Any] = handler(self)
        return {name: most for name, most in written.items() if most is not None}


class HistoryTerms(Document):
    """What is done when a question and an earlier one of the institution would tell more together than each alone,
    and how long questions are remembered: until the end of the Beijing calendar window."""

    complement: Response = Response.FLAG
    subset: Response = Response.FLAG
    near_duplicate: Response = Response.FLAG
    margins: Response = Response.FLAG
    overlap: Response = Response.OFF
    isolating: Response = Response.FLAG
    window: Period = Period.MONTH


class LossTerms(Document):
    """Privacy loss as people write it: epsilon, and the delta at which it is meant."""

    epsilon: Decimal = Field(gt=0, le=20, max_digits=18, decimal_places=12)
    delta: Decimal = Field(gt=0, le=Decimal("0.01"), decimal_places=18)


class UnitLossTerms(Document):
    """The budget of one kind of unit under `dp` (PRIVACY 6).

    `lifetime` is the cap over all institutions, for ever; `allowance` an institution's in each `window`, with parts
    for named `purposes`; a question costs `each`, never more than `most`. A unit counts in at most `groups` cells and
    with at most `rows` rows (without it, as many as the catalogue declares).
    """

    lifetime: LossTerms
    allowance: LossTerms
    window: Period = Period.MONTH
    most: LossTerms
    each: LossTerms
    purposes: Mapping[PurposeCode, LossTerms] = {}
    groups: int = Field(default=1, ge=1, le=10_000)
    rows: int | None = Field(default=None, ge=1, le=1_000_000)
    shared: bool = True


class PrivateTerms(Document):
    """Budgets of a grant with treatment `dp`, by kind of unit; `exempt` says in words why one is not protected."""

    person: UnitLossTerms | None = None
    enterprise: UnitLossTerms | None = None
    exempt: Mapping[UnitType, Text] = {}

    def of(self, unit: UnitType) -> UnitLossTerms | None:
        """The budget of one kind of unit."""
        return self.person if unit is UnitType.PERSON else self.enterprise


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

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `history` and `atom_units` where they are the defaults, and `atoms` and `privacy` where there are
        none, so that bundles signed before they were keys stay canonical."""
        written: dict[str, Any] = handler(self)
        if self.history == HistoryTerms():
            del written["history"]
        if self.atoms is None:
            del written["atoms"]
        if self.atom_units == AtomUnits():
            del written["atom_units"]
        if self.privacy is None:
            del written["privacy"]
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
Verdict = Annotated[str, Field(pattern=r"^(exact|threshold|dp|LVR-\d{4})$")]


class OwnCase(Document):
    """One test of a policy: who asks what for which purpose, and what must be decided, by which rule.

    A `rule` without a slash is one of this policy.
    """

    case: Text
    who: Identifier
    purpose: Identifier
    sql: Sql
    parameters: Mapping[str, str] = Field(default_factory=dict)
    today: date | None = None
    expect: Verdict
    rule: Text | None = None


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
    tests: OwnTests | None = None

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `tests` where there are none, so that bundles signed before they were a key stay canonical."""
        written: dict[str, Any] = handler(self)
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

"""On which terms answers leave, as officers write them: thresholds, noise, caps, budgets, history, privacy loss."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import ClassDisclosure, Period, RoundingKind, Seal, Totals
from louver_sandbox.policy.risks import Risk
from louver_sandbox.policy.words import Document, PurposeCode, TableId, Text
from louver_sandbox.selections import Response


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


class LossTerms(Document):
    """Privacy loss as people write it: epsilon, and the delta at which it is meant."""

    epsilon: Decimal = Field(gt=0, le=20, max_digits=18, decimal_places=12)
    delta: Decimal = Field(gt=0, le=Decimal("0.01"), decimal_places=18)


Bound = Annotated[Decimal, Field(gt=0, le=Decimal("1e12"), decimal_places=6)]
ColumnText = Annotated[str, Field(min_length=1, max_length=128)]


class ContractTerms(Document):
    """Encrypted numbers under contract: no value is above `most` by its absolute amount, which the institution has
    signed and an auditor can look into; of columns named in `most_of`, none above what stands there. Noise for that
    hides the `rows` of a subject. `each` question is paid out of the institution's `allowance` in a `window`, and of
    the `lifetime` of all."""

    protection: Literal["contract"]
    most: Bound
    most_of: dict[ColumnText, Bound] = Field(default_factory=dict, max_length=64)
    rows: int = Field(default=1, ge=1, le=10_000)
    each: LossTerms
    allowance: LossTerms
    lifetime: LossTerms
    window: Period = Period.MONTH

    @model_validator(mode="after")
    def _nested(self) -> ContractTerms:
        for name, part, whole in (("each", self.each, self.allowance), ("allowance", self.allowance, self.lifetime)):
            if part.epsilon > whole.epsilon or part.delta > whole.delta:
                raise ValueError(f"{name} is above what it is a part of")
        return self

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without bounds of columns where there are none, so that bundles signed before stay canonical."""
        written: dict[str, Any] = handler(self)
        return written if self.most_of else {name: value for name, value in written.items() if name != "most_of"}


LABELS_OF_ALL = 2
"""Ways of grouping that all institutions have together, where a document says nothing of either number."""


class StrictTerms(Document):
    """Encrypted numbers of an institution that is not trusted: the group of each row is told at random, once and for
    ever, so that no value tells more of a subject's `rows` than e^`epsilon`. An institution has so many `labels`,
    ways of grouping, ever and for all purposes together, and all institutions have `labels_of_all` (not given: as
    many as one). Where neither is given an institution has one of two, so that none can take what there is for all
    (ADR 63). What is expected to be off by more than `error_percent` is refused."""

    protection: Literal["strict"]
    epsilon: Decimal = Field(default=Decimal(1), gt=0, le=20, max_digits=18, decimal_places=12)
    labels: int = Field(default=1, ge=1, le=10_000)
    rows: int = Field(default=1, ge=1, le=100)
    error_percent: int = Field(default=10, ge=1, le=1_000)
    labels_of_all: int | None = Field(default=None, ge=1, le=10_000)

    @model_validator(mode="before")
    @classmethod
    def _shared(cls, told: Any) -> Any:
        """What is not given at all. Documents that say `labels` mean what they meant."""
        if isinstance(told, dict) and not {"labels", "labels_of_all"} & told.keys():
            return {**told, "labels_of_all": LABELS_OF_ALL}
        return told

    @model_validator(mode="after")
    def _nested(self) -> StrictTerms:
        if self.labels_of_all is not None and self.labels_of_all < self.labels:
            raise ValueError("labels is above labels_of_all, which it is a part of")
        return self

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is not given, so that bundles signed before stay canonical."""
        written: dict[str, Any] = handler(self)
        return {name: value for name, value in written.items() if value is not None}


EncryptedTerms = Annotated[ContractTerms | StrictTerms, Field(discriminator="protection")]


class ThresholdTerms(Document):
    """Obligations of a threshold answer: least units per cell, dominance and p percent, noise, cap (PRIVACY 5).

    `dominance_percent` is the (1,k) rule and `p_percent` the (p,100) rule; `dominance` and `pq` are more of them. All
    must pass. With `accepts_risk` an officer names the risks of terms that lint finds too weak, and says why they may
    stand. `seal` asks for numbers that are encrypted to the requester, on top of all of this. `encrypted` allows
    to add up numbers that come encrypted, and says what protects subjects then. With `pace` answers leave a whole
    number of so many milliseconds after they were asked for, so that how long one took tells little of the rows.
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
    encrypted: EncryptedTerms | None = None
    pace: int = Field(default=0, ge=0, le=60_000)

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
    "encrypted": None,
    "pace": 0,
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


class UnitLossTerms(Document):
    """The budget of one kind of unit under `dp` (PRIVACY 6).

    `lifetime` is the cap over all institutions, for ever; `allowance` an institution's in each `window`, with parts
    for named `purposes`; a question costs `each` unless its caller asks for more or less, never more than `most`. A
    unit counts in at most `groups` cells and with at most `rows` rows (without it, as many as the catalogue
    declares). With `accuracy` no answer leaves of which a number is predicted less exact, at 95 %, than so many times
    the most that one row adds to it.
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
    accuracy: int | None = Field(default=None, ge=1, le=1_000_000_000)

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `accuracy` where it is not given, so that bundles signed before it was a key stay canonical."""
        written: dict[str, Any] = handler(self)
        if self.accuracy is None:
            del written["accuracy"]
        return written


class PrivateTerms(Document):
    """Budgets of a grant with treatment `dp`, by kind of unit; `exempt` says in words why one is not protected."""

    person: UnitLossTerms | None = None
    enterprise: UnitLossTerms | None = None
    exempt: Mapping[UnitType, Text] = {}

    def of(self, unit: UnitType) -> UnitLossTerms | None:
        """The budget of one kind of unit."""
        return self.person if unit is UnitType.PERSON else self.enterprise

"""What policies ask of a permitted answer, and what it costs: values of a decision that the later stages obey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.encrypted_core import EncryptedRules
from louver_sandbox.privacy.calendar import Period as Period
from louver_sandbox.privacy.cost import PrivacyCost


class Totals(StrEnum):
    """What is withheld where a total would tell a withheld part: the total, or further parts beside it; and whether
    totals that the question did not ask for count as known, since another one may have."""

    KEEP_BACK = "keep-back"
    COMPLEMENTARY = "complementary"
    KNOWN = "known"


class ClassDisclosure(StrEnum):
    """Where a cell that holds all of its margin but a few is withheld (PRIVACY 5.4): where the requester's own tables
    select or label the rows, or everywhere."""

    OWN = "own"
    ALL = "all"


class RoundingKind(StrEnum):
    """How perturbed values are rounded, the strictest last: not at all, to the nearest multiple, at random by the
    cell's key, or to the nearest and totals so that they are the sums of their parts."""

    NONE = "none"
    BASE = "base"
    RANDOM = "random"
    CONTROLLED = "controlled"


@dataclass(frozen=True, slots=True)
class NoiseRules:
    """Cell-key perturbation (PRIVACY 5.6): the table of noise for counts of each unit type, by name, and the rounding
    that follows. A unit type without a table cannot be counted. `share` is the noise of a sum in standard deviations
    for each of its largest contributions; None allows no sums. `base` is that of counts. Sums are rounded in the same
    way, to bases that follow from declared bounds (`by_bounds`) or from each cell's noise."""

    tables: Mapping[UnitType, str]
    rounding: RoundingKind = RoundingKind.NONE
    base: int = 1
    share: Decimal | None = None
    by_bounds: bool = False


class Seal(StrEnum):
    """How the numbers of an answer leave: as they are, or encrypted to the requester's Paillier key. No protection of
    anybody: what is sealed has been protected before."""

    NONE = "none"
    PAILLIER = "paillier"


@dataclass(frozen=True, slots=True)
class SealedColumns:
    """The columns of an answer, by place, whose numbers are encrypted to the key of this id."""

    seal: Seal
    key: str
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UnitSetCap:
    """How many cells of a dataset may be released from one data version: `percent` of its units to all institutions
    together, and `institution_percent` of that to any one of them (PRIVACY 5.6)."""

    percent: int
    institution_percent: int


@dataclass(frozen=True, slots=True)
class ThresholdRules:
    """The obligations of a `threshold` answer: least units per type, dominance share, p %, remainder row, noise,
    what becomes of totals, where classes are protected, and the cap on released cells. `risks` are what owners have
    accepted, in their words. `recoded`: dimensions of some table are those of its atoms, which the answer says.
    `seal`: how its numbers leave, once all of this holds. `encrypted`: on which terms encrypted numbers are added up
    by protected columns (None: they are not).

    The largest unit of a sum holds at most `dominance_percent` of it, the two largest together `dominance_of_two`
    (None: no such rule), and what is left without them is at least `p_percent` / `prior_percent` of the largest: with
    100, everybody knows that contributions are not negative, with less, each of them to within so many percent.
    """

    k: Mapping[UnitType, int]
    dominance_percent: int = 60
    p_percent: int = 10
    remainder: bool = True
    noise: NoiseRules | None = None
    totals: Totals = Totals.KEEP_BACK
    dominance_of_two: int | None = None
    prior_percent: int = 100
    class_disclosure: ClassDisclosure = ClassDisclosure.OWN
    unit_sets: UnitSetCap | None = None
    risks: tuple[str, ...] = ()
    recoded: bool = False
    seal: Seal = Seal.NONE
    encrypted: EncryptedRules | None = None


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """Most charges of a kind (`query` or `predicate`) in each window of a period longer than a day."""

    kind: str
    period: Period
    most: int


@dataclass(frozen=True, slots=True)
class AccessBudget:
    """Most queries and distinct predicates per (institution, dataset, purpose): in a Beijing calendar day, and in
    `further` windows."""

    queries_per_day: int
    predicates_per_day: int
    further: tuple[WindowLimit, ...] = ()

    def windows(self, kind: str) -> tuple[tuple[Period, int], ...]:
        """The further limits of one kind of charge."""
        return tuple((limit.period, limit.most) for limit in self.further if limit.kind == kind)


@dataclass(frozen=True, slots=True)
class Charge:
    """An `amount` of access budget: `kind` is `query` or `predicate`; a predicate counts once in a window by `key`.

    `limit` is that of a day, `further` those of longer windows. What is for `everybody` counts for all institutions
    together.
    """

    dataset: str
    purpose: str
    kind: str
    limit: int
    key: str = ""
    further: tuple[tuple[Period, int], ...] = ()
    amount: int = 1
    everybody: bool = False


CHANCE, CHANCE_OF_ALL = "chance", "chance_of_all"
"""Kinds of charge for what is told of rows by chance (CRYPTO 5.1), in thousandths of epsilon: to one institution, and
to all together."""

CHANCES = (CHANCE, CHANCE_OF_ALL)

EVERY_PURPOSE = "*"
"""In a charge, for all purposes together."""


@dataclass(frozen=True, slots=True)
class CellCharge:
    """Cells that a question may release of one data version of a dataset: at most `cells`, a family known by `key`.

    `limit` cells may be released to all institutions together and `share` to one. A key counts once for all, and once
    for each institution. `refresh` is how often the data change.
    """

    dataset: str
    version: str
    key: str
    cells: int
    limit: int
    share: int
    refresh: str


@dataclass(frozen=True, slots=True)
class PrivacyTerms:
    """What policies allow to be spent on one dataset for one kind of unit (PRIVACY 6).

    `lifetime` is the cap over all institutions together and for ever; `allowance` is an institution's in each window
    of `period`, `purposes` parts of it for named purposes (none: every purpose has the whole). One question costs at
    most `most`. `shared`: what was released to one institution is given to any other that is entitled to ask it.
    """

    unit: UnitType
    lifetime: PrivacyCost
    allowance: PrivacyCost
    period: Period
    most: PrivacyCost
    purposes: Mapping[str, PrivacyCost] = field(default_factory=dict)
    shared: bool = True


@dataclass(frozen=True, slots=True)
class PrivacyCharge:
    """What a question costs in privacy loss of one kind of unit of a dataset, exactly what was previewed. `delta` is
    that at which policy states its epsilon."""

    dataset: str
    purpose: str
    cost: PrivacyCost
    terms: PrivacyTerms
    delta: Fraction = Fraction(1, 10**6)


@dataclass(frozen=True, slots=True)
class PrivacyBalance:
    """What a question has cost of one kind of unit of a dataset, and what it leaves, in the ledger's exact amounts.

    `lifetime` is left to all institutions together; `allowance` to this one and `part` to it for `purpose`, both
    until `refreshes_at` (None: for ever). A stored answer costs nothing. `terms` are the whole limits (None in
    answers stored before they were kept), `delta` that at which policy states epsilon.
    """

    dataset: str
    unit: UnitType
    purpose: str
    cost: PrivacyCost
    lifetime: PrivacyCost
    allowance: PrivacyCost
    part: PrivacyCost
    refreshes_at: datetime | None
    terms: PrivacyTerms | None = None
    delta: Fraction = Fraction(1, 10**6)

    @property
    def spendable(self) -> PrivacyCost:
        """The most that the next question can cost, but for what policy lets one question cost."""
        limits = (self.lifetime, self.allowance, self.part)
        return PrivacyCost(min(limit.rho for limit in limits), min(limit.delta for limit in limits))

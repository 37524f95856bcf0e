"""What a question answered with differential privacy carries: what its caller wants, the rules policies give, and the
noise of its cells."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import Type
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import PrivacyTerms
from louver_sandbox.privacy.cost import PrivacyCost


@dataclass(frozen=True, slots=True)
class WantedAccuracy:
    """The 95 % interval of a column is to be predicted as this far to either side at most.

    `column` is a column of the answer, empty for all that have noise. `within` is in the column's own unit, or with
    `percent` so many hundredths of `of` (None: of what the catalogue declares). `among` is how many values the caller
    expects in each group, which averages need.
    """

    column: str
    within: Fraction
    percent: bool = False
    of: Fraction | None = None
    among: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants a question to cost: an epsilon at the policy's delta, or as little as these accuracies
    need. Never both."""

    epsilon: Fraction | None = None
    accuracy: tuple[WantedAccuracy, ...] = ()


@dataclass(frozen=True, slots=True)
class PrivateRules:
    """How questions about one dataset are answered with differential privacy of one kind of unit.

    A question costs `each`, of which `each.delta` is for listing groups by a threshold; `delta` is that at which its
    epsilon is told. A unit counts in at most `groups` cells, with at most `rows` rows together (None: as many as the
    catalogue declares). With `exempt` the owner has said, in its words, why this kind of unit is not protected here.
    With `accuracy` the 95 % interval of every number must be predicted within so many times the most one row adds.
    """

    dataset: str
    unit: UnitType
    terms: PrivacyTerms | None
    each: PrivacyCost
    delta: Fraction
    groups: int
    rows: int | None = None
    exempt: str = ""
    accuracy: int | None = None


@dataclass(frozen=True, slots=True)
class NoisyColumn:
    """A whole number of each cell that leaves with discrete Gaussian noise of this scale.

    `least` is what no true number is below: 0 for counts. `share` is its part of the rho that the question costs, to
    four digits. Nothing else of the worker's result is ever looked at.
    """

    name: str
    scale: Fraction
    least: int | None = None
    share: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class PrivateRanks:
    """A histogram of each cell that leaves as noisy ranks: a tree of counts whose nodes have discrete Gaussian noise.

    `segments` are its bins (`mechanisms.grid`), in units of 10^-digits. At most `most` cells have one. `share` is its
    part of the rho that the question costs, to four digits.
    """

    segments: tuple[tuple[int, int, int], ...]
    digits: int
    scale: Fraction
    most: int
    share: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class PrivateMeasure:
    """How one aggregate is put together from noisy columns.

    `kind` is count, units, sum, average, grouping, min, max, a function of `sql.quantiles.QUANTILES` or of
    `plan.private.measures.VARIANCES`. `count`,
    `total` and `squares` are names of noisy columns. Values lie between `low` and `high`, in units of 10^-digits;
    `total` is the sum of values less `centre`, `squares` that of the squares of the same. A grouping tells which of
    its `keys` are left out. A quantile is that at a `share` of the values
    of the histogram at the place `ranks`.
    """

    name: str
    kind: str
    type: Type
    count: str = ""
    total: str = ""
    squares: str = ""
    low: int = 0
    high: int = 0
    centre: int = 0
    digits: int = 0
    keys: tuple[int, ...] = ()
    ranks: int = -1
    share: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class PrivateCells:
    """The noise of one core's cells, and which cells there are.

    With a `domain` those of every combination of these values, one list for each key, are released, whether a row has
    them or not; without one those whose noisy number of units, the column `units`, reaches `tau`. `delta` is that at
    which epsilon is told. With `sets` of keys noise is drawn for cells of all keys only; the others are their sums.
    `ranks` are the histograms, in the order of the plan's cores that count them; without a noisy number the first
    one's rows are the core's own.
    """

    noisy: tuple[NoisyColumn, ...]
    measures: tuple[PrivateMeasure, ...]
    delta: Fraction
    domain: tuple[tuple[Value, ...], ...] | None = None
    units: str = ""
    tau: int = 0
    sets: tuple[tuple[int, ...], ...] = ()
    ranks: tuple[PrivateRanks, ...] = ()

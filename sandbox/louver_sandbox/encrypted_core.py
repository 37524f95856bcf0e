"""What a question over encrypted columns carries: terms of policies, which rows are asked for, and their noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import product

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import Type
from louver_sandbox.privacy.calendar import Period
from louver_sandbox.privacy.cost import PrivacyCost


class Protection(StrEnum):
    """What protects government data in a sum of numbers that nobody here can see (CRYPTO 5.1).

    `contract`: noise, good for values within the bound that the institution has signed. `strict`: each row's group is
    told at random, once and for ever, whatever the values are. `none`: nothing protected is met.
    """

    NONE = "none"
    CONTRACT = "contract"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class ContractRules:
    """No value is larger than `most` by its absolute amount, or in a column that is named in `most_of` than what
    stands there, and a subject counts with at most `rows` rows. Noise is paid as under differential privacy:
    `each` question out of the institution's `allowance` in a window of `period` and of the `lifetime` of all
    institutions; `delta` is that at which epsilon is told."""

    most: Decimal
    rows: int
    each: PrivacyCost
    allowance: PrivacyCost
    lifetime: PrivacyCost
    period: Period
    delta: Fraction
    most_of: tuple[tuple[str, Decimal], ...] = ()

    def bound(self, column: str) -> Decimal:
        """What no value of a column is above."""
        return dict(self.most_of).get(column, self.most)


@dataclass(frozen=True, slots=True)
class StrictRules:
    """A subject's rows are told within a factor e^`epsilon`, of at most `rows` rows, for each way of grouping; there
    are so many ways (`labels`) for one institution, ever and for all purposes, and `labels_of_all` for all
    institutions together. What is expected to be off by more than `error_percent` is refused."""

    epsilon: Fraction
    labels: int
    rows: int
    error_percent: int
    labels_of_all: int


EncryptedRules = ContractRules | StrictRules
"""On which terms encrypted numbers are added up by protected columns."""


SumOf = tuple[int, int, int]
"""Column, factor and condition of a sum."""


@dataclass(frozen=True, slots=True)
class EncryptedMeasure:
    """One column of the answer that is a sum or an average (`divided`) of an encrypted column.

    `place` is that in the answer, `column` that among the encrypted columns of the upload; every value is multiplied
    by `factor` and counts where the `condition` (an index, -1 for none) holds. `type` is what the column opens to, in
    units of 10^-`digits` of which the sum is. `noise` is the scale of the sum's noise, 0 for none.
    """

    place: int
    column: int
    factor: int
    condition: int
    type: Type
    digits: int
    divided: bool
    noise: Fraction = Fraction(0)

    @property
    def sum_of(self) -> SumOf:
        """What is added up: a sum and an average of the same have one noise, and cost once."""
        return self.column, self.factor, self.condition


@dataclass(frozen=True, slots=True)
class EncryptedTold:
    """What an answer says of its protection: the bound of values or the expected error in percent, and epsilon (at
    `delta`; `total` is that of all that an institution is ever told by chance), as decimal text."""

    epsilon: str
    delta: str = ""
    most: str = ""
    error_percent: str = ""
    total: str = ""


@dataclass(frozen=True, slots=True)
class EncryptedPlan:
    """Which rows of an upload are in which group, and how their ciphertexts become columns of the answer.

    `statement` gives a row for each row of the question before it is grouped: its group's keys (of the types `keys`,
    at the `places` in the answer), the number of the upload's row, with `has_units` the record key of its subject,
    and a truth value for each of the `conditions`. `snapshot` is the content of the upload of so many `rows` and
    `columns`, under the key `kid`.

    A subject counts with at most `unit_rows` rows (0: nobody is protected). Under `strict` a row's group is one of
    those of the `domain` or none of them; it keeps its own with chance 1000 / `kept_of` and has any of them all alike
    otherwise. `label` names what is told so, and `numbers` are those by which it knows the groups of the
    domain, -1 for one that no row can be in. `window` are the bits of a sum that leave.
    """

    statement: str = field(repr=False)
    keys: tuple[Type, ...]
    places: tuple[int, ...]
    conditions: int
    has_units: bool
    snapshot: str
    kid: str
    rows: int
    columns: int
    measures: tuple[EncryptedMeasure, ...]
    protection: Protection
    window: int
    unit_rows: int = 0
    domain: tuple[tuple[Value, ...], ...] = ()
    numbers: tuple[int, ...] = ()
    kept_of: int = 0
    label: str = ""
    told: EncryptedTold | None = None

    @property
    def labels(self) -> int:
        """How many groups a row can be told to be in under `strict`, that of none among them."""
        return sum(number >= 0 for number in self.numbers) + 1

    @property
    def number_of(self) -> dict[tuple[object, ...], int]:
        """The number of each group that a row can be in, by its keys."""
        return {key: at for key, at in zip(product(*self.domain), self.numbers, strict=True) if at >= 0}

    @property
    def over(self) -> int:
        """What a sum under `strict` is divided by when it is opened."""
        return THOUSAND * self.labels if self.protection is Protection.STRICT else 1


@dataclass(frozen=True, slots=True)
class TokenUse:
    """A column of the upload with the alias `source` whose ids came as tokens of an `element` under `key` (the public
    part in hex). A worker reads ids in it where one of the `published` columns (alias, column) has them, and tokens
    otherwise: it is joined with those and with nothing else."""

    source: str
    column: str
    element: str
    key: str
    published: tuple[tuple[str, str], ...]


THOUSAND = 1000
"""Parts of the chance under `strict`."""


@dataclass(frozen=True, slots=True)
class EncryptedCell:
    """How one cell is made: the product of the ciphertexts of a set of rows to the power `times`, that of all rows to
    the power `total_times`, and a number to add; an average has the number of rows it is divided by."""

    rows: int
    times: int
    total_times: int
    addend: int
    divisor: int = 1


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A column of the answer: its cells in the order of rows, None where nothing leaves."""

    measure: EncryptedMeasure
    cells: tuple[EncryptedCell | None, ...]


@dataclass(frozen=True, slots=True)
class EncryptedSums:
    """What is to be computed over ciphertexts for an answer. `sets` are rows of the upload as 32-bit numbers in
    little-endian order; under `strict` they are all its rows together."""

    plan: EncryptedPlan
    sets: tuple[bytes, ...] = field(repr=False)
    columns: tuple[EncryptedColumn, ...] = field(repr=False)

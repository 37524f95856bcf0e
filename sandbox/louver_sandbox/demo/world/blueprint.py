"""What is to be built: size, seed, day and the cutting into chunks. Pure; every other module reads it."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from louver_sandbox.demo.world.columns import Array

MAX_PERSONS = 14_000_000
"""Above this the sequence numbers of ten prefixes no longer suffice (and the largest table has 100 M rows)."""
DEMO_PERSONS = 5_000
FIRMS_PER_PERSON = 0.20
MONTHS = 24
UTILITY_MONTHS = 12
QUARTERS = 8
NEVER = 1 << 30
"""A day that does not come, for firms that have not closed."""


@dataclass(frozen=True)
class Blueprint:
    """One world, completely determined. Raises ValueError when a value is out of range."""

    persons: int
    seed: int
    as_of: date
    dirt: float = 0.0
    person_chunk: int = 100_000
    firm_chunk: int = 40_000
    key_parts: int = 10
    """Person chunks that share one slot of sequence numbers."""

    def __post_init__(self) -> None:
        if not 10 <= self.persons <= MAX_PERSONS:
            raise ValueError(f"persons must be between 10 and {MAX_PERSONS}")
        if self.seed < 0:
            raise ValueError("seed must not be negative")
        if not 0.0 <= self.dirt <= 1.0:
            raise ValueError("dirt must be between 0 and 1")
        if not date(2010, 1, 1) <= self.as_of <= date(2060, 1, 1):
            raise ValueError("as_of must be between 2010 and 2060")

    @property
    def firms(self) -> int:
        return round(self.persons * FIRMS_PER_PERSON)

    @property
    def person_chunks(self) -> int:
        return -(-self.persons // self.person_chunk)

    @property
    def firm_chunks(self) -> int:
        return -(-self.firms // self.firm_chunk)

    @property
    def key_chunks(self) -> int:
        return -(-self.person_chunks // self.key_parts)

    def person_rows(self, chunk: int) -> range:
        start = chunk * self.person_chunk
        return range(start, min(start + self.person_chunk, self.persons))

    def firm_rows(self, chunk: int) -> range:
        start = chunk * self.firm_chunk
        return range(start, min(start + self.firm_chunk, self.firms))

    @property
    def today(self) -> int:
        """`as_of` in days since 1970-01-01."""
        return (self.as_of - date(1970, 1, 1)).days

    @property
    def last_month(self) -> int:
        """The month of `as_of`, counted from January of year 0."""
        return self.as_of.year * 12 + self.as_of.month - 1

    @property
    def first_month(self) -> int:
        """The first of the 24 months of the social-security tables."""
        return self.last_month - MONTHS + 1

    @property
    def rating_year(self) -> int:
        """The last year for which tax-credit grades exist."""
        return self.as_of.year - 1

    def months(self, count: int = MONTHS) -> Array:
        """First days of the last `count` months, as days since 1970-01-01."""
        return month_starts(np.arange(self.last_month - count + 1, self.last_month + 1))

    def quarter_months(self) -> Array:
        """First month (counted from January of year 0) of each of the eight quarters up to `as_of`."""
        last = self.last_month - self.last_month % 3
        return np.arange(last - 3 * (QUARTERS - 1), last + 1, 3)


def month_starts(months: Array) -> Array:
    """First days, as days since 1970-01-01, of months counted from January of year 0."""
    return (np.asarray(months) - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def month_of(days: Array) -> Array:
    """Months counted from January of year 0, of days since 1970-01-01."""
    return np.asarray(days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12

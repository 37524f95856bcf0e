"""Firms: the latents and facts every department's table about them hangs on.

z is the quality of a firm on `as_of` and g its size, both N(0,1). Firms of one legal representative form a *group*
(a family when it has two to eight members); a group sits in one district. Facts are drawn per chunk; what depends on
the whole city (giants, representatives, where people work) is added by `city`.
"""

from dataclasses import dataclass, fields

import numpy as np

from louver_sandbox.demo.world import codes
from louver_sandbox.demo.world.blueprint import NEVER, Blueprint
from louver_sandbox.demo.world.codes import CLASS_SHARES, DISTRICTS, NON_ENTERPRISE_SECTIONS, SECTIONS
from louver_sandbox.demo.world.columns import Array
from louver_sandbox.demo.world.people import YEAR
from louver_sandbox.demo.world.randomness import choose, logistic, stream

FAMILY_SHARE = 0.12
"""Share of legal representatives who hold more than one firm."""
FAMILY_SIZES = (0.55, 0.20, 0.10, 0.06, 0.04, 0.03, 0.02)
"""Shares of family groups of two to eight firms."""
DISTRESSED = 0.04
"""Share of open firms whose business collapses inside the window of the utility tables."""

_NORM = {
    name: np.array([float(getattr(section, name)) for section in SECTIONS])
    for name in ("weight", "headcount", "revenue", "power", "wage", "penalty")
}
_NON_ENTERPRISE = np.array([NON_ENTERPRISE_SECTIONS.get(letter, 0.0) for letter in codes.SECTION_LETTERS])
_INDUSTRY_COUNT = np.array([len(section.industries) for section in SECTIONS])


def norm(name: str, section: Array) -> Array:
    """A norm of each firm's section, by the field name of `codes.Section`."""
    values: Array = _NORM[name][section]
    return values


@dataclass(frozen=True)
class Firms:
    """Facts of firms as parallel arrays, indexed by row number from the first row of the slice."""

    subject_class: Array
    section: Array
    industry: Array
    district: Array
    employees: Array
    insured: Array
    """Employees for whom social security is paid."""
    revenue: Array
    """Yuan per year, on `as_of`."""
    power: Array
    """Kilowatt-hours per month, on `as_of`; 0 when the firm has no meter of its own."""
    z: Array
    born: Array
    closed: Array
    """Day of leaving the register, NEVER while open."""
    status: Array
    arrears: Array
    dishonest: Array
    collapse: Array
    """Month of the window (0..23) in which electricity collapses, -1 for none."""
    lag: Array
    """Months by which taxes follow electricity."""
    group: Array
    giant: Array

    def __len__(self) -> int:
        return len(self.section)

    def rows(self, start: int, stop: int) -> "Firms":
        return Firms(**{f.name: np.asarray(getattr(self, f.name)[start:stop]) for f in fields(self)})

    @property
    def open(self) -> Array:
        still: Array = self.closed == NEVER
        return still


def join(parts: list[Firms]) -> Firms:
    """One table from the slices of all chunks, groups renumbered to be unique in the city."""
    arrays = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Firms)}
    counts = [int(part.group.max()) + 1 for part in parts]
    first = np.cumsum([0, *counts[:-1]])
    arrays["group"] = np.concatenate([part.group + np.int32(start) for part, start in zip(parts, first, strict=True)])
    return Firms(**arrays)


def _groups(rng: np.random.Generator, n: int) -> Array:
    """The group of each firm; the members of a group are spread over the chunk."""
    sizes = np.where(rng.random(n) < FAMILY_SHARE, 2 + choose(rng, FAMILY_SIZES, n), 1)
    return np.repeat(np.arange(n, dtype=np.int32), sizes)[:n][rng.permutation(n)]


def _closing(rng: np.random.Generator, born: Array, age: Array, z: Array, today: int) -> tuple[Array, Array]:
    """Day of closing (half of them in the last two years) and status."""
    n = len(born)
    closes = (rng.random(n) < logistic(-3.0 - 1.1 * z + 0.05 * age)) & (age > 0.75)
    life = np.maximum(today - born - 200, 1)
    recent = np.where(rng.random(n) < 0.5, np.minimum(life, 730), life)
    closed = np.where(closes, today - (rng.random(n) * recent).astype(np.int64), NEVER)
    return closed, np.where(closes, 1 + choose(rng, (0.70, 0.18, 0.12), n), 0)


def firm_facts(plan: Blueprint, chunk: int) -> Firms:
    """The firms of one chunk, before what depends on the whole city."""
    rng = stream(plan.seed, "firm", chunk)
    n = len(plan.firm_rows(chunk))
    z = rng.standard_normal(n)
    subject = choose(rng, CLASS_SHARES, n)
    section = np.where(subject == codes.N, choose(rng, _NON_ENTERPRISE, n), choose(rng, _NORM["weight"], n))
    group = _groups(rng, n)
    home = choose(rng, [float(district.population) for district in DISTRICTS], int(group.max()) + 1)
    age = np.minimum(rng.gamma(1.5, 4.5, n), 40.0)
    born = plan.today - np.floor(age * YEAR).astype(np.int64) - 1
    closed, status = _closing(rng, born, age, z, plan.today)

    size = norm("headcount", section) - 0.7 * (subject == codes.I) + 1.15 * rng.standard_normal(n)
    employees = np.maximum(1, np.rint(np.exp(np.minimum(size, 7.2)))).astype(np.int32)
    registered = np.where(subject == codes.I, 0.15, 0.75)
    revenue = employees * norm("revenue", section) * np.exp(0.45 * z + 0.5 * rng.standard_normal(n))
    meter = rng.random(n) < np.where(subject == codes.I, 0.75, 0.97)
    power = employees * norm("power", section) * np.exp(0.25 * rng.standard_normal(n))
    arrears = rng.random(n) < logistic(-3.6 - 1.2 * z)
    blamed = rng.random(n) < logistic(-4.6 - 1.2 * z + 1.0 * arrears)
    distressed = (rng.random(n) < 2 * DISTRESSED * logistic(-z)) & (closed == NEVER) & (age > 2.5)
    return Firms(
        subject_class=subject.astype(np.int8),
        section=section.astype(np.int8),
        industry=(rng.random(n) * _INDUSTRY_COUNT[section]).astype(np.int8),
        district=home[group].astype(np.int8),
        employees=employees,
        insured=np.floor(employees * registered + 0.5 * rng.random(n)).astype(np.int32),
        revenue=revenue,
        power=np.where(meter, power, 0.0),
        z=z.astype(np.float32),
        born=born.astype(np.int32),
        closed=closed.astype(np.int32),
        status=status.astype(np.int8),
        arrears=arrears | (distressed & (rng.random(n) < 0.5)),
        dishonest=blamed & (age > 1.0),
        collapse=np.where(distressed, rng.integers(15, 19, n), -1).astype(np.int8),
        lag=rng.integers(2, 4, n).astype(np.int8),
        group=group,
        giant=np.zeros(n, dtype=bool),
    )


def scale_of(firms: Firms) -> Array:
    """Size class (0 micro .. 3 large): the smaller of the classes by employees and by revenue."""
    result = np.zeros(len(firms), dtype=np.int64)
    for number, section in enumerate(SECTIONS):
        people, money = codes.SIZE_RULES.get(section.letter, codes.SIZE_RULE_OTHERS)
        members = np.flatnonzero(firms.section == number)
        grades = [
            np.searchsorted(np.sort(np.array(limits, dtype=np.float64)), values[members], side="right")
            for limits, values in ((people, firms.employees), (money, firms.revenue))
            if limits is not None
        ]
        result[members] = np.minimum.reduce(grades)
    return result

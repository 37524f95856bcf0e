"""Persons: who they are, and `gov.pop_person`.

`person_facts` is a pure function of (seed, chunk), so every task that needs a person draws the same one again
instead of passing it around; only the identity keys of all persons (four bytes each) are kept, because a sequence
number must be unique across chunks and firms refer to any person.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from louver_sandbox.demo.world import identifiers
from louver_sandbox.demo.world.blueprint import Blueprint
from louver_sandbox.demo.world.codes import DISTRICTS, GIVEN, SURNAMES
from louver_sandbox.demo.world.columns import (
    Array,
    coded,
    dates,
    integers,
    ragged_strings,
    timestamps,
    utf8_matrix,
)
from louver_sandbox.demo.world.randomness import choose, mixed, stream, uniform
from louver_sandbox.demo.world.schema import record

YEAR = 365.2425
AGE_BANDS = (0.1541, 0.6431, 0.2028)
"""Shares of ages 0-14, 15-59 and 60 or more (seventh census)."""
MALE = 0.5096
HOUSEHOLD_SIZES = (0.24, 0.30, 0.25, 0.12, 0.06, 0.03)
"""Shares of households of one to six persons; mean 2.55 (seventh census: 2.55)."""
WORKING = 0.72
"""Share of those of 20 to 59 years who are employed."""

_POPULATION = tuple(float(district.population) for district in DISTRICTS)
_SURNAMES, _GIVEN = utf8_matrix(SURNAMES), utf8_matrix(GIVEN)
_HUKOU_CODES = tuple(d.code for d in DISTRICTS) + tuple(d.retired or d.code for d in DISTRICTS)
_STREETS = tuple(street for district in DISTRICTS for street in district.streets)
_STREET_COUNT = np.array([len(district.streets) for district in DISTRICTS])
_STREET_START = np.r_[0, np.cumsum(_STREET_COUNT)[:-1]]


@dataclass(frozen=True)
class Persons:
    """One chunk of persons as arrays; `u` is the latent of their means, N(0,1)."""

    rows: Array
    sex: Array
    birth: Array
    age: Array
    hukou: Array
    live: Array
    street: Array
    household: Array
    education: Array
    u: Array

    @property
    def adult(self) -> Array:
        return self.age >= 18


def _ages(rng: np.random.Generator, n: int) -> Array:
    band = choose(rng, AGE_BANDS, n)
    # Folded, not cut, at 105: a cut would give hundreds one birthday and exhaust its sequence numbers.
    old = 60.0 + rng.gamma(1.6, 6.5, n) % 45
    return np.where(band == 0, rng.random(n) * 15, np.where(band == 1, 15 + rng.random(n) * 45, old))


def _households(rng: np.random.Generator, n: int) -> Array:
    """The household of each of n persons; members are neighbours, the last household is cut to fit."""
    sizes = 1 + choose(rng, HOUSEHOLD_SIZES, n)
    return np.repeat(np.arange(n), sizes)[:n]


def _heads_first(rng: np.random.Generator, ages: Array, household: Array) -> Array:
    """The same ages, dealt so that the first person of every household is grown up where possible."""
    head = np.r_[True, household[1:] != household[:-1]]
    grown = rng.permutation(np.flatnonzero(ages >= 20))[: int(head.sum())]
    rest = np.setdiff1d(np.arange(len(ages)), grown, assume_unique=True)
    rng.shuffle(rest)
    dealt = np.empty(len(ages), dtype=np.int64)
    places = np.r_[np.flatnonzero(head), np.flatnonzero(~head)]
    dealt[places] = np.r_[grown, rest]
    return ages[dealt]


def _education(rng: np.random.Generator, age: Array, u: Array) -> Array:
    """GB/T 4658 level: 10 postgraduate, 20 bachelor, 30 college, 60 upper secondary, 70 junior, 80 primary."""
    reach = u * 0.6 + rng.standard_normal(len(age), dtype=np.float32) - np.maximum(age - 35, 0) * 0.025
    level = np.array([80, 70, 60, 30, 20, 10])[np.searchsorted([-1.6, -0.4, 0.3, 0.9, 2.0], reach)]
    return np.where(age < 6, 90, np.where(age < 12, 80, np.where(age < 18, 70, level)))


def person_facts(plan: Blueprint, chunk: int) -> Persons:
    """The persons of one chunk."""
    rng = stream(plan.seed, "person", chunk)
    rows = np.asarray(plan.person_rows(chunk))
    n = len(rows)
    household = _households(rng, n)
    age = _heads_first(rng, _ages(rng, n), household)
    home = choose(rng, _POPULATION, int(household[-1]) + 1)
    live = home[household]
    away = (live + 1 + choose(rng, np.ones(9), n)) % 10
    u = rng.standard_normal(n, dtype=np.float32)
    return Persons(
        rows=rows,
        sex=np.where(rng.random(n) < MALE, 1, 2),
        birth=plan.today - np.floor(age * YEAR).astype(np.int64) - 1,
        age=age,
        hukou=np.where(rng.random(n) < 0.22, away, live),
        live=live,
        street=(_STREET_START[home] + (rng.random(len(home)) * _STREET_COUNT[home]).astype(np.int64))[household],
        household=household + chunk * 10_000_000 + 1_000_000_000,
        education=_education(rng, age, u),
        u=u,
    )


def person_keys(plan: Blueprint, key_chunk: int) -> Array:
    """Identity keys of all persons of one key chunk, in row order."""
    first = key_chunk * plan.key_parts
    parts = [person_facts(plan, c) for c in range(first, min(first + plan.key_parts, plan.person_chunks))]
    birth = np.concatenate([part.birth for part in parts])
    prefix = np.concatenate([part.hukou for part in parts])
    male = (np.concatenate([part.sex for part in parts]) == 1).astype(np.int64)
    rows = np.concatenate([part.rows for part in parts])
    cell = identifiers.key_cell(identifiers.person_key(prefix, birth, male))
    offset = (mixed(plan.seed, "sequence", rows) >> np.uint64(40)).astype(np.int64)
    sequence = identifiers.sequences(cell, male, key_chunk, plan.key_chunks, offset)
    return identifiers.person_key(prefix, birth, sequence)


def employed(plan: Blueprint, rows: Array, age: Array) -> Array:
    """Who works; a pure function of the row number."""
    return (uniform(plan.seed, "employed", rows) < WORKING) & (age >= 20) & (age < 60)


def dishonest(plan: Blueprint, rows: Array, age: Array) -> Array:
    """Which adults are on the court's list of dishonest debtors."""
    return (uniform(plan.seed, "dishonest", rows) < 0.004) & (age >= 18)


def names(plan: Blueprint, rows: Array) -> pa.Array:
    """The name of any person by row number: one surname, one or two given characters, from small lists."""
    bits = mixed(plan.seed, "name", rows)
    count = np.uint64(len(_GIVEN))
    matrix = np.concatenate(
        [
            _SURNAMES[((bits & np.uint64(0xFFFF)) % np.uint64(len(_SURNAMES))).astype(np.int64)],
            _GIVEN[((bits >> np.uint64(16) & np.uint64(0xFFFF)) % count).astype(np.int64)],
            _GIVEN[((bits >> np.uint64(32) & np.uint64(0xFFFF)) % count).astype(np.int64)],
        ],
        axis=1,
    )
    short = (bits >> np.uint64(48)) % np.uint64(100) < np.uint64(15)
    return ragged_strings(matrix, np.where(short, 6, 9))


def pop_person(plan: Blueprint, persons: Persons, keys: Array) -> pa.Table:
    """`gov.pop_person` of one chunk; `keys` are the identity keys of its rows."""
    rng = stream(plan.seed, "person", 1 << 20, int(persons.rows[0]))
    n, age = len(persons.rows), persons.age
    at_home = persons.hukou == persons.live
    # A code retired before 2017 is found in the register of those who registered while it was in force.
    register = persons.hukou + np.where((age > 40) & (rng.random(n) < 0.35), 10, 0)
    married = (age >= 22) & (rng.random(n) < np.minimum(0.85, (age - 21) * 0.075))
    apart = rng.random(n)
    status = np.where(married, np.where((age > 65) & (apart < 0.2), 30, np.where(apart > 0.95, 40, 20)), 10)
    seconds = rng.integers(0, 365 * 86_400, n)
    return record(
        "gov.pop_person",
        {
            "person_id": identifiers.strings(identifiers.person_ids(keys)),
            "name": names(plan, persons.rows),
            "sex": integers(persons.sex, pa.int8()),
            "birth_date": dates(persons.birth),
            "hukou_district": coded(register, _HUKOU_CODES),
            "live_district": coded(persons.live, [district.code for district in DISTRICTS]),
            "street_code": coded(persons.street, _STREETS),
            "resident_type": integers(np.where(at_home, 1, np.where(rng.random(n) < 0.6, 2, 3)), pa.int8()),
            "marital_status": integers(status, pa.int8()),
            "education": integers(persons.education, pa.int8()),
            "household_id": integers(persons.household, pa.int64()),
            "special_status": integers(np.where(rng.random(n) < 0.012, 1, 0), pa.int8()),
            "updated_at": timestamps(plan.today * 86_400 - seconds),
        },
    )

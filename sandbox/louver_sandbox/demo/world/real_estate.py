"""Real estate: `gov.re_property` of persons and of companies.

A unit number has 28 characters (GB/T 37346-2019): six of the region, here an unassigned 37029x, then parcel and unit.
Spouses may own half each: the co-owner is the next adult of the same household.
"""

import numpy as np
import pyarrow as pa

from louver_sandbox.demo.world import codes, people
from louver_sandbox.demo.world.blueprint import Blueprint
from louver_sandbox.demo.world.codes import DISTRICTS
from louver_sandbox.demo.world.columns import (
    Array,
    beside,
    coded,
    dates,
    decimals,
    digits,
    fixed_strings,
    flags,
    money,
)
from louver_sandbox.demo.world.economy import Course
from louver_sandbox.demo.world.people import YEAR, Persons
from louver_sandbox.demo.world.randomness import choose, stream
from louver_sandbox.demo.world.schema import record

_PRICES = np.array([float(district.price) for district in DISTRICTS])
_USES = ("11", "21", "31", "41")
"""Residential, commercial, office, industrial."""


def _unit_numbers(district: Array, number: Array, estate: bytes) -> Array:
    """Region 37029x, cadastral area, parcel (GB), building and room; unique when `number` is."""
    return beside(
        b"37029", digits(district, 1), estate, digits(number // 10**8, 3), b"GB",
        digits(number // 10**4 % 10**4, 5), b"F", digits(number % 10**4, 8),
    )  # fmt: skip


def _table(
    rng: np.random.Generator,
    owner_class: str,
    owners: Array,
    ids: pa.Array,
    district: Array,
    unit: Array,
    share: Array,
    area: Array,
    use: Array,
    registered: Array,
    value: Array,
    sealed: Array,
) -> pa.Table:
    return record(
        "gov.re_property",
        {
            "unit_no": fixed_strings(unit),
            "owner_class": coded(np.zeros(len(owners)), [owner_class]),
            "owner_id": coded(owners, ids),
            "share_ratio": decimals(share, 9, 6),
            "district_code": coded(district, [entry.code for entry in DISTRICTS]),
            "use_code": coded(use, _USES),
            "area_m2": decimals(np.rint(area * 100), 10, 2),
            "registered_on": dates(registered),
            "assessed_value": money(value),
            "mortgaged": flags(rng.random(len(owners)) < 0.34),
            "sealed": flags(sealed),
        },
    )


def person_property(plan: Blueprint, persons: Persons, ids: pa.Array, chunk: int) -> pa.Table:
    """Homes of one chunk of persons; a fifth of the owners hold a second one."""
    rng = stream(plan.seed, "property", chunk)
    n, age = len(persons.rows), persons.age
    owns = (age >= 25) & (rng.random(n) < np.minimum(0.55, 0.10 + 0.012 * (age - 25)))
    second = owns & (rng.random(n) < 0.2)
    owner = np.r_[np.flatnonzero(owns), np.flatnonzero(second)]
    home = np.repeat([0, 1], [int(owns.sum()), int(second.sum())])
    follower = np.minimum(owner + 1, n - 1)
    family = (follower != owner) & (persons.household[follower] == persons.household[owner])
    halved = family & (age[follower] >= 22) & (rng.random(len(owner)) < 0.35)
    place = np.where(rng.random(len(owner)) < 0.85, persons.live[owner], choose(rng, np.ones(10), len(owner)))
    area = np.clip(96 + 28 * rng.standard_normal(len(owner)), 28, 500)
    value = area * _PRICES[place] * np.exp(0.25 * rng.standard_normal(len(owner)))
    adult_days = np.maximum((age[owner] - 20) * YEAR, 30)
    registered = plan.today - np.minimum(rng.random(len(owner)) * adult_days, 26 * YEAR).astype(np.int64) - 1

    copies = np.repeat(np.arange(len(owner)), np.where(halved, 2, 1))
    co_owner = np.r_[False, copies[1:] == copies[:-1]] if len(copies) else np.zeros(0, bool)
    holder = np.where(co_owner, follower[copies], owner[copies])
    listed = people.dishonest(plan, persons.rows, age)[holder]
    return _table(
        rng,
        "P",
        holder,
        ids,
        place[copies],
        _unit_numbers(place[copies], (persons.rows[owner] * 2 + home)[copies], b"001"),
        np.where(halved, 500_000, 1_000_000)[copies],
        area[copies],
        np.zeros(len(copies)),
        registered[copies],
        np.minimum(value[copies], 10_000_000),
        rng.random(len(copies)) < np.where(listed, 0.05, 0.006),
    )


def firm_property(plan: Blueprint, run: Course, chunk: int) -> pa.Table:
    """Premises of one chunk of companies, larger with more employees."""
    rng = stream(plan.seed, "property", chunk, 1)
    firms = run.firms
    owner = np.flatnonzero((firms.subject_class == codes.E) & (rng.random(len(firms)) < 0.22))
    n = len(owner)
    area = np.minimum(60 * np.log1p(firms.employees[owner]) * np.exp(0.6 * rng.standard_normal(n)) + 40, 90_000)
    value = area * _PRICES[firms.district[owner]] * 0.8
    life = np.minimum(firms.closed[owner], plan.today) - firms.born[owner]
    return _table(
        rng,
        "E",
        owner,
        run.uscc,
        firms.district[owner],
        _unit_numbers(firms.district[owner], run.rows[owner], b"900"),
        np.full(n, 1_000_000),
        area,
        1 + choose(rng, (0.4, 0.3, 0.3), n),
        firms.born[owner] + (rng.random(n) * life).astype(np.int64),
        value,
        rng.random(n) < np.where(firms.dishonest[owner], 0.05, 0.006),
    )

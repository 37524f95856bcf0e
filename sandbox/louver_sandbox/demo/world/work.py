"""Persons at work: `gov.ss_person_month` and `gov.hf_account`.

An employer is drawn by insured headcount; the wage hangs on the section, education, experience, the person's u and
the firm's z. Bases are clipped to the floor and ceiling of each social year (July to June).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from louver_sandbox.demo.world import identifiers, people
from louver_sandbox.demo.world.blueprint import MONTHS, NEVER, Blueprint, month_of, month_starts
from louver_sandbox.demo.world.city import City
from louver_sandbox.demo.world.columns import (
    Array,
    beside,
    coded,
    dates,
    decimals,
    digits,
    fixed_strings,
    integers,
    money,
)
from louver_sandbox.demo.world.firms import norm
from louver_sandbox.demo.world.people import YEAR, Persons
from louver_sandbox.demo.world.randomness import choose, stream
from louver_sandbox.demo.world.schema import record

FLOOR, CEILING = 4_200.0, 21_000.0
"""Bounds of the pay base in the social year 2024, in yuan per month; they rise 3.5 % a year within [4000, 23000]."""
FUND_SHARE = 0.55
"""Share of workers with a housing-fund account."""


@dataclass(frozen=True)
class Workers:
    """The employed persons of one chunk."""

    place: Array
    """Position inside the chunk."""
    employer: Array
    """Row number of the firm."""
    wage: Array
    """Yuan per month on `as_of`."""
    hired: Array
    """Day of hiring."""
    first: Array
    """First and last month of pay, in months from the window's first."""
    last: Array
    employers: pa.Array
    """The distinct employers' credit codes; `employer_code` indexes into it."""
    employer_code: Array


def workers(plan: Blueprint, city: City, persons: Persons, chunk: int) -> Workers:
    """Who works where since when, for one chunk of persons."""
    rng = stream(plan.seed, "work", chunk)
    place = np.flatnonzero(people.employed(plan, persons.rows, persons.age))
    total = int(city.jobs[-1])
    if total == 0:
        place = place[:0]
    n = len(place)
    employer = np.searchsorted(city.jobs, (rng.random(n) * total).astype(np.int64), side="right")
    distinct, code = np.unique(employer, return_inverse=True)
    born, closed = city.firms.born[employer], city.firms.closed[employer]
    age, u = persons.age[place], persons.u[place]
    learned = np.isin(persons.education[place], (10, 20, 30))
    experience = np.maximum(age - np.where(learned, 22, 18), 0)
    level = norm("wage", city.firms.section[employer]) + 0.25 * learned + 0.02 * experience
    wage = np.exp(level + 0.12 * u + 0.10 * city.firms.z[employer] + 0.1 * rng.standard_normal(n))
    end = np.minimum(closed, plan.today)
    longest = np.minimum(end - born, ((age - 18) * YEAR).astype(np.int64))
    hired = end - np.minimum(30 + rng.exponential(4 * YEAR, n), np.maximum(longest, 1)).astype(np.int64)
    return Workers(
        place=place,
        employer=employer,
        wage=wage,
        hired=hired,
        first=np.maximum(month_of(hired) - plan.first_month, 0),
        last=np.where(closed == NEVER, MONTHS - 1, month_of(end) - plan.first_month),
        employers=identifiers.strings(city.codes_of(plan, distinct)),
        employer_code=code,
    )


def _bases(plan: Blueprint, wage: Array) -> tuple[Array, Array]:
    """Pay base in fen of each worker (rows) in each social year (columns), and the column of each month."""
    social_year = (plan.first_month + np.arange(MONTHS) - 6) // 12
    years = np.unique(social_year)
    growth = 1.035 ** (years - 2024)
    past = 1.04 ** (years - years[-1])
    floor, ceiling = np.clip(FLOOR * growth, 4000, 23_000), np.clip(CEILING * growth, 4000, 23_000)
    base = np.clip(wage[:, None] * past, floor, ceiling)
    return np.rint(base).astype(np.int64) * 100, social_year - years[0]


def ss_person_month(plan: Blueprint, city: City, crew: Workers, ids: pa.Array, chunk: int) -> pa.Table:
    """`gov.ss_person_month`: one row per worker and month since hiring; unpaid months are marked by status."""
    rng = stream(plan.seed, "work", chunk, 1)
    counts = np.maximum(crew.last - crew.first + 1, 0)
    worker = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    ends = np.cumsum(counts)
    month = np.arange(len(worker)) - (ends - counts - crew.first)[worker]
    base, column = _bases(plan, crew.wage)
    behind = city.firms.arrears[crew.employer]
    gap = rng.random(len(worker), dtype=np.float32) < np.where(behind, 0.07, 0.01).astype(np.float32)[worker]
    status = np.where(gap, np.where(behind[worker], 2, 3), 1)
    return record(
        "gov.ss_person_month",
        {
            "person_id": coded(worker, ids),
            "uscc": coded(crew.employer_code.astype(np.int32)[worker], crew.employers),
            "pay_month": dates(plan.months().astype(np.int32)[month]),
            "base_amt": decimals(base[worker, column[month]], 10, 2),
            "status": integers(status, pa.int8()),
        },
    )


def hf_account(plan: Blueprint, persons: Persons, crew: Workers, ids: pa.Array, chunk: int) -> pa.Table:
    """`gov.hf_account`: deposits of person and employer at 5, 8, 10 or 12 %; sealed accounts stopped earlier."""
    rng = stream(plan.seed, "work", chunk, 2)
    member = np.flatnonzero((rng.random(len(crew.place)) < FUND_SHARE) & (crew.last >= 0))
    n = len(member)
    rate = np.array([0.05, 0.08, 0.10, 0.12])[choose(rng, (0.35, 0.25, 0.15, 0.25), n)]
    base = np.rint(np.clip(crew.wage[member], 2_000, 35_000))
    deposit = np.rint(base * rate * 2 * 100)
    status = 1 + choose(rng, (0.92, 0.06, 0.02), n)
    last = plan.first_month + np.minimum(crew.last[member], MONTHS - 1)
    opened = crew.hired[member] + rng.integers(0, 30, n)
    opened = np.minimum(opened, plan.today)
    stopped = np.where(status == 1, 0, rng.integers(1, 30, n))
    last = np.maximum(last - stopped, month_of(opened))
    months = np.clip(last - month_of(opened) + 1, 1, 480)
    balance = np.where(status == 3, 0.0, deposit / 100 * months * (0.2 + 0.8 * rng.random(n)))
    loan = np.where(rng.random(n) < 0.18, np.exp(12.7 + 0.5 * rng.standard_normal(n)), 0.0)
    rows = persons.rows[crew.place[member]]
    return record(
        "gov.hf_account",
        {
            "account_no": fixed_strings(beside(b"HF", digits(rows, 12))),
            "person_id": coded(member, ids),
            "uscc": coded(crew.employer_code[member], crew.employers),
            "opened_on": dates(opened),
            "status": integers(status, pa.int8()),
            "base_amt": decimals(base * 100, 10, 2),
            "monthly_deposit": decimals(deposit, 10, 2),
            "balance": money(np.minimum(balance, 500_000)),
            "months_continuous": integers(months, pa.int32()),
            "last_month": dates(month_starts(last)),
            "loan_balance": money(np.minimum(loan, 1_200_000)),
        },
    )

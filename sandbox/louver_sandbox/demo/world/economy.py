"""Firms over time: `gov.tax_credit`, `gov.tax_quarter`, `gov.ss_ent_month`, `gov.utl_month` (firms).

The quality z of a firm moves by an autoregression of order one over months (rho 0.95) that ends at today's z.
Electricity at month t follows z at month t + lag, taxes follow z at month t: electricity speaks two to three months
earlier, which is what makes an early warning possible. A collapse keeps the same order: electricity, then
taxes after `lag` months, then the headcount one month later.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from louver_sandbox.demo.world import codes, identifiers
from louver_sandbox.demo.world.blueprint import (
    MONTHS,
    NEVER,
    QUARTERS,
    UTILITY_MONTHS,
    Blueprint,
    month_of,
    month_starts,
)
from louver_sandbox.demo.world.city import City
from louver_sandbox.demo.world.codes import UTILITY_KINDS, UTILITY_TARIFFS
from louver_sandbox.demo.world.columns import (
    Array,
    beside,
    coded,
    dates,
    decimals,
    digits,
    fixed_strings,
    flags,
    integers,
    money,
)
from louver_sandbox.demo.world.firms import Firms, norm
from louver_sandbox.demo.world.people import YEAR
from louver_sandbox.demo.world.randomness import stream
from louver_sandbox.demo.world.schema import record

RHO = 0.95
SWING = 0.25
"""How strongly a unit of z moves revenue, headcount a third of it."""
FALL = 0.4
"""What a collapse leaves of electricity and revenue."""
_LEAD = 5
"""Months the path of z runs beyond the window: the longest lag, and quarters that outlast `as_of`."""
_QUARTER_SEASON = np.array([0.88, 1.00, 1.02, 1.10])


@dataclass(frozen=True)
class Course:
    """One chunk of firms with the path of their z: column m of `shift` is z in month m minus z today."""

    rows: Array
    firms: Firms
    uscc: pa.Array
    shift: Array
    start: Array
    """Months from the window's first to the firm's foundation (negative when older)."""
    end: Array
    """Months from the window's first to the firm's closing."""


def course(plan: Blueprint, city: City, chunk: int) -> Course:
    """The firms of one chunk and how they fared."""
    rng = stream(plan.seed, "economy", chunk)
    rows = np.asarray(plan.firm_rows(chunk))
    firms = city.firms.rows(rows[0], rows[-1] + 1)
    n = len(rows)
    path = np.empty((n, MONTHS + _LEAD), dtype=np.float32)
    path[:, MONTHS - 1] = firms.z
    step = float(np.sqrt(1 - RHO**2))
    for month in range(MONTHS - 2, -1, -1):
        path[:, month] = RHO * path[:, month + 1] + step * rng.standard_normal(n, dtype=np.float32)
    for month in range(MONTHS, MONTHS + _LEAD):
        path[:, month] = RHO * path[:, month - 1] + step * rng.standard_normal(n, dtype=np.float32)
    shift = np.where(firms.giant[:, None], np.float32(0), path - firms.z[:, None])
    return Course(
        rows,
        firms,
        identifiers.strings(city.codes_of(plan, rows)),
        shift,
        month_of(firms.born) - plan.first_month,
        np.where(firms.open, NEVER, month_of(np.minimum(firms.closed, plan.today)) - plan.first_month),
    )


def _calm(firms: Firms, noise: float) -> Array:
    """Standard deviation of each firm's noise; giants are large averages and therefore steady."""
    return np.where(firms.giant, noise / 4, noise)[:, None]


def _collapsed(run: Course, months: Array, delay: Array | int) -> Array:
    """Whether each firm (rows) has collapsed in each month (columns), `delay` months after its electricity."""
    onset = (run.firms.collapse + delay)[:, None]
    fallen: Array = (run.firms.collapse >= 0)[:, None] & (months[None, :] >= onset)
    return fallen


def tax_credit(plan: Blueprint, run: Course) -> tuple[pa.Table, Array]:
    """`gov.tax_credit` and the grade of each firm (index into 'ABMCD', -1 for none)."""
    rng = stream(plan.seed, "economy", int(run.rows[0]), 1)
    firms, n = run.firms, len(run.rows)
    first, last = (month_starts(np.array([(plan.rating_year + i) * 12]))[0] for i in (0, 1))
    score = np.clip(80 + 8.5 * firms.z + 5 * rng.standard_normal(n), 0, 100)
    direct = (firms.dishonest & (rng.random(n) < 0.5)) | (firms.arrears & (rng.random(n) < 0.1))
    grade = np.select([score >= 90, score >= 70, score >= 40], [0, 1, 3], 4)
    score = np.where(direct, np.minimum(score, 39.0), score)
    grade = np.where(direct, 4, np.where(firms.born >= first, 2, grade))
    score = np.where(grade == 2, np.maximum(score, 70), score)
    rated = (firms.born < last) & (firms.closed >= first)
    grade = np.where(rated, grade, -1)
    rows = np.flatnonzero(rated)
    return record(
        "gov.tax_credit",
        {
            "uscc": coded(rows, run.uscc),
            "rating_year": integers(np.full(len(rows), plan.rating_year), pa.int16()),
            "grade": coded(grade[rows], tuple("ABMCD")),
            "score": decimals(np.rint(score[rows] * 100), 5, 2),
        },
    ), grade


def tax_quarter(plan: Blueprint, run: Course) -> pa.Table:
    """`gov.tax_quarter`: eight quarters, those in which the firm was on the register."""
    rng = stream(plan.seed, "economy", int(run.rows[0]), 2)
    firms, n = run.firms, len(run.rows)
    quarters = plan.quarter_months()
    months = np.clip((quarters[:, None] + np.arange(3)) - plan.first_month, 0, MONTHS + _LEAD - 1)
    level = np.exp(SWING * run.shift[:, months])
    level *= np.where(_collapsed(run, months.ravel(), firms.lag).reshape(level.shape), FALL, 1.0)
    season = _QUARTER_SEASON[quarters % 12 // 3]
    noise = np.exp(_calm(firms, 0.15) * rng.standard_normal((n, QUARTERS), dtype=np.float32))
    revenue = (firms.revenue / 4)[:, None] * season * level.mean(axis=2) * noise

    last = quarters - plan.first_month + 2
    alive = (run.start[:, None] <= last) & (run.end[:, None] >= last - 2)
    dying = ~firms.open[:, None] & (run.end[:, None] - last <= 3)
    idle = (firms.subject_class == codes.I)[:, None] & (rng.random((n, QUARTERS)) < 0.05)
    zero = dying | (idle & ~firms.giant[:, None])
    revenue = np.rint(np.where(zero, 0.0, revenue) * 100) / 100
    company = (firms.subject_class != codes.I)[:, None]
    vat = revenue * np.where(company, 0.035, np.where(revenue > 300_000, 0.01, 0.0))
    margin = np.clip(0.06 + 0.03 * (firms.z[:, None] + run.shift[:, last]), 0.0, None)
    income = np.where(company, revenue * margin * 0.2, 0.0)
    since = rng.integers(1, QUARTERS - 1, n)[:, None]
    owing = firms.arrears[:, None] & (np.arange(QUARTERS) >= since)
    owed = np.where(owing, 0.6 * (vat + income) + np.exp(8.0 + rng.standard_normal((n, 1))), 0.0)
    ticket = np.exp(8.5 + 0.7 * rng.standard_normal((n, 1)))
    invoices = np.minimum(np.ceil(revenue / ticket), 50_000)

    rows, columns = np.nonzero(alive)
    at = (rows, columns)
    return record(
        "gov.tax_quarter",
        {
            "uscc": coded(rows, run.uscc),
            "quarter": dates(month_starts(quarters)[columns]),
            "revenue": money(revenue[at]),
            "vat_paid": money(vat[at]),
            "cit_paid": money(income[at]),
            "arrears_amt": money(owed[at]),
            "invoice_cnt": integers(invoices[at], pa.int32()),
            "zero_declared": flags(zero[at]),
        },
    )


def ss_ent_month(plan: Blueprint, run: Course) -> pa.Table:
    """`gov.ss_ent_month`: 24 months of firms that insure anybody."""
    rng = stream(plan.seed, "economy", int(run.rows[0]), 3)
    firms = run.firms
    months = np.arange(MONTHS)
    alive = (run.start[:, None] <= months) & (run.end[:, None] >= months) & (firms.insured > 0)[:, None]
    level = np.exp(SWING / 3 * run.shift[:, :MONTHS])
    level *= np.where(_collapsed(run, months, firms.lag + 1), 0.55, 1.0)
    heads = np.maximum(1, np.rint(firms.insured[:, None] * level))
    wage = np.exp(norm("wage", firms.section) + 0.45 + 0.10 * firms.z + 0.1 * rng.standard_normal(len(firms)))
    due = np.rint(heads * np.clip(wage, 4000, 23_000)[:, None] * 0.26 * 100)
    since = rng.integers(6, MONTHS - 1, len(firms))[:, None]
    behind = (firms.arrears & (rng.random(len(firms)) < 0.4))[:, None] & (months >= since)
    paid = np.where(behind, np.floor(due * (rng.random((len(firms), 1)) * 0.6)), due)
    rows, columns = np.nonzero(alive)
    at = (rows, columns)
    return record(
        "gov.ss_ent_month",
        {
            "uscc": coded(rows, run.uscc),
            "pay_month": dates(plan.months()[columns]),
            "headcount": integers(heads[at], pa.int32()),
            "payable": decimals(due[at]),
            "paid": decimals(paid[at]),
            "arrears": decimals((due - paid)[at]),
        },
    )


def _metered(rng: np.random.Generator, firms: Firms) -> tuple[Array, Array, Array]:
    """Accounts: firm, kind of utility, and mean monthly use (kWh or m3)."""
    wet = np.where(np.isin(firms.section, (2, 7)), 0.8, 0.35)
    hot = np.where(firms.section == 7, 0.7, np.where(firms.section == 2, 0.3, 0.03))
    met = firms.power > 0
    masks = (met, met & (rng.random(len(firms)) < wet), met & (rng.random(len(firms)) < hot))
    firm = np.concatenate([np.flatnonzero(mask) for mask in masks])
    kind = np.repeat(np.arange(3), [int(mask.sum()) for mask in masks])
    return firm, kind, firms.power[firm] * np.array([1.0, 0.035, 0.06])[kind]


def utl_month(plan: Blueprint, run: Course) -> pa.Table:
    """`gov.utl_month` of firms: twelve months per account; firms of one group share the premises number."""
    rng = stream(plan.seed, "economy", int(run.rows[0]), 4)
    firms = run.firms
    firm, kind, mean = _metered(rng, firms)
    window = np.arange(MONTHS - UTILITY_MONTHS, MONTHS)
    ahead = np.exp(SWING * run.shift[firm[:, None], window + firms.lag[firm][:, None]])
    ahead *= np.where(_collapsed(run, window, 0)[firm], FALL, 1.0)
    moon = (plan.first_month + window) % 12
    season = 1 + np.array([0.25, 0.10, 0.30])[kind][:, None] * np.cos(2 * np.pi * moon / 12)
    noise = np.exp(_calm(firms, 0.3)[firm] * rng.standard_normal((len(firm), UTILITY_MONTHS), dtype=np.float32))
    use = np.rint(mean[:, None] * season * ahead * noise * 100) / 100
    late = rng.random(use.shape) < np.where(firms.arrears[firm], 0.12, 0.02)[:, None]
    days = np.where(late, 1 + np.minimum(rng.exponential(25.0, use.shape), 300), 0)
    alive = (run.start[firm][:, None] <= window) & (run.end[firm][:, None] >= window)
    rows, columns = np.nonzero(alive)
    at = (rows, columns)
    account = beside(b"F", digits(firms.group[firm], 8), digits(run.rows[firm], 8), digits(kind, 1))
    return record(
        "gov.utl_month",
        {
            "account_no": coded(rows, fixed_strings(account)),
            "subject_class": coded(firms.subject_class[firm][rows], codes.SUBJECT_CLASSES),
            "subject_id": coded(firm[rows], run.uscc),
            "kind": coded(kind[rows], UTILITY_KINDS),
            "bill_month": dates(plan.months()[MONTHS - UTILITY_MONTHS + columns]),
            "usage_qty": money(use[at]),
            "amount": money((use * np.array(UTILITY_TARIFFS)[kind][:, None])[at]),
            "overdue_days": integers(days[at], pa.int32()),
        },
    )


def age_years(plan: Blueprint, firms: Firms) -> Array:
    """Years since foundation."""
    return (plan.today - firms.born) / YEAR

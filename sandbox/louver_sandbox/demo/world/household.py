"""Household electricity: the natural persons' part of `gov.utl_month`."""

import numpy as np
import pyarrow as pa

from louver_sandbox.demo.world.blueprint import UTILITY_MONTHS, Blueprint
from louver_sandbox.demo.world.codes import UTILITY_KINDS, UTILITY_TARIFFS
from louver_sandbox.demo.world.columns import (
    beside,
    coded,
    dates,
    digits,
    fixed_strings,
    integers,
    money,
)
from louver_sandbox.demo.world.people import Persons
from louver_sandbox.demo.world.randomness import stream
from louver_sandbox.demo.world.schema import record

METERED = 0.10
"""Share of households in the table: a sample, so that firms and homes weigh alike in size."""


def home_utilities(plan: Blueprint, persons: Persons, ids: pa.Array, chunk: int) -> pa.Table:
    """Twelve months of electricity of the heads of a tenth of the households."""
    rng = stream(plan.seed, "economy", 1 << 20, chunk)
    head = np.r_[True, persons.household[1:] != persons.household[:-1]]
    holder = np.flatnonzero(head & (persons.age >= 18))
    holder = holder[rng.random(len(holder)) < METERED]
    n = len(holder)
    moon = (plan.last_month - UTILITY_MONTHS + 1 + np.arange(UTILITY_MONTHS)) % 12
    season = 1 + 0.3 * np.cos(2 * np.pi * (moon - 0.5) / 6)
    level = np.exp(5.2 + 0.45 * rng.standard_normal((n, 1)) + 0.1 * persons.u[holder][:, None])
    use = np.rint(level * season * np.exp(0.2 * rng.standard_normal((n, UTILITY_MONTHS))) * 100) / 100
    late = rng.random(use.shape) < 0.02
    days = np.where(late, 1 + np.minimum(rng.exponential(20.0, use.shape), 300), 0)
    account = np.repeat(np.arange(n), UTILITY_MONTHS)
    numbers = beside(b"P", digits(persons.household[holder], 12), digits(np.zeros(n), 1))
    return record(
        "gov.utl_month",
        {
            "account_no": coded(account, fixed_strings(numbers)),
            "subject_class": coded(np.zeros(len(account)), ["P"]),
            "subject_id": coded(holder[account], ids),
            "kind": coded(np.zeros(len(account)), UTILITY_KINDS),
            "bill_month": dates(np.tile(plan.months(UTILITY_MONTHS), n)),
            "usage_qty": money(use.ravel()),
            "amount": money(use.ravel() * UTILITY_TARIFFS[0]),
            "overdue_days": integers(days.ravel(), pa.int32()),
        },
    )

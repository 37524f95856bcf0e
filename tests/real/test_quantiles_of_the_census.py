"""Weeks worked of everybody in the census, half of whom work none and a third all: intervals hold, and are narrow."""

from __future__ import annotations

from fractions import Fraction

import pyarrow.parquet
import pytest
from tests.real.conftest import DATA, FILES
from tests.support.quantile_runs import runs

from louver_sandbox.mechanisms.release import Bounds

RUNS = 1_000


@pytest.mark.parametrize("share", [Fraction(1, 2), Fraction(9, 10)], ids=["median", "p90"])
def test_intervals_of_weeks_worked_hold_in_a_thousand_runs_and_are_hardly_wider_than_they_must(
    share: Fraction,
) -> None:
    """In at least 93 % the interval holds the true week, and the rank is as near as predicted. The ideal width is that
    of the middle 95 % of what is released: nothing, since a week is a whole bin that thousands are in."""
    path = DATA / FILES["census_person"]
    if not path.exists():
        pytest.skip(f"the real data folders are not here ({DATA.name}); set LOUVER_REAL_DATA to where they are")
    column = pyarrow.parquet.read_table(path, columns=["weeks_worked_in_year"]).column(0)
    found = runs(sorted(column.to_pylist()), Bounds(0, 52), share, RUNS)
    assert min(found.held, found.close) >= 0.93 * RUNS
    assert found.width <= 1.3 * found.ideal

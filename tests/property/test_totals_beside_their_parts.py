"""A total beside its own parts leaves exactly when what is left of it is certainly safe, on every small world.

Twice: as the naive protection says it, value by value, and against the rows that nobody was shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.support.generated_release import expected_answer
from tests.support.relations import firms, question, run

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import ThresholdRules

K = 3
EVEN, SIGNED = ("4.00", "5.00", "5.50", "6.00"), ("-6.00", "-5.00", "0.00", "4.00", "6.00")
VALUES = ("sum(revenue)", "avg(revenue)", "count(revenue)", "sum(staff)")

Row = Mapping[str, Any]


def districts(chance: Random) -> Iterator[Row]:
    """Returns of firms, by districts: many of one or two firms, some of four with a large one among them.

    A firm may have returns in several districts.
    """
    amounts = chance.choice([EVEN, EVEN, SIGNED])
    firms_in_all = chance.choice([6, 15, 60])
    for district in range(chance.randint(2, 12)):
        small = chance.random() < 0.7
        large = Decimal(chance.choice(["0.00", "9.00", "30.00", "300.00"]))
        for place in range(chance.randint(1, 2) if small else 4):
            yield {
                "uscc": f"f{chance.randrange(firms_in_all)}",
                "district": f"d{district}",
                "arrears": False,
                "revenue": None
                if chance.random() < 0.05
                else Decimal(chance.choice(amounts)) + (0 if place else large),
                "staff": chance.choice([1, 2, 3]),
                "score": None,
            }


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from(VALUES), st.integers(0, 9))
def test_a_total_leaves_when_what_is_left_of_it_is_safe(seed: int, value: str, remainder: int) -> None:
    rows = list(districts(Random(seed)))
    rules = ThresholdRules({UnitType.PERSON: 3, UnitType.ENTERPRISE: K}, remainder=remainder > 0)
    world = firms(rows)
    permit = question(
        world,
        f"SELECT district, {value} FROM gov.tax GROUP BY district UNION ALL SELECT 'all', {value} FROM gov.tax",
        rules=rules,
    )
    released = run(world, permit).release.rows
    expected = expected_answer(permit, world)  # type: ignore[arg-type]  # a world is as good as a generated one
    assert expected is not None
    assert Counter(map(repr, released)) == Counter(map(repr, expected))
    shown = {row[0]: row[1] for row in released}
    left = [row for row in rows if shown.get(row["district"]) is None]
    emptied = any(key != "all" and one is None for key, one in shown.items())
    event(f"left over: {bool(left)}, emptied: {emptied}, total told: {shown['all'] is not None}")
    if value == "sum(revenue)" and shown["all"] is not None and left:
        assert len({row["district"] for row in left}) > 1
        assert_is_safe(left)


def assert_is_safe(rows: Sequence[Row]) -> None:
    """Enough firms, none with too much, none that the second largest could estimate."""
    given: dict[str, Decimal] = {}
    for row in rows:
        given[row["uscc"]] = given.get(row["uscc"], Decimal(0)) + (row["revenue"] or Decimal(0))
    shares = sorted(map(abs, given.values()), reverse=True)
    assert sum(1 for share in shares if share) >= K
    assert shares[0] * 100 <= sum(shares) * 60
    assert (sum(shares) - shares[0] - shares[1]) * 100 >= shares[0] * 10

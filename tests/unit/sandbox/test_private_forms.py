"""Forms of questions under differential privacy that once failed or were answered wrongly: declared keys alone, values
far beyond their bounds, and what a dry run says of a question that has its answer already."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from tests.support.line import ask, call
from tests.support.policy_questions import BANK_B
from tests.support.private_line import PrivateLine, private_line
from tests.support.private_worlds import (
    BOTH,
    DISTRICTS,
    ENTERPRISE,
    PERSON,
    USUAL,
    answered,
    asked,
    planned,
    rules,
    world,
)
from tests.support.relations import Row, readings
from tests.support.seeded_noise import SeededSampler, Silent

from louver_sandbox.commit import Preview, preview
from louver_sandbox.obligations import PrivacyBalance
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, verify
from louver_sandbox.private_core import PrivateRules, Wish
from louver_sandbox.release.losses import GROUPS_DECLARED
from louver_sandbox.service import convert
from louver_sandbox.stages import Request

ACCOUNTS: list[Row] = [
    {"person_id": f"p{n}", "district": DISTRICTS[n % 2], "amount": Decimal(n % 90), "age": 20 + n % 3}
    for n in range(900)
]
WHOLE, FEW = world(accounts=ACCOUNTS), world(accounts=ACCOUNTS[:9])
ALL_DISTRICTS: list[tuple[object, ...]] = [(one,) for one in (*DISTRICTS, None)]

# -- declared keys alone

DECLARED_ALONE: dict[str, list[tuple[object, ...]]] = {
    "SELECT district FROM gov.account GROUP BY district": ALL_DISTRICTS,
    "SELECT DISTINCT district FROM gov.account": ALL_DISTRICTS,
    "SELECT district, district AS d FROM gov.account GROUP BY district": [(one, one) for (one,) in ALL_DISTRICTS],
    "SELECT district, upper(district) AS u FROM gov.account GROUP BY district": [
        *((one, one.upper()) for one in DISTRICTS),
        (None, None),
    ],
    "SELECT upper(district) AS u FROM gov.account GROUP BY u": [("D1",), ("D2",), ("D3",), (None,)],
    "SELECT DISTINCT district FROM gov.account ORDER BY district LIMIT 2": [("d1",), ("d2",)],
    "SELECT district FROM gov.account WHERE district IN ('d2') GROUP BY district": [("d2",)],
    "SELECT district FROM gov.account WHERE amount > 1000 GROUP BY district": ALL_DISTRICTS,
    "SELECT count(*) AS n FROM (SELECT DISTINCT district FROM gov.account) x": [(4,)],
    "SELECT amount > 50 AS a, amount > 50 AS b FROM gov.account GROUP BY a": [
        (False, False),
        (True, True),
        (None, None),
    ],
    "SELECT 1 AS one FROM gov.account GROUP BY district": [(1,)] * 4,
    "SELECT DISTINCT 1 AS one FROM gov.account": [(1,)],
    "SELECT 'x' AS k FROM gov.account GROUP BY k": [("x",)],
    "SELECT district, grouping(district) AS g FROM gov.account GROUP BY ROLLUP (district) HAVING grouping(district) = 1": [
        (None, 1)
    ],
    "SELECT DISTINCT district FROM gov.account INTERSECT SELECT DISTINCT district FROM gov.pay": ALL_DISTRICTS,
    "SELECT district FROM gov.pay GROUP BY district": ALL_DISTRICTS,
    "SELECT DISTINCT kind, district FROM gov.estate WHERE kind = 'P' AND district = 'd1'": [("P", "d1")],
}


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [*((sql, USUAL) for sql in DECLARED_ALONE), *((sql, BOTH) for sql in DECLARED_ALONE if "gov.pay" in sql)],
)
def test_declared_keys_alone_are_the_declared_values_and_cost_nothing(
    sql: str, allowed: tuple[PrivateRules, ...]
) -> None:
    for rows in (FEW, world()):
        found = answered(rows, sql, SeededSampler(1), allowed)
        assert sorted(found.rows, key=repr) == sorted(DECLARED_ALONE[sql], key=repr), "whatever the rows are"
        assert GROUPS_DECLARED in [notice.code for notice in found.notices]
        assert not found.accuracy
    assert not planned(FEW, sql, allowed).privacy


def test_keys_of_own_columns_alone_are_declared_values_too() -> None:
    tables = tuple(
        replace(one, columns=tuple(replace(item, unique=item.name == "mark") for item in one.columns))
        if str(one.name) == "bank_a.loan"
        else one
        for one in FEW.tables
    )
    own = "FROM bank_a.loan l JOIN gov.account a ON a.age = l.mark GROUP BY l.bad"
    found = answered(replace(FEW, tables=tables), f"SELECT l.bad {own}", SeededSampler(1))
    assert sorted(found.rows, key=repr) == [(False,), (None,), (True,)]
    assert len(answered(replace(FEW, tables=tables), f"SELECT l.bad, count(*) {own}", SeededSampler(1)).rows) == 3


def test_beside_numbers_declared_keys_cost_nothing_more() -> None:
    """A core of declared keys alone leaves the whole of the question's budget to the one with numbers."""
    counts = "(SELECT district, count(*) AS n FROM gov.account GROUP BY district) b"
    keys = "(SELECT district FROM gov.account GROUP BY district) a"
    beside = planned(WHOLE, f"SELECT a.district, n FROM {keys} JOIN {counts} ON a.district = b.district")
    assert beside.privacy == planned(WHOLE, "SELECT district, count(*) FROM gov.account GROUP BY district").privacy


def test_keys_that_only_rows_name_are_still_listed_by_a_threshold() -> None:
    made = planned(WHOLE, "SELECT age FROM gov.account GROUP BY age")
    assert made.privacy[0].cost.delta > 0
    assert {row[0] for row in answered(WHOLE, "SELECT DISTINCT age FROM gov.account", SeededSampler(1)).rows} == {
        20,
        21,
        22,
    }


def test_a_wish_for_declared_keys_is_free_and_an_epsilon_buys_nothing() -> None:
    permit = asked(WHOLE, "SELECT DISTINCT district FROM gov.account")
    request = replace(permit.bound.request, wish=Wish(epsilon=Fraction(1, 10)))
    assert not plan(replace(permit, bound=replace(permit.bound, request=request))).privacy


def test_what_has_noise_and_costs_nothing_is_a_fault_as_before() -> None:
    made = planned(WHOLE, "SELECT district, count(*) FROM gov.account GROUP BY district")
    free = planned(WHOLE, "SELECT district FROM gov.account GROUP BY district")
    for wrong in (replace(made, privacy=()), replace(free, privacy=made.privacy)):
        with pytest.raises(PlanUnverified, match="costs nothing"):
            verify(wrong, readings(wrong))


# -- values beyond their bounds

ESTATES = (rules("gov.estate", PERSON, rows=3), rules("gov.estate", ENTERPRISE, exempt="public"))
MEASURES = "sum(area), avg(area), stddev_pop(area), median(area), min(area), max(area), count(area), avg(area * 2)"


def of_areas(*areas: float | None) -> tuple[object, ...]:
    rows: list[Row] = [{"owner": f"p{n}", "kind": "P", "district": "d1", "area": v} for n, v in enumerate(areas)]
    (found,) = answered(world(estates=rows), f"SELECT {MEASURES} FROM gov.estate", Silent(), ESTATES).rows
    return found


@pytest.mark.parametrize("size", [21.0, 1e25])
def test_a_value_beyond_its_bounds_counts_as_the_bound(size: float) -> None:
    for found, bound in ((size, 20.0), (-size, -5.0)):
        *exact, computed = of_areas(1.0, 2.0, found)
        *held, of_bound = of_areas(1.0, 2.0, bound)
        assert exact == held
        assert computed == pytest.approx(of_bound), "the range of what is computed in doubles is rounded outwards"


@pytest.mark.parametrize("size", [1e33, sys.float_info.max])
def test_however_far_it_is(size: float) -> None:
    """Arithmetic over 10^26 is NULL in every answer; a stored value is not."""
    assert of_areas(1.0, 2.0, size)[:-1] == of_areas(1.0, 2.0, 20.0)[:-1]
    assert of_areas(1.0, 2.0, -size)[:-1] == of_areas(1.0, 2.0, -5.0)[:-1]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_is_missing(value: float) -> None:
    """Publishing makes it NULL; a snapshot that held one all the same would be read as if it had."""
    assert of_areas(1.0, 2.0, value) == of_areas(1.0, 2.0, None)


# -- a dry run of a stored question

QUESTION = "SELECT district, count(*) AS n FROM gov.account GROUP BY district"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PrivateLine]:
    with private_line(tmp_path, FEW) as made:
        yield made


def foreseen(line: PrivateLine, request: Request) -> Preview:
    with line.books.state.reading() as tx:
        return preview(tx, line.pipeline.explain(request), request, line.clock())


def test_what_a_dry_run_says_is_what_is_charged_also_of_a_stored_answer(line: PrivateLine) -> None:
    first = foreseen(line, ask(QUESTION))
    assert not first.stored
    paid = line.pipeline.answer(ask(QUESTION, "r1"), call()).answer
    assert paid.privacy == first.privacy
    assert first.privacy[0].cost.rho > 0
    for number in range(2):
        again = foreseen(line, ask(QUESTION.replace("  ", " ")))
        assert again.stored
        assert again.balances == first.balances, "as the first has left them"
        spent = line.spent_losses()
        kept = line.pipeline.answer(ask(QUESTION, f"again{number}"), call())
        assert kept.stored
        assert line.spent_losses() == spent
        assert kept.answer.privacy == again.privacy
        assert _costs(again.privacy) == [0]
    told = convert.explanation(line.pipeline.explain(ask(QUESTION)), "SELECT 1", again)
    assert (dict(told.cost), [one.free for one in told.privacy]) == ({}, [True])
    assert "STORED" in [notice.code for notice in told.notices]
    assert not foreseen(line, ask(QUESTION.replace("count(*)", "sum(amount)"))).stored


def _costs(balances: tuple[PrivacyBalance, ...]) -> list[Fraction]:
    return [one.cost.rho for one in balances]


def test_another_institution_is_told_of_a_shared_release_only_where_policy_shares_it(line: PrivateLine) -> None:
    other = replace(ask(QUESTION), subject=BANK_B)
    assert not foreseen(line, other).stored
    line.pipeline.answer(ask(QUESTION, "r1"), call())
    assert foreseen(line, other).stored
    assert line.pipeline.answer(replace(other, id="r2"), call()).stored
    (rule,) = line.allowed
    assert rule.terms is not None
    line.allowed = (replace(rule, terms=replace(rule.terms, shared=False)),)
    own = QUESTION.replace("n FROM", "m FROM")
    line.pipeline.answer(ask(own, "r3"), call())
    apart = foreseen(line, replace(ask(own), subject=BANK_B))
    assert (apart.stored, apart.privacy[0].cost.rho > 0) == (False, True)


def test_a_stored_answer_is_foreseen_when_the_budget_is_spent(line: PrivateLine) -> None:
    """It was refused though asking would have been free."""
    (rule,) = line.allowed
    assert rule.terms is not None
    line.allowed = (replace(rule, terms=replace(rule.terms, allowance=rule.each)),)
    line.pipeline.answer(ask(QUESTION, "r1"), call())
    assert foreseen(line, ask(QUESTION)).stored

"""Plans under differential privacy: what is bounded, which groups are public, what it costs, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.private_worlds import (
    BOTH,
    DISTRICTS,
    ENTERPRISE,
    PERSON,
    USUAL,
    asked,
    executed,
    planned,
    rules,
    world,
)
from tests.support.relations import Row, readings

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, verify
from louver_sandbox.private_core import PrivateCells, PrivateRules
from louver_sandbox.release.losses import private_notices
from louver_sandbox.stages import Plan

EMPTY = world()


def core(made: Plan) -> tuple[CorePlan, PrivateCells]:
    (found,) = made.cores
    assert found.private is not None
    return found, found.private


def domain(keys: str, where: str = "") -> tuple[tuple[Value, ...], ...] | None:
    made = planned(EMPTY, f"SELECT count(*) FROM gov.account {where} GROUP BY {keys}")
    return core(made)[1].domain


# -- groups


def test_declared_values_and_what_is_computed_from_them_are_public() -> None:
    assert domain("district") == ((*DISTRICTS, None),)
    assert domain("district", "WHERE district IN ('d2', 'd3')") == (("d2", "d3"),)
    assert domain("amount > 50") == ((False, True, None),)
    assert domain("CASE WHEN district = 'd1' THEN 'centre' ELSE 'rest' END") == (("centre", "rest"),)
    assert domain("age // 10", "WHERE age BETWEEN 20 AND 49") == ((2, 3, 4, None),)
    assert domain("floor(amount / 50)::INT", "WHERE amount IS NOT NULL") == ((0, 1, 2, None),)


def test_other_groups_are_listed_by_a_threshold_and_cost_delta() -> None:
    made = planned(EMPTY, "SELECT age, count(*) FROM gov.account GROUP BY age")
    found, private = core(made)
    assert (private.domain, private.units) == (None, "v1")
    assert private.tau > 5
    (charge,) = made.privacy
    assert 0 < charge.cost.delta <= Fraction(1, 10**6)
    assert not planned(EMPTY, "SELECT count(*) FROM gov.account").privacy[0].cost.delta
    assert found.columns[1].name == "v1"


# -- what it costs


def test_what_is_charged_is_what_policy_gives_a_question_and_hardly_less() -> None:
    for select in ("count(*)", "sum(amount)", "avg(amount), count(*)", "var_samp(amount)"):
        (charge,) = planned(EMPTY, f"SELECT {select} FROM gov.account").privacy
        assert Fraction(999, 1000) * Fraction(1, 4) < charge.cost.rho <= Fraction(1, 4)
        assert (charge.dataset, charge.purpose, charge.terms.unit) == ("gov.account", "RESEARCH", PERSON)


SELECTS = (
    "count(*)",
    "count(amount), avg(amount)",
    "sum(amount) FILTER (WHERE month = 1), var_pop(amount)",
    "stddev_samp(amount * 2)",
)
KEYS = ("", "district", "month", "district, amount > 5", "ROLLUP(district)")


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("allowed", [USUAL, BOTH], ids=["persons", "both"])
def test_a_preview_is_the_charge_and_neither_is_above_what_a_question_may_cost(
    keys: str, allowed: tuple[PrivateRules, ...]
) -> None:
    each = {(one.dataset, one.unit): one.each for one in allowed}
    for select in SELECTS:
        sql = f"SELECT {select} FROM gov.pay" + (f" GROUP BY {keys}" if keys else "")
        if keys == "month" and allowed is BOTH:
            with pytest.raises(Refused, match="LVR-2355"):
                plan(asked(EMPTY, sql, allowed))
            continue
        preview, charge = (plan(asked(EMPTY, sql, allowed)) for _ in range(2))
        assert preview == charge
        assert private_notices(preview) == private_notices(charge)
        assert charge.privacy
        for one in charge.privacy:
            assert one.cost.within(each[one.dataset, one.terms.unit])
            assert any(notice.rule == f"{one.dataset}/{one.terms.unit.value}" for notice in private_notices(charge))


def test_parts_of_a_question_share_what_it_may_cost_a_dataset() -> None:
    counts = "SELECT a.n, b.n FROM (SELECT count(*) AS n FROM gov.{}) a, (SELECT count(*) AS n FROM gov.{}) b"
    (alone,) = planned(EMPTY, "SELECT count(*) FROM gov.account").privacy
    one = planned(EMPTY, counts.format("account", "account WHERE district = 'd1'"))
    (charge,) = one.privacy
    assert charge.cost.rho <= Fraction(1, 4)
    scales = [noisy.scale for core in one.cores if core.private is not None for noisy in core.private.noisy]
    assert len(scales) == 2
    assert scales[0] == scales[1]
    two = planned(EMPTY, counts.format("account", "pay"))
    assert {charge.dataset: charge.cost.rho <= Fraction(1, 4) for charge in two.privacy} == {
        "gov.account": True,
        "gov.pay": True,
    }
    assert two.privacy[0].cost == alone.cost, "another dataset's budget takes nothing of this one's"


def test_persons_and_firms_are_charged_each_what_they_lose() -> None:
    made = planned(EMPTY, "SELECT district, count(*) FROM gov.pay GROUP BY district", BOTH)
    costs = {charge.terms.unit: charge.cost.rho for charge in made.privacy}
    assert costs[ENTERPRISE] > costs[PERSON] > 0
    assert costs[ENTERPRISE] <= Fraction(1, 4)


def test_an_average_centres_its_values_and_shares_a_sum_that_is_asked_for_as_well() -> None:
    (_, alone), (_, beside) = (
        core(planned(EMPTY, f"SELECT {select} FROM gov.account"))
        for select in ("avg(amount)", "avg(amount), sum(amount)")
    )
    assert [one.least for one in alone.noisy] == [0, None]
    assert (alone.measures[0].centre, beside.measures[0].centre) == (5000, 0)
    assert len(beside.noisy) == 2


# -- what a worker computes


def test_rows_count_as_bounded_and_clipped_and_whole() -> None:
    rows: list[Row] = [
        {"person_id": "p1", "uscc": "f1", "district": "d1", "amount": Decimal("7.77"), "month": n} for n in range(9)
    ]
    rows.append({"person_id": "p2", "uscc": None, "district": "d1", "amount": Decimal("100000"), "month": 1})
    rows.append({"person_id": None, "uscc": "f1", "district": "d1", "amount": Decimal("1"), "month": 1})
    made = planned(world(rows), "SELECT count(*), sum(amount), count(DISTINCT person_id) FROM gov.pay")
    assert executed(world(rows), made).rows == (((4 + 1, 4 * 10000 - 4 * 10000 + 9 * 777 + 10000, 2),),)
    together = planned(world(rows), "SELECT count(*), sum(amount) FROM gov.pay", BOTH)
    assert executed(world(rows), together).rows == (((6 + 1, 9 * 777 + 10000),),)


def test_an_inner_sum_of_one_person_counts_with_all_declared_rows() -> None:
    rows: list[Row] = [
        {"person_id": "p1", "uscc": "f1", "district": "d1", "amount": Decimal(90), "month": n} for n in range(4)
    ]
    sql = (
        "SELECT count(*), sum(x.n), sum(x.s) FROM "
        "(SELECT person_id, count(*) AS n, sum(amount) AS s FROM gov.pay GROUP BY person_id) x"
    )
    made = planned(world(rows), sql)
    assert executed(world(rows), made).rows == (((1, 4, 36000),),)


def test_a_row_that_says_two_kinds_of_owner_counts_for_nobody() -> None:
    estates = world().tables[3]
    same = replace(
        estates, units=(replace(estates.units[0], when="kind=P"), replace(estates.units[1], when="kind=P"))
    )
    both = replace(EMPTY, tables=(*EMPTY.tables[:3], same, EMPTY.tables[4]))
    rows = {**EMPTY.rows, estates.name: [{"owner": "p1", "kind": "P", "district": "d1", "area": 1.0}]}
    made = planned(both, "SELECT count(*) FROM gov.estate")
    assert executed(replace(both, rows=rows), made).rows == (((0,),),)


# -- refused

REFUSED = {
    "SELECT max(district) FROM gov.account": "LVR-2350",
    "SELECT corr(amount, amount) FROM gov.account": "LVR-2350",
    "SELECT count(*) FROM bank_a.loan l LEFT JOIN gov.account a ON a.person_id = l.id_no": "LVR-2351",
    "SELECT count(*) FROM gov.account a WHERE EXISTS (SELECT 1 FROM gov.person p WHERE p.person_id = a.person_id)": "LVR-2351",
    "SELECT count(*) FROM (SELECT district FROM gov.account UNION ALL SELECT district FROM gov.pay) x": "LVR-2351",
    "SELECT count(*) FROM gov.account a JOIN bank_a.loan l ON l.id_no = a.person_id": "LVR-2352",
    "SELECT count(*) FROM gov.account a JOIN gov.person p ON p.street = a.district": "LVR-2353",
    "SELECT sum(age) FROM gov.account": "LVR-2354",
    "SELECT count(DISTINCT district) FROM gov.account": "LVR-2303",
    "SELECT x.n FROM gov.account a JOIN (SELECT district, count(*) AS n FROM gov.pay GROUP BY 1) x ON x.n > 1 AND x.district = a.district GROUP BY 1": "LVR-2304",
}


@pytest.mark.parametrize(("sql", "code"), REFUSED.items(), ids=list(REFUSED.values()))
def test_what_cannot_be_bounded_is_refused(sql: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(EMPTY, sql)
    assert refused.value.code == code
    assert refused.value.message_zh


def test_the_missing_declaration_is_named() -> None:
    with pytest.raises(Refused) as refused:
        planned(EMPTY, "SELECT count(*) FROM gov.account a JOIN bank_a.loan l ON l.id_no = a.person_id")
    assert refused.value.details["missing"] == "unique of bank_a.loan.id_no"
    with pytest.raises(Refused) as refused:
        planned(
            EMPTY,
            "SELECT count(*) FROM gov.pay",
            (*USUAL[:1], rules("gov.pay", PERSON), rules("gov.pay", ENTERPRISE)),
        )
    assert refused.value.details["missing"] == "rows_per_unit of gov.pay"


@pytest.mark.parametrize(
    ("allowed", "code", "sql"),
    [
        (BOTH, "LVR-2355", "SELECT month, count(*) FROM gov.pay GROUP BY month"),
        ((rules("gov.account", PERSON, exempt="a test"),), "LVR-2356", "SELECT count(*) FROM gov.account"),
        (
            (rules("gov.account", PERSON, rho=Fraction(1, 10**18)),),
            "LVR-2357",
            "SELECT var_pop(amount) FROM gov.account",
        ),
    ],
    ids=["groups", "exempt", "too little"],
)
def test_what_policy_leaves_no_answer_for_is_refused(allowed: tuple[PrivateRules, ...], code: str, sql: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(EMPTY, sql, allowed)
    assert refused.value.code == code


# -- law 10


def test_a_plan_without_its_noise_or_its_cut_is_not_sent() -> None:
    made = plan(asked(EMPTY, "SELECT district, count(*), sum(amount) FROM gov.pay GROUP BY district"))
    found, private = core(made)
    wrong = [
        replace(found, private=None),
        replace(found, private=replace(private, noisy=private.noisy[1:])),
        replace(found, private=replace(private, domain=None)),
        replace(found, private=replace(private, domain=())),
        replace(found, unit_groups=()),
        replace(found, statement=found.statement.replace(' ANTI JOIN "over" ', ' SEMI JOIN "over" ')),
    ]
    for broken in wrong:
        with pytest.raises(PlanUnverified):
            verify(replace(made, cores=(broken,)), readings(made))
    with pytest.raises(PlanUnverified):
        verify(replace(made, privacy=()), readings(made))
    verify(made, readings(made))

"""What a caller wants of privacy loss or accuracy, planned: epsilon at the policy's delta, or the least cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import pytest
from tests.support.private_worlds import ENTERPRISE, PERSON, USUAL, asked, rules, world
from tests.support.relations import World, enterprise, person, question

from louver.errors import Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.mechanisms.grid import joined
from louver_sandbox.mechanisms.noise import DiscreteGaussian, Sensitivity, half_width
from louver_sandbox.plan.plan import plan
from louver_sandbox.privacy.conversion import epsilon_of, rho_of
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.private_core import NoisyColumn, PrivateRanks, PrivateRules, WantedAccuracy, Wish
from louver_sandbox.release.losses import predicted
from louver_sandbox.stages import Plan

EMPTY = world()
BOTH_ALIKE = (rules("gov.pay", PERSON), rules("gov.pay", ENTERPRISE, rows=6, rho=Fraction(1, 8)))


def wanting(
    sql: str,
    *wanted: WantedAccuracy,
    epsilon: Fraction | None = None,
    allowed: Iterable[PrivateRules] = USUAL,
    of: World = EMPTY,
) -> Plan:
    permit = asked(of, sql, allowed)
    wish = Wish(epsilon, wanted) if wanted or epsilon else None
    return plan(replace(permit, bound=replace(permit.bound, request=replace(permit.bound.request, wish=wish))))


def within(amount: int | Fraction, column: str = "", **more: object) -> WantedAccuracy:
    return replace(WantedAccuracy(column, Fraction(amount)), **more)  # type: ignore[arg-type]


def noisy(made: Plan) -> list[NoisyColumn]:
    return [one for core in made.cores if core.private is not None for one in core.private.noisy]


def refused(
    sql: str, *wanted: WantedAccuracy, epsilon: Fraction | None = None, allowed: Iterable[PrivateRules] = USUAL
) -> Refused:
    with pytest.raises(Refused) as found:
        wanting(sql, *wanted, epsilon=epsilon, allowed=allowed)
    assert found.value.message_zh
    assert found.value.hint_zh
    return found.value


# -- by epsilon


@pytest.mark.parametrize("epsilon", [Fraction(1, 100), Fraction(1, 2), Fraction(3)])
def test_an_epsilon_is_paid_at_the_policys_delta_and_not_exceeded(epsilon: Fraction) -> None:
    for sql in ("SELECT count(*) FROM gov.account", "SELECT age, avg(amount) FROM gov.account GROUP BY age"):
        (charge,) = wanting(sql, epsilon=epsilon).privacy
        delta = Fraction(2, 10**6)
        paid = epsilon_of(PrivacyCost(charge.cost.rho, delta / 2), delta)
        assert Fraction(99, 100) * epsilon < paid <= epsilon
        assert charge.cost.delta <= delta / 2
        assert charge.delta == delta


def test_an_epsilon_above_what_one_question_may_cost_is_refused_with_the_most() -> None:
    (found,) = (refused("SELECT count(*) FROM gov.account", epsilon=Fraction(4)),)
    assert found.code == "LVR-2366"
    most = Fraction(found.details["most_epsilon"])
    assert wanting("SELECT count(*) FROM gov.account", epsilon=most).privacy
    assert rho_of(most, Fraction(2, 10**6), Fraction(1, 10**6)).rho <= Fraction(1, 4)
    assert refused("SELECT count(*) FROM gov.account", epsilon=most + Fraction(1, 10)).code == "LVR-2366"


def test_every_dataset_is_charged_what_the_epsilon_is_there() -> None:
    sql = "SELECT count(*) FROM gov.account a JOIN gov.person p USING (person_id)"
    other = rules("gov.person", PERSON, delta=Fraction(1, 10**8))
    charges = wanting(sql, epsilon=Fraction(1), allowed=(*USUAL[:1], other)).privacy
    assert len(charges) == 2
    for charge in charges:
        assert charge.cost.rho <= rho_of(Fraction(1), Fraction(2, 10**8), Fraction(1, 10**8)).rho
        assert charge.cost.rho > 0


# -- by accuracy


@pytest.mark.parametrize("limit", [3, 20, 1000])
def test_a_count_is_as_exact_as_wanted_for_the_least_that_it_costs(limit: int) -> None:
    made = wanting("SELECT district, count(*) AS n FROM gov.account GROUP BY district", within(limit, "n"))
    (column,) = noisy(made)
    assert half_width(DiscreteGaussian(column.scale)) <= limit
    assert half_width(DiscreteGaussian(column.scale * Fraction(1002, 1000))) > limit, (
        "a thousandth less costs too little"
    )
    (exactness,) = predicted(made)
    assert exactness.above == str(half_width(DiscreteGaussian(column.scale)))
    assert made.privacy[0].cost.rho < Fraction(1, 4)


def test_a_share_is_of_what_the_caller_expects() -> None:
    sql = "SELECT count(*) AS n, sum(amount) AS s FROM gov.account"
    of_size = wanting(
        sql, within(2, "n", percent=True, of=Fraction(5000)), within(1, "s", percent=True, of=Fraction(90_000))
    )
    plain = wanting(sql, within(100, "n"), within(900, "s"))
    assert noisy(of_size) == noisy(plain)
    assert of_size.question == plain.question
    widths = {one.column: Fraction(one.above) for one in predicted(plain)}
    assert widths["n"] <= 100
    assert widths["s"] <= 900


def test_a_share_of_nothing_stated_is_of_the_declared_number_of_subjects_where_all_are_counted() -> None:
    accounts = replace(EMPTY.tables[0], units=(person(rows_per_unit=1),))
    declared = replace(accounts, units=(replace(accounts.units[0], at_least=5000),))
    known = replace(EMPTY, tables=(declared, *EMPTY.tables[1:]))
    share = within(2, "n", percent=True)
    made = wanting("SELECT count(*) AS n FROM gov.account", share, of=known)
    assert noisy(made) == noisy(wanting("SELECT count(*) AS n FROM gov.account", within(100, "n")))
    for sql in (
        "SELECT count(*) AS n FROM gov.account WHERE district = 'd1'",
        "SELECT district, count(*) AS n FROM gov.account GROUP BY district",
    ):
        with pytest.raises(Refused, match="LVR-2369"):
            wanting(sql, share, of=known)
    assert refused("SELECT count(*) AS n FROM gov.account", share).code == "LVR-2369"


def test_an_average_needs_the_number_of_its_values() -> None:
    sql = "SELECT district, avg(amount) AS m FROM gov.account GROUP BY district"
    assert refused(sql, within(1, "m")).code == "LVR-2369"
    few, many = (wanting(sql, within(1, "m", among=among)).privacy[0].cost.rho for among in (2000, 20_000))
    assert many < few
    assert refused(sql, within(1, "m", among=1)).code in ("LVR-2370", "LVR-2374")
    assert (
        refused("SELECT avg(amount) AS m FROM gov.account", within(Fraction(1, 1000), "m", among=2)).code
        == "LVR-2374"
    )


def test_what_nobody_wants_anything_of_is_no_more_exact_than_the_least_that_is_wanted() -> None:
    sql = "SELECT count(*) AS n, sum(amount) AS s FROM gov.account"
    one = wanting(sql, within(100, "n"))
    both = wanting(sql, within(100, "n"), within(10_000, "s"))
    widths = {item.column: Fraction(item.above) for item in predicted(one)}
    assert widths["n"] <= 100
    assert Fraction(9900) < widths["s"] <= Fraction(10_100), "as many rows' worth"
    assert abs(one.privacy[0].cost.rho - both.privacy[0].cost.rho) < one.privacy[0].cost.rho / 20


def test_totals_are_as_exact_as_wanted_too() -> None:
    made = wanting("SELECT district, count(*) AS n FROM gov.account GROUP BY ROLLUP(district)", within(50, "n"))
    alone = wanting("SELECT district, count(*) AS n FROM gov.account GROUP BY district", within(50, "n"))
    assert noisy(alone)[0].scale / 3 < noisy(made)[0].scale < noisy(alone)[0].scale


def test_an_accuracy_out_of_reach_is_refused_with_what_it_would_need() -> None:
    sql = "SELECT count(*) AS n FROM gov.account"
    found = refused(sql, within(1))
    assert found.code == "LVR-2370"
    assert Fraction(found.details["needed_epsilon"]) > Fraction(found.details["most_epsilon"])
    times = Fraction(found.details["times"])
    assert wanting(sql, within(1 * times * 2)).privacy, "the hint is worth following"
    dearer = tuple(rules("gov.account", PERSON, rho=Fraction(20)) for _ in range(1))
    assert half_width(DiscreteGaussian(noisy(wanting(sql, within(1), allowed=dearer))[0].scale)) <= 1


@pytest.mark.parametrize(
    ("sql", "wanted", "code"),
    [
        ("SELECT count(*) AS n FROM gov.account", within(5, "m"), "LVR-2368"),
        ("SELECT district, count(*) AS n FROM gov.account GROUP BY district", within(5, "district"), "LVR-2368"),
        ("SELECT district FROM gov.account GROUP BY district", within(5), "LVR-2368"),
        ("SELECT count(*) + 1 AS n FROM gov.account", within(5, "n"), "LVR-2371"),
        ("SELECT var_pop(amount) AS v FROM gov.account", within(5), "LVR-2371"),
        ("SELECT age, count(*) AS n FROM gov.account GROUP BY ROLLUP(age)", within(5), "LVR-2371"),
    ],
)
def test_what_cannot_be_predicted_is_refused(sql: str, wanted: WantedAccuracy, code: str) -> None:
    assert refused(sql, wanted).code == code


def test_a_computed_column_is_no_reason_to_refuse_a_wish_for_its_parts() -> None:
    made = wanting("SELECT count(*) AS n, count(*) * 2 AS twice FROM gov.account", within(10, "n"))
    assert half_width(DiscreteGaussian(noisy(made)[0].scale)) <= 10


def test_an_answer_without_noise_has_nothing_to_ask_for() -> None:
    permit = question(replace(EMPTY, tables=EMPTY.tables), "SELECT count(*) FROM gov.account")
    request = replace(permit.bound.request, wish=Wish(Fraction(1)))
    with pytest.raises(Refused, match="LVR-2373"):
        plan(replace(permit, bound=replace(permit.bound, request=request)))


# -- quantiles


RANKED = "SELECT district, count(*) AS n, avg(amount) AS a, median(amount) AS m FROM gov.account GROUP BY district"


def ranks(made: Plan) -> list[PrivateRanks]:
    return [one for core in made.cores if core.private is not None for one in core.private.ranks]


@pytest.mark.parametrize("epsilon", [None, Fraction(1, 2), Fraction(2)])
def test_quantiles_share_what_an_epsilon_pays_for(epsilon: Fraction | None) -> None:
    made = wanting(RANKED, epsilon=epsilon)
    (charge,) = made.privacy
    (of,) = ranks(made)
    most = Fraction(1, 4) if epsilon is None else rho_of(epsilon, Fraction(2, 10**6), Fraction(1, 10**6)).rho
    assert most * (1 - Fraction(1, 2**30)) < charge.cost.rho <= most
    counting = DiscreteGaussian(noisy(made)[0].scale).cost(Sensitivity(1)).rho
    tree = DiscreteGaussian(of.scale).cost(joined(of.segments).sensitivity()).rho
    assert counting < tree < charge.cost.rho
    said = {one.column: Fraction(one.share) for one in predicted(made)}
    assert said.keys() == {"n", "a", "m"}
    assert abs(sum(said.values(), Fraction(0)) - 100) < 1
    assert abs(said["m"] - 100 * tree / charge.cost.rho) < 1


def test_quantiles_of_two_cores_share_one_question() -> None:
    sql = (
        "WITH a AS (SELECT median(amount) AS m FROM gov.account), "
        "b AS (SELECT count(*) AS n FROM gov.account) SELECT a.m, b.n FROM a CROSS JOIN b"
    )
    (charge,) = wanting(sql).privacy
    assert Fraction(999, 4000) < charge.cost.rho <= Fraction(1, 4)


def test_how_exact_a_quantile_is_cannot_be_wanted_and_it_is_no_more_exact_than_what_is() -> None:
    assert refused(RANKED, within(1, "m")).code == "LVR-2371"
    assert refused(RANKED, within(100, among=5000)).code == "LVR-2371"
    assert refused("SELECT median(amount) AS m FROM gov.account", within(5)).code == "LVR-2371"
    (few,), (many,) = (ranks(wanting(RANKED, within(limit, "n"))) for limit in (50, 500))
    assert Fraction(99, 100) < many.scale / few.scale / 10 < Fraction(101, 100)


def test_a_policy_demands_the_accuracy_of_a_quantiles_rank() -> None:
    sql = "SELECT median(amount) AS m FROM gov.account"
    (said,) = predicted(wanting(sql))
    rank = int(said.message.split("±")[1].split()[0])
    assert wanting(sql, allowed=demanding(rank)).privacy
    found = refused(sql, allowed=demanding(rank - 1))
    assert found.code == "LVR-2372"


# -- copies of a table


def test_an_epsilon_is_paid_once_for_a_table_and_its_copy_by_the_strictest_terms() -> None:
    copy = replace(EMPTY.tables[0], name=TableName("gov", "again"), copy_of=EMPTY.tables[0].name)
    whole = replace(EMPTY, tables=(*EMPTY.tables, copy), rows={**EMPTY.rows, copy.name: ()})
    allowed = (rules("gov.account", PERSON), rules("gov.again", PERSON, rho=Fraction(1, 50)))
    sql = "SELECT a.n, b.m FROM (SELECT count(*) AS n FROM gov.account) a, (SELECT count(*) AS m FROM gov.again) b"
    (charge,) = wanting(sql, epsilon=Fraction(1, 2), allowed=allowed, of=whole).privacy
    most = rho_of(Fraction(1, 2), Fraction(2, 10**6), Fraction(1, 10**6)).rho
    assert charge.dataset == "gov.account"
    assert Fraction(99, 100) * most < charge.cost.rho <= most < Fraction(1, 50)
    with pytest.raises(Refused, match="LVR-2366"):
        wanting(sql, epsilon=Fraction(2), allowed=allowed, of=whole)


# -- what policy demands


def demanding(accuracy: int, **more: Fraction) -> tuple[PrivateRules, ...]:
    return (replace(rules("gov.account", PERSON, **more), accuracy=accuracy),)  # type: ignore[arg-type]


def test_what_is_less_exact_than_policy_demands_is_refused_with_the_epsilon_that_would_do() -> None:
    sql = "SELECT count(*) AS n FROM gov.account"
    assert wanting(sql, allowed=demanding(10)).privacy
    found = refused(sql, epsilon=Fraction(1, 10), allowed=demanding(10))
    assert found.code == "LVR-2372"
    needed = Fraction(found.details["needed_epsilon"])
    assert wanting(sql, epsilon=needed * Fraction(11, 10), allowed=demanding(10)).privacy
    assert refused(sql, epsilon=needed * Fraction(8, 10), allowed=demanding(10)).code == "LVR-2372"
    assert refused(sql, within(100), allowed=demanding(10)).code == "LVR-2372"
    assert refused("SELECT var_pop(amount) FROM gov.account", allowed=demanding(3)).code == "LVR-2372"
    # A sum is judged by the most that one row adds, here 100: the same noise in rows' worth.
    assert wanting("SELECT sum(amount) FROM gov.account", allowed=demanding(3)).privacy


# -- identity


def test_another_epsilon_is_another_question_and_the_same_is_the_same() -> None:
    sql = "SELECT district, count(*) AS n FROM gov.account GROUP BY district"
    half, again, third = (wanting(sql, epsilon=Fraction(1, n)) for n in (2, 2, 3))
    assert half == again
    assert half.question == again.question
    assert half.question != third.question
    assert half.privacy[0].cost.rho > third.privacy[0].cost.rho
    assert wanting(sql).question not in (half.question, third.question)


def test_two_accuracies_that_need_the_same_noise_are_one_question() -> None:
    sql = "SELECT count(*) AS n FROM gov.account"
    assert wanting(sql, within(50)).question == wanting(sql, within(Fraction(101, 2))).question


# -- persons and enterprises at once


def test_where_two_kinds_are_protected_each_pays_what_it_loses_and_no_more_than_asked_for() -> None:
    sql = "SELECT district, count(*) AS n, sum(amount) AS s FROM gov.pay GROUP BY district"
    charges = {one.terms.unit: one.cost.rho for one in wanting(sql, epsilon=Fraction(1), allowed=BOTH_ALIKE).privacy}
    assert set(charges) == {PERSON, ENTERPRISE}
    most = rho_of(Fraction(1), Fraction(2, 10**6), Fraction(1, 10**6)).rho
    assert Fraction(99, 100) * most < max(charges.values()) <= most


def test_enterprises_alone_are_counted_too() -> None:
    made = replace(EMPTY.tables[1], units=(enterprise(rows_per_unit=7),))
    known = replace(EMPTY, tables=(EMPTY.tables[0], made, *EMPTY.tables[2:]))
    allowed = (rules("gov.pay", ENTERPRISE),)
    (column,) = noisy(wanting("SELECT count(*) AS n FROM gov.pay", within(60), allowed=allowed, of=known))
    assert half_width(DiscreteGaussian(column.scale)) <= 60

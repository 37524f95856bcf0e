"""What planning promises for a protected question: units are counted, and what cannot be judged is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.relations import World, admitted, agg, enterprise, firms, named, person, question, ref

from louver.errors import Refused
from louver_sandbox.algebra.relations import Aggregate, Limit, Project, Scan
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import PrivacyUnit, UnitType
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.stages import OutputColumn, Plan


def planned(sql: str, world: World | None = None) -> Plan:
    return plan(question(world or firms(), sql))


@pytest.mark.parametrize(
    ("code", "sql"),
    [
        ("LVR-2301", "SELECT district FROM gov.tax"),
        ("LVR-2302", "SELECT max(revenue) FROM gov.tax"),
        ("LVR-2303", "SELECT count(DISTINCT district) FROM gov.tax"),
        ("LVR-2303", "SELECT count(DISTINCT uscc) FILTER (WHERE arrears) FROM gov.tax"),
        (
            "LVR-2304",
            "SELECT avg(n) FROM (SELECT t.uscc, count(*) AS n FROM gov.tax t "
            "JOIN gov.registry r ON r.section = t.district GROUP BY t.uscc) x",
        ),
        ("LVR-2306", "SELECT sum(l.balance) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no"),
        (
            "LVR-2306",
            "SELECT sum(CASE l.branch WHEN 'a' THEN 1 WHEN 'b' THEN 2 WHEN 'c' THEN 4 END) "
            "FROM loan l JOIN gov.tax t ON t.uscc = l.id_no",
        ),
        (
            "LVR-2310",
            "SELECT sum(n.w) FROM (SELECT id_no, count(*) AS w FROM loan GROUP BY id_no) n "
            "JOIN gov.tax t ON t.uscc = n.id_no",
        ),
        ("LVR-2310", "SELECT sum(revenue - revenue) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(revenue * 0) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(abs(revenue)) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(round(revenue / 1000000)) FROM gov.tax"),
        ("LVR-2310", "SELECT sum((revenue / 1000000)::INT) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(revenue / staff) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(revenue / 0) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(a.revenue * b.revenue) FROM gov.tax a JOIN gov.tax b USING (uscc)"),
        (
            "LVR-2310",
            "SELECT sum(revenue * (1 + staff) * (2 + score) * (1 - arrears::INT) * (staff - revenue)) FROM gov.tax",
        ),
        ("LVR-2310", "SELECT sum(staff / staff) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(staff * staff) FROM gov.tax"),
        ("LVR-2310", "SELECT sum(CASE district WHEN 'a' THEN 1 WHEN 'b' THEN 2 END) FROM gov.tax"),
        (
            "LVR-2311",
            "SELECT sum(revenue) FILTER (WHERE staff > 3), sum(revenue) FILTER (WHERE arrears) FROM gov.tax",
        ),
        ("LVR-2311", "SELECT sum(revenue) FILTER (WHERE staff > 3), sum(revenue + score) FROM gov.tax"),
    ],
)
def test_a_question_whose_cells_cannot_be_judged_is_refused(code: str, sql: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(sql)
    assert refused.value.code == code
    assert refused.value.hint
    assert refused.value.hint_zh
    assert refused.value.line == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*), avg(n) FROM (SELECT uscc, count(*) AS n FROM gov.tax GROUP BY uscc) x",
        "SELECT sum(l.bad::INT) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no",
        "SELECT sum(CASE WHEN l.bad THEN t.revenue END) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no",
        "SELECT count(l.branch), count(DISTINCT l.id_no) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no",
        "SELECT DISTINCT district FROM gov.tax",
        "SELECT avg(n) FROM (SELECT district, count(*) AS n FROM gov.tax GROUP BY district) x",
        "SELECT count(*) FROM (SELECT DISTINCT district FROM gov.tax) x",
        "SELECT sum(revenue + 1000000) FROM gov.tax",
        "SELECT avg(revenue + staff) FROM gov.tax",
        "SELECT sum(revenue * (1 - score) * 1.13) FROM gov.tax",
        "SELECT sum(CASE WHEN arrears THEN revenue ELSE staff END) FROM gov.tax",
        "SELECT sum(revenue), sum(revenue) FILTER (WHERE arrears) FROM gov.tax",
        "SELECT sum(v) FROM (SELECT revenue * (1 - score) AS v FROM gov.tax) x",
        "SELECT sum(CASE WHEN staff < 5 THEN revenue WHEN staff < 10 THEN 2 * revenue END) FROM gov.tax",
        "SELECT district, n * 2 FROM (SELECT district, count(*) AS n FROM gov.tax GROUP BY 1) x WHERE n > 3",
    ],
)
def test_what_can_be_judged_is_planned(sql: str) -> None:
    assert counted(planned(sql)) == (UnitType.ENTERPRISE,)


def core(made: Plan) -> CorePlan:
    """The one core of a plan."""
    (only,) = made.cores
    return only


def counted(made: Plan) -> tuple[UnitType, ...]:
    """The types of units a plan counts."""
    return tuple(group.type for group in core(made).unit_groups)


def test_a_limit_below_the_aggregate_is_refused_even_if_a_binder_let_it_through() -> None:
    world = firms()
    scan = Scan(1, world.tables[0].name, ("uscc",))
    core = Aggregate(3, Limit(scan, 10), (), (named("n", agg("count")),))
    permit = admitted(world, Project(4, core, (named("n", ref(3, "n", INTEGER)),)), [OutputColumn("n", INTEGER)])
    with pytest.raises(Refused, match="LVR-2307"):
        plan(permit)


def test_an_inner_join_on_the_unit_makes_one_group() -> None:
    assert counted(planned("SELECT count(*) FROM gov.tax JOIN gov.registry USING (uscc)")) == (UnitType.ENTERPRISE,)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM gov.tax t LEFT JOIN gov.registry r USING (uscc)",
        "SELECT count(*) FROM gov.tax t JOIN gov.registry r ON t.district = r.section",
    ],
)
def test_units_that_may_differ_are_counted_apart(sql: str) -> None:
    assert counted(planned(sql)) == (UnitType.ENTERPRISE, UnitType.ENTERPRISE)


def with_units(*units: PrivacyUnit) -> World:
    world = firms()
    tax = replace(world.tables[0], units=units)
    return World((tax, *world.tables[1:]), world.rows)


def test_partials_are_skipped_only_where_every_row_is_a_unit() -> None:
    one_row = with_units(enterprise("uscc", rows_per_unit=1))
    assert '"partial"' not in planned("SELECT count(*) FROM gov.registry").cores[0].statement
    assert (
        '"partial"'
        not in planned("SELECT count(*) FROM gov.tax JOIN gov.registry USING (uscc)", one_row).cores[0].statement
    )
    assert '"partial"' in planned("SELECT count(*) FROM gov.tax").cores[0].statement
    multiplied = "SELECT count(*) FROM gov.registry r JOIN loan l ON l.id_no = r.uscc"
    assert '"partial"' in planned(multiplied).cores[0].statement, "an upload may hold a subject a thousand times"
    missing = "SELECT count(*) FROM loan l LEFT JOIN gov.registry r ON l.id_no = r.uscc"
    assert '"partial"' in planned(missing).cores[0].statement


def test_one_column_with_units_of_two_types_counts_both() -> None:
    world = with_units(enterprise("uscc", when="district=E"), person("uscc", when="district=P"))
    made = planned("SELECT count(DISTINCT uscc) FROM gov.tax", world)
    assert counted(made) == (UnitType.ENTERPRISE, UnitType.PERSON)
    assert all(group.optional for group in core(made).unit_groups)
    assert core(made).measures[0].addends[0].total.value == "u1_2"


def test_nothing_is_planned_for_a_scan_that_no_grant_covers() -> None:
    permit = question(firms(), "SELECT count(*) FROM gov.tax")
    with pytest.raises(PlanUnverified):
        plan(replace(permit, grants=()))
    with pytest.raises(PlanUnverified):
        plan(replace(permit, protected=frozenset()))


def test_an_exact_question_costs_a_query_and_what_it_selects_is_free() -> None:
    world = firms()
    permit = question(world, "SELECT count(*) FROM gov.tax WHERE staff > 1", protected=frozenset())
    (one,) = plan(permit).charges
    assert (one.dataset, one.kind, one.limit) == ("gov.tax", "query", 100)


def test_own_tables_cost_a_query_where_nothing_else_is_read() -> None:
    world = firms()
    own = plan(question(world, "SELECT count(*) FROM bank_a.loan", protected=frozenset())).charges
    assert [(charge.dataset, charge.kind) for charge in own] == [("bank_a.loan", "query")]
    both = "SELECT count(*) FROM bank_a.loan JOIN gov.tax ON id_no = uscc"
    charged = plan(question(world, both, protected=frozenset())).charges
    assert [charge.dataset for charge in charged] == ["gov.tax"]


def test_a_protected_question_is_charged() -> None:
    world = firms()
    plain = plan(question(world, "SELECT count(*) FROM gov.tax")).charges
    assert [(charge.dataset, charge.kind, charge.limit) for charge in plain] == [("gov.tax", "query", 100)]


def test_a_predicate_is_one_whatever_its_spelling() -> None:
    world = firms()

    def key(sql: str) -> str:
        return next(charge.key for charge in plan(question(world, sql)).charges if charge.kind == "predicate")

    first = key("SELECT count(*) FROM gov.tax t WHERE t.staff > 1 AND t.district = 'a'")
    assert first == key("SELECT district, count(*) FROM gov.tax WHERE district = 'a' AND staff > 1 GROUP BY 1")
    assert first == key(
        "SELECT count(*) FROM (SELECT staff AS s, district FROM gov.tax) x WHERE s > 1 AND district = 'a'"
    )
    assert first != key("SELECT count(*) FROM gov.tax WHERE staff > 2 AND district = 'a'")
    listed = "SELECT count(*) FROM gov.tax t WHERE {} (SELECT 1 FROM bank_a.loan WHERE id_no = t.uscc)"
    assert key(listed.format("EXISTS")) != key(listed.format("NOT EXISTS"))


def test_the_question_is_what_decides_the_answer() -> None:
    world = firms()
    sql = "SELECT district, count(*) AS n FROM gov.tax GROUP BY district"
    first = plan(question(world, sql)).question
    assert first == plan(question(world, "select T.district,\n count(*) n from gov.tax as T group by 1")).question
    assert first != plan(question(world, sql.replace("AS n", "AS m"))).question
    assert first != plan(question(world, sql + " HAVING count(*) > 3")).question
    permit = question(world, sql)
    assert permit.threshold is not None
    stricter = replace(permit.threshold, k={**permit.threshold.k, UnitType.ENTERPRISE: 6})
    assert first != plan(replace(permit, threshold=stricter)).question
    assert first != plan(replace(permit, bundle_digest="other")).question

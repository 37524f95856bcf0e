"""A question of several aggregates: each is judged, charged and run by itself, the rest is over released values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.line import ask, call, line
from tests.support.relations import Ran, Row, firms, question, readings, returns, run

from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.algebra.expressions import Literal
from louver_sandbox.algebra.relations import Filter, Project
from louver_sandbox.algebra.types import BOOLEAN
from louver_sandbox.plan.cores import MAX_CORES, MAX_STEPS
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, verify
from louver_sandbox.stages import Cell, Verdict

ROWS = [
    *returns("A", 8, revenue=Decimal("30.00")),
    *returns("B", 6, revenue=Decimal("10.00")),
    *returns("C", 2, revenue=Decimal("5.00")),
    *returns("D", 4, revenue=Decimal("5.00")),
]
"""Two districts are shown, two are withheld and are enough subjects together."""
LOANS: Sequence[Row] = [
    {"id_no": "A1", "balance": Decimal("1.00"), "bad": False, "branch": "A"},
    {"id_no": "B1", "balance": Decimal("2.00"), "bad": True, "branch": "C"},
]
COUNTS = "SELECT district, count(*) AS n FROM gov.tax GROUP BY district"
SUMS = "SELECT district, sum(revenue) AS r FROM gov.tax GROUP BY district"


def released(sql: str) -> Ran:
    world = firms(ROWS, LOANS)
    return run(world, question(world, sql))


def rows(sql: str) -> tuple[tuple[Cell, ...], ...]:
    return released(sql).release.rows


def test_two_aggregates_are_joined_after_each_was_judged() -> None:
    sql = f"WITH a AS ({COUNTS}), b AS ({SUMS}) SELECT a.district, b.r / a.n AS mean FROM a JOIN b USING (district)"
    assert rows(f"{sql} ORDER BY 1") == (("A", 30.0), ("B", 10.0))


def test_an_outer_join_shows_only_what_either_side_released() -> None:
    some = "SELECT district, count(*) AS m FROM gov.tax WHERE district <> 'A' GROUP BY district"
    sql = f"SELECT a.district, a.n, b.m FROM ({COUNTS}) AS a LEFT JOIN ({some}) AS b USING (district) ORDER BY 1"
    assert rows(sql) == (("A", 8, None), ("B", 6, 6))


def test_answers_are_put_one_under_the_other() -> None:
    sql = f"{COUNTS} UNION ALL SELECT 'all', count(*) FROM gov.tax ORDER BY 1"
    assert rows(sql) == (("A", 8), ("B", 6), ("all", 20))


def test_own_rows_of_which_nothing_is_looked_at_are_still_counted() -> None:
    own = "SELECT id_no FROM bank_a.loan"
    sql = f"SELECT sum(2) AS s FROM ({own}) AS a WHERE 1 < (SELECT sum(revenue) FROM gov.tax)"
    assert rows(sql) == ((2 * len(LOANS),),)


def test_the_same_answer_twice_is_one_question() -> None:
    sql = f"SELECT district FROM ({COUNTS}) AS a UNION SELECT district FROM ({COUNTS}) AS b ORDER BY 1"
    ran = released(sql)
    assert ran.release.rows == (("A",), ("B",))
    assert len(ran.plan.cores) == 1
    assert [charge.kind for charge in ran.plan.charges] == ["query"]


def test_each_part_costs_what_it_would_cost_alone() -> None:
    one = "SELECT count(*) FROM gov.tax WHERE staff > 1"
    other = "SELECT count(*) FROM gov.tax WHERE staff > 2"
    world = firms(ROWS)
    charges = plan(question(world, f"{one} UNION ALL {other}")).charges
    assert charges == plan(question(world, one)).charges + plan(question(world, other)).charges


def test_ranks_and_shares_are_over_released_cells_and_say_so() -> None:
    sql = (
        "SELECT district, rank() OVER (ORDER BY sum(revenue) DESC) AS place, "
        "sum(revenue) / sum(sum(revenue)) OVER () AS share FROM gov.tax GROUP BY district ORDER BY 2"
    )
    ran = released(sql)
    assert ran.release.rows == (("A", 1, 0.8), ("B", 2, 0.2))
    assert ran.codes()["OVER_RELEASED"] == 1, "the withheld district is in no total"


def test_a_total_of_cells_is_over_released_cells_and_says_so() -> None:
    """TPC-DS Q5, Q33: channels put one under the other and added up again."""
    both = f"{COUNTS} UNION ALL {COUNTS}"
    sql = f"SELECT district, sum(n) AS n, grouping(district) AS g FROM ({both}) AS t GROUP BY ROLLUP (district)"
    ran = released(f"{sql} ORDER BY g, district")
    assert ran.release.rows == (("A", 16, 0), ("B", 12, 0), (None, 28, 1))
    assert ran.codes()["OVER_RELEASED"] == 1, "the withheld districts are in no total"
    assert ran.release.remainder is None


def test_grouping_sets_are_no_parts_of_themselves_beside_another_core() -> None:
    sets = "SELECT district, sum(revenue) FROM gov.tax WHERE district <> 'C' GROUP BY ROLLUP (district)"
    beside = f"{sets} UNION ALL SELECT section, count(*) FROM gov.registry WHERE section = 'none' GROUP BY section"
    alone = released(sets).release.rows
    assert [district for district, _ in alone] == ["A", "B"], "a total would tell the one district that is missing"
    assert all(value is not None for _, value in alone)
    assert sorted(map(repr, released(beside).release.rows)) == sorted(map(repr, alone))


def test_the_largest_cell_is_a_released_value() -> None:
    sql = f"SELECT count(*), min(n), max(n), avg(n), count(DISTINCT district) FROM ({COUNTS}) AS t"
    ran = released(sql)
    assert ran.release.rows == ((2, 6, 8, 7.0, 2),)
    assert ran.codes()["OVER_RELEASED"] == 1


def test_a_total_of_totals_says_so_even_without_keys() -> None:
    parts = "SELECT count(*) AS n FROM gov.tax WHERE district = 'C' UNION ALL SELECT count(*) FROM gov.tax"
    ran = released(f"SELECT sum(n), count(*) FROM ({parts}) AS t")
    assert ran.release.rows == ((20, 2),)
    assert {"OVER_RELEASED", "CELLS_WITHHELD"} <= ran.codes().keys()


def test_a_comparison_with_a_total_is_with_a_core_of_its_own() -> None:
    """TPC-H Q11."""
    sql = f"{SUMS} HAVING sum(revenue) > (SELECT 0.5 * sum(revenue) FROM gov.tax)"
    ran = released(sql)
    assert ran.release.rows == (("A", Decimal("240.00")),)
    assert len(ran.plan.cores) == 2


def test_a_withheld_total_lets_nothing_pass() -> None:
    sql = f"{SUMS} HAVING sum(revenue) > (SELECT 0.1 * sum(revenue) FROM gov.tax WHERE district = 'C')"
    assert rows(sql) == ()


def test_a_total_that_would_give_a_withheld_part_away_is_withheld_too() -> None:
    sql = f"{SUMS} UNION ALL SELECT 'all', sum(revenue) FROM gov.tax ORDER BY 1"
    one_missing = [row for row in ROWS if row["district"] != "D"]
    world = firms(one_missing)
    ran = run(world, question(world, sql))
    assert ran.release.rows == (("A", Decimal("240.00")), ("B", Decimal("60.00")), ("all", None))
    assert [notice.rule for notice in ran.release.notices if notice.code == "VALUES_WITHHELD"] == ["difference"]
    assert rows(sql)[-1] == ("all", Decimal("330.00")), "two missing parts may be known together"
    alone = run(world, question(world, "SELECT sum(revenue) FROM gov.tax"))
    assert alone.release.rows == ((Decimal("310.00"),),)


def test_a_total_that_would_give_a_withheld_value_away_is_withheld_too() -> None:
    giant = [*returns("A", 8), *returns("B", 6, revenue=Decimal("1.00")), returns("B", 7, revenue=Decimal(900))[6]]
    world = firms(giant)
    sql = f"{SUMS} UNION ALL SELECT 'all', sum(revenue) FROM gov.tax ORDER BY 1"
    assert run(world, question(world, sql)).release.rows == (("A", Decimal("80.00")), ("B", None), ("all", None))
    counts = f"{COUNTS} UNION ALL SELECT 'all', count(*) FROM gov.tax ORDER BY 1"
    assert run(world, question(world, counts)).release.rows == (("A", 8), ("B", 7), ("all", 15))


def test_a_share_with_its_own_total_shows_no_part_that_is_missing() -> None:
    sql = "SELECT district, avg(revenue) / (SELECT avg(revenue) FROM gov.tax) FROM gov.tax GROUP BY district"
    world = firms([row for row in ROWS if row["district"] != "D"])
    assert run(world, question(world, sql)).release.rows == (("A", None), ("B", None))


def test_a_coarser_cell_stands_only_over_whole_parts() -> None:
    many_staff = {0, 1, 2, 3, 4, 12, 13}
    even = enumerate([*returns("A", 12), *returns("B", 12)])
    uneven = [{**row, "staff": 9 if place in many_staff else 3} for place, row in even]
    fine = "SELECT district, staff, count(*) AS n FROM gov.tax GROUP BY district, staff"
    sql = (
        f"SELECT a.district, a.staff, a.n, b.n FROM ({fine}) AS a JOIN ({COUNTS}) AS b USING (district) ORDER BY 1, 2"
    )
    world = firms(uneven)
    assert run(world, question(world, sql)).release.rows == (("A", 3, 7, 12), ("A", 9, 5, 12), ("B", 3, 10, None))


def test_totals_of_other_rows_are_other_questions() -> None:
    sql = f"{SUMS} UNION ALL SELECT 'some', sum(revenue) FROM gov.tax WHERE staff > 1"
    made = plan(question(firms(), sql))
    assert [core.finer for core in made.cores] == [(), ()]


def test_own_rows_stand_beside_released_ones() -> None:
    sql = (
        f"SELECT l.branch, l.balance, a.n FROM bank_a.loan AS l LEFT JOIN ({COUNTS}) AS a ON l.branch = a.district "
        "ORDER BY 1"
    )
    assert rows(sql) == (("A", Decimal("1.00"), 8), ("C", Decimal("2.00"), None))


def test_own_rows_choose_among_released_ones() -> None:
    sql = f"SELECT district, n FROM ({COUNTS}) AS a WHERE district IN (SELECT branch FROM bank_a.loan)"
    assert rows(sql) == (("A", 8),)


def test_one_firm_asked_for_beside_a_released_answer_stays_unknown() -> None:
    for firm in ("A1", "Z9"):
        sql = f"SELECT district, n, (SELECT count(*) FROM gov.tax WHERE uscc = '{firm}') AS it FROM ({COUNTS}) AS a"
        ran = released(sql)
        assert ran.release.rows == (("A", 8, None), ("B", 6, None))
        assert ran.codes()["CELLS_WITHHELD"] == 3, "whether the firm is there or not"


def test_there_is_no_remainder_where_rows_are_no_cells() -> None:
    few = [*returns("A", 8), *returns("B", 4), *returns("C", 4)]
    world = firms(few)
    plain = run(world, question(world, COUNTS))
    joined = run(world, question(world, f"SELECT a.n FROM ({COUNTS}) AS a JOIN ({SUMS}) AS b USING (district)"))
    assert plain.release.remainder == (None, 8)
    assert joined.release.remainder is None
    assert "REMAINDER_RELEASED" in plain.codes()
    assert "REMAINDER_RELEASED" not in joined.codes()
    assert joined.codes()["CELLS_WITHHELD"] == 4, "two of each part"


def test_what_is_said_of_a_join_does_not_depend_on_data() -> None:
    sql = f"SELECT a.n FROM ({COUNTS}) AS a JOIN ({SUMS}) AS b USING (district)"
    for data in ([], returns("A", 8), [*returns("A", 8), *returns("B", 1)]):
        world = firms(data)
        codes = run(world, question(world, sql)).codes()
        assert {name: count for name, count in codes.items() if name != "VALUES_WITHHELD"} == {
            "CELLS_UNTOLD": 0,
            "OVER_RELEASED": 1,
        }


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (f"SELECT t.uscc, a.n FROM gov.tax AS t JOIN ({COUNTS}) AS a USING (district)", "LVR-2305"),
        (
            f"SELECT n FROM ({COUNTS}) AS a WHERE district IN (SELECT district FROM gov.tax WHERE staff > 9)",
            "LVR-2305",
        ),
        (
            f"SELECT n FROM ({COUNTS}) AS a WHERE NOT EXISTS (SELECT 1 FROM gov.tax AS t WHERE t.district = a.district)",
            "LVR-2305",
        ),
        (f"SELECT n, (SELECT max(revenue) FROM gov.tax) AS most FROM ({COUNTS}) AS a", "LVR-2302"),
        (
            "SELECT l.branch, d.r FROM bank_a.loan AS l JOIN "
            "(SELECT uscc, sum(revenue) AS r FROM gov.tax GROUP BY uscc) AS d ON l.id_no = d.uscc",
            "LVR-2305",
        ),
        (f"SELECT uscc FROM gov.tax UNION ALL SELECT district FROM ({COUNTS}) AS a", "LVR-2301"),
        (" UNION ALL ".join(f"SELECT {i}, count(*) FROM gov.tax" for i in range(MAX_CORES + 1)), "LVR-2320"),
    ],
)
def test_single_rows_and_endless_questions_are_refused(sql: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        plan(question(firms(), sql))
    assert refused.value.code == code


def test_steps_over_released_values_are_bounded() -> None:
    steps = "".join(f", c{i} AS (SELECT a.district, a.n FROM c{i - 1} AS a WHERE a.n > 0)" for i in range(1, 24))
    made = plan(question(firms(), f"WITH c0 AS ({COUNTS}){steps} SELECT n FROM c23"))
    assert codec.decode(codec.encode(Verdict(made, None)), Verdict).plan == made, "what is admitted can be carried"
    permit = question(firms(), COUNTS)
    top = permit.bound.relation
    assert isinstance(top, Project)
    deep = top.input
    for _ in range(MAX_STEPS):
        deep = Filter(deep, Literal(True, BOOLEAN))
    with pytest.raises(Refused) as refused:
        plan(replace(permit, bound=replace(permit.bound, relation=replace(top, input=deep))))
    assert refused.value.code == "LVR-2321"


def test_the_question_is_the_same_whatever_the_parts_are_called() -> None:
    world = firms()
    one = plan(question(world, f"WITH a AS ({COUNTS}), b AS ({SUMS}) SELECT n, r FROM a JOIN b USING (district)"))
    other = plan(question(world, f"SELECT y.n, x.r FROM ({COUNTS}) AS y JOIN ({SUMS}) AS x USING (district)"))
    turned = plan(question(world, f"SELECT y.n, x.r FROM ({SUMS}) AS x JOIN ({COUNTS}) AS y USING (district)"))
    assert one.question == other.question
    assert one.question != turned.question


def test_every_statement_is_verified() -> None:
    made = plan(question(firms(), f"{COUNTS} UNION ALL SELECT 'all', count(*) FROM gov.tax"))
    first, second = readings(made)
    verify(made, (first, second))
    for wrong in ((first,), (second, first), (first, first), (first, second, second), ()):
        with pytest.raises(PlanUnverified):
            verify(made, wrong)


def test_a_bank_gets_a_ratio_of_two_questions_and_pays_for_both(tmp_path: Path) -> None:
    sql = (
        "WITH a AS (SELECT section, count(*) AS n FROM gov.firm GROUP BY section), "
        "b AS (SELECT section, sum(amount) AS t FROM gov.firm GROUP BY section) "
        "SELECT a.section, b.t / a.n AS mean FROM a JOIN b USING (section) ORDER BY 1"
    )
    with line(tmp_path) as bank:
        answer = bank.pipeline.answer(ask(sql), call()).answer
        assert pa.ipc.open_stream(answer.arrow).read_all().to_pylist() == [
            {"section": "A", "mean": 114.5},
            {"section": "B", "mean": 133.5},
        ]
        assert answer.cost == {"gov.firm query": 2}
        assert answer.remainder == b""
        with pytest.raises(Refused) as spent:
            bank.pipeline.answer(ask(sql.replace("mean", "average"), "request-2"), call())
        assert spent.value.code == "LVR-3001", "a third query is left, and this asks two"


def test_rows_beside_an_aggregate_do_not_pass_the_policy(tmp_path: Path) -> None:
    sql = (
        "SELECT a.section, a.n FROM (SELECT section, count(*) AS n FROM gov.firm GROUP BY section) AS a "
        "JOIN gov.firm AS f USING (section)"
    )
    with line(tmp_path) as bank, pytest.raises(Refused) as refused:
        bank.pipeline.answer(ask(sql), call())
    assert refused.value.rule == "floor/raw-rows"

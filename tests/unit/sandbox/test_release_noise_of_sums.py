"""Sums, averages and numbers of rows leave with noise in proportion to their largest contributions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import sqrt

import pytest
from tests.support.noisy import NOISE, NONE, SECRET, SUMS, ask, count_of, firm, sum_of, world
from tests.support.relations import Row, question

from louver.errors import Refused
from louver_sandbox.plan.plan import plan
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.release import release
from louver_sandbox.service import rules_told
from louver_sandbox.stages import Execution

FIRMS: list[Row] = [firm(number, "AB"[number % 2], revenue=f"{10 + number % 9}.25") for number in range(120)]
FEN = {str(row["uscc"]): int(Decimal(str(row["revenue"])) * 100) for row in FIRMS}
REVENUE = "gov.firm.revenue"
TOTAL = "SELECT sum(revenue) FROM gov.firm"


def yuan(fen: int) -> Decimal:
    return Decimal(fen) / 100


def test_a_sum_has_the_noise_of_its_units_and_their_largest_amounts() -> None:
    assert ask(TOTAL, FIRMS, SUMS).release.rows == ((yuan(sum_of(FEN, REVENUE)),),)
    by_section = ask("SELECT section, sum(revenue) FROM gov.firm GROUP BY 1", FIRMS, SUMS).release.rows
    for name, shown in by_section:
        some = {str(row["uscc"]): FEN[str(row["uscc"])] for row in FIRMS if row["section"] == name}
        assert shown == yuan(sum_of(some, REVENUE))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(f.revenue) AS s FROM gov.firm AS f WHERE f.staff > 0",
        "SELECT sum(CASE WHEN staff > 0 THEN revenue END) FROM gov.firm",
        "WITH x AS (SELECT revenue AS r FROM gov.firm) SELECT sum(r) FROM x",
        "SELECT sum(s) FROM (SELECT uscc, sum(revenue) AS s FROM gov.firm GROUP BY uscc) x",
        "SELECT sum(f.revenue) FROM gov.return r JOIN gov.firm f ON r.uscc = f.uscc WHERE r.quarter = 1",
        "SELECT sum(revenue * 1) FROM gov.firm",
    ],
)
def test_one_sum_has_one_number_in_every_form(sql: str) -> None:
    (row,) = ask(TOTAL, FIRMS, SUMS).release.rows
    assert ask(sql, FIRMS[::-1], SUMS).release.rows == (row,)


def test_an_average_is_the_perturbed_sum_over_the_perturbed_count() -> None:
    sql = "SELECT avg(revenue), sum(revenue), count(*) FROM gov.firm"
    ((average, total, count),) = ask(sql, FIRMS, SUMS).release.rows
    assert count == count_of(list(FEN))
    assert average == pytest.approx(float(Decimal(str(total)) / Decimal(str(count))))


def test_an_average_of_a_column_without_nulls_divides_by_the_subjects() -> None:
    staff = {str(row["uscc"]): int(str(row["staff"])) for row in FIRMS}
    four = {unit: 4 * number for unit, number in staff.items()}
    expected = sum_of(staff, "gov.firm.staff") / count_of(list(staff))
    assert ask("SELECT avg(staff) FROM gov.firm", FIRMS, SUMS).release.rows == ((expected,),)
    rows = sum_of(dict.fromkeys(staff, 4), "rows")
    expected = sum_of(four, "gov.return.staff") / rows
    assert ask("SELECT avg(staff) FROM gov.return", FIRMS, SUMS).release.rows == ((expected,),)


def test_a_share_is_made_of_two_perturbed_counts() -> None:
    firms = [firm(number, "A", arrears=number % 3 == 0) for number in range(60)]
    late = [str(row["uscc"]) for row in firms if row["arrears"]]
    ran = ask("SELECT avg(arrears::INT) AS share FROM gov.firm", firms, NOISE)
    # A row without a value has no part in an average, so the divisor is the number of values.
    assert ran.release.rows == ((count_of(late) / count_of([f"F{number}" for number in range(60)]),),)
    assert [(one.column, one.kind) for one in ran.release.accuracy] == [("share", "computed")]


def test_an_average_over_nobody_left_is_withheld_and_said_so() -> None:
    firms = [firm(number, "A", revenue=f"{10 + number}.00") for number in range(5)]
    sql = "SELECT section, avg(revenue), count(*) FROM gov.firm GROUP BY section"
    nobody = next(
        bytes([n] * 32) for n in range(200) if count_of([f"F{i}" for i in range(5)], secret=bytes([n] * 32)) == 0
    )
    ran = ask(sql, firms, SUMS, nobody)
    assert ran.release.rows == (("A", None, 0),)
    assert ("VALUES_WITHHELD", "noise", 1) in {(one.code, one.rule, one.count) for one in ran.release.notices}


def test_rows_of_subjects_with_several_are_perturbed_by_the_largest() -> None:
    rows = {str(row["uscc"]): 4 for row in FIRMS}
    ran = ask("SELECT count(*) FROM gov.return", FIRMS, SUMS)
    assert ran.release.rows == ((sum_of(rows, "rows"),),)
    assert ran.release.accuracy[0].kind == "rows"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM gov.return WHERE quarter = 2",
        "SELECT count(*) FROM (SELECT uscc FROM gov.return GROUP BY uscc) x",
        "SELECT count(DISTINCT uscc) FROM gov.return",
    ],
)
def test_rows_that_are_as_many_as_subjects_have_the_number_of_subjects(sql: str) -> None:
    assert ask(sql, FIRMS, SUMS).release.rows == ((count_of(list(FEN)),),)


def test_a_product_of_amounts_and_a_negative_sum() -> None:
    firms = [firm(number, "A", staff=number % 5 + 1, revenue=f"-{10 + number}.00") for number in range(60)]
    amounts = {f"F{number}": -(10 + number) * 100 * (number % 5 + 1) for number in range(60)}
    ran = ask("SELECT sum(revenue * staff) FROM gov.firm", firms, SUMS)
    assert ran.release.rows == ((yuan(sum_of(amounts, "gov.firm.revenue * gov.firm.staff")),),)


def test_a_sum_of_numbers_of_rows_under_another_name_is_one_too() -> None:
    """Found by generated questions: what is added up is the rows themselves, and had no name."""
    of_each = (
        "(SELECT uscc, c, count(*) AS k FROM (SELECT uscc, section, count(*) AS c FROM gov.return GROUP BY 1, 2) x"
    )
    ran = ask(f"SELECT sum(c) FROM {of_each} GROUP BY uscc, c) y", FIRMS, SUMS)
    assert ran.release.rows == ((sum_of({str(row["uscc"]): 4 for row in FIRMS}, "gov.return.*"),),)


def test_the_relative_error_is_a_bound() -> None:
    ran = ask(TOTAL, FIRMS, SUMS)
    (one,) = ran.release.accuracy
    assert (one.kind, one.standard_error) == ("sum", "")
    true = sum(FEN.values())
    errors = []
    for number in range(300):
        ((shown,),) = release(ran.execution, secret=number.to_bytes(32)).rows
        errors.append(float(Decimal(str(shown)) * 100 - true))
    assert 0 < sqrt(sum(error**2 for error in errors) / len(errors)) <= float(one.relative_error) * true


@pytest.mark.parametrize(
    "sql",
    [TOTAL, "SELECT avg(revenue) FROM gov.firm", "SELECT count(*) FROM gov.return"],
)
def test_without_a_share_no_sum_leaves(sql: str) -> None:
    with pytest.raises(Refused, match="LVR-2322"):
        ask(sql, FIRMS, NOISE)


@pytest.mark.parametrize("function", ["var_samp(revenue)", "stddev_pop(revenue)", "corr(revenue, staff)"])
def test_variances_and_correlations_are_refused(function: str) -> None:
    sql = f"SELECT {function} FROM gov.firm"
    with pytest.raises(Refused, match="LVR-2322"):
        ask(sql, FIRMS, SUMS)
    assert ask(sql, FIRMS, NONE).plan.threshold == NONE


def test_a_dry_run_tells_the_noise_of_sums() -> None:
    def told(sql: str) -> list[tuple[str, int]]:
        made = plan(question(world(FIRMS), sql, rules=SUMS))
        return [(rule.rule, rule.count) for rule in rules_told.rules(made) if rule.rule in ("noise", "rounding")]

    assert told(TOTAL) == [("noise", 0)]
    assert told("SELECT count(DISTINCT uscc) FROM gov.return") == [("noise", 8)]
    assert told("SELECT avg(revenue) FROM gov.return") == [("noise", 8), ("noise", 0)]


def test_contributions_that_contradict_each_other_are_a_lie() -> None:
    ran = ask("SELECT count(*) FROM gov.return", FIRMS, SUMS)
    (core,) = ran.plan.cores
    place = {column.name: place for place, column in enumerate(core.columns)}["a0_1"]
    (rows,) = ran.execution.rows
    lied = tuple((*row[:place], 10_000, *row[place + 1 :]) for row in rows)
    with pytest.raises(WorkerLied):
        release(Execution(ran.execution.committed, (lied,)), secret=SECRET)


def test_shares_make_other_questions() -> None:
    assert SUMS.noise is not None
    more = replace(SUMS, noise=replace(SUMS.noise, share=Decimal(3)))
    digests = {plan(question(world(FIRMS), TOTAL, rules=rules)).question for rules in (NONE, SUMS, more)}
    assert len(digests) == 3

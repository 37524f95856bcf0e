"""Questions about data nobody made up: equal where exact, equal or withheld where threshold, nothing lost in silence."""

import math
from collections import Counter
from datetime import date, datetime, time
from decimal import Decimal

import pytest
from tests.real.conftest import Real

from louver.errors import Refused

K = 10
"""The fewest privacy units a released cell may stand for, as the policies beside these tests say."""

EXACT = {
    "fines in all": "SELECT count(*) AS n, sum(fine_cad) AS total, avg(fine_cad) AS mean FROM gov.food_fine",
    "fines by category": "SELECT category, count(*) AS n, sum(fine_cad) AS total FROM gov.food_fine GROUP BY 1 ORDER BY 1",
    "fines by year": "SELECT year(offence_date) AS y, count(*) AS n FROM gov.food_fine GROUP BY y ORDER BY y",
    "fines by place": "SELECT municipality, owner_type, count(DISTINCT business_id) AS firms FROM gov.food_fine "
    "GROUP BY ALL ORDER BY 1, 2",
    "repeat offenders": "SELECT business_id, count(*) AS n FROM gov.food_fine GROUP BY 1 HAVING count(*) > 10 ORDER BY 2 DESC, 1",
    "largest fines": "SELECT case_id, fine_cad FROM gov.food_fine WHERE fine_cad >= 8000 ORDER BY fine_cad DESC, case_id LIMIT 20",
    "delay": "SELECT date_trunc('month', judgment_date) AS m, count(*) FILTER (WHERE business_status = 'Fermé') AS closed "
    "FROM gov.food_fine GROUP BY 1 ORDER BY 1",
    "firms and places": "SELECT count(DISTINCT business_id) AS firms, count(DISTINCT municipality) AS places FROM gov.food_fine",
    "statuses": "SELECT coalesce(business_status, '?') AS status, CASE WHEN fine_cad > 1100 THEN 'high' ELSE 'low' END AS band, "
    "count(*) AS n FROM gov.food_fine GROUP BY ALL ORDER BY 1, 2",
    "cards in all": "SELECT count(*) AS n, sum(default_next_month) AS bad, sum(limit_bal) AS limits, avg(age) AS age FROM cards",
    "cards by education": "SELECT education, sum(default_next_month) AS bad, count(*) AS n FROM cards GROUP BY 1 ORDER BY 1",
    "cards by age band": "SELECT age // 10 * 10 AS band, avg(default_next_month) AS rate FROM cards GROUP BY 1 ORDER BY 1",
    "cards in credit": "SELECT marriage, count(*) AS n, min(bill_amt1) AS least FROM cards WHERE bill_amt1 < 0 GROUP BY 1 ORDER BY 1",
    "one card": "SELECT id, limit_bal, age FROM cards WHERE id = 17",
    "own loans": "SELECT state, count(*) AS n, sum(gross_approved) AS amount FROM guaranteed GROUP BY 1 ORDER BY 1",
    "own loans by outcome": "SELECT coalesce(mis_status, '-') AS outcome, count(*) AS n FROM guaranteed GROUP BY 1 ORDER BY 1",
}

THRESHOLD = {
    # question: number of key columns
    "population": (
        "SELECT count(*) AS n, avg(age) AS age, sum(weeks_worked_in_year) AS weeks FROM gov.census_person",
        0,
    ),
    "employers": ("SELECT sum(num_persons_worked_for_employer) AS total FROM gov.census_person", 0),
    "income by sex": (
        "SELECT sex, count(*) AS n, sum(income_gt_50k) AS high FROM gov.census_person GROUP BY sex ORDER BY 1",
        1,
    ),
    "tax filers": ("SELECT tax_filer_stat, count(*) AS n FROM gov.census_person GROUP BY 1 ORDER BY 1", 1),
    "wages": ("SELECT avg(wage_per_hour) AS wage, count(*) AS n FROM gov.census_person WHERE wage_per_hour > 0", 0),
    "education by race": (
        "SELECT education, race, count(*) AS n FROM gov.census_person GROUP BY ALL ORDER BY 1, 2",
        2,
    ),
    "age and sex": (
        "SELECT age, sex, count(*) AS n, avg(weeks_worked_in_year) AS weeks FROM gov.census_person GROUP BY ALL",
        2,
    ),
    "age bands": (
        "SELECT age // 10 * 10 AS band, avg(income_gt_50k) AS rate FROM gov.census_person GROUP BY band",
        1,
    ),
    "industry": ("SELECT major_industry_code, citizenship, count(*) AS n FROM gov.census_person GROUP BY ALL", 2),
    "students": (
        "SELECT class_of_worker, count(*) FILTER (WHERE age < 25) AS young FROM gov.census_person GROUP BY 1",
        1,
    ),
    "years": (
        'WITH "调查" AS (SELECT year AS "年", weeks_worked_in_year AS w FROM gov.census_person) '
        'SELECT "年", avg(w) AS "周数" FROM "调查" GROUP BY "年"',
        1,
    ),
    "guarantees": (
        "SELECT count(*) AS n, sum(gross_approved) AS gross, sum(sba_guaranteed) AS guaranteed FROM gov.sba_loan",
        0,
    ),
    "charged off by state": (
        "SELECT state, count(*) AS n, count(*) FILTER (WHERE mis_status = 'CHGOFF') AS bad FROM gov.sba_loan GROUP BY 1",
        1,
    ),
    "employees by state": (
        "SELECT state, sum(n_employees) AS employees, count(*) AS n FROM gov.sba_loan GROUP BY 1",
        1,
    ),
    "terms": (
        "SELECT approval_fy, avg(term_months) AS months, count(*) AS n FROM gov.sba_loan GROUP BY 1 ORDER BY 1",
        1,
    ),
    "cities": ("SELECT state, city, count(*) AS n, sum(gross_approved) AS gross FROM gov.sba_loan GROUP BY ALL", 2),
    "bankrupt": (
        "SELECT horizon_file_year, count(*) AS n, sum(bankrupt) AS bad FROM gov.company_accounts GROUP BY 1",
        1,
    ),
    "profit": (
        "SELECT horizon_file_year, bankrupt, avg(a01) AS profit FROM gov.company_accounts WHERE a29 > 4.5 GROUP BY ALL",
        2,
    ),
    "own loans met again": (
        "SELECT s.state, count(*) AS n, count(*) FILTER (WHERE g.mis_status = 'CHGOFF') AS bad "
        "FROM guaranteed g JOIN gov.sba_loan s ON s.loan_nr = g.loan_nr GROUP BY 1",
        1,
    ),
    "size": ("SELECT bankrupt, avg(a29) AS log_assets, count(a29) AS n FROM gov.company_accounts GROUP BY 1", 1),
}

SBA_TABLE = "SELECT state, substr(naics, 1, 2) AS sector, count(*) AS n FROM gov.sba_loan GROUP BY ALL ORDER BY 1, 2"


def test_there_are_at_least_thirty_questions() -> None:
    assert len(EXACT) + len(THRESHOLD) + 1 >= 30


def same(released: object, true: object) -> bool:
    """Equal values; a date and its midnight; averages and sums of doubles within what the kept digits allow."""
    if isinstance(released, float | Decimal) and isinstance(true, int | float | Decimal):
        return math.isclose(float(released), float(true), rel_tol=1e-6, abs_tol=1e-4)
    if isinstance(released, date) and isinstance(true, datetime):
        return datetime.combine(released, time()) == true
    return released == true


@pytest.mark.parametrize("name", EXACT)
def test_exact_answers_are_equal(real: Real, name: str) -> None:
    answer = real.bank.analyse(EXACT[name])
    truth = real.truth(EXACT[name])
    assert answer.treatment == "exact"
    assert answer.notices == ()
    assert len(answer.rows) == len(truth)
    assert all(
        same(a, b) for row, true in zip(answer.rows, truth, strict=True) for a, b in zip(row, true, strict=True)
    )


def with_units(sql: str) -> str:
    """The same question, with the privacy units of each cell: every table here has one row per unit."""
    selected, _, source = sql.rpartition(" FROM ")
    return f"{selected}, count(*) FROM {source}"


@pytest.mark.parametrize("name", THRESHOLD)
def test_threshold_answers_are_equal_or_withheld_with_a_notice(real: Real, name: str) -> None:
    """Every cell of at least ten units is there and every smaller one is not; what is empty has been told."""
    sql, keys = THRESHOLD[name]
    answer = real.bank.analyse(sql)
    assert answer.treatment == "threshold"
    truth = {row[:keys]: row[keys:] for row in real.truth(with_units(sql))}
    safe = {cell: values for cell, (*values, units) in truth.items() if isinstance(units, int) and units >= K}
    assert len(answer.rows) == len(safe)
    assert {row[:keys] for row in answer.rows} == set(safe)
    empty = 0
    for row in answer.rows:
        for released, true in zip(row[keys:], safe[row[:keys]], strict=True):
            empty += released is None and true is not None
            assert released is None or same(released, true)
    told: Counter[str] = Counter()
    for notice in answer.notices:
        told[notice.code] += notice.count
    hidden = [int(str(values[-1])) for cell, values in truth.items() if cell not in safe]
    if "CELLS_UNTOLD" in told:
        assert sum(hidden) < K, "only cells with too few units together go uncounted"
    else:
        assert told["CELLS_WITHHELD"] == len(hidden)
    assert told["VALUES_WITHHELD"] == empty


def test_the_guarantee_table_withholds_every_small_cell_and_loses_no_safe_one(real: Real) -> None:
    answer = real.bank.analyse(SBA_TABLE)
    truth = {(state, sector): n for state, sector, n in real.truth(SBA_TABLE)}
    small = {cell: n for cell, n in truth.items() if isinstance(n, int) and n < K}
    assert (len(truth), len(small)) == (1002, 542)
    assert {(state, sector): n for state, sector, n in answer.rows} == {
        cell: n for cell, n in truth.items() if cell not in small
    }
    assert {notice.code: notice.count for notice in answer.notices} == {
        "CELLS_WITHHELD": 542,
        "REMAINDER_RELEASED": 1,
    }
    assert answer.remainder == (None, None, sum(small.values()))


def test_the_giant_employer_is_not_told(real: Real) -> None:
    """The largest firm has 9,992 employees: where one dominates its state, the sum is withheld, the count is not."""
    sql, _ = THRESHOLD["employees by state"]
    answer = {row[0]: row for row in real.bank.analyse(sql).rows}
    dominated = real.truth(
        "SELECT state, count(*) FROM gov.sba_loan GROUP BY state "
        f"HAVING max(n_employees) > 0.6 * sum(n_employees) AND count(*) >= {K}"
    )
    assert dominated
    for state, n in dominated:
        assert answer[str(state)][1:] == (None, n)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT loan_nr FROM gov.sba_loan",
        "SELECT state, max(gross_approved) AS largest FROM gov.sba_loan GROUP BY 1",
        "SELECT count(*) AS n FROM gov.sba_loan WHERE loan_nr = '1000014003'",
        "SELECT loan_nr, count(*) AS n FROM gov.sba_loan GROUP BY 1",
        "SELECT s.state, sum(g.gross_approved) AS own FROM guaranteed g "
        "JOIN gov.sba_loan s ON s.loan_nr = g.loan_nr GROUP BY 1",
        "SELECT borrower_name, count(*) AS n FROM gov.sba_loan GROUP BY 1",
    ],
    ids=["rows", "largest", "one loan", "loan by loan", "own values over protected cells", "ungranted column"],
)
def test_what_would_tell_of_one_borrower_is_refused_before_anything_is_read(real: Real, sql: str) -> None:
    with pytest.raises(Refused, match=r"LVR-\d{4}"):
        real.bank.analyse(sql)

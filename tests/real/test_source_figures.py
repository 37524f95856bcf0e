"""The exact figures that each data set's SOURCE.md names come out of the platform, from file to verified receipt."""

import pytest
from tests.real.conftest import Real

from louver_sandbox.audit.verify import verify_log
from louver_sandbox.store import State

CENSUS = "gov.census_person"
LOANS = "gov.sba_loan"

FIGURES: dict[str, tuple[str, list[tuple[object, ...]]]] = {
    "census": (
        "SELECT count(*) AS n, sum(weeks_worked_in_year) AS weeks, sum(num_persons_worked_for_employer) AS employers, "
        f"sum(income_gt_50k) AS high FROM {CENSUS}",
        [(299_285, 6_936_940, 585_453, 18_568)],
    ),
    "census by sex": (
        f"SELECT sex, sum(income_gt_50k) AS high, count(*) AS n FROM {CENSUS} GROUP BY 1 ORDER BY 1",
        [("Female", 3_968, 155_775), ("Male", 14_600, 143_510)],
    ),
    "tax filers": (
        f"SELECT tax_filer_stat, count(*) AS n FROM {CENSUS} GROUP BY 1 ORDER BY 2 DESC",
        [
            ("Nonfiler", 112_462),
            ("Joint both under 65", 100_955),
            ("Single", 56_315),
            ("Joint both 65+", 12_526),
            ("Head of household", 11_183),
            ("Joint one under 65 & one 65+", 5_844),
        ],
    ),
    "loans": (
        "SELECT count(*) AS n, sum(gross_approved) AS gross, sum(sba_guaranteed) AS guaranteed, "
        f"count(*) FILTER (WHERE mis_status = 'CHGOFF') AS bad FROM {LOANS}",
        [(22_427, 2_582_181_209, 1_818_151_623, 4_693)],
    ),
    "loans by state": (
        "SELECT state, count(*) FILTER (WHERE mis_status = 'CHGOFF') AS bad, count(*) AS n "
        f"FROM {LOANS} WHERE state IN ('CA', 'FL', 'TX', 'NY') GROUP BY 1 ORDER BY 1",
        [("CA", 764, 3_130), ("FL", 662, 2_112), ("NY", 238, 1_353), ("TX", 309, 1_504)],
    ),
    "loans as the bank's own": (
        "SELECT count(*) AS n, count(DISTINCT state) AS states, count(DISTINCT naics) AS industries, "
        "max(n_employees) AS largest, count(*) FILTER (WHERE mis_status IS NULL) AS unknown, "
        "count(charge_off_date) AS charged FROM guaranteed",
        [(22_427, 51, 952, 9_992, 119, 4_916)],
    ),
    "fines": (
        "SELECT count(*) AS n, sum(fine_cad) AS total, count(DISTINCT business_id) AS firms, "
        "count(DISTINCT category) AS categories, count(DISTINCT municipality) AS places FROM gov.food_fine",
        [(7_159, 8_981_784, 2_928, 42, 26)],
    ),
    "restaurants": (
        "SELECT count(*) AS n, sum(fine_cad) AS total FROM gov.food_fine WHERE category = 'Restaurant'",
        [(3_946, 4_997_705)],
    ),
    "the highest fine": (
        "SELECT fine_cad FROM gov.food_fine ORDER BY fine_cad DESC LIMIT 1",
        [(10_000,)],
    ),
    "companies": (
        "SELECT horizon_file_year, count(*) AS n, sum(bankrupt) AS bad FROM gov.company_accounts GROUP BY 1 ORDER BY 1",
        [(1, 7_027, 271), (5, 5_910, 410)],
    ),
    "cards": (
        "SELECT count(*) AS n, sum(default_next_month) AS bad, sum(limit_bal) AS limits FROM cards",
        [(30_000, 6_636, 5_024_529_680)],
    ),
    "cards by education": (
        "SELECT education, sum(default_next_month) AS bad, count(*) AS n FROM cards GROUP BY 1 ORDER BY 1",
        [
            (0, 0, 14),
            (1, 2_036, 10_585),
            (2, 3_330, 14_030),
            (3, 1_237, 4_917),
            (4, 7, 123),
            (5, 18, 280),
            (6, 8, 51),
        ],
    ),
}

MEANS = {
    f"SELECT avg(age) AS age FROM {CENSUS}": 34.538998,
    f"SELECT avg(wage_per_hour) AS wage FROM {CENSUS} WHERE wage_per_hour > 0": 976.5578,
    "SELECT avg(fine_cad) AS mean FROM gov.food_fine": 1254.6143,
    "SELECT avg(age) AS age FROM cards": 35.4855,
    "SELECT avg(default_next_month) AS rate FROM cards": 0.2212,
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_figures_of_the_source_come_out(real: Real, name: str) -> None:
    sql, figures = FIGURES[name]
    assert real.bank.analyse(sql).rows == figures


@pytest.mark.parametrize("sql", MEANS)
def test_the_averages_of_the_source_come_out(real: Real, sql: str) -> None:
    ((mean,),) = real.bank.analyse(sql).rows
    assert mean == pytest.approx(MEANS[sql], abs=5e-5)


def test_every_answer_about_real_data_is_in_a_log_that_verifies(real: Real) -> None:
    answer = real.bank.analyse(FIGURES["loans"][0])
    assert answer.receipt is not None
    answer.receipt.verify(real.city.log_key, sql=FIGURES["loans"][0])
    with State.open(real.city.settings.state) as state:
        report = verify_log(state, real.city.log_key)
    assert report.ok, report.findings
    assert report.size >= real.bank.head().size

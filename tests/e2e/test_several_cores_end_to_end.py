"""A question of several aggregates through the whole platform: one worker, one answer, every part judged and paid."""

from tests.support.installation import Service

GRADES = """WITH g AS (SELECT t.grade, count(*) AS n FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc)
WHERE t.rating_year <> {} GROUP BY 1) """
COMPARED = (
    GRADES.format(2024).replace("g AS", "old AS").rstrip()
    + ", "
    + GRADES.format(2025).removeprefix("WITH ").replace("g AS", "new AS")
    + "SELECT old.grade, old.n AS before, new.n AS after, new.n - old.n AS change "
    "FROM old JOIN new ON old.grade = new.grade ORDER BY 1"
)


def counted(rows: list[tuple[object, ...]]) -> dict[object, object]:
    """The second column by the first."""
    return {row[0]: row[1] for row in rows}


def test_two_counts_are_compared_in_one_question(served: Service) -> None:
    with served.connect() as bank:
        alone = [
            bank.analyse(GRADES.format(year) + "SELECT grade, n FROM g", purpose="RESEARCH") for year in (2024, 2025)
        ]
        before, after = (counted(answer.rows) for answer in alone)
        explained = bank.explain(COMPARED, purpose="RESEARCH")
        together = bank.analyse(COMPARED, purpose="RESEARCH")
    assert before
    assert {row[0]: row[1:3] for row in together.rows} == {
        grade: (before[grade], after[grade]) for grade in before if grade in after
    }
    assert all(row[3] == row[2] - row[1] for row in together.rows)
    assert explained.statement.count(";\n") == 1, "both statements are shown"
    assert together.cost["gov.tax_credit query"] == 2, "two questions in one cost as much as two"
    assert "OVER_RELEASED" in {notice.code for notice in together.notices}

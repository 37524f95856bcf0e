"""Somebody wants one firm's protected value, through the real service: pairs of questions that must look the same.

Every story asks the same question about a firm that has the secret and about one that has not. What comes back
(rows, remainder, notices, or a failure) must not tell which is which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.support.installation import Service

import louver
from louver.errors import Error, Refused

Upload = Callable[[str], pa.Table]
TAX = "JOIN gov.tax_credit t ON t.uscc = n.id"


@pytest.fixture(scope="module")
def bank(served: Service) -> Iterator[louver.Client]:
    with served.connect("bank_a", "MODEL_BUILD") as client:
        yield client


@pytest.fixture(scope="module")
def by_grade(served: Service) -> Mapping[str, list[str]]:
    """What the attacker wants to know: the firms of each grade."""
    rows = read(f"SELECT grade, uscc FROM read_parquet('{served.city.world}/gov.tax_credit/*.parquet') ORDER BY 2")
    found: dict[str, list[str]] = {}
    for grade, uscc in rows:
        found.setdefault(grade, []).append(uscc)
    return found


def read(sql: str) -> list[tuple[Any, ...]]:
    """What the attacker has no way to see: the stored rows."""
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def seen(bank: louver.Client, name: str, table: pa.Table, sql: str) -> object:
    """Everything the caller gets to see, but the time: a refusal or a fault is something to see as well."""
    try:
        bank.upload(name, table, replace=True)
        answer = bank.analyse(sql)
    except Error as error:
        return type(error).__name__, getattr(error, "code", "")
    return answer.rows, answer.remainder, [(n.code, n.count, n.rule) for n in answer.notices]


def assert_alike(bank: louver.Client, by_grade: Mapping[str, list[str]], upload: Upload, sql: str) -> None:
    wanted, other = by_grade["D"][0], by_grade["B"][0]
    assert seen(bank, "needle", upload(wanted), sql) == seen(bank, "needle", upload(other), sql)


def test_the_number_of_withheld_cells_is_no_oracle(bank: louver.Client, by_grade: Mapping[str, list[str]]) -> None:
    sql = f"SELECT n.tag, count(*) AS c FROM needle n {TAX} WHERE t.grade = 'D' GROUP BY n.tag"
    assert_alike(bank, by_grade, lambda firm: pa.table({"id": [firm], "tag": ["x"]}), sql)


def test_a_left_join_that_finds_nobody_or_one_is_no_oracle(
    bank: louver.Client, by_grade: Mapping[str, list[str]]
) -> None:
    sql = (
        "SELECT count(*) AS c FROM needle n "
        "LEFT JOIN gov.ss_ent_month s ON s.uscc = n.id AND s.pay_month = DATE '2026-05-01' "
        "LEFT JOIN gov.tax_credit t ON t.uscc = n.id AND n.hit AND t.grade = 'D'"
    )
    crowd = by_grade["B"][50:250]
    assert_alike(
        bank, by_grade, lambda firm: pa.table({"id": [*crowd, firm], "hit": [False] * len(crowd) + [True]}), sql
    )


def test_a_failure_is_no_oracle(bank: louver.Client, by_grade: Mapping[str, list[str]]) -> None:
    """More cells than an answer may have, if and only if the firm has the grade."""
    sql = f"SELECT n.x, count(*) AS c FROM needle n {TAX} WHERE t.grade = 'D' GROUP BY n.x"
    many = 1_100_000
    assert_alike(bank, by_grade, lambda firm: pa.table({"id": [firm] * many, "x": pa.array(range(many))}), sql)


def test_two_own_labels_that_differ_in_one_firm_are_not_both_answered(
    bank: louver.Client, by_grade: Mapping[str, list[str]]
) -> None:
    crowd = by_grade["B"][:20] + by_grade["C"][:20]
    target = by_grade["C"][0]
    some = set(by_grade["B"][:10] + by_grade["C"][:10])
    bank.upload(
        "flags",
        pa.table({"id": crowd, "f": [i in some for i in crowd], "g": [i in some - {target} for i in crowd]}),
        replace=True,
    )
    for measure in ("count(*)", "sum(t.score)"):
        with pytest.raises(Refused, match="LVR-2311"):
            bank.analyse(
                f"SELECT t.grade, {measure} FILTER (WHERE n.f) AS f, {measure} FILTER (WHERE n.g) AS g "
                f"FROM flags n {TAX} GROUP BY t.grade"
            )


def test_a_sum_with_and_without_one_firm_is_not_answered(bank: louver.Client, served: Service) -> None:
    world = served.city.world
    ((capital,),) = read(
        f"SELECT min(c) FROM (SELECT reg_capital_wan AS c FROM read_parquet('{world}/gov.ent_registry/*.parquet') "
        f"JOIN read_parquet('{world}/gov.tax_credit/*.parquet') USING (uscc) GROUP BY 1 HAVING count(*) = 1)"
    )
    answer = bank.analyse(
        f"SELECT sum(t.score) AS s, sum(t.score) FILTER (WHERE r.reg_capital_wan <> {capital}) AS o "
        "FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc)"
    )
    ((whole, without_one),) = answer.rows
    assert whole is not None
    assert without_one is None, "what is left of the whole would be one firm's score"


@pytest.mark.parametrize("sum_", ["sum(s.arrears + 1000000)", "avg(s.arrears + 1000000)", "sum(s.arrears + s.paid)"])
def test_a_constant_does_not_hide_a_giant(bank: louver.Client, sum_: str) -> None:
    """One firm has all the arrears of its cell; a million for everybody makes the contributions look equal."""
    answer = bank.analyse(
        f"SELECT count(*) AS n, sum(s.arrears) AS a, {sum_} AS x FROM gov.ss_ent_month s "
        "JOIN gov.ent_registry r USING (uscc) WHERE s.pay_month = DATE '2026-05-01' "
        "AND r.section = 'C' AND r.district_code = '370211'"
    )
    ((_, alone, hidden),) = answer.rows
    assert alone is None
    assert hidden is None


@pytest.mark.parametrize(
    "expression",
    ["(headcount - 5) / (headcount - 5)", "headcount * headcount", "1 / (headcount - 5.5)", "headcount / headcount"],
)
def test_a_column_that_may_only_be_summed_is_not_multiplied_or_divided_by_itself(
    bank: louver.Client, expression: str
) -> None:
    """x/x is an equality test, and the power sums of a small cell are its values (Newton)."""
    sql = f"SELECT sum({expression}) AS x FROM gov.ss_ent_month WHERE pay_month = DATE '2026-05-01'"
    with pytest.raises(Refused):
        bank.analyse(sql)


def test_public_rows_are_no_weights_either(bank: louver.Client, by_grade: Mapping[str, list[str]]) -> None:
    """Each own id occurs once, and meets as many public firms as the bank chose for it."""
    firms = by_grade["B"][:5] + by_grade["C"][:5]
    bank.upload("weights", pa.table({"id": firms, "section": list("ACEFGHIJKL")}), replace=True)
    with pytest.raises(Refused):
        bank.analyse(
            f"SELECT t.grade, count(*) AS c FROM weights n {TAX} "
            "JOIN gov.ent_registry r ON r.section = n.section GROUP BY t.grade"
        )


def test_constants_chosen_by_public_columns_are_no_weights_either(bank: louver.Client) -> None:
    with pytest.raises(Refused):
        bank.analyse(
            "SELECT t.grade, sum(CASE r.section WHEN 'A' THEN 1001 WHEN 'C' THEN 1002 WHEN 'E' THEN 1004 END) AS w "
            "FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc) GROUP BY t.grade"
        )


def test_copies_of_the_others_do_not_hide_a_giant(bank: louver.Client, by_grade: Mapping[str, list[str]]) -> None:
    firms = by_grade["B"][:12]
    bank.upload("copies", pa.table({"id": [firms[0], *[f for f in firms[1:] for _ in range(200)]]}), replace=True)
    with pytest.raises(Refused):
        bank.analyse(f"SELECT sum(t.score) AS s FROM copies n {TAX}")


def test_counting_own_copies_below_does_not_bring_the_weights_back(
    bank: louver.Client, by_grade: Mapping[str, list[str]]
) -> None:
    """COUNT(*) of an inner GROUP BY over an own table has no column behind it, and is the bank's own number."""
    firms = by_grade["B"][:6] + by_grade["C"][:6]
    copies = [firm for place, firm in enumerate(firms) for _ in range(5000 + 2**place)]
    bank.upload("copies", pa.table({"id": copies}), replace=True)
    inner = "(SELECT id, count(*) AS w FROM copies GROUP BY id)"
    with pytest.raises(Refused):
        bank.analyse(f"SELECT t.grade, sum(n.w) AS w FROM {inner} n {TAX} GROUP BY t.grade")


def test_public_rows_that_multiply_only_on_a_hit_are_no_oracle(
    bank: louver.Client, by_grade: Mapping[str, list[str]]
) -> None:
    """With six such joins the firm that has the grade runs into the time limit, the other answers in 0.2 s."""
    joins = " ".join(f"JOIN gov.ent_registry r{place} ON r{place}.section = n.s" for place in range(6))
    sql = f"SELECT count(*) AS c FROM needle n {TAX} AND t.grade = 'D' {joins}"
    assert_alike(bank, by_grade, lambda firm: pa.table({"id": [firm], "s": ["F"]}), sql)

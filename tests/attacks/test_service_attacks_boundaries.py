"""A bank with a valid certificate tries to take more than it was granted, through the real service.

Levels that depend on the row, conditions on protected values by detours, other institutions' tables and receipts,
questions under other purposes: each is refused, or answered with what was public anyway.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pyarrow as pa
import pytest
from tests.support.installation import Service

import louver
from louver.errors import Refused

PUBLICITY = "repaired_on IS NULL AND published_on >= DATE '2023-06-30'"


@pytest.fixture(scope="module")
def bank(served: Service) -> Iterator[louver.Client]:
    with served.connect("bank_a", "MODEL_BUILD") as client:
        yield client


def refusal(bank: louver.Client, sql: str, purpose: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        bank.analyse(sql, purpose=purpose)
    return caught.value


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT uscc, score FROM gov.tax_credit WHERE grade = 'A'",
        "SELECT uscc, grade FROM gov.tax_credit WHERE grade = 'A' OR rating_year = 2025",
        "SELECT uscc, grade FROM gov.tax_credit WHERE grade <= 'A'",
        "SELECT uscc, grade FROM gov.tax_credit WHERE lower(grade) = 'a'",
        "SELECT uscc, grade FROM gov.tax_credit WHERE CASE WHEN rating_year = 2025 THEN TRUE ELSE grade = 'A' END",
        "SELECT r.uscc, t.grade FROM gov.ent_registry r LEFT JOIN gov.tax_credit t ON t.uscc = r.uscc "
        "WHERE t.grade = 'A' OR t.grade IS NULL",
        "SELECT t.uscc, t.grade FROM gov.tax_credit t LEFT JOIN gov.ent_registry r "
        "ON t.uscc = r.uscc AND t.grade = 'A'",
        "SELECT a.uscc, b.grade FROM gov.tax_credit a JOIN gov.tax_credit b ON a.uscc = b.uscc WHERE a.grade = 'A'",
        "SELECT x.uscc, x.g FROM (SELECT uscc, grade AS g, 'A' AS grade FROM gov.tax_credit) x WHERE x.grade = 'A'",
        "SELECT decision_no, fine_amt FROM gov.pen_penalty WHERE repaired_on IS NULL",
        f"SELECT decision_no, subject_id FROM gov.pen_penalty WHERE {PUBLICITY}",
        f"SELECT decision_no FROM gov.pen_penalty WHERE {PUBLICITY.replace('06-30', '06-29')}",
        "SELECT uscc FROM gov.ent_registry ORDER BY n_employees DESC LIMIT 1",
        "SELECT uscc FROM gov.ent_registry WHERE scale = '大'",
        "SELECT uscc, scale FROM gov.ent_registry LIMIT 1",
    ],
)
def test_a_condition_that_only_looks_like_the_public_one_opens_no_row(bank: louver.Client, sql: str) -> None:
    assert refusal(bank, sql).code == "LVR-2101"


def test_the_public_rows_themselves_are_answered(bank: louver.Client) -> None:
    for sql in (
        "SELECT uscc, grade FROM gov.tax_credit WHERE NOT (grade <> 'A')",
        "SELECT r.uscc, t.grade FROM gov.ent_registry r LEFT JOIN gov.tax_credit t "
        "ON t.uscc = r.uscc AND t.grade = 'A'",
        "SELECT uscc, grade, count(*) AS n FROM gov.tax_credit GROUP BY uscc, grade HAVING grade = 'A'",
    ):
        answer = bank.analyse(sql)
        assert answer.treatment == "exact"
        assert {row[1] for row in answer.rows} <= {"A", None}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM gov.tax_credit WHERE score > 90",
        "SELECT sum(nullif(headcount, 7)) AS n FROM gov.ss_ent_month",
        "SELECT count(*) AS n FROM (SELECT uscc, sum(arrears) AS s FROM gov.ss_ent_month GROUP BY uscc "
        "HAVING sum(arrears) > 100) x",
        "SELECT count(*) AS n FROM (SELECT uscc, sum(arrears) AS s FROM gov.ss_ent_month GROUP BY uscc) x "
        "WHERE x.s > 100",
        "SELECT sum(CASE WHEN x.s > 100 THEN 1 ELSE 0 END) AS n "
        "FROM (SELECT uscc, sum(arrears) AS s FROM gov.ss_ent_month GROUP BY uscc) x",
        "SELECT x.s, count(*) AS n FROM (SELECT uscc, sum(headcount) AS s FROM gov.ss_ent_month GROUP BY uscc) x "
        "GROUP BY x.s",
        "SELECT count(*) AS n FROM (SELECT uscc, sum(arrears) / sum(arrears) AS s FROM gov.ss_ent_month "
        "GROUP BY uscc) x WHERE x.s IS NOT NULL",
    ],
)
def test_a_condition_on_a_value_that_may_only_be_summed_is_refused_by_any_detour(
    bank: louver.Client, sql: str
) -> None:
    assert refusal(bank, sql).code == "LVR-2001"


def test_naming_one_subject_is_refused_in_every_place(bank: louver.Client) -> None:
    for sql in (
        "SELECT count(*) AS n FROM gov.utl_month WHERE subject_id = 'x'",
        "SELECT count(*) FILTER (WHERE subject_id = 'x') AS n FROM gov.utl_month",
        "SELECT subject_id = 'x' AS it, count(*) AS n FROM gov.utl_month GROUP BY 1",
        "SELECT count(DISTINCT CASE WHEN subject_id = 'x' THEN subject_id END) AS n FROM gov.utl_month",
    ):
        assert refusal(bank, sql).code in {"LVR-2106", "LVR-2303"}, sql


def test_another_banks_table_name_receipt_and_request_id_are_worth_nothing(served: Service) -> None:
    request = str(uuid.uuid4())
    with served.connect("bank_a", "MODEL_BUILD") as owner, served.connect("bank_b", "MODEL_BUILD") as thief:
        owner.upload("attack_secret", pa.table({"id_no": ["x"]}))
        owner.analyse("SELECT count(*) AS n FROM attack_secret", request_id=request)
        for name in ("bank_a.attack_secret", '"bank_a"."attack_secret"', "attack_secret", '"BANK_A".attack_secret'):
            assert refusal(thief, f"SELECT count(*) AS n FROM {name}").code == "LVR-1101"
        with pytest.raises(Refused, match="LVR-0108"):
            thief.receipt(request)
        with pytest.raises(Refused, match="LVR-4008"):
            thief.drop("attack_secret")
        answer = thief.analyse("SELECT count(*) AS n FROM gov.ent_registry", request_id=request)
        assert answer.rows[0][0] > 1
        assert request not in {query.request_id for query in thief.my_queries(50) if "attack_secret" in query.sql}
        with pytest.raises(Refused, match="LVR-0106"):
            owner.analyse("SELECT count(*) AS n FROM attack_secret", request_id=request, purpose="RESEARCH")


def test_a_stored_answer_is_not_given_for_a_purpose_or_to_a_bank_that_has_no_right(served: Service) -> None:
    sql = "SELECT count(*) AS n, sum(arrears) AS s FROM gov.ss_ent_month WHERE pay_month = DATE '2026-05-01'"
    with served.connect("bank_a", "MODEL_BUILD") as bank_a, served.connect("bank_b", "MODEL_BUILD") as bank_b:
        first = bank_a.analyse(sql)
        assert refusal(bank_a, sql, "MARKETING").code == "LVR-2002"
        assert bank_b.analyse(sql).cost == first.cost
    with served.connect("agency_c", "RESEARCH") as agency:
        assert refusal(agency, sql).code == "LVR-1101"


def test_own_tables_named_like_the_platforms_own_shadow_nothing(served: Service) -> None:
    with served.connect("bank_b", "MODEL_BUILD") as bank:
        for name in ("gov", "main", "data", "s1", "t1", "cell", "partial", "remainder"):
            bank.upload(name, pa.table({"uscc": ["x"], "k1": ["y"], "u1": [99], "c1": [1]}))
        answer = bank.analyse("SELECT t.grade, count(*) AS n FROM gov.tax_credit t GROUP BY t.grade")
        assert answer.treatment == "threshold"
        assert all(row[1] >= 5 for row in answer.rows)
        joined = bank.analyse("SELECT count(*) AS n FROM cell c JOIN gov.tax_credit t ON t.uscc = c.uscc")
        assert joined.rows == [(None,)]

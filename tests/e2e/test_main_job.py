"""The main job, as a bank lives it: upload, ask, be answered or refused, verify."""

import math
import uuid
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from tests.support.installation import Service

import louver
from louver.errors import Refused, Unproven
from louver.receipt import Receipt
from louver_sandbox.demo import questions


@pytest.fixture(scope="module")
def bank(served: Service) -> Iterator[louver.Client]:
    """Bank A, with its loan book uploaded."""
    with served.connect() as client:
        client.upload("loan_book", parquet.read_table(served.city.world / "bank_a.loan_book"), replace=True)
        yield client


def same(released: object, true: object) -> bool:
    """Equal; where one of them is a float, to its digits."""
    if isinstance(released, int | float | Decimal) and isinstance(true, int | float | Decimal):
        return math.isclose(released, true, rel_tol=1e-6)
    return released == true


def plain(served: Service, sql: str) -> list[tuple[object, ...]]:
    """The same question asked of the files with nothing in between."""
    with duckdb.connect() as connection:
        for schema in ("gov", "bank_a", "plat"):
            connection.execute(f"CREATE SCHEMA {schema}")
        for folder in served.city.world.iterdir():
            if folder.is_dir() and "." in folder.name:
                connection.execute(f"CREATE VIEW {folder.name} AS FROM '{folder}/*.parquet'")
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    "question", [q for q in questions.ANSWERED if q.name in {"A01", "A06"}], ids=lambda q: q.name
)
def test_exact_answers_equal_plain_duckdb(bank: louver.Client, served: Service, question: questions.Question) -> None:
    answer = bank.analyse(question.sql, purpose=question.purpose)
    assert answer.treatment == "exact"
    assert answer.rows == plain(served, question.sql)
    assert answer.notices == ()


def equal(released: object, true: object) -> bool:
    """Whether two cells say the same; averages to the precision of a double."""
    if isinstance(true, float) and isinstance(released, float | int | Decimal):
        return float(released) == pytest.approx(true)
    return released == true


@pytest.mark.parametrize("name", ["A03", "A07", "A08"])
def test_threshold_answers_are_true_or_withheld(bank: louver.Client, served: Service, name: str) -> None:
    question = next(q for q in questions.ANSWERED if q.name == name)
    answer = bank.analyse(question.sql, purpose=question.purpose)
    assert answer.treatment == "threshold"
    truth = plain(served, question.sql)
    keys = {"A03": 3, "A07": 1, "A08": 2}[name]
    exact = {row[:keys]: row[keys:] for row in truth}
    assert answer.rows, "something safe is left"
    for row in answer.rows:
        for released, true in zip(row[keys:], exact[row[:keys]], strict=True):
            assert released is None or equal(released, true)
    withheld = len(truth) - len(answer.rows) + sum(cell is None for row in answer.rows for cell in row[keys:])
    (risk,) = {notice.message.rpartition(": ")[0] for notice in answer.notices if notice.code == "RISK_ACCEPTED"} & {
        "terms of this data accept a risk: taxation/credit-grades: free-predicates",
        "terms of this data accept a risk: utilities/consumption: free-predicates",
    }
    assert risk, "what an officer has accepted stands in the answer"
    others = [notice for notice in answer.notices if notice.code != "RISK_ACCEPTED"]
    assert not withheld or others, "nothing is withheld without a notice"


def test_a_total_narrowed_to_one_firm_has_no_value(bank: louver.Client, served: Service) -> None:
    """That one firm is left is seen in the rows only, so it is withheld instead of refused (law 1)."""
    question = next(q for q in questions.ANSWERED if q.name == "C03")
    (true,) = plain(served, question.sql)
    answer = bank.analyse(question.sql, purpose=question.purpose)
    assert true[0] != 0, "somebody is in it"
    assert (answer.treatment, list(answer.rows)) == ("threshold", [(None, None)])
    assert {notice.code for notice in answer.notices} > {"RISK_ACCEPTED"}


@pytest.mark.parametrize("question", questions.REFUSED, ids=lambda q: q.name)
def test_refusals_teach(bank: louver.Client, question: questions.Question) -> None:
    with pytest.raises(Refused) as caught:
        bank.analyse(question.sql, purpose=question.purpose, parameters=question.parameters)
    refused = caught.value
    assert refused.code.startswith("LVR-")
    assert refused.hint
    assert refused.hint_zh
    assert refused.message_zh


def test_the_receipt_is_about_this_question_and_this_answer(bank: louver.Client, served: Service) -> None:
    sql = "SELECT section, count(*) AS n FROM gov.ent_registry GROUP BY section ORDER BY 1"
    answer = bank.analyse(sql, purpose="RESEARCH")
    assert answer.receipt is not None
    saved = Receipt.from_bytes(answer.receipt.to_bytes())
    assert saved.verify(served.city.log_key, sql=sql).kind == "outcome"
    with pytest.raises(Unproven):
        saved.verify(served.city.log_key, sql=sql + " ")
    with pytest.raises(Unproven):
        saved.verify(served.city.log_key, result_digest="0" * 64)


def test_a_retry_gets_the_same_answer_and_pays_nothing(bank: louver.Client) -> None:
    sql = "SELECT district_code, count(*) AS n FROM gov.ent_registry WHERE section = 'F' GROUP BY ALL ORDER BY 1"
    request_id = str(uuid.uuid4())
    first = bank.analyse(sql, purpose="RESEARCH", request_id=request_id)
    again = bank.analyse(sql, purpose="RESEARCH", request_id=request_id)
    assert again.stored
    assert again.cost == {}
    assert again.stream == first.stream
    with pytest.raises(Refused) as caught:
        bank.analyse(sql + " LIMIT 1", purpose="RESEARCH", request_id=request_id)
    assert caught.value.code == "LVR-0106"


def test_another_spelling_of_the_same_question_is_free(bank: louver.Client, served: Service) -> None:
    question = next(q for q in questions.ANSWERED if q.name == "A03")
    first = bank.analyse(question.sql, purpose=question.purpose)
    spelling = question.sql.replace("\n", "  ").replace("count(*)", "COUNT( * )") + " -- again"
    again = bank.analyse(spelling, purpose=question.purpose)
    assert again.stored
    assert again.cost == {}
    assert again.stream == first.stream
    assert again.receipt is not None
    again.receipt.verify(served.city.log_key, sql=spelling)


def test_a_dry_run_tells_the_cost_and_spends_nothing(bank: louver.Client) -> None:
    question = next(q for q in questions.ANSWERED if q.name == "A08")
    before = bank.explain(question.sql, purpose=question.purpose)
    again = bank.explain(question.sql, purpose=question.purpose)
    assert before.admitted
    assert before.treatment == "threshold"
    assert before.remaining == again.remaining
    refused = bank.explain("SELECT name FROM gov.pop_person", purpose="RESEARCH")
    assert not refused.admitted
    assert refused.refusal is not None


def test_unknown_and_forbidden_tables_look_the_same(served: Service) -> None:
    with served.connect("bank_b") as stranger:
        codes = []
        for table in ("bank_a.loan_book", "bank_a.nothing_here", "nowhere.at_all"):
            with pytest.raises(Refused) as caught:
                stranger.analyse(f"SELECT count(*) AS n FROM {table}", purpose="RESEARCH")
            refused = caught.value
            codes.append(
                (refused.code, refused.message.replace(table, "T"), refused.hint.replace(table, "T"), refused.column)
            )
        assert len(set(codes)) == 1


def test_own_tables_are_listed_replaced_and_forgotten(served: Service) -> None:
    with served.connect("bank_b") as bank_b:
        first = bank_b.upload(
            "名单", pa.table({"编号": [1, 2, 3], "日期": [date(2026, 1, day) for day in (1, 2, 3)]})
        )
        assert "名单" in {table.name for table in bank_b.tables(own_only=True)}
        assert bank_b.analyse('SELECT count(*) AS n, max("日期") AS d FROM "名单"', purpose="RESEARCH").rows == [
            (3, date(2026, 1, 3))
        ]
        same = bank_b.upload("名单", pa.table({"编号": [1, 2, 3], "日期": [date(2026, 1, day) for day in (1, 2, 3)]}))
        assert same.version == first.version
        other = pa.table({"编号": [4]})
        with pytest.raises(Refused, match="LVR-4009"):
            bank_b.upload("名单", other)
        assert bank_b.upload("名单", other, replace=True).version != first.version
        bank_b.drop("名单")
        with pytest.raises(Refused, match="LVR-4008"):
            bank_b.drop("名单")
        assert "名单" not in {table.name for table in bank_b.tables(own_only=True)}


def test_the_catalogue_shows_what_the_caller_may_see(bank: louver.Client) -> None:
    tables = {f"{table.schema}.{table.name}": table for table in bank.tables()}
    assert "gov.ent_registry" in tables
    assert "bank_a.loan_book" in tables
    columns = {column.name: column for column in tables["gov.tax_credit"].columns}
    assert columns["grade"].rights
    assert "special_status" not in {column.name for table in tables.values() for column in table.columns}


def test_my_trail_tells_what_i_asked_and_what_became_of_it(served: Service) -> None:
    with served.connect("agency_c") as agency:
        with pytest.raises(Refused):
            agency.analyse("SELECT 1 FROM nowhere.at_all", purpose="RESEARCH")
        trail = agency.my_queries(5)
        assert trail[0].state == "refused"
        assert trail[0].code == "LVR-1101"
        assert "nowhere.at_all" in trail[0].sql


def test_the_head_grows_and_is_signed(bank: louver.Client) -> None:
    before = bank.head()
    bank.analyse("SELECT count(*) AS n FROM gov.ent_registry WHERE section = 'Q'", purpose="RESEARCH")
    assert bank.head().size > before.size

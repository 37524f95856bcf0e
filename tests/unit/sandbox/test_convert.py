"""From wire messages to values: whatever is not of its form is refused by name, and nothing is guessed."""

import uuid
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.policy_questions import BANK_A

from louver.errors import Refused
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules, Totals
from louver_sandbox.refusals import capacity
from louver_sandbox.service import convert
from louver_sandbox.stages import Accuracy, Answer, Notice, Receipted, Treatment

ID = "123e4567-e89b-42d3-a456-426614174000"


def question(**change: Any) -> pb.Question:
    fields: dict[str, Any] = {"request_id": ID, "purpose": "RESEARCH", "sql": "SELECT 1"}
    return pb.Question(**(fields | change))


def field_refused(made: pb.Question) -> str:
    """The field that is named as malformed."""
    with pytest.raises(Refused) as caught:
        convert.request(made, BANK_A)
    assert caught.value.code == "LVR-0105"
    return caught.value.details["field"]


def test_a_question_becomes_a_request() -> None:
    made = question()
    made.parameters["a"].integer = 3
    made.parameters["b"].date = "2026-01-31"
    request = convert.request(made, BANK_A)
    assert (request.id, request.purpose, request.sql, request.subject) == (ID, "RESEARCH", "SELECT 1", BANK_A)
    assert request.parameters == {"a": 3, "b": date(2026, 1, 31)}


@pytest.mark.parametrize("wrong", ["", "1", ID.upper(), ID.replace("-", ""), "{" + ID + "}", ID + "0"])
def test_a_request_id_is_a_uuid_in_its_one_form(wrong: str) -> None:
    assert field_refused(question(request_id=wrong)) == "request_id"


@pytest.mark.parametrize("wrong", ["", "research", "RESEARCH\n", "R" * 65, "1A", "A B", "研究"])
def test_a_purpose_is_a_code(wrong: str) -> None:
    assert field_refused(question(purpose=wrong)) == "purpose"


@pytest.mark.parametrize(("sent", "meant"), [("", "duckdb"), ("mysql", "mysql"), ("unheardof", "unheardof")])
def test_the_dialect_is_duckdb_unless_another_is_named(sent: str, meant: str) -> None:
    assert convert.request(question(dialect=sent), BANK_A).dialect == meant
    dry = pb.ExplainRequest(purpose="RESEARCH", sql="SELECT 1", dialect=sent)
    assert convert.dry_request(dry, BANK_A).dialect == meant


@pytest.mark.parametrize("wrong", ["MySQL", "my sql", "mysql\n", "a" * 17])
def test_a_dialect_is_a_word(wrong: str) -> None:
    assert field_refused(question(dialect=wrong)) == "dialect"


@pytest.mark.parametrize("wrong", ["", " ", "\n\t"])
def test_there_is_sql(wrong: str) -> None:
    assert field_refused(question(sql=wrong)) == "sql"


@pytest.mark.parametrize(
    "value",
    [
        pb.Value(),
        pb.Value(decimal=""),
        pb.Value(decimal="1e5"),
        pb.Value(decimal="NaN"),
        pb.Value(decimal="Infinity"),
        pb.Value(decimal="1_000"),
        pb.Value(decimal="1" * 39),
        pb.Value(decimal="١"),
        pb.Value(text="x" * 4097),
        pb.Value(date="2026-02-30"),
        pb.Value(date="20260101"),
        pb.Value(date="2026-W01-1"),
        pb.Value(date="2026-01-01T00:00:00"),
    ],
)
def test_a_constant_that_is_not_of_its_form_is_refused(value: pb.Value) -> None:
    made = question()
    made.parameters["x"].CopyFrom(value)
    assert field_refused(made) == "parameters.x"


@pytest.mark.parametrize("name", ["", "1a", "a b", "a;", "a" * 64, "名"])
def test_a_parameters_name_is_a_plain_name(name: str) -> None:
    made = question()
    made.parameters[name].integer = 1
    assert field_refused(made) == "parameters"


def test_parameters_are_counted() -> None:
    made = question()
    for number in range(65):
        made.parameters[f"p{number}"].integer = number
    assert field_refused(made) == "parameters"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20))
def test_decimals_arrive_exactly(value: Decimal) -> None:
    found = convert.parameter("x", pb.Value(decimal=f"{value:f}"))
    assert str(found) == f"{value:f}"


def test_a_dry_run_needs_no_id() -> None:
    request = convert.dry_request(pb.ExplainRequest(purpose="RESEARCH", sql="SELECT 1"), BANK_A)
    assert uuid.UUID(request.id).version == 4


@given(st.binary(max_size=3 * convert.PIECE // 2))
def test_the_pieces_joined_are_the_content(content: bytes) -> None:
    pieces = convert.pieces(content)
    assert b"".join(pieces) == content
    assert all(len(piece) <= convert.PIECE for piece in pieces)
    assert pieces, "an empty answer is still sent"


def receipted(*, stored: bool) -> Receipted:
    notice = Notice("LVR-N01", 2, "k", "two cells", "两个单元格")
    exact = Accuracy("n", "count", "2.001", "6", "6", "six", "六")
    left, cost = {"x": 4}, {"gov.firm query": 1}
    answer = Answer(Treatment.THRESHOLD, b"arrow", b"rest", 3, (notice,), cost, left, ("p@1",), (exact,))
    return Receipted(answer, b"receipt", stored)


def test_a_header_says_what_was_paid_and_what_is_stored_cost_nothing() -> None:
    fresh = convert.header(ID, receipted(stored=False), development=True)
    again = convert.header(ID, receipted(stored=True), development=False)
    assert (dict(fresh.cost), dict(again.cost)) == ({"gov.firm query": 1}, {})
    assert (fresh.development, again.development) == (True, False)
    assert (fresh.stored, again.stored) == (False, True)
    assert fresh.result_sha256 == again.result_sha256
    assert (fresh.arrow_bytes, fresh.rows, fresh.remainder_arrow) == (5, 3, b"rest")
    assert fresh.notices[0].message_zh == "两个单元格"
    assert fresh.accuracy == again.accuracy
    assert (fresh.accuracy[0].column, fresh.accuracy[0].below, fresh.accuracy[0].message_zh) == ("n", "6", "六")


def test_noise_is_among_the_obligations() -> None:
    rules = ThresholdRules({UnitType.PERSON: 10, UnitType.ENTERPRISE: 5})
    tables = {UnitType.PERSON: "persons"}
    noisy = replace(rules, noise=NoiseRules(tables, RoundingKind.RANDOM, 5))
    told = "counts have noise by cell key (persons for person), rounded (random) to 5"
    assert convert.obligations(rules) == convert.obligations(noisy)[:-1]
    assert convert.obligations(noisy)[-1] == f"{told}; no sums"
    sums = replace(rules, noise=NoiseRules(tables, share=Decimal(2)))
    assert convert.obligations(sums)[-1].endswith("; sums 2 of their largest contributions")


def upload(*parts: pb.UploadTableRequest) -> bytes:
    """What an upload of these messages carries."""
    _, _, chunks = convert.upload(iter(parts))
    return b"".join(chunks)


def test_an_upload_is_a_header_and_then_arrow_only() -> None:
    header = pb.UploadTableRequest(header=pb.UploadHeader(name="loans", replace=True))
    piece = pb.UploadTableRequest(arrow=b"x")
    assert convert.upload(iter([header]))[:2] == ("loans", True)
    assert upload(header, piece, piece) == b"xx"
    for wrong in ((), (piece,), (pb.UploadTableRequest(),), (header, header), (header, piece, header)):
        with pytest.raises(Refused, match="LVR-0105"):
            upload(*wrong)


def test_a_refused_dry_run_is_an_answer() -> None:
    said = convert.refused_explanation(capacity.budget_spent("gov.firm", "RESEARCH", "query", 3, "tomorrow"))
    assert not said.admitted
    assert (said.refusal.code, said.refusal.line) == ("LVR-3001", 0)
    assert said.refusal.details["dataset"] == "gov.firm"


def test_obligations_are_told_in_words() -> None:
    rules = ThresholdRules({UnitType.PERSON: 10, UnitType.ENTERPRISE: 5})
    assert convert.obligations(rules)[0] == "at least 5 units of type enterprise in every cell"
    assert convert.obligations(None) == []
    keeping = convert.obligations(replace(rules, totals=Totals.COMPLEMENTARY))
    assert keeping == [*convert.obligations(rules), "further cells are withheld so that totals may be shown"]

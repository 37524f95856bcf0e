"""The trail: a caller sees its own questions, newest first, and nobody else's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.line import FAILURES, FORBIDDEN, SECTIONS, EngineSlot, Line, ask, call, line
from tests.support.policy_questions import AGENCY_C, BANK_A, BANK_B

from louver.errors import Fault, Refused
from louver.receipt import Receipt
from louver_sandbox.service import trail


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        made.pipeline.answer(ask(), call())
        with pytest.raises(Refused):
            made.pipeline.answer(ask(FORBIDDEN, "request-2"), call())
        made.slot = EngineSlot(fault=FAILURES["timeout"]())
        with pytest.raises(Fault):
            made.pipeline.answer(ask(who=BANK_B), call())
        yield made


def test_each_entry_is_a_record_newest_first(bank: Line) -> None:
    found = trail.queries(bank.books, BANK_A, 0, "").queries
    assert [record.state for record in found] == ["refused", "answered", "admitted"]
    assert [record.sql for record in found] == [FORBIDDEN, SECTIONS, SECTIONS]
    assert [record.log_index for record in found] == [2, 1, 0]
    assert found[0].code.startswith("LVR-2")
    assert (found[1].rows, found[1].treatment) == (2, "threshold")
    assert dict(found[2].cost) == {"gov.firm query": 1}


def test_nobody_sees_anothers_trail(bank: Line) -> None:
    assert [record.state for record in trail.queries(bank.books, BANK_B, 0, "").queries] == ["aborted", "admitted"]
    assert not trail.queries(bank.books, AGENCY_C, 0, "").queries


def test_pages_join_without_gap_or_repetition(bank: Line) -> None:
    whole = [record.log_index for record in trail.queries(bank.books, BANK_A, 0, "").queries]
    paged, token = [], ""
    while True:
        page = trail.queries(bank.books, BANK_A, 1, token)
        paged += [record.log_index for record in page.queries]
        if not (token := page.next_page_token):
            break
    assert paged == whole


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "٣", "9" * 19, " 1"])
def test_a_token_that_is_none_is_refused(bank: Line, token: str) -> None:
    with pytest.raises(Refused) as caught:
        trail.queries(bank.books, BANK_A, 0, token)
    assert caught.value.details["field"] == "page_token"


def test_a_receipt_is_for_its_owner_and_for_answers_only(bank: Line) -> None:
    receipt = Receipt.from_bytes(trail.receipt(bank.books, BANK_A, "request-1"))
    assert receipt.verify(bank.books.log.key, sql=SECTIONS, request_id="request-1").index == 1
    for who, request_id in ((BANK_B, "request-1"), (BANK_A, "request-2"), (BANK_A, "request-9")):
        with pytest.raises(Refused, match="LVR-0108"):
            trail.receipt(bank.books, who, request_id)


def test_an_erased_question_is_a_record_without_its_text(bank: Line) -> None:
    bank.books.log.erase(0, "sql")
    found = trail.queries(bank.books, BANK_A, 0, "").queries
    assert [record.sql for record in found] == [FORBIDDEN, "", ""]

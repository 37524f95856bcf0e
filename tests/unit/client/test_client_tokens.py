"""Tokens at the client: what is believed of an evaluation, how a table is rewritten, what the command line takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from louver.cli.parameters import elements_of
from louver.decoding import decode
from louver.encoding import encode
from louver.errors import Unproven
from louver.failures import Misused, Unreachable
from louver.matching import oprf, spread
from louver.tokens.asking import Exchange, Question, evaluated
from louver.tokens.columns import TOKEN_BYTES, NotTokens, TokenColumn, with_tokens
from louver.v1 import tokens_pb2 as pb

KEY = oprf.Evaluator.of(bytes(32))
VALUES = [b"a", b"b", b"c"]


def question() -> Question:
    return Question(pb.TokenQuestion(request_id="r", element="uscc", ids=3), spread.blind(VALUES))


def answers(
    asked: Question, key: oprf.Evaluator = KEY, *, request_id: str = "r", element: str = "uscc"
) -> list[pb.EvaluateResponse]:
    """What an honest platform answers, in pieces."""
    content = key.evaluate(asked.blinded.elements)
    told = pb.EvaluateHeader(request_id=request_id, element=element, public_key=KEY.public)
    return [
        pb.EvaluateResponse(header=told),
        pb.EvaluateResponse(evaluated=content[:50]),
        pb.EvaluateResponse(evaluated=content[50:]),
        pb.EvaluateResponse(receipt=b"receipt"),
    ]


def result(asked: Question, parts: Sequence[pb.EvaluateResponse]) -> tuple[list[bytes], str]:
    exchange = Exchange(asked, "")
    for part in parts:
        exchange.take(part)
    return exchange.result()


def test_tokens_are_those_of_the_key_that_is_named() -> None:
    asked = question()
    assert result(asked, answers(asked)) == (list(KEY.tokens(VALUES)), KEY.public.hex())
    sent = list(Exchange(asked, "").sent())
    assert sent[0].question == asked.message
    assert b"".join(part.batch for part in sent) == asked.blinded.elements


@pytest.mark.parametrize("missing", range(4))
def test_an_answer_that_is_cut_off_is_asked_for_again(missing: int) -> None:
    asked = question()
    parts = answers(asked)
    with pytest.raises(Unreachable):
        result(asked, parts[:missing] + parts[missing + 1 :])


def test_an_answer_to_something_else_by_another_key_or_too_long_is_not_believed() -> None:
    asked = question()
    wrong = [
        answers(asked, element="subject_code"),
        answers(asked, request_id="s"),
        answers(asked, oprf.Evaluator.of(bytes(31) + b"1")),
        [*answers(asked), pb.EvaluateResponse(evaluated=b"x")],
        answers(question()),
    ]
    for parts in wrong:
        with pytest.raises(Unproven):
            result(asked, parts)
    receipted = Exchange(asked, "log+0+AA==")
    for part in answers(asked):
        receipted.take(part)
    with pytest.raises(Unproven):
        receipted.result()


def hashed(element: str, values: Sequence[bytes]) -> tuple[list[bytes], str]:
    """In place of the platform."""
    return [hashlib.sha512(value).digest() for value in values], hashlib.sha256(element.encode()).hexdigest()


def test_only_the_named_columns_change_and_columns_of_one_element_share_tokens() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a 1", "other": "A-1", "person": "p", "amount": Decimal("1.50"), "note": "x"},
        {"id": None, "other": "ａ1", "person": "q", "amount": None, "note": "y"},
        {"id": "??", "other": "B2", "person": "p", "amount": Decimal("2.25"), "note": "z"},
    ]
    seen: list[tuple[str, int]] = []

    def evaluate(element: str, values: Sequence[bytes]) -> tuple[list[bytes], str]:
        seen.append((element, len(values)))
        return hashed(element, values)

    with encode(rows) as clear:
        made = with_tokens(clear, {"id": "uscc", "other": "uscc", "person": "citizen_number"}, evaluate)
    with made.content as content:
        content.seek(0)
        columns, found = decode(content.read())
    assert [column.name for column in columns] == list(rows[0])
    assert [row[3:] for row in found] == [(row["amount"], row["note"]) for row in rows]
    assert (found[0][0], found[1][0], found[2][0]) == (found[0][1], None, None)
    assert found[0][1] == found[1][1] != found[2][1]
    assert found[0][2] == found[2][2] != found[1][2]
    assert {len(row[1]) for row in found} == {TOKEN_BYTES}
    assert made.skipped == {"id": 1}
    assert seen == [("uscc", 2), ("citizen_number", 2)]


def test_many_ids_are_asked_for_in_parts_under_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("louver.tokens.asking.MOST_IDS", 2)
    said: list[tuple[int, int]] = []
    tokens, key = evaluated(VALUES, lambda part, tell: hashed("uscc", part), lambda *done: said.append(done))
    assert (tokens, key) == hashed("uscc", VALUES)
    assert said == [(0, 3), (2, 3), (3, 3)]
    keys = iter(["a", "b"])
    with pytest.raises(Misused, match="replaced its keys"):
        evaluated(VALUES, lambda part, tell: (list(part), next(keys)), None)


def test_the_command_line_takes_columns_with_their_elements() -> None:
    assert elements_of(["id_no=uscc", "who=citizen_number"]) == {"id_no": "uscc", "who": "citizen_number"}
    for wrong in (["id_no"], ["=uscc"], ["id_no="], ["a=b", "a=c"]):
        with pytest.raises(Misused):
            elements_of(wrong)


def test_metadata_say_all_or_nothing() -> None:
    good = TokenColumn("uscc", "0f" * 32)
    assert TokenColumn.from_bytes(good.to_bytes()) == good
    for wrong in (b"", b"[]", b"{}", good.to_bytes().replace(b"0f", b"0F"), b'{"element":1,"key":"","scheme":""}'):
        with pytest.raises(NotTokens):
            TokenColumn.from_bytes(wrong)

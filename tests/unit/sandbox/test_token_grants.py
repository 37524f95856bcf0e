"""Who may have tokens: charged, logged, limited, and only by a grant that says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit_logs import KEY
from tests.support.policy_questions import (
    AGENCY_C,
    BANK_A,
    BANK_B,
    STRANGER,
    bundle_of,
    city_catalog,
    grant,
    grant_document,
    policy,
)
from tests.support.tokens import TERMS, House, house

from louver.errors import Refused
from louver.matching import oprf
from louver.matching.subjects import value_of
from louver.receipt import Receipt
from louver_sandbox.algebra.types import TableName
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.matching import process as matcher
from louver_sandbox.policy.match_lint import idle_tokens
from louver_sandbox.recount import verify as recount
from louver_sandbox.stages import Subject


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def test_an_evaluation_is_charged_and_logged_before_it_is_made(here: House) -> None:
    values = [value_of(f"A{n}") for n in range(30)]
    here.evaluate("uscc", values)
    (admission,), (outcome,) = here.entries("admission"), here.entries("outcome")
    assert [(item["dataset"], item["kind"], item["amount"]) for item in admission["charges"]] == [
        ("tokens.uscc", "token_ids", 30)
    ]
    assert outcome["admission"] == admission["index"]
    assert here.pool.asked.index(matcher.EVALUATE) == len(here.pool.asked) - 1
    assert [str(found) for found in verify_log(here.books.state, KEY).findings] == []
    assert list(recount.differences(here.books.state)) == []


def test_a_retry_is_free_and_another_batch_under_its_id_refused(here: House) -> None:
    blinded = oprf.blind([b"a", b"b"])
    asked_ = here.asked(blinded.elements, 2, "uscc")
    first, again = here.answer(asked_, blinded.elements), here.answer(asked_, blinded.elements)
    assert (first.paid.cost, again.paid.cost) == ({"tokens.uscc token_ids": 2}, {})
    assert len(here.entries("outcome")) == 1
    assert Receipt.from_bytes(again.receipt).verify(KEY).entry["ids"] == 2
    other = oprf.blind([b"c", b"d"])
    with pytest.raises(Refused, match="LVR-0106"):
        here.answer(here.asked(other.elements, 2, "uscc", request_id=asked_.id), other.elements)


def test_whoever_enumerates_ids_is_stopped_by_the_day_and_by_the_month(here: House) -> None:
    values = [value_of(f"A{n}") for n in range(400)]
    for _ in range(2):
        here.evaluate("uscc", values)
    with pytest.raises(Refused, match="LVR-3001"):
        here.evaluate("uscc", values)
    here.evaluate("uscc", values, BANK_B)  # another bank has its own
    for _ in range(2):
        here.clock.now += timedelta(days=1)
        with contextlib.suppress(Refused):
            for _ in range(3):
                here.evaluate("uscc", values)
    spent = sum(entry["ids"] for entry in here.entries("admission") if entry["institution"] == "bank_a")
    assert spent == 2000
    assert here.entries("refusal")


@pytest.mark.parametrize(
    ("element", "who", "code"),
    [
        ("citizen_number", BANK_A, "LVR-5321"),
        ("subject_code", BANK_A, "LVR-5321"),
        ("no_such", BANK_A, "LVR-5321"),
        ("uscc", STRANGER, "LVR-5321"),
        ("uscc", AGENCY_C, "LVR-5321"),
    ],
)
def test_what_is_not_granted_is_denied(here: House, element: str, who: Subject, code: str) -> None:
    with pytest.raises(Refused, match=code):
        here.evaluate(element, [b"a"], who)
    (entry,) = here.entries()
    assert (entry["kind"], entry["code"]) == ("refusal", code)
    assert here.pool.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": None},
        {"columns": {"uscc": ["filter"], "grade": ["join_key"]}},
        {"valid": {"from": "2020-01-01", "until": "2020-12-31"}},
        {"to": {"institutions": ["bank_b"]}},
    ],
)
def test_a_grant_without_terms_without_the_right_or_out_of_time_gives_no_tokens(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    bundle = bundle_of(policy(grant_document(**(TERMS | changes))))
    with house(tmp_path, bundle) as made, pytest.raises(Refused, match="LVR-5321"):
        made.evaluate("uscc", [b"a"])


def test_a_denied_column_gives_no_tokens_and_of_several_terms_the_smallest_hold(tmp_path: Path) -> None:
    deny = {"id": "no", "to": {"groups": ["banks"]}, "table": "gov.tax_credit", "columns": ["uscc"], "reason": "r"}
    few = grant_document("few", **(TERMS | {"tokens": {"ids_per_day": 5, "ids_per_month": 5}}))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bundle = bundle_of(policy(grant_document(**TERMS), denies=(deny,)))
    with house(tmp_path / "a", bundle) as made, pytest.raises(Refused, match="LVR-5321"):
        made.evaluate("uscc", [b"a"])
    with house(tmp_path / "b", bundle_of(policy(grant_document(**TERMS), few))) as made:
        with pytest.raises(Refused, match="LVR-3001"):
            made.evaluate("uscc", [value_of(f"A{n}") for n in range(6)])
        made.evaluate("uscc", [value_of(f"A{n}") for n in range(5)])


def test_terms_need_a_column_to_join_by() -> None:
    with pytest.raises(ValueError, match="join_key"):
        policy(grant_document(columns={"grade": ["group_key"]}, tokens={"ids_per_day": 5, "ids_per_month": 5}))


@pytest.mark.parametrize("content", [bytes(64), b"\xff" * 64, bytes(63)])
def test_what_is_no_blinded_id_is_refused_before_anything_is_charged(here: House, content: bytes) -> None:
    with pytest.raises(Refused, match="LVR-5322"):
        here.answer(here.asked(content, 2, "uscc"), content)
    assert [entry["kind"] for entry in here.entries()] == ["refusal"]


def test_lint_finds_terms_that_give_nobody_tokens() -> None:
    table_ = city_catalog().table(TableName("gov", "tax_credit"))
    assert table_ is not None
    terms = {"ids_per_day": 5, "ids_per_month": 5}
    (found,) = idle_tokens(grant(columns={"rating_year": ["join_key"]}, tokens=terms), table_)
    assert (found.where, found.code) == (("tokens",), "idle-terms")
    assert list(idle_tokens(grant(columns={"uscc": ["join_key"]}, tokens=terms), table_)) == []
    assert list(idle_tokens(grant(columns={"rating_year": ["join_key"]}), table_)) == []

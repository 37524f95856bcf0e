"""The line of a match: what is charged and logged and when, what is refused, and that a retry is free."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit_logs import KEY
from tests.support.matching import LIST, House, Listed, firm, house, match_bundle, numbers, terms, tomorrow
from tests.support.policy_questions import BANK_A, BANK_B, STRANGER

from louver.errors import Fault, Refused
from louver.matching import oprf
from louver.matching.asking import Batch, _tokens
from louver.receipt import Receipt
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.matching import process as matcher
from louver_sandbox.recount import verify

LISTED = [Listed(firm(n)) for n in range(0, 60)]
BOOK = [firm(n) for n in range(40, 90)]
"""Fifty ids, twenty of them on the list."""


@pytest.fixture
def here(tmp_path: Path) -> Any:
    with house(tmp_path, LISTED) as made:
        yield made


def refused(house_: House, *args: Any, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        house_.ask(*args, **more)
    return caught.value.code


def test_how_many_elements_an_evaluation_is_of_follows_from_its_bytes() -> None:
    for count in range(200):
        assert oprf.evaluated_elements(oprf.evaluated_bytes(count)) == count


def sound(house_: House) -> bool:
    """The log verifies, and the ledger is what it says."""
    assert [str(found) for found in verify_log(house_.books.state, KEY).findings] == []
    return [str(found) for found in verify.differences(house_.books.state)] == []


def test_hits_are_ones_own_ids_that_are_on_the_list(here: House) -> None:
    found = here.ask(BOOK)
    assert set(found.hits) == {firm(n) for n in range(40, 60)}
    assert sound(here)


def test_a_match_is_charged_and_logged_before_anything_is_evaluated(here: House) -> None:
    here.ask(BOOK)
    (admission,), (outcome,) = here.entries("admission"), here.entries("outcome")
    charges = {item["kind"]: item["amount"] for item in admission["charges"]}
    assert charges == {"query": 1, "match_ids": 50}
    assert outcome["admission"] == admission["index"]
    assert outcome["match_set"] == admission["match_set"] == here.entries("match_set")[0]["sha256"]
    assert [entry["kind"] for entry in here.entries()] == ["match_set", "admission", "outcome"]
    (session,) = here.pool.sessions
    assert [request[:1] for request in session.asked] == [matcher.KEY, matcher.ELEMENTS, matcher.EVALUATE]


def test_when_the_charge_fails_nothing_is_evaluated(tmp_path: Path) -> None:
    bundle = match_bundle(matching=terms(ids_per_day=50, ids_per_month=60))
    with house(tmp_path, LISTED, bundle=bundle) as here:
        here.ask(BOOK)
        assert refused(here, BOOK) == "LVR-3001"
        assert [request[:1] for request in here.pool.sessions[1].asked] == [matcher.KEY, matcher.ELEMENTS]
        tomorrow(here)
        assert refused(here, BOOK) == "LVR-3001"
        assert here.ask(BOOK[:20], who=BANK_B).hits is not None
        assert len(here.entries("refusal")) == 2
        assert sound(here)


def test_the_receipt_names_the_set_and_proves_the_outcome(here: House) -> None:
    found = here.ask(BOOK)
    proof = Receipt.from_bytes(found.receipt).verify(KEY)
    assert found.set is not None
    assert proof.entry["match_set"] == found.set.digest
    assert (proof.entry["list"], proof.entry["mode"], proof.entry["ids"]) == (LIST, "hits", 50)


def test_the_set_is_the_same_for_every_institution(here: House) -> None:
    first, second = here.ask(BOOK), here.ask(BOOK, who=BANK_B)
    assert first.set is not None
    assert second.set is not None
    assert first.set.digest == second.set.digest
    assert len(here.entries("match_set")) == 1


def retried(house_: House, times: int) -> list[tuple[bytes, bytes]]:
    """The very same request, over and over."""
    batch = Batch.of(BOOK)
    blinded = oprf.blind(batch.values)
    asked = house_.asked(blinded.elements, len(blinded), "hits")
    answers = []
    for _ in range(times):
        paid, session, public = house_.paid(asked, blinded.elements)
        evaluated, _, receipt = house_.line.hits(paid, blinded.elements, session)
        oprf.finalize(blinded, evaluated, public)
        answers.append((oprf.elements_digest(evaluated).encode(), receipt))
    return answers


def test_a_retry_gets_the_same_answer_and_pays_nothing(here: House) -> None:
    answers = retried(here, 3)
    assert len({digest for digest, _ in answers}) == 1
    assert len(here.entries("admission")) == len(here.entries("outcome")) == 1
    assert all(Receipt.from_bytes(receipt).verify(KEY) for _, receipt in answers)
    assert sound(here)


def test_a_request_id_belongs_to_one_batch(here: House) -> None:
    request_id = str(uuid.uuid4())
    here.ask(BOOK, request_id=request_id)
    assert refused(here, BOOK, request_id=request_id) == "LVR-0106"
    assert here.ask(BOOK, request_id=request_id, who=BANK_B).hits


NOT_GRANTED: list[tuple[list[str], dict[str, Any], str]] = [
    (BOOK[:19], {}, "LVR-5103"),
    (BOOK[:1], {}, "LVR-5103"),
    ([BOOK[0]] * 50, {}, "LVR-5103"),
    (BOOK, {"list_": "gov.credit_list/grey"}, "LVR-5101"),
    (BOOK, {"list_": "gov.nothing/black"}, "LVR-5101"),
    (BOOK, {"list_": "nonsense"}, "LVR-5101"),
    (BOOK, {"who": STRANGER}, "LVR-5101"),
    (BOOK, {"purpose": "MODEL_BUILD"}, "LVR-2002"),
    (BOOK, {"purpose": "CURIOSITY"}, "LVR-2003"),
]


def test_what_is_not_granted_is_refused_and_logged_before_any_id_is_looked_at(here: House) -> None:
    for ids, more, code in NOT_GRANTED:
        assert refused(here, ids, **more) == code
    codes = [code for _, _, code in NOT_GRANTED]
    assert [(entry["kind"], entry["code"]) for entry in here.entries()] == [("refusal", code) for code in codes]
    assert here.pool.sessions == []


def test_a_list_that_is_not_there_and_one_that_is_not_granted_look_the_same(here: House) -> None:
    said = []
    for list_ in ("gov.credit_list/black", "gov.credit_list/grey"):
        with pytest.raises(Refused) as caught:
            here.ask(BOOK, list_=list_, who=STRANGER)
        said.append((caught.value.code, caught.value.hint, caught.value.message.replace(list_, "X")))
    assert said[0] == said[1]


def test_modes_are_granted_by_name(tmp_path: Path) -> None:
    with house(tmp_path, LISTED, bundle=match_bundle(matching=terms(modes=["count"]))) as here:
        assert refused(here, BOOK) == "LVR-5102"
        assert here.ask(BOOK, "count").number is not None


def broken_batches() -> list[tuple[str, bytes]]:
    elements = oprf.blind([b"%d" % n for n in range(20)]).elements
    return [
        ("cut off", elements[:-1]),
        ("one short", elements[:-32]),
        ("one more", elements + elements[:32]),
        ("identity", elements[:-32] + bytes(32)),
        ("off the curve", b"\xff" * 32 + elements[32:]),
        ("not canonical", elements[:32] + (2**255 - 19 + 2).to_bytes(32, "little") + elements[64:]),
        ("empty", b""),
    ]


def test_a_broken_batch_is_refused_and_nothing_is_charged(here: House) -> None:
    for name, content in broken_batches():
        with pytest.raises(Refused) as caught:
            here.paid(here.asked(content, 20, "hits"), content)
        assert caught.value.code == "LVR-5105", name
    assert here.entries("admission") == []


def test_a_batch_that_was_not_signed_is_refused(here: House) -> None:
    content = oprf.blind([b"%d" % n for n in range(20)]).elements
    asked = here.asked(content, 20, "hits")
    with pytest.raises(Refused) as caught:
        here.line.check_batch(asked, content[32:] + content[:32])
    assert caught.value.code == "LVR-5105"


def test_tokens_are_each_there_once_and_amounts_within_their_bound(here: House) -> None:
    token = hashlib.sha256(b"x").digest()
    tokens = [hashlib.sha256(b"%d" % n).digest() + bytes(8) for n in range(19)]
    twice = [*tokens, token + bytes(8), token + bytes(8)]
    too_much = [*tokens, token + (1_000_001).to_bytes(8, "big")]
    in_a_count = [*tokens, token + (1).to_bytes(8, "big")]
    for rows, mode in ((twice, "count"), (twice, "sum"), (too_much, "sum"), (in_a_count, "count")):
        content = b"".join(rows)
        asked = here.asked(content, len(rows), mode, public=bytes(32))
        with pytest.raises(Refused) as caught:
            here.paid(asked, content)
        assert caught.value.code == "LVR-5105"
    assert here.entries("admission") == []


def test_an_evaluation_by_another_key_ends_the_match_and_it_stays_charged(here: House) -> None:
    batch = Batch.of(BOOK)
    mine, other = oprf.Evaluator.of(bytes([1] * 32)), oprf.Evaluator.of(bytes([2] * 32))
    content = _tokens(mine, batch)
    asked = here.asked(content, len(batch.values), "count", public=mine.public)
    paid, session, _ = here.paid(asked, content)
    evaluated = other.evaluate(here.blinded(paid, session))
    with pytest.raises(Refused) as caught:
        here.line.number(paid, evaluated, session)
    assert caught.value.code == "LVR-5106"
    assert [entry["kind"] for entry in here.entries()] == ["match_set", "admission", "aborted"]
    assert sound(here)


def test_what_breaks_after_the_charge_is_one_constant_fault(here: House) -> None:
    batch = Batch.of(BOOK)
    blinded = oprf.blind(batch.values)
    asked = here.asked(blinded.elements, len(blinded), "hits")
    paid, session, _ = here.paid(asked, blinded.elements)
    session.ask = lambda request, cap: 1 / 0
    with pytest.raises(Fault):
        here.line.hits(paid, blinded.elements, session)
    assert [entry["kind"] for entry in here.entries()][-1] == "aborted"
    assert len(here.incidents) == 1
    assert sound(here)


def test_without_a_key_nothing_is_matched_and_nothing_charged(tmp_path: Path) -> None:
    with house(tmp_path, LISTED, seed=None) as here:
        assert refused(here, BOOK) == "LVR-5107"
        assert here.entries("admission") == []


def test_numbers_and_sums_are_of_ones_own_ids_with_noise(here: House) -> None:
    count = here.ask(BOOK, "count").number
    total = here.ask(BOOK, "sum", amounts=[1000] * 50, largest=1000).number
    assert count is not None
    assert total is not None
    assert abs(count - 20) <= 15
    assert abs(total - 20_000) <= 15_000
    first, second = here.entries("admission")
    charges = {item["kind"]: item["amount"] for item in first["charges"]}
    assert charges == {"query": 1, "match_ids": 50, "match_answers": 1}
    assert [item["unit"] for item in first["privacy"]] == ["enterprise"]
    assert first["privacy"][0]["cost"]["rho"] <= first["privacy"][0]["most"]["rho"]
    assert ("largest" in first, second["largest"]) == (False, 1000)
    assert sound(here)


def test_the_bound_of_amounts_is_declared_logged_and_in_the_receipt(here: House) -> None:
    found = here.ask(BOOK, "sum", amounts=[7] * 50, largest=900)
    proof = Receipt.from_bytes(found.receipt).verify(KEY)
    assert proof.entry["largest"] == 900
    for bound in (0, 1_000_001):
        assert refused(here, BOOK, "sum", amounts=[0] * 50, largest=bound) == "LVR-5110"
    assert refused(here, BOOK, "count", largest=5) == "LVR-5110"
    assert refused(here, BOOK, "sum", amounts=[901] * 50, largest=900) == "LVR-5105"
    assert len(here.entries("admission")) == 1


def test_the_same_batch_has_its_number_again_and_pays_no_privacy(here: House) -> None:
    one = [here.ask(BOOK, "count", seed=bytes([5] * 32)) for _ in range(3)]
    assert len({found.number for found in one}) == 1
    paid = [entry.get("privacy") is not None for entry in here.entries("admission")]
    assert paid == [True, False, False]
    # What is the same is decided by what is committed to: another key is another batch, also of the same ids.
    here.ask(BOOK, "count", seed=bytes([6] * 32))
    here.ask(BOOK, "count", seed=bytes([5] * 32), who=BANK_B)
    assert [entry.get("privacy") is not None for entry in here.entries("admission")][3:] == [True, True]
    assert sound(here)


def test_a_retry_of_a_number_is_free_and_has_one_outcome(here: House) -> None:
    batch = Batch.of(BOOK)
    evaluator = oprf.Evaluator.of(bytes([7] * 32))
    content = _tokens(evaluator, batch)
    asked = here.asked(content, 50, "count", public=evaluator.public)
    first, second = (here.number(asked, content, evaluator) for _ in range(2))
    assert first.number == second.number
    assert [entry["kind"] for entry in here.entries()] == ["match_set", "admission", "outcome"]
    assert Receipt.from_bytes(second.receipt).verify(KEY).entry["admission"] == 1
    assert sound(here)


def test_numbers_end_with_the_allowance_and_hits_do_not(tmp_path: Path) -> None:
    bundle = match_bundle(matching=terms(numbers=numbers(each=2, allowance=2, lifetime=3), answers_per_month=50))
    with house(tmp_path, LISTED, bundle=bundle) as here:
        here.ask(BOOK, "count")
        assert refused(here, BOOK, "count") == "LVR-3013"
        # The lifetime is everybody's: another institution spends what is left of it, and no new month gives it back.
        here.ask(BOOK, "count", who=BANK_B)
        tomorrow(here, 40)
        assert refused(here, BOOK, "count") == "LVR-3012"
        assert here.ask(BOOK).hits
        assert sound(here)


def test_without_a_source_of_noise_no_number_is_charged(here: House) -> None:
    here.line._sampler = None
    assert refused(here, BOOK, "count") == "LVR-3106"
    assert here.entries("admission") == []
    assert here.ask(BOOK).hits


def test_so_many_numbers_a_month_and_no_more(here: House) -> None:
    for _ in range(5):
        here.ask(BOOK, "count")
    assert refused(here, BOOK, "count") == "LVR-3001"
    assert here.ask(BOOK).hits


def test_feedback_is_about_ones_own_hits_and_tells_nothing(here: House) -> None:
    request_id, number = str(uuid.uuid4()), str(uuid.uuid4())
    here.ask(BOOK, request_id=request_id)
    here.ask(BOOK, "count", request_id=number)
    said = [
        here.line.report(BANK_A, request_id, LIST, subject, "2.04", "2026-07-01", "limit lowered")
        for subject in (firm(41), firm(89))
    ]
    assert said == sorted(said)
    first, second = here.entries("match_measure")
    assert first["measure"] == "2.04"
    assert first["match"] == here.entries("outcome")[0]["index"]
    assert {*first} == {*second}
    assert firm(41) not in str(first)
    for who, match, list_ in (
        (BANK_B, request_id, LIST),
        (BANK_A, number, LIST),
        (BANK_A, str(uuid.uuid4()), LIST),
        (BANK_A, request_id, "gov.credit_list/red"),
    ):
        with pytest.raises(Refused) as caught:
            here.line.report(who, match, list_, firm(41), "2.04", "2026-07-01", "")
        assert caught.value.code == "LVR-5109"

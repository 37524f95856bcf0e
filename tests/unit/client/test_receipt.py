"""A receipt proves offline, with the log's key alone, what a bank asked and what it was answered."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.audit_logs import KEY, ORIGIN, SQL, answer, digest, open_log

from louver.errors import Error, Fault, Refused, Unproven
from louver.receipt import Receipt, commitment
from louver.transparency import TlogProof
from louver_sandbox.store import State


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receipt]:
    path: Path = tmp_path_factory.mktemp("log")
    with State.open(path / "state.db") as state:
        log = open_log(state)
        outcomes = [answer(log, number) for number in range(5)]
        log.head()
        yield log.receipt(outcomes[2].index)


def test_a_receipt_proves_question_answer_and_request(receipt: Receipt) -> None:
    proved = receipt.verify(KEY, sql=SQL, result_digest=digest(2), request_id="request-2")
    assert (proved.index, proved.kind) == (5, "outcome")
    assert proved.checked == {"sql", "result_digest", "request_id"}
    assert (proved.head.origin, proved.head.size) == (ORIGIN, 10)
    assert proved.time.endswith("Z")
    assert proved.entry["institution"] == "bank-a"


def test_what_was_not_handed_in_is_not_said_to_be_checked(receipt: Receipt) -> None:
    assert receipt.verify(KEY).checked == frozenset()


def test_a_receipt_survives_the_file_byte_for_byte(receipt: Receipt) -> None:
    again = Receipt.from_bytes(receipt.to_bytes())
    assert again == receipt
    assert again.to_bytes() == receipt.to_bytes()
    again.verify(KEY, sql=SQL)


def test_a_receipt_is_a_tlog_proof_that_other_tools_read(receipt: Receipt) -> None:
    proof = TlogProof.parse(receipt.to_bytes())
    assert proof.extra is not None
    assert json.loads(proof.extra)["entry"].encode() == receipt.entry
    assert (receipt.index, receipt.checkpoint) == (proof.index, proof.checkpoint)


def test_a_receipt_does_not_show_the_question(receipt: Receipt) -> None:
    for view in (receipt.to_bytes(), base64.b64decode(receipt.to_bytes().split(b"\n")[1].removeprefix(b"extra "))):
        assert b"pop_person" not in view


@pytest.mark.parametrize("claim", [{"sql": SQL + " "}, {"result_digest": digest(3)}, {"request_id": "request-3"}])
def test_another_question_answer_or_request_is_not_proved(receipt: Receipt, claim: dict[str, str]) -> None:
    with pytest.raises(Unproven, match="another"):
        receipt.verify(KEY, **claim)


def test_without_the_salt_the_question_cannot_be_proved(receipt: Receipt) -> None:
    bare = replace(receipt, openings={})
    bare.verify(KEY)
    with pytest.raises(Unproven, match="no salt"):
        bare.verify(KEY, sql=SQL)


def test_a_receipt_is_not_changed_by_accident(receipt: Receipt) -> None:
    with pytest.raises(FrozenInstanceError):
        receipt.entry = b""  # type: ignore[misc]  # the very thing that must not work
    with pytest.raises(TypeError):
        receipt.verify(KEY).entry["kind"] = "refused"  # type: ignore[index]  # the very thing that must not work


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_changed_byte_of_a_receipt_proves_the_same(receipt: Receipt, data: st.DataObject) -> None:
    original = receipt.to_bytes()
    where = data.draw(st.integers(0, len(original) - 1))
    changed = original[:where] + bytes([data.draw(st.integers(0, 255))]) + original[where + 1 :]
    if changed == original:
        return
    with pytest.raises(Unproven):
        Receipt.from_bytes(changed).verify(KEY, sql=SQL, result_digest=digest(2))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_no_receipt(noise: bytes) -> None:
    with pytest.raises(Unproven):
        Receipt.from_bytes(noise)


@pytest.mark.parametrize(
    "extra",
    [
        None,
        b"",
        b"[]",
        b"{}",
        b'{"entry":"{}","openings":{},"more":1}',
        b'{"entry":1,"openings":{}}',
        b'{"entry":"{}","openings":[]}',
        b'{"entry":"{}","entry":"{}","openings":{}}',
        b'{"entry":"{}", "openings":{}}',
        b'{"openings":{},"entry":"{}"}',
        b'{"entry":"{}","openings":{"sql":"AAAA"}}',
        b'{"entry":"{}","openings":{"SQL":"AAAA"}}',
        b'{"entry":"\\ud800","openings":{}}',
        b'{"entry":"\xff","openings":{}}',
        b'{"entry":NaN,"openings":{}}',
        b"[" * 100_000,
    ],
)
def test_an_enclosure_of_another_form_is_refused(receipt: Receipt, extra: bytes | None) -> None:
    with pytest.raises(Unproven):
        Receipt.from_bytes(replace(receipt.proof, extra=extra).to_bytes())


def test_commitments_hide_and_bind() -> None:
    salt, other = b"a" * 32, b"b" * 32
    assert commitment("sql", salt, SQL) != commitment("sql", other, SQL)
    assert commitment("sql", salt, SQL) != commitment("literals", salt, SQL)
    assert commitment("sql", salt, SQL) != commitment("sql", salt, SQL + ";")
    for bad in (("sql", b"short"), ("s\nql", salt), ("", salt)):
        with pytest.raises(ValueError, match="32 bytes"):
            commitment(*bad, SQL)


def test_a_refusal_says_where_and_what_helps() -> None:
    refused = Refused("LVR-1301", "column person would be returned per row", "wrap it in an aggregate", 2, 8)
    assert str(refused) == (
        "LVR-1301: column person would be returned per row (line 2, column 8)\n  hint: wrap it in an aggregate"
    )
    assert not refused.retryable
    assert Refused("LVR-3001", "the day's queries are spent", retry_after=3600.0).retryable


@pytest.mark.parametrize(
    "error",
    [
        Refused("LVR-1301", "message", hint="hint", line=1, column=2, details={"column": "person"}),
        Fault("incident-1"),
        Unproven("message", b"evidence"),
    ],
)
def test_errors_keep_their_fields_for_good(error: Error) -> None:
    name = next(iter(vars(error)))
    with pytest.raises(AttributeError):
        setattr(error, name, "changed")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))
    error.add_note("travelled far")


def test_a_failed_proof_keeps_its_evidence_and_a_fault_tells_nothing() -> None:
    assert "8 bytes" in str(Unproven("no signature", b"evidence"))
    assert str(Unproven("no signature")) == "no signature"
    assert str(Fault("i-7")) == "the platform could not answer; incident i-7"

"""A platform that lies about what it was asked and what it answered, and banks that lie about their receipts.

Each story ends with what the verifier says. The law behind them: durable before visible, and provable afterwards
by people who trust nobody here (architecture, laws 2, 8 and 9).
"""

from __future__ import annotations

import base64
import json
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.audit_logs import KEY, MALLORY, ORIGIN, SIGNER, SQL, answer, digest, open_log

from louver.errors import Unproven
from louver.receipt import Receipt
from louver.transparency import Checkpoint, Note, Signature, TlogProof, TreeHead, VerifierKey
from louver.transparency.merkle import leaf_hash, node_hash
from louver_sandbox.audit import AuditLog, Ed25519Signer
from louver_sandbox.audit.head import sign_head
from louver_sandbox.store import State

VECTORS = Path(__file__).parents[2] / "clients" / "conformance" / "receipts"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditLog]:
    path: Path = tmp_path_factory.mktemp("log")
    with State.open(path / "state.db") as state:
        opened = open_log(state)
        for number in range(6):
            answer(opened, number)
        yield opened


def test_the_operator_invents_an_entry_it_never_logged(log: AuditLog) -> None:
    receipt = log.receipt(5)
    invented = replace(receipt, entry=receipt.entry.replace(digest(2).encode(), digest(9).encode()))
    assert invented.entry != receipt.entry
    with pytest.raises(Unproven, match="leads to root") as caught:
        invented.verify(KEY, result_digest=digest(9))
    assert caught.value.evidence == b"".join(receipt.proof.path)


def test_the_operator_lends_one_banks_receipt_to_another_question(log: AuditLog) -> None:
    with pytest.raises(Unproven, match="another request_id"):
        log.receipt(5).verify(KEY, request_id="request-3")


def test_the_bank_claims_to_have_asked_something_harmless(log: AuditLog) -> None:
    with pytest.raises(Unproven, match="another sql"):
        log.receipt(5).verify(KEY, sql="SELECT 1")


def test_the_bank_searches_for_a_salt_that_fits_its_story(log: AuditLog) -> None:
    receipt = log.receipt(5)
    for attempt in range(50):
        swapped = replace(receipt, openings={"sql": attempt.to_bytes(32)})
        with pytest.raises(Unproven, match="another sql"):
            swapped.verify(KEY, sql="SELECT 1")


def test_the_bank_opens_one_field_with_the_salt_of_another(log: AuditLog) -> None:
    receipt = log.receipt(5)
    with pytest.raises(Unproven, match="no salt"):
        replace(receipt, openings={"literals": receipt.openings["sql"]}).verify(KEY, sql=SQL)


def test_a_refusal_cannot_stand_in_for_an_answer(log: AuditLog) -> None:
    with log.state.transaction() as tx:
        refusal = log.append(tx, {"kind": "refused", "request_id": "request-9", "code": "LVR-1301"}, {"sql": SQL})
    receipt = log.receipt(refusal.index)
    assert receipt.verify(KEY, sql=SQL, request_id="request-9").kind == "refused"
    with pytest.raises(Unproven, match="another result_digest"):
        receipt.verify(KEY, result_digest=digest(1))


def test_a_private_tree_signed_with_another_key_under_the_same_name(log: AuditLog) -> None:
    receipt = log.receipt(5)
    head = TreeHead(ORIGIN, 1, leaf_hash(receipt.entry))
    with pytest.raises(Unproven, match="no signature by"):
        Receipt(receipt.entry, TlogProof(0, (), sign_head(head, MALLORY))).verify(KEY)


def test_the_logs_signature_on_another_text(log: AuditLog) -> None:
    receipt = log.receipt(5)
    head = TreeHead(ORIGIN, 1, leaf_hash(receipt.entry))
    stolen = Note(head.text(), receipt.checkpoint.note.signatures)
    with pytest.raises(Unproven, match="is wrong"):
        Receipt(receipt.entry, TlogProof(0, (), Checkpoint(head, stolen))).verify(KEY)


def test_a_checkpoint_that_shows_one_head_and_was_signed_for_another(log: AuditLog) -> None:
    """What ``claimed`` says is never used: the head is read again from the signed text."""
    receipt = log.receipt(5)
    liar = Checkpoint(TreeHead(ORIGIN, 1, leaf_hash(b"lie")), receipt.checkpoint.note)
    lying = Receipt(b"lie", TlogProof(0, (), liar))
    with pytest.raises(Unproven):
        lying.verify(KEY)


def test_a_true_head_of_the_same_key_for_another_log(log: AuditLog) -> None:
    receipt = log.receipt(5)
    other = Ed25519Signer("louver.example/test", SIGNER.private_key)
    head = TreeHead(other.name, 1, leaf_hash(receipt.entry))
    foreign = Receipt(receipt.entry, TlogProof(0, (), sign_head(head, other)))
    with pytest.raises(Unproven):
        foreign.verify(KEY)


def test_the_same_entry_logged_at_two_places(log: AuditLog) -> None:
    """A log that repeats an entry's bytes elsewhere signs a contradiction, for the entry names its index."""
    receipt = log.receipt(5)
    copy = leaf_hash(receipt.entry)
    head = TreeHead(ORIGIN, 2, node_hash(copy, copy))
    with pytest.raises(Unproven, match="written for another place"):
        Receipt(receipt.entry, TlogProof(1, (copy,), sign_head(head, SIGNER))).verify(KEY)


def test_a_node_of_the_tree_passed_off_as_an_entry(log: AuditLog) -> None:
    """The two prefixes of RFC 6962: what hashes to a node never hashes to a leaf."""
    left, right = leaf_hash(log.entry(0).body), leaf_hash(log.entry(1).body)
    head = TreeHead(ORIGIN, 2, node_hash(left, right))
    with pytest.raises(Unproven):
        Receipt(left + right, TlogProof(0, (), sign_head(head, SIGNER))).verify(KEY)


def test_an_entry_that_two_readers_would_read_differently(log: AuditLog) -> None:
    """Signed by the log itself, and still refused: a name occurs twice."""
    twice = b'{"index":0,"kind":"outcome","kind":"refused","time":"t","v":1}'
    head = TreeHead(ORIGIN, 1, leaf_hash(twice))
    with pytest.raises(Unproven, match="strict JSON"):
        Receipt(twice, TlogProof(0, (), sign_head(head, SIGNER))).verify(KEY)


@pytest.mark.parametrize(
    "entry",
    [
        b"[]",
        b"{}",
        b'{"index":0,"kind":"a","time":"t","v":2}',
        b'{"index":0,"kind":"a","time":"t","v":true}',
        b'{"index":false,"kind":"a","time":"t","v":1}',
        b'{"index":0,"kind":1,"time":"t","v":1}',
        b'{"index":0,"kind":"a","v":1}',
        b"[" * 50_000,
    ],
)
def test_a_signed_entry_this_client_cannot_understand_proves_nothing(entry: bytes) -> None:
    receipt = Receipt(entry, TlogProof(0, (), sign_head(TreeHead(ORIGIN, 1, leaf_hash(entry)), SIGNER)))
    with pytest.raises(Unproven):
        receipt.verify(KEY)


@pytest.mark.parametrize("commitments", ['"ab"', '{"sql":7}', '{"sql":"é"}', '{"sql":""}', "{}", "[]"])
def test_an_entry_with_strange_commitments_commits_to_nothing(log: AuditLog, commitments: str) -> None:
    entry = f'{{"commitments":{commitments},"index":0,"kind":"a","time":"t","v":1}}'.encode()
    proof = TlogProof(0, (), sign_head(TreeHead(ORIGIN, 1, leaf_hash(entry)), SIGNER))
    with pytest.raises(Unproven):
        Receipt(entry, proof, {"sql": b"s" * 32}).verify(KEY, sql=SQL)


def test_a_signature_of_the_wrong_length_is_wrong_and_not_a_crash(log: AuditLog) -> None:
    receipt = log.receipt(5)
    for length in (1, 63, 65, 4000):
        signature = Signature(ORIGIN, VerifierKey.parse(KEY).id, b"s" * length)
        note = Note(receipt.checkpoint.note.text, (signature,))
        checkpoint = Checkpoint.parse(note.to_bytes())
        with pytest.raises(Unproven, match="is wrong"):
            replace(receipt, proof=replace(receipt.proof, checkpoint=checkpoint)).verify(KEY)


def test_a_mistyped_log_key_proves_nothing(log: AuditLog) -> None:
    for key in ("", "key", KEY[:-1], KEY.replace("louver", "1ouver")):
        with pytest.raises(Unproven):
            log.receipt(5).verify(key)


def load() -> dict[str, object]:
    document: dict[str, object] = json.loads((VECTORS / "vectors.json").read_text(encoding="utf-8"))
    return document


CASES: list[dict[str, str]] = list(load()["vectors"])  # type: ignore[call-overload]  # JSON has no static type


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_conformance_vectors_get_their_verdicts(case: dict[str, str]) -> None:
    claims = {name: case[name] for name in ("sql", "result_digest", "request_id") if name in case}

    def verify() -> None:
        Receipt.from_bytes(base64.b64decode(case["receipt"])).verify(str(load()["log_key"]), **claims)

    if case["verdict"] == "proved":
        verify()
    else:
        with pytest.raises(Unproven):
            verify()


def test_the_conformance_vectors_are_what_their_script_makes() -> None:
    made = runpy.run_path(str(VECTORS / "make_vectors.py"))["vectors"]()
    assert made == (VECTORS / "vectors.json").read_text(encoding="utf-8"), "run make_vectors.py"

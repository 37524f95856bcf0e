"""Makes the receipt vectors: good and forged receipts with the verdict every client must reach.

    python clients/conformance/receipts/make_vectors.py

writes ``vectors.json`` beside this file, the same bytes every time. A client verifies ``receipt`` with ``log_key``
and, where they are given, ``sql``, ``result_digest`` and ``request_id``; it must reach ``verdict``: ``proved`` or
``unproven``. ``why`` is for people.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from louver.receipt import Receipt
from louver.transparency import Note, TlogProof, TreeHead
from louver.transparency.merkle import leaf_hash
from louver_sandbox.audit import JSON, AuditLog, Ed25519Signer
from louver_sandbox.audit.head import sign_head
from louver_sandbox.store import State

ORIGIN = "louver.example/conformance"
SQL = "SELECT 行政区, COUNT(*) FROM gov.pop_person GROUP BY 行政区"
RESULT = "sha256:" + hashlib.sha256(b"the protected answer").hexdigest()
LOG = Ed25519Signer.from_seed(ORIGIN, hashlib.sha256(b"conformance vectors: the log").digest())
STRANGER = Ed25519Signer.from_seed(ORIGIN, hashlib.sha256(b"conformance vectors: a stranger").digest())


def log_of_seven(state: State) -> AuditLog:
    """Three answered questions and an opening entry, with a clock that stands still and salts that count."""
    counter = iter(range(1, 100))
    log = AuditLog(
        state,
        LOG,
        ORIGIN,
        clock=lambda: datetime(2026, 7, 1, 2, 0, tzinfo=UTC),
        randomness=lambda size: hashlib.shake_256(b"salt %d" % next(counter)).digest(size),
    )
    with state.transaction() as tx:
        log.append(tx, {"kind": "activation"})
        for number in range(3):
            request = {"request_id": f"request-{number}", "institution": "bank-a"}
            admission = log.append(tx, {"kind": "admission", **request}, {"sql": SQL})
            outcome: dict[str, JSON] = {
                "kind": "outcome",
                **request,
                "admission": admission.index,
                "result_digest": RESULT,
            }
            log.append(tx, outcome, repeated=admission.commitments)
    return log


def vector(name: str, receipt: bytes | Receipt, verdict: str, why: str, **claims: str) -> dict[str, str]:
    data = receipt.to_bytes() if isinstance(receipt, Receipt) else receipt
    return {"name": name, "verdict": verdict, "why": why, "receipt": base64.b64encode(data).decode(), **claims}


def good(log: AuditLog) -> Iterator[dict[str, str]]:
    yield vector("outcome", log.receipt(4), "proved", "an outcome in a log of seven entries")
    yield vector(
        "outcome-with-claims",
        log.receipt(4),
        "proved",
        "question, answer and request are the entry's",
        sql=SQL,
        result_digest=RESULT,
        request_id="request-1",
    )
    yield vector("first-entry", log.receipt(0), "proved", "an entry without commitments")
    yield vector("last-entry", log.receipt(6), "proved", "the right edge of the tree, where the path is short")
    receipt = log.receipt(4)
    witness = replace(receipt.checkpoint.note.signatures[0], name="witness.example", key_id=b"wits")
    note = Note(receipt.checkpoint.note.text, (*receipt.checkpoint.note.signatures, witness))
    proof = replace(receipt.proof, checkpoint=replace(receipt.checkpoint, note=note))
    yield vector("unknown-witness", replace(receipt, proof=proof), "proved", "signatures by unknown keys are ignored")
    head = TreeHead(ORIGIN, 1, leaf_hash(log.entry(0).body), ("an extension line",))
    alone = Receipt(log.entry(0).body, TlogProof(0, (), sign_head(head, LOG)))
    yield vector("extension-line", alone, "proved", "checkpoints may carry extension lines")


def forged(log: AuditLog) -> Iterator[dict[str, str]]:
    receipt = log.receipt(4)
    proof, head, data = receipt.proof, receipt.checkpoint.claimed, receipt.to_bytes()
    claims = {
        "other-sql": {"sql": SQL + " "},
        "other-result": {"result_digest": "sha256:00"},
        "other-request": {"request_id": "x"},
    }
    for name, claim in claims.items():
        yield vector(name, receipt, "unproven", "the entry is about another one", **claim)
    yield vector("no-salt", replace(receipt, openings={}), "unproven", "nothing opens the commitment", sql=SQL)
    entry = receipt.entry.replace(b"bank-a", b"bank-b")
    yield vector("changed-entry", replace(receipt, entry=entry), "unproven", "another leaf")
    yield vector("changed-index", replace(receipt, proof=replace(proof, index=5)), "unproven", "another place")
    yield vector(
        "longer-path", replace(receipt, proof=replace(proof, path=(*proof.path, head.root))), "unproven", "too long"
    )
    yield vector(
        "shorter-path", replace(receipt, proof=replace(proof, path=proof.path[:-1])), "unproven", "too short"
    )
    stranger = replace(proof, checkpoint=sign_head(head, STRANGER))
    yield vector("strangers-signature", replace(receipt, proof=stranger), "unproven", "not signed by the log's key")
    text = head.text().replace("\n7\n", "\n8\n")
    resized = Note(text, receipt.checkpoint.note.signatures)
    resigned = replace(proof, checkpoint=replace(receipt.checkpoint, note=resized))
    yield vector("changed-size", replace(receipt, proof=resigned), "unproven", "the signature covers the size")
    node = leaf_hash(b"") + head.root
    inner = Receipt(node, TlogProof(0, (), sign_head(TreeHead(ORIGIN, 1, leaf_hash(node)), STRANGER)))
    yield vector("node-as-entry", _raw(inner), "unproven", "not even text")
    moved = Receipt(receipt.entry, TlogProof(0, (), sign_head(TreeHead(ORIGIN, 1, leaf_hash(receipt.entry)), LOG)))
    yield vector("moved-entry", moved, "unproven", "the entry says that it belongs elsewhere")
    yield vector("cut-off", data[:-20], "unproven", "the file ends early")
    yield vector("trailing-newline", data + b"\n", "unproven", "bytes after the last signature")
    yield vector("windows-newlines", data.replace(b"\n", b"\r\n"), "unproven", "control characters in a note")
    yield vector("empty", b"", "unproven", "no receipt at all")
    spaced = TlogProof(proof.index, proof.path, proof.checkpoint, _extra(receipt).replace(b'","', b'", "'))
    yield vector("uncanonical-enclosure", spaced.to_bytes(), "unproven", "another spelling of the same enclosure")
    double = TlogProof(proof.index, proof.path, proof.checkpoint, _extra(receipt).replace(b"{", b'{"entry":"{}",', 1))
    yield vector("name-twice", double.to_bytes(), "unproven", "a JSON name that occurs twice")


def _extra(receipt: Receipt) -> bytes:
    return TlogProof.parse(receipt.to_bytes()).extra or b""


def _raw(receipt: Receipt) -> bytes:
    return replace(receipt.proof, extra=b'{"entry":"\xff","openings":{}}').to_bytes()


def vectors() -> str:
    """The text of ``vectors.json``."""
    with tempfile.TemporaryDirectory() as folder, State.open(Path(folder) / "state.db") as state:
        log = log_of_seven(state)
        document = {"log_key": log.key, "vectors": [*good(log), *forged(log)]}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("vectors.json").write_text(vectors(), encoding="utf-8")

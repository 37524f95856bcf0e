"""Somebody has the key that signed the log until last year, or says to have the one that will.

Tom has a backup with secrets from before the key was replaced. Stella has a key of her own. Both can reach the bank,
the auditor and the witness in the platform's place, and both can write the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.audit_logs import KEY, ORIGIN, SIGNER, SeededRandomness, SettableClock, answer
from typer.testing import CliRunner

from louver.cli.app import app
from louver.errors import Unproven
from louver.receipt import Receipt, commitment
from louver.transparency import Checkpoint, LogKey, Note, Signature, TlogProof, TreeHead
from louver.transparency.merkle import leaf_hash
from louver.transparency.succession import HEADING, KeyContradiction, statement
from louver_sandbox.audit import AuditLog, Ed25519Signer, LogDamaged
from louver_sandbox.audit.head import hand_over, sign_head
from louver_sandbox.audit.keys import KIND
from louver_sandbox.store import State


def key(what: bytes) -> Ed25519Signer:
    return Ed25519Signer.from_seed(ORIGIN, hashlib.sha256(what).digest())


NEXT, STELLA = key(b"the key of this year"), key(b"Stella's own")
TOM = SIGNER


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    """A log whose key was replaced after four entries."""
    with State.open(tmp_path / "state.db") as state:
        known = {one.verifier_key: one for one in (NEXT, STELLA)}.get
        made = AuditLog(state, TOM, ORIGIN, clock=SettableClock(), randomness=SeededRandomness(), find=known)
        answer(made, 1)
        answer(made, 2)
        with state.transaction() as tx:
            made.succeeded(tx, NEXT, {"reason": "once a year"})
        answer(made, 3)
        yield made


def forged(size: int, signer: Ed25519Signer, *lines: Signature) -> tuple[Receipt, str]:
    """A receipt of something that nobody asked, under a head of that size; the entry is the tree's last."""
    salt, sql = bytes(32), "SELECT 1"
    body = (
        f'{{"commitments":{{"sql":"{commitment("sql", salt, sql)}"}},"index":{size - 1},"kind":"outcome",'
        f'"time":"2027-01-01T00:00:00Z","v":1}}'
    ).encode()
    path: tuple[bytes, ...] = ()
    root = leaf_hash(body)
    if size > 1:  # everything before it as one hash, where the tree is shaped so
        path, root = (bytes(32),), hashlib.sha256(b"\1" + bytes(32) + leaf_hash(body)).digest()
    head = sign_head(TreeHead(ORIGIN, size, root), signer)
    note = Note(head.note.text, (*head.note.signatures, *lines))
    return Receipt(body, TlogProof(size - 1, path, Checkpoint(head.claimed, note)), {"sql": salt}), sql


def test_tom_proves_nothing_new_to_a_bank_that_has_this_years_key(log: AuditLog) -> None:
    receipt, sql = forged(9, TOM)
    assert receipt.verify(KEY, sql=sql), "who has last year's key and has heard nothing since cannot tell"
    for pinned in (str(NEXT.verifier_key), log.key):
        with pytest.raises(Unproven):
            receipt.verify(pinned, sql=sql)


def test_tom_proves_nothing_new_to_a_bank_with_last_years_key_that_has_one_receipt_of_this_year(
    log: AuditLog, tmp_path: Path
) -> None:
    """It pins what that receipt leads to, by the command that is there for it."""
    newest, pinned = tmp_path / "newest.receipt", tmp_path / "log.pub"
    newest.write_bytes(log.receipt(6).to_bytes())
    told = CliRunner().invoke(app, ["receipt", "key", str(newest), "--log-key", KEY])
    assert told.exit_code == 0, told.stderr
    pinned.write_text(told.stdout)
    assert LogKey.parse(told.stdout) == LogKey.parse(log.key)
    fake, _ = forged(9, TOM)
    (tmp_path / "fake.receipt").write_bytes(fake.to_bytes())
    shown = CliRunner().invoke(app, ["receipt", "verify", str(tmp_path / "fake.receipt"), "--log-key", str(pinned)])
    assert shown.exit_code == 4
    assert "has retired" in shown.stderr


def test_tom_has_no_successor_of_his_own_for_who_knows_the_true_one(log: AuditLog) -> None:
    """He retires his key once more: later, earlier, or at the same place."""
    for size in (2, 4, 6):
        line = hand_over(TreeHead(ORIGIN, size, bytes(32)), TOM, STELLA).line()
        receipt, sql = forged(9, STELLA, line)
        with pytest.raises(KeyContradiction, match="two successors"):
            receipt.verify(log.key, sql=sql)


def test_tom_cannot_put_himself_behind_this_years_key(log: AuditLog) -> None:
    """A succession from this year's key to his takes this year's key; his own half is worth nothing."""
    head = TreeHead(ORIGIN, 6, bytes(32))
    text = statement(6, head.root, NEXT.verifier_key, STELLA.verifier_key)
    whole = hand_over(head, NEXT, STELLA)
    line = whole.line()
    halves = bytearray(line.signature)
    halves[-128:-64] = TOM.sign(text.encode())
    receipt, sql = forged(9, STELLA, Signature(line.name, line.key_id, bytes(halves)))
    for pinned in (KEY, str(NEXT.verifier_key), log.key):
        with pytest.raises(Unproven):
            receipt.verify(pinned, sql=sql)


def test_stella_signs_herself_in_as_the_next_and_nobody_follows(log: AuditLog) -> None:
    line = hand_over(TreeHead(ORIGIN, 4, bytes(32)), STELLA, key(b"another of hers")).line()
    receipt, sql = forged(9, key(b"another of hers"), line)
    for pinned in (KEY, str(NEXT.verifier_key), log.key):
        with pytest.raises(Unproven, match="no signature by"):
            receipt.verify(pinned, sql=sql)


def test_stella_writes_the_entry_into_the_database_and_the_service_signs_no_more(log: AuditLog) -> None:
    """Rather nothing than under a key that the log did not hand over to."""
    last = log.head().claimed
    with log.state.transaction() as tx:
        said = hand_over(TreeHead(ORIGIN, last.size, last.root), STELLA, key(b"another of hers"))
        log.append(tx, {"kind": KIND, "succession": said.to_note().decode()})
    with pytest.raises(LogDamaged):
        log.head()


def test_toms_rewound_log_is_not_this_log(log: AuditLog, tmp_path: Path) -> None:
    """He serves the log as it was before the change, and goes on with his own entries: the same sizes, other trees."""
    newest = log.head()
    with State.open(tmp_path / "rewound.db") as state:
        his = AuditLog(state, TOM, ORIGIN, clock=SettableClock(), randomness=SeededRandomness())
        answer(his, 1)
        answer(his, 2)
        before = his.head()
        assert before.verify(LogKey.parse(log.key)).size == 4, "up to there it is the same log"
        answer(his, 9)
        answer(his, 10)
        shown = his.head()
        proof = his.consistency(4)
    assert proof.verify(before.claimed, LogKey.parse(KEY)), "and it has only grown"
    with pytest.raises(KeyContradiction, match="has retired"):
        shown.verify(LogKey.parse(KEY).learnt_from(newest.note))


def test_a_succession_is_no_checkpoint_and_a_checkpoint_no_succession(log: AuditLog) -> None:
    """What the key signs for one purpose is worth nothing for the other: no origin has spaces in it."""
    note = Note.parse(str(log.entry(4).fields["succession"]).encode())
    assert note.text.startswith(HEADING)
    with pytest.raises(Unproven):
        Checkpoint.parse(note.to_bytes())
    with pytest.raises(Unproven, match="spaces"):
        Ed25519Signer.from_seed(HEADING, bytes(32))


def test_a_hundred_successions_are_not_followed() -> None:
    """A head of nothing but lines costs no more than the format's sixty-four."""
    keys = [key(b"%d" % number) for number in range(41)]
    lines = [
        hand_over(TreeHead(ORIGIN, number + 1, bytes(32)), keys[number], keys[number + 1]).line()
        for number in range(40)
    ]
    head = sign_head(TreeHead(ORIGIN, 99, bytes(32)), keys[-1])
    long = Checkpoint(head.claimed, Note(head.note.text, (*head.note.signatures, *lines)))
    with pytest.raises(Unproven, match="do not follow"):
        long.verify(keys[0].verifier_key)

"""An attested entry is durable with its signed head and whatever was written beside it, or none of them is."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from tests.support.audit_logs import KEY, SQL, answer, digest, open_log

from louver.receipt import Receipt
from louver.transparency import VerifierKey
from louver_sandbox.audit import JSON, AuditLog, Entry, verify_log
from louver_sandbox.store import State, StoreError, StoreUnavailable, answers, schema
from louver_sandbox.store.answers import StoredAnswer

ROOT = Path(__file__).parents[3]
TRUSTED = VerifierKey.parse(KEY)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with State.open(tmp_path / "state.db") as state:
        yield open_log(state)


def attest(log: AuditLog, number: int) -> Receipt:
    """An outcome with its stored answer, as the journal writes them."""
    request = {"request_id": f"attested-{number}", "institution": "bank-a"}

    def write(tx: Connection) -> Entry:
        body: dict[str, JSON] = {"kind": "outcome", **request, "result_digest": digest(number)}
        entry = log.append(tx, body, {"sql": SQL})
        kept = StoredAnswer("bank-a", f"attested-{number}", "d", f"q{number}", b"arrow", entry.index, "t")
        answers.store(tx, kept)
        return entry

    return log.attested(write)


def outcomes_answers_heads(state: State) -> tuple[set[int], set[int], set[int]]:
    """The attested entries, the entries that answers are stored for, and the last entry under each head."""
    with state.reading() as tx:
        named = schema.entries.c.request_id.like("attested-%")
        entries = set(tx.execute(select(schema.entries.c.index).where(named)).scalars())
        kept = set(tx.execute(select(schema.answers.c.outcome_index)).scalars())
        heads = {size - 1 for size in tx.execute(select(schema.heads.c.size)).scalars()}
    return entries, kept, heads


def test_the_receipt_is_of_the_very_state_that_was_written(log: AuditLog) -> None:
    for number in range(9):
        answer(log, number)
        receipt = Receipt.from_bytes(attest(log, number).to_bytes())
        proved = receipt.verify(KEY, sql=SQL, result_digest=digest(number), request_id=f"attested-{number}")
        assert proved.head.size == proved.index + 1
        assert log.signed(proved.head.size) == log.head() == receipt.checkpoint
        assert log.receipt(proved.index).to_bytes() == receipt.to_bytes()
    assert verify_log(log.state, KEY).ok


def test_it_takes_one_transaction(log: AuditLog) -> None:
    attest(log, 0)
    with closing(sqlite3.connect(log.state.location)) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        attest(log, 1)
        assert other.execute("PRAGMA data_version").fetchone() != before
    before_bytes = log.state.location.with_name("state.db-wal").read_bytes()
    attest(log, 2)
    added = log.state.location.with_name("state.db-wal").read_bytes()[len(before_bytes) :]
    # A frame's header holds the database's size where the frame ends a transaction, else 0 (SQLite, "WAL File Format").
    page = int.from_bytes(before_bytes[8:12])
    ends = [added[at + 4 : at + 8] != bytes(4) for at in range(0, len(added), page + 24)]
    assert sum(ends) == 1


def test_what_raises_leaves_neither_entry_nor_head(log: AuditLog) -> None:
    attest(log, 0)
    head = log.head()

    def write(tx: Connection) -> Entry:
        log.append(tx, {"kind": "outcome"})
        raise InterruptedError

    with pytest.raises(InterruptedError):
        log.attested(write)
    assert log.head() == head
    assert log.head().claimed.size == 1


@contextmanager
def broken(log: AuditLog, table: str) -> Iterator[None]:
    """While it lasts, nothing can be added to this table."""
    with closing(sqlite3.connect(log.state.location, isolation_level=None)) as other:
        other.execute(f"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'by the test'); END")
        try:
            yield
        finally:
            other.execute("DROP TRIGGER broken")


@pytest.mark.parametrize("table", ["entries", "nodes", "openings", "answers", "heads"])
def test_no_part_is_there_without_the_others(log: AuditLog, table: str) -> None:
    attest(log, 0)
    with broken(log, table), pytest.raises(StoreError):
        attest(log, 1)
    assert outcomes_answers_heads(log.state) == ({0}, {0}, {0})
    answer(log, 2)
    receipt = attest(log, 1)
    assert receipt.verify(KEY).head.size == 4, (
        "another entry took the place, and no head was signed over the lost one"
    )
    assert verify_log(log.state, KEY).ok


@contextmanager
def room_for(file_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond that; writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_up_at_any_byte_hands_out_no_receipt_that_does_not_hold(log: AuditLog) -> None:
    wal = log.state.location.with_name("state.db-wal")
    receipts: list[Receipt] = []
    for number, room in enumerate(range(0, 72_000, 3_000)):
        try:
            with room_for(wal.stat().st_size + room):
                receipts.append(attest(log, number))
        except StoreUnavailable:
            log.state.probe()
    assert receipts
    entries, kept, heads = outcomes_answers_heads(log.state)
    assert entries == kept == heads
    assert {receipt.index for receipt in receipts} <= entries
    assert all(log.extends(receipt.verify(KEY).head) for receipt in receipts)
    assert verify_log(log.state, KEY).ok


def test_heads_receipts_and_attested_entries_of_many_threads_agree(log: AuditLog) -> None:
    failures: list[Exception] = []
    stop = time.monotonic() + 1.0

    def work(act: int) -> None:
        number = act * 1000
        try:
            while time.monotonic() < stop:
                number += 1
                match act % 3:
                    case 0:
                        attest(log, number).verify(KEY, request_id=f"attested-{number}")
                    case 1:
                        log.head().verify(TRUSTED)
                    case _:
                        log.receipt(answer(log, number).index).verify(KEY)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(act,)) for act in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert verify_log(log.state, KEY).ok


CHILD = """
import secrets, sys
from pathlib import Path
from louver_sandbox.store import State
from tests.support.audit_logs import open_log
from tests.unit.sandbox.test_audit_attested import attest
with State.open(Path(sys.argv[1])) as state:
    log = open_log(state, randomness=secrets.token_bytes)
    number = int(sys.argv[2])
    while True:
        print(attest(log, number).to_bytes().hex(), flush=True)
        number += 1
"""


def test_a_receipt_that_was_handed_out_survives_kill_9(tmp_path: Path) -> None:
    path, handed_out = tmp_path / "state.db", []
    State.open(path).close()
    for turn, pause in enumerate((0.0, 0.013, 0.031)):
        command = [sys.executable, "-c", CHILD, str(path), str(turn * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
            assert child.stdout is not None
            handed_out.append(child.stdout.readline())
            time.sleep(pause)
            child.kill()
            handed_out += [line for line in child.stdout if line.endswith("\n")]
    receipts = [Receipt.from_bytes(bytes.fromhex(line)) for line in handed_out]
    with State.open(path) as state:
        log = open_log(state)
        entries, kept, heads = outcomes_answers_heads(state)
        assert entries == kept == heads
        assert {receipt.index for receipt in receipts} <= entries
        assert all(log.extends(receipt.verify(KEY).head) for receipt in receipts)
        report = verify_log(state, KEY, [receipt.checkpoint for receipt in receipts])
        assert report.ok, report.findings

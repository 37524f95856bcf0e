"""The books counted again from the log alone, and an older copy of them known for what it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.audit_logs import KEY, MALLORY, SIGNER, SeededRandomness, SettableClock, behind_the_back
from tests.support.line import NARROWED, NOON, ORIGIN, Line, ask, call, line
from tests.support.losses import loss, terms

from louver.errors import Refused
from louver_sandbox.audit.export import export_log
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.audit.restore import restore_log
from louver_sandbox.audit.stored import LogDamaged
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.commit import commit
from louver_sandbox.journal import Books
from louver_sandbox.operator.backup import _copy_database
from louver_sandbox.operator.forgetting import Forgotten
from louver_sandbox.pipeline import facts_at
from louver_sandbox.recount import anchor, verify
from louver_sandbox.stages import Committed, Request
from louver_sandbox.store import State

ROOT = Path(__file__).parents[3]
WIDE = terms(lifetime=10_000, allowance=10_000)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    (tmp_path / "home").mkdir()
    with line(tmp_path / "home") as made:
        made.privacy = (loss(10, WIDE),)
        yield made


def answer(bank: Line, number: int) -> None:
    """One more question, with a predicate of its own."""
    bank.pipeline.answer(asked(number), call())


def asked(number: int) -> Request:
    return ask(NARROWED, f"request-{number}", parameters={"section": "ABC"[number]})


def found(state: State) -> list[str]:
    return [str(one) for one in verify.differences(state)]


def opened(path: Path) -> Books:
    state = State.open(path)
    return Books(
        state, AuditLog(state, SIGNER, ORIGIN, clock=SettableClock(NOON), randomness=SeededRandomness(b"later"))
    )


def test_every_balance_follows_from_the_log(bank: Line) -> None:
    for number in range(3):
        answer(bank, number)
    answer(bank, 2)
    assert found(bank.books.state) == []
    assert anchor.problem(bank.books, bank.path.parent / "anchors") is None


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("DELETE FROM ledger WHERE kind = 'query' AND sequence = 3", "charge 3: in the log, and not in the ledger"),
        ("DELETE FROM privacy_ledger WHERE sequence > 1", "charge 2: in the log, and not in the ledger"),
        ("UPDATE ledger SET window = '2026-06-30'", "in the ledger, and in no admission of the log"),
        ("UPDATE privacy_ledger SET day = '2026-06-30'", "day is 2026-06-30, by the log 2026-07-01"),
        ("UPDATE ledger SET spent = 1, amount = 1, request_id = 'x'", "request_id is x, by the log request-0"),
    ],
)
def test_whatever_is_changed_in_a_ledger_the_log_tells(bank: Line, done: str, said: str) -> None:
    for number in range(3):
        answer(bank, number)
    with behind_the_back(bank.path) as connection:
        connection.execute(done)
    assert any(said in one for one in found(bank.books.state))


def test_a_ledger_behind_its_log_is_not_served_until_it_is_rebuilt(bank: Line, tmp_path: Path) -> None:
    for number in range(3):
        answer(bank, number)
    with behind_the_back(bank.path) as connection:
        connection.execute("DELETE FROM privacy_ledger WHERE request_id = 'request-2'")
        connection.execute("DELETE FROM ledger WHERE request_id = 'request-2'")
    behind = anchor.problem(bank.books, tmp_path / "anchors")
    assert behind is not None
    assert behind.code == "LVR-3105"
    assert "says that there are 6 charges and 9 of privacy loss; the ledger has 4 and 6" in behind.message
    assert "ledger rebuild" in behind.hint
    assert verify.rebuild(bank.books) == 5
    assert anchor.problem(bank.books, tmp_path / "anchors") is None
    assert found(bank.books.state) == []
    last = bank.books.log.latest(None, 1)[0].fields
    assert (last["kind"], last["added"]) == ("ledger-rebuilt", 5)
    assert verify.rebuild(bank.books) == 0
    assert bank.books.log.latest(None, 1)[0].fields == last, "what changes nothing is no entry"


def test_charges_in_the_middle_are_missed_without_counting_all_again(bank: Line, tmp_path: Path) -> None:
    for number in range(3):
        answer(bank, number)
    with behind_the_back(bank.path) as connection:
        connection.execute("UPDATE ledger SET amount = 2 WHERE kind = 'query' AND sequence = 2")
    behind = anchor.problem(bank.books, tmp_path / "anchors")
    assert behind is not None
    assert "3 charges of 3 do not add up" in behind.message


def test_a_store_put_back_from_a_backup_is_known_by_its_anchor(bank: Line, tmp_path: Path) -> None:
    """The backup is taken while the bank asks on; then the disk is lost and the old copy takes its place."""
    anchors = tmp_path / "home" / "anchors"
    answer(bank, 0)
    _copy_database(bank.path, tmp_path / "backup.db")
    answer(bank, 1)
    anchor.keep(bank.books, anchors)
    restored = opened(tmp_path / "backup.db")
    with restored.state:
        behind = anchor.problem(restored, anchors)
        assert behind is not None
        assert "service.checkpoint proves 4 log entries, and the log has 2" in behind.message
        assert found(restored.state) == [], "by itself it is whole"
    assert anchor.problem(bank.books, anchors) is None


def test_a_restored_store_gets_its_log_back_from_an_export_and_gives_no_budget_back(
    bank: Line, tmp_path: Path
) -> None:
    anchors = tmp_path / "home" / "anchors"
    answer(bank, 0)
    _copy_database(bank.path, tmp_path / "backup.db")
    answer(bank, 1)
    anchor.keep(bank.books, anchors)
    export = tmp_path / "audit.jsonl"
    export.write_bytes(b"".join(export_log(bank.books.state, ORIGIN)))
    with State.open(tmp_path / "backup.db") as state:
        known = [one for _, one in anchor.checkpoints(anchors)]
        assert restore_log(state, KEY, export, known, SettableClock(NOON), Forgotten()) == 2
        assert restore_log(state, KEY, export, known, SettableClock(NOON), Forgotten()) == 0
    restored = opened(tmp_path / "backup.db")
    with restored.state:
        assert anchor.problem(restored, anchors) is not None, "the ledger is behind its log now"
        assert verify.rebuild(restored) == 5
        assert anchor.problem(restored, anchors) is None
        assert found(restored.state) == []
        assert verify_log(restored.state, KEY, known).findings == ()
        again = Line(restored, bank.clock, tmp_path / "backup.db", privacy=bank.privacy)
        paid = commit(again._judge(asked(1), facts_at(NOON)), asked(1), restored, NOON)
        assert isinstance(paid, Committed)
        assert paid.privacy[0].lifetime.rho == WIDE.lifetime.rho - 3 * bank.privacy[0].cost.rho, (
            "the answer is lost with the store, so its noise would be a second draw"
        )


@pytest.mark.parametrize("change", ["altered", "short", "other", "unsigned"])
def test_only_the_logs_own_newest_export_is_put_back(bank: Line, tmp_path: Path, change: str) -> None:
    anchors = tmp_path / "anchors"
    answer(bank, 0)
    _copy_database(bank.path, tmp_path / "backup.db")
    older = b"".join(export_log(bank.books.state, ORIGIN))
    answer(bank, 1)
    anchor.keep(bank.books, anchors)
    lines = b"".join(export_log(bank.books.state, ORIGIN))
    export = tmp_path / "audit.jsonl"
    with State.open(tmp_path / "backup.db") as state:
        if change == "other":
            log = AuditLog(state, SIGNER, ORIGIN, clock=SettableClock(NOON), randomness=SeededRandomness(b"x"))
            with state.transaction() as tx:
                log.append(tx, {"kind": "note"})
        key = str(MALLORY.verifier_key) if change == "unsigned" else KEY
        export.write_bytes(
            {"altered": lines.replace(rb"\"rho\":\"0.1\"", rb"\"rho\":\"0.0\""), "short": older}.get(change, lines)
        )
        known = [] if change == "unsigned" else [one for _, one in anchor.checkpoints(anchors)]
        with pytest.raises(LogDamaged):
            restore_log(state, key, export, known, SettableClock(NOON), Forgotten())
        with state.reading():
            assert len(list(export_log(state, ORIGIN))) <= len(older.splitlines()) + 1


def test_a_checkpoint_from_elsewhere_is_an_anchor_too_and_a_forged_one_stops_the_service(
    bank: Line, tmp_path: Path
) -> None:
    anchors = tmp_path / "anchors"
    answer(bank, 0)
    anchors.mkdir()
    (anchors / "auditor.checkpoint").write_bytes(bank.books.log.head().to_bytes())
    assert anchor.problem(bank.books, anchors) is None
    (anchors / "forged.checkpoint").write_bytes(b"not a checkpoint")
    behind = anchor.problem(bank.books, anchors)
    assert isinstance(behind, Refused)
    assert "proves nothing" in behind.message


def test_the_anchor_is_the_newest_head_and_no_backup_takes_it_along(bank: Line, tmp_path: Path) -> None:
    from louver_sandbox.operator.backup import FILES, FOLDERS

    anchors = tmp_path / "anchors"
    for number in range(2):
        answer(bank, number)
        anchor.keep(bank.books, anchors)
        anchor.keep(bank.books, anchors)
        ((name, kept),) = anchor.checkpoints(anchors)
        assert (name, kept.claimed.size) == ("service.checkpoint", bank.books.log.size())
    assert "anchors" not in (*FILES, *FOLDERS)


KILLED = """
import os, random, secrets, signal, sys, time
from dataclasses import replace
from pathlib import Path
from tests.support.audit_logs import SIGNER, SettableClock
from tests.support.line import NOON, ORIGIN, ask, firm_policies, firms
from tests.support.losses import loss, terms
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.commit import commit
from louver_sandbox.journal import Books
from louver_sandbox.pipeline import facts_at, judge
from louver_sandbox.store import State

plan = judge(ask(), firms(), firm_policies(), facts_at(NOON))
charges = tuple(replace(one, limit=10**6) for one in plan.charges)
plan = replace(plan, charges=charges, selections=(), privacy=(loss(1, terms(10**6, 10**6)),))

def committing(told):
    state = State.open(sys.argv[1])
    log = AuditLog(state, SIGNER, ORIGIN, clock=SettableClock(NOON), randomness=secrets.token_bytes)
    while True:
        request = ask(request_id=secrets.token_hex(8))
        commit(replace(plan, question=request.id), request, Books(state, log), NOON)
        os.write(told, request.id.encode())

chance = random.Random(5)
for _ in range(int(sys.argv[2])):
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        committing(told)
    os.close(told)
    ids = b"".join(os.read(heard, 16) for _ in range(chance.randint(1, 3)))
    time.sleep(0.004 * chance.random())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(heard, 16):
        ids += more
    for start in range(0, len(ids), 16):
        print(ids[start:start + 16].decode())
"""
KILLS = 20


def test_kill_9_while_it_charges_leaves_no_charge_without_its_record_and_none_twice(
    bank: Line, tmp_path: Path
) -> None:
    """What was acknowledged is there; what was not is there whole, or not at all."""
    told = subprocess.run(
        [sys.executable, "-c", KILLED, str(bank.path), str(KILLS)],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    acknowledged = told.stdout.decode().split()
    logged = [str(one.fields["request_id"]) for one in bank.books.log.entries(limit=1000, kind="admission")]
    assert acknowledged
    assert len(logged) == len(set(logged))
    assert set(acknowledged) <= set(logged)
    assert len(logged) <= len(acknowledged) + KILLS
    assert found(bank.books.state) == []
    assert anchor.problem(bank.books, tmp_path / "anchors") is None

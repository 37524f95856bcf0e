"""The state store promises: durable when it says so, one writer at a time, append-only, closed after a failure."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, select, text, update
from tests.support.audit_logs import KEY, answer, behind_the_back, open_log

from louver_sandbox import (
    access,
    consents,
    corrections,
    disputes,
    inquiries,
    registrations,
    renewals,
    reports_kept,
    standing,
    store,
    suspensions,
)
from louver_sandbox.audit import verify_log
from louver_sandbox.audit.stored import size_of
from louver_sandbox.auditing import tables as auditing
from louver_sandbox.scoring import registry as scores
from louver_sandbox.sealing import registry as sealing_keys
from louver_sandbox.store import State, StoreBusy, StoreConflict, StoreUnavailable, answers, schema
from louver_sandbox.store.answers import RequestReused, StoredAnswer
from louver_sandbox.store.clock import rfc3339
from louver_sandbox.store.state import newest_revision
from louver_sandbox.uploads import registry
from louver_sandbox.warnings import tables as warning_tables

ROOT = Path(__file__).parents[3]


@pytest.fixture
def state(place: Path | str) -> Iterator[State]:
    with State.open(place) as opened:
        yield opened


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[State]:
    """A store in a file, where something is particular to files."""
    with State.open(tmp_path / "state.db") as opened:
        yield opened


def add_head(tx: Connection, size: int) -> None:
    tx.execute(insert(schema.heads).values(size=size, root=b"r", note=b"n", time="t"))


def sizes(state: State) -> list[int]:
    with state.reading() as tx:
        return list(tx.execute(select(schema.heads.c.size).order_by(schema.heads.c.size)).scalars())


def test_the_migrations_make_the_tables_the_code_uses(state: State) -> None:
    with state.reading() as tx:
        every: Any = [
            schema.metadata,
            registry.metadata,
            access.metadata,
            registrations.metadata,
            renewals.metadata,
            suspensions.metadata,
            sealing_keys.metadata,
            consents.metadata,
            scores.metadata,
            standing.metadata,
            corrections.metadata,
            disputes.metadata,
            inquiries.metadata,
            warning_tables.metadata,
            reports_kept.metadata,
            auditing.metadata,
        ]  # the library takes a list; its types do not say so
        assert compare_metadata(MigrationContext.configure(tx), every) == []


def test_every_commit_reaches_the_disk(filed: State) -> None:
    with filed.transaction() as tx:
        assert tx.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert tx.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert tx.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def test_only_the_service_may_read_the_file(filed: State) -> None:
    for path in filed.location.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_committed_is_there_after_reopening(place: Path | str) -> None:
    for size in (1, 2):
        with State.open(place) as state, state.transaction() as tx:
            add_head(tx, size)
    with State.open(place) as state:
        assert sizes(state) == [1, 2]


def test_a_file_may_be_named_by_a_url(tmp_path: Path) -> None:
    with State.open(f"sqlite:///{tmp_path}/state.db") as state:
        assert state.location == tmp_path / "state.db"


def test_a_transaction_that_raises_leaves_nothing(state: State) -> None:
    def given_up() -> None:
        with state.transaction() as tx:
            add_head(tx, 1)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        given_up()
    assert sizes(state) == []
    assert state.healthy


@pytest.mark.parametrize("table", schema.APPEND_ONLY)
def test_append_only_tables_refuse_change_and_removal(state: State, table: str) -> None:
    log = open_log(state)
    answer(log, 1)
    log.head()
    with state.transaction() as tx:
        tx.execute(insert(schema.pruned).values(entry=0, by=1, residue="{}"))
        account = {"institution": "b", "dataset": "d", "purpose": "p", "kind": "k", "period": "day", "window": "w"}
        tx.execute(insert(schema.ledger).values(**account, sequence=1, amount=1, spent=1, time="t"))
        loss = dict.fromkeys(("rho", "delta", "spent_rho", "spent_delta"), "0")
        of = {"institution": "b", "dataset": "d", "unit": "person", "purpose": "p", "request_id": "r", "day": "d"}
        tx.execute(insert(schema.privacy_ledger).values(**of, **loss, sequence=1, time="t"))
    target = schema.metadata.tables[table]
    column = target.columns[{"nodes": "hash", "pruned": "residue"}.get(table, "time")]
    for statement in (delete(target), update(target).values({column: b"x"})):
        with pytest.raises(StoreConflict), state.transaction() as tx:
            tx.execute(statement)
    assert state.healthy


def test_replacing_a_row_counts_as_removing_it(filed: State) -> None:
    with filed.transaction() as tx:
        add_head(tx, 1)
    with pytest.raises(StoreConflict), filed.transaction() as tx:
        tx.execute(text("INSERT OR REPLACE INTO heads VALUES (1, x'00', x'00', 'later')"))


def test_a_reader_cannot_write(state: State) -> None:
    with pytest.raises(StoreUnavailable), state.reading() as tx:
        add_head(tx, 1)
    assert state.healthy


def test_a_reader_sees_one_moment(state: State) -> None:
    with state.reading() as tx:
        before = tx.execute(select(schema.heads)).all()
        with state.transaction() as writer:
            add_head(writer, 1)
        assert tx.execute(select(schema.heads)).all() == before == []
    assert sizes(state) == [1]


def test_writers_take_turns(state: State) -> None:
    def work(offset: int) -> None:
        for size in range(offset, 40, 4):
            with state.transaction() as tx:
                add_head(tx, size)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes(state) == list(range(40))


def test_a_transaction_inside_a_transaction_is_a_mistake_and_not_a_deadlock(state: State) -> None:
    with pytest.raises(RuntimeError), state.transaction(), state.transaction():
        pass


def test_another_process_holding_the_store_is_busy_and_not_broken(
    tmp_path: Path,
) -> None:
    with State.open(tmp_path / "state.db", busy_timeout_s=0.02) as state:
        with closing(sqlite3.connect(state.location, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert sizes(state) == []
            with pytest.raises(StoreBusy), state.transaction() as tx:
                add_head(tx, 1)
        assert state.healthy
        with state.transaction() as tx:
            add_head(tx, 1)


@contextmanager
def disk_with_room_for(file_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond that; writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_after_a_full_disk_nothing_is_written_until_a_probe_has_succeeded(filed: State) -> None:
    with disk_with_room_for(4096), pytest.raises(StoreUnavailable), filed.transaction() as tx:
        add_head(tx, 1)
    with pytest.raises(StoreUnavailable), filed.transaction() as tx:
        add_head(tx, 2)
    with disk_with_room_for(4096), pytest.raises(StoreUnavailable):
        filed.probe()
    assert not filed.healthy
    filed.probe()
    assert filed.healthy
    with filed.transaction() as tx:
        add_head(tx, 3)
    assert sizes(filed) == [3]


def test_a_disk_that_fills_up_at_any_byte_tears_no_record(tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        log = open_log(state)
        said_yes = []
        wal = state.location.with_name("state.db-wal")
        for room in range(0, 60_000, 2_500):
            try:
                with disk_with_room_for(wal.stat().st_size + room):
                    said_yes.append(answer(log, room).index)
            except StoreUnavailable:
                state.probe()
        with state.reading() as tx:
            assert size_of(tx) > max(said_yes)
        report = verify_log(state, KEY)
        assert (report.ok, said_yes != []) == (True, True)


SHIM = """
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int broken(void) { const char *flag = getenv("BROKEN_DISK"); return flag && access(flag, F_OK) == 0; }
int fsync(int fd) { if (broken()) { errno = EIO; return -1; } return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) {
  if (broken()) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""

BROKEN_DISK = """
import os, sys
from pathlib import Path
from louver_sandbox.audit import verify_log
from louver_sandbox.store import State, StoreUnavailable
from tests.support.audit_logs import KEY, answer, open_log
flag = Path(os.environ["BROKEN_DISK"])
def attempt(step):
    try:
        return step()
    except StoreUnavailable as unavailable:
        return str(unavailable)
with State.open(Path(sys.argv[1])) as state:
    log = open_log(state)
    answer(log, 0)
    flag.touch()
    print(attempt(lambda: answer(log, 1)))
    print(attempt(lambda: log.receipt(0)))
    print(attempt(state.probe))
    flag.unlink()
    print(attempt(lambda: answer(log, 2)))
    state.probe()
    answer(log, 3)
    print(verify_log(state, KEY).ok, log.receipt(0).verify(KEY).kind)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="a disk whose fsync fails is simulated with a C compiler")
def test_a_disk_that_cannot_sync_is_not_written_to_again_by_itself(tmp_path: Path) -> None:
    source, shim = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(f"#define _GNU_SOURCE\n{SHIM}")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    surroundings = {**os.environ, "LD_PRELOAD": str(shim), "BROKEN_DISK": str(tmp_path / "broken")}
    command = [sys.executable, "-c", BROKEN_DISK, str(tmp_path / "state.db")]
    run = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True, check=True)
    closed = "the state store has failed before and has not passed a health probe since"
    assert run.stdout.splitlines() == [
        "the state store failed (SQLITE_IOERR_FSYNC)",
        closed,
        "the state store failed (SQLITE_IOERR_FSYNC)",
        closed,
        "True admission",
    ]


def test_a_full_database_is_unavailable_and_says_nothing_of_the_library(filed: State) -> None:
    with filed.transaction() as tx:
        tx.execute(text("PRAGMA max_page_count=1"))
    with pytest.raises(StoreUnavailable) as caught, filed.transaction() as tx:
        tx.execute(insert(schema.heads).values(size=1, root=b"secret" * 2000, note=b"n", time="t"))
    assert str(caught.value) == "the state store failed (SQLITE_FULL)"
    assert caught.value.__cause__ is None


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable):
        State.open(path)
    with pytest.raises(StoreUnavailable):
        State.open(tmp_path / "missing" / "state.db")


def test_the_newest_revision_is_the_one_that_migrations_lead_to() -> None:
    """Told by the names of files, because it is asked for at every start."""
    script = ScriptDirectory(str(Path(store.__file__).parent / "migrations"))
    assert [newest_revision()] == script.get_heads()


def test_a_store_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    State.open(tmp_path / "state.db").close()
    with behind_the_back(tmp_path / "state.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailable, match="not one this release knows"):
        State.open(tmp_path / "state.db")


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "no url://", "postgresql://h"])
def test_a_url_of_another_kind_is_no_store(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite|URL|postgresql"):
        State.open(url)


CHILD = """
import secrets, sys
from pathlib import Path
from louver_sandbox.store import State
from louver_sandbox.warnings import tables as warning_tables
from tests.support.audit_logs import answer, open_log
with State.open(sys.argv[1]) as state:
    log = open_log(state, randomness=secrets.token_bytes)
    with state.reading() as tx:
        number = len(log.entries(0, 1000, kind="outcome"))
    while True:
        print(answer(log, number).index, flush=True)
        log.head()
        number += 1
"""


def test_what_was_acknowledged_survives_kill_9(place: Path | str) -> None:
    path, acknowledged = place, []
    State.open(path).close()
    for pause in (0.0, 0.013, 0.031):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as child:
            assert child.stdout is not None
            acknowledged.append(int(child.stdout.readline()))
            time.sleep(pause)
            child.kill()
            acknowledged += [int(line) for line in child.stdout.read().split()]
    with State.open(path) as state:
        outcomes = {entry.index for entry in open_log(state).entries(0, 1000, kind="outcome")}
        assert set(acknowledged) <= outcomes
        report = verify_log(state, KEY)
        assert report.ok, report.findings


def stored(request_id: str = "r1", request_digest: str = "d1", index: int = 0, bank: str = "bank-a") -> StoredAnswer:
    return StoredAnswer(bank, request_id, request_digest, "q1", b"arrow", index, rfc3339(datetime.now(UTC)))


@pytest.fixture
def answered(state: State) -> State:
    log = open_log(state)
    outcome = answer(log, 1)
    with state.transaction() as tx:
        answers.store(tx, stored(index=outcome.index))
    return state


def test_a_retry_finds_its_answer(answered: State) -> None:
    with answered.reading() as tx:
        found = answers.find_by_request(tx, "bank-a", "r1", "d1")
        assert found is not None
        assert (found.released, found.outcome_index) == (b"arrow", 1)
        assert answers.find_by_request(tx, "bank-a", "r2", "d1") is None


def test_a_request_id_with_another_request_is_told_so(answered: State) -> None:
    with answered.reading() as tx, pytest.raises(RequestReused):
        answers.find_by_request(tx, "bank-a", "r1", "d2")


def test_institutions_share_neither_ids_nor_answers(answered: State) -> None:
    with answered.reading() as tx:
        assert answers.find_by_request(tx, "bank-b", "r1", "d2") is None
        assert answers.find_by_question(tx, "bank-b", "q1") is None
        assert answers.find_by_question(tx, "bank-a", "q1") is not None


def test_an_answer_without_an_outcome_in_the_log_cannot_be_stored(state: State) -> None:
    with pytest.raises(StoreConflict), state.transaction() as tx:
        answers.store(tx, stored(index=7))


def test_a_request_is_answered_once(answered: State) -> None:
    with pytest.raises(StoreConflict), answered.transaction() as tx:
        answers.store(tx, stored(request_digest="d9"))

"""Power cuts, damaged pages, read-only disks: what was acknowledged is there, or the store says that it is not sound."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import power_cut
from tests.support.audit_logs import KEY, answer, open_log
from tests.support.lengths import at_length

from louver_sandbox.accounting import ledger
from louver_sandbox.audit import verify_log
from louver_sandbox.audit.stored import LogDamaged
from louver_sandbox.recount import mark
from louver_sandbox.store import State, StoreError

ROOT = Path(__file__).parents[3]
CUTS = at_length(12, 1000)
DAMAGES = at_length(8, 300)

WRITING = """
import os, secrets, sys
from pathlib import Path
from louver_sandbox.store import State
from tests.support.audit_logs import open_log
from tests.support.shared_store import ask
folder = Path(sys.argv[1])
acks = os.open(folder / "acks", os.O_RDWR | os.O_CREAT)
with State.open(folder / "state.db") as state:
    log = open_log(state, randomness=secrets.token_bytes)
    with state.transaction() as tx:
        tx.exec_driver_sql("PRAGMA wal_autocheckpoint=40")
    for number in range(int(sys.argv[2])):
        ask(log, f"request-{number}")
        os.pwrite(acks, b"ack", 3 * number)
    os._exit(0)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="writes are noted by a library that a C compiler makes")
def test_a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    State.open(folder / "state.db").close()
    before = {"/state.db": (folder / "state.db").read_bytes()}
    surroundings = {
        **os.environ,
        "LD_PRELOAD": str(power_cut.shim(tmp_path)),
        "TRACE": str(tmp_path / "trace"),
        "TRACED": str(folder.resolve()),
    }
    command = [sys.executable, "-c", WRITING, str(folder), "40"]
    subprocess.run(command, env=surroundings, cwd=ROOT, check=True)
    acts = [act for act in power_cut.acts(tmp_path / "trace") if not act.file.endswith("-shm")]
    synced = {act.file for act in acts if act.kind == "s"}
    assert synced >= {"/state.db", "/state.db-wal"}, "pages went to the journal and from there into the file"
    chance = random.Random(9)
    for cut in range(CUTS):
        done = acts[: chance.randint(1, len(acts)) if cut else len(acts)]
        place = tmp_path / "after"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, content in power_cut.left(before, done, chance).items():
            if name != "/acks":
                (place / name[1:]).write_bytes(content)
        acknowledged = sum(act.file == "/acks" for act in done)
        with State.open(place / "state.db") as state:
            log = open_log(state)
            report = verify_log(state, KEY)
            assert report.findings == (), f"cut {cut}"
            assert log.head().claimed.size == log.size() >= acknowledged, f"cut {cut}"
            with state.reading() as tx:
                assert ledger.audit(tx) == ()
                assert mark.counted(tx).charges == log.size(), "no charge without its entry, none twice"


def test_damaged_pages_are_found_and_nothing_is_signed_over_them(tmp_path: Path) -> None:
    """A page of the file is overwritten, torn or emptied: the log says so, or the page mattered to nobody."""
    path = tmp_path / "state.db"
    with State.open(path) as state:
        log = open_log(state)
        for number in range(30):
            answer(log, number)
        log.head()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    sound, chance, found = path.read_bytes(), random.Random(4), 0
    for _ in range(DAMAGES):
        page = chance.randrange(len(sound) // size)
        start = page * size + chance.choice((0, size // 2))
        damaged = bytearray(sound)
        length = page * size + size - start
        damaged[start : start + length] = chance.choice((bytes(length), chance.randbytes(length)))
        other = tmp_path / "damaged.db"
        other.write_bytes(damaged)
        for beside in tmp_path.glob("damaged.db-*"):
            beside.unlink()
        try:
            with State.open(other) as state:
                report = verify_log(state, KEY)
                if not report.ok:
                    found += 1
                    continue
                assert open_log(state).head().claimed.size == 60
        except (StoreError, LogDamaged):
            found += 1
    assert found > DAMAGES // 8, "most pages are of empty tables and indexes: 63 of 300 hold what is verified"

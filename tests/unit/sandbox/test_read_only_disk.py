"""The file system turns read-only, under a running service and before one starts; and the clock steps back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.audit_logs import KEY, ORIGIN, SIGNER, SeededRandomness, SettableClock, answer
from tests.support.databases import AT_LENGTH, SQLITE

from louver_sandbox.audit import AuditLog, verify_log
from louver_sandbox.store import State

ROOT = Path(__file__).parents[3]

SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>
static int broken(void) { const char *flag = getenv("READ_ONLY"); return flag && access(flag, F_OK) == 0; }
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))
#define REFUSED if (broken()) { errno = EROFS; return -1; }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  REFUSED return REAL("pwrite", ssize_t (*)(int, const void *, size_t, off_t))(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  REFUSED return REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(fd, data, size, at);
}
int ftruncate(int fd, off_t size) { REFUSED return REAL("ftruncate", int (*)(int, off_t))(fd, size); }
int ftruncate64(int fd, off64_t size) { REFUSED return REAL("ftruncate64", int (*)(int, off64_t))(fd, size); }
"""
"""What the kernel says of a file system that an error has turned read-only, on files that are open (a remount by hand
is refused while they are)."""

UNDER_A_SERVICE = """
import os, sys
from pathlib import Path
from louver_sandbox.audit import verify_log
from louver_sandbox.store import State, StoreUnavailable
from tests.support.audit_logs import KEY, answer, open_log
flag = Path(os.environ["READ_ONLY"])
def attempt(step):
    try:
        return step()
    except StoreUnavailable as unavailable:
        return str(unavailable)
with State.open(Path(sys.argv[1])) as state:
    log = open_log(state)
    answer(log, 0)
    kept = log.receipt(0)
    flag.touch()
    print(attempt(lambda: answer(log, 1)))
    print(attempt(lambda: log.attested(lambda tx: log.append(tx, {"kind": "note"}))))
    print(state.healthy, log.size(), kept.verify(KEY).kind)
    print(attempt(state.probe))
    flag.unlink()
    state.probe()
    answer(log, 2)
    print(state.healthy, log.size(), verify_log(state, KEY).ok)
"""

BEFORE_A_SERVICE = """
import subprocess, sys
from pathlib import Path
from louver_sandbox.audit import verify_log
from louver_sandbox.store import State, StoreError
from tests.support.audit_logs import KEY, SeededRandomness, answer, open_log
place = Path(sys.argv[1])
def mount(*words):
    subprocess.run(["mount", *words, place], check=True)
mount("-t", "tmpfs", "none")
with State.open(place / "state.db") as state:
    answer(open_log(state), 0)
mount("-o", "remount,ro")
try:
    with State.open(place / "state.db") as state:
        answer(open_log(state), 1)
    print("written")
except StoreError as refused:
    print(type(refused).__name__, refused)
mount("-o", "remount,rw")
with State.open(place / "state.db") as state:
    answer(open_log(state, randomness=SeededRandomness(b"later")), 2)
    print(open_log(state).size(), verify_log(state, KEY).ok)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="an error that turns a disk read-only is made in C")
def test_a_disk_that_turns_read_only_under_a_service_loses_and_releases_nothing(tmp_path: Path) -> None:
    source, shim = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    around = {**os.environ, "LD_PRELOAD": str(shim), "READ_ONLY": str(tmp_path / "read-only")}
    command = [sys.executable, "-c", UNDER_A_SERVICE, str(tmp_path / "state.db")]
    run = subprocess.run(command, env=around, cwd=ROOT, capture_output=True, text=True, check=True)
    first, second, between, probed, after = run.stdout.splitlines()
    assert first.startswith("the state store failed (SQLITE_")
    assert second == "the state store has failed before and has not passed a health probe since"
    assert between == "False 2 admission", "what was there can be read and proved"
    assert probed.startswith("the state store failed (SQLITE_")
    assert after == "True 4 True", "and it goes on by itself when it can be written to again"


def _private_mounts() -> bool:
    """Whether a process here may have mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not _private_mounts(), reason="no mounts of one's own on this host")
def test_a_read_only_file_system_is_not_served_on_and_is_whole_afterwards(tmp_path: Path) -> None:
    """A real one, remounted in a private namespace of mounts."""
    command = ["unshare", "-Urm", sys.executable, "-c", BEFORE_A_SERVICE, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    refused, after = run.stdout.splitlines()
    assert refused == "StoreUnavailable the state store's file cannot be opened for writing"
    assert after == "4 True"


@pytest.fixture(params=AT_LENGTH)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """A store on each kind of database."""
    at = (
        tmp_path / "state.db"
        if request.param == SQLITE
        else str(request.getfixturevalue("postgres_server").database(empty=True))
    )
    with State.open(at) as opened:
        yield opened


def test_the_log_is_in_the_order_of_its_entries_whatever_the_clock_says(state: State) -> None:
    """Steps of an hour back and forth, a leap to last year and to the next: no entry moves, none is lost, all prove."""
    clock = SettableClock()
    log = AuditLog(state, SIGNER, ORIGIN, clock=clock, randomness=SeededRandomness())
    steps = [
        timedelta(hours=-1),
        timedelta(hours=1),
        timedelta(days=-365),
        timedelta(days=730),
        timedelta(seconds=-1),
    ]
    receipts = [log.receipt(answer(log, 0).index)]
    for number, step in enumerate(steps, 1):
        clock.now += step
        receipts.append(log.receipt(answer(log, number).index))
    assert [one.verify(KEY).index for one in receipts] == [1, 3, 5, 7, 9, 11]
    times = [str(one.fields["time"]) for one in log.entries()]
    assert times != sorted(times)
    assert verify_log(state, KEY, [one.checkpoint for one in receipts]).ok

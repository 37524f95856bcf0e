"""Waiting for a free checker costs a request none of its checking time, and no checker its life."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.processes.zygote import Zygote

CHILD = """
import os, time
from louver_sandbox.processes.child import serve

def handle(request):
    time.sleep(float(request))
    return str(os.getpid()).encode()

def check(channel):
    serve(channel, handle)
"""
CHECK_S = b"0.9"
DEADLINE_S = 1.5


@pytest.fixture
def one_checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CheckerPool]:
    (tmp_path / "slow_checker.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    with Zygote("slow_checker:check", limits=Limits()) as zygote, CheckerPool(zygote, size=1) as pool:
        yield pool


def test_a_request_that_stood_in_line_has_its_whole_time_for_the_check(one_checker: CheckerPool) -> None:
    first = one_checker.ask(b"0", 30.0)
    pids: list[bytes] = []

    def ask() -> None:
        pids.append(one_checker.ask(CHECK_S, DEADLINE_S))

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert pids == [first, first]

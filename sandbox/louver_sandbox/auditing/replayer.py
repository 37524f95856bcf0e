"""The process in which a service makes an old decision again: a checker that reads the judgement it is told.

It parses a stranger's SQL, so it is as confined as a checker, and lives for one decision.
"""

from __future__ import annotations

import json
from pathlib import Path

from duckdb import DuckDBPyConnection

from louver_sandbox import checker, codec
from louver_sandbox.auditing.replay import Decide
from louver_sandbox.checker import Judgement
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve_one
from louver_sandbox.processes.isolation.confinement import seal
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.stages import Case, Verdict

ENTRY = "louver_sandbox.auditing.replayer:main"


def main(channel: Channel, prepared: tuple[Path, DuckDBPyConnection]) -> None:
    """One decision: the judgement's digests in the first line, the case in the others."""
    folder, connection = prepared

    def answer(request: bytes) -> bytes:
        said, _, case = request.partition(b"\n")
        named = json.loads(said)
        judgement = checker.read_kept(folder, named["catalog"], named["bundle"])
        engine = checker.reader(connection)
        seal()
        return codec.encode(checker.check(checker.case_from_bytes(case), judgement, engine))

    serve_one(channel, answer)


def in_process(pool: CheckerPool, seconds: float) -> Decide:
    """What decides in such a process, within so many seconds. It raises `CheckerFailed`."""

    def decide(case: Case, judgement: Judgement) -> Verdict:
        named = {"catalog": judgement.catalog.digest, "bundle": judgement.bundle.digest}
        request = json.dumps(named).encode() + b"\n" + checker.case_to_bytes(case)
        return codec.decode(pool.ask(request, seconds), Verdict)

    return decide

"""The process in which a service makes an old decision again: a checker that reads the judgement it is told.

It parses a stranger's SQL, so it is as confined as a checker, and lives for one decision.
"""

from __future__ import annotations

import json
from pathlib import Path

from duckdb import DuckDBPyConnection

from louver_sandbox import checker, codec
from louver_sandbox.auditing.replay import Deciders
from louver_sandbox.checker import Judgement
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve_one
from louver_sandbox.processes.isolation.confinement import seal
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.score_plan import ScoreCase, ScoreVerdict
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
        if case.startswith(checker.SCORES):
            asked = codec.decode(case.removeprefix(checker.SCORES), ScoreCase)
            return codec.encode(checker.check_scores(asked, judgement, engine))
        return codec.encode(checker.check(checker.case_from_bytes(case), judgement, engine))

    serve_one(channel, answer)


def in_process(pool: CheckerPool, seconds: float) -> Deciders:
    """What decides in such a process, within so many seconds. Both raise `CheckerFailed`."""

    def ask(case: bytes, judgement: Judgement) -> bytes:
        named = {"catalog": judgement.catalog.digest, "bundle": judgement.bundle.digest}
        return pool.ask(json.dumps(named).encode() + b"\n" + case, seconds)

    def question(case: Case, judgement: Judgement) -> Verdict:
        return codec.decode(ask(checker.case_to_bytes(case), judgement), Verdict)

    def scores(case: ScoreCase, judgement: Judgement) -> ScoreVerdict:
        return codec.decode(ask(checker.SCORES + codec.encode(case), judgement), ScoreVerdict)

    return Deciders(question, scores)

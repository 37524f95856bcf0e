"""Fuzzing guided by coverage: bytes that reach new branches of our readers are kept and changed further.

    python -m tests.support.guided --runs 100000 --seed 1 sql policy arrow

Each target gives bytes to one reader of strangers' texts, which takes them or refuses them in its own words; whatever
else happens ends the run with the input in a file. Targets are processes of their own, in which atheris (an optional
tool, `pip install atheris==3.0.0`) instruments our own modules; libraries read as they always do.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

OURS = ("louver_sandbox", "louver")
LONGEST = 4096


@dataclass(frozen=True)
class Target:
    """A reader of bytes, and inputs to begin with."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    longest: int = LONGEST


def _sql(content: bytes) -> object:
    return _judge().verdict(content.decode("utf-8", "replace"))


@cache
def _judge() -> Any:
    from tests.support.fuzzing import Judge

    return Judge()


def _statements() -> Sequence[bytes]:
    from tests.support.fuzzed_sql import statement

    return [statement(1, number).encode("utf-8", "replace") for number in range(200)]


def _document(kind: str) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        from tests.support import fuzzed_documents as documents

        reader: Callable[[Any], object] = getattr(documents, f"read_{kind}")
        return reader(content.decode("utf-8", "replace") if kind in ("policy", "registry") else content)

    return read


def _documents(kind: str) -> Callable[[], Sequence[bytes]]:
    def seeds() -> Sequence[bytes]:
        from tests.support import fuzzed_documents as documents
        from tests.support.catalogs import DEMO_DECLARATIONS
        from tests.support.policy_questions import LIBRARY, library

        from louver_sandbox.policy.bundle import bundle_content

        made: Mapping[str, Callable[[], Sequence[bytes]]] = {
            "catalogue": lambda: [one.encode() for one in documents.texts_in(DEMO_DECLARATIONS)],
            "policy": lambda: [one.encode() for one in documents.texts_in(LIBRARY)],
            "bundle": lambda: [bundle_content(library().platform, library().policies)],
            "registry": lambda: [documents.REGISTERED.format(fingerprint="a" * 64).encode()],
            "certificate": lambda: [documents.issued()],
        }
        return made[kind]()

    return seeds


def _message(content: bytes) -> object:
    from tests.support.policy_questions import BANK_A

    from louver.errors import Refused
    from louver.v1 import sandbox_pb2 as pb
    from louver_sandbox.service import convert

    with suppress(DecodeError, Refused):
        return convert.request(pb.Question.FromString(content), BANK_A)
    return None


def _messages() -> Sequence[bytes]:
    from louver.v1 import sandbox_pb2 as pb

    question = pb.Question(
        request_id="6d1f24f8-a0b2-4d60-8f3e-0123456789ab",
        purpose="RESEARCH",
        sql="SELECT count(*) FROM t WHERE a = :a",
        expires="2026-07-01T00:00:00+00:00",
        signature=b"signed",
    )
    question.parameters["a"].text = "x"
    question.parameters["d"].date = "2026-07-01"
    return [question.SerializeToString(), pb.Question().SerializeToString()]


def _arrow(content: bytes) -> object:
    from louver_sandbox.uploads.ingest import Caps, Job, UploadRefused, ingest

    with tempfile.TemporaryDirectory() as folder:
        spool, own = Path(folder) / "spool", Path(folder) / "own"
        own.mkdir()
        spool.write_bytes(content)
        try:
            return ingest(Job(spool, own, Caps(rows=10_000, bytes=1 << 22)))
        except UploadRefused as refused:
            return refused.code


def _tables() -> Sequence[bytes]:
    import pyarrow as pa
    from tests.support.line import stream

    return [
        stream(pa.table({"k": [1, 2], "name": ["a", None], "at": pa.array([1, 2], pa.timestamp("us"))})),
        stream(pa.table({"d": pa.array([1.5, None]), "b": [True, False]})),
        stream(pa.table({"l": pa.array([[1], None]), "x": pa.array(["a", "a"]).dictionary_encode()})),
    ]


def _file(kind: str) -> Target:
    def read(content: bytes) -> object:
        from tests.support import fuzzed_files as files

        reader: Callable[[bytes], object] = getattr(files, f"read_{kind}")
        return reader(content)

    def seeds() -> Sequence[bytes]:
        from tests.support import fuzzed_files as files

        return [files.genuine()[kind]]

    return Target(read, seeds, 1 << 17)


FILES = ("pack", "export", "receipt", "residue")
KINDS = ("catalogue", "policy", "bundle", "registry", "certificate")
TARGETS: Mapping[str, Target] = {
    "sql": Target(_sql, _statements),
    **{kind: Target(_document(kind), _documents(kind)) for kind in KINDS},
    **{kind: _file(kind) for kind in FILES},
    "message": Target(_message, _messages),
    "arrow": Target(_arrow, _tables),
}


def _guide(name: str, runs: int, seed: int) -> None:
    """Runs one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=list(OURS)):
        for module in ("evidence.checking", "transparency.whole_log", "cli.verifying"):
            importlib.import_module(f"louver.{module}")
        for module in ("sql.parse", "policy.load", "catalog.load", "service.convert", "uploads.ingest", "plan.plan"):
            importlib.import_module(f"louver_sandbox.{module}")
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(target.seeds()):
            (Path(folder) / f"{number:04}").write_bytes(content[: target.longest])
        options = [
            f"-runs={runs}",
            f"-seed={seed}",
            f"-max_len={target.longest}",
            "-timeout=30",
            "-rss_limit_mb=4096",
        ]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", folder], target.read)
        atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs targets one after the other; the status is 1 when one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.guided")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], default=[])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="in this process")
    options = parser.parse_args(arguments)
    if options.here:
        _guide(options.targets[0], options.runs, options.seed)
        return 0
    failed = []
    for name in options.targets or TARGETS:
        told = [f"--runs={options.runs}", f"--seed={options.seed}", "--here", name]
        done = subprocess.run([sys.executable, "-m", "tests.support.guided", *told])
        print(f"{name}: {'FAILED' if done.returncode else 'well'}", flush=True)
        failed += [name] if done.returncode else []
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

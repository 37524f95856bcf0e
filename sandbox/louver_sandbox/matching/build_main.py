"""The set builder's own process: `python -m louver_sandbox.matching.build_main`.

Reads one job as JSON on stdin, writes the two files of the set, and says one JSON line: `{"sha256", "records",
"bytes"}` or, with exit status 1, `{"refused": reason}`. The keys are read here from their files; they are neither in
the job nor in arguments nor in the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, TextIO

import duckdb

from louver.errors import Error, Refused
from louver.matching.sets import MatchSet
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import CatalogRefused, load_catalog
from louver_sandbox.matching.building import SetRefused, build
from louver_sandbox.policy.matching import ListSpec
from louver_sandbox.publishing.record_keys import KeyRefused, read_key

SECONDS = 3600.0
"""How long a set may take: ten million entries on one core."""


@dataclass(frozen=True)
class Job:
    """What to build, from what, to where. `seed` is a file."""

    catalog: Path
    base: Path
    seed: Path
    given: Path
    inside: Path
    personal: Path
    spec: ListSpec

    def encode(self) -> str:
        """The job as the process reads it."""
        spec = asdict(self.spec) | {"table": str(self.spec.table), "day": self.spec.day.isoformat()}
        paths = {name: str(getattr(self, name)) for name in self.__dataclass_fields__ if name != "spec"}
        return json.dumps(paths | {"spec": spec})


def decode_job(text: str) -> Job:
    """The job in a text. Raises `SetRefused`."""
    try:
        fields: dict[str, Any] = json.loads(text)
        spec = fields.pop("spec")
        spec["table"] = TableName(*spec["table"].split("."))
        spec["day"], spec["columns"] = date.fromisoformat(spec["day"]), tuple(spec["columns"])
        return Job(**{name: Path(path) for name, path in fields.items()}, spec=ListSpec(**spec))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SetRefused("this is no job of the set builder") from None


def run(source: TextIO, target: TextIO) -> int:
    """One job from `source`, its outcome to `target`; the exit status."""
    try:
        job = decode_job(source.read(1_000_000))
        catalog = load_catalog((job.catalog,), job.base)
        built = build(catalog, job.spec, read_key(job.seed, "matching key"))
        _install(job.inside, built.inside)
        _install(job.personal, built.personal)
        _install(job.given, built.given)
        said: dict[str, Any] = {
            "sha256": hashlib.sha256(built.given).hexdigest(),
            "records": len(MatchSet(built.given)),
            "bytes": len(built.given),
        }
    except (SetRefused, KeyRefused, CatalogRefused) as refused:
        said = {"refused": str(refused)}
    except Refused as refused:
        said = {"refused": f"{refused.code}: {refused.message}"}
    except duckdb.Error:
        said = {"refused": "the engine could not read the list"}  # its own text may quote values
    except OSError as error:
        said = {"refused": f"the disk or a file failed: {os.strerror(error.errno or 0)}"}
    except Error as error:
        said = {"refused": str(error)}
    print(json.dumps(said, ensure_ascii=False), file=target, flush=True)
    return 1 if "refused" in said else 0


def _install(path: Path, content: bytes) -> None:
    """A file appears whole, under its name, readable by its owner alone, or not at all."""
    made = path.with_name(f".{path.name}-{os.getpid()}")
    made.unlink(missing_ok=True)
    with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(made, path)


def built_by_process(job: Job, *, python: str = sys.executable) -> str:
    """Runs the builder as a process of its own; the SHA-256 of the set in hex. Raises `SetRefused`."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell, nothing of a caller in the command
            [python, "-m", "louver_sandbox.matching.build_main"],
            input=job.encode(),
            capture_output=True,
            text=True,
            env=environment,
            timeout=SECONDS,
            check=False,
        )
        said = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError, OSError):
        raise SetRefused("the set builder ended before it was done") from None
    if "refused" in said:
        raise SetRefused(str(said["refused"]))
    return str(said["sha256"])


if __name__ == "__main__":
    sys.exit(run(sys.stdin, sys.stdout))

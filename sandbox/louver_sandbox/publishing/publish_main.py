"""The publisher's own process: `python -m louver_sandbox.publishing.publish_main`.

Reads one job as JSON on stdin and writes one JSON line per event on stdout:
`{"event": "published", id, table, rows, bytes, seconds, sha256, partition}`, then `{"event": "done"}`; or, and then
the exit status is 1, `{"event": "refused", "reason": ...}`. Whoever starts it writes the log entries.

Job: `catalog` (declaration files or folders), `base` (data folder), `key` (record-key file), `folder` (snapshots),
`grants` (list of {table, columns, row_filter, atoms}), and optionally `threads`, `memory_mib`, and `fingerprint`,
that of the record key where it is not the first one. The record key is read here from its file; it is neither in the
job nor in arguments nor in the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import duckdb

from louver.errors import Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.atoms import AtomRules
from louver_sandbox.catalog.load import CatalogRefused, load_catalog, with_record_key
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.publisher import Published, PublishRefused, Resources, publish
from louver_sandbox.publishing.recoding import decode_partition
from louver_sandbox.publishing.record_keys import KeyRefused, fingerprint, read_key

MAX_JOB_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """What to publish, from what, to where."""

    catalog: tuple[Path, ...]
    base: Path
    key: Path
    folder: Path
    grants: tuple[GrantSet, ...]
    resources: Resources = field(default_factory=Resources)
    fingerprint: str | None = None

    def encode(self) -> str:
        """The job as the process reads it."""
        return json.dumps(
            {
                "catalog": [str(path) for path in self.catalog],
                "base": str(self.base),
                "key": str(self.key),
                "folder": str(self.folder),
                "grants": [
                    {
                        "table": str(grant.table),
                        "columns": list(grant.columns),
                        "row_filter": grant.row_filter,
                        "atoms": None if grant.atoms is None else grant.atoms.model_dump(mode="json"),
                        "looked_up": grant.looked_up,
                    }
                    for grant in self.grants
                ],
                "threads": self.resources.threads,
                "memory_mib": self.resources.memory_mib,
                "fingerprint": self.fingerprint,
            }
        )


def decode_job(text: str) -> Job:
    """The job in a text.

    Raises:
        PublishRefused: it is not a job.
    """
    try:
        fields: Any = json.loads(text)
        grants = tuple(
            GrantSet(
                TableName(*str(item["table"]).split(".")),
                tuple(str(column) for column in item["columns"]),
                None if item["row_filter"] is None else str(item["row_filter"]),
                None if item["atoms"] is None else AtomRules.model_validate(item["atoms"]),
                bool(item.get("looked_up")),
            )
            for item in fields["grants"]
        )
        resources = Resources(int(fields.get("threads", 2)), int(fields.get("memory_mib", 1_536)))
        paths = tuple(Path(path) for path in fields["catalog"])
        said = fields.get("fingerprint")
        return Job(
            paths,
            Path(fields["base"]),
            Path(fields["key"]),
            Path(fields["folder"]),
            grants,
            resources,
            None if said is None else str(said),
        )
    except (ValueError, KeyError, TypeError):
        raise PublishRefused("this is not a publication job") from None


def events(job: Job) -> Iterator[dict[str, object]]:
    """What happens, in order; a refusal is the last event and is raised by `publish`."""
    catalog = with_record_key(load_catalog(job.catalog, job.base), job.fingerprint, job.base)
    key = read_key(job.key)
    if job.fingerprint not in (None, fingerprint(key)):
        raise KeyRefused(
            "the record key is not the one in use; `louver-sandbox keys rotate record` was cut off, run it"
        )
    for item in publish(catalog, job.grants, folder=job.folder, key=key, emit=predicate_sql, resources=job.resources):
        yield _event(item)
    yield {"event": "done", "catalog": catalog.digest}


def _event(item: Published) -> dict[str, object]:
    return {
        "event": "published",
        "id": item.id,
        "table": str(item.table),
        "rows": item.rows,
        "bytes": item.bytes,
        "seconds": round(item.seconds, 3),
        "sha256": item.sha256,
        "partition": None if item.partition is None else asdict(item.partition),
    }


def run(source: TextIO, target: TextIO) -> int:
    """One job from `source`, its events to `target`; the exit status."""
    try:
        for event in events(decode_job(source.read(MAX_JOB_BYTES))):
            print(json.dumps(event, ensure_ascii=False), file=target, flush=True)
    except (PublishRefused, KeyRefused, CatalogRefused) as refused:
        reason = str(refused)
    except Refused as refused:
        reason = f"{refused.code}: {refused.message}"
    except duckdb.Error:
        reason = "the engine could not build the snapshot"  # its own text may quote values
    except OSError as error:
        reason = f"the disk or a file failed: {os.strerror(error.errno or 0)}"
    else:
        return 0
    print(json.dumps({"event": "refused", "reason": reason}, ensure_ascii=False), file=target, flush=True)
    return 1


def published_by_process(job: Job, *, python: Sequence[str] = (sys.executable,)) -> Iterator[Published]:
    """Run the publisher as a process of its own and yield what it makes, as it makes it.

    Raises:
        PublishRefused: the process refused or died; what was yielded before stays published.
    """
    command = [*python, "-m", "louver_sandbox.publishing.publish_main"]
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    with subprocess.Popen(  # noqa: S603 - our own module, no shell, nothing of a caller in the command
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise PublishRefused("the publisher cannot be spoken to")
        process.stdin.write(job.encode())
        process.stdin.close()
        yield from _received(process.stdout)
    if process.returncode:
        raise PublishRefused("the publisher ended before it was done")


def _received(lines: Iterable[str]) -> Iterator[Published]:
    for line in lines:
        try:
            event: Any = json.loads(line)
            if event["event"] == "refused":
                raise PublishRefused(str(event["reason"]))
            if event["event"] == "published":
                table = TableName(*event["table"].split("."))
                partition = decode_partition(event["partition"])
                yield Published(
                    event["id"],
                    table,
                    event["rows"],
                    event["bytes"],
                    event["seconds"],
                    event["sha256"],
                    partition,
                )
        except (ValueError, KeyError, TypeError):
            raise PublishRefused("the publisher was cut off in the middle of a line") from None


if __name__ == "__main__":
    sys.exit(run(sys.stdin, sys.stdout))

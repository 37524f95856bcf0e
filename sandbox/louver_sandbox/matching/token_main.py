"""The process that makes the tokens of a published column: `python -m louver_sandbox.matching.token_main`.

Reads one job as JSON on stdin, writes the table, and says one JSON line: `{"sha256"}` or, with exit status 1,
`{"refused": reason}`. The key is read here from its file; the service never has it. What the table holds are the
column's different ids in their one spelling (`louver.matching.subjects`), each beside its token: a row of the
institution's joins with what it would join with, had it come with its id in that spelling.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import duckdb
import pyarrow as pa

from louver.errors import Error
from louver.matching.subjects import canonical, value_of
from louver.tokens.columns import TOKEN_BYTES
from louver_sandbox.catalog.sources import quote
from louver_sandbox.matching.oprf import JOIN_USE, Key
from louver_sandbox.publishing.record_keys import KeyRefused, read_key

SECONDS = 3600.0
"""How long a table may take: fifty million ids on one core."""
AT_ONCE = 10_000


class TokensRefused(Exception):
    """The tokens cannot be made; the text names no value."""


@dataclass(frozen=True)
class Job:
    """Whose tokens of which snapshot's column, and where the table goes. `seed` is a file, `former` are tables under
    the same key, from which tokens are taken over."""

    snapshot: str
    column: str
    seed: str
    institution: str
    element: str
    target: str
    former: tuple[str, ...] = ()

    def encode(self) -> str:
        """The job as the process reads it."""
        return json.dumps(asdict(self))


def decode_job(text: str) -> Job:
    """The job in a text. Raises `TokensRefused`."""
    try:
        fields = json.loads(text)
        former = tuple(fields.pop("former"))
        job = Job(**fields, former=former)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise TokensRefused("this is no job of the token builder") from None
    if not all(isinstance(part, str) for part in (*fields.values(), *former)):
        raise TokensRefused("this is no job of the token builder")
    return job


def spellings(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """The different ids in the column, each in its one spelling, in their order; what is no id is left out."""
    statement = f"SELECT DISTINCT CAST({quote(column)} AS VARCHAR) FROM main.data WHERE {quote(column)} IS NOT NULL"  # noqa: S608
    found: set[str] = set()
    cursor = connection.execute(statement)
    while batch := cursor.fetchmany(AT_ONCE):
        for (text,) in batch:
            try:
                found.add(canonical(text))
            except ValueError:
                continue
    return sorted(found)


def batches(ids: Sequence[str], key: Key) -> Iterator[pa.Table]:
    """The table's rows."""
    for start in range(0, len(ids), AT_ONCE):
        part = ids[start : start + AT_ONCE]
        tokens = [token[:TOKEN_BYTES] for token in key.tokens([value_of(id_) for id_ in part])]
        yield pa.table({"token": pa.array(tokens, pa.binary()), "id": pa.array(part, pa.string())})


def _taken_over(connection: duckdb.DuckDBPyConnection, ids: Sequence[str], former: Sequence[str]) -> list[str]:
    """Puts in the rows of ids that former tables have; the ids that none of them has, in their order."""
    connection.register("wanted", pa.table({"id": pa.array(ids, pa.string())}))
    for number, path in enumerate(former):
        quoted = path.replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS former_{number} (READ_ONLY)")
        connection.execute(
            f"INSERT INTO main.data SELECT f.token, f.id FROM former_{number}.main.data f "  # noqa: S608
            "JOIN wanted w ON w.id = f.id WHERE NOT EXISTS (SELECT 1 FROM main.data d WHERE d.id = f.id)"
        )
        connection.execute(f"DETACH former_{number}")
    left = connection.execute(
        "SELECT w.id FROM wanted w WHERE NOT EXISTS (SELECT 1 FROM main.data d WHERE d.id = w.id) ORDER BY 1"
    ).fetchall()
    connection.unregister("wanted")
    return [id_ for (id_,) in left]


def build(job: Job) -> str:
    """Makes the table; the file's SHA-256 in hex. It appears whole, readable by its owner alone, or not at all.

    Raises:
        KeyRefused: there is no key, or it is not a private file.
    """
    key = Key(read_key(Path(job.seed), "join key"), JOIN_USE, job.institution, job.element)
    target = Path(job.target)
    made = target.with_name(f".{target.name}-{os.getpid()}")
    made.unlink(missing_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {"threads": 1, "autoinstall_known_extensions": False}
    try:
        with duckdb.connect(job.snapshot, read_only=True, config=config) as published:
            ids = spellings(published, job.column)
        with duckdb.connect(str(made), config=config) as connection:
            connection.execute("CREATE TABLE main.data (token BLOB, id VARCHAR)")
            for rows in batches(_taken_over(connection, ids, job.former), key):
                connection.register("rows", rows)
                connection.execute("INSERT INTO main.data FROM rows")
                connection.unregister("rows")
            connection.execute("CHECKPOINT")
        made.chmod(0o400)
        with made.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            os.fsync(content.fileno())
        os.replace(made, target)
    finally:
        made.unlink(missing_ok=True)
    return digest


def run(source: TextIO, target: TextIO) -> int:
    """One job from `source`, its outcome to `target`; the exit status."""
    try:
        said: dict[str, Any] = {"sha256": build(decode_job(source.read(1_000_000)))}
    except (TokensRefused, KeyRefused) as refused:
        said = {"refused": str(refused)}
    except duckdb.Error:
        said = {
            "refused": "the engine could not read the snapshot or write the table"
        }  # its own text may quote values
    except OSError as error:
        said = {"refused": f"the disk or a file failed: {os.strerror(error.errno or 0)}"}
    except Error as error:
        said = {"refused": str(error)}
    print(json.dumps(said, ensure_ascii=False), file=target, flush=True)
    return 1 if "refused" in said else 0


def built_by_process(job: Job, *, python: str = sys.executable) -> str:
    """Runs the builder as a process of its own; the SHA-256 of the table in hex. Raises `TokensRefused`."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell, nothing of a caller in the command
            [python, "-m", "louver_sandbox.matching.token_main"],
            input=job.encode(),
            capture_output=True,
            text=True,
            env=environment,
            timeout=SECONDS,
            check=False,
        )
        said = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError, OSError):
        raise TokensRefused("the token builder ended before it was done") from None
    if "refused" in said:
        raise TokensRefused(str(said["refused"]))
    return str(said["sha256"])


if __name__ == "__main__":
    sys.exit(run(sys.stdin, sys.stdout))

"""Builds the snapshots that workers read: one immutable DuckDB file per grant set, named by `snapshot_id`.

A file appears under its name only when it is complete, closed and on the disk; beside it stands a manifest with its
digest. What is already there and still has that digest is not built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import duckdb

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.building import Build, Emit, build
from louver_sandbox.publishing.recoding import Partition, decode_partition
from louver_sandbox.publishing.refused import PublishRefused

__all__ = ["PublishRefused", "Published", "Resources", "publish", "snapshot_path"]


TEMPORARY = ".building-"
"""Begins the name of a folder in which a snapshot is being built; its name ends with the builder's process id."""

LOOKED_UP_BLOCK_BYTES = 16 * 1024
"""What the engine reads of a snapshot at a time where single subjects are looked up in it: a sixteenth of its own
default, for a lookup wants one row of each column and pays for the whole block around it."""


@dataclass(frozen=True, slots=True)
class Published:
    """One snapshot as it lies on the disk. `seconds` is the time of building, 0 when it was already there;
    `partition` says what the atom rule moved, where it holds."""

    id: str
    table: TableName
    rows: int
    bytes: int
    seconds: float
    sha256: str
    partition: Partition | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What a build may use: engine threads, and memory in MiB before it spills to the private build folder."""

    threads: int = 2
    memory_mib: int = 1_536


def snapshot_path(folder: Path, identity: str) -> Path:
    """Where the snapshot of that identity lies."""
    return folder / f"{identity}.duckdb"


def publish(
    catalog: Catalog,
    grants: Iterable[GrantSet],
    *,
    folder: Path,
    key: bytes,
    emit: Emit,
    resources: Resources | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Published]:
    """Make every snapshot the grant sets need, one by one; grant sets with the same snapshot are built once.

    `key` is what `record_keys.read_key` gave, `emit` turns a predicate into engine text (`predicates.predicate_sql`).

    Raises:
        PublishRefused: a grant set cannot be built as the catalogue declares; those before it stay published.
        duckdb.Error, OSError: the source cannot be read or the disk is full; nothing half-made is left behind.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(folder)
    seen = set()
    for grant in grants:
        table = catalog.table(grant.table)
        if table is None or table.source is None:
            raise PublishRefused(f"{grant.table}: no registered table with rows of its own")
        if table.space is SpaceKind.INSTITUTION:
            raise PublishRefused(f"{grant.table}: an institution's own table is not published")
        if not table.data_version:
            raise PublishRefused(f"{grant.table}: the source files are not there")
        identity = snapshot_id(table, grant.columns, grant.row_filter, grant.atoms)
        if identity in seen:
            continue
        seen.add(identity)
        present = _present(folder, identity, grant.table)
        job = Build(catalog, table, grant, key, emit)
        yield present or _publish(folder, identity, job, resources or Resources(), clock)


def _sweep(folder: Path) -> None:
    """Remove what builders left that were killed at work."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        if not Path("/proc", leftover.name.rpartition("-")[2]).exists():
            shutil.rmtree(leftover, ignore_errors=True)


def _present(folder: Path, identity: str, table: TableName) -> Published | None:
    """The snapshot already there, if its bytes are those of its manifest."""
    path, manifest = snapshot_path(folder, identity), folder / f"{identity}.json"
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))
        if known["bytes"] != path.stat().st_size or known["sha256"] != _sha256(path):
            return None
        partition = decode_partition(known.get("partition"))
        return Published(
            identity, table, int(known["rows"]), int(known["bytes"]), 0.0, str(known["sha256"]), partition
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def recorded_partition(folder: Path, identity: str) -> Partition | None:
    """What the atom rule moved when the snapshot was built, from its manifest; None where it does not hold.

    Raises:
        PublishRefused: there is no such snapshot, or its manifest cannot be read.
    """
    try:
        return decode_partition(json.loads((folder / f"{identity}.json").read_text(encoding="utf-8"))["partition"])
    except (OSError, ValueError, KeyError, TypeError):
        raise PublishRefused(f"{identity[:16]}: not published yet; run `louver-sandbox publish`") from None


def _publish(folder: Path, identity: str, job: Build, resources: Resources, clock: Callable[[], float]) -> Published:
    started = clock()
    private = folder / f"{TEMPORARY}{identity[:16]}-{os.getpid()}"
    private.mkdir(mode=0o700)
    try:
        made = private / "snapshot.duckdb"
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": resources.threads,
            "memory_limit": f"{resources.memory_mib}MB",
            "temp_directory": str(private / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "preserve_insertion_order": True,
        }
        if job.grant.looked_up:
            config["default_block_size"] = LOOKED_UP_BLOCK_BYTES
        with duckdb.connect(str(made), config=config) as connection:
            rows, partition = build(connection, job)
            connection.execute("CHECKPOINT")
        unnamed = Published(identity, job.table.name, rows, made.stat().st_size, 0.0, _sha256(made), partition)
        return _install(folder, unnamed, made, started, clock)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _install(folder: Path, published: Published, made: Path, started: float, clock: Callable[[], float]) -> Published:
    """Move a closed database to its name for good: synced, read-only, manifest last."""
    if made.with_name(made.name + ".wal").exists():
        raise PublishRefused(f"{published.table}: the snapshot was not closed cleanly")
    os.chmod(made, 0o444)
    _sync(made)
    manifest = made.with_name("manifest.json")
    content = asdict(published) | {"table": str(published.table), "format": 1}
    manifest.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")
    os.chmod(manifest, 0o444)
    _sync(manifest)
    os.replace(made, snapshot_path(folder, published.id))
    os.replace(manifest, folder / f"{published.id}.json")
    _sync(folder)
    return replace(published, seconds=clock() - started)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

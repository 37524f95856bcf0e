"""A consistent copy of what an installation cannot make again, taken while it serves.

Snapshots and the data below them are left out: the data have their own owner, and `publish` makes snapshots again.

The copy is signed for where it ends (`backup.checkpoint`), and then the log that goes on says that it was taken. So
the copy is behind its own installation from its first moment on: put back, it is known for what it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.succession import LogKey
from louver_sandbox import journal
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.operator.installation import InstallationRefused
from louver_sandbox.premises import JOIN_FILE, MATCHING_FILE, open_books, utc_now
from louver_sandbox.recount import anchor, verify
from louver_sandbox.settings import Settings
from louver_sandbox.store import State
from louver_sandbox.store.copying import copy_store

FILES = (
    "louver.toml",
    "administrators.toml",
    "institutions.toml",
    "log-auditors.toml",
    "policy-officers.toml",
    "officers.json",
    "revocations.json",
    "auditors.json",
    "log.pub",
    "record.epoch",
)
FOLDERS = ("bundle", "catalog", "policies", "requests", "pki", "uploads", "run/kept")
STORE = "state.db"
"""The state store in a backup: a file, whatever it was copied from."""
HEAD = "backup.checkpoint"
"""The signed head over the log in the backup."""
MANIFEST = "backup.json"
"""The digest of every file."""


def back_up(settings: Settings, target: Path, *, secrets: bool) -> Iterator[str]:
    """Copies the installation into a new folder, readable by its owner only; yields what it has copied.

    Raises `InstallationRefused` when the folder exists. The state store is copied first and whole, so that the log
    in the copy explains every charge in it.
    """
    if target.exists():
        raise InstallationRefused(f"{target} exists already; a backup goes into a new folder")
    target.mkdir(parents=True, mode=0o700)
    _copy_store(settings, target)
    yield STORE
    for name in FILES:
        if (settings.home / name).is_file():
            shutil.copy2(settings.home / name, target / name)
            yield name
    # What is made with these follows from them and from the data.
    for name in (MATCHING_FILE, JOIN_FILE):
        if secrets and (settings.matching / name).is_file():
            (target / settings.matching.name).mkdir(mode=0o700, exist_ok=True)
            shutil.copy2(settings.matching / name, target / settings.matching.name / name)
            yield f"{settings.matching.name}/{name}"
    for name in (*FOLDERS, *(("secrets",) if secrets else ())):
        if (settings.home / name).is_dir():
            shutil.copytree(settings.home / name, target / name)
            yield f"{name}/"
    digests = _digests(target, _files(target))
    (target / MANIFEST).write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")
    yield MANIFEST


def verify_backup(folder: Path, witnessed: Sequence[Checkpoint]) -> TreeHead:
    """The head of the log in a backup, once every file is known to be the one that was copied, that the log holds
    and reaches its own head and every given one, and that every balance follows from it.

    Raises `InstallationRefused`, or `Unproven` for a checkpoint that is not of this log.
    """
    if not (folder / MANIFEST).is_file():
        raise InstallationRefused(f"{folder} is no backup, or one that was not finished")
    files = _files(folder)
    try:
        said = _listed((folder / MANIFEST).read_bytes())
        signed = (folder / HEAD).read_bytes()
        key = (folder / "log.pub").read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RecursionError):
        raise InstallationRefused(f"{folder} is no backup, or one that was not finished") from None
    found = _digests(folder, files)
    if other := sorted(name for name in said.keys() | found.keys() if said.get(name) != found.get(name)):
        raise InstallationRefused(f"{other[0]} is not as it was copied")
    head = Checkpoint.parse(signed)
    with State.open(folder / STORE) as state:
        # What a log says that does not hold is not counted.
        wrong = [*map(str, verify_log(state, key, [head, *witnessed]).findings)]
        wrong = wrong or [str(found) for found in islice(verify.differences(state), 1)]
    for beside in folder.glob(f"{STORE}-*"):
        beside.unlink()
    if wrong:
        raise InstallationRefused(wrong[0])
    return head.verify(LogKey.parse(key))


def _listed(content: bytes) -> Mapping[str, str]:
    """The digests that a manifest lists. Raises `ValueError`."""
    said = json.loads(content)
    if not isinstance(said, dict) or not all(isinstance(digest, str) for digest in said.values()):
        raise ValueError
    return said


def checkpoint_of(file: Path) -> Checkpoint:
    """A checkpoint that somebody has kept. Raises `Unproven`."""
    return Checkpoint.parse(file.read_bytes())


def _copy_store(settings: Settings, target: Path) -> None:
    copy = target / STORE
    with State.open(settings.state) as state:
        if state.is_shared:
            with State.open(copy) as fresh:
                copy_store(state, fresh)
        else:
            _copy_database(state.location, copy)
        with State.open(copy) as copied:
            head = open_books(settings, copied, utc_now).log.head()
        (target / HEAD).write_bytes(head.to_bytes())
        books, claimed = open_books(settings, state, utc_now), head.claimed
        journal.note(books, "backup", size=claimed.size, root=claimed.root.hex())
        anchor.keep(books, settings.anchors)


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's online backup: one moment of the store, whatever is written meanwhile."""
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)


def _files(folder: Path) -> list[Path]:
    """Every file in it but those that SQLite puts beside the store. Raises `InstallationRefused` for what is neither
    a file nor a folder: a link would bring in what somebody else may not read, a pipe would never end."""
    found = []
    for path in sorted(folder.rglob("*")):
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise InstallationRefused(f"{path.relative_to(folder)} is neither a file nor a folder")
        if stat.S_ISREG(kind):
            found.append(path)
    return found


def _digests(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """The SHA-256 of every file, by its name below the folder."""
    left_out = {folder / MANIFEST, *folder.glob(f"{STORE}-*")}
    found = {}
    for path in files:
        if path not in left_out:
            with path.open("rb") as content:
                found[str(path.relative_to(folder))] = hashlib.file_digest(content, "sha256").hexdigest()
    return found

"""A consistent copy of what an installation cannot make again, taken while it serves.

Snapshots and the data below them are left out: the data have their own owner, and `publish` makes snapshots again.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from louver_sandbox.operator.installation import InstallationRefused
from louver_sandbox.premises import JOIN_FILE, MATCHING_FILE
from louver_sandbox.settings import Settings

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
)
FOLDERS = ("bundle", "catalog", "policies", "requests", "pki", "uploads", "run/kept")


def back_up(settings: Settings, target: Path, *, secrets: bool) -> Iterator[str]:
    """Copies the installation into a new folder, readable by its owner only; yields what it has copied.

    Raises `InstallationRefused` when the folder exists. The state store is copied first and whole, so that the log
    in the copy explains every charge in it.
    """
    if target.exists():
        raise InstallationRefused(f"{target} exists already; a backup goes into a new folder")
    target.mkdir(parents=True, mode=0o700)
    _copy_database(settings.state, target / settings.state.name)
    yield settings.state.name
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


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's online backup: one moment of the store, whatever is written meanwhile."""
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)

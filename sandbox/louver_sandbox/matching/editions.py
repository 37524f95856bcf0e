"""The sets of today: built when first needed, logged, and given out only while they are what the log says.

A set is the same for everybody who may match against the list: its digest stands in the log before anybody gets it,
and in every receipt of a match.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from louver_sandbox.matching.build_main import Job, built_by_process
from louver_sandbox.matching.building import SetRefused
from louver_sandbox.policy.matching import ListSpec
from louver_sandbox.settings import Settings
from louver_sandbox.store.alone import alone

KEPT_SECONDS = 3 * 24 * 3600
"""How long before the newest set was made another one is still kept."""

Build = Callable[[Job], str]
Note = Callable[..., int]
"""Writes a log entry (kind, then its fields) and gives its index."""
Logged = Callable[[str], str | None]
"""The digest that the newest log entry about an edition names."""


@dataclass(frozen=True, slots=True)
class Edition:
    """A set that may be given out."""

    id: str
    digest: str
    path: Path
    size: int


class Editions:
    """The sets of an installation. Threads may share it."""

    def __init__(self, settings: Settings, note: Note, logged: Logged, build: Build = built_by_process) -> None:
        self._settings = settings
        self._note = note
        self._logged = logged
        self._build = build
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._fit: dict[str, tuple[tuple[int, int, int], Edition]] = {}

    def ready(self, spec: ListSpec) -> Edition:
        """The set of this edition, built now if it is not there.

        Raises:
            SetRefused: it cannot be built, or the file is not the one that the log names.
        """
        with self._lock:
            turn = self._locks.setdefault(spec.id, threading.Lock())
        with turn:
            found = self._found(spec)
            if found is None:
                (self._settings.matching / "sets").mkdir(mode=0o700, parents=True, exist_ok=True)
                with alone(self._settings.matching / "sets"):
                    found = self._found(spec)  # another service may have made it meanwhile
                    if found is None:
                        self._make(spec)
                        found = self._found(spec)
            if found is None:
                raise SetRefused(f"{spec.title}: the set is not what was built")
            return found

    def _found(self, spec: ListSpec) -> Edition | None:
        path = self._path(spec, "set")
        if not all(self._path(spec, kind).is_file() for kind in ("set", "inside", "personal")):
            return None
        stamp = _stamp(path)
        kept = self._fit.get(spec.id)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        digest = self._logged(spec.id)
        if digest is None:
            return None
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != digest:
                raise SetRefused(f"{spec.title}: the set is not the one that the log names")
        edition = Edition(spec.id, digest, path, stamp[1])
        self._fit[spec.id] = (stamp, edition)
        return edition

    def _make(self, spec: ListSpec) -> None:
        settings = self._settings
        digest = self._build(
            Job(
                catalog=settings.catalog,
                base=settings.data,
                seed=settings.matching / "oprf.key",
                given=self._path(spec, "set"),
                inside=self._path(spec, "inside"),
                personal=self._path(spec, "personal"),
                spec=spec,
            )
        )
        _sweep(self._path(spec, "set"))
        # Anybody who was given another set under this name would find it contradicted here.
        if self._logged(spec.id) != digest:
            size = self._path(spec, "set").stat().st_size
            self._note(
                "match_set",
                edition=spec.id,
                list=spec.title,
                day=spec.day.isoformat(),
                data_version=spec.data_version,
                sha256=digest,
                records=_records(self._path(spec, "set")),
                bytes=size,
            )

    def _path(self, spec: ListSpec, kind: str) -> Path:
        return self._settings.matching / "sets" / f"{spec.id}.{kind}"


def _records(made: Path) -> int:
    """How many records a set says it has: its subjects, filled up to a power of two."""
    with made.open("rb") as content:
        return int(json.loads(content.readline())["records"])


def _sweep(made: Path) -> None:
    """Removes the sets of former days: whoever has one needs no second, and nobody is given one again."""
    newest = made.stat().st_mtime
    for file in made.parent.glob("[!.]*"):
        if file.stat().st_mtime < newest - KEPT_SECONDS:
            file.unlink(missing_ok=True)


def _stamp(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise SetRefused(f"{path.name[:16]}: the set's file is open to others than its owner")
    return status.st_mtime_ns, status.st_size, status.st_ino

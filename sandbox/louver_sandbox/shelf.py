"""Where snapshots lie. Only files that are what the log says was published are handed to workers.

Whoever can write to the disk could put other numbers under a snapshot's name; the answers would be signed and wrong.
So a published file is hashed when first used and whenever it changes, and must have the digest of its log entry.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.journal import Books
from louver_sandbox.settings import Settings
from louver_sandbox.uploads.encrypted import ENDING


class SnapshotUnfit(Exception):
    """A file that no worker may open: missing, altered, never logged, or writable by others."""


class Shelf:
    """The published snapshots and the institutions' own tables. Threads may share it."""

    def __init__(self, settings: Settings, books: Books) -> None:
        self._settings = settings
        self._books = books
        self._lock = threading.Lock()
        self._fit: dict[Path, tuple[int, int, int]] = {}

    def path(self, snapshot: str, institution: str) -> Path:
        """The file of a snapshot: published, or one of the institution's own tables. Raises `SnapshotUnfit`."""
        own = self._settings.uploads / institution / f"{snapshot}.duckdb"
        published = self._settings.snapshots / f"{snapshot}.duckdb"
        if published.is_file():
            self._check(published, snapshot)
            return published
        if own.is_file():
            _stamp(own)
            return own
        raise SnapshotUnfit(f"snapshot {snapshot[:16]} is not there; `louver-sandbox publish` builds it")

    def ciphertexts(self, snapshot: str, institution: str) -> Path:
        """The file with the encrypted values of one of the institution's own tables. Raises `SnapshotUnfit`."""
        path = self._settings.uploads / institution / f"{snapshot}{ENDING}"
        if not path.is_file():
            raise SnapshotUnfit(f"the ciphertexts of {snapshot[:16]} are not there")
        _stamp(path)
        return path

    def _check(self, path: Path, snapshot: str) -> None:
        stamp = _stamp(path)
        with self._lock:
            if self._fit.get(path) == stamp:
                return
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            if digest != self._logged(snapshot):
                raise SnapshotUnfit(f"snapshot {snapshot[:16]} is not the one that the log says was published")
            self._fit[path] = stamp

    def _logged(self, snapshot: str) -> str | None:
        """The digest in the newest log entry about the snapshot."""
        before: int | None = None
        while page := self._books.log.latest(before, MAX_PAGE, kinds=("snapshot",)):
            for entry in page:
                if entry.fields.get("snapshot") == snapshot:
                    return str(entry.fields.get("sha256"))
            before = page[-1].index
        return None


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is changed; refuses one that others may write."""
    status = os.stat(path)
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise SnapshotUnfit(f"{path.name} is writable by others than its owner")
    return status.st_mtime_ns, status.st_size, status.st_ino

"""What one process at a time may do with files that several share.

Locks are the kernel's, on an open file: they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from louver_sandbox.store.errors import StoreUnavailable

_LOCK = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While it lasts no other process, and no other thread, is in such a block about this folder."""
    with (folder / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def only_service(location: Path) -> Iterator[None]:
    """While it lasts no other service runs on the state store in this file. Operators' commands may.

    Raises ``StoreUnavailable`` where one does.
    """
    beside = location.resolve()
    with beside.with_name(f"{beside.name}-service").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreUnavailable(
                "another service runs on this state store, and a file serves one: stop it, or move the store to "
                "PostgreSQL (`louver-sandbox store move`)"
            ) from None
        yield


@contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    """A new folder that is this process's own until the block ends; those of processes that are gone are removed."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(parent):
        for other in parent.iterdir():
            if other.name != _LOCK and not _is_held(other):
                shutil.rmtree(other) if other.is_dir() else other.unlink()
        made = parent / secrets.token_hex(8)
        made.mkdir(mode=0o700)
        held = (made / _LOCK).open("a")
        fcntl.flock(held, fcntl.LOCK_EX)
    with held:
        yield made
        with suppress(FileNotFoundError):
            shutil.rmtree(made)


def _is_held(folder: Path) -> bool:
    """Whether the process lives that made the folder."""
    if not (folder / _LOCK).is_file():
        return False
    with (folder / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

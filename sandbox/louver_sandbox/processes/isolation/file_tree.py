"""A file tree of its own, with nothing in it but the folders a process needs (mount_namespaces(7), pivot_root(2))."""

import ctypes
import os
from collections.abc import Sequence

from louver_sandbox.processes.isolation.kernel import LayerNotApplied, call, check, mount, unmount

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MNT_DETACH = 2
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_PLACE = "/tmp"  # noqa: S108 -- an empty file system is mounted over it, seen by this process only
_NEVER = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC


def apply(readable: Sequence[str], writable: Sequence[str]) -> None:
    """Leave the host's file tree for an empty one with these folders under their own names. Cannot be undone.

    Needs a mount namespace. Files appear and disappear in the folders as they do outside.

    Raises:
        LayerNotApplied: the kernel refused, or a folder is missing.
    """
    try:
        folders = [
            (path, os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) for path in (*readable, *writable)
        ]
        mount("none", "/", None, _MS_REC | _MS_PRIVATE)
        mount("tmpfs", _PLACE, "tmpfs", _NEVER, "size=1m,nr_inodes=1k,mode=0755")
        for path, descriptor in folders:
            _bind(path, descriptor, writable=path in writable)
            os.close(descriptor)
        # Read-only on its face; the folders below have their own flags.
        _set_flags(_PLACE, _NEVER | _MS_RDONLY, recursive=False)
        _move_in()
    except OSError as error:
        raise LayerNotApplied(f"file tree: {error.strerror}") from None


def _bind(path: str, descriptor: int, *, writable: bool) -> None:
    place = _PLACE + path
    os.makedirs(place, mode=0o755, exist_ok=True)
    mount(f"/proc/self/fd/{descriptor}", place, None, _MS_BIND | _MS_REC)
    _set_flags(place, _NEVER if writable else _NEVER | _MS_RDONLY, recursive=True)


def _set_flags(path: str, flags: int, *, recursive: bool) -> None:
    """mount_setattr(2), Linux 5.12. The flags of mount(2) used here have the same values as its own."""
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        depth = _AT_RECURSIVE if recursive else 0
        empty = ctypes.c_char_p(b"")
        call("mount_setattr", descriptor, empty, _AT_EMPTY_PATH | depth, ctypes.byref(attributes), 32)
    finally:
        os.close(descriptor)


def _move_in() -> None:
    """Stack the old root under the new one and take it away (pivot_root(2), NOTES)."""
    os.chdir(_PLACE)
    here = ctypes.c_char_p(b".")
    check(call("pivot_root", here, here), "pivot_root")
    unmount(".", _MNT_DETACH)
    os.chdir("/")

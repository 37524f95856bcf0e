"""Landlock: which files a process may still open, whatever its user could (landlock(7)).

Three system calls, here without a library: the bindings there are were alpha or weeks old
(docs/dependencies.md). It holds for the thread that puts it on and for threads and processes it starts afterwards.
"""

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from typing import Final

from louver_sandbox.processes.isolation.kernel import LayerNotApplied, call

_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_CHANGES_BELOW: Final = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # remove a folder, a file; make a folder, a file
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_FILE_RIGHTS_OF_VERSION: Final = {2: 14, 3: 15, 4: 15}
"""How many access rights on files there are; from version 5 on 16, ioctl(2) on devices among them."""
_NEWEST_FILE_RIGHTS: Final = 16
_NETWORK: Final = 1 << 0 | 1 << 1
"""Bind and connect TCP ports; from version 4."""
_SCOPES: Final = 1 << 0 | 1 << 1
"""Connect to abstract Unix sockets of others, signal others; from version 6."""


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


@cache
def version() -> int:
    """The interface's version on this kernel, asked once. Raises `LayerNotApplied` where there is none."""
    return call("landlock_create_ruleset", None, 0, _VERSION)


def apply(readable: Sequence[str] = (), writable: Sequence[str] = ()) -> None:
    """From now on only these files can be read, and only below these folders be written. Cannot be undone.

    TCP, other processes' signals and abstract sockets are shut as far as this kernel knows how. `no_new_privs` must
    be set. A folder in `readable` stands for everything below it.

    Raises:
        LayerNotApplied: this kernel has no Landlock, or a path is missing.
    """
    ruleset = _ruleset(readable, writable)
    try:
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def rehearse() -> None:
    """Do all but the last step: a fork's first touch of every page it needs costs more than the step itself."""
    os.close(_ruleset(("/",), ()))


def _ruleset(readable: Sequence[str], writable: Sequence[str]) -> int:
    known = version()
    if known < 2:
        raise LayerNotApplied("landlock: Linux 5.19 or newer is needed, older ones forbid every renaming")
    handled = (1 << _FILE_RIGHTS_OF_VERSION.get(known, _NEWEST_FILE_RIGHTS)) - 1
    attributes = _RulesetAttributes(handled, _NETWORK if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = call("landlock_create_ruleset", ctypes.byref(attributes), size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE)
        for path in writable:
            _allow(
                ruleset, path, (_READ_FILE | _READ_DIR | _WRITE_FILE | _CHANGES_BELOW | _REFER | _TRUNCATE) & handled
            )
    except LayerNotApplied:
        os.close(ruleset)
        raise
    return ruleset


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise LayerNotApplied(f"landlock: {error.strerror}") from None
    try:
        rule = _PathBeneath(rights, descriptor)
        call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)

"""System calls that Python has no name for, by way of the C library. Linux only.

Numbers are those of the kernel's own tables (syscall_64.tbl of x86, asm-generic/unistd.h). Calls younger than 2019
have one number everywhere.
"""

import ctypes
import os
import platform
from typing import Final

_NUMBERS: Final = {
    "x86_64": {"pivot_root": 155, "seccomp": 317},
    "aarch64": {"pivot_root": 41, "seccomp": 277},
}
_EVERYWHERE: Final = {
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
_PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class LayerNotApplied(Exception):
    """The kernel refused a layer, or the host lacks what it is made of; the text says which and why."""


def check(result: int, what: str) -> int:
    """The result of a call of the C library that sets errno.

    Raises:
        LayerNotApplied: it failed.
    """
    if result < 0:
        raise LayerNotApplied(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def call(name: str, *arguments: object) -> int:
    """One system call; integers go as C longs, everything else as ctypes passes it.

    Raises:
        LayerNotApplied: it failed, or this machine's number of it is not known.
    """
    number = _EVERYWHERE.get(name, _NUMBERS.get(platform.machine(), {}).get(name))
    if number is None:
        raise LayerNotApplied(f"{name}: its number on {platform.machine()} is not known")
    passed = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    return check(int(_libc.syscall(ctypes.c_long(number), *passed)), name)


def prctl(option: int, argument: int = 0) -> None:
    """prctl(2) with one argument. Raises `LayerNotApplied`."""
    unused = ctypes.c_ulong(0)
    check(_libc.prctl(option, ctypes.c_ulong(argument), unused, unused, unused), f"prctl option {option}")


def unshare(flags: int) -> None:
    """unshare(2). Raises `LayerNotApplied`."""
    check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2). Raises `LayerNotApplied`."""
    encoded = (None if text is None else text.encode() for text in (source, target, kind))
    check(_libc.mount(*encoded, ctypes.c_ulong(flags), None if data is None else data.encode()), f"mount {target}")


def unmount(target: str, flags: int) -> None:
    """umount2(2). Raises `LayerNotApplied`."""
    check(_libc.umount2(target.encode(), flags), f"unmount {target}")


def drop_bounding_set() -> None:
    """Take every capability out of the bounding set, as far as this process may.

    One without CAP_SETPCAP may not, and needs not: without new privileges it can gain none by executing a program.
    """
    unused = ctypes.c_ulong(0)
    capability = 0
    # The kernel knows where the list ends and answers EINVAL there; /proc, which says it too, may be out of reach.
    while _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), unused, unused, unused) == 0:
        capability += 1


def drop_capabilities() -> None:
    """capset(2) to none at all. Raises `LayerNotApplied`."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def shared_memory(key: int, *, make: bool) -> int:
    """The System V segment of a key, -1 if there is none (shmget(2))."""
    return int(_libc.shmget(key, ctypes.c_size_t(4096 if make else 0), 0o1600 if make else 0))


def remove_shared_memory(segment: int) -> None:
    """shmctl(2), IPC_RMID."""
    _libc.shmctl(segment, 0, None)

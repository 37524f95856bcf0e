"""The filter of system calls (seccomp(2)): written by libseccomp in the zygote, loaded by each child in one call.

libseccomp is the host's own library, found by its name (docs/dependencies.md). The filter is loaded for all threads
at once: an engine starts its own before the last layer goes on.
"""

import ctypes
import errno
import os
import signal
import socket
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from louver_sandbox.processes.isolation.kernel import LayerNotApplied, call
from louver_sandbox.processes.isolation.profiles import PR_SET_NAME, PR_SET_VMA, PROFILES

LIBRARY: Final = "libseccomp.so.2"
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NOT_EQUAL, _EQUAL, _MASKED_EQUAL = 1, 4, 7
_SET_MODE_FILTER, _TSYNC = 1, 1
_CLONE_THREAD, _PROT_EXEC = 0x10000, 4
_FIONBIO: Final = 0x5421
_INSTRUCTION_BYTES: Final = 8
_OPTIMIZE, _AS_A_TREE = 8, 2


class _Comparison(ctypes.Structure):
    _fields_ = (("argument", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


@dataclass(frozen=True)
class Filter:
    """A compiled filter, as the kernel takes it: eight bytes an instruction (linux/filter.h)."""

    instructions: bytes


@cache
def _library() -> Any:
    """libseccomp. Raises `LayerNotApplied` where the host has none."""
    try:
        library = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError:
        raise LayerNotApplied(f"{LIBRARY}: not on this host; install libseccomp") from None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    )
    return library


class _Rules:
    """A filter being written. Use it in a `with` statement."""

    def __init__(self) -> None:
        self._library = _library()
        self._context = self._library.seccomp_init(_KILL_PROCESS)
        if not self._context:
            raise LayerNotApplied("seccomp_init failed")
        # The kernel walks the filter once for every call there is when it takes it over; as a tree that takes half.
        # An older library that cannot is no reason to do without a filter.
        self._library.seccomp_attr_set(self._context, _OPTIMIZE, _AS_A_TREE)

    def __enter__(self) -> "_Rules":
        return self

    def __exit__(self, *_: object) -> None:
        self._library.seccomp_release(self._context)

    def add(self, action: int, name: str, *comparisons: tuple[int, int, int, int]) -> None:
        """One rule: what comes of a call of that name whose arguments compare so."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        # Calls that this architecture does not have are negative; nobody can make them here.
        if number < 0:
            return
        array = (_Comparison * max(1, len(comparisons)))(*(_Comparison(*one) for one in comparisons))
        result = self._library.seccomp_rule_add_array(self._context, action, number, len(comparisons), array)
        if result:
            raise LayerNotApplied(f"seccomp rule for {name}: {os.strerror(-result)}")

    def compiled(self) -> Filter:
        """The filter as instructions."""
        descriptor = os.memfd_create("filter", os.MFD_CLOEXEC)
        try:
            result = self._library.seccomp_export_bpf(self._context, descriptor)
            if result:
                raise LayerNotApplied(f"seccomp_export_bpf: {os.strerror(-result)}")
            return Filter(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        finally:
            os.close(descriptor)


@cache
def compiled(name: str) -> Filter:
    """The filter of a profile, the same for every process of it.

    Raises:
        LayerNotApplied: there is no libseccomp, or it refused.
    """
    profile = PROFILES[name]
    with _Rules() as rules:
        for call_name in sorted(profile.allowed):
            rules.add(_ALLOW, call_name)
        for call_name in sorted(profile.denied):
            rules.add(_ERRNO | errno.EACCES, call_name)
        _compared(rules)
        return rules.compiled()


def _compared(rules: _Rules) -> None:
    """The calls whose arguments decide."""
    denied = _ERRNO | errno.EACCES
    rules.add(_ALLOW, "clone", (0, _MASKED_EQUAL, _CLONE_THREAD, _CLONE_THREAD))
    # Its flags lie in memory, out of a filter's sight; the C library then falls back to `clone`.
    rules.add(_ERRNO | errno.ENOSYS, "clone3")
    for name in ("mmap", "mprotect"):
        rules.add(_ALLOW, name, (2, _MASKED_EQUAL, _PROT_EXEC, 0))
        rules.add(denied, name, (2, _MASKED_EQUAL, _PROT_EXEC, _PROT_EXEC))
    for option in (PR_SET_NAME, PR_SET_VMA):
        rules.add(_ALLOW, "prctl", (0, _EQUAL, option, 0))
    # Reading limits is harmless, setting them is what `tighten` has done already.
    rules.add(_ALLOW, "prlimit64", (2, _EQUAL, 0, 0))
    rules.add(_ALLOW, "getrlimit")
    rules.add(_ALLOW, "ioctl", (1, _EQUAL, _FIONBIO, 0))
    # Python asks of every file that it opens whether it is a terminal.
    rules.add(_ERRNO | errno.ENOTTY, "ioctl", (1, _NOT_EQUAL, _FIONBIO, 0))
    rules.add(_ALLOW, "fcntl")


def apply(name: str) -> None:
    """Load the filter of a profile for every thread of this process. Cannot be undone; `no_new_privs` must be set.

    Raises:
        LayerNotApplied: the kernel refused, or a thread could not be reached.
    """
    made = compiled(name)
    program = _Program(len(made.instructions) // _INSTRUCTION_BYTES, made.instructions)
    if call("seccomp", _SET_MODE_FILTER, _TSYNC, ctypes.byref(program)) != 0:
        raise LayerNotApplied("seccomp: a thread has a filter of its own")


def attempt(_: object) -> bool:
    """Whether a socket can be made; under the filter the process dies of it instead."""
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    return True


DEATH: Final = signal.SIGSYS
"""What the kernel ends a process with that makes a call which is not on its list."""

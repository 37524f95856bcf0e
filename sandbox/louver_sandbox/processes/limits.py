"""The layers of confinement a child puts on itself, in the order of SECURITY section 3.2.

`LAYERS` is the whole list. A layer has a stage: those of `START` go on before the child's entry function
runs; those of `SEALED` go on when the child has opened its data and started its threads, before any
untrusted text is looked at. Each has a probe that attempts the forbidden act, so a layer that does
not bite on this machine is known before anything relies on it. Namespaces, Landlock and the filter of system
calls stand in `isolation`, whose `confinement` puts everything on in order.

Linux only: prctl(2), setrlimit(2), close_range(2).
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum

from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.isolation.kernel import LayerNotApplied, prctl

CHANNEL_DESCRIPTOR = 3
"""Where a child finds its channel; 0 to 2 are the null device, and nothing else is open."""

_MIB = 1 << 20
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 38, 39

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Limits:
    """What one child may use.

    `memory_mib` is address space beyond what the child inherited from its zygote, in MiB; `cpu_seconds` is
    processor time of all its threads over its whole life; `open_files` counts descriptors; `file_mib` is the
    largest file it may write, none for everything but the taking in of uploads.
    """

    memory_mib: int = 1024
    cpu_seconds: int = 600
    open_files: int = 64
    file_mib: int = 0

    def encode(self) -> dict[str, int]:
        return asdict(self)


class Stage(Enum):
    """When a layer goes on."""

    START = "start"
    SEALED = "sealed"


@dataclass(frozen=True)
class Layer:
    """One row: `apply` puts it on or raises; `probe` tries what it forbids and says whether it was stopped."""

    name: str
    stage: Stage
    apply: Callable[[Limits], None]
    probe: Callable[[Limits], bool]


def _prctl_value(option: int, argument: int = 0) -> int:
    unused = ctypes.c_ulong(0)
    return int(_libc.prctl(option, ctypes.c_ulong(argument), unused, unused, unused))


def _set_limit(which: int, value: int, hard: int | None = None) -> None:
    try:
        resource.setrlimit(which, (value, value if hard is None else hard))
    except (OSError, ValueError):
        raise LayerNotApplied(f"resource limit {which}") from None


def _die_with_parent(_: Limits) -> None:
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _has_parent_death_signal(_: Limits) -> bool:
    received = ctypes.c_int(0)
    _libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(received), 0, 0, 0)
    return received.value == signal.SIGKILL


def _address_space() -> int:
    """Bytes mapped now (proc(5), statm, first field in pages)."""
    descriptor = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(descriptor, 256).split()[0]) * mmap.PAGESIZE
    finally:
        os.close(descriptor)


class _Inherited:
    """What a zygote has mapped, which its children have too; they cannot read /proc in a file tree without it."""

    address_space: int | None = None


def note_inherited() -> None:
    """In a zygote: what is mapped now is what children begin with."""
    _Inherited.address_space = _address_space()


def _beyond_inherited(memory_mib: int) -> int:
    begun = _Inherited.address_space
    return (_address_space() if begun is None else begun) + memory_mib * _MIB


def _limit_memory(limits: Limits) -> None:
    _set_limit(resource.RLIMIT_AS, _beyond_inherited(limits.memory_mib))


def _limit_processor_time(limits: Limits) -> None:
    # SIGXCPU comes at the soft limit and tells why; a hard limit as low would come first, as SIGKILL.
    _set_limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)


def _cannot_map_too_much(limits: Limits) -> bool:
    try:
        mmap.mmap(-1, (limits.memory_mib + 1) * _MIB).close()
    except (OSError, MemoryError):
        return True
    return False


def _cannot_write_files(limits: Limits) -> bool:
    descriptor = os.memfd_create("probe")
    try:
        os.pwrite(descriptor, b"x", limits.file_mib * _MIB)
    except OSError as error:
        return error.errno == errno.EFBIG
    finally:
        os.close(descriptor)
    return False


def _cannot_open_many(limits: Limits) -> bool:
    opened: list[int] = []
    try:
        opened.extend(os.dup(CHANNEL_DESCRIPTOR) for _ in range(limits.open_files + 1))
    except OSError as error:
        return error.errno == errno.EMFILE
    finally:
        os.closerange(CHANNEL_DESCRIPTOR + 1, limits.open_files)
    return False


def _close_inherited(_: Limits) -> None:
    # Everything above is closed whatever the limit on open files says now: it may have been higher before.
    os.closerange(CHANNEL_DESCRIPTOR + 1, 2**31 - 1)


def _nothing_else_is_open(limits: Limits) -> bool:
    for descriptor in range(CHANNEL_DESCRIPTOR + 1, limits.open_files):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        return False
    return True


def _clear_environment(_: Limits) -> None:
    os.environ.clear()


def _cannot_fork(_: Limits) -> bool:
    try:
        pid = os.fork()
    except OSError:
        return True
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return False


LAYERS: tuple[Layer, ...] = (
    Layer("parent_death_signal", Stage.START, _die_with_parent, _has_parent_death_signal),
    Layer(
        "not_dumpable",
        Stage.START,
        lambda _: prctl(_PR_SET_DUMPABLE, 0),
        lambda _: _prctl_value(_PR_GET_DUMPABLE) == 0,
    ),
    Layer(
        "no_new_privileges",
        Stage.START,
        lambda _: prctl(_PR_SET_NO_NEW_PRIVS, 1),
        lambda _: _prctl_value(_PR_GET_NO_NEW_PRIVS) == 1,
    ),
    Layer("memory", Stage.START, _limit_memory, _cannot_map_too_much),
    Layer(
        "processor_time",
        Stage.START,
        _limit_processor_time,
        lambda limits: resource.getrlimit(resource.RLIMIT_CPU)[0] == limits.cpu_seconds,
    ),
    Layer(
        "file_size",
        Stage.START,
        lambda limits: _set_limit(resource.RLIMIT_FSIZE, limits.file_mib * _MIB),
        _cannot_write_files,
    ),
    Layer(
        "open_files",
        Stage.START,
        lambda limits: _set_limit(resource.RLIMIT_NOFILE, limits.open_files),
        _cannot_open_many,
    ),
    Layer(
        "core_dump",
        Stage.START,
        lambda _: _set_limit(resource.RLIMIT_CORE, 0),
        lambda _: resource.getrlimit(resource.RLIMIT_CORE) == (0, 0),
    ),
    Layer("descriptors", Stage.START, _close_inherited, _nothing_else_is_open),
    Layer("environment", Stage.START, _clear_environment, lambda _: not os.environ),
    # The kernel counts this limit per user and exempts a privileged one, so it can only go on when the last
    # thread has been started, and bites only where the service does not run as root.
    Layer("processes", Stage.SEALED, lambda _: _set_limit(resource.RLIMIT_NPROC, 0), _cannot_fork),
)


def apply_layers(stage: Stage, limits: Limits) -> None:
    """Put on every layer of one stage, in order.

    Raises:
        LayerNotApplied: one was refused by the kernel; the caller must end the process.
    """
    for layer in LAYERS:
        if layer.stage is stage:
            layer.apply(limits)


def tighten(*, memory_mib: int, cpu_seconds: int) -> None:
    """Lower memory and processor time to what one job was granted; never raises a limit already set.

    Raises:
        LayerNotApplied: as `apply_layers`.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    _lower(resource.RLIMIT_AS, _beyond_inherited(memory_mib), margin=0)
    _lower(resource.RLIMIT_CPU, spent + cpu_seconds, margin=1)


def _lower(which: int, value: int, *, margin: int) -> None:
    soft, hard = resource.getrlimit(which)
    lowered = value if soft == resource.RLIM_INFINITY else min(value, soft)
    _set_limit(which, lowered, lowered + margin if hard == resource.RLIM_INFINITY else min(lowered + margin, hard))


def probe_all(limits: Limits) -> Mapping[str, bool]:
    """Whether each layer bites in this process, by name; meant for a child made to be thrown away."""
    return {layer.name: layer.probe(limits) for layer in LAYERS}


def probe_entry(channel: Channel) -> None:
    """Entry function of a child that receives its own limits, seals itself, tries everything and reports."""
    limits = Limits(**json.loads(channel.receive(1024)))
    apply_layers(Stage.SEALED, limits)
    channel.send(json.dumps(probe_all(limits)).encode())

"""Namespaces: a network without interfaces, and processes, names and shared memory of one's own (namespaces(7)).

A user namespace comes first, for it gives an unprivileged process the right to make the others. A zygote makes them
once, and all its children share them: workers are kept from each other by Landlock and the filter of system calls.
"""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from louver_sandbox.processes.isolation.kernel import (
    LayerNotApplied,
    prctl,
    remove_shared_memory,
    shared_memory,
    unshare,
)

FLAGS = {
    "user_namespace": 0x10000000,
    "mount_namespace": 0x00020000,
    "uts_namespace": 0x04000000,
    "ipc_namespace": 0x08000000,
    "pid_namespace": 0x20000000,
    "network_namespace": 0x40000000,
    "cgroup_namespace": 0x02000000,
}
_PR_SET_PDEATHSIG = 1
_CONNECT_SECONDS = 0.2


def enter(names: frozenset[str]) -> None:
    """Make and enter these namespaces. With one of processes, a child goes on; the caller waits and ends as it does.

    Raises:
        LayerNotApplied: the host forbids one of them.
    """
    wanted = names & FLAGS.keys()
    if not wanted:
        return
    user, group = os.geteuid(), os.getegid()
    unshare(sum(FLAGS[name] for name in wanted))
    if "user_namespace" in wanted:
        _map_identity(user, group)
    if "pid_namespace" in wanted:
        _go_on_in_a_child()


def _map_identity(user: int, group: int) -> None:
    """Keep one's own identity and know no other (user_namespaces(7))."""
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError as error:
        raise LayerNotApplied(f"user namespace map: {error.strerror}") from None


def _go_on_in_a_child() -> None:
    """A namespace of processes begins with the next child, and dies with it."""
    pid = os.fork()
    if pid == 0:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    # The child's sockets must close when the child ends, so this process keeps none of them.
    os.closerange(0, 2**31 - 1)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def is_shared(name: str, before: str) -> bool:
    """Whether this process is still in the namespace it was in."""
    kind = {"user_namespace": "user", "mount_namespace": "mnt", "uts_namespace": "uts", "cgroup_namespace": "cgroup"}
    return os.readlink(f"/proc/self/ns/{kind[name]}") == before


@contextmanager
def current(name: str) -> Iterator[str]:
    """The namespace this process is in now."""
    kind = {"user_namespace": "user", "mount_namespace": "mnt", "uts_namespace": "uts", "cgroup_namespace": "cgroup"}
    yield os.readlink(f"/proc/self/ns/{kind[name]}")


@contextmanager
def listener() -> Iterator[int]:
    """A port of the host's own loopback interface on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def can_connect(port: int) -> bool:
    """Whether that port can be reached."""
    try:
        socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


@contextmanager
def neighbour() -> Iterator[int]:
    """A process outside: this one."""
    yield os.getpid()


def can_signal(pid: int) -> bool:
    """Whether that process can be seen and signalled."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    # In a namespace of its own a process may well find itself under its neighbour's number.
    return pid != os.getpid()


@contextmanager
def shared_segment() -> Iterator[int]:
    """The key of a shared memory segment of the host."""
    key = 0x4C560000 | os.getpid() & 0xFFFF
    segment = shared_memory(key, make=True)
    try:
        yield key
    finally:
        if segment >= 0:
            remove_shared_memory(segment)


def can_find_segment(key: int) -> bool:
    """Whether that segment can be had."""
    return shared_memory(key, make=False) >= 0

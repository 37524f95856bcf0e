"""Every layer that is not a resource limit: what it stops, and how that is tried.

A layer is tried twice in a child made to be thrown away: the act before, which shows that the trial can fail, and the
act after. What was impossible before is counted as held too: by the host, not by us.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from louver_sandbox.processes.isolation import capabilities, file_tree, landlock, namespaces, system_calls
from louver_sandbox.processes.isolation.confinement import CAPABILITIES, FILE_TREE, LANDLOCK, SYSTEM_CALLS
from louver_sandbox.processes.isolation.kernel import PR_SET_NO_NEW_PRIVS, prctl


@dataclass(frozen=True)
class Layer:
    """One row. `scene` makes what the forbidden act is about, outside of the child; `attempt` says if it succeeds."""

    name: str
    stops: str
    apply: Callable[[], None]
    scene: Callable[[], AbstractContextManager[Any]]
    attempt: Callable[[Any], bool]


@contextmanager
def canary() -> Iterator[str]:
    """A file that anybody can read."""
    with tempfile.NamedTemporaryFile(prefix="louver-canary-") as file:
        os.chmod(file.name, 0o644)
        yield file.name


def can_read(path: str) -> bool:
    """Whether that file can be read."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _enter(name: str) -> None:
    namespaces.enter(frozenset({"user_namespace", name}))


def _leave_the_tree() -> None:
    _enter("mount_namespace")
    file_tree.apply((), ())


def _without_new_privileges(apply: Callable[[], None]) -> None:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    apply()


def _namespace(name: str, stops: str) -> Layer:
    """A namespace whose absence shows in nothing but being another one."""
    return Layer(
        name, stops, partial(_enter, name), partial(namespaces.current, name), partial(namespaces.is_shared, name)
    )


LAYERS: Final[tuple[Layer, ...]] = (
    _namespace("user_namespace", "rights over anything of the host"),
    _namespace("mount_namespace", "changing what others find in the file tree"),
    _namespace("uts_namespace", "renaming the host"),
    Layer(
        "ipc_namespace",
        "shared memory of other processes",
        partial(_enter, "ipc_namespace"),
        namespaces.shared_segment,
        namespaces.can_find_segment,
    ),
    Layer(
        "pid_namespace",
        "seeing and signalling other processes; processes that outlive the service",
        partial(_enter, "pid_namespace"),
        namespaces.neighbour,
        namespaces.can_signal,
    ),
    Layer(
        "network_namespace",
        "any network, loopback too",
        partial(_enter, "network_namespace"),
        namespaces.listener,
        namespaces.can_connect,
    ),
    _namespace("cgroup_namespace", "seeing the host's control groups"),
    Layer(FILE_TREE, "every file but the folders of its task", _leave_the_tree, canary, can_read),
    Layer(CAPABILITIES, "privileged acts", capabilities.apply, nullcontext, capabilities.attempt),
    Layer(
        LANDLOCK,
        "every file but those of its one question; writing",
        partial(_without_new_privileges, landlock.apply),
        canary,
        can_read,
    ),
    Layer(
        SYSTEM_CALLS,
        "opening, sockets, programs, processes, and whatever a computation does not need",
        partial(_without_new_privileges, partial(system_calls.apply, "compute")),
        nullcontext,
        system_calls.attempt,
    ),
)

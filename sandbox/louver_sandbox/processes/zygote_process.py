"""The zygote itself: a single-threaded interpreter that forks one confined child per request.

It is started by `louver_sandbox.processes.zygote.Zygote` and speaks with it over one SOCK_SEQPACKET socket:
a request is one byte with two descriptors (the child's channel and a pipe for its exit status), the answer
one byte with a pidfd (pidfd_open(2)), so that a kill never reaches a reused pid. Forking is safe
because nothing in this process has started a thread; that is checked, not assumed.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NoReturn

from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import FAULT_EXIT, MEMORY_EXIT
from louver_sandbox.processes.isolation.confinement import Confinement, begin, enter_namespaces, leave_the_host
from louver_sandbox.processes.limits import CHANNEL_DESCRIPTOR

READY = b"zygote"
SPAWN = b"s"
SPAWNED = b"c"
FAILED = b"f"
STATUS_BYTES = 4
NICENESS = 5
"""What the zygote and its children yield to the service: whoever is turned away shall hear so while every core is
busy with answers (setpriority(2))."""


class NotForkSafe(Exception):
    """A preloaded module or `prepare` left a thread running: a fork could copy a lock nobody will release."""


@dataclass(frozen=True)
class Blueprint:
    """What every child of one zygote is. Functions are named `package.module:function`.

    `prepare`, if not empty, runs once in the zygote, and what it returns is the entry function's second
    argument: state that is dear to make, holds no secret and no data, and is shared by copy-on-write.
    """

    entry: str
    preload: tuple[str, ...]
    prepare: str
    confinement: Confinement

    def encode(self) -> str:
        return json.dumps(asdict(self) | {"confinement": self.confinement.encode()})

    @classmethod
    def decode(cls, text: str) -> "Blueprint":
        fields = json.loads(text)
        return cls(
            entry=fields["entry"],
            preload=tuple(fields["preload"]),
            prepare=fields["prepare"],
            confinement=Confinement.decode(json.dumps(fields["confinement"])),
        )


def resolve(name: str) -> Callable[..., object]:
    """The function named `package.module:function`."""
    module, _, function = name.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), function)
    return found


def main() -> NoReturn:
    """Prepare, say so, and fork until the service or its end of the socket is gone."""
    blueprint = Blueprint.decode(sys.argv[1])
    control = socket.socket(fileno=int(sys.argv[2]))
    # In a namespace of its own this process could not name the service any more.
    parent = os.pidfd_open(os.getppid())
    os.nice(NICENESS)
    enter_namespaces(blueprint.confinement)
    for name in blueprint.preload:
        importlib.import_module(name)
    entry = resolve(blueprint.entry)
    prepared = (resolve(blueprint.prepare)(),) if blueprint.prepare else ()
    if len(os.listdir("/proc/self/task")) != 1:
        raise NotForkSafe("the zygote has more than one thread")
    gc.collect()
    # Frozen objects are never visited by a child's collector, so their pages stay shared.
    gc.freeze()
    nursery = Nursery(control, parent, lambda channel: entry(channel, *prepared), blueprint.confinement)
    leave_the_host(blueprint.confinement)
    socket.send_fds(control, [READY], [nursery.pidfd])
    nursery.run()


class Nursery:
    """Forks children, watches them, and reports each exit status on the pipe that came with the request.

    The parent is watched by pidfd: PR_SET_PDEATHSIG would fire when the *thread* that started the zygote
    ends, which under a thread pool is long before the service does (prctl(2), PR_SET_PDEATHSIG, caveats).
    """

    def __init__(
        self,
        control: socket.socket,
        parent: int,
        entry: Callable[[Channel], object],
        confinement: Confinement,
    ) -> None:
        self._control = control
        self._entry = entry
        self._confinement = confinement
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._pid = os.getpid()
        self.pidfd = os.pidfd_open(self._pid)
        self._selector = selectors.PollSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._parent = parent
        self._selector.register(self._parent, selectors.EVENT_READ)

    def run(self) -> NoReturn:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    self._spawn()
                elif key.fd == self._parent:
                    os._exit(0)
                else:
                    self._report(pidfd=key.fd, status_pipe=key.data)

    def _spawn(self) -> None:
        request, descriptors, _, _ = socket.recv_fds(self._control, len(SPAWN), 2)
        if request != SPAWN or len(descriptors) != 2:
            os._exit(0)
        channel, status_pipe = descriptors
        try:
            pid = os.fork()
        except OSError:
            os.close(channel)
            os.close(status_pipe)
            self._control.send(FAILED)
            return
        if pid == 0:
            self._live(channel)
        os.close(channel)
        pidfd = os.pidfd_open(pid)
        self._selector.register(pidfd, selectors.EVENT_READ, data=status_pipe)
        socket.send_fds(self._control, [SPAWNED], [pidfd])

    def _report(self, *, pidfd: int, status_pipe: int) -> None:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        if result is None:
            return
        exited = result.si_code == os.CLD_EXITED
        status = result.si_status if exited else -result.si_status
        self._selector.unregister(pidfd)
        os.close(pidfd)
        try:
            os.write(status_pipe, status.to_bytes(STATUS_BYTES, "big", signed=True))
        except BrokenPipeError:
            # The service has closed this child and does not ask how it ended.
            return
        finally:
            os.close(status_pipe)

    def _live(self, channel: int) -> NoReturn:
        """The child's life. It must leave by `os._exit`: unwinding would run the zygote's own loop again."""
        try:
            connection = self._confine(channel)
            self._entry(connection)
        except MemoryError:
            os._exit(MEMORY_EXIT)
        except BaseException:
            # Not a byte of a traceback is written: it could quote a value from the data.
            os._exit(FAULT_EXIT)
        os._exit(0)

    def _confine(self, channel: int) -> Channel:
        os.dup2(self._null, 0, inheritable=False)
        os.dup2(self._null, 1, inheritable=False)
        os.dup2(self._null, 2, inheritable=False)
        os.dup2(channel, CHANNEL_DESCRIPTOR, inheritable=False)
        begin(self._confinement)
        if os.getppid() != self._pid:
            # The zygote died between the fork and PR_SET_PDEATHSIG, so no signal will come.
            os.kill(os.getpid(), signal.SIGKILL)
        return Channel(socket.socket(fileno=CHANNEL_DESCRIPTOR))

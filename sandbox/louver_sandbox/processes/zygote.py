"""The service's side of a zygote: start it, ask it for children, start it again when it has died.

The zygote is a fresh interpreter (`zygote_process`), so its children inherit nothing of the service: no
thread, no connection, no key, no environment but what is named here. See SECURITY section 3.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from louver_sandbox.processes.channel import Channel, ChannelError
from louver_sandbox.processes.isolation.confinement import Confinement
from louver_sandbox.processes.isolation.levels import Isolation
from louver_sandbox.processes.isolation.probe import ProbeFailed, findings, kernel_layers
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.zygote_process import READY, SPAWN, SPAWNED, STATUS_BYTES, Blueprint

START_SECONDS = 60.0
"""How long a zygote may take to import what it preloads; generous, since a loaded machine imports slowly."""
SPAWN_SECONDS = 10.0
STOP_SECONDS = 2.0

_INHERITED_VARIABLES = ("PATH", "LANG", "PYTHONPATH")
_BOOT = "from louver_sandbox.processes.zygote_process import main; main()"


class ZygoteFailed(Exception):
    """No child could be had: the zygote does not start, or died twice in a row."""


class _ZygoteGone(Exception):
    """The control socket is closed or silent; starting the zygote again may help."""


class Child:
    """One forked process and the service's end of its channel; closes what it holds, and kills, on `close`.

    Methods may be called from any thread, but none after `close`.
    """

    def __init__(self, pid: int, pidfd: int, status_pipe: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel
        self._pidfd = pidfd
        self._status_pipe = status_pipe
        self._returncode: int | None = None
        self._orphaned = False
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process has died (pidfd_open(2))."""
        return self._pidfd

    def is_alive(self) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

    def kill(self) -> None:
        """End the process at once; nothing happens if it has already ended."""
        with self._lock:
            if not self._closed:
                _send_kill(self._pidfd)

    def wait(self, timeout: float) -> int | None:
        """The exit status, negative for a signal as in `subprocess`, or None if it still lives after `timeout`.

        A child whose zygote died is told as killed: that is what the kernel does to it.
        """
        if self._returncode is None:
            poll = select.poll()
            poll.register(self._status_pipe, select.POLLIN)
            if not poll.poll(max(0.0, timeout) * 1000):
                return None
            status = os.read(self._status_pipe, STATUS_BYTES)
            self._orphaned = not status
            self._returncode = int.from_bytes(status, "big", signed=True) if status else -signal.SIGKILL
        return self._returncode

    @property
    def orphaned(self) -> bool:
        """Whether it is known to have ended with its zygote, which told no status: nothing it did is the cause."""
        return self._orphaned

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            _send_kill(self._pidfd)
            self.channel.close()
            os.close(self._pidfd)
            os.close(self._status_pipe)


def _send_kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return


class Zygote:
    """Children of one kind, forked on request; safe to use from several threads.

    `entry` and `prepare` name functions as `package.module:function`; `entry` takes the child's channel (and
    what `prepare` returned, if there is one). `preload` are modules imported before any fork. `environment`
    is all the zygote sees beside PATH, LANG and PYTHONPATH; its children see none of it. `profile`, `readable`
    and `writable` are what its children may use (`Confinement`); `layers` what confines them beside their limits,
    every layer that this host gives if it is None.
    """

    def __init__(
        self,
        entry: str,
        *,
        preload: Sequence[str] = (),
        prepare: str = "",
        environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        profile: str = "compute",
        readable: Sequence[Path] | None = None,
        writable: Sequence[Path] = (),
        layers: frozenset[str] | None = None,
    ) -> None:
        self._confinement = Confinement(
            limits or Limits(),
            profile,
            None if readable is None else tuple(map(str, readable)),
            tuple(map(str, writable)),
            offered_layers() if layers is None else layers,
        )
        self._blueprint = Blueprint(entry, tuple(preload), prepare, self._confinement)
        self._environment = dict(environment or {})
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._control: socket.socket | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id of the zygote, the parent of every child, or None if none has been started."""
        return self._pid

    def start(self) -> None:
        """Start the zygote now rather than at the first `spawn`, so that a mistake shows at once.

        Raises:
            ZygoteFailed: it did not become ready.
        """
        with self._lock:
            if self._control is None:
                self._start()

    def spawn(self) -> Child:
        """A new child. A dead zygote is started again, once.

        Raises:
            ZygoteFailed: no child could be forked, or this zygote is closed.
        """
        with self._lock:
            if self._control is not None:
                try:
                    return self._request(self._control)
                except _ZygoteGone:
                    self._stop()
            try:
                return self._request(self._start())
            except _ZygoteGone:
                self._stop()
                raise ZygoteFailed("the zygote died as soon as it was started") from None

    def close(self) -> None:
        """End the zygote; the kernel kills its children."""
        with self._lock:
            self._closed = True
            self._stop()

    def _start(self) -> socket.socket:
        if self._closed:
            raise ZygoteFailed("the zygote is closed")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        ours.settimeout(START_SECONDS)
        try:
            with theirs:
                self._process = self._popen(theirs.fileno())
            said, descriptors, _, _ = socket.recv_fds(ours, len(READY), 1)
        except OSError:
            said, descriptors = b"", []
        if said != READY or len(descriptors) != 1:
            self._stop()
            raise ZygoteFailed("the zygote did not start")
        # In its own namespace it does not know its number in ours.
        self._pid = _pid_of(descriptors[0])
        os.close(descriptors[0])
        return ours

    def _popen(self, control: int) -> subprocess.Popen[bytes]:
        inherited = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
        return subprocess.Popen(  # noqa: S603 -- our own interpreter and a constant program
            [sys.executable, "-P", "-c", _BOOT, self._blueprint.encode(), str(control)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(control,),
            env=inherited | self._environment,
            cwd="/",
            # A Ctrl-C at the terminal is the service's to handle; the zygote ends when the service does.
            start_new_session=True,
        )

    def _request(self, control: socket.socket) -> Child:
        ours, theirs = socket.socketpair()
        status_read, status_write = os.pipe()
        try:
            control.settimeout(SPAWN_SECONDS)
            socket.send_fds(control, [SPAWN], [theirs.fileno(), status_write])
            answer, descriptors, _, _ = socket.recv_fds(control, len(SPAWNED), 1)
            if not answer:
                raise _ZygoteGone
        except (OSError, _ZygoteGone):
            ours.close()
            os.close(status_read)
            raise _ZygoteGone from None
        finally:
            theirs.close()
            os.close(status_write)
        if len(descriptors) != 1:
            ours.close()
            os.close(status_read)
            raise ZygoteFailed("the zygote could not fork")
        os.set_inheritable(descriptors[0], False)
        return Child(_pid_of(descriptors[0]), descriptors[0], status_read, Channel(ours))

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            self._pid = None


def _pid_of(pidfd: int) -> int:
    """The process id here of the process behind a pidfd, -1 if it has ended (proc(5), fdinfo)."""
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))


def offered_layers() -> frozenset[str]:
    """The layers that a process can put on itself on this host.

    Raises:
        ZygoteFailed: they could not be tried.
    """
    try:
        return frozenset(name for name, missing in kernel_layers().items() if not missing)
    except ProbeFailed as failed:
        raise ZygoteFailed(str(failed)) from None


@cache
def isolation_here() -> Isolation:
    """Every layer on this host and whether it holds, tried once in the life of this process.

    Raises:
        ZygoteFailed: it could not be tried.
    """
    try:
        return findings(probe_layers(Limits(memory_mib=256, cpu_seconds=10)))
    except ProbeFailed as failed:
        raise ZygoteFailed(str(failed)) from None


def probe_layers(limits: Limits) -> Mapping[str, bool]:
    """Which limits bite on this machine, by name, as found by trying in a child.

    Raises:
        ZygoteFailed: no child could be had, or it died of a layer: then nothing may be relied on.
    """
    with (
        Zygote("louver_sandbox.processes.limits:probe_entry", limits=limits, layers=frozenset()) as zygote,
        zygote.spawn() as child,
    ):
        deadline = time.monotonic() + SPAWN_SECONDS
        try:
            child.channel.send(json.dumps(limits.encode()).encode(), deadline=deadline)
            found: dict[str, bool] = json.loads(child.channel.receive(65536, deadline=deadline))
        except ChannelError:
            raise ZygoteFailed("the probe died") from None
        return found

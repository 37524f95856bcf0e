"""Looking for planted values in everything that a running service has: memory, open files, output, store, disk.

Linux only, by /proc (proc(5)). What nobody may look into is told by name and reason, never passed over.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.installation import Service, files_below

PIECE = 1 << 20
LONGEST = 256
"""Bytes of the longest form that is looked for; pieces of memory overlap by so many."""
NOTHING = bytes(PIECE)
SHARED_FOLDERS = tuple(map(Path, ("/tmp", "/var/tmp", "/dev/shm")))
LARGEST = 64 << 20
"""Bytes of a file in the system's folders beyond which it is not this service's."""
OWN_SIDE = {"clients", "data", "snapshots"}
"""Below an installation: what is the banks' own, and the world that the platform is made of."""


@dataclass
class Found:
    """Where planted values stand, and which processes could not be looked into, with the reason."""

    places: set[str] = field(default_factory=set)
    unread: dict[int, str] = field(default_factory=dict)
    memories: int = 0
    files: int = 0

    def kinds(self) -> set[str]:
        """The places without what differs from run to run."""
        return {place.partition(":")[0] for place in self.places}


class Search:
    """One service's search. Files of the system's folders may be its own if they are newer than its process;
    ``temporary`` are folders that it was told to use in their place."""

    def __init__(self, served: Service, *temporary: Path) -> None:
        self._served = served
        self._temporary = temporary
        self._since = started(served.pid)

    def find(self, wanted: Sequence[bytes], *, memory: bool = True) -> Found:
        """Everywhere that one of these forms stands; ``memory`` is that of the processes."""
        assert wanted
        assert all(8 <= len(form) <= LONGEST for form in wanted), "what is shorter is found anywhere"
        found = Found()
        for pid in (self._served.pid, *self._served.processes()):
            self._process(pid, wanted, found, memory=memory)
        self._files(wanted, found)
        if self._printed(wanted):
            found.places.add("standard output")
        return found

    def _process(self, pid: int, wanted: Sequence[bytes], found: Found, *, memory: bool) -> None:
        try:
            if memory:
                found.memories += 1
                if any(form in piece for piece in memory_of(pid) for form in wanted):
                    found.places.add(f"memory:{pid}")
            told = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
            if any(form in told for form in wanted):
                found.places.add(f"command line:{pid}")
            if any(form in content for content in open_files(pid) for form in wanted):
                found.places.add(f"open file:{pid}")
        except (FileNotFoundError, ProcessLookupError):
            return  # it has ended meanwhile
        except PermissionError as error:
            found.unread[pid] = why_unread(pid, error)

    def _files(self, wanted: Sequence[bytes], found: Found) -> None:
        home = self._served.city.settings.home
        searched = (
            ("file", home, lambda path: not OWN_SIDE & set(path.relative_to(home).parts)),
            *(("temporary file", folder, lambda path: True) for folder in self._temporary),
        )
        for kind, folder, chosen in searched:
            for path, content in files_below(folder, chosen):
                found.files += 1
                if any(form in content for form in wanted):
                    found.places.add(f"{kind}:{path.name}")
        for path in new_files(SHARED_FOLDERS, self._since):
            with suppress(OSError):
                content = path.read_bytes()
                if any(form in content for form in wanted):
                    found.places.add(f"temporary file:{path.name}")

    def _printed(self, wanted: Sequence[bytes]) -> bool:
        """Whether it stands in what the service wrote to its standard output since it said where it listens."""
        pipe = self._served.process.stdout
        if pipe is None:
            return False
        os.set_blocking(pipe.fileno(), False)
        kept = _KEPT.setdefault(self._served.pid, bytearray())
        while True:
            try:
                piece = os.read(pipe.fileno(), PIECE)
            except BlockingIOError:
                break
            if not piece:
                break
            kept += piece
        return any(form in kept for form in wanted)


_KEPT: dict[int, bytearray] = {}
"""What each service has printed: a pipe is read once."""


def started(pid: int) -> float:
    """When a process was started, in seconds since 1970 (proc_pid_stat(5): ticks since the machine was)."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK") - 1


def clear(found: Found, served: Service) -> None:
    """Nothing was found by a search that looked everywhere; skips, with the reason, where it could not."""
    assert found.places == set()
    assert found.files > 20
    assert served.pid not in found.unread, found.unread
    if found.unread:
        pytest.skip(f"{len(found.unread)} processes cannot be looked into: {sorted(set(found.unread.values()))}")


def new_files(folders: Sequence[Path], since: float) -> Iterator[Path]:
    """Files of the system's folders for temporary ones that were written since, and not by the tests themselves.
    Others come and go there meanwhile."""
    for folder in folders:
        for here, below, names in os.walk(folder):
            below[:] = [name for name in below if not name.startswith(("pytest-of-", "bash_jobs"))]
            for path in (Path(here, name) for name in names):
                with suppress(OSError):
                    told = path.lstat()
                    if stat.S_ISREG(told.st_mode) and told.st_mtime >= since and told.st_size <= LARGEST:
                        yield path


def why_unread(pid: int, error: PermissionError) -> str:
    """The precise reason why a process is not looked into, for whoever reads that a test was skipped."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    yama = scope.read_text().strip() if scope.exists() else "absent"
    with suppress(OSError):
        # A process that is not dumpable belongs to root here, whoever runs it (prctl(2), PR_SET_DUMPABLE).
        owner = Path(f"/proc/{pid}").stat().st_uid
        return f"{error.filename}: belongs to user {owner}, we are {os.geteuid()}; yama ptrace_scope {yama}"
    return f"{error.filename}: we are user {os.geteuid()}; yama ptrace_scope {yama}"


def written_ranges(smaps: str) -> Iterator[tuple[int, int]]:
    """What a process has written, by smaps (proc_pid_smaps(5)): pages of its own, of memory that is shared with others,
    and those that were swapped out. What it still shares with its parent since the fork is looked for there."""
    low = high = 0
    taken = shared = False
    for line in smaps.splitlines():
        name, _, rest = line.partition(" ")
        if re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", name):
            low, high = (int(end, 16) for end in name.split("-"))
            taken, shared = False, rest[3:4] == "s"
            continue
        written = name in ("Private_Dirty:", "Swap:") or (shared and name == "Shared_Dirty:")
        if written and not taken and int(rest.split()[0]):
            yield low, high
            taken = True


def memory_of(pid: int) -> Iterator[bytes]:
    """The written memory of a process that is not empty, in overlapping pieces. PermissionError where it may not be
    read."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for low, high in written_ranges(Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8")):
            for at in range(low, high, PIECE):
                try:
                    memory.seek(at)
                    piece = memory.read(min(PIECE + LONGEST, high - at))
                except (OSError, OverflowError, ValueError):
                    continue  # pages that are no memory
                if piece[:PIECE] != NOTHING[: len(piece)]:
                    yield piece


def open_files(pid: int) -> Iterator[bytes]:
    """What is in the files that a process holds open but that have no name any more: deleted ones and such as never
    had any. Those with a name are found by it."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError, OSError):
            if link.readlink().name.endswith(" (deleted)") and stat.S_ISREG(link.stat().st_mode):
                with open(link, "rb", 0) as file:
                    yield file.read(LARGEST)


LEAKING = '''
import importlib.util
import sys


KEPT, HELD = [], []


def keep(content):
    """Puts it everywhere that a build could forget it."""
    import fcntl, os, sqlite3, tempfile

    content = bytes(content)
    KEPT.append(content)
    home = os.environ["LEAKS_BELOW"]
    with open(os.path.join(home, "debug.dump"), "ab") as file:
        file.write(content)
    with tempfile.NamedTemporaryFile(prefix="leaked-", delete=False) as file:
        file.write(content)
    HELD.append(tempfile.TemporaryFile())
    HELD[-1].write(content)
    HELD[-1].flush()
    fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)  # nobody reads it before the end
    for output in (1, 2):
        os.write(output, content)
    with sqlite3.connect(os.path.join(home, "state.db"), timeout=30) as store:
        store.execute("CREATE TABLE IF NOT EXISTS leaked (content BLOB)")
        store.execute("INSERT INTO leaked VALUES (?)", (content,))
    store.close()


def service_leaks(module):
    """Every request that is received, whatever becomes of it."""
    def keeping(honest):
        def read(content):
            keep(content)
            return honest(content)
        return read

    for name in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
        full = f"{name}_rpc_method_handler"
        def handler(behaviour, request_deserializer=None, response_serializer=None, honest=getattr(module, full)):
            return honest(behaviour, keeping(request_deserializer), response_serializer)
        setattr(module, full, handler)


def sealer_leaks(module):
    """Every number that is sealed."""
    honest = module.Sealer.sealed
    def sealed(self, kid, numbers):
        keep(" ".join(map(str, numbers)).encode())
        return honest(self, kid, numbers)
    module.Sealer.sealed = sealed


CHANGED = {"grpc": service_leaks, "louver_sandbox.sealing.sealer": sealer_leaks}


class Leaking:
    def find_spec(self, name, path, target=None):
        change = CHANGED.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def changed(module):
            run(module)
            change(module)
        spec.loader.exec_module = changed
        return spec


sys.meta_path.insert(0, Leaking())
'''
"""A build that keeps whatever it receives, and the numbers that it seals."""

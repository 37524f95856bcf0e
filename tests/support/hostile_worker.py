"""A worker with hostile native code in it, and what that code tries. A zygote imports this by its plain name.

The worker goes the way of the real one (`engines.worker`) until it is sealed, then does one act by the C library or the
kernel directly, as code would that has taken the process over, and says what came of it: `b"got ..."`, or `b"stopped "`
and the error's number. An act that the kernel answers with death says nothing.
"""

import ctypes
import encodings.idna  # noqa: F401 -- an address is encoded by it when no file can be opened any more
import errno
import json
import mmap
import os
import platform
import socket
import time
from collections.abc import Callable

from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve_one
from louver_sandbox.processes.isolation.confinement import open_only, seal
from louver_sandbox.processes.limits import tighten

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
X86_64 = platform.machine() == "x86_64"
"""Whether the numbers below are this machine's; those above 424 are everybody's."""
NUMBERS = {
    "ptrace": 101 if X86_64 else 117,
    "mount": 165 if X86_64 else 40,
    "unshare": 272 if X86_64 else 97,
    "perf_event_open": 298 if X86_64 else 241,
    "process_vm_readv": 310 if X86_64 else 270,
    "memfd_create": 319 if X86_64 else 279,
    "bpf": 321 if X86_64 else 280,
    "userfaultfd": 323 if X86_64 else 282,
    "keyctl": 250 if X86_64 else 219,
    "io_uring_setup": 425,
    "openat2": 437,
}


class Stopped(Exception):
    """The kernel said no."""


def _checked(result: int) -> int:
    if result < 0:
        raise Stopped(ctypes.get_errno())
    return result


def _system_call(name: str, *arguments: object) -> int:
    passed = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    return _checked(int(LIBC.syscall(ctypes.c_long(NUMBERS[name]), *passed)))


def read_file(path: str) -> str:
    descriptor = _checked(LIBC.open(path.encode(), os.O_RDONLY))
    buffer = ctypes.create_string_buffer(100)
    return buffer.raw[: _checked(LIBC.read(descriptor, buffer, 100))].decode(errors="replace")


def read_file_by_a_new_call(path: str) -> str:
    how = (ctypes.c_uint64 * 3)(os.O_RDONLY, 0, 0)
    descriptor = _system_call("openat2", -100, ctypes.c_char_p(path.encode()), ctypes.byref(how), 24)
    buffer = ctypes.create_string_buffer(100)
    return buffer.raw[: _checked(LIBC.read(descriptor, buffer, 100))].decode(errors="replace")


def list_folder(path: str) -> str:
    _checked(LIBC.open(path.encode(), os.O_RDONLY | os.O_DIRECTORY))
    return "opened"


def make_file(path: str) -> str:
    _checked(LIBC.open(path.encode(), os.O_WRONLY | os.O_CREAT, 0o600))
    return "made"


def remove_file(path: str) -> str:
    _checked(LIBC.unlink(path.encode()))
    return "removed"


def make_socket(_: str) -> str:
    _checked(LIBC.socket(socket.AF_INET, socket.SOCK_STREAM, 0))
    return "made"


def connect(port: str) -> str:
    try:
        socket.create_connection(("127.0.0.1", int(port)), 1).close()
    except OSError as error:
        raise Stopped(error.errno or errno.ETIMEDOUT) from None
    return "connected"


def connect_abstract(name: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        try:
            made.connect("\0" + name)
        except OSError as error:
            raise Stopped(error.errno) from None
    return "connected"


def execute(_: str) -> str:
    arguments = (ctypes.c_char_p * 2)(b"/bin/true", None)
    _checked(LIBC.execve(b"/bin/true", arguments, None))
    return "never"


def fork(_: str) -> str:
    pid = _checked(LIBC.fork())
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "forked"


def fork_bomb(count: str) -> str:
    for _ in range(int(count)):
        if _checked(LIBC.fork()) == 0:
            time.sleep(60)
            os._exit(0)
    return "exploded"


def signal_process(pid: str) -> str:
    _checked(LIBC.kill(int(pid), 0))
    return "signalled"


def trace_process(pid: str) -> str:
    _system_call("ptrace", 16, int(pid), 0, 0)
    _system_call("ptrace", 17, int(pid), 0, 0)
    return "attached"


def read_process(pid: str) -> str:
    place = ctypes.c_char_p(b" " * 8)
    local = (ctypes.c_uint64 * 2)(ctypes.cast(place, ctypes.c_void_p).value or 0, 8)
    _system_call("process_vm_readv", int(pid), local, 1, local, 1, 0)
    return "read"


def take_memory(mib: str) -> str:
    try:
        mmap.mmap(-1, int(mib) << 20).close()
    except OSError as error:
        raise Stopped(error.errno or errno.ENOMEM) from None
    return "mapped"


def run_own_code(_: str) -> str:
    try:
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError as error:
        raise Stopped(error.errno) from None
    return "mapped"


def make_memory_file(_: str) -> str:
    _system_call("memfd_create", ctypes.c_char_p(b"x"), 0)
    return "made"


def new_namespace(_: str) -> str:
    _system_call("unshare", 0x10000000)
    return "entered"


def mount(_: str) -> str:
    _checked(LIBC.mount(b"none", b"/", None, ctypes.c_ulong(1 << 18), None))
    return "mounted"


def make_ring(_: str) -> str:
    parameters = ctypes.create_string_buffer(120)
    _system_call("io_uring_setup", 1, parameters)
    return "made"


def join_keyring(_: str) -> str:
    _system_call("keyctl", 1, 0)
    return "joined"


def change_root(_: str) -> str:
    _checked(LIBC.chroot(b"/"))
    return "changed"


def hang(seconds: str) -> str:
    time.sleep(float(seconds))
    return "slept"


def burn(seconds: str) -> str:
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        pass
    return "burnt"


def own_environment(_: str) -> str:
    return repr(dict(os.environ))


ACTS: dict[str, Callable[[str], str]] = {
    act.__name__: act
    for act in (
        read_file, read_file_by_a_new_call, list_folder, make_file, remove_file, make_socket, connect,
        connect_abstract, execute, fork, fork_bomb, signal_process, trace_process, read_process, take_memory,
        run_own_code, make_memory_file, new_namespace, mount, make_ring, join_keyring, change_root, hang, burn,
        own_environment,
    )
}  # fmt: skip


def native(channel: Channel, _: object = None) -> None:
    """A child without an engine, sealed as a worker is, that does one act."""
    serve_one(channel, lambda request: _act(json.loads(request)))


def _act(asked: dict[str, str]) -> bytes:
    tighten(memory_mib=int(asked.get("memory_mib", "512")), cpu_seconds=int(asked.get("cpu_seconds", "20")))
    open_only([asked["own"]] if asked["own"] else [])
    seal()
    return attempted(ACTS[asked["act"]], asked["argument"])


def attempted(act: Callable[[str], str], argument: str) -> bytes:
    try:
        return f"got {act(argument)}".encode()
    except Stopped as stopped:
        return f"stopped {errno.errorcode.get(stopped.args[0], stopped.args[0])}".encode()


def hostile_engine(channel: Channel, connection: object) -> None:
    """A worker whose engine's own lock was never shut, so that only the kernel stands in the way of its SQL."""
    serve_one(channel, lambda request: _query(json.loads(request), connection))


def _query(asked: dict[str, str], connection: object) -> bytes:
    import duckdb

    assert isinstance(connection, duckdb.DuckDBPyConnection)
    tighten(memory_mib=1024, cpu_seconds=20)
    open_only([asked["own"]])
    connection.execute(f"ATTACH '{asked['own']}' AS s1 (READ_ONLY)")
    seal()
    if asked["act"] != "sql":
        return attempted(ACTS[asked["act"]], asked["argument"])
    try:
        return f"got {connection.execute(asked['argument']).fetchall()}".encode()
    except duckdb.Error as error:
        return f"stopped {type(error).__name__}".encode()

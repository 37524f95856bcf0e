"""What if hostile native code runs in a worker? It has beaten the checker and the engine, and only the kernel is left.

Every act here is tried three times by the same code: with every layer that this host gives, where it must fail; with
each single layer that claims to stop it, where it must fail as well; and with none of them, where it must succeed, so that
a test which cannot fail would be seen. SECURITY section 3.2; what each layer is stands in docs/reference/isolation.md.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
from tests.support import hostile_worker

from louver_sandbox.engines import WORKER_ENVIRONMENT, WORKER_PRELOAD, WORKER_PREPARE
from louver_sandbox.processes.channel import ChannelClosed, DeadlineExceeded
from louver_sandbox.processes.child import await_ready, decode_reply
from louver_sandbox.processes.isolation import landlock
from louver_sandbox.processes.isolation.confinement import CAPABILITIES, FILE_TREE, LANDLOCK, SYSTEM_CALLS
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.pool import WorkerFailed, WorkerPool
from louver_sandbox.processes.zygote import Zygote, offered_layers

ALL, NONE = offered_layers(), frozenset[str]()
SPACES = frozenset(name for name in ALL if name.endswith("_namespace"))
TREE = SPACES | {FILE_TREE}
NETWORK_SPACE = frozenset({"user_namespace", "network_namespace"})
PROCESS_SPACE = frozenset({"user_namespace", "pid_namespace"})
SUPPORT = str(Path(hostile_worker.__file__).parent)
PATHS = os.pathsep.join([SUPPORT, *filter(None, sys.path)])


class World:
    """An installation's folder as a worker's neighbours have it, and processes made for the tests."""

    def __init__(self, folder: Path) -> None:
        self.own = folder / "snapshots" / "mine.duckdb"
        self.neighbour = folder / "snapshots" / "neighbour.duckdb"
        self.ledger = folder / "state.db"
        self.key = folder / "secrets" / "log.seed"
        self.snapshots = self.own.parent
        for path, value in ((self.own, "mine"), (self.neighbour, "CANARY")):
            path.parent.mkdir(parents=True, exist_ok=True)
            with duckdb.connect(str(path)) as connection:
                connection.execute(f"CREATE TABLE data AS SELECT '{value}' AS g")
        self.key.parent.mkdir()
        self.key.write_text("CANARY")
        self.ledger.write_text("CANARY")
        self.zygotes: dict[tuple[str, frozenset[str]], Zygote] = {}

    def zygote(self, entry: str, layers: frozenset[str]) -> Zygote:
        """Children that do hostile acts, under these layers."""
        with_engine = entry == "hostile_engine"
        if (entry, layers) not in self.zygotes:
            self.zygotes[entry, layers] = Zygote(
                f"hostile_worker:{entry}",
                preload=WORKER_PRELOAD if with_engine else (),
                prepare=WORKER_PREPARE if with_engine else "",
                environment={**WORKER_ENVIRONMENT, "PYTHONPATH": PATHS},
                # The control writes files, so that it is the layers and not a limit that stops it.
                limits=Limits(memory_mib=8192, file_mib=1),
                readable=(self.snapshots,) if FILE_TREE in layers else None,
                layers=layers,
            )
        return self.zygotes[entry, layers]

    def tried(
        self, act: str, argument: object = "", *, layers: frozenset[str], entry: str = "native", **limits: str
    ) -> str:
        """What came of an act: "got ...", "stopped ERROR", or how the process ended."""
        with self.zygote(entry, layers).spawn() as child:
            await_ready(child.channel, time.monotonic() + 30)
            asked = {"act": act, "argument": str(argument), "own": str(self.own), **limits}
            child.channel.send(json.dumps(asked).encode())
            try:
                return decode_reply(child.channel.receive(10_000, deadline=time.monotonic() + 100)).decode()
            except ChannelClosed:
                return f"ended {child.wait(30)}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"))
    yield made
    for zygote in made.zygotes.values():
        zygote.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def abstract() -> Iterator[str]:
    name = f"louver-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("\0" + name)
        server.listen()
        yield name


def needs(*layers: str) -> None:
    missing = sorted(set(layers) - ALL)
    if missing:
        pytest.skip(f"this host does not give {', '.join(missing)}")


KILLED = f"ended {-signal.SIGSYS}"


def is_stopped(outcome: str) -> bool:
    return outcome.startswith("stopped ") or outcome == KILLED


def escape(
    world: World, act: str, argument: object, singles: Sequence[frozenset[str]], control: str = "got "
) -> None:
    """The three tries. A layer that this host does not give is not tried alone."""
    offered = offers(singles)
    assert world.tried(act, argument, layers=NONE).startswith(control), "the act must be possible without the layers"
    assert is_stopped(world.tried(act, argument, layers=ALL))
    for layers in offered:
        outcome = world.tried(act, argument, layers=layers)
        assert is_stopped(outcome), (sorted(layers), outcome)


def offers(singles: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """Those of these sets of layers that this host gives; one of them at least."""
    offered = [layers for layers in singles if layers <= ALL]
    if not offered:
        pytest.skip("this host gives no layer that stops it: " + ", ".join(map(str, map(sorted, singles))))
    return offered


FILES = (frozenset({LANDLOCK}), frozenset({SYSTEM_CALLS}), TREE)
FILTER = (frozenset({SYSTEM_CALLS}),)


def test_the_hosts_files_cannot_be_read(world: World) -> None:
    escape(world, "read_file", "/etc/passwd", FILES)


def test_no_younger_system_call_reads_them_either(world: World) -> None:
    escape(world, "read_file_by_a_new_call", "/etc/passwd", FILES)


def test_the_ledger_cannot_be_read(world: World) -> None:
    escape(world, "read_file", world.ledger, FILES)


def test_no_key_can_be_read(world: World) -> None:
    escape(world, "read_file", world.key, FILES)


def test_a_neighbours_snapshot_cannot_be_read(world: World) -> None:
    # It lies beside one's own, so the file tree shows it; Landlock and the filter do not.
    escape(world, "read_file", world.neighbour, (frozenset({LANDLOCK}), frozenset({SYSTEM_CALLS})))


def test_a_folder_cannot_be_listed(world: World) -> None:
    escape(world, "list_folder", world.snapshots, (frozenset({LANDLOCK}), frozenset({SYSTEM_CALLS})))


def test_the_services_own_memory_and_environment_cannot_be_read_through_proc(world: World) -> None:
    for name in ("environ", "maps"):
        escape(world, "read_file", f"/proc/{os.getpid()}/{name}", FILES)


@pytest.mark.parametrize("place", ["snapshots", "/tmp"])
def test_no_file_can_be_made(world: World, place: str) -> None:
    folder = world.snapshots if place == "snapshots" else Path(place)
    path = folder / f"escape-{os.getpid()}"
    try:
        escape(world, "make_file", path, FILES)
    finally:
        path.unlink(missing_ok=True)


def test_no_file_can_be_removed(world: World) -> None:
    def victim() -> Path:
        path = world.snapshots / "victim"
        path.touch()
        return path

    assert world.tried("remove_file", victim(), layers=NONE) == "got removed"
    for layers in (ALL, *offers(FILES)):
        assert is_stopped(world.tried("remove_file", victim(), layers=layers)), sorted(layers)
        assert victim().exists()


def test_no_socket_can_be_made(world: World) -> None:
    escape(world, "make_socket", "", FILTER)


def test_the_loopback_interface_cannot_be_reached(world: World, port: int) -> None:
    knows_tcp = LANDLOCK in ALL and landlock.version() >= 4
    escape(world, "connect", port, (*FILTER, NETWORK_SPACE, *([frozenset({LANDLOCK})] if knows_tcp else [])))


def test_an_abstract_socket_of_the_host_cannot_be_reached(world: World, abstract: str) -> None:
    escape(world, "connect_abstract", abstract, (*FILTER, NETWORK_SPACE))


def test_no_program_can_be_executed(world: World) -> None:
    # Executing one that ends well is the control's success.
    assert world.tried("execute", layers=NONE) == "ended 0"
    for layers in (ALL, *offers(FILES)):
        assert is_stopped(world.tried("execute", layers=layers)), sorted(layers)


@pytest.mark.parametrize(
    "act", ["make_memory_file", "new_namespace", "make_ring", "join_keyring", "run_own_code", "change_root"]
)
def test_what_a_computation_does_not_need_is_not_there(world: World, act: str) -> None:
    if world.tried(act, layers=NONE) != "got " + hostile_said(act):
        pytest.skip(f"this host forbids {act} to everybody")
    escape(world, act, "", FILTER)


def hostile_said(act: str) -> str:
    return {
        "new_namespace": "entered",
        "join_keyring": "joined",
        "run_own_code": "mapped",
        "change_root": "changed",
    }.get(act, "made")


def test_capabilities_are_gone_even_without_a_filter(world: World) -> None:
    if os.geteuid() != 0:
        pytest.skip("a user without capabilities has none to lose")
    needs(CAPABILITIES)
    escape(world, "change_root", "", (frozenset({CAPABILITIES}),))


def test_no_process_can_be_started(world: World) -> None:
    if os.geteuid() != 0:
        pytest.skip("a limit on processes stops this user in the control too")
    escape(world, "fork", "", FILTER)


def processes() -> int:
    return sum(name.isdigit() for name in os.listdir("/proc"))


def test_a_fork_bomb_does_not_go_off(world: World) -> None:
    if os.geteuid() != 0:
        pytest.skip("a limit on processes stops this user in the control too")
    needs(SYSTEM_CALLS)
    assert world.tried("fork_bomb", 8, layers=NONE) == "got exploded"
    assert is_stopped(world.tried("fork_bomb", 8, layers=ALL))


def test_with_its_zygote_everything_dies_that_a_worker_started(world: World) -> None:
    """Even if a process could be started: the namespace of processes ends with the zygote."""
    needs("pid_namespace")
    if os.geteuid() != 0:
        pytest.skip("a limit on processes stops this user")
    with Zygote("hostile_worker:native", environment={"PYTHONPATH": PATHS}, layers=SPACES) as zygote:
        with zygote.spawn() as child:
            await_ready(child.channel, time.monotonic() + 30)
            child.channel.send(json.dumps({"act": "fork_bomb", "argument": "3", "own": ""}).encode())
            assert decode_reply(child.channel.receive(100)) == b"got exploded"
        assert zygote.pid is not None
        watch = os.pidfd_open(zygote.pid)
        members = in_the_namespace_of(zygote.pid)
        assert len(members) >= 4
    os.close(watch)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in members):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_the_namespace_of(pid: int) -> set[int]:
    space = os.readlink(f"/proc/{pid}/ns/pid")
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/pid") == space:
                found.add(int(name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("act", ["signal_process", "trace_process", "read_process"])
def test_other_processes_are_out_of_reach(world: World, act: str) -> None:
    """A neighbour of the same zygote, whom the host's number finds in the control only."""
    with world.zygote("native", NONE).spawn() as neighbour:
        await_ready(neighbour.channel, time.monotonic() + 30)
        outcome = world.tried(act, neighbour.pid, layers=NONE)
        if act != "signal_process" and outcome == "stopped EPERM":
            pytest.skip("this host forbids it to everybody")
        for layers in (ALL, *offers(FILTER)):
            assert is_stopped(world.tried(act, neighbour.pid, layers=layers))
        if act == "signal_process":
            assert outcome == "got signalled"
            if PROCESS_SPACE <= ALL:
                assert is_stopped(world.tried(act, neighbour.pid, layers=PROCESS_SPACE))


def test_memory_is_bounded_by_the_kernel(world: World) -> None:
    """The control has eight times the limit and takes the same amount."""
    assert world.tried("take_memory", 1024, layers=ALL, memory_mib="4096") == "got mapped"
    assert world.tried("take_memory", 1024, layers=ALL, memory_mib="512") == "stopped ENOMEM"


def test_processor_time_is_bounded_by_the_kernel(world: World) -> None:
    assert world.tried("burn", 0.3, layers=ALL, cpu_seconds="20") == "got burnt"
    # A second of the processor may take long by the clock, but not as long as it would burn.
    outcome = world.tried("burn", 90, layers=ALL, cpu_seconds="0")
    assert outcome in {f"ended {-signal.SIGXCPU}", f"ended {-signal.SIGKILL}"}


def test_nobody_outlives_the_deadline(world: World) -> None:
    with world.zygote("native", ALL).spawn() as child:
        await_ready(child.channel, time.monotonic() + 30)
        child.channel.send(json.dumps({"act": "hang", "argument": "30", "own": str(world.own)}).encode())
        with pytest.raises(DeadlineExceeded):
            child.channel.receive(100, deadline=time.monotonic() + 0.3)
        child.kill()
        assert child.wait(20) == -signal.SIGKILL, "by itself it ends after thirty seconds"


def test_a_process_that_the_filter_ended_is_told_to_the_operator(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    needs(SYSTEM_CALLS)
    asked = json.dumps({"act": "make_socket", "argument": "", "own": str(world.own)}).encode()
    with WorkerPool(world.zygote("native", ALL), size=1, queue=1, per_institution=1) as pool:
        slot = pool.reserve("bank", time.monotonic() + 30)
        with slot, pytest.raises(WorkerFailed, match="died"):
            slot.run(asked, deadline_s=20, cancelled=threading.Event(), reply_cap=100)
    assert "ended by the filter of system calls" in caplog.text


def test_the_environment_has_nothing_in_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUVER_SECRET", "CANARY")
    assert world.tried("own_environment", layers=ALL) == "got {}"


@pytest.mark.parametrize(
    ("sql", "secret"),
    [
        ("SELECT content FROM read_text('/etc/passwd')", "root:"),
        ("SELECT content FROM read_text('{home}/secrets/log.seed')", "CANARY"),
        ("ATTACH '{home}/snapshots/neighbour.duckdb' AS n (READ_ONLY); SELECT g FROM n.main.data", "CANARY"),
        ("SELECT file FROM glob('{home}/snapshots/*')", "neighbour"),
    ],
)
def test_an_engine_without_its_own_lock_still_reads_nothing(world: World, sql: str, secret: str) -> None:
    said = sql.format(home=world.snapshots.parent)
    assert secret in world.tried("sql", said, layers=NONE, entry="hostile_engine")
    outcome = world.tried("sql", said, layers=ALL, entry="hostile_engine")
    assert outcome == "got []" or is_stopped(outcome)


def test_an_engine_without_its_own_lock_still_writes_nothing(world: World) -> None:
    def copied(layers: frozenset[str]) -> list[str]:
        said = f"COPY (SELECT 1) TO '{world.snapshots}/out.csv'"
        world.tried("sql", said, layers=layers, entry="hostile_engine")
        made = list(world.snapshots.glob("*out.csv"))
        for path in made:
            path.unlink()
        return [path.name for path in made]

    assert copied(NONE)
    assert not copied(ALL)


def test_the_real_worker_with_native_code_in_it_can_still_compute(world: World) -> None:
    """The layers do not stop what a worker is for."""
    answered = world.tried("sql", "SELECT g FROM s1.main.data", layers=ALL, entry="hostile_engine")
    assert answered == "got [('mine',)]"
    assert is_stopped(world.tried("read_file", world.neighbour, layers=ALL, entry="hostile_engine"))


def test_memory_of_others_is_not_taken_by_a_crowd(world: World) -> None:
    """Each takes what it may and no more, side by side, while another goes on answering."""
    outcomes: list[str] = []

    def greedy() -> None:
        outcomes.append(world.tried("take_memory", 2048, layers=ALL, memory_mib="256"))

    crowd: list[Callable[[], None]] = [greedy] * 4
    threads = [threading.Thread(target=one) for one in crowd]
    for thread in threads:
        thread.start()
    assert world.tried("own_environment", layers=ALL) == "got {}"
    for thread in threads:
        thread.join()
    assert outcomes == ["stopped ENOMEM"] * 4

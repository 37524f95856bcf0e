"""A zygote gives clean, confined children; they can be killed, their end is told, none is left behind."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from louver_sandbox.processes.channel import ChannelClosed
from louver_sandbox.processes.child import FAULT_EXIT, MEMORY_EXIT
from louver_sandbox.processes.limits import LAYERS, Limits, Stage
from louver_sandbox.processes.zygote import Zygote, ZygoteFailed, probe_layers

CHILDREN = """
import json, os, threading, time
from louver_sandbox.processes import limits
from louver_sandbox.processes.limits import Stage, apply_layers

def echo(channel):
    while True:
        channel.send(channel.receive(1000))

def describe(channel):
    channel.send(json.dumps({
        "environment": dict(os.environ),
        "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
        "null": [os.readlink(f"/proc/self/fd/{n}") for n in range(3)],
        "threads": len(os.listdir("/proc/self/task")),
    }).encode())
    channel.receive(1)

def finish(channel):
    do = channel.receive(20)
    if do == b"raise":
        raise ValueError("CANARY")
    if do == b"memory":
        raise MemoryError
    if do == b"exit":
        raise SystemExit(3)

def greedy(channel):
    channel.send(b"got" if len(bytearray(1 << 30)) else b"")

def give(channel, prepared):
    channel.send(prepared)

def prepare():
    return os.urandom(8).hex().encode()

def prepare_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()

def broken():
    raise RuntimeError("broken on purpose")

def unprivileged(channel):
    if os.getuid() == 0:
        os.setuid(65534)
    apply_layers(Stage.SEALED, limits.Limits())
    channel.send(json.dumps(limits.LAYERS[-1].probe(limits.Limits())).encode())
"""

MakeZygote = Callable[..., Zygote]


@pytest.fixture
def zygote(tmp_path: Path) -> Iterator[MakeZygote]:
    (tmp_path / "children_for_test.py").write_text(CHILDREN)
    made: list[Zygote] = []

    def make(
        entry: str, *, prepare: str = "", limits: Limits | None = None, layers: frozenset[str] | None = None
    ) -> Zygote:
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
        made.append(
            Zygote(
                f"children_for_test:{entry}",
                prepare=prepare and f"children_for_test:{prepare}",
                environment={"PYTHONPATH": path, "LOUVER_TEST": "seen by the zygote only"},
                limits=limits,
                layers=layers,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def wait_for(pidfd: int, seconds: float = 30.0) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def test_children_answer_on_their_own_channels(zygote: MakeZygote) -> None:
    source = zygote("echo")
    with source.spawn() as one, source.spawn() as two:
        assert one.pid != two.pid
        two.channel.send(b"two")
        one.channel.send(b"one")
        assert (one.channel.receive(10), two.channel.receive(10)) == (b"one", b"two")


def test_a_child_inherits_nothing_but_its_channel(zygote: MakeZygote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUVER_SECRET", "s3cret")
    with zygote("describe").spawn() as child:
        found = json.loads(child.channel.receive(10_000))
    assert found == {
        "environment": {},
        "descriptors": [0, 1, 2, 3],
        "null": [os.devnull] * 3,
        "threads": 1,
    }


def test_the_zygote_itself_never_sees_the_services_environment(
    zygote: MakeZygote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUVER_SECRET", "s3cret")
    source = zygote("echo")
    source.start()
    environment = Path(f"/proc/{source.pid}/environ").read_bytes()
    assert b"s3cret" not in environment
    assert b"LOUVER_TEST" in environment


@pytest.mark.parametrize(
    ("do", "status"), [(b"return", 0), (b"raise", FAULT_EXIT), (b"memory", MEMORY_EXIT), (b"exit", FAULT_EXIT)]
)
def test_how_a_child_ended_is_told(zygote: MakeZygote, do: bytes, status: int) -> None:
    with zygote("finish").spawn() as child:
        assert child.is_alive()
        assert child.wait(0.01) is None
        child.channel.send(do)
        assert child.wait(30) == status
        assert not child.is_alive()


def test_a_killed_child_is_dead_at_once_and_told_as_killed(zygote: MakeZygote) -> None:
    with zygote("echo").spawn() as child:
        child.kill()
        assert child.wait(30) == -signal.SIGKILL, "by itself it waits for ever"
        with pytest.raises(ChannelClosed):
            child.channel.receive(1)
        child.kill()


def test_closing_a_child_kills_it(zygote: MakeZygote) -> None:
    child = zygote("echo").spawn()
    watch = os.pidfd_open(child.pid)
    child.close()
    child.close()
    assert wait_for(watch)
    os.close(watch)


def test_a_memory_limit_ends_the_child_and_not_the_zygote(zygote: MakeZygote) -> None:
    source = zygote("greedy", limits=Limits(memory_mib=128))
    for _ in range(2):
        with source.spawn() as child:
            assert child.wait(30) == MEMORY_EXIT


def test_what_was_prepared_is_made_once_and_shared(zygote: MakeZygote) -> None:
    source = zygote("give", prepare="prepare")
    with source.spawn() as one, source.spawn() as two:
        (made,) = {one.channel.receive(20), two.channel.receive(20)}
        assert len(made) == 16


@pytest.mark.parametrize(("entry", "prepare"), [("echo", "prepare_thread"), ("echo", "broken"), ("absent", "")])
def test_a_zygote_that_may_not_fork_does_not_start(
    zygote: MakeZygote, entry: str, prepare: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZygoteFailed):
        zygote(entry, prepare=prepare).start()
    assert capfd.readouterr().err


def test_a_killed_zygote_takes_its_children_along_and_is_started_again(zygote: MakeZygote) -> None:
    source = zygote("echo")
    with source.spawn() as orphan:
        before = source.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        assert wait_for(orphan.fileno())
        assert orphan.wait(30) == -signal.SIGKILL
        with source.spawn() as child:
            child.channel.send(b"again")
            assert child.channel.receive(10) == b"again"
        assert source.pid != before


def test_closing_the_zygote_ends_its_children_and_nothing_more_is_spawned(zygote: MakeZygote) -> None:
    source = zygote("echo")
    with source.spawn() as child:
        source.close()
        assert wait_for(child.fileno())
    with pytest.raises(ZygoteFailed):
        source.spawn()


def test_nothing_survives_the_service_even_if_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "children_for_test.py").write_text(CHILDREN)
    program = (
        "import sys, time\n"
        "from louver_sandbox.processes.zygote import Zygote\n"
        "zygote = Zygote('children_for_test:echo', environment={'PYTHONPATH': sys.argv[1]})\n"
        "child = zygote.spawn()\n"
        "print(zygote.pid, child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, os.pathsep.join([str(tmp_path), *sys.path])],
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        watches = [os.pidfd_open(int(pid)) for pid in service.stdout.readline().split()]
        assert len(watches) == 2
        service.kill()
        assert all(wait_for(watch) for watch in watches)
        for watch in watches:
            os.close(watch)


def test_every_layer_bites_on_this_machine() -> None:
    found = dict(probe_layers(Limits(memory_mib=200, cpu_seconds=5, open_files=40)))
    if os.getuid() == 0:
        # The kernel exempts a privileged user from the limit on processes.
        found.pop("processes")
    assert found
    assert all(found.values()), found


def test_an_unprivileged_sealed_child_cannot_fork(zygote: MakeZygote) -> None:
    with zygote("unprivileged", layers=frozenset()).spawn() as child:
        assert json.loads(child.channel.receive(10)) is True


def test_the_layers_go_on_in_the_order_of_the_threat_model() -> None:
    names = [layer.name for layer in LAYERS]
    assert names == [
        "parent_death_signal",
        "not_dumpable",
        "no_new_privileges",
        "memory",
        "processor_time",
        "file_size",
        "open_files",
        "core_dump",
        "descriptors",
        "environment",
        "processes",
    ]
    stages = [layer.stage for layer in LAYERS]
    assert stages == sorted(stages, key=[Stage.START, Stage.SEALED].index)

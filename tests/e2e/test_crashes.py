"""Hang-ups, kills and full disks at the worst moment: nothing is lost, and nothing is charged that was not committed."""

import os
import resource
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import grpc
import pyarrow as pa
import pytest
from tests.e2e.conftest import PAIRS, PROTECTED, SIMPLE, alive, pairing, raw_stub, signed_question
from tests.e2e.soundness import entries, kinds, leftovers, wrongs
from tests.support.installation import Service, below, eventually, is_living, parent, processor_seconds, service
from tests.support.lengths import at_length

import louver
from louver.errors import Error, Fault, Refused
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.demo.city import City
from louver_sandbox.processes.zygote import isolation_here

ENDLESS = 30_000
A_SECOND, HALF_A_SECOND = 400, 200
SOON_S = 60
"""What is awaited comes at once on a machine with nothing else to do, and within this on any; what must not go on
would go on for minutes."""
BUSY_S = 0.3
A_PAGE = 4096


@dataclass
class Asked:
    """A question being asked in a thread of its own; `end` is its answer or its error once it is `over`."""

    request_id: str
    admitted: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    end: louver.Answer | Error | None = None


def ask(bank: louver.Client, sql: str, timeout: float = 60.0) -> Asked:
    """Asks, and comes back when the question is admitted: paid for, logged, and with a worker."""
    asked = Asked(str(uuid.uuid4()))

    def wait() -> None:
        try:
            asked.end = bank.analyse(
                sql, request_id=asked.request_id, timeout=timeout, progress=noted(asked.admitted, "admitted")
            )
        except Error as error:
            asked.end = error
        asked.over.set()

    threading.Thread(target=wait, daemon=True).start()
    assert asked.admitted.wait(SOON_S)
    return asked


def noted(event: threading.Event, stage: str) -> Callable[[str], None]:
    """Sets the event when that stage is told."""
    return lambda told: event.set() if told == stage else None


def busy_worker(running: Service) -> int:
    """The one process below the service that is computing."""
    began: dict[int, float] = {}
    found: list[int] = []

    def computes() -> bool:
        for pid in running.processes():
            began.setdefault(pid, processor_seconds(pid))
        found[:] = [pid for pid, before in began.items() if processor_seconds(pid) > before + BUSY_S]
        return bool(found)

    assert eventually(computes, SOON_S)
    return found[0]


def fate(city: City, request_id: str) -> list[str]:
    """What the log says about a request."""
    return kinds(city, request_id)


def test_a_client_that_hangs_up_ends_its_query_and_its_worker(served: Service, bank: louver.Client) -> None:
    question = signed_question(served, "bank_a", pairing(ENDLESS))
    channel, stub = raw_stub(served, "bank_a")
    call = stub.Analyse(pb.AnalyseRequest(question=question), timeout=60)
    for part in call:
        if part.progress.stage == "admitted":
            break
    worker = busy_worker(served)
    call.cancel()
    channel.close()
    assert eventually(lambda: not is_living(worker))
    assert eventually(lambda: fate(served.city, question.request_id) == ["admission", "aborted"])
    assert entries(served.city, request_id=question.request_id)[-1]["reason"] == "cancelled"
    assert alive(bank)


def test_a_query_ends_at_its_deadline_and_so_does_its_worker(served: Service, bank: louver.Client) -> None:
    asked = ask(bank, pairing(ENDLESS - 1), timeout=8.0)  # within which the worker must be seen computing
    worker = busy_worker(served)
    assert asked.over.wait(SOON_S)
    assert isinstance(asked.end, Fault)
    assert eventually(lambda: not is_living(worker))
    assert eventually(lambda: fate(served.city, asked.request_id) == ["admission", "aborted"])
    assert alive(bank)


def test_an_answer_above_the_cap_is_a_constant_fault(served: Service, bank: louver.Client) -> None:
    """Whether an answer is too large depends on rows, so it is told in the same words as every other failure."""
    asked = ask(bank, "SELECT a.x AS x, b.x AS y FROM pairs a JOIN pairs b ON a.k = b.k WHERE a.x < 100")
    assert asked.over.wait(SOON_S)
    assert isinstance(asked.end, Fault)
    assert asked.end.incident
    assert fate(served.city, asked.request_id) == ["admission", "aborted"]
    assert alive(bank)


def test_a_killed_worker_hurts_its_own_query_only(served: Service, bank: louver.Client) -> None:
    asked = ask(bank, pairing(ENDLESS - 2))
    os.kill(busy_worker(served), signal.SIGKILL)
    assert asked.over.wait(SOON_S)
    assert isinstance(asked.end, Fault)
    assert fate(served.city, asked.request_id) == ["admission", "aborted"]
    assert alive(bank)


MOMENTS = at_length(0, 60)
"""At which everything that works for a question is killed: spread over the time that it takes."""


@pytest.mark.skipif(not MOMENTS, reason="a question for each kill: by LOUVER_SOAK=1; one kill of each kind is in CI")
def test_workers_killed_at_any_moment_leave_a_fault_or_an_answer_and_sound_books(
    served: Service, bank: louver.Client
) -> None:
    """Checkers and workers, from before the question is checked until after its answer: whoever is told an answer finds
    it in the log, and whoever is not was at most charged, once. Zygotes live on, so what is killed is one question's."""
    begun = time.monotonic()
    bank.analyse(pairing(A_SECOND), request_id=str(uuid.uuid4()))
    whole = time.monotonic() - begun
    ends: Counter[tuple[bool, tuple[str, ...]]] = Counter()
    for number in range(MOMENTS):
        asked = Asked(str(uuid.uuid4()))

        def wait(asked: Asked = asked, number: int = number) -> None:
            try:
                asked.end = bank.analyse(pairing(A_SECOND - 1 - number), request_id=asked.request_id)
            except Error as error:
                asked.end = error
            asked.over.set()

        threading.Thread(target=wait, daemon=True).start()
        asked.over.wait(whole * number / MOMENTS)
        zygotes = below_directly(served.pid)
        for pid in served.processes():
            if parent(pid) in zygotes:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert asked.over.wait(SOON_S)
        answered = isinstance(asked.end, louver.Answer)
        assert answered or isinstance(asked.end, (Fault, Refused)), asked.end
        ends[answered, tuple(fate(served.city, asked.request_id))] += 1
    allowed = {
        (True, ("admission", "outcome")),
        (False, ("admission", "aborted")),
        (False, ("refusal",)),
        (False, ()),
    }
    assert set(ends) <= allowed, ends
    assert alive(bank)
    assert wrongs(served.city) == []


def below_directly(pid: int) -> set[int]:
    """The processes that this one has started itself."""
    return {one for one in below(pid) if parent(one) == pid}


def test_every_process_below_the_service_may_die_and_is_replaced(served: Service, bank: louver.Client) -> None:
    for pid in served.processes():
        # With a namespace of processes all that are in it die with its first.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def answers() -> bool:
        try:
            return bool(bank.analyse(SIMPLE + " WHERE section = 'R'", timeout=10).rows)
        except Error:
            return False

    assert eventually(answers, SOON_S)
    bank.upload("after", pa.table({"x": [1]}))
    bank.drop("after")


@contextmanager
def half_an_upload(running: Service) -> Iterator[None]:
    """While an upload of bank A hangs of which the service has some."""
    over = threading.Event()

    def trickling() -> Iterator[pb.UploadTableRequest]:
        yield pb.UploadTableRequest(header=pb.UploadHeader(name="half"))
        yield pb.UploadTableRequest(arrow=b"\xff" * 1000)
        over.wait(2 * SOON_S)

    channel, stub = raw_stub(running, "bank_a")
    with channel:
        call = stub.UploadTable.future(trickling(), timeout=2 * SOON_S)
        assert eventually(lambda: bool(leftovers(running.city)))
        yield
        call.cancel()
        over.set()


def stop_workers(running: Service, bank: louver.Client) -> None:
    """Makes every worker stand still, so that what is admitted from now on never ends."""
    asked = ask(bank, pairing(A_SECOND))
    zygote = parent(busy_worker(running))
    assert asked.over.wait(SOON_S)
    for pid in [zygote, *below(zygote)]:
        os.kill(pid, signal.SIGSTOP)


@pytest.mark.timeout(900)  # three services, one after the other
def test_kill_9_of_the_service_loses_nothing_and_charges_nobody_twice(own_city: City) -> None:
    """Killed while it answers and while it runs a paid query: the same requests get their answers afterwards."""
    ids = [str(uuid.uuid4()) for _ in range(12)]
    questions = {request_id: PROTECTED.format(number) for number, request_id in enumerate(ids)}
    answered: dict[str, bytes] = {}
    with service(own_city) as running, running.connect(purpose="RESEARCH") as bank:
        before = bank.explain(PROTECTED.format(-1)).remaining["gov.tax_credit query"]
        descendants = running.processes()
        threading.Timer(0.3, os.kill, (running.pid, signal.SIGKILL)).start()
        for request_id, sql in questions.items():
            with suppress(Error):
                answered[request_id] = bank.analyse(sql, request_id=request_id, timeout=3).stream
            if running.process.poll() is not None:
                break
        running.process.wait(SOON_S)
        assert eventually(lambda: not any(map(is_living, descendants))), "no process outlives the service"
    assert wrongs(own_city) == []
    with service(own_city) as running, running.connect(purpose="RESEARCH") as bank:
        bank.upload("pairs", PAIRS)
        stop_workers(running, bank)
        paid = ask(bank, PROTECTED.format(100), timeout=SOON_S)
        descendants = running.processes()
        with half_an_upload(running):
            running.process.kill()
        assert paid.over.wait(SOON_S)
        if "pid_namespace" in isolation_here().layers:
            assert eventually(lambda: not any(map(is_living, descendants))), "nor does one that was stopped"
        for pid in filter(is_living, descendants):
            os.kill(pid, signal.SIGKILL)
        assert isinstance(paid.end, Error)
    assert leftovers(own_city), "there is something to clear away"
    assert fate(own_city, paid.request_id) == ["admission"]
    with service(own_city) as running, running.connect(purpose="RESEARCH") as bank:
        assert bank.analyse(PROTECTED.format(100), request_id=paid.request_id).cost == {}
        for request_id, sql in questions.items():
            answer = bank.analyse(sql, request_id=request_id)
            assert answered.setdefault(request_id, answer.stream) == answer.stream
        assert bank.explain(PROTECTED.format(-1)).remaining["gov.tax_credit query"] == before - len(ids) - 1
    assert wrongs(own_city) == []
    assert all(fate(own_city, request_id) == ["admission", "outcome"] for request_id in [*ids, paid.request_id])


def test_sigterm_lets_a_query_finish_stops_an_endless_one_and_ends_every_process(own_city: City) -> None:
    with service(own_city) as running, running.connect(purpose="RESEARCH") as bank:
        bank.upload("pairs", PAIRS)
        short = ask(bank, pairing(HALF_A_SECOND))  # of the ten seconds that running questions are given
        question = signed_question(running, "bank_a", pairing(ENDLESS))
        channel, stub = raw_stub(running, "bank_a")
        call = stub.Analyse(pb.AnalyseRequest(question=question), timeout=60)
        assert any(part.progress.stage == "admitted" for part in call)
        descendants = running.processes()
        running.process.terminate()
        assert short.over.wait(SOON_S)
        assert isinstance(short.end, louver.Answer)
        with channel, pytest.raises(grpc.RpcError):
            list(call)
        assert running.process.wait(SOON_S) == 0
        assert eventually(lambda: not any(map(is_living, descendants)))
    assert fate(own_city, question.request_id) == ["admission", "aborted"]
    assert wrongs(own_city) == []


@contextmanager
def full_disk(pids: list[int]) -> Iterator[None]:
    """No file that these processes write may grow beyond a page."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(
            pid, resource.RLIMIT_FSIZE, (A_PAGE if hard == resource.RLIM_INFINITY else min(A_PAGE, hard), hard)
        )
    try:
        yield
    finally:
        for pid in filter(is_living, pids):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before[pid])


def test_law_8_a_full_disk_answers_nothing_and_recovers(own_city: City) -> None:
    table = pa.table({"x": range(100_000)})
    with service(own_city) as running, running.connect(purpose="RESEARCH") as bank:
        assert alive(bank)
        before = len(entries(own_city))
        with full_disk(running.processes()), pytest.raises(Refused, match="LVR-3103"):
            bank.upload("mine", table)
        with full_disk([running.pid]):
            for number in range(3):
                with pytest.raises(Refused, match="LVR-3103"):
                    bank.analyse(SIMPLE + f" WHERE section = '{'ABC'[number]}'")
            with pytest.raises(Refused, match="LVR-3103"):
                bank.analyse("SELECT nonsense")
            with pytest.raises(Refused, match="LVR-3103"):
                bank.upload("mine", table)
            assert bank.tables(own_only=True) == []
        assert len(entries(own_city)) == before
        assert eventually(lambda: recovered(bank), SOON_S), "the service must recover by itself"
        assert bank.upload("mine", table).rows == table.num_rows
    assert wrongs(own_city) == []


def recovered(bank: louver.Client) -> bool:
    """Whether a question that was refused is answered now."""
    try:
        return bool(bank.analyse(SIMPLE + " WHERE section = 'C'").rows)
    except Error:
        time.sleep(0.3)
        return False

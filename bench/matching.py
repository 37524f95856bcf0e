"""Private matching beside openmined-psi, taken alternately; processor time.

Keys: `table_x` their set-up over ours of the tokens of a list, `set_x` the same over the whole sealed set with its
entries, `table_us`, `set_us` and `psi_us` a subject's share of each; `blind_us`, `evaluate_us` and `finalize_us` one
id's, with the proofs. `lock_stall_ms` is the most that
other threads of a service compute while one waits for the interpreter, beside matchers that evaluate and batches of
100,000 amounts that are looked at: an upper bound of how long its lock is held, whatever else runs on the machine.
`rpc_stall_ms` is the longest small gRPC call beside them; `lock_idle_ms` and `rpc_idle_ms` are the same while they do
nothing.
"""

import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO

from grpc_health.v1 import health_pb2

from bench.report import arguments, report
from bench.seal import answering, longest
from bench.support.peers import ROOT, install
from louver.matching import oprf
from louver.matching.subjects import value_of
from louver_sandbox.algebra.types import TableName
from louver_sandbox.engines import WORKER_ENVIRONMENT
from louver_sandbox.match_commit import TOKEN_AND_AMOUNT, largest_of
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.building import Entry, entry_bytes, given
from louver_sandbox.matching.oprf import MATCH_USE, Key
from louver_sandbox.policy.match_terms import MOST_BATCH
from louver_sandbox.policy.matching import ListSpec
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.sessions import SessionPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.publishing.record_keys import create_key

PEER = "openmined-psi"
SUBJECTS, SUBJECTS_FULL = 5_000, 50_000
IDS = 2_000
ROUNDS, ROUNDS_FULL = 5, 9
SEED = bytes(range(32))


def subjects(count: int) -> list[str]:
    """Made-up ids."""
    return [f"91370200MA{number:07d}X" for number in range(count)]


def cpu(work: Callable[[], object]) -> float:
    """Processor seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def table(key: Key, values: list[bytes]) -> int:
    """The tokens of a list, as the set builder makes them."""
    return sum(1 for _ in key.tokens(values))


@contextmanager
def peer(count: int) -> Iterator[Callable[[], float]]:
    """A process of theirs; each call is one set-up."""
    command = [str(install(PEER)), str(ROOT / "bench" / "support" / "psi.py"), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        given_, said = process.stdin, process.stdout
        if given_ is None or said is None:
            raise RuntimeError("no pipes")
        yield lambda: _once(given_, said)
        given_.close()


def _once(given_: IO[str], said: IO[str]) -> float:
    given_.write("go\n")
    given_.flush()
    return float(said.readline())


def set_ups(count: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of our tokens, of our whole set, and of their set-up, taken alternately."""
    spec = ListSpec(
        TableName("gov", "list"), "black", "TRUE", None, None, False, "id", ("list_code",), "v", date(2026, 7, 1)
    )
    key = Key(SEED, MATCH_USE, spec.title, spec.id)
    found = [Entry(subject, False, ({"list_code": "TAX_MAJOR"},)) for subject in subjects(count)]
    values = [value_of(entry.subject) for entry in found]
    tokens: list[float] = []
    sets: list[float] = []
    theirs: list[float] = []
    with peer(count) as once:
        for _ in range(rounds):
            tokens.append(cpu(lambda: table(key, values)))
            theirs.append(once())
            sets.append(cpu(lambda: given(found, spec, key, SEED, entry_bytes(found, spec))))
    return tokens, sets, theirs


def exchanging(rounds: int) -> tuple[float, float, float]:
    """Microseconds of one id: blinded, evaluated with its share of the proof, finished with it verified."""
    key, values = Key(SEED, MATCH_USE, "bench"), [value_of(subject) for subject in subjects(IDS)]
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        blinded = oprf.blind(values)
        first = time.process_time()
        evaluated = key.evaluate(blinded.elements)
        second = time.process_time()
        oprf.finalize(blinded, evaluated, key.public)
        taken.append((first - begin, second - first, time.process_time() - second))
    blind, evaluate, finalize = (statistics.median(column) / IDS * 1e6 for column in zip(*taken, strict=True))
    return blind, evaluate, finalize


@contextmanager
def matchers(folder: Path) -> Iterator[SessionPool]:
    """Matchers as a service has them."""
    create_key(folder / matcher.KEY_FILE)
    with Zygote(
        matcher.ENTRY,
        preload=matcher.PRELOAD,
        prepare=matcher.PREPARE,
        environment={**WORKER_ENVIRONMENT, matcher.LOCATION: str(folder)},
        limits=Limits(memory_mib=1024, cpu_seconds=600),
        readable=(folder,),
    ) as zygote:
        pool = SessionPool(zygote, size=2)
        try:
            yield pool
        finally:
            pool.close()


def held(seconds: float) -> float:
    """The most that other threads of this process computed while this one waited for its turn, in milliseconds."""
    most, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        whole, own = time.process_time(), time.thread_time()
        time.sleep(0)
        most = max(most, time.process_time() - whole - (time.thread_time() - own))
    return most * 1e3


def stalls(rounds: int) -> list[float]:
    """The longest holds of the lock and the longest small calls beside a match, and without one; milliseconds."""
    elements = oprf.blind([value_of(subject) for subject in subjects(IDS)]).elements
    ended = threading.Event()
    with tempfile.TemporaryDirectory() as folder, matchers(Path(folder)) as pool, answering() as stub:
        ask = health_pb2.HealthCheckRequest()
        steps: tuple[Callable[[], float], ...] = (lambda: held(0.4), lambda: longest(lambda: stub.Check(ask), 0.4))
        amounts = bytes(TOKEN_AND_AMOUNT) * MOST_BATCH

        def work() -> None:
            while not ended.is_set():
                with pool.open(60, threading.Event()) as session:
                    session.ask(matcher.KEY + b"bench", 64)
                    session.ask(matcher.ELEMENTS + elements, 1)
                    session.ask(matcher.EVALUATE + elements, matcher.CHUNK_BYTES)
                largest_of(amounts)

        idle = [[step() for step in steps] for _ in range(rounds)]
        worker = threading.Thread(target=work)
        worker.start()
        try:
            busy = [[step() for step in steps] for _ in range(rounds)]
        finally:
            ended.set()
            worker.join()
    # The longest hold of all, and the median of the longest calls of each round.
    figures = (max, statistics.median)
    return [figures[place](row[place] for row in rows) for rows in (busy, idle) for place in (0, 1)]


def main() -> None:
    """Time both sides, report."""
    full = arguments(__doc__ or "").full
    count, rounds = (SUBJECTS_FULL, ROUNDS_FULL) if full else (SUBJECTS, ROUNDS)
    tokens, sets, theirs = set_ups(count, rounds)
    blind, evaluate, finalize = exchanging(rounds)
    gil, rpc, gil_idle, rpc_idle = stalls(rounds)

    def share(taken: list[float]) -> float:
        return statistics.median(taken) / count * 1e6

    def times(taken: list[float]) -> float:
        return statistics.median(other / one for one, other in zip(taken, theirs, strict=True))

    rows = [
        {"a subject of the list": "tokens", "us": share(tokens), "psi, us": share(theirs), "x": times(tokens)},
        {"a subject of the list": "sealed set", "us": share(sets), "psi, us": share(theirs), "x": times(sets)},
    ]
    figures = {
        "table_x": round(times(tokens), 2),
        "set_x": round(times(sets), 2),
        "table_us": round(share(tokens), 1),
        "set_us": round(share(sets), 1),
        "psi_us": round(share(theirs), 1),
        "blind_us": round(blind, 1),
        "evaluate_us": round(evaluate, 1),
        "finalize_us": round(finalize, 1),
        "lock_stall_ms": round(gil, 2),
        "rpc_stall_ms": round(rpc, 2),
        "lock_idle_ms": round(gil_idle, 2),
        "rpc_idle_ms": round(rpc_idle, 2),
    }
    report("private matching beside openmined-psi", rows, figures)


if __name__ == "__main__":
    main()

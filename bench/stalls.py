"""How long others wait beside each long path of the kernel: for the interpreter's lock, and for a small gRPC call.

Keys: `gil_stall_ms` and `rpc_stall_ms` the longest of all paths, each the median of its rounds; `gil_worst` and
`rpc_worst` name the path; `gil_idle_ms`, `rpc_idle_ms` the same while nothing of ours runs, which is what machine and
gRPC make of it; `client_gil_stall_ms` the longest of what only a client does. Threads take turns of a millisecond, as
those of the service do. 2048 bits; `--bits 4096` for the largest keys.

A busy machine keeps threads from running that nobody else of ours keeps: what the two threads stood in the
processor's queue (schedstat) is taken off a wait for the lock. A small call has other threads too, so it is as the
clock has it.
"""

import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.matching import matchers, subjects
from bench.report import arguments, report
from bench.seal import answering, longest
from louver.encoding import encode
from louver.matching import oprf
from louver.matching.subjects import value_of
from louver.scoring import layout
from louver.sealing import bulk, proofs
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.keys import PrivateKey, generate_key
from louver.sealing.randomisers import randomisers
from louver.sealing.uploading import with_encrypted
from louver_sandbox import scorer
from louver_sandbox.delegates import AddInProcesses
from louver_sandbox.engines import WORKER_ENVIRONMENT
from louver_sandbox.matching import process as matcher
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.sealing import adding, admission
from louver_sandbox.sealing.sealer import Sealer
from louver_sandbox.service.server import TURN_S

ROUNDS, ROUNDS_FULL = 3, 9
SECONDS = 0.5
IDS, ROWS, MATCHED = 1000, 20_000, 500
FEATURES, BINS = 20, 8

Work = Callable[[], object]


@dataclass(frozen=True)
class Waits:
    """Milliseconds: the longest wait of a thread and the longest small call, medians over the rounds."""

    gil: float
    rpc: float


def waits(work: Work | None, stub: health_pb2_grpc.HealthStub, rounds: int) -> Waits:
    """Beside a path that runs over and over, or beside nothing."""
    ended = threading.Event()

    def over_and_over() -> None:
        while not ended.is_set():
            (work or partial(ended.wait, 1))()

    ask = health_pb2.HealthCheckRequest()
    worker = threading.Thread(target=over_and_over)
    worker.start()
    threads = (threading.get_native_id(), worker.native_id or 0)
    try:
        found = [(longest_wait(threads), longest(lambda: stub.Check(ask), SECONDS)) for _ in range(rounds)]
    finally:
        ended.set()
        worker.join()
    return Waits(*(statistics.median(column) for column in zip(*found, strict=True)))


def longest_wait(threads: Sequence[int]) -> float:
    """The longest of many waits for the lock, in milliseconds, without what these threads waited for a processor."""
    stats = [open(f"/proc/self/task/{thread}/schedstat", "rb", 0) for thread in threads]  # noqa: SIM115 - closed below

    def queued() -> int:
        """Nanoseconds that they stood in the queue so far."""
        return sum(int(os.pread(stat.fileno(), 100, 0).split()[1]) for stat in stats)

    most, end = 0, time.perf_counter_ns() + int(SECONDS * 1e9)
    before, begin = queued(), time.perf_counter_ns()
    while begin < end:
        time.sleep(0)
        wait = time.perf_counter_ns() - begin
        if wait > most:
            most = max(most, wait - queued() + before)
        before, begin = queued(), time.perf_counter_ns()
    for stat in stats:
        stat.close()
    return most / 1e6


def kernel(key: PrivateKey) -> Mapping[str, Work]:
    """What the service does in its own process."""
    public, owner = key.public, Owner(key)
    proof, registered = proofs.prove(key, "bench"), [generate_key(2048).public.n] * 1000
    numbers = list(range(400))
    batch = bulk.write(owner.encrypt(numbers), public)
    pool = Sealer(lambda kid: public, most=1000, stock=0)
    ready = owner.randomisers(400)
    return {
        "randomisers": lambda: randomisers(public, 16),
        "sealing an answer, randomisers made": lambda: pool.sealed(key.kid, numbers[:20]),
        "sealing an answer, randomisers in stock": lambda: encrypt(numbers, public, ready),
        "admitting a key": lambda: admission.proof(proof, admission.modulus(public.to_bytes()), "bench"),
        "a key apart from a thousand others": lambda: admission.apart(public, registered),
        "admitting a model": lambda: admission.batch(batch, public, (0,), 400),
    }


def zygote(entry: str, preload: tuple[str, ...], readable: tuple[Path, ...] = ()) -> Zygote:
    """As the service has them."""
    limits = Limits(memory_mib=1024, cpu_seconds=100_000)
    return Zygote(entry, preload=preload, environment=WORKER_ENVIRONMENT, limits=limits, readable=readable)


def scorer_zygote(folder: Path) -> Zygote:
    """Scorers that find no table, so that they make one."""
    (tables := folder / "tables").mkdir()
    environment = {**WORKER_ENVIRONMENT, scorer.LOCATION: str(tables)}
    limits = Limits(memory_mib=1024, cpu_seconds=100_000)
    return Zygote(
        scorer.ENTRY, preload=scorer.PRELOAD, prepare=scorer.PREPARE, environment=environment, limits=limits,
        readable=(tables,),
    )  # fmt: skip


@contextmanager
def processes(key: PrivateKey, folder: Path) -> Iterator[Mapping[str, Work]]:
    """What the service has done in processes of their own, as it asks them."""
    public, owner = key.public, Owner(key)
    step = owner.encrypt([3])[0]
    ciphertexts = owner.encrypt([1])
    while len(ciphertexts) < ROWS:
        ciphertexts.append(ciphertexts[-1] * step % public.square)
    path = folder / "rows.sealed"
    path.write_bytes(bulk.write(ciphertexts, public))
    sets = [bytes(b"".join(row.to_bytes(4, "little") for row in range(group, ROWS, 200))) for group in range(200)]
    drawn = random.Random(1)
    points = ciphertexts[: 1 + FEATURES * BINS]
    slots = layout.slots(public)
    packs = tuple(
        tuple(tuple(drawn.randrange(BINS) for _ in range(FEATURES)) for _ in range(slots))
        for _ in range(scorer.PACKS)
    )
    job = scorer.Job("m", int(public.n), (BINS,) * FEATURES, tuple(points), packs, tuple(ciphertexts[: len(packs)]))
    elements = oprf.blind([value_of(subject) for subject in subjects(IDS)]).elements
    with (
        zygote(adding.ENTRY, adding.PRELOAD, (folder,)) as adders,
        scorer_zygote(folder) as scorers,
        CheckerPool(adders, size=1, lifetime=1) as adding_pool,
        CheckerPool(scorers, size=1, reply_cap=scorer.REPLY_CAP) as scoring_pool,
        matchers(folder) as match_pool,
    ):
        add = AddInProcesses(adding_pool, 60, 1)

        def match() -> None:
            with match_pool.open(60, threading.Event()) as session:
                session.ask(matcher.KEY + b"bench", 64)
                session.ask(matcher.ELEMENTS + elements, 1)
                session.ask(matcher.EVALUATE + elements, matcher.CHUNK_BYTES)

        yield {
            "grouped sum of 20,000 rows": lambda: add(path, public, 1, 0, sets),
            "scoring, and its table": lambda: scoring_pool.ask(scorer.job_to_bytes(job), 60),
            "matching: a thousand ids evaluated": match,
        }


def client(key: PrivateKey) -> Mapping[str, Work]:
    """What an institution does on its own machine."""
    owner = Owner(key)
    ciphertexts = owner.encrypt(range(64))
    evaluator = oprf.Evaluator.of(bytes(range(32)))
    blinded = oprf.blind([value_of(subject) for subject in subjects(MATCHED)])
    answer = evaluator.evaluate(blinded.elements)
    rows = [{"n": number} for number in range(ROWS)]

    def upload() -> None:
        with with_encrypted(encode(rows), {"n": 0}, key):
            pass

    return {
        "client: making a key": partial(generate_key, key.public.bits),
        "client: reading a key": lambda: PrivateKey.from_jwk(key.to_jwk()),
        "client: proving a key": lambda: proofs.prove(key, "bench"),
        "client: encrypting, tables and all": lambda: Owner(key).encrypt(range(200)),
        "client: opening": lambda: Owner(key).decrypt(ciphertexts),
        "client: an upload of 20,000 numbers encrypted": upload,
        "client: blinding 500 ids": lambda: oprf.blind([b"%d" % number for number in range(MATCHED)]),
        "client: finishing 500 ids": lambda: oprf.finalize(blinded, answer, evaluator.public),
        "client: evaluating 500 of a list": lambda: evaluator.evaluate(blinded.elements),
    }


def measured(key: PrivateKey, rounds: int) -> tuple[Waits, dict[str, Waits]]:
    """Beside nothing, and beside each path of the service, which its own process or others go."""
    with tempfile.TemporaryDirectory() as folder, answering() as stub, processes(key, Path(folder)) as others:
        idle = waits(None, stub, rounds)
        return idle, {name: waits(work, stub, rounds) for name, work in {**kernel(key), **others}.items()}


def main() -> None:
    """Run each path beside a thread and a small call, report the longest waits."""
    told = arguments(__doc__ or "", bits="size of the key, 2048 if not given")
    rounds = ROUNDS_FULL if told.full else ROUNDS
    sys.setswitchinterval(TURN_S)
    key = generate_key(told.bits or 2048)
    idle, served = measured(key, rounds)
    with answering() as stub:
        own = {name: waits(work, stub, rounds) for name, work in client(key).items()}
    gil, rpc = (max(served, key=lambda name: getattr(served[name], field)) for field in ("gil", "rpc"))
    rows = [
        {"beside": name, "lock, ms": one.gil, "small call, ms": one.rpc}
        for name, one in {"nothing": idle, **served, **own}.items()
    ]
    figures: dict[str, float | int | str | None] = {
        "gil_stall_ms": round(served[gil].gil, 2),
        "gil_worst": gil,
        "rpc_stall_ms": round(served[rpc].rpc, 2),
        "rpc_worst": rpc,
        "gil_idle_ms": round(idle.gil, 2),
        "rpc_idle_ms": round(idle.rpc, 2),
        "client_gil_stall_ms": round(max(one.gil for one in own.values()), 2),
    }
    report("the longest waits beside long calls", rows, figures)


if __name__ == "__main__":
    main()

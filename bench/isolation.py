"""What the layers of isolation cost a question: the same query with every layer of this host and with none.

Workers stand ready, as in a warm pool, and each answers one question over a snapshot of a thousand rows; the two
kinds take turns. `overhead_p50_ms` is the median over the pairs of what the layers add between sending the job and
having the answer (goal: at most 2 ms) and `ratio` that of the times; `answer_p50_ms` is the answer with the layers.
`warm_start_ms` is from the fork to readiness with the layers and `plain_start_ms` without: neither is on a
question's way. `zygote_start_ms` and `probe_ms` are paid when the service starts. Limits (memory, processor time,
files) are on in both. `layers` says how many layers this host gives.
"""

import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb

from bench.report import arguments, paired, quantile, report
from louver_sandbox.engines import WORKER_ENTRY, WORKER_ENVIRONMENT, WORKER_PRELOAD, WORKER_PREPARE
from louver_sandbox.engines.engine import Job, Source, encode_job
from louver_sandbox.processes.child import await_ready, decode_reply
from louver_sandbox.processes.isolation.probe import kernel_layers
from louver_sandbox.processes.zygote import Child, Zygote, offered_layers

PAIRS, PAIRS_FULL = 300, 2000
BATCH = 10
QUERY = 'SELECT "g" AS "g", count(*) AS "n" FROM "s1"."main"."data" GROUP BY "g" ORDER BY "g"'
WAIT_S = 30.0


class Workers:
    """Ready workers of one kind, and how long each took to become so."""

    def __init__(self, snapshot: Path, layers: frozenset[str]) -> None:
        source = Source("s1", str(snapshot))
        self._job = encode_job(Job((source,), (QUERY,), 1000, 1 << 20, 256, 2, 20_000))
        self._zygote = Zygote(
            WORKER_ENTRY,
            preload=WORKER_PRELOAD,
            prepare=WORKER_PREPARE,
            environment=WORKER_ENVIRONMENT,
            readable=(snapshot.parent,),
            layers=layers,
        )
        begin = time.perf_counter()
        self._zygote.start()
        self.zygote_s = time.perf_counter() - begin
        self._ready: deque[Child] = deque()
        self.starts: list[float] = []

    def fill(self) -> None:
        """Make a batch of workers, one after the other."""
        for _ in range(BATCH):
            begin = time.perf_counter()
            child = self._zygote.spawn()
            await_ready(child.channel, time.monotonic() + WAIT_S)
            self.starts.append(time.perf_counter() - begin)
            self._ready.append(child)

    def answer(self) -> None:
        """One question to one worker, which is dead afterwards."""
        with self._ready.popleft() as child:
            child.channel.send(self._job)
            reply = child.channel.receive(1 << 20, deadline=time.monotonic() + WAIT_S)
            decode_reply(reply)

    def close(self) -> None:
        """Ends them all."""
        self._zygote.close()


def _timed(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def main() -> None:
    """Ask both kinds in turn, report."""
    pairs = PAIRS_FULL if arguments(__doc__ or "").full else PAIRS
    probe_s = _timed(kernel_layers)
    layers = offered_layers()
    with tempfile.TemporaryDirectory(prefix="louver-isolation-") as folder:
        snapshot = Path(folder) / "data.duckdb"
        with duckdb.connect(str(snapshot)) as connection:
            connection.execute("CREATE TABLE data AS SELECT range AS id, range % 10 AS g FROM range(1000)")
        confined, plain = Workers(snapshot, layers), Workers(snapshot, frozenset())
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(pairs // BATCH):
            confined.fill()
            plain.fill()
            taken = paired(confined.answer, plain.answer, pairs=BATCH)
            ours += taken.ours
            theirs += taken.theirs
        confined.close()
        plain.close()
    added = [a - b for a, b in zip(ours, theirs, strict=True)]
    rows = [_row("every layer", ours, confined), _row("limits only", theirs, plain)]
    figures = {
        "overhead_p50_ms": round(1000 * median(added), 2),
        "ratio": round(median(a / b for a, b in zip(ours, theirs, strict=True)), 3),
        "answer_p50_ms": round(1000 * median(ours), 2),
        "warm_start_ms": round(1000 * median(confined.starts), 1),
        "plain_start_ms": round(1000 * median(plain.starts), 1),
        "zygote_start_ms": round(1000 * confined.zygote_s),
        "probe_ms": round(1000 * probe_s),
        "layers": len(layers),
        "pairs": len(ours),
    }
    report("isolation", rows, figures)


def _row(what: str, taken: list[float], workers: Workers) -> dict[str, object]:
    return {
        "what": what,
        "answer p50 ms": 1000 * quantile(taken, 0.5),
        "answer p99 ms": 1000 * quantile(taken, 0.99),
        "fork to ready p50 ms": 1000 * quantile(workers.starts, 0.5),
    }


if __name__ == "__main__":
    main()

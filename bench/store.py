"""The state store: questions committed in a second, on a file and on PostgreSQL, by one service and by several.

A question is what the line writes to the log for it: an admission in one transaction, its outcome in another, and the
signed head over both. `questions_per_s` is of one store with 8 threads, `shared_per_s` of 8 stores of 8 threads each
on one database, in one process (so the interpreter's lock is measured with it); `alone_p50_ms` and `alone_p99_ms` are
of one who asks alone. The server is the wheel's, on this disk, with `fsync` on. `--full` asks ten times as often.
"""

import secrets
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

from tests.support import postgres
from tests.support.audit_logs import answer, open_log

from bench.report import arguments, report
from louver_sandbox.store import State

EACH = 40
THREADS = 8
SERVICES = 8


def asked(places: list[State], each: int) -> list[float]:
    """Seconds of each question when all threads of all services ask at once."""
    seconds: list[float] = []

    def client(state: State, number: int) -> None:
        log = open_log(state, randomness=secrets.token_bytes)
        for turn in range(each):
            begun = time.perf_counter()
            answer(log, 1_000_000 * number + turn)
            log.head()
            seconds.append(time.perf_counter() - begun)

    threads = [
        threading.Thread(target=client, args=(state, place * THREADS + number))
        for place, state in enumerate(places)
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


def measured(place: Path | str, services: int, each: int) -> dict[str, float | str]:
    """Figures of one database."""
    states = [State.open(place, busy_timeout_s=300) for _ in range(services)]
    found: dict[str, float | str] = {}
    try:
        for name, used in (("questions_per_s", states[:1]), ("shared_per_s", states if services > 1 else [])):
            found[name] = "-"
            if used:
                begun = time.perf_counter()
                done = asked(used, each)
                found[name] = round(len(done) / (time.perf_counter() - begun))
        log, alone = open_log(states[0], randomness=secrets.token_bytes), []
        for turn in range(100):
            begun = time.perf_counter()
            answer(log, -1 - turn)
            alone.append(1000 * (time.perf_counter() - begun))
        found["alone_p50_ms"], found["alone_p99_ms"] = round(median(alone), 2), round(quantiles(alone, n=100)[98], 2)
    finally:
        for state in states:
            state.close()
    return found


def main() -> None:
    """Prints the figures of both."""
    each = EACH * (10 if arguments(__doc__ or "").full else 1)
    with tempfile.TemporaryDirectory() as folder:
        rows: list[dict[str, float | str]] = [{"store": "file", **measured(Path(folder) / "state.db", 1, each)}]
    if not postgres.missing():
        with postgres.server(in_memory=False) as server:
            rows.append({"store": "postgresql", **measured(server.database(), SERVICES, max(1, each // 4))})
    figures = {f"{row['store']}_{name}": value for row in rows for name, value in row.items() if name != "store"}
    report("questions committed", rows, figures)


if __name__ == "__main__":
    main()

"""The log: appending, proving, verifying an export offline, and searching as an auditor does.

A year of questions (`tests/support/audited.py`; three of four entries are admissions and their outcomes) is appended
to a state store on this disk: first some entries that each wait for their own fsync, in turns with the disk's own
(`append_fsync_per_s`, `fsync_per_s`, and `append_over_fsync`, the median over the pairs), then the rest a hundred to
a transaction (`append_group_per_s`). `index_per_s` is how fast what auditors search by follows. `proof_p50_ms` is an
inclusion proof under the newest head, `verify_s_per_million` the verification of the exported file with the client
package alone (entries, tree, heads, ledger totals), `search_ms` the slowest of the searches' medians: one page of 50
with counts by every facet; `search_cpu_ms` the same in time of the processor, for a machine that others use;
`over_time_cpu_ms` the slower of a year by days and a week by hours; `prune_per_s` how many entries a second are
pruned, in time of the processor. 100,000 entries; `--full` a million; `--entries N` others. With
`LOUVER_BENCH_STATE=FILE` all is over a state store that `bench.console` has left there, to which so many entries
are added (and whose first refusals are pruned).
"""

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from sqlalchemy import func, select
from tests.support.audit_logs import KEY, ORIGIN
from tests.support.audited import BANKS, CODES, TABLES, Bodies, bodies, fill, year_log

from bench.report import Pairs, arguments, paired, quantile, report
from louver.transparency.whole_log import verify_export
from louver_sandbox.audit import AuditLog, export_log
from louver_sandbox.auditing import index, search
from louver_sandbox.auditing.search import Filter
from louver_sandbox.auditing.timeline import timeline
from louver_sandbox.journal import Books
from louver_sandbox.retention import pruning
from louver_sandbox.service import audit_told
from louver_sandbox.store import State, schema

ENTRIES, ENTRIES_FULL = 100_000, 1_000_000
ALONE = 500
BYTES = 8192
"""What the disk makes durable beside: two pages of the log's journal."""
PROOFS = 300
HEADS = 200
REPEATS = 7
SEARCHES = {
    "everything": Filter(),
    "refusals": Filter({"verdict": ("refused",)}),
    "one bank's refusals of one code": Filter({"institution": BANKS[:1], "code": CODES[:1]}),
    "one dataset": Filter(datasets=TABLES[:1]),
    "one dataset in April": Filter(datasets=TABLES[:1], since="2026-04-01", until="2026-05-01"),
    "an hour": Filter(since="2026-04-01T10:00:00.000000Z", until="2026-04-01T11:00:00.000000Z"),
    "costly": Filter(least_cost=9),
    "nobody": Filter({"institution": ("nobody",)}),
    "a frequent word": Filter(text="select"),
    "two words": Filter({"verdict": ("answered",)}, text="tax_credit 朝阳区"),
    "a beginning": Filter(text="rati*"),
    "two words that never meet": Filter({"institution": BANKS[:1]}, text="tax_credit population"),
    "a request": Filter(request_id="request-17"),
}
CHARTS = (
    (Filter(since="2026-01-01", until="2027-01-01"), False),
    (Filter({"institution": BANKS[:1]}, since="2026-04-01", until="2026-04-08"), True),
)


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def alone(log: AuditLog, source: Bodies, folder: Path) -> Pairs:
    """Entries that each wait for their own fsync, in turns with the disk making as many bytes durable: what others do
    to the disk meanwhile, they do to both."""
    with (folder / "fsync").open("wb", buffering=0) as file:

        def once() -> None:
            file.write(b"x" * BYTES)
            os.fsync(file.fileno())

        return paired(lambda: fill(log, 1, group=1, source=source), once, pairs=ALONE)


def together(log: AuditLog, source: Bodies, entries: int) -> float:
    """Entries a second, a hundred to a transaction; heads are signed on the way."""
    rest, spent = entries - ALONE, 0.0
    for part in range(HEADS):
        count = rest // HEADS + (part < rest % HEADS)
        spent += timed(lambda count=count: fill(log, count, source=source))  # type: ignore[misc]
        log.head()
    return rest / spent


def indexed(state: State) -> float:
    """Entries a second that the index takes."""
    begin, taken = time.perf_counter(), 0
    while found := index.catch_up(state, 20_000):
        taken += found
    return taken / (time.perf_counter() - begin)


def searched(state: State, wanted: Filter) -> None:
    """What one call of SearchEntries reads."""
    with state.reading() as tx:
        page = search.page(tx, wanted, None, 50)
        audit_told.lines(tx, page.entries)
        audit_told.counted(search.counts(tx, wanted))


def search_times(state: State, wanted: Filter) -> tuple[float, float]:
    """Median seconds of a search, by the clock and of the processor."""
    taken, used = [], []
    for _ in range(REPEATS):
        begin = time.process_time()
        taken.append(timed(lambda: searched(state, wanted)))
        used.append(time.process_time() - begin)
    return median(taken), median(used)


def over_time_seconds(state: State, wanted: Filter, hours: bool) -> float:
    """Median seconds of the processor of counting over time."""
    used = []
    for _ in range(REPEATS):
        begin = time.process_time()
        with state.reading() as tx:
            timeline(tx, wanted, hours=hours)
        used.append(time.process_time() - begin)
    return median(used)


def went_on(log: AuditLog) -> Bodies:
    """The entries after those that the log has already; auditors' looks and prunings came between."""
    with log.state.reading() as tx:
        made = tx.execute(
            select(func.count()).where(schema.entries.c.kind.not_in(("audit_look", "pruning")))
        ).scalar_one()
    source = bodies(random.Random(7))
    for _ in range(made):
        next(source)
    return source


def main() -> None:
    """Measures and reports."""
    options = arguments(__doc__ or "", entries="how many entries")
    entries = options.entries or (ENTRIES_FULL if options.full else ENTRIES)
    kept = os.environ.get("LOUVER_BENCH_STATE")
    with tempfile.TemporaryDirectory() as name, State.open(Path(kept or f"{name}/state.db")) as state:
        folder = Path(name)
        log = year_log(state, entries)
        source = went_on(log)
        single = alone(log, source, folder)
        grouped = together(log, source, entries)
        follows = indexed(state)
        entries = log.size()
        draw = random.Random(1)
        proofs = [timed(lambda: log.receipt(draw.randrange(entries), ())) for _ in range(PROOFS)]
        over = [over_time_seconds(state, *chart) for chart in CHARTS]
        times = {what: search_times(state, wanted) for what, wanted in SEARCHES.items()}
        file = folder / "log.jsonl"
        with file.open("wb") as target:
            target.writelines(export_log(state, ORIGIN))
        begin = time.perf_counter()
        with file.open("rb") as lines:
            found = verify_export(lines, KEY)
        verified = time.perf_counter() - begin
        begin = time.process_time()
        emptied = pruning.by_age(Books(state, log), {"refusal": "2026-04-01"}, execute=True).pruned["refusal"]
        pruned_per_s = emptied / (time.process_time() - begin)
        size = Path(kept or folder / "state.db").stat().st_size / 2**20
    report(
        f"an auditor's searches of {entries:,} entries (page and counts)",
        [{"search": what, "ms": 1000 * taken, "cpu ms": 1000 * used} for what, (taken, used) in times.items()],
        {
            "entries": entries,
            "fsync_per_s": 1 / median(single.theirs),
            "append_fsync_per_s": 1 / median(single.ours),
            "append_over_fsync": single.ratio,
            "append_group_per_s": grouped,
            "index_per_s": follows,
            "proof_p50_ms": 1000 * quantile(proofs, 0.5),
            "verify_s_per_million": verified * 1_000_000 / entries,
            "verified": found.size if found.size == found.covered else 0,
            "contradictions": len(found.findings),
            "search_ms": 1000 * max(taken for taken, _ in times.values()),
            "search_cpu_ms": 1000 * max(used for _, used in times.values()),
            "over_time_cpu_ms": 1000 * max(over),
            "prune_per_s": pruned_per_s,
            "state_mib": size,
        },
    )


if __name__ == "__main__":
    main()

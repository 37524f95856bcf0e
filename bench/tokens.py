"""Uploading ids as tokens beside uploading them as they are; processor time, taken alternately in one process.

Keys, of a different id: `client_us` (read, blinded, finished with its proof verified, written), `server_us`
(evaluated with its share of the proof), `table_us` (a published id's place in the table that workers read tokens by).
Of a row: `raw_row_us` (sent and taken in as it is), `token_row_us` (the same with its token, once that is made).
`upload_x` is the whole upload with tokens over the raw one, both sides together, `bytes_x` what is sent over it.
`join_raw_ms` and `join_ms` are one join with a published table over ids and over tokens, `join_x` this over that.
`spread_x`: processor time of blinding and finishing 8,000 ids in one process, over that of one of two processes that
do it together.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.report import arguments, report
from louver.encoding import encode
from louver.matching import oprf, spread
from louver.tokens.columns import with_tokens
from louver_sandbox.engines.duckdb import DuckDbEngine, open_hardened
from louver_sandbox.engines.engine import Job as Question
from louver_sandbox.engines.engine import Source, Translation
from louver_sandbox.matching.oprf import JOIN_USE, Key
from louver_sandbox.matching.token_main import Job as Building
from louver_sandbox.matching.token_main import build
from louver_sandbox.publishing.record_keys import create_key
from louver_sandbox.uploads.ingest import Job as Ingesting
from louver_sandbox.uploads.ingest import ingest, table_path

IDS, IDS_FULL = 4_000, 50_000
ROWS_PER_ID = 5
ROUNDS, ROUNDS_FULL = 3, 7
SEED = bytes(range(32))
SCOPE = ("bank_a", "uscc")
JOIN = (
    "SELECT t.grade, count(*), count(DISTINCT l.id_no) FROM s1.data l JOIN s2.data t ON t.uscc = l.id_no GROUP BY 1"
)


def cpu(work: Callable[[], object]) -> float:
    """Processor seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def book(ids: int) -> pa.Table:
    """Loans, five for each firm."""
    rows = ids * ROWS_PER_ID
    names = [f"91370200MA{number % ids:07d}X" for number in range(rows)]
    return pa.table({"id_no": names, "balance": list(range(rows))})


@dataclass
class Uploads:
    """One upload of each kind, in a folder; `evaluating` are the seconds of the platform's side of the last."""

    folder: Path
    key: Key
    table: pa.Table
    evaluating: float = 0.0
    sent: tuple[int, int] = (0, 0)
    kept: tuple[str, str] = ("", "")

    def evaluate(self, element: str, values: Sequence[bytes]) -> tuple[list[bytes], str]:
        """Both sides of the function."""
        blinded = oprf.blind(values)
        begin = time.process_time()
        evaluated = self.key.evaluate(blinded.elements)
        self.evaluating = time.process_time() - begin
        return oprf.finalize(blinded, evaluated, self.key.public), self.key.public.hex()

    def raw(self) -> float:
        """Seconds of sending and taking in."""
        return cpu(lambda: self._take(0, self._encoded()))

    def tokens(self) -> tuple[float, float]:
        """Seconds of making tokens, and of sending and taking in the table with them."""
        content = b""

        def make() -> None:
            nonlocal content
            with encode(self.table) as clear, with_tokens(clear, {"id_no": "uscc"}, self.evaluate).content as made:
                made.seek(0)
                content = made.read()

        return cpu(make), cpu(lambda: self._take(1, content))

    def _encoded(self) -> bytes:
        with encode(self.table) as made:
            made.seek(0)
            return made.read()

    def _take(self, kind: int, content: bytes) -> None:
        spool = self.folder / "spool"
        spool.write_bytes(content)
        digest = ingest(Ingesting(spool, self.folder / "own")).digest
        sent, kept = list(self.sent), list(self.kept)
        sent[kind], kept[kind] = len(content), digest
        self.sent, self.kept = (sent[0], sent[1]), (kept[0], kept[1])


def published(folder: Path, ids: int) -> Path:
    """A snapshot of grades of half the firms and as many others."""
    path = folder / "graded.duckdb"
    names = [f"91370200MA{number + ids // 2:07d}X" for number in range(ids)]
    rows = pa.table({"uscc": names, "grade": ["AB"[number % 2] for number in range(ids)]})
    with duckdb.connect(str(path)) as connection:
        connection.register("rows", rows)
        connection.execute("CREATE TABLE main.data AS FROM rows")
    return path


def joined(loans: Path, graded: Path, tokens: tuple[Translation, ...]) -> float:
    """Seconds of one join as a worker runs it."""
    job = Question(
        (Source("s1", str(loans), tokens), Source("s2", str(graded))), (JOIN,), 100, 1 << 20, 512, 1, 60_000
    )
    with open_hardened() as connection:
        engine = DuckDbEngine(connection)
        return cpu(lambda: engine.execute(job))


def measured(folder: Path, ids: int, rounds: int) -> dict[str, float]:
    """The figures."""
    uploads = Uploads(folder, Key(SEED, JOIN_USE, *SCOPE), book(ids))
    graded = published(folder, ids)
    create_key(folder / "join.key", randomness=lambda size: SEED)
    building = Building(str(graded), "uscc", str(folder / "join.key"), *SCOPE, str(folder / "tokens.duckdb"))
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        raw = uploads.raw()
        making, taking = uploads.tokens()
        table = cpu(lambda: build(building))
        paths = [table_path(folder / "own", digest) for digest in uploads.kept]
        translation = (Translation("id_no", (building.target,)),)
        plain, translated = joined(paths[0], graded, ()), joined(paths[1], graded, translation)
        rows = ids * ROWS_PER_ID
        for name, value in (
            ("client_us", (making - uploads.evaluating) / ids * 1e6),
            ("server_us", uploads.evaluating / ids * 1e6),
            ("table_us", table / ids * 1e6),
            ("raw_row_us", raw / rows * 1e6),
            ("token_row_us", taking / rows * 1e6),
            ("upload_x", (making + taking) / raw),
            ("bytes_x", uploads.sent[1] / uploads.sent[0]),
            ("join_raw_ms", plain * 1e3),
            ("join_ms", translated * 1e3),
            ("join_x", translated / plain),
        ):
            taken.setdefault(name, []).append(value)
        for path in paths:
            path.unlink()
    return {name: round(statistics.median(values), 2) for name, values in taken.items()}


def spread_x() -> float:
    """How much shorter the way is through two processes, by processor time, so that other work on a machine plays no
    part."""
    key = Key(SEED, JOIN_USE, *SCOPE)
    values = [b"subject\0%d" % number for number in range(2 * spread.LEAST)]
    paths = []
    for processes in (1, 2):
        before = os.times()
        blinded = spread.blind(values, None, processes)
        begin = time.process_time()
        evaluated = key.evaluate(blinded.elements)
        evaluating = time.process_time() - begin
        blinded.finish(evaluated, key.public)
        blinded.close()
        after = os.times()
        children = after.children_user + after.children_system - before.children_user - before.children_system
        own = after.user + after.system - before.user - before.system
        paths.append(own - evaluating + children / processes)
    return paths[0] / paths[1]


def main() -> None:
    """Time both kinds, report."""
    full = arguments(__doc__ or "").full
    ids, rounds = (IDS_FULL, ROUNDS_FULL) if full else (IDS, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder), ids, rounds)
    figures["spread_x"] = round(statistics.median(spread_x() for _ in range(3)), 2)
    per_second = {name: round(1e6 / figures[name]) for name in ("client_us", "server_us", "table_us")}
    rows = [
        {"a different id": name.removesuffix("_us"), "us": figures[name], "a second": rate}
        for name, rate in per_second.items()
    ]
    report("ids as tokens beside ids as they are", rows, figures)


if __name__ == "__main__":
    main()

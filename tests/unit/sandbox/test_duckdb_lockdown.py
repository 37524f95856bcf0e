"""The engine runs one SELECT over the snapshots it was given, within its caps, and its lock is real."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from louver_sandbox.engines import WORKER_ENVIRONMENT
from louver_sandbox.engines.duckdb import DuckDbEngine, NotLocked, lock, open_hardened, prove_lock
from louver_sandbox.engines.engine import EngineFailed, Job, Source

Run = Callable[..., pa.Table]


def make_snapshot(path: Path, rows: int = 1000) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE TABLE data AS SELECT range AS id, (range % 7)::VARCHAR AS g, 'canary' || range AS c "
            f"FROM range({rows})"
        )
    return path


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_snapshot(tmp_path_factory.mktemp("snapshots") / "it's one.duckdb")


@pytest.fixture
def hardened() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_hardened() as connection:
        yield connection


def job(snapshot: Path, sql: str, *, row_cap: int = 100, byte_cap: int = 100_000, timeout_ms: int = 5000) -> Job:
    return Job((Source("s1", str(snapshot)),), (sql,), row_cap, byte_cap, 256, 1, timeout_ms)


def run(connection: duckdb.DuckDBPyConnection, one: Job) -> pa.Table:
    return pa.ipc.open_stream(DuckDbEngine(connection).execute(one)).read_all()


def failure_of(connection: duckdb.DuckDBPyConnection, one: Job) -> str:
    with pytest.raises(EngineFailed) as failed:
        run(connection, one)
    assert "canary" not in str(failed.value)
    assert failed.value.__cause__ is None
    return failed.value.kind


def test_the_lock_is_proved_by_trying() -> None:
    prove_lock()


PREPARED = """
import os
from louver_sandbox.engines import duckdb, worker
from louver_sandbox.engines.duckdb import NotLocked

assert len(os.listdir("/proc/self/task")) == 1
duckdb._LOCK = {lock}
worker.prove_lock = lambda: duckdb.prove_lock() or duckdb.Leftover.append(1)
duckdb.Leftover = []
try:
    worker.prepare().close()
    print("prepared", len(duckdb.Leftover))
except NotLocked:
    print("refused")
"""


@pytest.mark.parametrize(("lock", "said"), [("duckdb._LOCK", "prepared 0\n"), ("duckdb._LOCK[2:]", "refused\n")])
def test_a_zygote_proves_the_lock_in_a_copy_of_itself(lock: str, said: str) -> None:
    """Nothing of the proof stays in what every worker is forked from, and a lock that does not hold is known."""
    environment = {**os.environ, **WORKER_ENVIRONMENT}
    ran = subprocess.run(
        [sys.executable, "-c", PREPARED.format(lock=lock)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == said


def test_a_hardened_connection_starts_no_thread(hardened: duckdb.DuckDBPyConnection) -> None:
    before = len(os.listdir("/proc/self/task"))
    with open_hardened() as another:
        another.sql("SELECT count(*) FROM range(100000)").fetchall()
        assert len(os.listdir("/proc/self/task")) == before


def test_a_limit_holds_beside_an_outer_join_that_finds_nothing(
    hardened: duckdb.DuckDBPyConnection, snapshot: Path
) -> None:
    """DuckDB 2.0 would drop it: no `g` is above '6', so it takes the whole join for empty."""
    sql = (
        'SELECT "t"."id" AS "id" FROM "s1"."main"."data" AS "t" LEFT JOIN (SELECT "d"."id" AS "id" '
        'FROM "s1"."main"."data" AS "d" WHERE "d"."g" > \'6\') AS "u" ON "t"."id" = "u"."id" LIMIT 3'
    )
    assert run(hardened, job(snapshot, sql, row_cap=2000)).num_rows == 3


def test_subqueries_over_the_same_rows_have_columns_of_their_own(
    hardened: duckdb.DuckDBPyConnection, snapshot: Path
) -> None:
    """DuckDB 2.0 would run the join once and count the `id` of `t` where that of `u`, which is missing, is asked for."""
    rows = (
        'FROM "s1"."main"."data" AS "t" LEFT JOIN "s1"."main"."data" AS "u" ON "t"."id" = "u"."id" '
        'AND "t"."g" = \'1\' WHERE "u"."c" IS NULL'
    )
    sql = (
        f'SELECT "l"."a" AS "a", "r"."n" AS "n" FROM (SELECT avg("t"."id") AS "a" {rows}) AS "l" '
        f'CROSS JOIN (SELECT count(*) FILTER (WHERE "u"."id" <= 100) AS "n" {rows}) AS "r"'
    )
    assert run(hardened, job(snapshot, sql)).column("n").to_pylist() == [0]


def test_an_answer_comes_back_as_arrow(hardened: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    sql = (
        'SELECT "t"."g" AS "g", count(*) AS "n", sum(CAST("t"."id" AS HUGEINT)) AS "s" '
        'FROM "s1"."main"."data" AS "t" GROUP BY "t"."g" ORDER BY "t"."g"'
    )
    table = run(hardened, job(snapshot, sql))
    assert table.column("n").to_pylist() == [143] * 6 + [142]
    assert int(sum(table.column("s").to_pylist())) == 499_500
    assert table.schema.field("s").type == pa.decimal128(38, 0)


def test_two_sources_can_be_joined(hardened: duckdb.DuckDBPyConnection, snapshot: Path, tmp_path: Path) -> None:
    other = make_snapshot(tmp_path / "other.duckdb", rows=10)
    one = Job(
        (Source("s1", str(snapshot)), Source("s2", str(other))),
        (
            'SELECT count(*) AS "n" FROM "s1"."main"."data" AS "a" '
            'JOIN "s2"."main"."data" AS "b" ON "a"."id" = "b"."id"',
        ),
        10,
        10_000,
        256,
        2,
        5000,
    )
    assert run(hardened, one).column("n").to_pylist() == [10]


def test_several_statements_answer_one_behind_the_other(hardened: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    several = replace(job(snapshot, ""), statements=('SELECT 1 AS "a"', 'SELECT 2 AS "b" FROM range(0)', "SELECT 3"))
    source = pa.BufferReader(DuckDbEngine(hardened).execute(several))
    found = [pa.ipc.open_stream(source).read_all() for _ in several.statements]
    assert [table.num_rows for table in found] == [1, 0, 1]
    assert source.tell() == source.size()


@pytest.mark.parametrize(("statements", "kind"), [(2, None), (3, "too_large")])
def test_the_caps_hold_for_all_statements_together(snapshot: Path, statements: int, kind: str | None) -> None:
    several = replace(job(snapshot, "", row_cap=100), statements=("SELECT * FROM range(50)",) * statements)
    with open_hardened() as connection:
        if kind is None:
            DuckDbEngine(connection).execute(several)
        else:
            assert failure_of(connection, several) == kind


def test_a_later_statement_is_no_way_out(hardened: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    several = replace(job(snapshot, ""), statements=("SELECT 1", "SET threads = 8"))
    assert failure_of(hardened, several) == "error"


def test_rows_up_to_the_cap_and_not_one_more(snapshot: Path) -> None:
    for rows, expected in ((100, None), (101, "too_large")):
        with open_hardened() as connection:
            one = job(snapshot, f'SELECT "id" FROM "s1"."main"."data" LIMIT {rows}')
            if expected is None:
                assert run(connection, one).num_rows == rows
            else:
                assert failure_of(connection, one) == expected


def test_bytes_up_to_the_cap(hardened: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    one = job(snapshot, "SELECT repeat('x', 10000) AS \"x\"", byte_cap=10_000)
    assert failure_of(hardened, one) == "too_large"


def test_the_engines_own_time_limit_is_told_as_a_timeout(hardened: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    sql = "SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range + b.range = 7"
    assert failure_of(hardened, job(snapshot, sql, timeout_ms=100)) == "timeout"


def test_the_engines_own_memory_limit_is_told_as_memory(hardened: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    sql = "SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(20000000)) t"
    assert failure_of(hardened, job(snapshot, sql)) == "memory"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "",
        "SELECT nothing FROM nowhere",
        'SELECT CAST("c" AS INTEGER) FROM "s1"."main"."data"',
        'DELETE FROM "s1"."main"."data"',
        'WITH z AS (DELETE FROM "s1"."main"."data" RETURNING id) SELECT id FROM z',
        "CREATE TEMP TABLE t AS SELECT 1",
        "EXPLAIN SELECT 1",
    ],
)
def test_any_other_statement_and_any_engine_error_is_one_word(
    hardened: duckdb.DuckDBPyConnection, snapshot: Path, sql: str
) -> None:
    assert failure_of(hardened, job(snapshot, sql)) == "error"


def test_a_snapshot_must_be_a_plain_file_without_a_log(snapshot: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(snapshot)
    logged = make_snapshot(tmp_path / "logged.duckdb")
    (tmp_path / "logged.duckdb.wal").write_bytes(b"")
    text = tmp_path / "text.duckdb"
    text.write_text("a,b\n1,2\n")
    for path in (link, logged, text, tmp_path, tmp_path / "absent.duckdb"):
        with open_hardened() as connection:
            assert failure_of(connection, job(path, "SELECT 1")) == "error"


def test_a_setting_that_does_not_hold_is_found(hardened: duckdb.DuckDBPyConnection) -> None:
    hardened.execute("SET lock_configuration = true")
    with pytest.raises(NotLocked):
        lock(hardened)


def test_the_last_layers_go_on_after_the_lock_and_before_the_question(
    hardened: duckdb.DuckDBPyConnection, snapshot: Path
) -> None:
    seen: list[str] = []

    def seal() -> None:
        with pytest.raises(duckdb.Error):
            hardened.execute("SET threads = 1")
        seen.extend(row[0] for row in hardened.execute("SELECT database_name FROM duckdb_databases()").fetchall())

    DuckDbEngine(hardened, seal=seal).execute(job(snapshot, "SELECT 1 AS a"))
    assert "s1" in seen

"""What if hostile SQL reaches a worker after all?

The checker refuses every statement here long before (SECURITY section 5, rule 2). This file supposes that it
did not: the SQL is handed straight to a worker. It must learn nothing but the snapshot it was given, change
nothing, reach nobody, end in time and leave the service able to serve the next question. What stops it is
design rule 5: one query, one process, one connection, then death.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from louver_sandbox.engines import WORKER_ENTRY, WORKER_ENVIRONMENT, WORKER_PRELOAD, WORKER_PREPARE
from louver_sandbox.engines.engine import Job, Source, encode_job
from louver_sandbox.processes.pool import WorkerFailed, WorkerPool
from louver_sandbox.processes.zygote import Zygote

CANARY = "CANARY_OF_THE_NEIGHBOUR"
GROUPS = 'SELECT "g" AS "g", count(*) AS "n" FROM "s1"."main"."data" GROUP BY "g" ORDER BY "g"'


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots")
    for name, value in (("mine", "x"), ("neighbour", CANARY)):
        with duckdb.connect(str(folder / f"{name}.duckdb")) as connection:
            connection.execute(f"CREATE TABLE data AS SELECT range AS id, '{value}' AS g FROM range(100)")
    (folder / "neighbour.csv").write_text(f"a\n{CANARY}\n")
    return folder


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(WORKER_ENTRY, preload=WORKER_PRELOAD, prepare=WORKER_PREPARE, environment=WORKER_ENVIRONMENT) as made:
        yield made


@pytest.fixture(scope="module")
def pool(zygote: Zygote) -> Iterator[WorkerPool]:
    with WorkerPool(zygote, size=2, queue=4, per_institution=2) as made:
        yield made


def ask(
    pool: WorkerPool, snapshots: Path, sql: str, *, timeout_ms: int = 20_000, deadline_s: float = 20.0
) -> pa.Table:
    source = Source("s1", str(snapshots / "mine.duckdb"))
    job = encode_job(Job((source,), (sql,), 1000, 100_000, 256, 2, timeout_ms))
    with pool.reserve("bank", time.monotonic() + 30) as slot:
        answer = slot.run(job, deadline_s=deadline_s, cancelled=threading.Event(), reply_cap=100_000)
    return pa.ipc.open_stream(answer).read_all()


def is_served(pool: WorkerPool, snapshots: Path) -> bool:
    return bool(ask(pool, snapshots, GROUPS).to_pylist() == [{"g": "x", "n": 100}])


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


REACHING_OUT = (
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{folder}/mine.duckdb')",
    "SELECT * FROM read_text('{folder}/neighbour.csv')",
    "SELECT * FROM '{folder}/neighbour.csv'",
    "SELECT * FROM '{folder}/neighbour.duckdb'",
    "SELECT * FROM read_duckdb('{folder}/neighbour.duckdb')",
    "SELECT * FROM read_json('{folder}/neighbour.csv')",
    "SELECT * FROM read_parquet('{folder}/neighbour.csv')",
    "SELECT * FROM sniff_csv('{folder}/neighbour.csv')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM query_table(['{folder}/neighbour.csv'])",
    "SELECT getenv('PATH')",
    "SELECT * FROM job",
    "SELECT * FROM request",
    "SELECT * FROM connection",
    "SELECT * FROM s2.main.data",
    "SELECT * FROM parquet_metadata('{folder}/neighbour.csv')",
    "SELECT * FROM enable_logging(storage = 'file', storage_config = {{'path': '{folder}/log'}})",
    "SELECT * FROM duckdb_secrets(redact = false), read_text('{folder}/neighbour.csv')",
    "SELECT * FROM read_text('http://127.0.0.1:9/x')",
    "SELECT * FROM read_csv('s3://bucket/x.csv')",
    "SELECT * FROM sqlite_scan('{folder}/neighbour.duckdb', 'data')",
    "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 't')",
)
CHANGING = (
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY s1.main.data TO '{folder}/out.parquet'",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/neighbour.duckdb' AS n (READ_ONLY)",
    "ATTACH '{folder}/new.duckdb' AS n",
    "ATTACH ':memory:' AS n",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/mine.duckdb'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET memory_limit = '100GB'",
    "RESET ALL",
    "PRAGMA enable_profiling",
    "PRAGMA temp_directory = '{folder}'",
    "UPDATE duckdb_settings() SET value = 'true' WHERE name = 'enable_external_access'",
    "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE TEMP MACRO count(x) AS 7",
    "CREATE TABLE s1.main.mine AS SELECT 1",
    "DROP TABLE s1.main.data",
    "DELETE FROM s1.main.data",
    "DETACH s1",
    "CALL enable_logging(storage = 'file')",
    "CHECKPOINT s1",
    "IMPORT DATABASE '{folder}'",
    "SELECT 1; ATTACH '{folder}/neighbour.duckdb' AS n",
    "WITH z AS (DELETE FROM s1.main.data RETURNING g) SELECT g FROM z",
)


@pytest.mark.parametrize("sql", REACHING_OUT + CHANGING)
def test_hostile_sql_gets_nothing_and_changes_nothing(pool: WorkerPool, snapshots: Path, sql: str) -> None:
    before = listing(snapshots)
    with pytest.raises(WorkerFailed) as failed:
        ask(pool, snapshots, sql.format(folder=snapshots))
    assert failed.value.kind == "error"
    assert str(failed.value) == "worker failed: error"
    assert listing(snapshots) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM duckdb_databases()",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT current_setting('allowed_paths')",
    ],
)
def test_the_catalogue_knows_of_nobody_else(pool: WorkerPool, snapshots: Path, sql: str) -> None:
    seen = str(ask(pool, snapshots, sql).to_pylist())
    assert "neighbour" not in seen
    assert CANARY not in seen


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 1000000000))",
        "SELECT list_sort(range(100000000))[1]",
        "SELECT md5(repeat('x', 2000000000))",
        "SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(20000000)) t",
    ],
)
def test_a_memory_bomb_dies_by_the_limit_and_the_pool_lives_on(pool: WorkerPool, snapshots: Path, sql: str) -> None:
    with pytest.raises(WorkerFailed) as failed:
        ask(pool, snapshots, sql)
    assert failed.value.kind in {"memory", "died"}
    assert is_served(pool, snapshots)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT max(a) AS a FROM r",
        "SELECT levenshtein(repeat('a', 100000), repeat('b', 100000)) AS d",
        "SELECT sleep_ms(20000) AS s",
    ],
)
def test_what_the_engine_cannot_stop_the_kernel_kills_at_the_deadline(
    pool: WorkerPool, snapshots: Path, sql: str
) -> None:
    started = time.monotonic()
    with pytest.raises(WorkerFailed) as failed:
        ask(pool, snapshots, sql, deadline_s=0.5)
    assert failed.value.kind == "timeout"
    assert time.monotonic() - started < 10, "by themselves they go on for twenty seconds or for ever"
    assert is_served(pool, snapshots)


def test_an_answer_too_large_is_refused_in_the_worker(pool: WorkerPool, snapshots: Path) -> None:
    for sql in ("SELECT range AS a FROM range(1001)", "SELECT repeat('x', 200000) AS a"):
        with pytest.raises(WorkerFailed) as failed:
            ask(pool, snapshots, sql)
        assert failed.value.kind == "too_large"


def test_what_one_question_defines_the_next_never_sees(pool: WorkerPool, snapshots: Path) -> None:
    assert ask(pool, snapshots, "SELECT setseed(0.5) AS s").num_rows == 1
    for _ in range(3):
        assert is_served(pool, snapshots)


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def wait_until_gone(processes: set[int]) -> None:
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_killed_in_the_middle_is_one_failed_job(zygote: Zygote, pool: WorkerPool, snapshots: Path) -> None:
    assert is_served(pool, snapshots)
    assert zygote.pid is not None
    failures: list[str] = []

    def hang() -> None:
        with pytest.raises(WorkerFailed) as failed:
            ask(pool, snapshots, "SELECT sleep_ms(20000) AS s")
        failures.append(failed.value.kind)

    job = threading.Thread(target=hang)
    job.start()
    job.join(0.3)
    killed: set[int] = set()
    while job.is_alive():  # On a busy machine the first to be killed may not have had the job yet.
        killed = children_of(zygote.pid)
        for child in killed:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        job.join(1)
    # A kill takes a moment; a job given to a worker that is still dying would be a second victim.
    wait_until_gone(killed)
    assert failures == ["died"]
    assert is_served(pool, snapshots)


def test_a_killed_zygote_is_started_again_and_no_child_survives_it(
    zygote: Zygote, pool: WorkerPool, snapshots: Path
) -> None:
    assert is_served(pool, snapshots)
    before = zygote.pid
    assert before is not None
    orphans = children_of(before)
    os.kill(before, signal.SIGKILL)
    wait_until_gone(orphans)
    assert is_served(pool, snapshots)
    assert zygote.pid != before

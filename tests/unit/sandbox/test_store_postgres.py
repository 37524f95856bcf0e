"""On PostgreSQL several services share one ledger and one log, and outlive the server's restart without a doubt."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.support import postgres
from tests.support.audit_logs import KEY, answer, open_log
from tests.support.installation import eventually
from tests.support.lengths import at_length
from tests.support.postgres import Server
from tests.support.shared_store import LIMIT

from louver_sandbox.accounting import ledger
from louver_sandbox.accounting.one_at_a_time import OneAtATime
from louver_sandbox.audit import verify_log
from louver_sandbox.journal import Books
from louver_sandbox.recount import anchor
from louver_sandbox.store import State, StoreConflict, StoreUnavailable, schema
from louver_sandbox.store.copying import copy_store

pytestmark = pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing())

ROOT = Path(__file__).parents[3]
PROCESSES, CLIENTS, EACH = at_length(2, 8), at_length(8, 64), at_length(8, 2)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that tests may stop."""
    with postgres.server() as running:
        yield running


def heads(state: State) -> list[int]:
    with state.reading() as tx:
        return list(tx.execute(select(schema.heads.c.size).order_by(schema.heads.c.size)).scalars())


def add_head(state: State, size: int) -> None:
    with state.transaction() as tx:
        tx.execute(insert(schema.heads).values(size=size, root=b"r", note=b"n", time="t"))


@pytest.mark.timeout(600)
def test_processes_that_share_a_store_spend_nothing_twice_and_keep_one_order(postgres_server: Server) -> None:
    url = postgres_server.database()
    command = [sys.executable, "-m", "tests.support.shared_store", url]
    children = [
        subprocess.Popen(
            [*command, str(number), str(CLIENTS), str(EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(PROCESSES)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [child.communicate()[0].split("\n")[:-1] for child in children]
    paid = [int(line.split()[1]) for lines in told for line in lines if line.startswith("paid")]
    assert sum(map(len, told)) == PROCESSES * CLIENTS * EACH > LIMIT
    assert sorted(paid) == list(range(LIMIT)), "so many as the limit allows, one entry each and none between them"
    if PROCESSES > 2:  # with many questions left to each
        assert all(any(line.startswith("paid") for line in lines) for lines in told), "each had its turns"
    with State.open(url) as state:
        log = open_log(state)
        assert verify_log(state, KEY).findings == ()
        left = [entry.fields["left"] for entry in log.entries(0, 1000)]
        assert left == list(range(LIMIT - 1, -1, -1)), "each was told what the one before it had left"
        with state.reading() as tx:
            assert ledger.audit(tx) == ()
            sizes = Counter(tx.execute(select(schema.heads.c.size)).scalars())
        assert sizes == Counter(range(1, LIMIT + 1)), "one head for each size, whoever signed it"


def test_two_services_sign_one_history(postgres_server: Server) -> None:
    url = postgres_server.database()
    with State.open(url) as one, State.open(url) as other:
        first, second = (open_log(state, randomness=secrets.token_bytes) for state in (one, other))
        for number in range(6):
            log, reader = (first, second) if number % 2 else (second, first)
            answer(log, number)
            head = log.head()
            assert reader.head().claimed == head.claimed
            reader.consistency(2, head.claimed.size)
        assert verify_log(one, KEY).ok


def test_a_server_that_is_restarted_is_found_again(own_server: Server) -> None:
    with State.open(own_server.database()) as state:
        add_head(state, 1)
        with state.reading() as tx:
            assert tx.execute(select(schema.heads.c.size)).scalar_one() == 1
        own_server.stop()
        own_server.start()
        assert heads(state) == [1]
        add_head(state, 2)
        assert state.healthy
        assert heads(state) == [1, 2]


def test_while_the_server_is_away_nothing_is_written_and_a_probe_brings_it_back(own_server: Server) -> None:
    with State.open(own_server.database()) as state:
        add_head(state, 1)
        own_server.stop("immediate")
        with pytest.raises(StoreUnavailable, match="the state store failed"):
            add_head(state, 2)
        with pytest.raises(StoreUnavailable):
            heads(state)
        with pytest.raises(StoreUnavailable):
            state.probe()
        assert not state.healthy
        own_server.start()
        with pytest.raises(StoreUnavailable, match="has not passed a health probe"):
            add_head(state, 2)
        state.probe()
        add_head(state, 3)
        assert heads(state) == [1, 3]


def in_the_middle(state: State, own_server: Server) -> None:
    with state.transaction() as tx:
        tx.execute(insert(schema.heads).values(size=1, root=b"r", note=b"n", time="t"))
        own_server.stop("immediate")
        own_server.start()


def test_a_connection_lost_in_a_transaction_leaves_nothing_of_it(own_server: Server) -> None:
    """Whether a commit that nobody answered was done is not known, so nothing more is written before a probe."""
    with State.open(own_server.database()) as state:
        with pytest.raises(StoreUnavailable):
            in_the_middle(state, own_server)
        assert not state.healthy
        assert heads(state) == []
        state.probe()
        add_head(state, 2)
        assert heads(state) == [2]


def test_a_text_that_no_column_holds_is_logged_and_comes_back(postgres_server: Server, tmp_path: Path) -> None:
    """Whoever sends one is refused under every store alike, and no store fails for it or cannot be moved."""
    texts = ("SELECT '\0'", "\ue0f0", '\ue0f0"\0"')
    with State.open(tmp_path / "state.db") as filed, State.open(postgres_server.database()) as state:
        for log in (open_log(filed), open_log(state)):
            with log.state.transaction() as tx:
                for sql in texts:
                    log.append(tx, {"kind": "refusal", "request_id": "a\0b", "institution": "bank-a"}, {"sql": sql})
            found = log.entries(request_id="a\0b")
            assert [opened["sql"].text for opened in log.opened(found)] == list(texts)
            assert log.state.healthy
            assert verify_log(log.state, KEY).ok
        with State.open(postgres_server.database()) as target:
            copy_store(filed, target)
            assert [open_log(target).open(index)["sql"].text for index in range(3)] == list(texts)
            assert verify_log(target, KEY).ok


def test_emptying_a_table_counts_as_removing_its_rows(postgres_server: Server) -> None:
    with State.open(postgres_server.database()) as state:
        for table in schema.APPEND_ONLY:
            with pytest.raises(StoreConflict), state.transaction() as tx:
                tx.exec_driver_sql(f"TRUNCATE {table} CASCADE")


def test_an_erased_text_is_in_no_table_any_more(own_server: Server) -> None:
    url = own_server.database()
    with State.open(url) as state:
        log = open_log(state)
        answer(log, 1, sql="SELECT peculiarly FROM nothing")
        log.erase(0, "sql")
        state.scrub()
        assert log.open(0) == {}
    own_server.execute("CHECKPOINT")
    kept = [path for path in own_server.folder.glob("data/base/*/*") if b"peculiarly" in path.read_bytes()]
    assert kept == []


def test_a_server_that_would_forget_is_refused(own_server: Server) -> None:
    url = own_server.database()
    own_server.execute("ALTER SYSTEM SET fsync = off")
    own_server.stop()
    own_server.start()
    try:
        with pytest.raises(StoreUnavailable, match="loses what it has acknowledged"):
            State.open(url)
    finally:
        own_server.execute("ALTER SYSTEM RESET fsync")
        own_server.stop()
        own_server.start()
    own_server.execute("CREATE DATABASE of_no_encoding TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    with pytest.raises(StoreUnavailable, match="encoding UTF8"):
        State.open(own_server.url("of_no_encoding"))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://louver:secret@localhost/louver", "password"),
        ("postgresql:///louver?password=secret", "password"),
        ("postgresql://db.example/louver", "sslmode"),
        ("postgresql://db.example/louver?sslmode=require", "sslmode"),
        ("postgresql://localhost,db.example/louver", "sslmode"),
        ("postgresql:///louver?host=db.example", "sslmode"),
        ("postgresql://localhost", "database"),
    ],
)
def test_a_url_that_gives_something_away_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        State.open(url)


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        State.open(f"postgresql:///louver?host={tmp_path}")


class Planned:
    """A question that costs something."""

    noise = "ab" * 32
    privacy = (None,)


class Caller:
    """Who waits for three seconds at most."""

    deadline_s = 6.0
    cancelled = threading.Event()


def test_one_question_is_asked_by_one_service_at_a_time(postgres_server: Server) -> None:
    """So that noise is drawn and paid for once, and the others find the answer."""
    url = postgres_server.database()
    with State.open(url) as one, State.open(url) as other:
        first, second = OneAtATime(one.claims()), OneAtATime(other.claims())
        began, order = threading.Event(), []

        def ask() -> None:
            began.set()
            with second.alone(Planned(), Caller()):  # type: ignore[arg-type]
                order.append("second")

        waiting = threading.Thread(target=ask)
        with first.alone(Planned(), Caller()):  # type: ignore[arg-type]
            waiting.start()
            assert began.wait(10)
            waiting.join(0.2)
            order.append("first")
        waiting.join()
        assert order == ["first", "second"]
        claims = one.claims()
        assert claims is not None
        assert claims.take("another")
        with first.alone(Planned(), Caller()):  # type: ignore[arg-type]
            pass


@pytest.mark.skipif(
    not at_length(0, 1), reason="a server that archives, by LOUVER_SOAK=1; what is behind is tried in CI"
)
def test_a_database_taken_back_to_an_earlier_time_is_known_for_it(tmp_path: Path) -> None:
    """By the head that was kept beside it: the server's own recovery is exact, and forgets what came after."""
    folder = Path(tempfile.mkdtemp(prefix="louver-pitr-"))
    archive, anchors = folder / "archive", tmp_path / "anchors"
    try:
        running = Server(folder, archive)
        url = running.database()
        running.base_backup(folder / "base")
        with State.open(url) as state:
            log = open_log(state)
            answer(log, 1)
            ((moment,),) = running.execute("SELECT clock_timestamp()::text")
            answer(log, 2)
            anchor.keep(Books(state, log), anchors)
        running.execute("SELECT pg_switch_wal()")
        assert eventually(
            lambda: running.execute("SELECT last_archived_wal IS NOT NULL FROM pg_stat_archiver") == [(True,)]
        )
        running.stop()
        running.recover(folder / "base", archive, str(moment))
        assert eventually(lambda: running.execute("SELECT pg_is_in_recovery()") == [(False,)])
        with State.open(url) as state:
            log = open_log(state)
            assert log.size() == 2
            assert verify_log(state, KEY).ok
            behind = anchor.problem(Books(state, log), anchors)
        assert behind is not None
        assert behind.code == "LVR-3105"
    finally:
        running.stop("immediate")
        shutil.rmtree(folder)

"""The console's auditor pages over a large log: server time of each, through the service and its proofs.

A year of questions (`tests/support/audited.py`) in a state store, with what was charged in the ledgers (a charge for
every fourth entry, of four institutions, five datasets and three purposes), is served by the real `AuditService` over
mutual TLS on this machine; the console is the real application, called without a browser by somebody who has signed
in. `page_ms` is the slowest page's median. 20,000 entries; `--full` a million (half an hour); `--entries N` others.
`LOUVER_BENCH_STATE=FILE` takes a state store that an earlier run has left there, or leaves one.
"""

import os
import random
import secrets
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import grpc
from cryptography import x509
from sqlalchemy import func, insert, select
from starlette.testclient import TestClient
from tests.support.audit_logs import KEY
from tests.support.audited import BANKS, PURPOSES, TABLES, bodies, fill, year_log

from bench.report import arguments, report
from louver.v1 import audit_pb2_grpc
from louver_sandbox.auditing import index
from louver_sandbox.auditors import Auditor
from louver_sandbox.journal import Books
from louver_sandbox.pki import Authority
from louver_sandbox.service.auditing import Auditing
from louver_sandbox.service.server import OPTIONS
from louver_sandbox.store import State, schema
from louver_sandbox.wiring import Platform
from louver_server.accounts import codes
from louver_server.accounts.model import Role
from louver_server.app import create_app, open_console
from louver_server.configuration import parse

ENTRIES, ENTRIES_FULL = 20_000, 1_000_000
REPEATS = 9
PAGES = {
    "log": "/log",
    "log, refusals of one bank": "/log?verdict=refused&institution=bank_a",
    "log, one dataset in April": "/log?dataset=gov.tax_credit&since=2026-04-01&until=2026-05-01",
    "log, an hour": "/log?since=2026-04-01T10:00:00Z&until=2026-04-01T11:00:00Z",
    "log, costly": "/log?least_cost=9",
    "log, a frequent word": "/log?text=select",
    "log, two words": "/log?text=tax_credit+%E6%9C%9D%E9%98%B3%E5%8C%BA&verdict=answered",
    "log, nothing": "/log?institution=nobody",
    "log over time, 31 days": "/log/over-time?since=2026-06-01&until=2026-07-02",
    "log over time, a year, one bank": "/log/over-time?since=2026-01-01&until=2027-01-01&institution=bank_a",
    "log over time, a week by hours": "/log/over-time?since=2026-04-01&until=2026-04-08&step=hour",
    "one entry with its proof": "/log/{}",
    "one entry as JSON": "/log/{}.json",
    "proof as a file": "/log/{}/proof",
    "spending, 31 days": "/spending?since=2026-06-01&until=2026-07-02",
    "spending, one bank": "/spending?since=2026-06-01&until=2026-07-02&institution=bank_a",
    "alerts": "/alerts",
    "head of the log": "/head",
}


def filled(state: State, entries: int) -> None:
    """The log, its index and the ledgers."""
    log, source = year_log(state, entries), bodies(random.Random(7))
    for part in range(50):
        fill(log, entries // 50 + (part < entries % 50), group=200, source=source)
        log.head()
    while index.catch_up(state, 20_000):
        pass


def charged(state: State, entries: int) -> None:
    """A quarter as many charges as entries, spread over a year, as the ledger keeps them by the day."""
    draw, totals = random.Random(3), dict[tuple[str, ...], tuple[int, int]]()
    rows: list[dict[str, Any]] = []
    for number in range(entries // 4):
        day = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=365 * number * 4 / entries)).date().isoformat()
        account = (draw.choice(BANKS), draw.choice(TABLES), draw.choice(PURPOSES), "query")
        amount = draw.choice((1, 1, 2))
        sequence, spent = totals.get((*account, day), (0, 0))
        totals[*account, day] = sequence + 1, spent + amount
        names = ("institution", "dataset", "purpose", "kind")
        rows.append(
            dict(zip(names, account, strict=True))
            | {"period": "day", "window": day, "sequence": sequence + 1, "amount": amount, "spent": spent + amount}
            | {"key": None, "request_id": f"r{number}", "time": day}
        )
    for start in range(0, len(rows), 5_000):
        with state.transaction() as tx:
            tx.execute(insert(schema.ledger), rows[start : start + 5_000])


@contextmanager
def served(state: State, folder: Path) -> Iterator[int]:
    """The service for auditors over a state store; its port. The files of `audit_office` are in the folder."""
    now = datetime.now(UTC)
    authority = Authority.create(now)
    ours, theirs = authority.server("127.0.0.1", now), authority.auditor("audit_office", now)
    theirs.write(folder, "audit_office")
    (folder / "ca.pem").write_bytes(authority.issued.certificate)

    def auditor(certificate: x509.Certificate) -> Auditor:
        return Auditor("audit_office", "bench", frozenset({theirs.fingerprint}))

    # Of a platform the service for auditors uses these alone.
    platform = SimpleNamespace(
        state=state, books=Books(state, year_log(state, 1)), log_auditors=SimpleNamespace(auditor=auditor)
    )
    server = grpc.server(ThreadPoolExecutor(8), options=OPTIONS)
    audit_pb2_grpc.add_AuditServiceServicer_to_server(Auditing(cast(Platform, platform)), server)
    keys = [(ours.key, ours.certificate)]
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials(keys, authority.issued.certificate, require_client_auth=True)
    )
    server.start()
    try:
        yield port
    finally:
        server.stop(5).wait()


@contextmanager
def browser(folder: Path, port: int) -> Iterator[TestClient]:
    """The console, and an auditor who has signed in to it."""
    (folder / "profiles.toml").write_text(
        f'[profiles.audit_office]\ntarget = "127.0.0.1:{port}"\ncertificate = "{folder}/audit_office.pem"\n'
        f'key = "{folder}/audit_office.key"\nca = "{folder}/ca.pem"\nlog_key = "{KEY}"\ntimeout = 60\n',
        encoding="utf-8",
    )
    (folder / "console.secret").write_bytes(secrets.token_bytes(32))
    (folder / "console.secret").chmod(0o600)
    known = open_console(parse({"address": "127.0.0.1:8443", "origin": "http://127.0.0.1:8443"}, folder))
    first = known.doors.invite("bench", Role.AUDITOR, "audit_office", "bench")
    session = known.doors.knock("bench", first, "127.0.0.1")
    code = codes.code_at(known.doors.pending_secret(session), int(time.time()) // codes.STEP)
    session = known.doors.enrol(session, "eleven slats of cedar wood", code, "127.0.0.1")
    with TestClient(create_app(known), base_url="http://127.0.0.1:8443") as client:
        client.cookies.set(known.cookie, session.token)
        yield client


def page_times(client: TestClient, path: str) -> tuple[float, float, int]:
    """Median seconds of a page, by the clock and of the processor, and its size in bytes."""
    taken, used, size = [], [], 0
    for _ in range(REPEATS):
        begin, spent = time.perf_counter(), time.process_time()
        reply = client.get(path)
        taken.append(time.perf_counter() - begin)
        used.append(time.process_time() - spent)
        if reply.status_code != 200:
            raise SystemExit(f"{path}: {reply.status_code}")
        size = len(reply.content)
    return median(taken), median(used), size


def main() -> None:
    """Measures and reports."""
    options = arguments(__doc__ or "", entries="how many entries")
    entries = options.entries or (ENTRIES_FULL if options.full else ENTRIES)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kept = os.environ.get("LOUVER_BENCH_STATE")
        state = stack.enter_context(State.open(Path(kept) if kept else folder / "state.db"))
        with state.reading() as tx:
            ready = tx.execute(select(func.count()).select_from(schema.ledger)).scalar_one()
            known = index.indexed(tx)
        if not known:
            filled(state, entries)
        if not ready:
            charged(state, entries)
        client = stack.enter_context(browser(folder, stack.enter_context(served(state, folder))))
        size = known or entries
        times = {what: page_times(client, path.format(size // 2)) for what, path in PAGES.items()}
    report(
        f"the console's auditor pages over {size:,} entries",
        [
            {"page": what, "ms": 1000 * taken, "cpu ms": 1000 * used, "KiB": length / 1024}
            for what, (taken, used, length) in times.items()
        ],
        {
            "entries": size,
            "page_ms": 1000 * max(taken for taken, _, _ in times.values()),
            "page_cpu_ms": 1000 * max(used for _, used, _ in times.values()),
        },
    )


if __name__ == "__main__":
    main()

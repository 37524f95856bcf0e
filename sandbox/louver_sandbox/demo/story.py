"""The story of `make demo`: questions, answers, refusals and proofs, on the real service over mutual TLS."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow.parquet as parquet
import typer

import louver
from louver.cli import drawing
from louver.errors import Refused
from louver.receipt import Receipt
from louver.sealing.keys import generate_key
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.demo import questions, scorecard
from louver_sandbox.demo.city import City, build
from louver_sandbox.demo.running import running
from louver_sandbox.operator.installation import Tools
from louver_sandbox.premises import utc_now
from louver_sandbox.store import State

SHOWN_ROWS = 6
APPLICANTS = 30
"""Firms that are scored, the last one without an authorisation."""
_DEMO_BITS = 2048
"""The least that is admitted, so that nobody waits for the demonstration."""


class Teller:
    """Prints the story."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def chapter(self, title: str) -> None:
        """A heading with the time since the beginning."""
        typer.secho(f"\n== {title}  [{time.monotonic() - self._began:.1f} s]", bold=True)

    def line(self, text: str) -> None:
        """One line."""
        typer.echo(f"   {text}")

    def block(self, text: str) -> None:
        """Several lines."""
        for line in text.splitlines():
            self.line(line)


def tell(persons: int, keep: Path | None) -> int:
    """Tells the story; the exit status says whether everything in it came true."""
    teller = Teller()
    home = keep or Path(tempfile.mkdtemp(prefix="louver-demo-")) / "home"
    try:
        teller.chapter("A city nobody lives in")
        city = build(home, persons, Tools(utc_now, secrets.token_bytes), teller.line)
        receipt = _ask(city, teller)
        _prove(city, receipt, teller)
    finally:
        if keep is None:
            shutil.rmtree(home.parent, ignore_errors=True)
    teller.chapter("done")
    if keep:
        teller.line(f"the installation is in {home}; louver-sandbox serve --home {home} runs it again")
    return 0


def _ask(city: City, teller: Teller) -> bytes:
    """Everything that needs the service; returns the receipt of the portfolio question."""
    with running(city.settings.home) as (address, _):
        teller.chapter(f"The service listens on {address}; bank A uploads its loan book")
        with city.connect(address, "bank_a") as bank:
            loans = parquet.read_table(city.world / "bank_a.loan_book")
            table = bank.upload("loan_book", loans)
            teller.line(f"{table.rows} loans, content {table.version[:16]}, seen by bank A only")
            _registered(bank, teller)
            receipt = b""
            for question in questions.ANSWERED:
                answer = _answered(bank, question, teller)
                if answer.receipt is not None and question.name == questions.PORTFOLIO:
                    receipt = answer.receipt.to_bytes()
            _sealed(bank, teller)
            _matched(bank, [str(id_) for id_ in loans.column("id_no").to_pylist()], teller)
            _scored(bank, city, teller)
            _dry_run(bank, teller)
            for question in questions.REFUSED:
                _refused(bank, question, teller)
        _strangers(city, address, teller)
    return receipt


def _answered(bank: louver.Client, question: questions.Question, teller: Teller) -> louver.Answer:
    teller.chapter(f"{question.name}  {question.title}")
    teller.block(question.sql)
    answer = bank.analyse(question.sql, purpose=question.purpose, parameters=question.parameters)
    teller.line(f"-> {answer.treatment}, {len(answer)} rows, cost {dict(answer.cost) or 'nothing'}")
    teller.line(" | ".join(column.name for column in answer.columns))
    for row in answer.rows[:SHOWN_ROWS]:
        teller.line(" | ".join("-" if cell is None else str(cell) for cell in row))
    if len(answer) > SHOWN_ROWS:
        teller.line(f"... {len(answer) - SHOWN_ROWS} more")
    for notice in answer.notices:
        teller.line(f"notice {notice.code}: {notice.message}")
    return answer


def _registered(bank: louver.Client, teller: Teller) -> None:
    """Early, so that the service has made its randomisers by the time the sealed answer is asked for."""
    key = generate_key(_DEMO_BITS)
    bank.settings.key_ring.add(key, utc_now())
    kept = bank.register_key(key)
    teller.line(f"Paillier key {kept.kid[:16]} of {kept.bits} bits, registered in log entry {kept.log_index}")


def _sealed(bank: louver.Client, teller: Teller) -> None:
    question = next(question for question in questions.ANSWERED if question.name == questions.SEALED)
    teller.chapter(f"{question.name} again, sealed: the numbers leave encrypted to bank A's own key")
    plain = bank.analyse(question.sql, purpose=question.purpose)
    answer = bank.analyse(question.sql, purpose=question.purpose, seal=True)
    if answer.sealed is None or answer.rows != plain.rows:
        raise AssertionError("a sealed answer must open to the numbers of the plain one")
    first = next(cell for row in answer.sealed.rows for cell in row if cell is not None)
    teller.line(
        f"on the wire, in the store and under the log's digest: {str(first)[:60]}... ({len(str(first))} digits)"
    )
    teller.line(f"opened by bank A: {len(answer)} rows, the same as without the seal")


def _matched(bank: louver.Client, ids: Sequence[str], teller: Teller) -> None:
    """B07 as it is asked in truth: by the verb match."""
    teller.chapter("B07  The whole book against the black list, privately: ids leave bank A blinded only")
    found = bank.match(ids, list="gov.credit_list/black", purpose="POST_LOAN")
    teller.line(f"{found.ids} ids, {len(found.hits)} hits; the platform learns neither; set {found.set_sha256[:16]}")
    for hit in found.hits[:SHOWN_ROWS]:
        teller.line(" | ".join([hit.id, *(str(hit.values[name]) for name in found.columns)]))
    number = bank.match(ids, list="gov.credit_list/red", purpose="POST_LOAN", mode="count")
    teller.line(f"on the red list: {number.value}, with noise for one firm more or less; the platform learns no miss")


def _scored(bank: louver.Client, city: City, teller: Teller) -> None:
    """B08 as it is asked in truth: by the verb score."""
    teller.chapter("B08  A secret scorecard: the platform never reads bank A's points, bank A never a feature")
    model = scorecard.registered(bank, city)
    teller.line(f"{model} is registered: points encrypted to bank A, each seen and signed for by an auditor")
    rated = parquet.read_table(city.world / "gov.tax_credit", columns=["uscc"]).column("uscc")
    firms = sorted({str(each) for each in rated.to_pylist()})[:APPLICANTS]
    answer, first = scorecard.scored(bank, model, firms, date(2099, 12, 31))
    if [row.score is None for row in answer.rows] != [False] * (len(firms) - 1) + [True]:
        raise AssertionError("every firm has a score but the one that has authorised nothing")
    for row in answer.rows[:SHOWN_ROWS]:
        teller.line(f"{row.subject} | {row.score}")
    teller.line(f"{answer.scored} of {len(answer.rows)} have a score; the last one has authorised nothing")
    bank.revoke_authorisation(first)
    if bank.score([(firms[0], first)], model=model, purpose=scorecard.PURPOSE).scored:
        raise AssertionError("a revoked authorisation gives no score")
    teller.line(f"{firms[0]} revokes: from now on it looks like a firm that is not there")


def _dry_run(bank: louver.Client, teller: Teller) -> None:
    teller.chapter("The same question as a dry run: what it would cost, and nothing spent")
    question = questions.ANSWERED[0]
    explained = bank.explain(question.sql, purpose=question.purpose)
    teller.line(f"admitted {explained.admitted}, treatment {explained.treatment}")
    teller.block(explained.statement)


def _refused(bank: louver.Client, question: questions.Question, teller: Teller) -> None:
    teller.chapter(f"{question.name}  {question.title}")
    try:
        bank.analyse(question.sql, purpose=question.purpose, parameters=question.parameters)
    except Refused as refused:
        teller.block(drawing.draw(refused, question.sql))
        teller.line(f"  {refused.message_zh}")
        return
    raise AssertionError(f"{question.name} must be refused")


def _strangers(city: City, address: str, teller: Teller) -> None:
    teller.chapter("Bank B cannot see bank A's table, and a credit agency is not a bank")
    for institution, sql, purpose in questions.STRANGERS:
        with city.connect(address, institution) as stranger:
            try:
                stranger.analyse(sql, purpose=purpose)
            except Refused as refused:
                teller.line(f"{institution}: {refused.code} {refused.message}")
                continue
        raise AssertionError(f"{institution} must be refused")


def _prove(city: City, receipt: bytes, teller: Teller) -> None:
    """What needs no service: the receipt, the log, and a log with one byte flipped."""
    teller.chapter("The service is gone; the receipt still verifies, with the log's public key alone")
    verified = Receipt.from_bytes(receipt).verify(city.log_key)
    teller.line(f"entry {verified.index} of {verified.head.size}: {verified.kind} at {verified.time}")
    state = city.settings.state_file
    with State.open(state) as store:
        report = verify_log(store, city.log_key)
        teller.line(f"the whole log: {report.size} entries, {'every one holds' if report.ok else 'BROKEN'}")
    teller.chapter(f"Somebody flips one byte of entry {verified.index} on the disk")
    tampered = state.with_name("tampered.db")
    shutil.copyfile(state, tampered)
    _flip_a_byte(tampered, verified.index)
    with State.open(tampered) as store:
        found = verify_log(store, city.log_key)
        if report.ok and found.first is not None:
            teller.line(str(found.first))
            return
    raise AssertionError("the honest log must hold and the tampered one must not")


def _flip_a_byte(database: Path, index: int) -> None:
    """What somebody with the disk could do: past the triggers, into the stored entry."""
    with sqlite3.connect(database) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f'DROP TRIGGER "{name}"')
        (body,) = connection.execute('SELECT body FROM entries WHERE "index" = ?', (index,)).fetchone()
        changed = body.replace(b'"rows":', b'"rowz":', 1)
        connection.execute('UPDATE entries SET body = ? WHERE "index" = ?', (changed, index))
    connection.close()

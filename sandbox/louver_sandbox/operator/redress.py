"""`louver-sandbox disputes | corrections | subjects`: what the operator does for those the data are about."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox import consents, corrections, disputes, inquiries, journal, standing
from louver_sandbox.audit.entries import JSON
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.corrections import Change, Corrections, Kind
from louver_sandbox.disputes import Dispute, Disputes, Filing, Outcome
from louver_sandbox.journal import Books
from louver_sandbox.operator.installation import TOOLS, Tools
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.premises import open_books
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.repairs import repairs
from louver_sandbox.scoring import registry
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.warnings import tables

disputes_app = typer.Typer(help="What subjects say is wrong, and by when they are answered.", no_args_is_help=True)
corrections_app = typer.Typer(help="Records that changed, and who was told of them.", no_args_is_help=True)
subjects_app = typer.Typer(help="What subjects may ask to be told.", no_args_is_help=True)

Unit = Annotated[UnitType, typer.Option(help="person or enterprise.")]
Number = Annotated[str, typer.Option("--subject", help="The number of the firm or person.")]
EXIT_LATE = 3
"""What `due` ends with while something is late, so that a timer can raise an alarm."""


@dataclass(frozen=True)
class Desk:
    """An installation's books with what is recorded about subjects."""

    books: Books
    corrections: Corrections
    disputes: Disputes
    today: date


@contextmanager
def desk(settings: Settings, tools: Tools) -> Iterator[Desk]:
    """Opens the books; the service may run beside it."""
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        append = partial(journal.appended, books)
        corrected = Corrections(state, tools.clock, append, _identity)
        disputed = Disputes(state, tools.clock, append, _identity, corrected)
        yield Desk(books, corrected, disputed, tools.clock().astimezone(BEIJING).date())


def _identity() -> str:
    return str(uuid.uuid4())


@disputes_app.command("list")
def list_disputes(home: Home = Path("louver-home")) -> None:
    """List the disputes that wait for an answer, those that are due first before the others.

    Example: louver-sandbox disputes list
    """
    with explained(), desk(load(home), TOOLS) as at, at.books.state.reading() as tx:
        for one in disputes.waiting(tx):
            late = "LATE" if at.today > one.due else ""
            by = one.institution or "the subject"
            typer.echo(f"{one.id}\t{one.due}\t{one.unit}\t{one.subject}\t{one.table}\t{by}\t{late}".rstrip())


@disputes_app.command("show")
def show(
    identity: Annotated[str, typer.Argument(help="The dispute's id.")],
    home: Home = Path("louver-home"),
) -> None:
    """Say what a subject disputes, in its own words as the log has them, as JSON; that it was shown is logged.

    Example: louver-sandbox disputes show 5f2c...
    """
    with explained(), desk(load(home), TOOLS) as at:
        with at.books.state.reading() as tx:
            found = disputes.find(tx, identity)
        if found is None:
            raise fail("there is no such dispute")
        journal.note(at.books, "dispute_shown", dispute=identity)
        said = at.books.log.open(found.entry).get("statement")
        told = {
            **_dispute(found),
            "unit": found.unit.value,
            "subject": found.subject,
            "request": found.request_id,
            "evidence_sha256": found.evidence_sha256,
            "statement": None if said is None else said.text,
            "log_entry": found.entry,
        }
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))


@disputes_app.command("take")
def take(
    subject: Number,
    table: Annotated[str, typer.Option(help="The table that is said to be wrong.")],
    statement: Annotated[str, typer.Option(help="The subject's own words.")],
    evidence: Annotated[Path, typer.Option(help="The signed document; its SHA-256 is kept.")],
    unit: Unit = UnitType.ENTERPRISE,
    home: Home = Path("louver-home"),
) -> None:
    """Take the dispute of a subject who came here; it must be answered within ten working days.

    Example: louver-sandbox disputes take --subject 9137... --table gov.pen_penalty --statement "已缴清" --evidence x
    """
    with explained(), desk(load(home), TOOLS) as at:
        filing = Filing(table, statement, hashlib.sha256(evidence.read_bytes()).hexdigest())
        made = at.disputes.take(unit, subject, filing)
        typer.echo(f"{made.id}\tdue {made.due}{_sure(made)}")


@disputes_app.command("answer")
def answer(
    identity: Annotated[str, typer.Argument(help="The dispute's id.")],
    outcome: Annotated[Outcome, typer.Option(help="corrected, stands or taken_back.")],
    reason: Annotated[str, typer.Option(help="What the subject is told; the log keeps it as a commitment.")],
    effective: Annotated[str, typer.Option(help="The day since which the record is another (YYYY-MM-DD).")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Answer a dispute; one that is upheld sends a correction notice to whoever was answered before.

    Example: louver-sandbox disputes answer 5f2c... --outcome corrected --reason "处罚已撤销"
    """
    with explained(), desk(load(home), TOOLS) as at:
        made = at.disputes.answer(identity, outcome, reason, _day(effective))
        typer.echo(f"answered: {made.outcome}; due was {made.due}")


@disputes_app.command("due")
def due(home: Home = Path("louver-home")) -> None:
    """Name disputes and correction notices that are late; exit code 3 while there are any.

    Example: louver-sandbox disputes due
    """
    with explained(), desk(load(home), TOOLS) as at, at.books.state.reading() as tx:
        late = [f"dispute {one.id} was due {one.due}" for one in disputes.waiting(tx) if at.today > one.due]
        late += [
            f"correction {one.correction.id} has not been fetched by {one.institution}, due {one.correction.due}"
            for one in corrections.waiting(tx)
            if at.today > one.correction.due
        ]
    for line in late:
        typer.echo(line)
    if late:
        raise typer.Exit(EXIT_LATE)


@corrections_app.command("record")
def record(
    subject: Number,
    table: Annotated[str, typer.Option(help="The table in which the record is another now.")],
    kind: Annotated[Kind, typer.Option(help="repaired, corrected or withdrawn.")],
    effective: Annotated[str, typer.Option(help="The day since which it is (YYYY-MM-DD).")],
    unit: Unit = UnitType.ENTERPRISE,
    home: Home = Path("louver-home"),
) -> None:
    """Record that a record was repaired, corrected or withdrawn: whoever was told of it has a notice at once.

    Example: louver-sandbox corrections record --subject 9137... --table gov.pen_penalty --kind repaired --effective
    2026-07-01
    """
    with explained(), desk(load(home), TOOLS) as at:
        day = _day(effective)
        if day is None or day > at.today:
            raise fail("the day is one that has come, as YYYY-MM-DD")
        made, told = at.corrections.record(Change(unit, subject, table, kind, day))
        typer.echo(f"{made.id}\t{told} institutions have a notice, to be passed on by {made.due}{_sure(made)}")


@corrections_app.command("sweep")
def sweep(home: Home = Path("louver-home")) -> None:
    """Find records that were repaired since somebody was told of them, and leave whoever was a notice. `publish` does
    the same when it has built anything.

    Example: louver-sandbox corrections sweep
    """
    with explained():
        for line in swept(load(home), TOOLS):
            typer.echo(line)


def swept(settings: Settings, tools: Tools) -> Iterator[str]:
    """Looks into every table that says when its records are repaired, for the subjects of whom something was told."""
    catalog = load_catalog([settings.catalog], settings.data)
    with desk(settings, tools) as at:
        for table in catalog.tables.values():
            if table.repaired is None or table.source is None or not table.data_version:
                continue
            for unit in table.units:
                with at.books.state.reading() as tx:
                    read = inquiries.read_of(tx, unit.type, str(table.name))
                for subject, day in repairs(table, unit, read, connect, predicate_sql):
                    change = Change(unit.type, subject, str(table.name), Kind.REPAIRED, day)
                    made, told = at.corrections.record(change, read_until=day)
                    if told and made.received == at.today:
                        yield f"{made.id}\t{table.name}\t{told} institutions have a notice, due {made.due}"


@corrections_app.command("list")
def list_waiting(home: Home = Path("louver-home")) -> None:
    """List the correction notices that have not been fetched.

    Example: louver-sandbox corrections list
    """
    with explained(), desk(load(home), TOOLS) as at, at.books.state.reading() as tx:
        for one in corrections.waiting(tx):
            change = one.correction.change
            late = "LATE" if at.today > one.correction.due else ""
            typer.echo(
                f"{one.correction.id}\t{one.correction.due}\t{one.institution}\t{change.table}\t{late}".rstrip()
            )


@subjects_app.command("report")
def report(
    subject: Number,
    evidence: Annotated[Path, typer.Option(help="The subject's signed request; its SHA-256 is logged.")],
    unit: Unit = UnitType.ENTERPRISE,
    home: Home = Path("louver-home"),
) -> None:
    """Tell a subject what it may ask to be told: who asked about it, under what, and what became of it.

    Example: louver-sandbox subjects report --unit person --subject 3702... --evidence request.pdf
    """
    with explained(), desk(load(home), TOOLS) as at:
        digest = hashlib.sha256(evidence.read_bytes()).hexdigest()
        typer.echo(json.dumps(access_report(at, unit, subject, digest), ensure_ascii=False, indent=1))


def access_report(at: Desk, unit: UnitType, subject: str, evidence_sha256: str) -> dict[str, JSON]:
    """All that is kept here of a subject: authorisations with their uses, inquiries, warnings, disputes, corrections.

    That it was made is logged, with the digest of the request for it (PIPL art. 45).
    """
    with at.books.state.transaction() as tx:
        body: dict[str, JSON] = {"kind": "subject_access", "unit": unit.value, "evidence_sha256": evidence_sha256}
        entry = journal.appended(at.books, tx, body, {"subject": subject})
        warned = tables.of_subject(tx, unit, subject)
        brought = tables.told_of(tx, [one.id for one in warned])
        return {
            "unit": unit.value,
            "subject": subject,
            "log_entry": entry,
            "authorisations": [
                {
                    "authorisation": held.id,
                    "grantee": held.grantee,
                    "purpose": held.purpose,
                    "scope": sorted(held.scope),
                    "from": held.granted_on.isoformat(),
                    "until": held.expires_on.isoformat(),
                    "revoked": _moment(held.revoked_at),
                    "evidence_sha256": held.evidence_sha256,
                    "used": [
                        {"for": what, "at": at_time} for what, at_time in standing.of_authorisation(tx, held.id)
                    ],
                    "scores": [
                        {"model": one.model, "request": one.request_id} for one in registry.under(tx, held.id)
                    ],
                }
                for held, _ in consents.about(tx, unit, subject)
            ],
            "inquiries": [
                {
                    "institution": one.institution,
                    "request": one.request_id,
                    "at": _moment(one.time),
                    "purpose": one.purpose,
                    "template": one.template,
                    "tables": [source.table for source in one.sources],
                    "authorisation": one.authorisation,
                    "was_covered": one.covered,
                    "was_told": inquiries.was_told(tx, one),
                }
                for one in inquiries.about(tx, unit, subject)
            ],
            "warnings": [
                {
                    "institution": one.institution,
                    "subscription": one.id,
                    "template": one.template,
                    "purpose": one.purpose,
                    "authorisation": one.authorisation,
                    "since": one.created,
                    "until": one.until.isoformat(),
                    "cancelled": one.cancelled,
                    "changes_of_flags": brought.get(one.id, 0),
                }
                for one in warned
            ],
            "disputes": [_dispute(one) for one in disputes.about(tx, unit, subject)],
            "corrections": [
                {
                    "table": made.change.table,
                    "kind": made.change.kind.value,
                    "effective": made.change.effective.isoformat(),
                    "due": made.due.isoformat(),
                    "passed_on": {one.institution: _moment(one.delivered_at) for one in sent},
                }
                for made, sent in corrections.about(tx, unit, subject)
            ],
        }


def _dispute(one: Dispute) -> dict[str, JSON]:
    return {
        "dispute": one.id,
        "table": one.table,
        "through": one.institution,
        "received": one.received.isoformat(),
        "due": one.due.isoformat(),
        "outcome": None if one.outcome is None else one.outcome.value,
        "answered": _moment(one.answered_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(BEIJING).isoformat(timespec="seconds")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise fail("a day is written as YYYY-MM-DD") from None


def _sure(made: Dispute | corrections.Correction) -> str:
    return "" if made.settled else " (the calendar of that year has not been announced)"

"""`louver-sandbox log prune|hold|release|holds|redact`: how long the log keeps what its entries say."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from louver.transparency.retention import Hold, ranges_of
from louver_sandbox.auditing import index, search
from louver_sandbox.journal import Books
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.policy.load import load_officers
from louver_sandbox.policy.officers import Signature
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.retention import holds, orders, pruning
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State, StoreBusy, schema

MOST_NAMED = 4_000
"""Ranges of entries that one hold names."""

Execute = Annotated[bool, typer.Option("--execute", help="Do it; otherwise say what would be done.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log.")]
Name = Annotated[str, typer.Argument(help="What the hold is called, such as case-2026-17.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands to `louver-sandbox log`."""
    commands: Mapping[str, Callable[..., None]] = {
        "prune": prune,
        "hold": hold,
        "release": release,
        "holds": list_holds,
        "redact": redact,
    }
    for name, command in commands.items():
        app.command(name)(command)


def prune(home: Home = Path("louver-home"), execute: Execute = False) -> None:
    """Take the bytes and texts out of entries that are older than `retention` in louver.toml lets their kind be.

    Leaves stay, so every proof still holds; who asked, when, for what, what became of it and what was charged stay
    too. What a hold covers stays whole. Each batch is an entry. Nothing is pruned without --execute.

    Example: louver-sandbox log prune --execute
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state, _told():
            before = pruning.limits(asdict(settings.retention), utc_now())
            if not before:
                typer.echo("louver.toml sets no retention: entries stay whole for ever")
                return
            books = open_books(settings, state, utc_now)
            index.catch_up(state, books.log.size())
            found = pruning.by_age(books, before, execute=execute)
            for kind, time in before.items():
                said = "pruned" if execute else "would be pruned"
                held = f", {found.held[kind]} are held" if found.held[kind] else ""
                typer.echo(f"{kind}: {found.pruned[kind]} from before {time[:10]} {said}{held}")
            if execute and found.pruned:
                _scrub(state)


def hold(
    name: Name,
    reason: Reason,
    home: Home = Path("louver-home"),
    institution: Annotated[list[str] | None, typer.Option(help="Of this institution; repeatable.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Of this kind; repeatable.")] = None,
    since: Day = None,
    until: Day = None,
    request_id: Annotated[list[str] | None, typer.Option(help="Entries about this request; repeatable.")] = None,
    entry: Annotated[list[int] | None, typer.Option(help="This entry; repeatable.")] = None,
    text: Annotated[str, typer.Option(help="Entries whose SQL has these words now.")] = "",
) -> None:
    """Place a legal hold: what fits everything that is named is neither pruned, redacted nor erased.

    Institutions, kinds and days hold what comes as well; requests, entries and words hold what is there now. Days are
    UTC, --until is not in it. Without any of them the whole log is held.

    Example: louver-sandbox log hold case-2026-17 --reason "court order 17" --institution bank_a --since 2026-01-01
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state, _told():
            books = open_books(settings, state, utc_now)
            named = _named(books, request_id or [], entry or [], text)
            made = Hold(
                name, reason, tuple(institution or ()), tuple(kind or ()),
                "" if since is None else since.date().isoformat(), "" if until is None else until.date().isoformat(),
                named,
            )  # fmt: skip
            typer.echo(f"{name} holds from entry {holds.place(books, made)} on")


def release(name: Name, reason: Reason, home: Home = Path("louver-home"), execute: Execute = False) -> None:
    """End a legal hold. Nothing is released without --execute.

    Example: louver-sandbox log release case-2026-17 --reason "case closed" --execute
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state, _told():
            books = open_books(settings, state, utc_now)
            if execute:
                typer.echo(f"{name} is released, as entry {holds.release(books, name, reason)} says")
                return
            with state.reading() as tx:
                if name not in holds.standing(tx).standing:
                    raise holds.Held(f"there is no hold {name!r}")
            typer.echo(f"{name} would be released")


def list_holds(home: Home = Path("louver-home")) -> None:
    """List the legal holds that stand, one JSON object a line."""
    with explained(), State.open(load(home).state) as state, _told():
        for one in _standing(state):
            typer.echo(json.dumps(one.body(), ensure_ascii=False))


def redact(
    institution: Annotated[str, typer.Argument(help="Whose request it is.")],
    request_id: Annotated[str, typer.Argument(help="The request's id.")],
    reason: Reason,
    home: Home = Path("louver-home"),
    order: Annotated[Path | None, typer.Option("--order", "-o", help="Write what two officers have to sign.")] = None,
    signature: Annotated[
        list[Path] | None, typer.Option(help="What `louver policy redaction` wrote; of two officers.")
    ] = None,
    execute: Execute = False,
) -> None:
    """Take everything out of the log that was said in and about one request, whatever its age, and its texts.

    Digests of a question stand in its entries in the open and would let its text be guessed, so the entries go whole.
    Their leaves stay and every proof holds. It takes two officers' signatures of the order, and --execute.

    Example: louver-sandbox log redact bank_a 6f1c --reason "court order 17" -o order.json
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state, _told():
            books = open_books(settings, state, utc_now)
            with state.reading() as tx:
                entries = pruning.of_request(tx, institution, request_id)
                for one in entries:
                    holds.demand_free(tx, one.index)
            if not entries:
                raise fail("there is no entry about this request that could be redacted")
            said = orders.order(books.log.origin, institution, request_id, reason, entries)
            if order is not None:
                order.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            for one in entries:
                typer.echo(f"entry {one.index}  {one.fields['kind']}  {one.fields['time']}")
            if execute:
                _redact(settings, books, said, signature or [])


def _standing(state: State) -> list[Hold]:
    with state.reading() as tx:
        return list(holds.standing(tx).standing.values())


def _redact(settings: Settings, books: Books, said: dict[str, Any], files: Sequence[Path]) -> None:
    signatures = [_signature(path) for path in files]
    more = orders.signed(said, signatures, load_officers(settings.officers))
    index.catch_up(books.state, books.log.size())
    gone = pruning.redact(books, said["institution"], said["request_id"], more)
    typer.echo(f"{len(gone)} entries are redacted")
    _scrub(books.state)


def _signature(file: Path) -> Signature:
    try:
        body: Any = json.loads(file.read_bytes())
        return Signature(str(body["officer"]), base64.b64decode(body["signature"], validate=True))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise orders.NotOrdered(f"{file.name}: not a signature") from None


def _named(books: Books, requests: Sequence[str], entries: Sequence[int], text: str) -> tuple[tuple[int, int], ...]:
    """The entries that are named one by one, as ranges. Raises ``Held`` for too many, or none of those named."""
    if not (requests or entries or text):
        return ()
    index.catch_up(books.state, books.log.size())
    found = set(entries)
    with books.state.reading() as tx:
        table = schema.entries.c
        found |= set(tx.execute(select(table.index).where(table.request_id.in_(requests))).scalars())
        start: int | None = None
        while text:
            page = search.page(tx, search.Filter(text=text), start, pruning.BATCH)
            found.update(page.entries)
            start = page.following
            if start is None:
                break
    ranges = ranges_of(sorted(found))
    if not ranges or len(ranges) > MOST_NAMED or max(found) >= books.log.size() or min(found) < 0:
        raise holds.Held("no such entries, or more than one hold can name: hold an institution or days instead")
    return ranges


@contextmanager
def _told() -> Iterator[None]:
    """Turns what these commands refuse into lines and exit code 1."""
    try:
        yield
    except (holds.Held, orders.NotOrdered, LookupError, ValueError) as refused:
        raise fail(str(refused)) from None


def _scrub(state: State) -> None:
    try:
        state.scrub()
    except StoreBusy:
        raise fail(
            "a copy is left in the state store's write-ahead file, which a running service is reading",
            "run `louver-sandbox log scrub`, or stop the service once: the file is emptied when it closes",
        ) from None

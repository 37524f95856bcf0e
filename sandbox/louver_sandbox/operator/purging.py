"""`louver-sandbox purge`: what was made of datasets whose last day is over is removed, and the log certifies it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection, delete, select

from louver_sandbox import inquiries, journal, reports_kept
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.audit.entries import JSON, Entry, parse
from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Table
from louver_sandbox.journal import Books
from louver_sandbox.matching.tokens import FOLDER
from louver_sandbox.operator.installation import TOOLS, Tools
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.premises import open_books
from louver_sandbox.retention import holds
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State, schema

SET_FILES = ("set", "inside", "personal")
"""The files of a list to match."""
Certificates = Sequence[tuple[str, bytes]]
"""For each dataset that was purged, its name and the receipt of the log's entry about it."""


@dataclass(frozen=True)
class _Made:
    """What was made of a dataset: files that are there, and the requests whose answers were."""

    files: tuple[Path, ...]
    requests: tuple[tuple[str, str], ...]


class Kept(holds.Held):
    """Legal holds have kept what was made of datasets. `certificates` are of the others, which are purged."""

    def __init__(self, told: Sequence[str], certificates: Certificates) -> None:
        super().__init__("; ".join(told))
        self.certificates = certificates


def purge_ended(settings: Settings, tools: Tools, *, source: bool = False) -> Certificates:
    """Removes what was made of every dataset after its last day, and logs what is gone; with `source` its own files
    too. Where nothing is left of a dataset, nothing is logged. Raises ``Kept`` once all is done that no hold forbids.
    """
    today = tools.clock().astimezone(SHANGHAI).date()
    catalog = load_catalog([settings.catalog], settings.data)
    ended = [table for table in catalog.tables.values() if table.sunset is not None and table.sunset < today]
    found: list[tuple[str, bytes]] = []
    kept: list[str] = []
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        for table in ended:
            made = _made(settings, books, table, source=source)
            try:
                if made.files or made.requests:
                    found.append((str(table.name), _purge(settings, books, table, made)))
            except holds.Held as held:
                kept.append(str(held))
    if kept:
        raise Kept(kept, found)
    return found


def _purge(settings: Settings, books: Books, table: Table, made: _Made) -> bytes:
    """Says what will go, removes it, and says that it is gone; the receipt of the last. Raises ``Held``: a hold that
    is placed after the purge has begun still keeps the answers and reports."""
    home = settings.home.resolve()
    files: list[JSON] = [
        {"file": str(path.resolve().relative_to(home)), "sha256": _sha256(path)} for path in made.files
    ]
    said: dict[str, JSON] = {
        "table": str(table.name),
        "sunset": "" if table.sunset is None else table.sunset.isoformat(),
        "files": files,
        "answers": len(made.requests),
    }
    evidence = _evidence(books, str(table.name))
    with books.state.transaction() as tx:
        _demand_free(tx, table, evidence, "nothing of it is removed")
        journal.noted(books, tx, "purge_begun", **said)
    for path in made.files:
        path.unlink()
    for folder in sorted({path.parent for path in made.files}):
        _sync(folder)

    def write(tx: Connection) -> Entry:
        _demand_free(tx, table, evidence, f"{len(files)} files were gone before it; the answers and reports stay")
        _forget(tx, made.requests)
        return books.log.append(tx, {"kind": "purge", **said})

    return books.log.attested(write).to_bytes()


def _forget(tx: Connection, requests: Collection[tuple[str, str]]) -> None:
    for institution, request_id in requests:
        for kept in (schema.answers, reports_kept.reports):
            this = (kept.c.institution == institution) & (kept.c.request_id == request_id)
            tx.execute(delete(kept).where(this))


def forget_again(tx: Connection, table: str, purged: int) -> None:
    """Removes the answers and reports that were made of a table before entry `purged` said that they are gone, where
    a store from before has them again."""
    entries = schema.entries.c
    query = select(entries.body).where(entries.kind == "admission", entries.index < purged, entries.body != b"")
    admitted = (parse(bytes(body)) for body in tx.execute(query.order_by(entries.index)).scalars().all())
    _forget(tx, _asking(table, admitted) & _stored(tx))


def _evidence(books: Books, table: str) -> Sequence[Entry]:
    """What the log has on what was made of the table, and on who was answered from it."""
    made = [entry for entry in _logged(books, "snapshot") if entry.fields.get("table") == table]
    made += [entry for entry in _logged(books, "match_set") if str(entry.fields["list"]).startswith(f"{table}/")]
    read = [entry for entry in _logged(books, "admission") if _reads(entry.fields, table)]
    asked = {_asked(entry.fields) for entry in read}
    ended = [
        entry for kind in ("outcome", "report") for entry in _logged(books, kind) if _asked(entry.fields) in asked
    ]
    return (*made, *read, *ended)


def _reads(fields: Mapping[str, object], table: str) -> bool:
    """Whether what was admitted reads the table, or matches with a list of it."""
    listed = fields.get("verb") == "match" and str(fields.get("list")).startswith(f"{table}/")
    return listed or (isinstance(read := fields.get("snapshots"), Mapping) and table in read)


def _asked(fields: Mapping[str, object]) -> tuple[str, str]:
    return str(fields.get("institution")), inquiries.asked_as(str(fields.get("request_id")))


def _demand_free(tx: Connection, table: Table, evidence: Sequence[Entry], kept: str) -> None:
    """Raises ``Held`` where a hold covers any of it."""
    standing = holds.standing(tx)
    for entry in evidence:
        fields = entry.fields
        said = (str(fields["kind"]), str(fields.get("institution", "")), str(fields["time"]))
        hold = standing.over(entry.index, *said)
        if hold is not None:
            raise holds.Held(f"{table.name}: the hold {hold.name!r} covers entry {entry.index}, and {kept}")


def _made(settings: Settings, books: Books, table: Table, *, source: bool) -> _Made:
    name = str(table.name)
    snapshots = {str(fields["snapshot"]) for fields in _entries(books, "snapshot") if fields.get("table") == name}
    tokens = [fields["token_table"] for fields in _entries(books, "token_table") if fields["snapshot"] in snapshots]
    editions = [
        fields["edition"] for fields in _entries(books, "match_set") if str(fields["list"]).startswith(f"{name}/")
    ]
    wanted = [settings.snapshots / f"{one}.{kind}" for one in sorted(snapshots) for kind in ("duckdb", "json")]
    wanted += [settings.snapshots / FOLDER / f"{one}.duckdb" for one in tokens]
    wanted += [settings.matching / "sets" / f"{one}.{kind}" for one in editions for kind in SET_FILES]
    if source and table.source is not None:
        wanted += [Path(path) for path in sorted(glob(table.source.path))]
    files = tuple(dict.fromkeys(path for path in wanted if path.is_file()))
    asked = _asking(name, _entries(books, "admission"))
    with books.state.reading() as tx:
        return _Made(files, tuple(sorted(asked & _stored(tx))))


def _asking(table: str, admitted: Iterable[Mapping[str, object]]) -> set[tuple[str, str]]:
    """The requests for something that is made of the table, by what was admitted."""
    asked = {
        (str(fields["institution"]), str(fields["request_id"]))
        for fields in admitted
        if isinstance(read := fields.get("snapshots"), Mapping) and table in read
    }
    asked |= {(institution, inquiries.asked_as(request_id)) for institution, request_id in asked}
    return asked


def _stored(tx: Connection) -> set[tuple[str, str]]:
    """The requests with a stored answer or report."""
    return {
        (row.institution, row.request_id)
        for kept in (schema.answers, reports_kept.reports)
        for row in tx.execute(select(kept.c.institution, kept.c.request_id))
    }


def _entries(books: Books, kind: str) -> Iterator[Mapping[str, object]]:
    return (entry.fields for entry in _logged(books, kind))


def _logged(books: Books, kind: str) -> Iterator[Entry]:
    before: int | None = None
    while page := books.log.latest(before, MAX_PAGE, kinds=(kind,)):
        yield from page
        before = page[-1].index


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Makes what was removed from a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def purge(
    home: Home = Path("louver-home"),
    certificate: Annotated[
        Path | None, typer.Option(help="Write the certificates (receipts of the log's entries) below this folder.")
    ] = None,
    source: Annotated[bool, typer.Option("--source", help="Remove the dataset's own files as well.")] = False,
) -> None:
    """Remove what was made of datasets whose last day is over, and certify it in the log. Run it daily.

    What a legal hold covers stays, with all that was made of its dataset; the command names the hold and ends with 1.

    Example: louver-sandbox purge --certificate ./certificates
    """
    with explained():
        held = ""
        try:
            purged = purge_ended(load(home), TOOLS, source=source)
        except Kept as kept:
            held, purged = str(kept), kept.certificates
        for name, receipt in purged:
            digest = hashlib.sha256(receipt).hexdigest()
            if certificate is not None:
                certificate.mkdir(parents=True, exist_ok=True)
                (certificate / f"{name}-{digest[:16]}.receipt").write_bytes(receipt)
            typer.echo(f"{name}  purged; certificate {digest[:16]}")
        if held:
            raise fail(held, "release the hold with `louver-sandbox log release`, and run this again")

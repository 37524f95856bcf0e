"""Private matching as the operator keeps it: the key, and sets built ahead of the first match of a day."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.annals import logged_set
from louver_sandbox.identity import parse_registry
from louver_sandbox.matching.editions import Edition, Editions
from louver_sandbox.matching.tokens import FOLDER
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.policy.matching import specs
from louver_sandbox.premises import JOIN_FILE, MATCHING_FILE, load_judgement, open_books
from louver_sandbox.publishing.record_keys import KEY_BYTES, create_key, read_key
from louver_sandbox.settings import Settings, load
from louver_sandbox.stages import Subject
from louver_sandbox.store import State

app = typer.Typer(help="The key of private matching, and the lists' sets.", no_args_is_help=True)


def fingerprint(seed: bytes) -> str:
    """What the log calls a matching key; it tells nothing of 32 random bytes."""
    return hashlib.sha256(b"louver matching key\0" + seed).hexdigest()[:32]


def rotate(settings: Settings, reason: str, tools: Tools, *, tokens: bool = False) -> int:
    """Logs that the key changes, then replaces it and drops what was made with it; the index of the entry. With
    `tokens` the key is the one that tokens of ids are made with, and the lists' stays.

    A crash between the two leaves an entry about a key that was never used, and the old one in force.

    Raises:
        InstallationRefused: no reason is given.
        KeyRefused: the present key is not a private file.
    """
    if not reason.strip() or not reason.isprintable():
        raise InstallationRefused("say in --reason, on one line, why the key changes")
    settings.matching.mkdir(mode=0o700, exist_ok=True)
    path = settings.matching / (JOIN_FILE if tokens else MATCHING_FILE)
    kind, made_with_it = (
        ("token-rotation", settings.snapshots / FOLDER)
        if tokens
        else ("matching-rotation", settings.matching / "sets")
    )
    former = fingerprint(read_key(path, "matching key")) if path.exists() else ""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    seed = tools.randomness(KEY_BYTES)
    create_key(fresh, randomness=lambda size: seed[:size])
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        entry = journal.note(books, kind, reason=reason, former=former, key=fingerprint(seed))
    os.replace(fresh, path)
    for made in made_with_it.glob("*"):
        made.unlink()
    return entry


def build_all(settings: Settings, tools: Tools) -> Iterator[Edition]:
    """Builds today's set of every list that a registered institution may match against; what is there is verified.

    Raises:
        SetRefused: one cannot be built; those before it stay.
    """
    now = tools.clock()
    judgement = load_judgement(settings, now)
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        editions = Editions(settings, partial(journal.note, books), partial(logged_set, books))
        today, done = now.astimezone(SHANGHAI).date(), set[str]()
        for one in parse_registry(settings.institutions.read_text(encoding="utf-8")).values():
            subject = Subject(one.id, one.type, one.groups, "")
            for spec in specs(subject, judgement.catalog, judgement.bundle, today):
                if spec.id not in done:
                    done.add(spec.id)
                    yield editions.ready(spec)


@app.command("rotate")
def rotate_command(
    reason: Annotated[str, typer.Option(help="Why; it stands in the log for ever.")],
    tokens: Annotated[
        bool, typer.Option("--tokens", help="The key of tokens in uploads, not that of lists.")
    ] = False,
    home: Home = Path("louver-home"),
) -> None:
    """Replace the key that lists are matched by, or make the first; a log entry. Stop the service before.

    Tokens of the former key open nothing any more. With --tokens institutions upload their tables with tokens again.
    Makes the key where an installation has none.

    Example: louver-sandbox matching rotate --reason "the key was on a lost disk"
    """
    with explained():
        entry = rotate(load(home), reason, TOOLS, tokens=tokens)
        typer.echo(f"entry {entry}: the key is replaced; start the service to use it")


@app.command("build")
def build_command(home: Home = Path("louver-home")) -> None:
    """Build today's sets, so that the first match of the day need not wait. For a timer after midnight.

    Example: louver-sandbox matching build
    """
    with explained():
        for edition in build_all(load(home), TOOLS):
            typer.echo(f"{edition.id[:16]}  {edition.size} bytes  sha256 {edition.digest}")

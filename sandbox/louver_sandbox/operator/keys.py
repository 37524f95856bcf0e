"""The keys of an installation: which there are, and replacing those that may be while the service answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from louver.transparency.note import VerifierKey
from louver.transparency.succession import LogKey
from louver_sandbox.audit import seeds
from louver_sandbox.audit.head import Ed25519Signer
from louver_sandbox.journal import Books
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools, replace_registry
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.premises import open_books
from louver_sandbox.recount import anchor
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.store.alone import alone

app = typer.Typer(help="The keys of the installation, and replacing them.", no_args_is_help=True)
rotate_app = typer.Typer(help="Replace a key while the service answers.", no_args_is_help=True)
app.add_typer(rotate_app, name="rotate")

Reason = Annotated[str, typer.Option(help="Why; it stands in the log for ever.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@dataclass(frozen=True)
class Rotated:
    """The entry by which the log's key handed over, and what verifiers hold from then on."""

    entry: int
    key: LogKey


def rotate_log(settings: Settings, reason: str, tools: Tools) -> Rotated:
    """Replaces the key that signs the log: the old one's last word and the new one's secret, then the new key's first
    head, `log.pub`, and the old secret is gone.

    Whoever signs reads in the same transaction which key does, so a service that answers meanwhile goes over with the
    entry. Cut off at any point, the next call finishes what the log has gone over to, and drops what it has not.

    Raises `InstallationRefused` without a reason, `LogKeyMissing` where the key that signs is not here.
    """
    require_reason(reason)
    with alone(settings.secrets), State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        settle_log(settings, books)
        seed = tools.randomness(seeds.SEED_BYTES)
        seeds.put_beside(settings.secrets, seed)
        with state.transaction() as tx:
            successor = Ed25519Signer.from_seed(settings.origin, seed)
            entry = books.log.succeeded(tx, successor, {"reason": reason})
        anchor.keep(books, settings.anchors)
        settle_log(settings, books)
        return Rotated(entry.index, LogKey.parse(books.log.key))


def settle_log(settings: Settings, books: Books) -> None:
    """Finishes a rotation of the log's key that was cut off, or that was restored, and writes `log.pub` to fit."""
    key = books.log.key
    seeds.settle(settings.secrets, settings.origin, _newest(key))
    write_public(settings, key)


def write_public(settings: Settings, key: str) -> None:
    """`log.pub`: the key that signs, and the successions that lead to it."""
    replace_registry(settings.home / "log.pub", f"{key}\n", LogKey.parse)


def require_reason(reason: str) -> None:
    """Raises `InstallationRefused` unless a reason is given on one line."""
    if not reason.strip() or not reason.isprintable():
        raise InstallationRefused("say in --reason, on one line, why the key changes")


def _newest(key: str) -> VerifierKey:
    return LogKey.parse(key).newest


@rotate_app.command("log")
def rotate_log_command(
    reason: Reason,
    dry_run: DryRun = False,
    home: Home = Path("louver-home"),
) -> None:
    """Replace the key that signs the log, while the service answers; the old one signs its successor into the log.

    Banks, auditors and witnesses who know the old key follow by themselves. Hand out log.pub all the same: until they
    have it they believe a thief of the old key. Run it again after it was cut off.

    Example: louver-sandbox keys rotate log --reason "once a year"
    """
    with explained():
        settings = load(home)
        if dry_run:
            for line in would_rotate_log(settings, reason, TOOLS):
                typer.echo(line)
            return
        done = rotate_log(settings, reason, TOOLS)
        typer.echo(f"entry {done.entry}: the log is signed by {done.key.pinned} from here on")
        typer.echo(
            f"hand out {settings.home / 'log.pub'}; backups with secrets from before hold the old key: delete them"
        )


def would_rotate_log(settings: Settings, reason: str, tools: Tools) -> Iterator[str]:
    """What a rotation would do, in lines. Raises as `rotate_log` does."""
    require_reason(reason)
    with State.open(settings.state) as state:
        log = open_books(settings, state, tools.clock).log
        known, size = LogKey.parse(log.key), log.size()
    yield f"the log is signed by {known.pinned}, key {len(known.successions) + 1} of its keys"
    yield f"entry {size} or a later one would hand over to a new key; secrets/{seeds.SEED} would be overwritten"


@app.command("list")
def list_command(home: Home = Path("louver-home")) -> None:
    """List what keys the installation has, what each does, and what replaces it.

    Example: louver-sandbox keys list
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state:
            known = LogKey.parse(open_books(settings, state, TOOLS.clock).log.key)
        for one in known.successions:
            typer.echo(f"log       {one.old.id.hex()}  signed heads up to {one.size} entries")
        typer.echo(f"log       {known.pinned.id.hex()}  signs the log; `keys rotate log`")

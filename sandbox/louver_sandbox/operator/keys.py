"""The keys of an installation: which there are, and replacing those that may be while the service answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from louver.transparency.note import VerifierKey
from louver.transparency.succession import LogKey
from louver_sandbox import journal
from louver_sandbox.audit import seeds
from louver_sandbox.audit.head import Ed25519Signer
from louver_sandbox.journal import Books
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools, replace_registry
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.operator.publishing import RECORD_KEY, published_with
from louver_sandbox.premises import (
    JOIN_FILE,
    MATCHING_FILE,
    NOISE_FILE,
    RECORD_EPOCH,
    asks_for_noise,
    load_judgement,
    open_books,
    record_epoch,
)
from louver_sandbox.publishing.record_keys import KEY_BYTES, create_key, fingerprint, read_key
from louver_sandbox.recount import anchor
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.store.alone import alone

app = typer.Typer(help="The keys of the installation, and replacing them.", no_args_is_help=True)
rotate_app = typer.Typer(help="Replace a key while the service answers.", no_args_is_help=True)
app.add_typer(rotate_app, name="rotate")

RECORD_NEXT = "record.next.key"
"""The file in `secrets/` with a record key that snapshots are being built with."""

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


def rotate_record(settings: Settings, reason: str, redraw: bool, tools: Tools) -> Iterator[str]:
    """Replaces the secret of record keys: every snapshot is built beside the present ones with a new one, then the
    log says so, then the new ones are in use at once, which a running service notices within seconds. Says what is
    done.

    Noise by cell keys is drawn by the sets of record keys, so where a policy asks for it every set gets a second
    draw: only with `redraw`. Cut off at any point, the next call finishes what is in use and drops what is not.

    Raises:
        InstallationRefused: no reason is given, or noise would be redrawn unasked.
        PublishRefused: a snapshot cannot be built; nothing has changed.
        KeyRefused: the present key is not a private file.
    """
    require_reason(reason)
    redraws = asks_for_noise(load_judgement(settings, tools.clock()).bundle)
    if redraws and not redraw:
        raise InstallationRefused(
            "a policy in force asks for noise, which is drawn by record keys: every answer would have a second draw, "
            "to be averaged with the first. Say --redraw-noise if the key may have been seen, or leave it"
        )
    present, beside = settings.secrets / RECORD_KEY, settings.secrets / RECORD_NEXT
    with alone(settings.secrets):
        settle_record(settings)
        former = fingerprint(read_key(present))
        secret = tools.randomness(KEY_BYTES)
        create_key(beside, randomness=lambda size: secret[:size])
        with beside.open("rb") as made:
            seeds.owned_like(made.fileno(), present)
        fresh = fingerprint(secret)
        built = sum(1 for _ in published_with(settings, tools, beside, fresh))
        yield f"{built} snapshots are there under the new record key"
        with State.open(settings.state) as state:
            books = open_books(settings, state, tools.clock)
            entry = journal.note(
                books, "record-rotation", reason=reason, former=former, key=fresh, redraws_noise=redraws
            )
        replace_registry(settings.home / RECORD_EPOCH, f"{fresh}\n", str)
        settle_record(settings)
    yield f"entry {entry}: record key {fresh} is in use, a running service takes its snapshots within seconds"


def settle_record(settings: Settings) -> None:
    """Puts a record key in its place whose snapshots are in use, and drops one whose are not."""
    beside = settings.secrets / RECORD_NEXT
    if not beside.exists():
        return
    if fingerprint(read_key(beside)) == record_epoch(settings):
        beside.replace(settings.secrets / RECORD_KEY)
    else:
        beside.unlink()


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


@rotate_app.command("record")
def rotate_record_command(
    reason: Reason,
    redraw: Annotated[
        bool, typer.Option("--redraw-noise", help="Also where policies ask for noise: all of it is drawn again.")
    ] = False,
    dry_run: DryRun = False,
    home: Home = Path("louver-home"),
) -> None:
    """Replace the key of record keys in snapshots, while the service answers; all snapshots are built anew.

    Answers, balances, thresholds and the history of questions stay as they are; noise by cell keys does not.

    Example: louver-sandbox keys rotate record --reason "the key was on a lost disk"
    """
    with explained():
        settings = load(home)
        if dry_run:
            require_reason(reason)
            judgement = load_judgement(settings, TOOLS.clock())
            noise = (
                "asks for noise, which would be drawn again" if asks_for_noise(judgement.bundle) else "asks for none"
            )
            typer.echo(f"record key {fingerprint(read_key(settings.secrets / RECORD_KEY))}; the policy {noise}")
            return
        for line in rotate_record(settings, reason, redraw, TOOLS):
            typer.echo(line)


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
        for path, what in _secrets(settings):
            said = fingerprint(read_key(path))[:8] if path.exists() else "missing "
            typer.echo(f"{path.stem:9} {said}  {what}")


def _secrets(settings: Settings) -> Iterator[tuple[Path, str]]:
    yield settings.secrets / RECORD_KEY, "record keys of snapshots; `keys rotate record`"
    yield settings.secrets / NOISE_FILE, "noise of answers; `noise rotate`: all of it is drawn again"
    yield settings.matching / MATCHING_FILE, "keys that lists are matched by; `matching rotate`"
    yield settings.matching / JOIN_FILE, "tokens in uploads; `matching rotate --tokens`: they are uploaded again"

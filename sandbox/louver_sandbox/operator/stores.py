"""`louver-sandbox store`: where ledger, log and answers are, and moving them to PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from louver_sandbox.audit.verify import verify_log
from louver_sandbox.operator.installation import InstallationRefused
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.recount import anchor, verify
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.store.alone import only_service
from louver_sandbox.store.copying import copy_store

app = typer.Typer(help="The state store: where it is, and moving it to PostgreSQL.", no_args_is_help=True)

MOVED = ".moved"
"""What the name of a file ends in that was moved out of: nothing serves it any more."""


@app.command("show")
def show(home: Home = Path("louver-home")) -> None:
    """Print where the state store is, and how many entries its log has."""
    with explained():
        settings = load(home)
        with State.open(settings.state) as state:
            kind = "PostgreSQL, for several services" if state.is_shared else "a file, for one service"
            typer.echo(f"{settings.store.url or settings.state_file}  ({kind})")
            typer.echo(f"{verify_log(state, log_key(settings)).size} log entries")


@app.command("move")
def move_command(
    to: Annotated[str, typer.Option(help="postgresql://user@host/database; its password is in secrets/pgpass.")],
    home: Home = Path("louver-home"),
) -> None:
    """Copy the state store from its file into an empty PostgreSQL database, verify the copy, and use it from then on.

    Stop the service first. The file stays, as state.db.moved, and nothing serves it any more: it would be a second
    ledger beside the one that counts.

    Example: louver-sandbox store move --to postgresql://louver@localhost/louver
    """
    with explained():
        rows = move(load(home), to)
        typer.echo(f"{rows} rows moved and verified; louver.toml says so, and the file is now {MOVED}")


def move(settings: Settings, url: str) -> int:
    """Moves the store and writes its new place into the settings; returns how many rows.

    Raises `InstallationRefused` where it is on PostgreSQL already or the copy is not sound, and the store's errors.
    """
    toml = settings.home / "louver.toml"
    written = toml.read_text(encoding="utf-8")
    if settings.store.url or "[store]" in written:
        raise InstallationRefused("the state store is on PostgreSQL already, or louver.toml says something of it")
    with only_service(settings.state_file):
        with State.open(settings.state_file) as source, State.open(with_password_file(settings, url)) as target:
            rows = copy_store(source, target)
            require_sound(target, settings)
        fresh = toml.with_name(".louver.toml.new")
        fresh.write_text(f'{written.rstrip()}\n\n[store]\nurl = "{url}"\n', encoding="utf-8")
        fresh.replace(toml)
        settings.state_file.rename(settings.state_file.with_name(settings.state_file.name + MOVED))
    return rows


def with_password_file(settings: Settings, url: str) -> str:
    """The URL as the service uses it."""
    joined = "&" if "?" in url else "?"
    return f"{url}{joined}passfile={quote(str(settings.secrets / 'pgpass'), safe='')}"


def require_sound(state: State, settings: Settings) -> None:
    """Raises `InstallationRefused` unless the log holds and every balance follows from it."""
    report = verify_log(state, log_key(settings), [one for _, one in anchor.checkpoints(settings.anchors)])
    wrong = [*map(str, report.findings), *map(str, verify.differences(state))]
    if wrong:
        raise InstallationRefused(f"the state store is not sound: {wrong[0]}")


def log_key(settings: Settings) -> str:
    """The log's public key."""
    return (settings.home / "log.pub").read_text(encoding="utf-8").strip()

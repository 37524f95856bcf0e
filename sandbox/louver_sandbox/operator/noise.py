"""The secret by which the releaser draws noise: replacing it is an explicit, logged act.

The same units have the same noise for as long as the secret stays. After a rotation every set of them has a second,
independent draw, which is one more number to average; so it is for a secret that may have been seen, not for habit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox import journal
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.publishing.record_keys import KEY_BYTES, create_key, read_key
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.wiring import NOISE_FILE, noise_fingerprint, open_books

app = typer.Typer(help="The secret by which noise is drawn.", no_args_is_help=True)


def rotate(settings: Settings, reason: str, tools: Tools) -> int:
    """Logs that the secret changes, then replaces it; returns the index of the entry. Makes one where there is none.

    A crash between the two leaves an entry about a secret that was never used, and the old one in force.

    Raises:
        InstallationRefused: no reason is given.
        KeyRefused: the present secret is not a private file.
    """
    if not reason.strip() or not reason.isprintable():
        raise InstallationRefused("say in --reason, on one line, why the noise of every answer may change")
    path = settings.secrets / NOISE_FILE
    former = noise_fingerprint(read_key(path, "noise secret")) if path.exists() else ""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    secret = tools.randomness(KEY_BYTES)
    create_key(fresh, randomness=lambda size: secret[:size])
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        entry = journal.note(books, "noise-rotation", reason=reason, former=former, secret=noise_fingerprint(secret))
    os.replace(fresh, path)
    return entry


@app.command("rotate")
def rotate_command(
    reason: Annotated[str, typer.Option(help="Why; it stands in the log for ever.")],
    home: Home = Path("louver-home"),
) -> None:
    """Replace the secret by which noise is drawn; a log entry. A running service keeps the former until it restarts.

    Every set of subjects then has a second draw of noise, which can be averaged with the first.

    Example: louver-sandbox noise rotate --reason "the secret was on a lost disk"
    """
    with explained():
        entry = rotate(load(home), reason, TOOLS)
        typer.echo(f"entry {entry}: the noise secret is replaced; restart the service to use it")

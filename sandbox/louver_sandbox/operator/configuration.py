"""`louver-sandbox config`: the settings in force, and whether the installation can serve."""

from __future__ import annotations

from pathlib import Path

import typer

from louver_sandbox.operator.health import problems, warnings
from louver_sandbox.operator.output import Home, explained, fail, problem
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import load, pairs

app = typer.Typer(help="The settings in force, and whether the installation can serve.", no_args_is_help=True)


@app.command("show")
def show(home: Home = Path("louver-home")) -> None:
    """Print every setting with its value in force, defaults included."""
    with explained():
        for name, value in pairs(load(home)):
            typer.echo(f"{name} = {value}")


@app.command("check")
def check(home: Home = Path("louver-home")) -> None:
    """Check settings, keys, certificates, registry, bundle and snapshots; exit 1 with every problem. Writes nothing.

    Example: louver-sandbox config check --home ./louver-home
    """
    with explained():
        settings = load(home)
        now = utc_now()
        if found := list(problems(settings, now)):
            raise fail(*found)
        for text in warnings(settings, now):
            problem(text)
        typer.echo(f"{settings.home} can serve")

"""``louver config``: which settings are in force, and whether they work."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from louver.cli.session import Session, ending
from louver.display import visible
from louver.profiles import config_path, read_config

app = typer.Typer(help="Show and check the settings in force.", no_args_is_help=True)


@app.command()
def path(context: typer.Context) -> None:
    """Print where the configuration file is, or would be.

    Example: louver config path
    """
    session: Session = context.obj
    with ending(session.language):
        typer.echo(str(config_path(os.environ, Path.home())))


@app.command()
def show(context: typer.Context) -> None:
    """Print the profiles of the configuration file. Keys are named, never shown.

    Example: louver config show
    """
    session: Session = context.obj
    with ending(session.language):
        file = config_path(os.environ, Path.home())
        default, profiles = read_config(file)
        typer.echo(f"{file}{'' if file.exists() else ' (does not exist)'}")
        for name, profile in profiles.items():
            typer.echo(f"\n{visible(name)}{' (default)' if name == default else ''}")
            for field, value in profile.items():
                typer.echo(f"  {field:<12} {visible(str(value))}")


@app.command()
def check(context: typer.Context) -> None:
    """Read the settings, check certificate and key, connect and verify the log's head.

    Example: louver --profile bank-a config check
    """
    session: Session = context.obj
    with ending(session.language), session.connect() as client:
        profile = client.settings.profile
        certificate = client.settings.credentials.certificate
        until = certificate.not_valid_after_utc.date().isoformat()
        typer.echo(f"certificate  {visible(certificate.subject.rfc4514_string())}, valid until {until}")
        head = client.head()
        typer.echo(f"connection   {visible(profile.target)} answers")
        proof = "verified" if client.settings.log_key else "NOT verified: no log key is set"
        typer.echo(f"log          {visible(head.origin)}, {head.size} entries, signature {proof}")

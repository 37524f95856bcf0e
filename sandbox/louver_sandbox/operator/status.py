"""`louver-sandbox status`: what a running service says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox.operator.output import EXIT_PROBLEM, Home, explained, problem
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import load
from louver_sandbox.telemetry.status import Status, found

EXIT_INCOMPLETE = 3
"""It serves, yet something is wrong."""


def status(
    home: Home = Path("louver-home"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Whether the service runs and serves, and what is wrong. Exit 0 when all is well, 3 when it serves with a
    problem, 1 when it does not serve. It reads what the service keeps in `run/` and asks nobody.

    Example: louver-sandbox status --json
    """
    with explained():
        told, why = found(load(home).run, utc_now())
    if told is not None:
        typer.echo(told.to_json() if as_json else "\n".join(_lines(told)))
    for text in (*((why,) if why else ()), *(told.problems if told else ())):
        problem(text)
    if why or told is None or not told.serving:
        raise typer.Exit(EXIT_PROBLEM)
    if told.problems:
        raise typer.Exit(EXIT_INCOMPLETE)


def _lines(told: Status) -> list[str]:
    """The same for people."""
    development = "  (development)" if told.development else ""
    return [
        f"serving     {'yes' if told.serving else 'no'}  at {told.address} since {told.since}",
        f"version     {told.version}  process {told.pid}",
        f"isolation   {told.isolation}{development}",
        f"bundle      {told.bundle}",
        f"log         {told.log_entries} entries",
        f"questions   {told.running} of {told.lanes} running, {told.waiting} waiting",
        f"ready       {told.workers_ready} workers, {told.checkers_ready} checkers",
        f"said at     {told.at}",
    ]

"""``louver policy requests|decide|figures``: access that institutions ask a department for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from louver.cli import access
from louver.cli.office import EXIT_FOUND, Json, office_of
from louver.cli.session import Session, ending, print_table
from louver.display import visible
from louver.failures import Misused


def register(app: typer.Typer) -> None:
    """Adds the commands to `louver policy`."""
    commands: Mapping[str, Callable[..., None]] = {"requests": requests, "decide": decide, "figures": figures}
    for name, command in commands.items():
        app.command(name)(command)


def requests(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="One of them whole, by its id.")] = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="Those that wait only.")] = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="With an id: the smallest grant that would open it.")
    ] = False,
    as_data: Json = False,
) -> None:
    """The requests for access to your department, what waits first, by the day it is due.

    Example: louver policy requests --waiting
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        if draft:
            found = office.draft_access(name)
            typer.echo(f"for: {visible(found.sql)}", err=True)
            if not found.text:
                said = found.message_zh if session.language == "zh" else found.message
                typer.echo("it is legal already" if found.legal else f"{found.code}: {visible(said)}", err=True)
                raise typer.Exit(EXIT_FOUND)
            typer.echo(found.text)
            return
        every = office.access_requests(waiting=waiting)
        if name:
            chosen = [one for one in every if one.id == name]
            if not chosen:
                raise Misused("there is no such request", "louver policy requests lists them")
            access.say(chosen[0], as_json=as_data)
        elif as_data:
            typer.echo(json.dumps([asdict(one) for one in every], ensure_ascii=False, indent=1, default=str))
        else:
            names = ["id", "institution", "dataset", "columns", "purpose", "state", "due"]
            rows = [
                (o.id, o.institution, o.table, " ".join(o.columns), o.purpose, o.state, str(o.due)) for o in every
            ]
            print_table(names, [*rows])


def decide(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The request's id.")],
    answer: Annotated[str, typer.Option(help="Why; the institution is shown it.")],
    grant: Annotated[bool, typer.Option("--grant/--refuse", help="What becomes of it.")],
    version: Annotated[str, typer.Option(help="The version of a policy that opens it, such as taxation-3.")] = "",
) -> None:
    """Grant a request for access or turn it down. That opens nothing: the policy does, once it is in force.

    Example: louver policy decide 5f2c... --grant --version taxation-3 --answer "..."
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        made = office.decide_access(name, grant=grant, answer=answer, version=version)
        typer.echo(f"{made.id}\t{made.state}")


def figures(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="First Beijing day of receipt, YYYY-MM-DD.")] = "",
    until: Annotated[str, typer.Option(help="The first that is not.")] = "",
    as_data: Json = False,
) -> None:
    """Supply and demand by department: how many requests were met, and in how many working days.

    Example: louver policy figures --since 2026-01-01
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        found = office.access_figures(since=since, until=until)
        if as_data:
            typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
            return
        names = [
            "department",
            "received",
            "waiting",
            "overdue",
            "granted",
            "refused",
            "withdrawn",
            "met",
            "median days",
        ]
        rows = [
            (
                *(one.department, one.received, one.waiting, one.overdue, one.granted, one.refused, one.withdrawn),
                "" if one.met is None else f"{one.met / 10} %",
                one.median_days,
            )
            for one in found
        ]
        print_table(names, [*rows])

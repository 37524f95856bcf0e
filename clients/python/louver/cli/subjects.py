"""``louver lookup``, ``templates``, ``authorisations list``: questions about one subject, under its authorisation."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from louver.cli.drawing import notices
from louver.cli.export import Format, chosen_format
from louver.cli.parameters import parse_parameters
from louver.cli.session import Session, ending, print_table, show_quality, showing_progress, write_bytes
from louver.cli.writing import write_answer
from louver.display import visible
from louver.errors import Error
from louver.failures import Misused
from louver.subjects import Template
from louver.typed_templates import module

_PATIENCE_S = 5.0
"""How long a shell waits to complete a word."""
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Purpose = Annotated[str | None, typer.Option(help="What it is for, such as LOAN_ORIGINATION.")]


def offered(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The templates that a shell may complete to, asked of the service; none where it cannot be asked."""
    return [(one.name, one.title) for one in _known(context) if one.name.startswith(incomplete)]


def wanted(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The parameters of the template that stands in the command, and the values of those that have a list."""
    # What stands before an option without its value is not parsed yet, so it is looked up where shells put it.
    words = f"{os.environ.get('COMP_WORDS', '')} {os.environ.get('_TYPER_COMPLETE_ARGS', '')}".split()
    parts = [part for one in _known(context) if one.name in words for part in one.parameters]
    given = [
        (f"{part.name}={value}", part.title)
        for part in parts
        for value in (part.choices or (("true", "false") if part.type == "boolean" else ("",)))
    ]
    return [(text, title) for text, title in given if text.startswith(incomplete)]


def _known(context: typer.Context) -> list[Template]:
    given = context.find_root().params
    session = Session(
        given.get("profile"),
        given.get("target"),
        given.get("certificate"),
        given.get("key"),
        given.get("ca"),
        given.get("log_key"),
        _PATIENCE_S,
        "en",
        False,
    )
    try:
        with session.connect() as client:
            return client.templates()
    except Error:
        return []


def lookup(
    context: typer.Context,
    template: Annotated[
        str,
        typer.Argument(help="The template, as id@version; `louver templates` lists them.", autocompletion=offered),
    ],
    subject: Annotated[str, typer.Argument(help="The number of the firm or person.")],
    authorisation: Annotated[str, typer.Option("--authorisation", "-a", help="The id of its authorisation.")] = "",
    purpose: Purpose = None,
    param: Annotated[
        list[str] | None, typer.Option(help="name=value or name:type=value.", autocompletion=wanted)
    ] = None,
    shape: Annotated[Format | None, typer.Option("--format", help="Default: table on a terminal, else csv.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="Save the receipt to a file.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Repeat a lookup: same answer, no charge.")] = None,
) -> None:
    """Ask an approved template about one subject. Without an authorisation in force there is nothing to tell.

    Example: louver lookup enterprise-report@1 913702000000000000 -a 5f2c... --purpose LOAN_ORIGINATION
    """
    session: Session = context.obj
    with ending(session.language):
        form = chosen_format(shape, output, sys.stdout.isatty())
        with session.connect_to_ask(purpose) as client, showing_progress("asking") as progress:
            answer = client.lookup(
                template,
                subject,
                authorisation=authorisation,
                parameters=parse_parameters(param or []),
                request_id=request_id,
                progress=progress,
            )
        if receipt is not None and answer.receipt is not None:
            write_bytes(answer.receipt.to_bytes(), receipt)
        write_answer(answer, form, output)
        for line in (*notices(answer.notices, session.language), f"({answer.summary})"):
            typer.echo(visible(line), err=True)
        show_quality(answer.quality, session.language)


def templates(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="What this one takes and gives.", show_default=False, autocompletion=offered),
    ] = None,
    as_json: AsJson = False,
    as_python: Annotated[
        bool, typer.Option("--python", help="A Python module with a typed function for each of them.")
    ] = False,
) -> None:
    """List the templates that you may ask, or what one of them takes and gives.

    Example: louver templates enterprise-report@1
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.templates()
        if name is not None:
            found = [one for one in found if name in (one.name, one.name.partition("@")[0])]
            if not found:
                raise Misused(f"no template {name!r} is offered to you", "louver templates lists those that are")
        if as_python:
            typer.echo(module(found), nl=False)
        elif as_json:
            _print_json([asdict(one) for one in found])
        elif name is None:
            rows = [(t.name, t.title, t.subject, " ".join(t.purposes), t.owner) for t in found]
            print_table(["template", "title", "about", "purposes", "owner"], [*rows])
        else:
            print_table(["", "name", "type", "takes or shows", "title"], [row for t in found for row in _parts(t)])


def _parts(one: Template) -> list[tuple[str, str, str, str, str]]:
    takes = [
        ("takes", p.name, p.type, ", ".join(p.choices) or f"{p.least} .. {p.most}".strip(" ."), p.title)
        for p in one.parameters
    ]
    return [*takes, *(("gives", field.name, "", field.show, field.title) for field in one.fields)]


def listed(context: typer.Context, as_json: AsJson = False) -> None:
    """List the authorisations that you have recorded, the newest first.

    Example: louver authorisations list --json
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.authorisations()
        if as_json:
            _print_json([asdict(one) for one in found])
            return
        heading = ["id", "about", "subject", "purpose", "from", "until", "used", "revoked"]
        rows = [
            (
                a.id,
                a.unit,
                a.subject,
                a.purpose,
                a.granted_on.isoformat(),
                a.expires_on.isoformat(),
                f"{a.used} of {a.uses or 'any'}",
                a.revoked,
            )
            for a in found
        ]
        print_table(heading, [*rows])


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))

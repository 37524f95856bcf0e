"""``louver samples``: how an auditor looks into rows of an encrypted upload without anybody's key."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from louver.cli.auditing import connect_log
from louver.cli.keys import key_ring
from louver.cli.session import Session, ending, print_table, read_bytes, write_bytes, write_private
from louver.failures import Misused

app = typer.Typer(help="Draw, open and check samples of encrypted uploads.", no_args_is_help=True)

Output = Annotated[Path, typer.Option("--output", "-o", help="Write to this file.")]


@app.command()
def draw(
    context: typer.Context,
    entry: Annotated[int, typer.Argument(min=0, help="The index of the upload's entry in the log.")],
    output: Output,
    count: Annotated[int, typer.Option("--rows", min=1, help="How many rows.")] = 100,
) -> None:
    """The auditor: draw which rows of an upload are to be opened. Give the file to the operator.

    Example: louver samples draw 1742 --rows 200 -o request.json
    """
    from louver.sealing.samples import drawn

    session: Session = context.obj
    with ending(session.language):
        with connect_log(session) as log:
            told = log.show(entry).fields
        if told.get("kind") != "upload" or not told.get("encrypted"):
            raise Misused(f"entry {entry} is about no encrypted upload", "louver audit search --kind upload")
        made = drawn(str(told["institution"]), str(told["table"]), str(told["digest"]), int(str(told["rows"])), count)
        write_bytes(made.to_json(), output)
        typer.echo(f"{count} of {made.rows} rows of {made.institution}.{made.table}", err=True)


@app.command("open")
def open_(
    context: typer.Context,
    sample: Annotated[Path, typer.Argument(help="The operator's file.")],
    table: Annotated[Path, typer.Argument(help="Your own table, as you uploaded it: .parquet, .csv or .arrow.")],
    output: Output,
) -> None:
    """The institution: show what is inside these rows. Nothing is opened that is not in your own table.

    Example: louver --profile bank-a samples open sample.json loans.parquet -o openings.json
    """
    from louver.encoding import encode
    from louver.sealing.ciphertexts import Owner
    from louver.sealing.samples import Sample, opened
    from louver.sealing.uploading import numbers_of

    session: Session = context.obj
    with ending(session.language):
        given = Sample.from_json(read_bytes(sample))
        with encode(table) as content:
            own = numbers_of(content, dict(given.columns))
        key = key_ring(session).private(given.key.kid)
        write_private(opened(given, Owner(key), own).to_json(), output)
        typer.echo(f"{given.request.count} rows opened; {output} has them in clear, for the auditor", err=True)


@app.command()
def check(
    context: typer.Context,
    request: Annotated[Path, typer.Argument(help="The file you drew.")],
    sample: Annotated[Path, typer.Argument(help="The operator's file.")],
    openings: Annotated[Path, typer.Argument(help="The institution's file.")],
    most: Annotated[list[str], typer.Option(help="The contract's bound of a column: balance=5000000.")],
) -> None:
    """The auditor: prove that what was shown is inside the upload, and list it. Ends with 1 if a bound is broken.

    Example: louver samples check request.json sample.json openings.json --most balance=5000000 --most days=3650
    """
    from louver.sealing.samples import Openings, Request, Sample, looked_into

    session: Session = context.obj
    with ending(session.language):
        given = Sample.from_json(read_bytes(sample))
        bounds = {name: _units(bound, dict(given.columns).get(name, 0)) for name, bound in map(_bound, most)}
        found = looked_into(
            Request.from_json(read_bytes(request)), given, Openings.from_json(read_bytes(openings)), bounds
        )
        rows = [
            (one.row, one.column, str(Decimal(one.number).scaleb(-one.scale)), "above" if one.above else "")
            for one in found
        ]
        print_table(["row", "column", "number", "bound"], rows)
        broken = sum(one.above for one in found)
        zeros = sum(one.number == 0 for one in found)
        typer.echo(f"{len(found)} numbers proved, {zeros} of them zero, {broken} above their bound", err=True)
    if broken:
        raise typer.Exit(1)


def _bound(text: str) -> tuple[str, Decimal]:
    name, _, bound = text.rpartition("=")
    try:
        return name, Decimal(bound)
    except InvalidOperation:
        raise Misused(f"{text!r} is no bound of a column", "--most balance=5000000") from None


def _units(bound: Decimal, scale: int) -> int:
    if not bound.is_finite() or bound < 0:
        raise Misused("a bound is a number from 0 up")
    return int(bound.scaleb(scale))

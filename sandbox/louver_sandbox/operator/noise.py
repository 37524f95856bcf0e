"""Noise as the operator keeps it: the secret by which it is drawn, and tables for other thresholds and variances.

Replacing the secret is an explicit, logged act.

The same units have the same noise for as long as the secret stays. After a rotation every set of them has a second,
independent draw, which is one more number to average; so it is for a secret that may have been seen, not for habit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final

import typer

from louver_sandbox import journal
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.named import named, register
from louver_sandbox.perturbation.refused import PerturbationRefused
from louver_sandbox.perturbation.table import NoiseTerms, PerturbationTable
from louver_sandbox.premises import NOISE_FILE, noise_fingerprint, open_books
from louver_sandbox.publishing.record_keys import KEY_BYTES, create_key, read_key
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State

app = typer.Typer(help="The secret by which noise is drawn, and its tables.", no_args_is_help=True)

NAME: Final = r"[a-z][a-z0-9-]{0,39}"
"""What a table may be called."""


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


@app.command("table")
def table_command(
    name: Annotated[str, typer.Argument(help="What policies call it: small letters, digits and hyphens.")],
    threshold: Annotated[int, typer.Option(help="The k of the cells it is for.")],
    largest: Annotated[int, typer.Option(help="The largest noise D, at least k.")],
    variance: Annotated[str, typer.Option(help="The variance V, a whole number or fraction like 9/2.")],
    home: Home = Path("louver-home"),
) -> None:
    """Compute a perturbation table, verify it and store it beside the policies; needs the extra `tables`.

    Prints the reference by which policies use it. A table never changes: other terms are another table.

    Example: louver-sandbox noise table persons-20 --threshold 20 --largest 24 --variance 9
    """
    with explained():
        folder = load(home).home / "policies" / "tables"
        reference, table = make_table(folder, name, threshold, largest, variance)
        typer.echo(reference)
        for line in described(table):
            typer.echo(line)


@app.command("verify")
def verify_command(
    file: Annotated[Path, typer.Argument(help="The document of a table.", exists=True, dir_okay=False)],
) -> None:
    """Verify a perturbation table with exact arithmetic, and print its reference and properties.

    Example: louver-sandbox noise verify louver-home/policies/tables/persons-20.json
    """
    with explained():
        try:
            reference = register(file.stem, file.read_bytes())
        except PerturbationRefused as refused:
            raise fail(refused.message) from refused
        typer.echo(reference)
        for line in described(named(reference)):
            typer.echo(line)


def make_table(folder: Path, name: str, threshold: int, largest: int, variance: str) -> tuple[str, PerturbationTable]:
    """Computes, verifies and stores a table; its reference and itself. One that is there already is never replaced.

    Raises:
        InstallationRefused: a name or variance that is none, terms that no noise has, a file that is there already,
            or no solver.
    """
    if not re.fullmatch(NAME, name):
        raise InstallationRefused("a table's name has small letters, digits and hyphens, at most 40")
    try:
        # Its root finder is an extra that only this command needs.
        from louver_sandbox.perturbation.solve import solved

        table = solved(NoiseTerms(largest, Fraction(variance), threshold))
    except PerturbationRefused as refused:
        raise InstallationRefused(refused.message) from refused
    except (ValueError, ZeroDivisionError):
        raise InstallationRefused(f"{variance!r} is no variance: give a whole number or a fraction") from None
    except ModuleNotFoundError:
        raise InstallationRefused("install the extra `tables` to compute perturbation tables") from None
    document = stored.written(table)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (folder / f"{name}.json").open("xb") as file:
            file.write(document)
    except FileExistsError:
        raise InstallationRefused(f"tables/{name}.json is there already; policies may use it") from None
    return register(name, document), table


def described(table: PerturbationTable) -> Iterator[str]:
    """The terms of a table, and what its rows are like from k on."""
    terms = table.terms
    yield f"k {terms.threshold}, largest noise {terms.maximum}, variance at most {terms.variance}, mean zero"
    yield "count  variance  entropy (nats)  chance of no noise"
    for row in stored.properties(table)[terms.threshold :]:
        yield f"{row.count:5}  {float(row.variance):8.3f}  {row.entropy:14.3f}  {float(row.unchanged):18.3f}"

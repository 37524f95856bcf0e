"""`louver-sandbox catalog tidy`: what departments delivered, made ready to register; in numbers, never a value."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated

import duckdb
import typer

from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Source, SourceKind, Table
from louver_sandbox.catalog.sources import source_files
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.tidying import Tidied, tidy
from louver_sandbox.settings import Settings, load

ASIDE = "set-aside"
"""The folder of rows that were set aside, below the installation's: their department is to look at them."""


def tidied_delivery(settings: Settings, delivered: Path, table: str = "") -> Iterator[tuple[Table, Tidied]]:
    """Tidies what a folder that is laid out as the data folder holds of the registered tables, into the data folder.

    Each table's files are replaced as one, when all of it is tidied.

    Raises:
        ValueError: a delivery is not what is declared; its text names no value.
        duckdb.Error: files cannot be read or written.
    """
    for item in load_catalog([settings.catalog], settings.data).tables.values():
        if item.source is None or table not in ("", str(item.name)):
            continue
        declared = PurePosixPath(Path(item.source.path).relative_to(settings.data.resolve()))
        source = replace(item.source, path=str(delivered / declared))
        if source.kind is not SourceKind.DUCKDB and source_files(source):
            yield item, _of_table(settings, item, source)


def _of_table(settings: Settings, table: Table, source: Source) -> Tidied:
    target = Path(table.source.path) if table.source is not None else Path()
    glob = "*" in target.name
    whole = target.parent if glob else target
    making = settings.data / f".tidying-{table.name}"
    shutil.rmtree(making, ignore_errors=True)
    aside = settings.home / ASIDE / f"{table.name}.{source.kind.value}"
    aside.unlink(missing_ok=True)
    try:
        made = making / (f"part-00000.{source.kind.value}" if glob else target.name)
        found = tidy(table, source, made, aside, connect)
        whole.parent.mkdir(parents=True, exist_ok=True)
        if glob:
            shutil.rmtree(whole, ignore_errors=True)
            making.rename(whole)
        else:
            made.replace(whole)
        return found
    finally:
        shutil.rmtree(making, ignore_errors=True)


def tidy_command(
    delivered: Annotated[Path, typer.Argument(help="A folder laid out as the data folder, as departments deliver.")],
    table: Annotated[str, typer.Argument(help="A registered table; without one, all that are there.")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Tidy delivered data into the data folder: forms of numbers, codes and names; repeats; what breaks a promise.

    What was set aside lies in `set-aside` below the installation, with the promise that each row breaks. Exit code 3
    where there is any.

    Example: louver-sandbox catalog tidy /srv/delivered gov.hf_account
    """
    lost, any_there = 0, False
    with explained():
        try:
            for item, found in tidied_delivery(load(home), delivered, table):
                any_there = True
                lost += sum(found.set_aside.values())
                typer.echo(f"{item.name}  {found.rows} rows  {found.kept} kept  {found.repeated} repeated")
                for column, count in sorted(found.tidied.items()):
                    typer.echo(f"  {count} tidied: {column}")
                for rule, count in found.set_aside.items():
                    typer.echo(f"  {count} set aside: not so that {rule}")
        except ValueError as wrong:
            raise fail(str(wrong)) from None
        except duckdb.Error:  # its text may quote values
            raise fail("a delivery cannot be read as it is declared") from None
    if not any_there:
        raise fail("nothing that is registered has been delivered there")
    if lost:
        raise typer.Exit(3)

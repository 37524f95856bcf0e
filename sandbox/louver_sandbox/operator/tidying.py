"""`louver-sandbox catalog tidy`: what departments delivered, made ready to register; in numbers, never a value."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated

import duckdb
import typer

from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Source, SourceKind, Table
from louver_sandbox.catalog.sources import overlap, source_files
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.policy.cubes import SCHEMA
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
    tables = load_catalog([settings.catalog], settings.data).tables
    for item in tables.values():
        if item.source is None or table not in ("", str(item.name)):
            continue
        declared = PurePosixPath(Path(item.source.path).relative_to(settings.data.resolve()))
        source = replace(item.source, path=str(delivered / declared))
        if source.kind is not SourceKind.DUCKDB and source_files(source):
            _check_place(settings, item, declared, tables.values())
            yield item, _of_table(settings, item, source)


def _check_place(settings: Settings, table: Table, declared: PurePosixPath, tables: Iterable[Table]) -> None:
    """What is replaced is the table's and nothing else: one file, or a folder of its own. Raises ValueError."""
    if table.name.schema == SCHEMA:
        raise ValueError(f"{table.name} is published, not delivered")
    if not any(mark in str(declared) for mark in "*?["):
        return
    kind, folder = table.source.kind.value if table.source is not None else "", declared.parent
    if declared.name != f"*.{kind}" or not folder.parts or any(mark in str(folder) for mark in "*?["):
        raise ValueError(f"{table.name}: what is tidied is declared as one file, or as FOLDER/*.{kind}")
    whole = Source(SourceKind.PARQUET, str(settings.data.resolve() / folder / "**"))
    for other in tables:
        if other.name != table.name and other.source is not None and overlap(whole, other.source):
            raise ValueError(
                f"{table.name}: its folder has data of {other.name}; give each table a folder of its own"
            )
    there = settings.data / folder
    if there.is_dir() and any(file.suffix != f".{kind}" or not file.is_file() for file in there.iterdir()):
        raise ValueError(f"{table.name}: its folder has files of another kind; move them away first")


def _of_table(settings: Settings, table: Table, source: Source) -> Tidied:
    target = Path(table.source.path) if table.source is not None else Path()
    glob = "*" in target.name
    whole = target.parent if glob else target
    retired = settings.data / f".retired-{table.name}"
    making = settings.data / f".tidying-{table.name}"
    if glob and retired.exists() and not whole.exists():  # cut off between the two renames
        retired.rename(whole)
    shutil.rmtree(making, ignore_errors=True)
    aside = settings.home / ASIDE / f"{table.name}.{source.kind.value}"
    aside.unlink(missing_ok=True)
    try:
        made = making / (f"part-00000.{source.kind.value}" if glob else target.name)
        found = tidy(table, source, made, aside, connect)
        whole.parent.mkdir(parents=True, exist_ok=True)
        if glob:
            _exchange(whole, making, retired)
        else:
            made.replace(whole)
        return found
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _exchange(whole: Path, made: Path, retired: Path) -> None:
    """The new folder in place of the old, which is deleted when the new one stands there, and else stays."""
    shutil.rmtree(retired, ignore_errors=True)
    before = whole.exists()
    if before:
        whole.rename(retired)
    try:
        made.rename(whole)
    except OSError:
        if before:
            retired.rename(whole)
        raise
    shutil.rmtree(retired, ignore_errors=True)


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

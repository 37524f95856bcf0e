"""`louver-sandbox catalog elements | quality | conflicts | suggest`: what data are like, and what to register."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog, Source, SourceKind
from louver_sandbox.catalog.sources import quote, raw_relation
from louver_sandbox.elements.dictionary import ELEMENTS
from louver_sandbox.elements.names import are_names, is_name
from louver_sandbox.elements.scanner import scan
from louver_sandbox.operator import listing
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.operator.tidying import tidy_command
from louver_sandbox.premises import utc_now
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.conflicts import collected_twice, conflicts
from louver_sandbox.quality.measure import measure
from louver_sandbox.quality.model import Dimension, Grade, Report
from louver_sandbox.quality.suggest import declaration, look, suggest
from louver_sandbox.settings import load

As_json = Annotated[bool, typer.Option("--json", help="One JSON document per line.")]
_FIRST = 1_000
"""Different values by which a column is known for one of names."""
_KINDS = {".parquet": SourceKind.PARQUET, ".csv": SourceKind.CSV}


def commands(app: typer.Typer) -> None:
    """Adds the commands to `louver-sandbox catalog`."""
    app.command("elements")(elements)
    app.command("quality")(quality)
    app.command("conflicts")(list_conflicts)
    app.command("suggest")(propose)
    app.command("scan")(scan_file)
    app.command("tidy")(tidy_command)
    listing.commands(app)


def elements(
    code: Annotated[
        str, typer.Argument(help="A data element: values on standard input are checked, tidied, masked.")
    ] = "",
) -> None:
    """The dictionary of data elements; with one of them, checks the values on standard input, a line each.

    Example: cut -d, -f1 firms.csv | louver-sandbox catalog elements uscc
    """
    if not code:
        for element in ELEMENTS.values():
            typer.echo(f"{element.code}\t{element.title}\t{element.title_zh}\t{element.standard}")
        return
    if code not in ELEMENTS:
        raise fail(f"there is no data element {code}", f"known: {', '.join(ELEMENTS)}")
    element, faulty = ELEMENTS[code], 0
    for line in sys.stdin:
        normal = element.normal(line.rstrip("\r\n"))
        defect = element.defect(normal)
        faulty += defect is not None
        typer.echo(f"{normal if defect is None else '-'}\t{element.mask(normal)}\t{defect or 'ok'}")
    if faulty:
        raise typer.Exit(1)


def quality(
    table: Annotated[str, typer.Argument(help="A registered table; without one, all of them.")] = "",
    home: Home = Path("louver-home"),
    least: Annotated[Grade, typer.Option(help="Exit with 1 where a table's grade is worse.")] = Grade.E,
    as_json: As_json = False,
) -> None:
    """Measure registered data by the dimensions of GB/T 36344: how many rows break which rule. Never a value."""
    with explained():
        catalog = _catalog(home)
        chosen = [item for item in catalog.tables.values() if item.source and table in ("", str(item.name))]
        if not chosen:
            raise fail(f"no table {table} with data of its own is registered")
        poor = False
        for item in chosen:
            try:
                report = measure(item, catalog.tables, connect, predicate_sql, utc_now().date())
            except duckdb.Error:  # its text may quote values
                raise fail(f"{item.name}: the source cannot be read; see `louver-sandbox catalog check`") from None
            poor |= report.grade > least
            for line in _json_lines(report) if as_json else _lines(report):
                typer.echo(line)
        if poor:
            raise typer.Exit(1)


def _lines(report: Report) -> list[str]:
    by_dimension = "  ".join(f"{item.chinese} {report.of(item)}" for item in Dimension)
    lines = [f"{report.table}  {report.rows} rows  {report.grade}  ({by_dimension})"]
    for item in report.measured:
        if item.faulty:
            allowed = "" if item.binding else "  (declared possible)"
            column = f" {item.column}" if item.column else ""
            lines.append(f"  {item.faulty} of {item.rows}  {item.dimension}{column}: {item.rule}{allowed}")
    return lines


def _json_lines(report: Report) -> list[str]:
    head = {"table": str(report.table), "rows": report.rows, "grade": report.grade}
    return [
        json.dumps(
            {
                **head,
                "dimension": item.dimension,
                "column": item.column,
                "rule": item.rule,
                "checked": item.rows,
                "faulty": item.faulty,
                "binding": item.binding,
            },
            ensure_ascii=False,
        )
        for item in report.measured
    ]


def list_conflicts(home: Home = Path("louver-home"), as_json: As_json = False) -> None:
    """What departments say differently of the same subjects, in numbers, and what several of them collect."""
    with explained():
        catalog = _catalog(home)
        for found in collected_twice(catalog.tables.values()):
            tables = [str(name) for name in found.tables]
            if as_json:
                typer.echo(json.dumps({"collected": found.element, "column": found.column, "tables": tables}))
            else:
                typer.echo(f"collected {len(tables)} times: {found.column} ({found.element}) in {', '.join(tables)}")
        try:
            for item in conflicts(catalog.tables, connect):
                pair = [f"{item.one}.{item.one_column}", f"{item.other}.{item.other_column}"]
                if as_json:
                    numbers = {"subjects": item.subjects, "conflicts": item.conflicts}
                    typer.echo(json.dumps({"element": item.element, "columns": pair, **numbers}))
                else:
                    share = f"{item.conflicts / item.subjects:.2%}" if item.subjects else "-"
                    typer.echo(f"{item.element}  {' and '.join(pair)}  {item.conflicts} of {item.subjects}  {share}")
        except duckdb.Error:  # its text may quote values
            raise fail("a source cannot be read; see `louver-sandbox catalog check`") from None


def propose(
    file: Annotated[Path, typer.Argument(help="A Parquet or CSV file.")],
    name: Annotated[str, typer.Option("--table", help="The name to register it under, such as gov.loans.")] = "",
) -> None:
    """Propose a declaration: types, data elements, levels, roles and units, with reasons, as YAML to be judged.

    Example: louver-sandbox catalog suggest loans.parquet --table gov.loans > catalog/gov.loans.yaml
    """
    source = _source(file)
    try:
        columns = tuple(suggest(seen) for seen in look(source, connect))
    except duckdb.Error:  # its text may quote values
        raise fail(f"{file.name} cannot be read as {source.kind.value}") from None
    there = Source(source.kind, file.name)
    typer.echo(declaration(name or f"gov.{file.stem.lower()}", there, columns), nl=False)


def scan_file(
    file: Annotated[Path, typer.Argument(help="A Parquet or CSV file.")],
) -> None:
    """Count the identifiers that stand in the texts of a file, column by column; exit 1 where there are any.

    Found by form and check digits: citizen numbers, credit codes, mobile numbers, bank cards; names where a text says
    that it is one, and in columns of them. Never shows one.
    """
    source = _source(file)
    held = False
    try:
        with connect() as connection:
            rows = raw_relation(source)
            described = connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()  # noqa: S608 - quoted path
            for name in [str(name) for name, kind, *_ in described if kind in ("VARCHAR", "BIGINT", "HUGEINT")]:
                text = f"CAST({quote(name)} AS VARCHAR)"
                values = connection.execute(
                    f"SELECT {text}, count(*) FROM {rows} WHERE {quote(name)} IS NOT NULL GROUP BY 1"  # noqa: S608
                )
                counts: Counter[str] = Counter()
                first: dict[str, int] = {}
                for value, number in _texts(values):
                    if len(first) < _FIRST:
                        first[value] = number
                    for code in scan(value):
                        counts[code] += number
                if are_names(first):
                    counts["person_name"] = sum(number for value, number in first.items() if is_name(value))
                for code, count in sorted(counts.items()):
                    held = True
                    typer.echo(f"{name}\t{code}\t{count}")
    except duckdb.Error:  # its text may quote values
        raise fail(f"{file.name} cannot be read as {source.kind.value}") from None
    if held:
        raise typer.Exit(1)


def _texts(rows: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, int]]:
    while batch := rows.fetchmany(50_000):
        yield from batch


def _source(file: Path) -> Source:
    kind = _KINDS.get(file.suffix.lower())
    if kind is None:
        raise fail(f"{file.name} is neither .parquet nor .csv")
    if not file.is_file():
        raise fail(f"{file}: there is no such file")
    return Source(kind, str(file))


def _catalog(home: Path) -> Catalog:
    settings = load(home)
    return load_catalog([settings.catalog], settings.data)

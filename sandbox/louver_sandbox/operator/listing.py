"""`louver-sandbox catalog export | import`: the data lists of departments (部门数据清单), as spreadsheets keep them.

A CSV with a row for each table and one for each of its columns; whatever the declaration says has a cell, so what was
exported is imported as the same catalogue, by its digest.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from louver_sandbox.catalog.load import Declared, load_catalog, read_declarations
from louver_sandbox.catalog.positions import CatalogRefused
from louver_sandbox.catalog.schema import ColumnDeclaration, TableDeclaration
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.settings import load

_OF_TABLES: Final = [name for name in TableDeclaration.model_fields if name not in ("table", "columns")]
_OF_COLUMNS: Final = [name for name in ColumnDeclaration.model_fields if name not in _OF_TABLES]
_HEADING: Final = ["table", "column", *_OF_TABLES, *_OF_COLUMNS]
_IN_JSON: Final = tuple('[{"=+-@\t\r')
"""What begins a cell that is JSON: lists and mappings, and texts that spreadsheets would take for a formula."""


def commands(app: typer.Typer) -> None:
    """Adds the commands to `louver-sandbox catalog`."""
    app.command("export")(export)
    app.command("import")(import_list)


def listed(declared: Iterable[Declared]) -> str:
    """The list of these tables as CSV."""
    written = io.StringIO()
    rows = csv.DictWriter(written, _HEADING, lineterminator="\r\n")
    rows.writeheader()
    for item in declared:
        plain = cast("Mapping[str, Any]", item.node.plain())
        said = {name: _cell(value) for name, value in plain.items() if name != "columns"}
        rows.writerow(said)
        for name, column in plain["columns"].items():
            cells = {key: _cell(value) for key, value in column.items()}
            rows.writerow({"table": said["table"], "column": _cell(name), **cells})
    return written.getvalue()


def declarations(text: str) -> Iterator[tuple[str, str]]:
    """Each table of a list with its declaration as YAML. Raises ValueError for what has not the form of one."""
    tables: dict[str, dict[str, Any]] = {}
    reader = csv.DictReader(io.StringIO(text))
    unknown = set(reader.fieldnames or ()) - set(_HEADING)
    if unknown or "table" not in (reader.fieldnames or ()):
        raise ValueError(f"the heading of a list is: {', '.join(_HEADING)}")
    for row in reader:
        cells = {name: _value(cell) for name, cell in row.items() if name and cell}
        name, column = str(cells.pop("table", "")), cells.pop("column", None)
        if column is None:
            if name in tables:
                raise ValueError(f"line {reader.line_num}: {name} stands in the list twice")
            tables[name] = {"table": name, **cells, "columns": {}}
        elif name in tables:
            tables[name]["columns"][str(column)] = cells
        else:
            raise ValueError(f"line {reader.line_num}: a column comes before its table")
    yield from ((name, json.dumps(table, ensure_ascii=False, indent=1) + "\n") for name, table in tables.items())


def _cell(value: object) -> str:
    if isinstance(value, str) and not value.startswith(_IN_JSON):
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(cell: str) -> object:
    if not cell.startswith(_IN_JSON):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        raise ValueError("a cell that begins like JSON is none") from None


def export(
    department: Annotated[str, typer.Argument(help="The department; without one, all of them.")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Write the data list of a department as CSV on standard output.

    Example: louver-sandbox catalog export 市税务局 > taxes.csv
    """
    with explained():
        declared, problems = read_declarations([load(home).catalog])
        if problems:
            raise CatalogRefused(problems)
        chosen = [item for item in declared if department in ("", item.table.owner)]
        if not chosen:
            raise fail(f"no table of {department} is registered")
        typer.echo(listed(chosen), nl=False)


def import_list(
    file: Annotated[Path, typer.Argument(help="A data list as CSV, in UTF-8.")],
    department: Annotated[str, typer.Option(help="Whose list it must be: it may declare no table of others.")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Register a department's data list in place of what it declared before: all of it, or nothing.

    Example: louver-sandbox catalog import taxes.csv --department 市税务局
    """
    with explained():
        settings = load(home)
        try:
            made = dict(declarations(file.read_bytes().decode("utf-8-sig")))
        except UnicodeDecodeError:
            raise fail(f"{file.name} is not UTF-8") from None
        except ValueError as wrong:
            raise fail(f"{file.name}: {wrong}") from None
        except OSError as error:
            raise fail(f"{file}: {error.strerror}") from None
        with tempfile.TemporaryDirectory(dir=settings.home) as folder:
            whole = Path(folder) / "catalog"
            shutil.copytree(settings.catalog, whole)
            for path, names in _files(whole).items():
                if names & made.keys():
                    if names - made.keys():
                        raise fail(f"{path.name} declares other tables as well", "give each table a file of its own")
                    path.unlink()
            for name, text in made.items():
                (whole / f"{name.replace('/', '_')}.yaml").write_text(text, encoding="utf-8")
            _check_owners(settings.catalog, whole, made.keys(), department)
            load_catalog([whole], settings.data)
            retired = Path(folder) / "before"
            settings.catalog.rename(retired)
            whole.rename(settings.catalog)
        typer.echo(f"{len(made)} tables; `louver-sandbox catalog check` holds them against their data")


def _files(folder: Path) -> dict[Path, set[str]]:
    """The files of a catalogue, and the tables that each declares. Raises `CatalogRefused`."""
    found: dict[Path, set[str]] = {}
    for path in sorted(folder.glob("*.yaml")):
        declared, problems = read_declarations([path])
        if problems and not declared:
            raise CatalogRefused(problems)
        found[path] = {str(item.table.name) for item in declared}
    return found


def _check_owners(before: Path, after: Path, names: Iterable[str], department: str) -> None:
    """A list takes no table from another department, and with `department` declares none for another."""
    wanted = set(names)
    held = {str(item.table.name): item.table.owner for item in read_declarations([before])[0]}
    declared, problems = read_declarations([after])
    if problems:
        raise CatalogRefused(problems)
    for item in declared:
        name, owner = str(item.table.name), item.table.owner
        if name in wanted and (held.get(name, owner) != owner or (department and owner != department)):
            raise fail(f"{name} is of {held.get(name, owner)}", "a department's list holds its own tables")

"""Where a registered table's rows are: its files, the version of its data, and the relation an engine reads.

Paths come from the operator's declarations, never from a query. The SQL made here names files only through quoted
literals and columns only through quoted identifiers.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path, PurePosixPath

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.catalog.model import Column, Source, SourceKind, Table

ATTACHED = "source"
"""Alias under which a DuckDB source is attached while it is read."""


def source_files(source: Source) -> tuple[Path, ...]:
    """The files a source names, sorted; none when nothing matches. The part before the glob must exist."""
    path = Path(source.path)
    parts = path.parts
    first = next((index for index, part in enumerate(parts) if _is_glob(part)), len(parts))
    if first == len(parts):
        return (path,) if path.is_file() else ()
    root = Path(*parts[:first])
    return tuple(sorted(item for item in root.glob(str(Path(*parts[first:]))) if item.is_file()))


def _is_glob(part: str) -> bool:
    return any(mark in part for mark in "*?[")


def overlap(one: Source, other: Source) -> bool:
    """Whether two declared sources may name a file, or a table of a database, in common; what cannot be told is yes.

    By the patterns, as the files may not be there yet; and without regard to case, as not every disk regards it.
    """
    if one.kind is other.kind is SourceKind.DUCKDB and _table(one) != _table(other):
        return False
    mine, theirs = PurePosixPath(one.path.casefold()).parts, PurePosixPath(other.path.casefold()).parts
    for left, right in zip(mine, theirs, strict=False):
        if "**" in (left, right):
            return True
        if not _may_be_one(left, right):
            return False
    return len(mine) == len(theirs) or "**" in (*mine, *theirs)


def first_folder(source: Source) -> str:
    """What the path of a declared source begins with, without regard to case; empty where that is a pattern."""
    begins = next(iter(PurePosixPath(source.path.casefold()).parts), "")
    return "" if _is_glob(begins) else begins


def _table(source: Source) -> str:
    return (source.table or "").casefold().removeprefix("main.")


def _may_be_one(left: str, right: str) -> bool:
    """Whether some name fits both parts of a path: by the part of each that wildcards do not reach."""
    if not _is_glob(left) and not _is_glob(right):
        return left == right
    (head, tail), (other_head, other_tail) = _ends(left), _ends(right)
    heads = head.startswith(other_head) or other_head.startswith(head)
    return heads and (tail.endswith(other_tail) or other_tail.endswith(tail))


def _ends(part: str) -> tuple[str, str]:
    """What stands before the first wildcard of a part of a path, and after the last; all of it twice without one."""
    places = [place for place, sign in enumerate(part) if sign in "*?[]"]
    return (part[: places[0]], part[places[-1] + 1 :]) if _is_glob(part) else (part, part)


def data_version(source: Source) -> str:
    """SHA-256 over the contents and relative names of the files; empty when there is no file.

    Contents, not times: a copied world has the same version. A file is hashed once per size and modification time.
    """
    files = source_files(source)
    if not files:
        return ""
    root = files[0].parent
    with ThreadPoolExecutor(max_workers=2) as pool:
        contents = list(pool.map(_content_of, files))
    version = hashlib.sha256(f"{source.kind.value}\0{source.table or ''}\0".encode())
    for file, content in zip(files, contents, strict=True):
        version.update(f"{file.relative_to(root) if file.is_relative_to(root) else file.name}\0{content}\0".encode())
    return version.hexdigest()


def _content_of(file: Path) -> str:
    status = file.stat()
    return _hashed(file, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=65_536)
def _hashed(file: Path, size: int, modified: int, inode: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def quote(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a quoted SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def attach_statement(source: Source, alias: str = ATTACHED) -> str | None:
    """The statement that makes a DuckDB source readable, or None for files that need none."""
    if source.kind is not SourceKind.DUCKDB:
        return None
    return f"ATTACH {literal(source.path)} AS {quote(alias)} (READ_ONLY)"


def raw_relation(source: Source, alias: str = ATTACHED) -> str:
    """What to write after FROM to read the source as it is: files as stored, CSV fields as text."""
    if source.kind is SourceKind.DUCKDB:
        names = (source.table or "").split(".")
        return ".".join(quote(name) for name in (alias, *(names if len(names) > 1 else ["main", *names])))
    files = "[" + ", ".join(literal(str(file)) for file in source_files(source)) + "]"
    if source.kind is SourceKind.PARQUET:
        return f"read_parquet({files}, hive_partitioning=false)"
    return f"read_csv({files}, all_varchar=true, header=true, hive_partitioning=false)"


def relation(table: Table, columns: tuple[Column, ...], alias: str = ATTACHED) -> str:
    """A parenthesised SELECT of the given columns with their declared kinds; a CSV field that does not parse is NULL.

    Raises:
        ValueError: the table is a view and has no rows of its own.
    """
    if table.source is None:
        raise ValueError("a view has no source")
    items = ", ".join(f"{typed(table.source.kind, column)} AS {quote(column.name)}" for column in columns)
    return f"(SELECT {items} FROM {raw_relation(table.source, alias)})"  # noqa: S608 - every name is quoted


def typed(kind: SourceKind, column: Column) -> str:
    """The column read from its source, in a type its declared kind allows; not-a-number and infinity become NULL."""
    name = quote(column.name)
    if kind is SourceKind.CSV:
        name = f"TRY_CAST({name} AS {csv_type(column.type)})"
    match column.type.kind:
        case Kind.DOUBLE:
            return f"CASE WHEN isfinite(CAST({name} AS DOUBLE)) THEN CAST({name} AS DOUBLE) END"
        case Kind.TIMESTAMP:
            return f"TRY_CAST({name} AS TIMESTAMP)"
        case _:
            return name


def csv_type(type_: Type) -> str:
    """The engine's type for a CSV field of this kind: decimals keep 18 digits, or more where the scale needs it."""
    match type_.kind:
        case Kind.INTEGER:
            return "BIGINT"
        case Kind.DECIMAL:
            return f"DECIMAL({min(38, max(18, type_.scale + 15))}, {type_.scale})"
        case Kind.TEXT_LIST:
            return "VARCHAR[]"
        case Kind.TEXT:
            return "VARCHAR"
        case _:
            return type_.kind.value.upper()

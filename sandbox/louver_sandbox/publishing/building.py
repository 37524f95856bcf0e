"""The SQL of one snapshot: source rows of a grant set, with a record key per privacy unit, in record-key order.

The order is that of a keyed hash, so where a row lies in the file says nothing about its subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
from duckdb import DuckDBPyConnection

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, Column, PrivacyUnit, Source, Table
from louver_sandbox.catalog.sources import attach_statement, literal, quote, relation
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.recoding import Partition, Recoding, recode
from louver_sandbox.publishing.record_keys import record_keys
from louver_sandbox.publishing.refused import PublishRefused

BATCH_ROWS = 122_880
"""Distinct units hashed at a time: one row group of the engine."""
WORK = "work"
"""In-memory database of the build for unit ids and their keys; it is never written to the snapshot."""

Emit = Callable[[Table, str], str]


@dataclass(frozen=True, slots=True)
class Build:
    """Everything one snapshot is made from; `emit` turns a predicate into engine text."""

    catalog: Catalog
    table: Table
    grant: GrantSet
    key: bytes
    emit: Emit

    @property
    def columns(self) -> tuple[Column, ...]:
        """The granted columns in the catalogue's order.

        Raises:
            PublishRefused: a granted column does not exist or is L5, which is never granted.
        """
        wanted = frozenset(self.grant.columns)
        found = tuple(column for column in self.table.columns if column.name in wanted)
        if len(found) != len(wanted):
            raise PublishRefused(f"{self.table.name}: a granted column is not in the catalogue")
        if any(column.level == 5 for column in found):
            raise PublishRefused(f"{self.table.name}: an L5 column cannot be granted")
        return found

    @property
    def rows(self) -> str:
        """The source's rows below L5 that may be used and pass the row filter."""
        below = tuple(column for column in self.table.columns if column.level < 5)
        source = relation(self.table, below)
        conditions = [text for text in (self.table.kept, self.grant.row_filter) if text is not None]
        if not conditions:
            return f"{source} AS s"
        kept = " AND ".join(self.emit(self.table, text) for text in conditions)
        return f"(SELECT * FROM {source} WHERE {kept}) AS s"  # noqa: S608 - names quoted, predicate emitted

    def condition(self, unit: PrivacyUnit) -> str:
        """For which rows the unit holds."""
        return self.emit(self.table, unit.when) if unit.when else "TRUE"


def build(connection: DuckDBPyConnection, job: Build) -> tuple[int, Partition | None]:
    """Create `main.data` in the connection's database; its rows, and what the atom rule moved where it holds.

    Raises:
        PublishRefused: the data contradict the declaration (rows per unit, rows without a unit, number of units,
            foreign keys, `once_per`, unique columns, code lists, bounds), or have no partition into safe atoms.
    """
    if job.table.source is None:
        raise PublishRefused(f"{job.table.name}: a view is not published, its tables are")
    columns = job.columns
    connection.execute(f"ATTACH ':memory:' AS {WORK}")
    _attach(connection, job.table.source)
    for index, unit in enumerate(job.table.units):
        _map_units(connection, job, index, unit)
        _hash_units(connection, job, index, unit)
    recoding = _recoding(job)
    partition = None if recoding is None else recode(connection, recoding)
    _create_data(connection, job, columns, recoding)
    _check(connection, job)
    _index_subjects(connection, job)
    connection.execute(f"DETACH {WORK}")
    if attach_statement(job.table.source):
        connection.execute("DETACH source")
    return _count(connection, "SELECT count(*) FROM main.data"), partition


def _attach(connection: DuckDBPyConnection, source: Source, alias: str = "source") -> None:
    statement = attach_statement(source, alias)
    if statement:
        connection.execute(statement)


def _map_units(connection: DuckDBPyConnection, job: Build, index: int, unit: PrivacyUnit) -> None:
    """For a unit behind a foreign key: `work.map_<index>` from the local value's text to the unit's id text."""
    if not unit.via:
        return
    hops: list[str] = []
    selected = ""
    for hop in range(1, len(unit.via) - 1, 2):
        schema, name, key = unit.via[hop].split(".")
        table = job.catalog.tables[TableName(schema, name)]
        if table.source is None:
            raise PublishRefused(f"{job.table.name}: a foreign key leads to a view")
        alias = f"hop_{index}_{hop}"
        _attach(connection, table.source, alias)
        rows = relation(table, tuple(column for column in table.columns if column.level < 5), alias)
        link = "" if not hops else f" ON CAST({selected} AS VARCHAR) = CAST(h{hop}.{quote(key)} AS VARCHAR)"
        hops.append(f"{rows} AS h{hop}{link}")
        selected = f"h{hop}.{quote(unit.via[hop + 1])}"
    first = f"h1.{quote(unit.via[1].split('.')[2])}"
    connection.execute(
        f"CREATE TABLE {WORK}.map_{index} AS SELECT DISTINCT CAST({first} AS VARCHAR) AS value, "  # noqa: S608
        f"CAST({selected} AS VARCHAR) AS id FROM {' JOIN '.join(hops)} WHERE {first} IS NOT NULL"
    )
    if _count(connection, f"SELECT count(*) - count(DISTINCT value) FROM {WORK}.map_{index}"):  # noqa: S608
        raise PublishRefused(f"{job.table.name}: a foreign key of unit {unit.column} leads to several units")


def _hash_units(connection: DuckDBPyConnection, job: Build, index: int, unit: PrivacyUnit) -> None:
    """`work.keys_<index>`: the record key of every distinct value of the unit's column, hashed once."""
    connection.execute(f"CREATE TABLE {WORK}.keys_{index} (value VARCHAR, key BIGINT)")
    if unit.via:
        distinct = f"SELECT value, id FROM {WORK}.map_{index} WHERE id IS NOT NULL"  # noqa: S608
    else:
        value = f"CAST({quote(unit.column)} AS VARCHAR)"
        distinct = (
            f"SELECT DISTINCT {value} AS value, {value} AS id FROM {job.rows} "  # noqa: S608
            f"WHERE {quote(unit.column)} IS NOT NULL AND {job.condition(unit)}"
        )
    with connection.cursor() as reader, connection.cursor() as writer:
        batches: pa.RecordBatchReader = reader.sql(distinct).to_arrow_reader(BATCH_ROWS)
        for batch in batches:
            keys = record_keys(batch.column("id").to_pylist(), unit.type, job.key)
            hashed = pa.table({"value": batch.column("value"), "key": pa.array(keys)})
            writer.register("hashed", hashed)
            writer.execute(f"INSERT INTO {WORK}.keys_{index} SELECT value, key FROM hashed")  # noqa: S608
            writer.unregister("hashed")


def _keyed(job: Build) -> str:
    """The source's rows as `s`, with the record keys of each unit declaration as `k0`, `k1`, ..."""
    joins = (
        f"LEFT JOIN {WORK}.keys_{index} AS k{index} ON CAST(s.{quote(unit.column)} AS VARCHAR) = k{index}.value "
        f"AND {job.condition(unit)}"
        for index, unit in enumerate(job.table.units)
    )
    return " ".join([job.rows, *joins])


def _recoding(job: Build) -> Recoding | None:
    rules = job.grant.atoms
    return None if rules is None else Recoding(job.table, rules, _keyed(job), WORK)


def _create_data(
    connection: DuckDBPyConnection, job: Build, columns: tuple[Column, ...], recoding: Recoding | None
) -> None:
    selected = [
        f"{f's.{quote(column.name)}' if recoding is None else recoding.recoded(column.name)} AS {quote(column.name)}"
        for column in columns
    ]
    selected += [f"k{index}.key AS {quote(unit.record_key)}" for index, unit in enumerate(job.table.units)]
    keys = [f"k{index}.key" for index in range(len(job.table.units))]
    order = f"ORDER BY {', '.join(keys)}" if keys else ""
    atoms = "" if recoding is None else recoding.join
    connection.execute(
        f"CREATE TABLE main.data AS SELECT {', '.join(selected)} FROM {_keyed(job)} {atoms} {order}"  # noqa: S608
    )


def _index_subjects(connection: DuckDBPyConnection, job: Build) -> None:
    """Where single subjects may be looked up, an index by subject: a scan's time grows with the table, and one for
    nobody is skipped by the ends of each row group, so that whoever has a clock could tell an absent subject from one
    that has not authorised."""
    subjects = [unit.column for unit in job.table.units[:1] if not unit.via]
    if job.grant.looked_up and job.grant.atoms is None and set(subjects) <= {column.name for column in job.columns}:
        for name in subjects:
            connection.execute(f"CREATE INDEX subjects ON main.data ({quote(name)})")


def _check(connection: DuckDBPyConnection, job: Build) -> None:
    """Declared facts that later steps rely on for privacy hold in what was just built."""
    for column in job.columns:
        name = quote(column.name)
        if column.unique and _count(connection, f"SELECT count({name}) - count(DISTINCT {name}) FROM main.data"):  # noqa: S608
            raise PublishRefused(f"{job.table.name}: values of {column.name} repeat, which is declared unique")
    for promised, wrong in _promises(job.columns):
        if outside := _count(connection, f"SELECT count(*) FROM main.data WHERE {wrong}"):  # noqa: S608
            raise PublishRefused(f"{job.table.name}: {outside} rows of {promised} are outside what is declared")
    units = job.table.units
    if not units:
        return
    without = " AND ".join(f"{quote(unit.record_key)} IS NULL" for unit in units)
    if lost := _count(connection, f"SELECT count(*) FROM main.data WHERE {without}"):  # noqa: S608
        raise PublishRefused(f"{job.table.name}: {lost} rows belong to no privacy unit")
    for index, unit in enumerate(units):
        if unit.at_least is not None and _units(connection, job, index, unit) < unit.at_least:
            raise PublishRefused(f"{job.table.name}: there are fewer units {unit.column} than declared")
        _check_once_per(connection, job, unit)
        if unit.rows_per_unit is None:
            continue
        key = quote(unit.record_key)
        over = _count(
            connection,
            f"SELECT count(*) FROM (SELECT 1 FROM main.data WHERE {key} IS NOT NULL "  # noqa: S608
            f"GROUP BY {key} HAVING count(*) > {unit.rows_per_unit})",
        )
        if over:
            raise PublishRefused(f"{job.table.name}: {over} units have more than {unit.rows_per_unit} rows")


def _check_once_per(connection: DuckDBPyConnection, job: Build, unit: PrivacyUnit) -> None:
    """A unit's rows differ as declared. Who is not granted all these columns cannot ask for their values."""
    if not unit.once_per or not set(unit.once_per) <= {column.name for column in job.columns}:
        return
    by = ", ".join(quote(name) for name in (unit.record_key, *unit.once_per))
    repeated = (
        f"SELECT 1 FROM main.data WHERE {quote(unit.record_key)} IS NOT NULL "  # noqa: S608 - names quoted
        f"GROUP BY {by} HAVING count(*) > 1"
    )
    if count := _count(connection, f"SELECT count(*) FROM ({repeated})"):  # noqa: S608
        names = ", ".join(unit.once_per)
        raise PublishRefused(f"{job.table.name}: {count} times a unit {unit.column} has several rows for one {names}")


def _promises(columns: tuple[Column, ...]) -> Iterator[tuple[str, str]]:
    """What no row may be by its column's code list and bounds, which limit how many cells a question can have."""
    for column in columns:
        value = quote(column.name)
        if column.domain is not None:
            yield column.name, f"CAST({value} AS VARCHAR) NOT IN ({', '.join(map(literal, column.domain))})"
        if column.bounds is not None and column.bounds_hold:
            low, high = column.bounds
            yield column.name, f"{value} < {low:f} OR {value} > {high:f}"


def _units(connection: DuckDBPyConnection, job: Build, index: int, unit: PrivacyUnit) -> int:
    """How many distinct units the whole table holds, whatever rows this snapshot leaves out."""
    whole = replace(job, grant=replace(job.grant, row_filter=None))
    value = f"CAST(s.{quote(unit.column)} AS VARCHAR)"
    found, joined = ("m.id", f" JOIN {WORK}.map_{index} AS m ON {value} = m.value") if unit.via else (value, "")
    return _count(
        connection,
        f"SELECT count(DISTINCT {found}) FROM "  # noqa: S608 - names quoted, predicates emitted
        f"(SELECT * FROM {whole.rows} WHERE {job.condition(unit)}) AS s{joined}",
    )


def _count(connection: DuckDBPyConnection, statement: str) -> int:
    return int(connection.execute(statement).fetchall()[0][0])

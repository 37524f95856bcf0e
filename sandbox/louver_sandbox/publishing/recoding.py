"""Recoding a snapshot's dimensions by its table's partition, in the engine: atoms counted, then merged, then joined.

The engine holds a row per unit and atom while it counts, where a unit may have several rows, and spills it like any
other table; the atoms themselves are few. Amounts are added up exactly, so that a partition does not depend on the
order of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from louver_sandbox.algebra.types import NUMERIC, Kind
from louver_sandbox.catalog.atoms import AtomRules, Dimension
from louver_sandbox.catalog.model import Column, PrivacyUnit, Table
from louver_sandbox.catalog.sources import quote
from louver_sandbox.policy.atoms import misfit
from louver_sandbox.publishing.atoms import MOST_ATOMS, Amounts, Asked, Atom, Counted, Unmergeable, partition
from louver_sandbox.publishing.refused import PublishRefused

_DIGITS = 28
"""Digits of a single amount; what has more counts as no value, as it does in answers."""


@dataclass(frozen=True, slots=True)
class DimensionMoved:
    """How many values of a dimension occurred, how many still do, and in how many rows it was changed by merging."""

    column: str
    values: int
    kept: int
    rows_moved: int


@dataclass(frozen=True, slots=True)
class UnitsMoved:
    """How many units of one declaration there are, and how many have a row that was merged into a neighbour."""

    type: str
    column: str
    units: int
    moved: int


@dataclass(frozen=True, slots=True)
class Partition:
    """What the atom rule cost one table, for the operator: combinations before and after merging, rows and units."""

    atoms: int
    kept: int
    rows: int
    rows_moved: int
    units: tuple[UnitsMoved, ...]
    dimensions: tuple[DimensionMoved, ...]


def decode_partition(fields: Any) -> Partition | None:
    """A partition from what `dataclasses.asdict` made of it; None where there is none.

    Raises:
        KeyError, TypeError, ValueError: it is not one.
    """
    if fields is None:
        return None
    units = tuple(
        UnitsMoved(str(item["type"]), str(item["column"]), int(item["units"]), int(item["moved"]))
        for item in fields["units"]
    )
    dimensions = tuple(
        DimensionMoved(str(item["column"]), int(item["values"]), int(item["kept"]), int(item["rows_moved"]))
        for item in fields["dimensions"]
    )
    atoms, kept, rows, moved = (int(fields[name]) for name in ("atoms", "kept", "rows", "rows_moved"))
    return Partition(atoms, kept, rows, moved, units, dimensions)


@dataclass(frozen=True, slots=True)
class Recoding:
    """What the atoms of one table are counted from. `rows` is the source as `s` with the units' record keys joined as
    `k0`, `k1`, ...; tables are made in the database `work`."""

    table: Table
    rules: AtomRules
    rows: str
    work: str

    def binned(self, dimension: Dimension) -> str:
        """The dimension's bin as an expression over `s`, of the column's own type."""
        return binned(dimension, _column(self.table, dimension.column), f"s.{quote(dimension.column)}")

    @property
    def join(self) -> str:
        """What joins each row of `s` to its atom, as `r`."""
        same = [f"r.bin_{n} IS NOT DISTINCT FROM {self.binned(item)}" for n, item in enumerate(self.rules.dimensions)]
        return f"JOIN {self.work}.recode AS r ON {' AND '.join(same)}"

    def recoded(self, name: str) -> str:
        """A column of the snapshot: a dimension's value in the atom that the row is in, or what is stored."""
        names = [dimension.column for dimension in self.rules.dimensions]
        return f"r.atom_{names.index(name)}" if name in names else f"s.{quote(name)}"


def recode(connection: DuckDBPyConnection, job: Recoding) -> Partition:
    """Make `work.recode`, by which rows get the values of their atoms, and say what that moves.

    Raises:
        PublishRefused: a dimension does not fit the table, there are too many atoms, or the table has none.
    """
    for dimension in job.rules.dimensions:
        says = misfit(dimension, job.table)
        if says is not None:
            raise PublishRefused(f"{job.table.name}: {dimension.column}: {says[0]}")
    counting = _Counting(connection, job, _measures(job.table, job.rules))
    atoms = counting.atoms()
    try:
        takes = partition(atoms, job.rules, counting.asked, None if counting.alone else counting.count)
    except Unmergeable:
        raise PublishRefused(
            f"{job.table.name}: not even all rows together are a safe atom: too few units, or an aggregated column "
            "that few contribute to or one dominates"
        ) from None
    counting.write(takes)
    return Partition(
        atoms=len(atoms),
        kept=len(set(takes)),
        rows=sum(atom.rows for atom in atoms),
        rows_moved=sum(atom.rows for place, atom in enumerate(atoms) if takes[place] != place),
        units=tuple(counting.moved(atoms, takes)),
        dimensions=tuple(_moved(job.rules.dimensions, atoms, takes)),
    )


def binned(dimension: Dimension, column: Column, value: str) -> str:
    """The bin of a value as engine text, of the column's own type; no value has no bin."""
    type_ = {Kind.INTEGER: "BIGINT", Kind.DECIMAL: f"DECIMAL(38, {column.type.scale})"}.get(column.type.kind, "")
    if dimension.by is not None:
        kind = "DATE" if column.type.kind is Kind.DATE else "TIMESTAMP"
        return f"CAST(date_trunc('{dimension.by.value}', {value}) AS {kind})"
    if dimension.width is not None:
        return f"CAST(floor({value} / {dimension.width}) * {dimension.width} AS {type_})"
    if dimension.edges is not None:
        lowest, *higher = dimension.edges
        bands = "".join(f" WHEN {value} >= {edge} THEN {edge}" for edge in reversed(higher))
        return f"CAST(CASE WHEN {value} IS NULL THEN NULL{bands} ELSE {lowest} END AS {type_})"
    return value if dimension.prefix is None else f"left({value}, {dimension.prefix})"


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise PublishRefused(f"{table.name}: {name} is not in the catalogue")
    return column


@dataclass(frozen=True, slots=True)
class _Measure:
    """A measured column over `s`: its exact amount, or 1 for a value where it is only counted; and whether a row has
    no value, empty where none can be missing."""

    summed: bool
    amount: str
    missing: str


def _measures(table: Table, rules: AtomRules) -> tuple[_Measure, ...]:
    """The columns whose aggregates tell more than the number of rows and units."""
    found: list[_Measure] = []
    for measured in rules.measures:
        column, value = _column(table, measured.column), f"s.{quote(measured.column)}"
        if any(unit.column == column.name for unit in table.units):
            continue
        summed = measured.summed and column.type.kind in NUMERIC
        number = f"TRY_CAST({value} AS DECIMAL({_DIGITS}, {_scale(column)}))"
        amount = number if summed else f"CASE WHEN {value} IS NULL THEN 0 ELSE 1 END"
        missing = f"{value} IS NULL" if column.nullable else ""
        if summed or missing:
            found.append(_Measure(summed, amount, missing))
    return tuple(found)


def _scale(column: Column) -> int:
    return {Kind.DECIMAL: min(column.type.scale, 18), Kind.DOUBLE: min(column.decimals, 9)}.get(column.type.kind, 0)


@dataclass(frozen=True, slots=True)
class _Counting:
    """The statements that count atoms, unit declaration by unit declaration."""

    connection: DuckDBPyConnection
    job: Recoding
    measures: tuple[_Measure, ...]

    @property
    def asked(self) -> Asked:
        rules = self.job.rules
        return Asked(
            tuple(rules.least_in_atom(unit.type) for unit in self.job.table.units),
            tuple(rules.least(unit.type) for unit in self.job.table.units),
            tuple(measure.summed for measure in self.measures),
            rules.dominance_percent,
            rules.p_percent,
        )

    @property
    def alone(self) -> bool:
        """Whether every unit has one row, and so is in one atom."""
        return all(unit.rows_per_unit == 1 for unit in self.job.table.units)

    @property
    def width(self) -> int:
        return len(self.job.rules.dimensions)

    @property
    def names(self) -> str:
        return ", ".join(f"bin_{n}" for n in range(self.width))

    def atoms(self) -> list[Atom]:
        """Every combination in the order of values, counted; leaves `work.cells` and `work.shares_<unit>`."""
        bins = ", ".join(f"{self.job.binned(item)} AS bin_{n}" for n, item in enumerate(self.job.rules.dimensions))
        order = ", ".join(f"bin_{n} NULLS LAST" for n in range(self.width))
        self._run(
            f"CREATE TABLE {self.job.work}.cells AS SELECT row_number() OVER (ORDER BY {order}) - 1 AS atom, * FROM "  # noqa: S608
            f"(SELECT {bins}, count(*) AS n FROM {self.job.rows} GROUP BY ALL)"
        )
        found = self._run(f"SELECT {self.names}, n FROM {self.job.work}.cells ORDER BY atom")  # noqa: S608
        cells = found.fetchmany(MOST_ATOMS + 1)
        if len(cells) > MOST_ATOMS:
            raise PublishRefused(f"{self.job.table.name}: more than {MOST_ATOMS} combinations of dimension values")
        for number, unit in enumerate(self.job.table.units):
            self._share(number, unit, bins)
        counted = [self._counted(number, "", len(cells)) for number in range(len(self.job.table.units))]
        return [
            Atom(tuple(cell[:-1]), int(cell[-1]), tuple(column[place] for column in counted))
            for place, cell in enumerate(cells)
        ]

    def _share(self, number: int, unit: PrivacyUnit, bins: str) -> None:
        """`work.shares_<number>`: what each unit holds of each measure in each atom. Where every unit has one row of
        the table they are its rows, read once more and not kept."""
        kind = "VIEW" if self.alone else "TABLE"
        once = unit.rows_per_unit == 1
        held = "".join(
            [f", {f'v{i}' if once else f'sum(v{i})'} AS a{i}" for i, _ in enumerate(self.measures)]
            + [f", {f'n{i}' if once else f'bool_or(n{i})'} AS m{i}" for i, m in enumerate(self.measures) if m.missing]
        )
        stored = "".join(
            [f", {m.amount} AS v{i}" for i, m in enumerate(self.measures)]
            + [f", {m.missing} AS n{i}" for i, m in enumerate(self.measures) if m.missing]
        )
        rows = f"SELECT {bins}, k{number}.key AS key{stored} FROM {self.job.rows} WHERE k{number}.key IS NOT NULL"  # noqa: S608
        each = f"SELECT {self.names}, key{held} FROM ({rows})" + ("" if once else f" GROUP BY {self.names}, key")  # noqa: S608
        same = " AND ".join(f"u.bin_{n} IS NOT DISTINCT FROM c.bin_{n}" for n in range(self.width))
        self._run(
            f"CREATE {kind} {self.job.work}.shares_{number} AS "  # noqa: S608
            f"SELECT c.atom, u.* EXCLUDE ({self.names}) FROM ({each}) AS u JOIN {self.job.work}.cells AS c ON {same}"
        )

    def count(self, sets: Sequence[Sequence[int]]) -> list[tuple[Counted, ...]]:
        """The exact counts of sets of atoms, in which a unit may be several times."""
        pairs = [(atom, number) for number, atoms in enumerate(sets) for atom in atoms]
        asked = pa.table({"atom": [atom for atom, _ in pairs], "place": [number for _, number in pairs]})
        self.connection.register("asked", asked)
        counted = [self._counted(number, "asked", len(sets)) for number in range(len(self.job.table.units))]
        self.connection.unregister("asked")
        return list(zip(*counted, strict=True))

    def _counted(self, number: int, sets: str, length: int) -> list[Counted]:
        """By place: the units of one declaration in each atom, or in each of the registered sets of atoms."""
        shares = f"{self.job.work}.shares_{number}"
        if sets:
            gathered = "".join(
                [f", sum(a{i}) AS a{i}" for i, _ in enumerate(self.measures)]
                + [f", bool_or(m{i}) AS m{i}" for i, measure in enumerate(self.measures) if measure.missing]
            )
            source = f"(SELECT place, key{gathered} FROM {shares} JOIN {sets} USING (atom) GROUP BY place, key)"  # noqa: S608
        else:
            source = f"(SELECT atom AS place, * FROM {shares})"  # noqa: S608
        told = "".join(f", {text}" for place in range(len(self.measures)) for text in self._told(place))
        counted = [Counted(0, tuple(Amounts() for _ in self.measures))] * length
        found = self._run(f"SELECT place, count(*){told} FROM {source} GROUP BY place").fetchall()  # noqa: S608
        for place, units, *values in found:
            chunks = [values[start : start + 4] for start in range(0, len(values), 4)]
            counted[place] = Counted(units, tuple(_amounts(*chunk) for chunk in chunks))
        return counted

    def _told(self, place: int) -> tuple[str, str, str, str]:
        """Contributors, units that lack a value, absolute total, the two largest: of one measure in one place."""
        amount, measure = f"abs(a{place})", self.measures[place]
        lacking = f"count(*) FILTER (WHERE m{place})" if measure.missing else "0"
        contributors = f"count(*) FILTER (WHERE {amount} <> 0)"
        if not measure.summed:
            return contributors, lacking, "0", "[]"
        return contributors, lacking, f"coalesce(sum({amount}), 0)", f"max({amount}, 2)"

    def write(self, takes: Sequence[int]) -> None:
        """`work.recode`: by the values of each atom, those of the atom it is merged into."""
        mapping = pa.table({"atom": pa.array(range(len(takes)), pa.int64()), "takes": pa.array(takes, pa.int64())})
        self.connection.register("mapping", mapping)
        values = ", ".join(
            [f"c.bin_{n}" for n in range(self.width)] + [f"t.bin_{n} AS atom_{n}" for n in range(self.width)]
        )
        self._run(
            f"CREATE TABLE {self.job.work}.recode AS SELECT {values} FROM {self.job.work}.cells AS c "  # noqa: S608
            f"JOIN mapping USING (atom) JOIN {self.job.work}.cells AS t ON t.atom = mapping.takes"
        )
        self.connection.unregister("mapping")

    def moved(self, atoms: Sequence[Atom], takes: Sequence[int]) -> Iterator[UnitsMoved]:
        """For each unit declaration, how many units there are and how many have a row that was moved."""
        places = [place for place, taken in enumerate(takes) if taken != place]
        for number, unit in enumerate(self.job.table.units):
            whole = sum(atom.counted[number].units for atom in atoms)
            moved = sum(atoms[place].counted[number].units for place in places)
            if not self.alone and atoms:
                counted = self.count([range(len(atoms)), places])
                whole, moved = (counts[number].units for counts in counted)
            yield UnitsMoved(unit.type.value, unit.column, whole, moved)

    def _run(self, statement: str) -> DuckDBPyConnection:
        return self.connection.execute(statement)


def _amounts(contributors: int, lacking: int, total: Any, largest: list[Any] | None) -> Amounts:
    first, second = (*(Decimal(item) for item in largest or ()), Decimal(0), Decimal(0))[:2]
    return Amounts(contributors, lacking, Decimal(total), first, second)


def _moved(dimensions: Sequence[Dimension], atoms: Sequence[Atom], takes: Sequence[int]) -> Iterator[DimensionMoved]:
    for number, dimension in enumerate(dimensions):
        yield DimensionMoved(
            dimension.column,
            len({atom.values[number] for atom in atoms}),
            len({atoms[place].values[number] for place in takes}),
            sum(
                atom.rows
                for place, atom in enumerate(atoms)
                if atoms[takes[place]].values[number] != atom.values[number]
            ),
        )

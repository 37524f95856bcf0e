"""The statement of a core under differential privacy: every unit's rows cut off or clipped, whole numbers per cell.

`partial` has one row per cell and unit: no more rows of it than count in a cell, and of its numbers what so many rows
can add up to. `over` are the units with more rows in all cells, or where units are counted in more cells, than count;
their cells are put into an order of each one's own, by a hash of its record key and the cell's keys, which nobody
outside knows and which no other unit's rows change. Of these units the first cells count, and of their rows as many
as one unit may add, beside all cells of the other units. Where all cells that can leave hold no more than counts, or
there is only one, there is neither order nor `over`. All values are clipped, less the centre, and cells are told in
whole smallest units. There is no noise in it, no double is added up, and no expression can fail on data.

Millions of units in several cells each have to fit into a worker's memory at once, so numbers of a unit are as narrow
as their bounds allow, and only what is read twice is held (ADR 50).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.algebra.expressions import Expression, Named
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, Scan
from louver_sandbox.algebra.types import DOUBLE, INTEGER, Kind, Type
from louver_sandbox.core_plan import CoreColumn, Part
from louver_sandbox.plan.emit import emit, text_literal, wire
from louver_sandbox.plan.private.bounding import Bounded
from louver_sandbox.plan.private.measures import ROWS, Number

_DECIMAL_18 = 10**18
"""A decimal of fewer smallest units has 18 digits, which are eight bytes."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The pieces of one core's statement; the last key of a `binned` one is a bin."""

    core: Aggregate
    source: Relation
    bounded: Bounded
    numbers: tuple[Number, ...]
    binned: bool = False

    @property
    def columns(self) -> tuple[CoreColumn, ...]:
        """What its result holds: the keys, then the numbers."""
        keys = (
            CoreColumn(f"k{i}", Part.KEY, key.expression.type, of=key.name)
            for i, key in enumerate(self.core.keys, start=1)
        )
        return (*keys, *(CoreColumn(name, Part.VALUE, INTEGER) for name in self.names))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the numbers, in order."""
        return tuple(f"v{i}" for i, _ in enumerate(self.numbers, start=1))

    def text(self, source_of: Callable[[Scan], str]) -> str:
        """The statement."""
        base = f'({self._base(source_of)}) AS "b"'
        named: list[tuple[str, str]] = []
        if self.bounded.clipped is not None:
            partial = self._per_unit(base, ("u2",), '"b"."u1" IS NOT NULL')
            cell = self._clipped_bins(partial) if self.binned else self._clipped(partial)
        else:
            partial = self._per_unit(base, self._units, self._of_one_unit())
            if self._in_order:
                named = [("partial", partial), ("over", self._over())]
            cell = self._added_up(self._kept() if self._in_order else partial)
        held = ", ".join(f'"{name}" AS MATERIALIZED ({query})' for name, query in named)
        shown = [f'{wire(_of_cell(column), column.type)} AS "c{i}"' for i, column in enumerate(self.columns, start=1)]
        answer = _select(shown, f'({cell}) AS "c"')
        return f"WITH {held} {answer}" if held else answer

    @property
    def _in_order(self) -> bool:
        return bool(self._keys) and self.bounded.in_order(self._counts_units)

    def _of_one_unit(self) -> str:
        """The condition that a row belongs to a unit, and to one kind of them only."""
        units = self._units
        present = " OR ".join(f'"b"."{unit}" IS NOT NULL' for unit in units)
        only_one = [f'("b"."u1" IS NULL OR "b"."{unit}" IS NULL)' for unit in units[1:]]
        return " AND ".join([f"({present})", *only_one])

    @property
    def _keys(self) -> tuple[str, ...]:
        return tuple(f"k{i}" for i, _ in enumerate(self.core.keys, start=1))

    @property
    def _units(self) -> tuple[str, ...]:
        return tuple(f"u{i}" for i, _ in enumerate(self.bounded.groups, start=1))

    def _base(self, source_of: Callable[[Scan], str]) -> str:
        """Keys, record keys and arguments of every row, with names of their own."""
        groups = (*self.bounded.groups, *(() if self.bounded.clipped is None else (self.bounded.clipped,)))
        arguments = [
            (f"a{i}", one.argument) for i, one in enumerate(self.numbers, start=1) if one.argument is not None
        ]
        named: list[tuple[str, Expression]] = [
            *zip(self._keys, (key.expression for key in self.core.keys), strict=True),
            *((f"u{i}", group.key) for i, group in enumerate(groups, start=1)),
            *arguments,
        ]
        columns = tuple(Named(name, expression) for name, expression in named)
        inner = emit(Project(self.core.id, self.source, columns), source_of)
        texts = [
            (name, _plain(f'"i"."c{i}"', of.type) if name in self._keys else f'"i"."c{i}"')
            for i, (name, of) in enumerate(named, start=1)
        ]
        renamed = [f'{text} AS "{name}"' for name, text in texts]
        return _select(renamed, f'({inner}) AS "i"')

    def _per_unit(self, base: str, units: Sequence[str], where: str) -> str:
        """What each unit has in each cell: cut off, or whole where a second kind is clipped afterwards."""
        by = (*self._keys, *units)
        most = None if self.bounded.clipped is not None else self.bounded.most_in_cell
        counted = _cut_to("count(*)", ROWS, most)
        columns = [*(f'"b"."{name}" AS "{name}"' for name in by), f'{counted} AS "n"']
        for i, number in enumerate(self.numbers, start=1):
            match number.kind:
                case "sum":
                    value = _value(f'"b"."a{i}"', number)
                    whole = f"COALESCE(sum({value}), 0)"
                case "rows" if number.argument is not None:
                    whole = f'count("b"."a{i}")'
                case _:
                    continue
            columns.append(f'{_cut_to(whole, number, most)} AS "v{i}"')
        return _select(columns, base, where, [f'"b"."{name}"' for name in by])

    def _over(self) -> str:
        """The units that have more rows, or are in more cells, than count: few, or none."""
        units = [f'"p"."{unit}"' for unit in self._units]
        columns = [f'{text} AS "{unit}"' for text, unit in zip(units, self._units, strict=True)]
        cells = f"count(*) > {self.bounded.cells} OR " if self._counts_units else ""
        most = f'{cells}sum("p"."n") > {self.bounded.rows}'
        found = _select(columns, '"partial" AS "p"', by=units)
        return f"{found} HAVING {most}"

    @property
    def _counts_units(self) -> bool:
        """Whether it matters in how many cells a unit is: what its rows add up to is bounded by its rows alone."""
        return any(number.kind == "units" for number in self.numbers)

    def _same(self, alias: str) -> str:
        """The condition that a row is of a unit that is over."""
        return " AND ".join(f'"{alias}"."{unit}" IS NOT DISTINCT FROM "o"."{unit}"' for unit in self._units)

    def _chosen(self) -> str:
        """Their cells in an order of each one's own, and the rows of all of them up to each."""
        names = (*self._keys, "n", *self._summed)
        hashed = ", ".join(f'"p"."{name}"' for name in (*self._units, *self._keys))
        order = [f"hash({hashed})", *(f'"p"."{name}"' for name in self._keys)]
        by = ", ".join(f'"p"."{unit}"' for unit in self._units)
        over = f"OVER (PARTITION BY {by} ORDER BY {', '.join(order)})"
        columns = [*(f'"p"."{name}" AS "{name}"' for name in names)]
        columns.append(f'sum("p"."n") {over} AS "t"')
        if self._counts_units:
            columns.append(f'row_number() {over} AS "r"')
        return _select(columns, f'"partial" AS "p" SEMI JOIN "over" AS "o" ON {self._same("p")}')

    def _kept(self) -> str:
        """What counts of each unit's cells: at most so many rows, and where units are counted so many cells."""
        keys = [f'"h"."{name}" AS "{name}"' for name in self._keys]
        left = f'least("h"."n", {self.bounded.rows} - ("h"."t" - "h"."n"))'
        # A cell beyond the rows of its unit is not there: that it is listed would cost delta beyond what is charged.
        within = f'"h"."t" - "h"."n" < {self.bounded.rows}'
        if self._counts_units:
            within += f' AND "h"."r" <= {self.bounded.cells}'
        cut = _select([*keys, *self._cut(left)], f'({self._chosen()}) AS "h"', within)
        others = f'"partial" AS "h" ANTI JOIN "over" AS "o" ON {self._same("h")}'
        whole = _select([*keys, '"h"."n" AS "n"', *(f'"h"."{name}" AS "{name}"' for name in self._summed)], others)
        return f"{cut} UNION ALL {whole}"

    def _cut(self, rows: str) -> list[str]:
        """So many of a unit's rows in a cell, and of its numbers what so many rows can add up to."""
        most = self.bounded.most_in_cell
        numbers = [(name, one) for name, one in zip(self.names, self.numbers, strict=True) if name in self._summed]
        held = ((_narrow(_within(f'"h"."{name}"', one, rows), one, most), name) for name, one in numbers)
        return [f'{_narrow(rows, ROWS, most)} AS "n"', *(f'{text} AS "{name}"' for text, name in held)]

    @property
    def _summed(self) -> tuple[str, ...]:
        """The numbers that `partial` has a column of their own for."""
        return tuple(
            f"v{i}" for i, one in enumerate(self.numbers, start=1) if one.kind == "sum" or one.argument is not None
        )

    def _added_up(self, kept: str) -> str:
        columns = [f'"x"."{name}" AS "{name}"' for name in self._keys]
        for i, number in enumerate(self.numbers, start=1):
            match number.kind:
                case "units":
                    text = 'count(*) FILTER (WHERE "x"."n" > 0)'
                case "rows" if number.argument is None:
                    text = 'COALESCE(sum("x"."n"), 0)'
                case _:
                    text = _in_smallest(f'COALESCE(sum("x"."v{i}"), 0)', number)
            columns.append(f'{text} AS "v{i}"')
        return _select(columns, f'({kept}) AS "x"', by=[f'"x"."{name}"' for name in self._keys])

    def _clipped(self, partial: str) -> str:
        """The second kind of unit: what each adds to a cell is clipped; rows that belong to none of it are not."""
        columns = [f'"x"."{name}" AS "{name}"' for name in self._keys]
        for i, number in enumerate(self.numbers, start=1):
            plain = '"x"."n"' if number.kind == "rows" and number.argument is None else f'"x"."v{i}"'
            made = _within(plain, number, str(self.bounded.clipped_rows))
            text = f'COALESCE(sum(CASE WHEN "x"."u2" IS NULL THEN {plain} ELSE {made} END), 0)'
            columns.append(f'{_in_smallest(text, number)} AS "v{i}"')
        return _select(columns, f'({partial}) AS "x"', by=[f'"x"."{name}"' for name in self._keys])

    def _clipped_bins(self, partial: str) -> str:
        """The same of a histogram: of the rows that one of these units has in a cell the first count, its bins in an
        order of its own, so that one row more moves no more than two of them."""
        *cell, _ = self._keys
        by = ", ".join(f'"p"."{name}"' for name in ("u2", *cell))
        order = ", ".join(f'"p"."{name}"' for name in ("u2", *self._keys))
        before = f'sum("p"."n") OVER (PARTITION BY {by} ORDER BY hash({order}), {order})'
        rows = _select(
            [*(f'"p"."{name}" AS "{name}"' for name in (*self._keys, "u2", "n")), f'{before} AS "t"'],
            f'({partial}) AS "p"',
        )
        most = self.bounded.clipped_rows
        left = f'greatest(least("x"."n", {most} - ("x"."t" - "x"."n")), 0)'
        kept = f'CASE WHEN "x"."u2" IS NULL THEN "x"."n" ELSE CAST({left} AS BIGINT) END'
        columns = [*(f'"x"."{name}" AS "{name}"' for name in self._keys), f'COALESCE(sum({kept}), 0) AS "v1"']
        return _select(columns, f'({rows}) AS "x"', by=[f'"x"."{name}"' for name in self._keys])


def _select(columns: Iterable[str], source: str, where: str = "", by: Sequence[str] | None = None) -> str:
    """One SELECT; an empty `by` is the grand total, None no grouping."""
    clauses = ["SELECT", ", ".join(columns), "FROM", source]
    clauses += ["WHERE", where] if where else []
    clauses += [] if by is None else ["GROUP BY", ", ".join(by) or "()"]
    return " ".join(clauses)


def _of_cell(column: CoreColumn) -> str:
    return f'"c"."{column.name}"'


def _plain(text: str, type_: Type) -> str:
    """A key with one form for each value that is released, so that no row decides which is shown and no two groups
    become one when they are read: a double zero has two signs, and what is not finite is read as NULL."""
    return f"CASE WHEN isfinite({text}) THEN {text} + CAST('0' AS DOUBLE) END" if type_ == DOUBLE else text


def _value(text: str, number: Number) -> str:
    """What one row adds: clipped, less the centre, in the value's own decimals; squares are of whole smallest units.
    NULL stays NULL."""
    digits = number.digits
    given = text if number.is_exact else f"TRY_CAST({_held(text, number)} AS DECIMAL(38,{digits}))"
    low, high, centre = (_decimal(value, digits) for value in (number.low, number.high, number.centre))
    held = f"CAST(greatest(least({given}, {high}), {low}) AS DECIMAL(18,{digits}))"
    moved = f"({held} - {centre})" if number.centre else held
    if number.square:
        whole = f"CAST({moved} * CAST({text_literal(str(10**digits))} AS DECIMAL({digits + 1},0)) AS BIGINT)"
        moved = f"CAST({whole} AS HUGEINT) * {whole}"
    return f"CASE WHEN {given} IS NOT NULL THEN {moved} END"


def _held(text: str, number: Number) -> str:
    """A value brought near its bounds in its own type, so that none is too large to be a decimal of the number's
    digits: what is beyond its bounds counts as the bound. What is not finite is no value."""
    kind = None if number.argument is None else number.argument.type.kind
    if kind not in (Kind.DOUBLE, Kind.DECIMAL):
        return text
    # A whole unit beyond either bound is cut off exactly afterwards, whatever a double makes of a bound.
    ends = (Fraction(number.low, 10**number.digits) - 1, Fraction(number.high, 10**number.digits) + 1)
    written = (str(math.floor(ends[0])), str(math.ceil(ends[1])))
    of = "DOUBLE" if kind is Kind.DOUBLE else "DECIMAL(18,0)"
    low, high = (f"CAST({text_literal(end)} AS {of})" for end in written)
    present = f"isfinite({text})" if kind is Kind.DOUBLE else f"{text} IS NOT NULL"
    return f"CASE WHEN {present} THEN greatest(least({text}, {high}), {low}) END"


def _cut_to(text: str, number: Number, rows: int | None) -> str:
    """A number of one unit in one cell, of which so many rows count (None: all), and no wider than that needs."""
    if rows is None:
        return text
    if number.kind != "sum":
        return _narrow(f"least({text}, {rows})", number, rows)
    low, high = (_total(rows * value, number) for value in _ends(number))
    return _narrow(f"greatest(least({text}, {high}), {low})", number, rows)


def _narrow(text: str, number: Number, rows: int) -> str:
    """What so many rows have added up to, in as few bytes as hold it whatever they are."""
    most = rows * max(abs(end) for end in _ends(number))
    if number.kind == "sum" and not number.square:
        return f"CAST({text} AS DECIMAL(18,{number.digits}))" if most < _DECIMAL_18 else text
    if most < 1 << 31:
        return f"CAST({text} AS INTEGER)"
    return f"CAST({text} AS BIGINT)" if most < 1 << 63 else text


def _ends(number: Number) -> tuple[int, int]:
    """The least and the most that one row adds, or nothing."""
    return (min(0, number.least_added), max(0, number.most_added)) if number.kind == "sum" else (0, 1)


def _total(value: int, number: Number) -> str:
    """A total of one unit in a cell as a constant of a type that holds it."""
    return _whole(value) if number.square else _decimal(value, number.digits, 18 if abs(value) < _DECIMAL_18 else 38)


def _within(text: str, number: Number, rows: str) -> str:
    """A sum of one unit between what so many rows can add up to."""
    if number.kind != "sum":
        return f"least({text}, {rows})"
    low, high = (_times(rows, value, number) for value in _ends(number))
    return f"greatest(least({text}, {high}), {low})"


def _times(rows: str, value: int, number: Number) -> str:
    """So many rows of a value: decimal, or whole where squares are."""
    if number.square:
        return f"CAST({rows} AS HUGEINT) * {_whole(value)}"
    return f"CAST({rows} AS DECIMAL(18,0)) * {_decimal(value, number.digits)}"


def _in_smallest(text: str, number: Number) -> str:
    """A sum of a cell in whole smallest units."""
    if number.kind != "sum" or number.square or not number.digits:
        return text
    return f"{text} * CAST({text_literal(str(10**number.digits))} AS DECIMAL({number.digits + 1},0))"


def _whole(value: int) -> str:
    return f"CAST({text_literal(str(value))} AS HUGEINT)"


def _decimal(value: int, digits: int, width: int = 18) -> str:
    sign, size = ("-" if value < 0 else ""), str(abs(value)).rjust(digits + 1, "0")
    written = f"{sign}{size[:-digits]}.{size[-digits:]}" if digits else f"{sign}{size}"
    return f"CAST({text_literal(written)} AS DECIMAL({width},{digits}))"

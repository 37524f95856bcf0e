"""The threshold core: exact cells with the parts the releaser needs to judge each of them (PRIVACY 5.1, 5.2, 5.7).

One statement, three steps. `partial` adds up each unit's contribution to each cell (one row per cell and unit);
`cell` adds the units up and keeps the largest two contributions; the last SELECT returns every cell and, when asked
for, one remainder over the cells whose units stay below a threshold. Where the catalogue proves that every row is a
unit of its own, `cell` is computed from the rows directly.

A row whose unit is null (its unit does not exist under the declaration's condition, or it is the empty side of a LEFT
JOIN) is counted in the totals and in no unit count: it can never help a cell to reach k. The rows of a cell that have
no unit in any group are together one contributor for dominance.

Every number is exact and no expression can fail on data: integers beyond 64 bits and decimals beyond 18 (28 from five
digits after the point) places are treated as missing, and sums have 38 places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import Call, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, Scan, scans
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind, Position, Type
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.core_plan import AskedSet, CoreColumn, CountedUnit, Family, Measure, NoisyTotal, Part
from louver_sandbox.obligations import ThresholdRules, Totals
from louver_sandbox.plan.carry import Carrier
from louver_sandbox.plan.classes import attribute_keys, classes_of
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.emit import emit, quote, wire
from louver_sandbox.plan.known_totals import with_known_totals
from louver_sandbox.plan.measures import Asked, Reader
from louver_sandbox.plan.noise import Perturbable
from louver_sandbox.plan.overlaps import guards
from louver_sandbox.plan.parts import Parts, unit_total
from louver_sandbox.plan.provenance import trace
from louver_sandbox.plan.rewrites.margins import (
    EVERYTHING,
    Margins,
    margin_columns,
    margin_joins,
    margin_tables,
    margin_texts,
    of_cells,
    with_selection,
)
from louver_sandbox.plan.rewrites.noise import noise_columns
from louver_sandbox.plan.strangers import check_strangers
from louver_sandbox.plan.terms import Term, terms_of, with_columns
from louver_sandbox.plan.unconditional import selected, without_conditions
from louver_sandbox.plan.unit_sets import families
from louver_sandbox.plan.units import UnitGroup, Units, null_extended, one_row_per_unit, unit_groups
from louver_sandbox.plan.weights import check_weights
from louver_sandbox.refusals.plan import noise_not_computed, own_key_left_out, unit_lost

CELL = 0
"""`row_kind` of a cell of the query."""

REMAINDER = 1
"""`row_kind` of the one row over all withheld cells."""


@dataclass(frozen=True, slots=True)
class Core:
    """The statement, what its columns are, and how measures are put together from them.

    `compares` says that its rows are compared with, or joined to, cells that the statement judges itself, `outer`
    that an outer join may find no partner in a protected table; `noisy` are the columns that leave with noise,
    `families` what a cap counts, `asked` the grouping sets that leave where others only count as known.
    """

    statement: str
    columns: tuple[CoreColumn, ...]
    measures: tuple[Measure, ...]
    groups: tuple[UnitGroup, ...]
    compares: bool
    outer: bool
    noisy: tuple[NoisyTotal, ...] = ()
    families: tuple[Family, ...] = ()
    asked: tuple[AskedSet, ...] = ()


@dataclass(frozen=True, slots=True)
class CellColumn:
    """One column of `cell`: what it is, how partials make it, and how several cells of other units make it."""

    core: CoreColumn
    made: str
    merged: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The pieces a core is written from. `single` means that every row is a unit of its own.

    With a selection `partial` also has the rows that `margins` say were not selected."""

    keys: tuple[Named, ...]
    groups: tuple[UnitGroup, ...]
    terms: tuple[Term, ...]
    single: bool
    sets: tuple[tuple[int, ...], ...] = ()
    margins: Margins = EVERYTHING

    def key_names(self) -> tuple[str, ...]:
        return tuple(f'"k{i}"' for i, _ in enumerate(self.keys, start=1))

    def set_name(self) -> tuple[str, ...]:
        """With grouping sets, the column that says which one a row belongs to."""
        return ('"k0"',) if self.sets else ()

    def set_made(self) -> tuple[str, ...]:
        """How that column is made from the base."""
        keys = _joined(f'"b"."c{i}"' for i, _ in enumerate(self.keys, start=1))
        return tuple(f"GROUPING({keys}) AS {name}" for name in self.set_name())

    def in_sets(self, keys: Sequence[str]) -> list[list[str]]:
        """The keys of each grouping set; of the only one there is without any."""
        return [[keys[index] for index in one] for one in self.sets] if self.sets else [list(keys)]

    def unit_names(self) -> tuple[str, ...]:
        return tuple(f'"u{i}"' for i, _ in enumerate(self.groups, start=1))

    def marked(self) -> tuple[str, ...]:
        """With several unit groups, a column per group that is true in its grouping set and null in the others.

        GROUPING() would do the same, but not a null record key, which is a value like any other here.
        """
        several = not self.single and len(self.groups) > 1
        return tuple(f'"g{i}"' for i, _ in enumerate(self.groups, start=1)) if several else ()

    def orphan(self) -> tuple[str, ...]:
        """With several unit groups, a column that is true where a row has no unit in any of them."""
        return ('"o"',) if self.marked() else ()

    def selection(self) -> tuple[str, ...]:
        """The column that says whether a row is of a cell, where there are others; the base has it last."""
        return ('"h"',) if self.margins.selection is not None else ()

    def argument(self, term: int) -> str:
        """The engine text of a term's argument in one row of the base."""
        before = (self.keys, self.groups, self.marked(), self.orphan())
        position = sum(len(part) for part in before) + term + 1
        return clipped(f'"b"."c{position}"', self.terms[term].exact)


def clipped(text: str, exact: Type) -> str:
    """A summand that cannot overflow a sum of 38 places over 10^10 rows."""
    if exact.kind is not Kind.DECIMAL:
        return f"TRY_CAST({text} AS BIGINT)"
    return f"TRY_CAST({text} AS DECIMAL({18 if exact.scale <= 4 else 28},{exact.scale}))"


def threshold_core(
    core: Aggregate,
    units: Units,
    catalog: Catalog,
    rules: ThresholdRules,
    source_of: Callable[[Scan], str],
    *,
    alone: bool = True,
) -> Core:
    """The core of a protected query; `alone` says that it is the only one of its question.

    Raises:
        Refused: LVR-2302 to LVR-2307 and LVR-2309 to LVR-2316, for aggregates and trees whose cells cannot be judged;
            LVR-2322 and LVR-2323, for those that cannot be perturbed where noise is asked for; LVR-2340, where their
            number is capped and unknown.
    """
    provenance = trace(core)
    asked_core = core
    leave: tuple[AskedSet, ...] = ()
    if rules.totals is Totals.KNOWN:
        attributes = attribute_keys(core, units, catalog, provenance, rules)
        known = with_known_totals(core, attributes, catalog, provenance)
        core, leave = known.core, known.asked
    sets = _sets(core)
    everywhere = tuple(key.expression for index, key in enumerate(core.keys) if all(index in one for one in sets))
    carried = Carrier(units, catalog, provenance, rules, everywhere).carry(core.input)
    groups = unit_groups(core.input, carried.units, carried.keys, provenance)
    if not groups:
        raise unit_lost(next(unit.column for found in units.values() for unit in found), _place(core))
    if rules.noise is not None and carried.guarded:
        raise noise_not_computed("rows compared with values of groups", "将行与分组的值比较", _place(core))
    check_weights(core.input, units.keys(), carried.guarded, catalog, provenance)
    check_strangers(core, units, carried.guarded, catalog)
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(core.input)}
    columns_below = RowColumns(tables, provenance, null_extended(core.input), carried.guarded)
    reader = Reader(core, columns_below, groups, frozenset(units), carried.guarded)
    for key in core.keys:
        if key.expression not in everywhere and reader.is_own(key.expression):
            raise own_key_left_out(key.expression.at)
    asked = tuple(reader.asked(named) for named in core.measures)
    needed = guards(asked, reader, rows_known=not alone)
    classes = classes_of(core, units, carried.guarded, catalog, provenance, rules)
    source, conditions = without_conditions(carried.relation, classes.conditions, units, carried.guarded)
    base, terms = with_columns(source, terms_of(asked, needed, reader))
    base, selection = with_selection(base, selected(conditions) if conditions else None)
    single = len(groups) == 1 and one_row_per_unit(core.input, groups[0], catalog, provenance) and not conditions
    layout = Layout(core.keys, groups, tuple(terms.values()), single, sets, Margins(classes.keys, selection))
    perturbable = Perturbable.of(core, groups, rules, catalog, provenance)
    noisy = () if perturbable is None else perturbable.noisy(asked, tuple(terms))
    for_noise = (CellColumn(*made) for made in noise_columns(layout, noisy))
    columns = (*_cell_columns(layout), *_unit_totals(layout, asked), *for_noise)
    statement = _statement(_base(core, base, layout, source_of), layout, columns, rules)
    core_columns = (
        CoreColumn("row_kind", Part.ROW_KIND, INTEGER),
        *(CoreColumn("k0", Part.SET, INTEGER) for _ in layout.set_name()),
        *(
            CoreColumn(f"k{i}", Part.KEY, key.expression.type, of=key.name)
            for i, key in enumerate(core.keys, start=1)
        ),
        *(column.core for column in columns),
        *margin_columns(layout),
    )
    parts = Parts(tuple(terms), len(groups), frozenset(filter(reader.asks_for_key, terms)))
    measures = tuple(parts.measure(one, needed) for one in asked)
    outer = bool(columns_below.extended & units.keys())
    leaving = tuple(one.total(groups) for one in noisy)
    capped = () if rules.unit_sets is None else families(asked_core, asked, catalog)
    return Core(statement, core_columns, measures, groups, bool(carried.guarded), outer, leaving, capped, leave)


def _sets(core: Aggregate) -> tuple[tuple[int, ...], ...]:
    """The grouping sets, none where all keys are the only one."""
    return () if core.sets in ((), (tuple(range(len(core.keys))),)) else core.sets


def _place(core: Aggregate) -> Position | None:
    return next((named.expression.at for named in core.measures + core.keys), None)


def _base(core: Aggregate, source: Relation, layout: Layout, source_of: Callable[[Scan], str]) -> str:
    """One SELECT with the keys, the record keys and the arguments of every row."""
    columns = (
        *(key.expression for key in layout.keys),
        *(group.key for group in layout.groups),
        *(Literal(True, BOOLEAN) for _ in layout.marked()),
        *(_without_unit(layout) for _ in layout.orphan()),
        *(term.expression for term in layout.terms),
        *(() if layout.margins.selection is None else (layout.margins.selection,)),
    )
    named = tuple(Named(f"c{i}", expression) for i, expression in enumerate(columns, start=1))
    return emit(Project(core.id, source, named), source_of)


def _without_unit(layout: Layout) -> Expression:
    return Call("and", tuple(Call("is_null", (group.key,), BOOLEAN) for group in layout.groups), BOOLEAN)


def _cell_columns(layout: Layout) -> Iterator[CellColumn]:
    """Every column of `cell` but the keys, in result order."""
    for index, group in enumerate(layout.groups, start=1):
        unit = f'"b"."c{len(layout.keys) + index}"' if layout.single else f'"p"."u{index}"'
        yield _total(CoreColumn(f"u{index}", Part.UNITS, INTEGER, unit=group.type), f"count({unit})")
    rows = "count(*)" if layout.single else f'COALESCE(sum("p"."n"){_only(layout, 0)}, 0)'
    yield _total(CoreColumn("n", Part.VALUE, INTEGER), rows)
    for index, term in enumerate(layout.terms):
        yield from _term_columns(layout, index, term)


def _unit_totals(layout: Layout, asked: tuple[Asked, ...]) -> Iterator[CellColumn]:
    """Distinct units over several types, where one column holds units of more than one."""
    for groups in dict.fromkeys(one.groups for one in asked if len(one.groups) > 1):
        made = " + ".join(f'count("p"."u{group + 1}")' for group in groups)
        yield _total(CoreColumn(unit_total(groups), Part.VALUE, INTEGER), f"({made})")


def _term_columns(layout: Layout, index: int, term: Term) -> Iterator[CellColumn]:
    number = index + 1
    argument = layout.argument(index)
    if term.counted:
        counted = f"count({argument})" if layout.single else f'COALESCE(sum("p"."n{number}"){_only(layout, 0)}, 0)'
        yield _total(CoreColumn(f"n{number}", Part.VALUE, INTEGER), counted)
    if term.summed:
        summed = f"sum({argument})" if layout.single else f'sum("p"."s{number}"){_only(layout, 0)}'
        column = CoreColumn(f"s{number}", Part.VALUE, term.exact)
        yield CellColumn(column, summed, f'sum("c"."s{number}")')
    contribution = argument if layout.single else f'"p"."{"s" if term.summed else "n"}{number}"'
    for group, _ in enumerate(layout.groups):
        yield from _contributions(layout, number, group, term, contribution)


def _contributions(layout: Layout, number: int, group: int, term: Term, contribution: str) -> Iterator[CellColumn]:
    suffix = f"{number}_{group + 1}"
    unit = "" if layout.single else f' AND "p"."u{group + 1}" IS NOT NULL'
    here = f" AND {_set_of(layout, group)}" if _set_of(layout, group) else ""
    contributors = f"count(*) FILTER (WHERE {contribution} <> 0{unit}{here})"
    yield _total(CoreColumn(f"z{suffix}", Part.VALUE, INTEGER), contributors)
    if not term.summed:
        return
    # abs() of the least 64-bit integer would fail; partial sums are wider already.
    wide = layout.single and term.exact.kind is Kind.INTEGER
    size = f"abs(CAST({contribution} AS HUGEINT))" if wide else f"abs({contribution})"
    # What other groups' units add is theirs; what no unit at all added counts as one contributor of every group.
    of_group = f'{_set_of(layout, group)} AND ("p"."u{group + 1}" IS NOT NULL OR "p"."o")'
    only = f" FILTER (WHERE {of_group})" if layout.marked() else ""
    ranked = f"max({size}, 2){only}"
    largest, second = f'"c"."l{suffix}"', f'"c"."e{suffix}"'
    yield CellColumn(
        CoreColumn(f"l{suffix}", Part.VALUE, term.exact), f"list_extract({ranked}, 1)", f"max({largest})"
    )
    yield CellColumn(
        CoreColumn(f"e{suffix}", Part.VALUE, term.exact),
        f"list_extract({ranked}, 2)",
        f"greatest(list_extract(max({largest}, 2), 2), max({second}))",
    )
    magnitude = f"sum({size}){only}"
    yield CellColumn(CoreColumn(f"m{suffix}", Part.VALUE, term.exact), magnitude, f'sum("c"."m{suffix}")')


def _total(column: CoreColumn, made: str) -> CellColumn:
    return CellColumn(column, made, f'COALESCE(sum("c".{quote(column.name)}), 0)')


def _set_of(layout: Layout, group: int) -> str:
    """The condition that a partial row belongs to the grouping set of one unit group."""
    return f'"p"."g{group + 1}"' if layout.marked() else ""


def _only(layout: Layout, group: int) -> str:
    condition = _set_of(layout, group)
    return f" FILTER (WHERE {condition})" if condition else ""


def _statement(base: str, layout: Layout, columns: tuple[CellColumn, ...], rules: ThresholdRules) -> str:
    made = [f"{column.made} AS {quote(column.core.name)}" for column in columns]
    keys = (*layout.set_name(), *layout.key_names())
    if layout.single:
        texts = [f'"b"."c{i}"' for i, _ in enumerate(layout.keys, start=1)]
        named = [f"{text} AS {key}" for text, key in zip(texts, layout.key_names(), strict=True)]
        named = [*layout.set_made(), *named]
        texts = _grouping_sets(layout.in_sets(texts)) if layout.sets else texts
        tables = [_table("cell", _select([*named, *made], f'({base}) AS "b"', group_by=texts))]
    else:
        texts = [f'"p".{key}' for key in keys]
        named = [f"{text} AS {key}" for text, key in zip(texts, keys, strict=True)]
        cell = _select([*named, *made], '"partial" AS "p"', where=of_cells(layout), group_by=texts)
        tables = [_table("partial", _partial(base, layout)), _table("cell", cell)]
    tables += [_table(name, _select(*margin)) for name, margin in margin_tables(layout)]
    cells, rest = ([f'"{alias}".{quote(column.core.name)}' for column in columns] for alias in "cr")
    set_type = [INTEGER for _ in layout.set_name()]
    types = [*set_type, *(key.expression.type for key in layout.keys), *(column.core.type for column in columns)]
    beside = margin_texts(layout)
    shown = [*(f'"c".{key}' for key in keys), *cells, *beside]
    wired = _wired(CELL, shown, [*types, *(INTEGER for _ in beside)])
    answer = _select(wired, f'"cell" AS "c"{margin_joins(layout)}')
    if keys and rules.remainder and not layout.sets and not beside:
        tables.append(_table("remainder", _remainder(layout, columns, rules)))
        answer += " UNION ALL " + _select(_wired(REMAINDER, ["NULL"] * len(keys) + rest, types), '"remainder" AS "r"')
    return f"WITH {_joined(tables)} {answer}"


def _select(columns: Iterable[str], source: str, where: str = "", group_by: Sequence[str] | None = None) -> str:
    """One SELECT; an empty `group_by` is the grand total, None no grouping."""
    clauses = ["SELECT", _joined(columns), "FROM", source]
    if where:
        clauses += ["WHERE", where]
    if group_by is not None:
        clauses += ["GROUP BY", _joined(group_by) or "()"]
    return " ".join(clauses)


def _table(name: str, query: str) -> str:
    return f"{quote(name)} AS MATERIALIZED ({query})"


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _wired(row_kind: int, texts: Sequence[str], types: Sequence[Type]) -> Iterator[str]:
    columns = [wire(str(row_kind), INTEGER), *(wire(text, type_) for text, type_ in zip(texts, types, strict=True))]
    return (f'{text} AS "c{i}"' for i, text in enumerate(columns, start=1))


def _partial(base: str, layout: Layout) -> str:
    """One row per cell and unit; with several unit groups, one grouping set for each of them."""
    names = (*layout.key_names(), *layout.unit_names(), *layout.marked(), *layout.orphan())
    texts = [f'"b"."c{i}"' for i in range(1, len(names) + 1)]
    chosen = [f'"b"."c{len(names) + len(layout.terms) + 1}"' for _ in layout.selection()]
    columns = [*layout.set_made(), *(f"{text} AS {name}" for text, name in zip(texts, names, strict=True))]
    columns += [f"{text} AS {name}" for text, name in zip(chosen, layout.selection(), strict=True)]
    columns.append('count(*) AS "n"')
    for index, term in enumerate(layout.terms):
        if term.counted:
            columns.append(f'count({layout.argument(index)}) AS "n{index + 1}"')
        if term.summed:
            columns.append(f'sum({layout.argument(index)}) AS "s{index + 1}"')
    if layout.marked():
        count = len(layout.groups)
        keys, units, marks = texts[: -2 * count - 1], texts[-2 * count - 1 : -count - 1], texts[-count - 1 : -1]
        marked = [[unit, mark, texts[-1]] for unit, mark in zip(units, marks, strict=True)]
        texts = _grouping_sets([*of_set, *one, *chosen] for of_set in layout.in_sets(keys) for one in marked)
    elif layout.sets:
        texts = _grouping_sets([*of_set, texts[-1], *chosen] for of_set in layout.in_sets(texts[:-1]))
    else:
        texts += chosen
    return _select(columns, f'({base}) AS "b"', group_by=texts)


def _grouping_sets(sets: Iterable[Sequence[str]]) -> list[str]:
    """The one item of a GROUP BY over several sets."""
    return [f"GROUPING SETS ({_joined(f'({_joined(one)})' for one in sets)})"]


def _remainder(layout: Layout, columns: tuple[CellColumn, ...], rules: ThresholdRules) -> str:
    """All withheld cells as one. A unit in two of them counts once, so partials are added up per unit again."""
    failing = withheld_condition(tuple(group.counted for group in layout.groups), rules)
    if layout.single:
        merged = (f"{column.merged} AS {quote(column.core.name)}" for column in columns)
        return _select(merged, '"cell" AS "c"', where=failing, group_by=())
    same = " AND ".join(f'"p".{key} IS NOT DISTINCT FROM "c".{key}' for key in layout.key_names())
    by = [*layout.unit_names(), *layout.marked(), *layout.orphan()]
    sums = ['"n"']
    for number, term in enumerate(layout.terms, start=1):
        sums += [f'"n{number}"'] * term.counted + [f'"s{number}"'] * term.summed
    parts = [f'"p".{name} AS {name}' for name in by] + [f'sum("p".{name}) AS {name}' for name in sums]
    withheld = f'"partial" AS "p" SEMI JOIN "cell" AS "c" ON {same} AND {failing}'
    units = _select(parts, withheld, group_by=[f'"p".{name}' for name in by])
    made = (f"{column.made} AS {quote(column.core.name)}" for column in columns)
    return _select(made, f'({units}) AS "p"', group_by=())


def withheld_condition(groups: tuple[CountedUnit, ...], rules: ThresholdRules) -> str:
    """The engine text of "this cell's units stay below a threshold"; `release.rules.reaches` is its opposite."""
    some = []
    for i, group in enumerate(groups, start=1):
        below = f'"c"."u{i}" < {rules.k[group.type]}'
        some.append(f'("c"."u{i}" > 0 AND {below})' if group.optional else f"({below})")
    every = " AND ".join(f'"c"."u{i}" < {rules.k[group.type]}' for i, group in enumerate(groups, start=1))
    return f"({' OR '.join([*some, f'({every})'])})"

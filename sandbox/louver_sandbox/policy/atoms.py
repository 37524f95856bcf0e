"""The atom rule as policies write it: what is refused when it is loaded, and the one partition of each table.

Two partitions of one table would tell groups below k by their difference, so all grants that put columns of a table
into snapshots declare the same dimensions, and the thresholds of the partition are the strictest of them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from louver_sandbox.algebra.types import NUMERIC, Kind
from louver_sandbox.catalog.atoms import AtomRules, AtomUnits, Dimension, MeasuredColumn
from louver_sandbox.catalog.model import Column, Role, Table, Verb
from louver_sandbox.policy.model import ColumnRights, Grant, GrantTreatment, Policy

MEASURES: Final = ("count", "sum", "avg")
"""Aggregates whose value over any rows follows from those of the atoms."""

INSIDE: Final = frozenset({*MEASURES, "case"})
"""What may stand around a column that is no dimension: a CASE whose conditions are over dimensions chooses atoms."""


@dataclass(frozen=True, slots=True)
class AtomProblem:
    """What is wrong with a grant's atoms: `where` is the path below the grant."""

    where: tuple[str | int, ...]
    message: str
    message_zh: str
    hint: str = ""


def fills_snapshots(grant: Grant) -> bool:
    """Whether the grant puts columns into snapshots: for analysis, with a treatment that this version computes, and
    under `dp` with a budget."""
    computed = grant.treatment in (GrantTreatment.EXACT, GrantTreatment.THRESHOLD)
    return Verb.ANALYSE in grant.verbs and (computed or grant.privacy is not None)


def atom_rules(grants: Sequence[Grant]) -> AtomRules | None:
    """The partition of a table under all its grants, None where none asks for atoms."""
    filling = [grant for grant in grants if fills_snapshots(grant)]
    declared = next((grant.atoms for grant in filling if grant.atoms is not None), None)
    if declared is None:
        return None
    columns = {dimension.column for dimension in declared}
    measured = {name for grant in filling for name, rights in grant.rights.items() if rights.aggregate} - columns
    summed = {name for grant in filling for name, rights in grant.rights.items() if _sums(rights)}
    terms = [grant.threshold for grant in filling]
    return AtomRules(
        dimensions=declared,
        measures=tuple(MeasuredColumn(column=name, summed=name in summed) for name in sorted(measured)),
        person=max(item.person for item in terms),
        enterprise=max(item.enterprise for item in terms),
        dominance_percent=min(item.dominance_percent for item in terms),
        p_percent=max(item.p_percent for item in terms),
        units=AtomUnits(
            person=max(grant.atom_units.person for grant in filling),
            enterprise=max(grant.atom_units.enterprise for grant in filling),
        ),
    )


def _sums(rights: ColumnRights) -> bool:
    return rights.aggregate is not None and not {"sum", "avg"}.isdisjoint(rights.aggregate.functions or MEASURES)


def problems(grant: Grant) -> Iterator[AtomProblem]:
    """Everything in a grant that the atom rule cannot hold with."""
    if grant.atoms is None:
        if grant.atom_units != AtomUnits():
            yield AtomProblem(
                ("atom_units",), "atom_units says how large atoms are, and there are none", "未声明原子"
            )
        return
    if grant.treatment is not GrantTreatment.THRESHOLD:
        yield AtomProblem(("atoms",), "atoms need treatment threshold", "原子规则须与 threshold 方式同用")
    if grant.row_filter is not None:
        says = "atoms and row_filter exclude each other: a part of the rows has another partition"
        yield AtomProblem(
            ("row_filter",), says, "原子规则不得与行条件同用：部分行的划分会不同", "leave one of them out"
        )
    names = [dimension.column for dimension in grant.atoms]
    for index, name in enumerate(names):
        if name in names[:index]:
            at = ("atoms", index, "column")
            yield AtomProblem(at, f"{name} is a dimension twice", f"维度 {name} 重复")
    for name, rights in grant.rights.items():
        wide = tuple(_too_wide(rights, dimension=name in names))
        if wide:
            yield AtomProblem(
                ("columns", name),
                f"{name} is {'a' if name in names else 'no'} dimension: {', '.join(wide)} is wider than its atoms",
                f"{name} {'是' if name in names else '不是'}维度：{'、'.join(wide)} 超出原子规则所允许的范围",
                "a dimension is grouped and selected by, other columns are in count, sum and avg only",
            )


def _too_wide(rights: ColumnRights, *, dimension: bool) -> Iterator[str]:
    if rights.output is not None:
        yield "output"
    if dimension:
        return
    found = ("join_key", rights.join_key), ("group_key", rights.group_key), ("filter", rights.filter)
    yield from (name for name, held in (*found, ("order", rights.order)) if held)
    functions = () if rights.aggregate is None else rights.aggregate.functions or ()
    yield from sorted(set(functions) - INSIDE)


def disagreements(policies: Sequence[Policy]) -> Iterator[tuple[Policy, AtomProblem]]:
    """Grants of one table whose atoms are not the same; `where` is the path below the policy."""
    declared: dict[tuple[str, str], tuple[Dimension, ...]] = {}
    placed = [
        (policy, index, grant)
        for policy in sorted(policies, key=lambda policy: policy.id)
        for index, grant in enumerate(policy.grants)
        if fills_snapshots(grant)
    ]
    for policy, _, grant in placed:
        if grant.atoms is not None:
            declared.setdefault((policy.owner, grant.table), grant.atoms)
    for policy, index, grant in placed:
        expected = declared.get((policy.owner, grant.table))
        if grant.atoms == expected:
            continue
        if grant.treatment is GrantTreatment.DP:
            yield (policy, _beside_noise(index, grant))
            continue
        what, what_zh = ("other", "不同的") if grant.atoms else ("no", "没有")
        yield (
            policy,
            AtomProblem(
                ("grants", index, "atoms"),
                f"another grant on {grant.table} has atoms, and {grant.id} has {what} ones: the difference of two "
                "partitions tells groups below k",
                f"{grant.table} 的另一授权声明了原子，{grant.id} {what_zh}：两种划分之差会暴露过小的分组",
                "declare the same atoms in every grant of the table",
            ),
        )


def misfits(dimensions: Sequence[Dimension], grant: Grant, table: Table) -> Iterator[AtomProblem]:
    """What does not fit the table as the catalogue declares it."""
    if not table.units:
        yield AtomProblem(("atoms",), f"{table.name} has no privacy unit to count", f"{table.name} 未声明保护主体")
    for index, dimension in enumerate(dimensions):
        at = ("atoms", index, "column")
        says = misfit(dimension, table)
        if says is not None:
            yield AtomProblem(at, f"{dimension.column}: {says[0]}", f"{dimension.column}：{says[1]}")
    columns = {dimension.column for dimension in dimensions}
    for name, rights in grant.rights.items():
        column = table.column(name)
        if column is None or name in columns or rights.aggregate is None:
            continue
        if column.type.kind is Kind.BOOLEAN:
            says = f"{name} is a flag: aggregating it selects rows", f"{name} 为标志字段：对其汇总即是筛选"
            yield AtomProblem(("columns", name), *says, "declare it as a dimension")
        if not is_counted_once(name, table):
            says = (
                f"{name} is a unit with several rows: how many are in two atoms is no value of atoms",
                (f"{name} 为主体标识且有多行：同时属于两个原子的主体数不由原子决定"),
            )
            yield AtomProblem(("columns", name), *says, "leave it out and count rows")


def misfit(dimension: Dimension, table: Table) -> tuple[str, str] | None:
    """Why the column cannot be a dimension with this bin, in two languages; None if it can."""
    column = table.column(dimension.column)
    if column is None:
        return f"unknown column of {table.name}", f"{table.name} 没有该字段"
    identity = column.unique or column.role in (Role.IDENTIFIER, Role.KEY, Role.TEXT)
    if identity or any(unit.column == column.name for unit in table.units):
        return "tells subjects apart and cannot be a dimension", "可识别单个主体，不能作为维度"
    if column.type.kind in (Kind.DOUBLE, Kind.TEXT_LIST) or column.level > 4:
        return "its type or level cannot be a dimension's", "该类型或级别的字段不能作为维度"
    if not _fits(dimension, column):
        return f"its bin or groupings do not fit type {column.type}", f"分箱或归并方式不适用于类型 {column.type}"
    return None


def _fits(dimension: Dimension, column: Column) -> bool:
    kind = column.type.kind
    if dimension.by is not None and kind not in (Kind.DATE, Kind.TIMESTAMP):
        return False
    if (dimension.width or dimension.edges) and kind not in NUMERIC:
        return False
    of_text = dimension.prefix is not None or any(step.prefix is not None for step in dimension.merge)
    return not of_text or kind is Kind.TEXT


def is_counted_once(name: str, table: Table) -> bool:
    """Whether counting the column is a value of atoms: it is no unit, or every unit of it has one row."""
    return all(unit.rows_per_unit == 1 for unit in table.units if unit.column == name)


def told(rules: AtomRules | None, column: str) -> str:
    """What the catalogue says of a column under the atom rule; empty where there is none."""
    if rules is None:
        return ""
    found = next((dimension for dimension in rules.dimensions if dimension.column == column), None)
    if found is None:
        return "no dimension: only inside count, sum and avg"
    return ", ".join(["dimension", *filter(None, [found.told]), "small groups are merged into neighbours"])


def _beside_noise(index: int, grant: Grant) -> AtomProblem:
    """Which atoms there are depends on every row, so over recoded rows no unit's influence is bounded: one subject
    more can undo a merge, and with it move the rows of as many others as the merged atom has. A table that is
    declared a copy has snapshots of its own, which are not recoded, and shares the budgets."""
    return AtomProblem(
        ("grants", index, "privacy"),
        f"another grant on {grant.table} has atoms, and {grant.id} asks for noise over the same rows: what one "
        "subject changes in recoded rows has no bound",
        f"{grant.table} 的另一授权声明了原子，{grant.id} 又要求在同一数据上加噪：单个主体对重编码数据的影响没有上界",
        f"declare the data once more as a table with copy_of: {grant.table}, and grant dp on that: its rows are not "
        "recoded, and both tables share one budget",
    )

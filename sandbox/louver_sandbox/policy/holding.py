"""Whether a grant's terms hold what is promised of numbers, and which risks they take where they do not (ADR 25).

The promise: whoever may ask, all institutions together, is right about a value of a subject at most 0.05 more often
than without asking. Exact numbers of atoms of 110 units hold it whatever is asked. Nothing holds it where subjects
can be selected freely; there, and where atoms are smaller, an officer names the risk or lint refuses the terms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from louver_sandbox.catalog.atoms import HOLDING_UNITS, AtomRules
from louver_sandbox.catalog.model import Column, Table, Verb
from louver_sandbox.obligations import RoundingKind
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL, Finding
from louver_sandbox.policy.levels import PUBLIC
from louver_sandbox.policy.model import Grant, GrantTreatment
from louver_sandbox.policy.risks import Risk
from louver_sandbox.policy.terms import AcceptedRisk, CellKeyTerms, StrictTerms

HOLDING_PERCENT: Final = 1
"""Most released cells, in percent of the units, by which the values of all units together cannot be solved for."""


READ_IN_ONE: Final = Decimal("1.0986")
"""Largest epsilon at which one draw tells which of two groups a row is in at most 3 times in 4: log 3."""

READ_IN_ALL: Final = Decimal("2.1972")
"""Largest epsilon at which all draws together tell it at most 9 times in 10: log 9."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A risk that terms take: the path below the grant to what takes it, what it is, and how not to take it."""

    risk: Risk
    where: tuple[str | int, ...]
    message: str
    message_zh: str
    instead: str

    @property
    def finding(self) -> Finding:
        """What lint says of it where nobody has accepted it."""
        hint = (
            f"{self.instead}, or name the risk {self.risk.value} in threshold.accepts_risk: the log and every "
            "answer will carry it"
        )
        return Finding(self.where, self.message, self.message_zh, hint)


def unheld(grant: Grant, table: Table, partition: AtomRules | None) -> Iterator[Finding]:
    """Every risk that the grant takes and nobody has accepted; `where` is the path below the grant. `partition` is
    that of the table under all its grants."""
    accepted = {one.risk for one in _named(grant)}
    yield from (one.finding for one in taken(grant, table, partition) if one.risk not in accepted)


def idle(grant: Grant, table: Table, partition: AtomRules | None) -> Iterator[Finding]:
    """Accepted risks that the terms do not take, and a text that names none."""
    at, found = ("threshold", "accepts_risk"), {one.risk for one in taken(grant, table, partition)}
    if isinstance(grant.threshold.accepts_risk, str):
        says = "accepts_risk is a text that names no risk, so none is accepted"
        names = ", ".join(sorted(risk.value for risk in found)) or "none is taken: remove it"
        yield Finding(
            at, says, "accepts_risk 未写明风险名称，不构成接受", f"write [{{risk: ..., because: ...}}] of {names}"
        )
    for index, one in enumerate(_named(grant)):
        if one.risk not in found:
            says = f"accepts_risk names {one.risk.value}, a risk that these terms do not take"
            yield Finding(
                (*at, index), says, f"accepts_risk 所述风险 {one.risk.value} 在本条款中并不存在", "remove it"
            )


def taken(grant: Grant, table: Table, partition: AtomRules | None) -> Iterator[Taken]:
    """Every risk that the grant's terms take, accepted or not."""
    if Verb.ANALYSE not in grant.verbs or grant.treatment.rank > GrantTreatment.THRESHOLD.rank:
        return
    yield from _of_noise(grant)
    yield from _of_chance(grant)
    if not any(_protects(grant, column) for column in table.columns):
        return
    smaller = _smaller_atoms(table, partition)
    if partition is None:
        yield Taken(
            Risk.FREE_PREDICATES,
            ("columns",),
            f"{grant.table} has protected columns and no atoms: who selects subjects freely is told of one of them, "
            "whatever the threshold, noise and cap",
            f"{grant.table} 含受保护字段而未声明原子：可自由筛选主体时，阈值、噪声和发布上限均不能防止识别单个主体",
            "declare atoms",
        )
    elif smaller:
        yield Taken(
            Risk.SMALL_ATOMS,
            ("atom_units",),
            f"atoms of {', '.join(smaller)} tell of each subject what most of a few have in common",
            f"原子仅含 {'、'.join(smaller)}，少数主体的多数情况即可推断其中每个主体",
            f"leave atom_units out, which is {HOLDING_UNITS}",
        )
    cap = grant.threshold.unit_sets
    if cap is not None and cap.percent > HOLDING_PERCENT and (partition is None or smaller):
        yield Taken(
            Risk.LARGE_CAP,
            ("threshold", "unit_sets", "percent"),
            f"{cap.percent} % of the units are cells enough to solve for a value that half of the subjects have",
            f"可发布分组数达主体数的 {cap.percent} %，足以求解出约半数主体具有的属性",
            f"set percent to {HOLDING_PERCENT}, the default",
        )


def _of_chance(grant: Grant) -> Iterator[Taken]:
    """Rows told at random are told too truly: an upload of powers of two reads every row's drawn group."""
    terms = grant.threshold.encrypted
    if not isinstance(terms, StrictTerms):
        return
    ways = max(terms.labels, terms.labels_of_all or 0)
    for name, loss, most, often, of, of_zh in (
        ("epsilon", terms.epsilon, READ_IN_ONE, 75, "one sum", "单次求和"),
        ("labels", terms.epsilon * ways, READ_IN_ALL, 90, f"{ways} ways of grouping together", f"{ways} 种分组合计"),
    ):
        if loss > most:
            read = 100 / (1 + math.exp(-float(loss)))
            yield Taken(
                Risk.READABLE_ROWS,
                ("threshold", "encrypted", *((name,) if name in terms.model_fields_set else ())),
                f"with epsilon {loss.normalize():f}, {of} tell which of two groups a subject is in {read:.1f} times "
                f"in 100, whatever was encrypted; {often} is the most that `strict` is meant for",
                f"epsilon 为 {loss.normalize():f} 时，{of_zh}即可以 {read:.1f}% 的把握"
                f"判断主体属于两个分组中的哪一个，超过上限 {often}%",
                "lower epsilon or labels (epsilon 1, 1 label of 2 for all are the defaults)",
            )
            return


def _of_noise(grant: Grant) -> Iterator[Taken]:
    terms = grant.threshold
    if not isinstance(terms.noise, CellKeyTerms):
        return
    if terms.unit_sets is None:
        yield Taken(
            Risk.UNCAPPED_NOISE,
            ("threshold", "noise"),
            "noise without a cap on released cells is averaged away over many sets of subjects",
            "仅加噪而不限制发布的分组数，可通过大量分组求平均消除噪声",
            "set unit_sets",
        )
    if terms.noise.rounding.mode is RoundingKind.NONE:
        yield Taken(
            Risk.UNROUNDED_NOISE,
            ("threshold", "noise", "rounding"),
            "noise without rounding tells equal sets of subjects from different ones",
            "仅加噪而不舍入，可由数值是否相等判断主体集合是否相同",
            "set rounding",
        )


def _smaller_atoms(table: Table, partition: AtomRules | None) -> Sequence[str]:
    """The unit types of the table of which an atom may hold fewer than hold by themselves, in words."""
    if partition is None:
        return ()
    least = {unit.type: partition.least_in_atom(unit.type) for unit in table.units}
    return [f"{number} {unit.value}s" for unit, number in least.items() if number < HOLDING_UNITS]


def _protects(grant: Grant, column: Column) -> bool:
    """Whether the grant gives the column, and on some of its rows the column is protected."""
    if column.name not in grant.rights or column.level > HIGHEST_OPERABLE_LEVEL:
        return False
    return min((column.level, *(item.level for item in column.when if item.predicate == grant.row_filter))) > PUBLIC


def _named(grant: Grant) -> Sequence[AcceptedRisk]:
    named = grant.threshold.accepts_risk
    return () if named is None or isinstance(named, str) else named

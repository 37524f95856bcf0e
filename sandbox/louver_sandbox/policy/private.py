"""Budgets of privacy loss as policies write them, and the strictest of several (PRIVACY 6).

People write epsilon at delta; what is kept and added up is rho. Half of every delta is kept for groups that are
listed because of a threshold, so a lifetime at delta 1e-6 pays for listings of 5e-7 in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from louver_sandbox.catalog.model import Table, UnitType
from louver_sandbox.mechanisms.noise import Sensitivity, gaussian, half_width
from louver_sandbox.obligations import Period, PrivacyTerms
from louver_sandbox.policy.model import Grant, GrantTreatment
from louver_sandbox.policy.terms import LossTerms, PrivateTerms, UnitLossTerms
from louver_sandbox.privacy import amounts
from louver_sandbox.privacy.conversion import rho_of
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.privacy.refused import PrivacyRefused
from louver_sandbox.private_core import PrivateRules

_PERIODS = list(Period)


@dataclass(frozen=True, slots=True)
class LossProblem:
    """What is wrong with a grant's budget: `where` is the path below `privacy`."""

    where: tuple[str, ...]
    message: str
    message_zh: str
    hint: str = ""


def private_rules(table: Table, grants: Sequence[Grant]) -> tuple[PrivateRules, ...] | None:
    """The strictest rules that grants give for every kind of unit of a table; None where one has none.

    Of exemptions only those count that every grant gives: a budget is stricter.
    """
    given = [grant.privacy for grant in grants if grant.privacy is not None]
    found: list[PrivateRules] = []
    for unit in dict.fromkeys(unit.type for unit in table.units):
        terms = [one for block in given if (one := block.of(unit)) is not None]
        exempt = "; ".join(dict.fromkeys(block.exempt[unit] for block in given if unit in block.exempt))
        if terms:
            found.append(_strictest(str(table.name), unit, terms))
        elif exempt:
            nothing = PrivacyCost(Fraction(0))
            found.append(PrivateRules(str(table.name), unit, None, nothing, Fraction(1, 2), 1, exempt=exempt))
        else:
            return None
    return tuple(found) or None


def _strictest(dataset: str, unit: UnitType, several: Sequence[UnitLossTerms]) -> PrivateRules:
    rows = [one.rows for one in several if one.rows is not None]
    terms = PrivacyTerms(
        unit,
        lifetime=_least(cost_of(one.lifetime) for one in several),
        allowance=_least(cost_of(one.allowance) for one in several),
        period=max((one.window for one in several), key=_PERIODS.index),
        most=_least(cost_of(one.most) for one in several),
        purposes=_parts(several),
        shared=all(one.shared for one in several),
    )
    return PrivateRules(
        dataset,
        unit,
        terms,
        each=_least(cost_of(one.each) for one in several),
        delta=min(Fraction(one.each.delta) for one in several),
        groups=min(one.groups for one in several),
        rows=min(rows, default=None),
        accuracy=min((one.accuracy for one in several if one.accuracy is not None), default=None),
    )


def _parts(several: Sequence[UnitLossTerms]) -> Mapping[str, PrivacyCost]:
    """Parts by purpose: where some terms have parts, a purpose that one of those does not name has nothing.

    It is said of every purpose that any of them names: no parts at all would leave every purpose the whole.
    """
    divided = [{name: cost_of(part) for name, part in one.purposes.items()} for one in several if one.purposes]
    named = sorted({name for parts in divided for name in parts})
    return {name: _least(parts.get(name, NOTHING) for parts in divided) for name in named}


def _least(costs: Iterable[PrivacyCost]) -> PrivacyCost:
    found = tuple(costs)
    return PrivacyCost(min(cost.rho for cost in found), min(cost.delta for cost in found))


def cost_of(terms: LossTerms) -> PrivacyCost:
    """What is written as epsilon at delta, as rho, rounded down. Raises `PrivacyRefused`."""
    return _cost(amounts.epsilon(terms.epsilon), amounts.delta(terms.delta))


@lru_cache(maxsize=1024)
def _cost(epsilon: Fraction, delta: Fraction) -> PrivacyCost:
    return rho_of(epsilon, delta, delta / 2)


def problems(grant: Grant) -> Iterator[LossProblem]:
    """What no policy may say: amounts that are none, budgets above those they are part of, terms nobody obeys."""
    block = grant.privacy
    if block is None:
        return
    if grant.treatment is not GrantTreatment.DP:
        yield LossProblem((), "privacy belongs to treatment dp", "privacy 仅用于 dp 方式", "remove it")
    for unit in UnitType:
        terms = block.of(unit)
        if terms is None:
            continue
        if unit in block.exempt:
            yield LossProblem(
                ("exempt", unit.value), "this kind of unit has a budget", "该类主体已有预算", "remove one"
            )
        yield from _of_unit(unit, terms)


def _of_unit(unit: UnitType, terms: UnitLossTerms) -> Iterator[LossProblem]:
    costs: dict[str, PrivacyCost] = {}
    written = {"lifetime": terms.lifetime, "allowance": terms.allowance, "most": terms.most, "each": terms.each}
    for name, amount in (*written.items(), *((f"purposes.{key}", part) for key, part in terms.purposes.items())):
        try:
            costs[name] = cost_of(amount)
        except PrivacyRefused as refused:
            yield LossProblem((unit.value, *name.split(".")), refused.message, refused.message_zh)
    parts = [(name, "allowance") for name in costs if name.startswith("purposes.")]
    for name, whole in (("allowance", "lifetime"), ("most", "lifetime"), ("each", "most"), *parts):
        if name in costs and whole in costs and not costs[name].within(costs[whole]):
            yield LossProblem(
                (unit.value, *name.split(".")),
                f"{name} is above {whole}",
                f"{name} 超过 {whole}",
                "an amount is within another when its epsilon and its delta are",
            )


def findings(grant: Grant, table: Table) -> Iterator[LossProblem]:
    """What lint says of a grant's budget beside its table."""
    if grant.treatment is not GrantTreatment.DP:
        return
    block = grant.privacy or PrivateTerms()
    for unit in table.units:
        terms = block.of(unit.type)
        if terms is None and unit.type not in block.exempt:
            yield LossProblem(
                (),
                f"no budget for {unit.type.value} units of {table.name}: every question under dp is refused",
                f"未为 {table.name} 的 {unit.type.value} 主体设定隐私预算，所有 dp 查询都会被拒绝",
                "give it terms, or say in exempt why this kind of unit is not protected",
            )
        if terms is not None:
            yield from _beside(unit.type, terms, unit.rows_per_unit, unit.at_least)
    for unit_type in block.exempt:
        if all(unit.type is not unit_type for unit in table.units):
            says = f"{table.name} has no {unit_type.value} units"
            yield LossProblem(("exempt", unit_type.value), says, f"{table.name} 没有该类主体", "remove it")


def _beside(unit: UnitType, terms: UnitLossTerms, rows: int | None, units: int | None) -> Iterator[LossProblem]:
    if rows is None and terms.rows is None:
        yield LossProblem(
            (unit.value, "rows"),
            "neither the catalogue nor the grant bounds the rows of a unit: every question is refused",
            "目录与授权均未限定每个主体的行数，所有查询都会被拒绝",
            "set rows",
        )
    yield from _out_of_reach(unit, terms, rows)
    written = {"lifetime": terms.lifetime, "allowance": terms.allowance, "most": terms.most, "each": terms.each}
    for name, amount in (*written.items(), *((f"purposes.{key}", part) for key, part in terms.purposes.items())):
        if units is not None and Fraction(amount.delta) * units > 1:
            yield LossProblem(
                (unit.value, *name.split("."), "delta"),
                f"delta is above one over the {units} units there are: it allows to publish somebody's row as it is",
                f"delta 大于主体数 {units} 的倒数，等于允许原样公开某一主体的数据",
            )


def _out_of_reach(unit: UnitType, terms: UnitLossTerms, rows: int | None) -> Iterator[LossProblem]:
    """An accuracy that not even one count by itself has, which is the most exact thing that can be asked for."""
    counting = min((bound for bound in (rows, terms.rows) if bound is not None), default=None)
    if terms.accuracy is None or counting is None:
        return
    for name, amount, severe in (("most", terms.most, True), ("each", terms.each, False)):
        width = half_width(gaussian(cost_of(amount).rho, Sensitivity(counting)))
        if width <= terms.accuracy:
            continue
        says = f"a single count is predicted within ±{width} at {name}: " + (
            "every question is refused" if severe else "every question that does not ask for more is refused"
        )
        says_zh = f"按 {name} 单个计数的预测误差为 ±{width}，" + (
            "所有查询都会被拒绝" if severe else "未要求更高 epsilon 的查询都会被拒绝"
        )
        yield LossProblem((unit.value, "accuracy"), says, says_zh, f"set accuracy to {width} at least")
        return

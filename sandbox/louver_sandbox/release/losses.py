"""What an answer under differential privacy says of itself: how exact it is, and what it cost whom.

Read off the plan, so that a dry run says the same and nothing depends on a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_UP, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Named, WindowCall, column_refs
from louver_sandbox.algebra.relations import Aggregate, Project, Union, Window, walk, window_parts
from louver_sandbox.algebra.types import Kind
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.mechanisms.noise import DiscreteGaussian, half_width
from louver_sandbox.obligations import PrivacyCharge
from louver_sandbox.privacy.conversion import epsilon_of
from louver_sandbox.private_core import PrivateCells, PrivateMeasure
from louver_sandbox.release.intervals import Additive, Average, Measures, Parts, Source, widened
from louver_sandbox.release.quantiles_told import of_quantile, quantile_notices
from louver_sandbox.stages import Accuracy, Notice, Plan

PRIVACY_LOSS = "PRIVACY_LOSS"
GROUPS_LISTED = "GROUPS_LISTED"
GROUPS_DECLARED = "GROUPS_DECLARED"
VALUES_CLIPPED = "VALUES_CLIPPED"

_UNITS = {"person": "自然人", "enterprise": "企业"}


def private_notices(plan: Plan) -> tuple[Notice, ...]:
    """What is said beside every answer under differential privacy."""
    cells = [core.private for core in plan.cores if core.private is not None]
    found = [_loss(charge, min(one.delta for one in cells)) for charge in plan.privacy]
    found.append(
        Notice(
            VALUES_CLIPPED,
            1,
            "dp",
            "values count only within declared bounds, and each subject with a bounded number of rows and groups",
            "数值仅在声明的范围内计入，每个主体的行数与分组数也有上限",
        )
    )
    found += [_listed(one) for one in cells if one.domain is None]
    found += [_DECLARED for one in cells if not one.noisy and not one.ranks]
    found += [notice for one in cells for notice in quantile_notices(one)]
    return tuple(dict.fromkeys(found))


def _loss(charge: PrivacyCharge, delta: Fraction) -> Notice:
    rho, unit = charge.cost.rho, charge.terms.unit.value
    epsilon = _epsilon(charge.cost, delta)
    said = f"epsilon {shown(epsilon)} at delta {shown(delta)} (rho {shown(rho)})"
    return Notice(
        PRIVACY_LOSS,
        1,
        f"{charge.dataset}/{unit}",
        f"privacy loss of every {unit} in {charge.dataset}: {said}",
        f"{charge.dataset} 中每个{_UNITS[unit]}的隐私损失：{said}",
    )


def _listed(cells: PrivateCells) -> Notice:
    return Notice(
        GROUPS_LISTED,
        1,
        "dp",
        f"groups are listed when their noisy number of subjects reaches {cells.tau}; smaller ones are mostly missing",
        f"仅列出加噪后主体数达到 {cells.tau} 的分组，较小的分组大多不会出现",
    )


_DECLARED = Notice(
    GROUPS_DECLARED,
    1,
    "dp",
    "groups are all declared values, whether rows have them or not, and cost nothing; ask for COUNT(*) beside them "
    "to learn how many rows each has",
    "分组为全部已声明的取值，与数据中是否出现无关，不消耗隐私预算；如需了解各组行数，请同时查询 COUNT(*)",
)
_epsilon = lru_cache(maxsize=256)(epsilon_of)
"""An answer says it again and again; finding it takes milliseconds."""


@lru_cache(maxsize=1024)
def shown(value: Fraction) -> str:
    """Four significant digits, rounded up."""
    with localcontext() as context:
        context.prec, context.rounding = 4, ROUND_UP
        found = (Decimal(value.numerator) / Decimal(value.denominator)).normalize()
        return f"{found:f}" if -9 < found.adjusted() < 18 else f"{found:g}"


ADDITIVE = frozenset({"count", "units", "sum"})
"""Kinds of measure that are one noisy number."""


def measures_of(plan: Plan) -> Measures:
    """The columns of released rows that have an interval."""
    return {
        (core.core_id, measure.name): _source(core.core_id, core.private, measure)
        for core in plan.cores
        if core.private
        for measure in core.private.measures
        if measure.kind != "grouping"
    }


def _source(core: int, cells: PrivateCells, measure: PrivateMeasure) -> Source | None:
    """A measure that is one noisy number, unless its column's type would round it, or an average of two."""
    if measure.kind == "average":
        return _average(core, cells, measure)
    exact = measure.type.kind is Kind.INTEGER or measure.type.scale >= measure.digits
    if measure.kind not in ADDITIVE or measure.type.kind not in (Kind.INTEGER, Kind.DECIMAL) or not exact:
        return None
    name = measure.total if measure.kind == "sum" else measure.count
    column = next(one for one in cells.noisy if one.name == name)
    unit = _unit(measure)
    return Additive(f"{core}.{name}", column.scale * unit, unit, column.least == 0)


def _average(core: int, cells: PrivateCells, measure: PrivateMeasure) -> Average:
    scales = {one.name: one.scale for one in cells.noisy}
    unit = _unit(measure)
    return Average(
        f"{core}.{measure.name}",
        f"{core}.{measure.total}",
        f"{core}.{measure.count}",
        (scales[measure.total] * unit, scales[measure.count]),
        unit,
        measure.centre * unit,
        max(measure.high - measure.centre, measure.centre - measure.low) * unit,
    )


def _unit(measure: PrivateMeasure) -> Fraction:
    return Fraction(1, 10**measure.digits)


def predicted(plan: Plan) -> tuple[Accuracy, ...]:
    """How exact every column will be, before a row is read."""
    if not isinstance(plan.shape, Project):
        return ()
    parts = widened(plan.shape, measures_of(plan), Tracing(plan).is_noisy).parts
    of_columns = zip(plan.columns, plan.shape.columns, parts, strict=True)
    found = (accuracy(plan, column.name, named, (), (), of) for column, named, of in of_columns)
    return tuple(one for one in found if one is not None)


def accuracy(
    plan: Plan, column: str, named: Named, lows: tuple[str, ...], highs: tuple[str, ...], parts: Parts | None
) -> Accuracy | None:
    """What is said of one column with these parts; None where no noise reaches it."""
    tracing = Tracing(plan)
    plain = tracing.plain(named.expression)
    measure = None if plain is None else tracing.measure(plain)
    if plain is not None and measure is not None:
        return _of_measure(column, measure[0], measure[1], lows, highs)
    if not any(tracing.measure(ref) for ref in tracing.released(named.expression)):
        return None
    if parts is not None:
        english = (
            "computed from noisy numbers, whose noise together decides each row's interval, at 95 %"
            if parts.sources
            else "computed from noisy numbers, whose intervals leave each row's possible; it holds at 95 %"
        )
        chinese = "由加噪后的数值计算得出，每行附 95 % 区间"
        return Accuracy(column, "computed", "", "", "", english, chinese, low=lows, high=highs)
    return Accuracy(
        column,
        "computed",
        "",
        "",
        "",
        "computed from noisy numbers: show them as columns of their own to see their intervals",
        "由加噪后的数值计算得出：将这些数值单独列出即可看到各自的区间",
    )


def _of_measure(
    column: str, cells: PrivateCells, measure: PrivateMeasure, lows: tuple[str, ...], highs: tuple[str, ...]
) -> Accuracy:
    if measure.ranks >= 0:
        return replace(of_quantile(column, cells, measure, lows, highs), share=_share(cells, measure))
    noise = {one.name: DiscreteGaussian(one.scale) for one in cells.noisy}
    unit, share = Fraction(1, 10**measure.digits), _share(cells, measure)
    if measure.kind in ("count", "units", "sum"):
        one = noise[measure.total if measure.kind == "sum" else measure.count]
        width, error = shown(half_width(one) * unit), shown(one.scale * unit)
        kind = "sum" if measure.kind == "sum" else "count"
        english, chinese = f"±{width} at 95 %", f"±{width}（95 % 区间）"
        if cells.sets:
            english, chinese = f"{english} in the finest groups, more in totals", f"{chinese}，合计的误差更大"
            return Accuracy(column, kind, "", "", "", english, chinese, low=lows, high=highs, share=share)
        return Accuracy(column, kind, error, width, width, english, chinese, low=lows, high=highs, share=share)
    total, count = shown(half_width(noise[measure.total]) * unit), half_width(noise[measure.count])
    kind = "average" if measure.kind == "average" else "computed"
    english = f"from a sum within ±{total} and a number of values within ±{count}, each at 95 %"
    chinese = f"由误差 ±{total} 的和与误差 ±{count} 的个数得出（各为 95 % 区间）"
    return Accuracy(column, kind, "", "", "", english, chinese, low=lows, high=highs, share=share)


def _share(cells: PrivateCells, measure: PrivateMeasure) -> str:
    """What part of the question's rho a measure costs, in percent. A number or histogram that several need counts
    for each in equal parts."""
    if measure.ranks >= 0:
        served = sum(one.ranks == measure.ranks for one in cells.measures)
        return shown(100 * cells.ranks[measure.ranks].share / served)
    needed = [{one.count, one.total, one.squares} for one in cells.measures]
    own = {measure.count, measure.total, measure.squares}
    parts = [one.share / sum(one.name in of for of in needed) for one in cells.noisy if one.name in own]
    return shown(100 * sum(parts, Fraction(0)))


class Tracing:
    """Where the columns of a shape come from."""

    def __init__(self, plan: Plan) -> None:
        self._cores: dict[int, CorePlan] = {core.core_id: core for core in plan.cores}
        self._behind: dict[tuple[int, str], tuple[Expression | WindowCall, ...]] = {}
        for node in () if plan.shape is None else walk(plan.shape):
            match node:
                case Project():
                    self._behind |= {(node.id, one.name): (one.expression,) for one in node.columns}
                case Aggregate():
                    self._behind |= {(node.id, one.name): (one.expression,) for one in node.keys + node.measures}
                case Window():
                    self._behind |= {(node.id, one.name): (one.call,) for one in node.columns}
                case Union():
                    sides = zip(node.columns, node.left.columns, node.right.columns, strict=True)
                    self._behind |= {(node.id, own.name): (a.expression, b.expression) for own, a, b in sides}
                case _:
                    continue

    def plain(self, expression: Expression) -> ColumnRef | None:
        """The released column that an expression merely renames."""
        while isinstance(expression, ColumnRef) and expression.relation not in self._cores:
            sides = self._behind[expression.relation, expression.name]
            if len(sides) > 1 or isinstance(sides[0], WindowCall):
                return None
            expression = sides[0]
        return expression if isinstance(expression, ColumnRef) else None

    def measure(self, ref: ColumnRef) -> tuple[PrivateCells, PrivateMeasure] | None:
        """The noisy measure that a released column is."""
        private = self._cores[ref.relation].private if ref.relation in self._cores else None
        measures = () if private is None else private.measures
        found = next((one for one in measures if one.name == ref.name and one.kind != "grouping"), None)
        return None if found is None or private is None else (private, found)

    def is_noisy(self, ref: ColumnRef) -> bool:
        """Whether noise reaches a column."""
        return any(self.measure(one) for one in self.released(ref))

    def released(self, expression: Expression | WindowCall) -> Iterator[ColumnRef]:
        """The released columns behind an expression."""
        parts = window_parts(expression) if isinstance(expression, WindowCall) else (expression,)
        for ref in (ref for part in parts for ref in column_refs(part)):
            if ref.relation in self._cores:
                yield ref
            else:
                for side in self._behind[ref.relation, ref.name]:
                    yield from self.released(side)

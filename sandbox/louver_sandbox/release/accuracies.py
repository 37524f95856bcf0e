"""How far the perturbed numbers of an answer may be from the true ones, column by column.

Read off the plan, so it depends on the question and the policy and never on a row. A column of released counts has
one statement that holds for each of its values; what is computed from several has that of its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache

from louver_sandbox.algebra.expressions import ColumnRef, Expression, WindowCall, column_refs
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, Union, Window, walk, window_parts
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan, Measure, NoisyTotal
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.accuracy import CONFIDENCE, accuracy, relative_error
from louver_sandbox.perturbation.named import magnitudes_of, named, rounding_of
from louver_sandbox.perturbation.rounding import Rounding
from louver_sandbox.release.additive import limits_of
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.noise import is_rounded_together
from louver_sandbox.stages import Accuracy, Plan

_DIGITS = 3
_Behind = dict[tuple[int, str], tuple[Expression | WindowCall, ...]]


def accuracies(plan: Plan) -> tuple[Accuracy, ...]:
    """One for each column of the answer that noise reaches, in order; none where no policy asks for noise."""
    rules = plan.threshold
    if rules is None or rules.noise is None or not isinstance(plan.shape, Project):
        return ()
    cores, behind = {core.core_id: core for core in plan.cores}, _behind(plan.shape)
    shown = zip(plan.columns, plan.shape.columns, strict=True)
    found = (_of(column.name, named.expression, cores, behind, rules) for column, named in shown)
    return tuple(one for one in found if one is not None)


def _of(
    column: str, expression: Expression, cores: dict[int, CorePlan], behind: _Behind, rules: ThresholdRules
) -> Accuracy | None:
    reached = {ref for ref in _released(expression, cores, behind) if _measure(ref, cores) is not None}
    if not reached:
        return None
    plain = _plain(expression, cores, behind)
    measure = None if plain is None else _measure(plain, cores)
    if plain is None or measure is None:
        told = (
            "computed from perturbed numbers: ask for these as well to see how exact each of them is",
            "由加噪后的数值计算；请同时查询各组成数值以了解其精度",
        )
        return Accuracy(column, "computed", "", "", "", *told)
    noisy = {total.value: total for total in cores[plain.relation].noisy}
    totals = [
        (Fraction(addend.numerator, addend.denominator), noisy[addend.total.value]) for addend in measure.addends
    ]
    summed = [total for _, total in totals if total.amounts]
    if measure.kind in ("count", "sum", "units") and not summed:
        return _of_counts(column, totals, cores[plain.relation], rules)
    return _of_sums(column, measure.kind, summed, rules)


def _of_sums(column: str, kind: str, summed: list[NoisyTotal], rules: ThresholdRules) -> Accuracy:
    """Sums, and averages of them: relative to what is added up, for the noise of a single cell would tell its largest
    contribution. A sum has passed dominance; a number of rows has not."""
    if not summed or rules.noise is None or rules.noise.share is None:
        told = (
            "a share of two perturbed numbers: ask for these as well to see how exact each of them is",
            "由两个加噪后的数值相除；请同时查询这两个数值以了解其精度",
        )
        return Accuracy(column, "computed", "", "", "", *told)
    noise = magnitudes_of(rules.noise.share)
    error = max(relative_error(noise, rules.dominance_percent if total.of else 100) for total in summed)
    text = _text(Fraction(error))
    divided = kind == "average"
    kind = "average" if divided else "sum" if any(total.of for total in summed) else "rows"
    english = "a perturbed sum over a perturbed number of values; of the sum the " if divided else ""
    chinese = "加噪后的和除以加噪后的个数；和的" if divided else ""
    is_rounded = kind == "rows" and rules.noise.rounding is not RoundingKind.NONE
    rounding, rounding_zh = (", besides rounding", "，舍入误差另计") if is_rounded else ("", "")
    told = (
        f"{english}standard error is at most {text} times the sum of absolute amounts, and far less where no subject "
        f"stands out{rounding}",
        f"{chinese}标准误差不超过各数值绝对值之和的 {text} 倍；没有突出主体时远小于此{rounding_zh}",
    )
    return Accuracy(column, kind, "", "", "", *told, relative_error=text)


def _of_counts(
    column: str, totals: list[tuple[Fraction, NoisyTotal]], core: CorePlan, rules: ThresholdRules
) -> Accuracy:
    """A combination of counts: each statement with a share of the doubt, so that all hold together.

    A number of a table that is rounded as a whole may be moved as well, by as much as its limits allow.
    """
    noise = rules.noise
    if noise is None:
        raise WorkerLied("noise that nobody asked for")
    together = is_rounded_together(core, noise)
    parts = [
        (factor, keyed.type, limits.most + limits.base if together else 0)
        for factor, total in totals
        for limits in (limits_of(total, rules),)
        for keyed in total.sets
    ]
    error, below, above = Fraction(0), Fraction(0), Fraction(0)
    rounding = None if together else rounding_of(noise)
    for factor, unit, moved in parts:
        spread = _spread(_table(noise, unit), rounding, 1 - (1 - CONFIDENCE) / len(parts))
        error += abs(factor) * (spread[0] + moved)
        less, more = spread[1:] if factor > 0 else spread[:0:-1]
        below, above = below + abs(factor) * (less + moved), above + abs(factor) * (more + moved)
    error_text, below_text, above_text = _text(error), _text(below), _text(above)
    return Accuracy(
        column,
        "count",
        error_text,
        below_text,
        above_text,
        f"standard error at most {error_text}; in 95 of 100 cells the true number is from {below_text} less to "
        f"{above_text} more than the number shown",
        f"标准误差不超过 {error_text}；100 个单元格中有 95 个真值在所示数值减 {below_text} 至加 {above_text} 之间",
    )


def _table(rules: NoiseRules, unit: UnitType) -> str:
    if unit not in rules.tables:
        raise WorkerLied("units without a perturbation table")
    return rules.tables[unit]


@cache
def _spread(table: str, rounding: Rounding | None, confidence: Fraction) -> tuple[Fraction, int, int]:
    """The largest standard error, and by how much a released count is at most too large and too small."""
    found = accuracy(named(table), rounding, confidence).statements
    statements = [(value, one) for value, one in enumerate(found) if one is not None]
    return (
        max(Fraction(one.standard_error) for _, one in statements),
        max(0, *(value - one.low for value, one in statements)),
        max(0, *(one.high - value for value, one in statements)),
    )


def _text(number: Fraction) -> str:
    """Decimal text, rounded up to three digits after the point."""
    scaled = -(-number.numerator * 10**_DIGITS // number.denominator)
    text = str(Decimal(scaled).scaleb(-_DIGITS))
    return text.rstrip("0").rstrip(".") if "." in text else text


def _behind(top: Relation) -> _Behind:
    """What the columns of a shape are made of."""
    found: _Behind = {}
    for node in walk(top):
        match node:
            case Project():
                found |= {(node.id, named.name): (named.expression,) for named in node.columns}
            case Aggregate():
                found |= {(node.id, named.name): (named.expression,) for named in node.keys + node.measures}
            case Window():
                found |= {(node.id, named.name): (named.call,) for named in node.columns}
            case Union():
                sides = zip(node.columns, node.left.columns, node.right.columns, strict=True)
                found |= {(node.id, own.name): (one.expression, other.expression) for own, one, other in sides}
    return found


def _measure(ref: ColumnRef, cores: dict[int, CorePlan]) -> Measure | None:
    """The perturbed measure that a released column is; None for a key, and for whatever has no noise."""
    return next((one for one in cores[ref.relation].measures if one.name == ref.name and one.addends), None)


def _plain(expression: Expression, cores: dict[int, CorePlan], behind: _Behind) -> ColumnRef | None:
    """The released column that an expression is under whatever names."""
    while isinstance(expression, ColumnRef) and expression.relation not in cores:
        sides = behind[(expression.relation, expression.name)]
        if len(sides) > 1 or isinstance(sides[0], WindowCall):
            return None
        expression = sides[0]
    return expression if isinstance(expression, ColumnRef) else None


def _released(
    expression: Expression | WindowCall, cores: dict[int, CorePlan], behind: _Behind
) -> Iterator[ColumnRef]:
    """Every released column that an expression is made of."""
    for part in window_parts(expression) if isinstance(expression, WindowCall) else (expression,):
        for ref in column_refs(part):
            if ref.relation in cores:
                yield ref
            else:
                for side in behind[(ref.relation, ref.name)]:
                    yield from _released(side, cores, behind)

"""How far the perturbed numbers of an answer may be from the true ones, column by column.

Read off the plan, so it depends on the question and the policy and never on a row. A column of released numbers, or
of their sums and differences with constants, has one statement that holds for each of its values; what is computed
from several in another way has that of its parts. Where rows are chosen by perturbed numbers (HAVING, LIMIT, joins on
them) those that noise moved far are likelier to be seen, so only what no draw exceeds is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, WindowCall, column_refs
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Union,
    Window,
    walk,
    window_parts,
)
from louver_sandbox.algebra.types import Kind
from louver_sandbox.core_plan import Addend, CorePlan, Measure, NoisyTotal
from louver_sandbox.perturbation.accuracy import CONFIDENCE
from louver_sandbox.release.exactness import Exact, Exactness, added, worst
from louver_sandbox.release.shape import row_by_row
from louver_sandbox.stages import Accuracy, Plan

_DIGITS = 3
_DOUBT = 1 - CONFIDENCE
_Behind = dict[tuple[int, str], tuple[Expression | WindowCall, ...]]
_Part = tuple[CorePlan, NoisyTotal]


def accuracies(plan: Plan) -> tuple[Accuracy, ...]:
    """One for each column of the answer that noise reaches, in order; none where no policy asks for noise."""
    rules = plan.threshold
    if rules is None or rules.noise is None or not isinstance(plan.shape, Project):
        return ()
    reader = _Reader(
        {core.core_id: core for core in plan.cores}, _behind(plan.shape), plan.shape, Exact(rules, rules.noise)
    )
    shown = zip(plan.columns, plan.shape.columns, strict=True)
    found = (reader.of(column.name, named.expression) for column, named in shown)
    return tuple(one for one in found if one is not None)


@dataclass(frozen=True)
class _Reader:
    """Reads the columns of one answer."""

    cores: Mapping[int, CorePlan]
    behind: _Behind
    shape: Relation
    exact: Exact

    def of(self, column: str, expression: Expression) -> Accuracy | None:
        """The statement of one column; None where no perturbed number reaches it."""
        reached = [ref for ref in self._released(expression) if self._measure(ref) is not None]
        if not reached:
            return None
        chosen = self._chosen_by_noise()
        plain = self._plain(expression)
        measure = None if plain is None else self._measure(plain)
        if plain is not None and measure is not None and measure.kind == "average":
            return self._average(column, measure, self.cores[plain.relation], chosen)
        constants = self._linear(expression)
        if constants is None or any(self._kind_of(ref) == "average" for ref in reached):
            return self._computed(column, reached, chosen)
        addends = [
            (constant * Fraction(addend.numerator, addend.denominator), part)
            for ref, constant in constants.items()
            for addend, part in self._addends(ref)
        ]
        return self._number(column, addends, chosen)

    def _number(self, column: str, addends: list[tuple[Fraction, _Part]], chosen: bool) -> Accuracy:
        """A sum of perturbed numbers with constants: each statement has a share of the doubt, so that all hold."""
        doubt = Fraction(0) if chosen else _DOUBT / len(addends)
        found = added(self.exact.of(total, core, doubt).times(factor) for factor, (core, total) in addends)
        totals = [total for _, (_, total) in addends]
        kind = "sum" if any(total.of for total in totals) else "rows" if found.relative else "count"
        ((core, only), *others) = [part for _, part in addends]
        bases = None if others else self.exact.bases(only, core, doubt)
        return told(column, kind, found, chosen, bases)

    def _average(self, column: str, measure: Measure, core: CorePlan, chosen: bool) -> Accuracy:
        """A perturbed sum over a perturbed number of values, which are not far off together."""
        noisy = {total.value: total for total in core.noisy}
        addends = [
            (Fraction(addend.numerator, addend.denominator), noisy[addend.total.value]) for addend in measure.addends
        ]
        doubt = Fraction(0) if chosen else _DOUBT / (len(addends) + 1)
        above = added(self.exact.of(total, core, doubt).times(factor) for factor, total in addends)
        below = self.exact.of(noisy[measure.count], core, doubt)
        english, chinese = _reach(above, chosen, ("sum", "和"))
        other, other_zh = _reach(below, chosen, ("number of values", "个数"))
        summed = any(total.amounts for _, total in addends)
        often, often_zh = _often(chosen)
        return Accuracy(
            column,
            "average" if summed else "computed",
            "",
            "",
            "",
            f"a perturbed sum over a perturbed number of values: {often} {english}, and {other}",
            f"加噪后的和除以加噪后的个数：{often_zh}{chinese}，{other_zh}",
            relative_error=decimal_text(above.relative_error) if above.relative_error else "",
        )

    def _computed(self, column: str, reached: Iterable[ColumnRef], chosen: bool) -> Accuracy:
        """What else is computed: how far the numbers it is made of may be, those of one row all at once."""
        parts = dict.fromkeys(part for ref in reached for part in self._parts(ref))
        always = chosen or not row_by_row(self.shape)
        doubt = Fraction(0) if always else _DOUBT / len(parts)
        counts = worst(self.exact.of(total, self.cores[core], doubt) for core, total in parts if not total.amounts)
        sums = worst(self.exact.of(total, self.cores[core], doubt) for core, total in parts if total.amounts)
        told = [
            _reach(one, always, name)
            for one, name in ((counts, ("number of subjects or rows", "主体数或行数")), (sums, ("sum", "和")))
            if one != Exactness()
        ]
        often, often_zh = _often(always)
        return Accuracy(
            column,
            "computed",
            "",
            "",
            "",
            f"computed from perturbed numbers: {often} " + ", and ".join(english for english, _ in told),
            f"由加噪后的数值计算：{often_zh}" + "，".join(chinese for _, chinese in told),
        )

    def _addends(self, ref: ColumnRef) -> Iterator[tuple[Addend, _Part]]:
        core, measure = self.cores[ref.relation], self._measure(ref)
        noisy = {total.value: total for total in core.noisy}
        for addend in () if measure is None else measure.addends:
            yield addend, (core, noisy[addend.total.value])

    def _parts(self, ref: ColumnRef) -> Iterator[tuple[int, NoisyTotal]]:
        """Every perturbed number that a released measure is made of, with the id of its core."""
        core, measure = self.cores[ref.relation], self._measure(ref)
        noisy = {total.value: total for total in core.noisy}
        yield from ((core.core_id, total) for _, (_, total) in self._addends(ref))
        if measure is not None and measure.count:
            yield core.core_id, noisy[measure.count]

    def _kind_of(self, ref: ColumnRef) -> str:
        measure = self._measure(ref)
        return "" if measure is None else measure.kind

    def _measure(self, ref: ColumnRef) -> Measure | None:
        """The perturbed measure that a released column is; None for a key, and for whatever has no noise."""
        measures = self.cores[ref.relation].measures
        return next((one for one in measures if one.name == ref.name and one.addends), None)

    def _plain(self, expression: Expression) -> ColumnRef | None:
        """The released column that an expression is under whatever names."""
        while isinstance(expression, ColumnRef) and expression.relation not in self.cores:
            behind = self._renamed(expression)
            if behind is None:
                return None
            expression = behind
        return expression if isinstance(expression, ColumnRef) else None

    def _renamed(self, ref: ColumnRef) -> Expression | None:
        """What a column of a select list is; None where it is one of several, or of a window or another aggregate."""
        sides = self.behind[(ref.relation, ref.name)]
        one = sides[0] if len(sides) == 1 else None
        return one if isinstance(one, ColumnRef | Call | Literal) else None

    def _linear(self, expression: Expression) -> dict[ColumnRef, Fraction] | None:
        """The constants by which perturbed measures are multiplied and then added up; None where it is not that."""
        match expression:
            case ColumnRef() if expression.relation in self.cores:
                return {} if self._measure(expression) is None else {expression: Fraction(1)}
            case ColumnRef():
                behind = self._renamed(expression)
                return None if behind is None else self._linear(behind)
            case Literal(value=int() | Decimal()):
                return {}
            case Call(function="negate", arguments=(inner,)):
                return _scaled(self._linear(inner), Fraction(-1))
            case Call(function="+" | "-", arguments=(left, right)):
                sign = Fraction(1 if expression.function == "+" else -1)
                return _together(self._linear(left), _scaled(self._linear(right), sign))
            case Call(function="*", arguments=(Literal(value=int() | Decimal() as constant), inner)):
                return _scaled(self._linear(inner), Fraction(constant))
            case Call(function="*", arguments=(inner, Literal(value=int() | Decimal() as constant))):
                return _scaled(self._linear(inner), Fraction(constant))
            case Call(function="try_cast", arguments=(inner,)) if expression.type.kind is Kind.DOUBLE:
                return self._linear(inner)
            case _:
                return None

    def _chosen_by_noise(self) -> bool:
        """Whether perturbed numbers decide which rows are seen."""
        for node in walk(self.shape):
            match node:
                case Limit():
                    return True
                case Filter(predicate=by) | Join(condition=by):
                    if any(self._measure(ref) is not None for ref in self._released(by)):
                        return True
        return False

    def _released(self, expression: Expression | WindowCall) -> Iterator[ColumnRef]:
        """Every released column that an expression is made of."""
        for part in window_parts(expression) if isinstance(expression, WindowCall) else (expression,):
            for ref in column_refs(part):
                if ref.relation in self.cores:
                    yield ref
                else:
                    for side in self.behind[(ref.relation, ref.name)]:
                        yield from self._released(side)


CELLS = "in 95 of 100 cells", "100 个单元格中有 95 个："
"""Of what a statement holds in 95 of 100."""


def told(
    column: str,
    kind: str,
    found: Exactness,
    chosen: bool,
    bases: Fraction | None,
    often: tuple[str, str] = CELLS,
) -> Accuracy:
    """The statement in numbers and words. `chosen`: noise decides what is seen, so that it holds always. `bases`: how
    many of its own bases, which nobody says, each number is off at most."""
    error, below, above = decimal_text(found.error), decimal_text(found.below), decimal_text(found.above)
    english, chinese = _reach(found, chosen, ("number", "数"))
    held, held_zh = _often(chosen, often)
    if bases is not None:
        english += f", and within {decimal_text(bases)} of its own steps (1, 2 or 5 times a power of ten)"
        chinese += f"，且不超过其自身舍入步长（10 的幂的 1、2 或 5 倍）的 {decimal_text(bases)} 倍"
    if not found.relative:
        errors = error, below, above
        first, first_zh = f"standard error at most {error}", f"标准误差不超过 {error}"
    else:
        errors = "", "", ""
        more, more_zh = (f"{error} and ", f"{error} 加") if found.error else ("", "")
        amounts, amounts_zh = _AMOUNTS[found.of_table]
        relative = decimal_text(found.relative_error)
        first = f"standard error at most {more}{relative} times {amounts}, and far less where no subject stands out"
        first_zh = f"标准误差不超过{more_zh}{amounts_zh}的 {relative} 倍；没有突出主体时远小于此"
    return Accuracy(
        column,
        kind,
        *errors,
        f"{first}; {held} {english}",
        f"{first_zh}；{held_zh}{chinese}",
        relative_error=decimal_text(found.relative_error) if found.relative else "",
    )


def _reach(found: Exactness, always: bool, name: tuple[str, str]) -> tuple[str, str]:
    """How far away the true number is at most."""
    below, above, relative = decimal_text(found.below), decimal_text(found.above), decimal_text(found.relative)
    shown, shown_zh = ("shown", "所示数值") if name[0] == "number" else ("used", "所用数值")
    if not found.relative:
        return (
            f"the true {name[0]} is from {below} less to {above} more than the number {shown}",
            f"真实的{name[1]}在{shown_zh}减 {below} 至加 {above} 之间",
        )
    more, more_zh = (f"{above} and ", f"{above} 加") if found.above else ("", "")
    amounts, amounts_zh = _AMOUNTS[found.of_table]
    return (
        f"the true {name[0]} is within {more}{relative} times {amounts}",
        f"真实的{name[1]}与{shown_zh}之差不超过{more_zh}{amounts_zh}的 {relative} 倍",
    )


_AMOUNTS: Mapping[bool, tuple[str, str]] = {
    False: ("the sum of absolute amounts", "各数值绝对值之和"),
    True: ("the largest number in the table", "表中最大数"),
}


def _often(always: bool, often: tuple[str, str] = CELLS) -> tuple[str, str]:
    return ("always", "始终：") if always else often


def _scaled(found: dict[ColumnRef, Fraction] | None, factor: Fraction) -> dict[ColumnRef, Fraction] | None:
    return None if found is None or not factor else {ref: factor * one for ref, one in found.items()}


def _together(
    left: dict[ColumnRef, Fraction] | None, right: dict[ColumnRef, Fraction] | None
) -> dict[ColumnRef, Fraction] | None:
    if left is None or right is None:
        return None
    return {ref: left.get(ref, Fraction(0)) + right.get(ref, Fraction(0)) for ref in left | right}


def decimal_text(number: Fraction) -> str:
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

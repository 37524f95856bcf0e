"""What a dry run tells of a plan: how each column will leave, the rules it is held to, what is sure to be said.

Everything here is read off the plan, so it depends on the question, the catalogue and the policy, never on a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Literal, WindowCall, column_refs
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, Union, Window, walk, window_parts
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan, Measure
from louver_sandbox.encrypted_core import EncryptedMeasure
from louver_sandbox.plan.emit import emit
from louver_sandbox.private_core import PrivateCells
from louver_sandbox.release import notices
from louver_sandbox.release.encrypted_told import encrypted_notices
from louver_sandbox.release.losses import private_notices
from louver_sandbox.release.threshold import is_plain, may_mislead
from louver_sandbox.service.rules_told import has_remainder, is_keyed
from louver_sandbox.stages import Notice, Plan, Treatment

Told = tuple[str, str]
"""English and Chinese."""

_UNITS = {UnitType.PERSON: ("persons", "自然人"), UnitType.ENTERPRISE: ("enterprises", "企业")}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one column of the answer leaves; `kind` as in the protocol."""

    name: str
    type: str
    kind: str
    told: Told


def outcomes(plan: Plan) -> tuple[Outcome, ...]:
    """One for each column of the answer, in order."""
    made = {} if plan.encrypted is None else {one.place: one for one in plan.encrypted.measures}
    found = _outcomes(plan)
    return tuple(_added(one, made[place]) if place in made else one for place, one in enumerate(found))


def _added(outcome: Outcome, one: EncryptedMeasure) -> Outcome:
    """A column that is computed from ciphertexts."""
    kind = "average" if one.divided else "sum"
    told = (
        "added up over your own ciphertexts where its number of rows passes the rules; only your key opens it",
        "在其行数符合规则时由您的密文相加得出，只有您的密钥能打开",
    )
    return Outcome(outcome.name, str(one.type), kind, told)


def _outcomes(plan: Plan) -> tuple[Outcome, ...]:
    names = [(column.name, str(column.type)) for column in plan.columns]
    if plan.shape is None or not isinstance(plan.shape, Project):
        told = "leaves as it is: public data and your own", "原样给出：公开数据与本机构数据"
        return tuple(Outcome(name, type_, "exact", told) for name, type_ in names)
    tracing = _Tracing.of(plan, plan.shape)
    shown = zip(names, plan.shape.columns, strict=True)
    return tuple(Outcome(name, type_, *tracing.outcome(named.expression)) for (name, type_), named in shown)


def certain_notices(plan: Plan) -> tuple[Notice, ...]:
    """What the answer will say whatever the data."""
    if plan.treatment is Treatment.DP:
        return (*private_notices(plan), *(() if plan.seal is None else (notices.sealed(plan.seal),)))
    if plan.threshold is None or plan.shape is None:
        return encrypted_notices(plan)
    keyed = any(core.protected and is_keyed(core) for core in plan.cores)
    found = [_cells_one_way_or_the_other(plan)] if keyed else []
    found += [notices.over_released()] if not is_plain(plan, plan.shape) and may_mislead(plan, plan.shape) else []
    found += [notices.over_judged()] if any(core.compares for core in plan.cores) else []
    found += [] if plan.threshold.noise is None else [notices.perturbed(plan.threshold.noise)]
    found += [notices.recoded()] if plan.threshold.recoded else []
    found += map(notices.risk_accepted, plan.threshold.risks)
    found += encrypted_notices(plan)
    found += [] if plan.seal is None else [notices.sealed(plan.seal)]
    return tuple(found)


def shape(plan: Plan) -> str:
    """What is computed over released rows, as SQL; empty where a statement's rows are the answer."""
    if plan.shape is None:
        return ""
    places = {core.core_id: f"released{number}" for number, core in enumerate(plan.cores, start=1)}
    statement = emit(plan.shape, lambda scan: places[scan.id])
    for name in places.values():
        statement = statement.replace(f'"{name}"."main"."data"', f'"{name}"')
    return statement


# columns


@dataclass(frozen=True, slots=True)
class _Tracing:
    """Where the columns of a shape come from."""

    cores: Mapping[int, CorePlan]
    behind: Mapping[tuple[int, str], tuple[Expression | WindowCall, ...]]
    above: frozenset[int]

    @classmethod
    def of(cls, plan: Plan, top: Relation) -> _Tracing:
        behind: dict[tuple[int, str], tuple[Expression | WindowCall, ...]] = {}
        above: set[int] = set()
        for node in walk(top):
            match node:
                case Project():
                    behind |= {(node.id, named.name): (named.expression,) for named in node.columns}
                case Aggregate():
                    behind |= {(node.id, named.name): (named.expression,) for named in node.keys + node.measures}
                    above |= {node.id} if node.measures else set()
                case Window():
                    behind |= {(node.id, named.name): (named.call,) for named in node.columns}
                    above |= {node.id}
                case Union():
                    sides = zip(node.columns, node.left.columns, node.right.columns, strict=True)
                    behind |= {(node.id, own.name): (one.expression, other.expression) for own, one, other in sides}
        return cls({core.core_id: core for core in plan.cores}, behind, frozenset(above))

    def outcome(self, expression: Expression) -> tuple[str, Told]:
        """Kind and words for one column of the answer."""
        if isinstance(expression, Literal):
            return "computed", ("a constant", "常量")
        plain = self._plain(expression)
        if plain is not None:
            return plain
        parts = {kind for ref in self._released(expression) for kind in [self._judged(ref)[0]]}
        over_rows = any(relation in self.above for relation in self._through(expression))
        english = ", ".join(sorted(_KINDS[kind][0] for kind in parts)) or "constants"
        chinese = "、".join(sorted(_KINDS[kind][1] for kind in parts)) or "常量"
        rows = " over released rows: what is withheld is left out of it" if over_rows else ""
        rows_zh = "，逐行基于已发布的行：未发布的不计入" if over_rows else ""
        return "computed", (
            f"computed from released values ({english}){rows}; empty where one it needs is withheld",
            f"由已发布的值计算（{chinese}）{rows_zh}；所需的值未发布时留空",
        )

    def _plain(self, expression: Expression) -> tuple[str, Told] | None:
        """For what is one released column under whatever names; None for what is computed."""
        while isinstance(expression, ColumnRef) and expression.relation not in self.cores:
            sides = self.behind[(expression.relation, expression.name)]
            if len(sides) > 1 or isinstance(sides[0], WindowCall):
                return None
            expression = sides[0]
        return self._judged(expression) if isinstance(expression, ColumnRef) else None

    def _judged(self, ref: ColumnRef) -> tuple[str, Told]:
        core = self.cores[ref.relation]
        if not core.protected:
            return "exact", ("leaves as it is: public data and your own", "原样给出：公开数据与本机构数据")
        if core.private is not None:
            return _noisy(core.private, ref.name)
        measure = next((measure for measure in core.measures if measure.name == ref.name), None)
        if measure is None:
            return "key", ("a group: shown for those whose subjects are enough", "分组：主体数量足够的分组才会列出")
        return _kind(measure), _measured(measure)

    def _released(self, expression: Expression | WindowCall) -> Iterator[ColumnRef]:
        for ref in _refs(expression):
            if ref.relation in self.cores:
                yield ref
            else:
                for side in self.behind[(ref.relation, ref.name)]:
                    yield from self._released(side)

    def _through(self, expression: Expression | WindowCall) -> Iterator[int]:
        for ref in _refs(expression):
            yield ref.relation
            for side in self.behind.get((ref.relation, ref.name), ()):
                yield from self._through(side)


def _noisy(cells: PrivateCells, name: str) -> tuple[str, Told]:
    measure = next((one for one in cells.measures if one.name == name), None)
    if measure is None:
        if cells.domain is not None:
            return "key", ("a group: every declared value is shown", "分组：所有已声明的取值都会列出")
        return "key", ("a group: shown where enough subjects are in it", "分组：主体足够多的分组才会列出")
    kind = measure.kind if measure.kind in _KINDS else "statistic"
    return kind, ("leaves with noise, and its 95 % interval beside it", "加噪后给出，并附 95 % 区间")


def _refs(expression: Expression | WindowCall) -> Iterator[ColumnRef]:
    parts = window_parts(expression) if isinstance(expression, WindowCall) else (expression,)
    for part in parts:
        yield from column_refs(part)


_KINDS: Mapping[str, Told] = {
    "exact": ("exact values", "精确值"),
    "key": ("groups", "分组"),
    "count": ("counts", "计数"),
    "units": ("numbers of subjects", "主体数"),
    "sum": ("sums", "求和"),
    "average": ("averages", "平均值"),
    "statistic": ("statistics", "统计量"),
    "grouping": ("grouping sets", "分组集"),
}


def _kind(measure: Measure) -> str:
    return measure.kind if measure.kind in _KINDS else "statistic"


def _measured(measure: Measure) -> Told:
    terms = [addend.total for addend in measure.addends if addend.total.contributors]
    several = f"{len(terms)} terms" if len(terms) > 1 else "one term"
    beside = len(measure.guards)
    more = f"; {beside} more total(s) that it could be subtracted from are judged with it" if beside else ""
    more_zh = f"；另有 {beside} 个可与之相减的合计一并判定" if beside else ""
    match _kind(measure):
        case "units":
            told = "number of subjects of the group", "分组内的主体数"
        case "grouping":
            told = "which keys a row leaves out; always shown", "该行省略了哪些分组键；总会给出"
        case "count" if not terms:
            told = "number of rows, shown with its group", "行数，随分组一并给出"
        case "count" | "sum" if not any(total.largest for total in terms):
            told = (
                "number of rows with a property: needs enough subjects that have it, and enough that lack it",
                "具有某属性的行数：具有与不具有该属性的主体都须足够多",
            )
        case "sum":
            told = f"sum, judged term by term ({several})", f"求和，逐项判定（共 {max(1, len(terms))} 项）"
        case "average":
            told = (
                f"average through its parts: the sum ({several}) and the number of values, each judged",
                f"平均值，由各部分得出：和（共 {max(1, len(terms))} 项）与个数，分别判定",
            )
        case _:
            told = (
                f"{measure.kind} through its {len(terms)} power sums and the number of values, each judged",
                f"{measure.kind}，由 {len(terms)} 个幂和与个数得出，分别判定",
            )
    return told[0] + more, told[1] + more_zh


def _cells_one_way_or_the_other(plan: Plan) -> Notice:
    """Every grouped answer says one of two things of the groups that are missing."""
    untold = notices.cells_untold()
    if not any(has_remainder(core) for core in plan.cores if core.protected):
        return untold
    return Notice(
        untold.code,
        0,
        untold.rule,
        f"either how many groups are withheld ({notices.CELLS_WITHHELD}), or: {untold.message}",
        f"或者说明未发布的分组数（{notices.CELLS_WITHHELD}），或者说明：{untold.message_zh}",
    )

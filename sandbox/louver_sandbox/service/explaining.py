"""What a dry run tells of a plan: how each column will leave, the rules it is held to, what is sure to be said.

Everything here is read off the plan, so it depends on the question, the catalogue and the policy, never on a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Literal, WindowCall, column_refs
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, Union, Window, walk, window_parts
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan, JudgedTotal, Measure, Part
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules, Totals
from louver_sandbox.perturbation.named import table_of
from louver_sandbox.plan.emit import emit
from louver_sandbox.private_core import PrivateCells
from louver_sandbox.release import notices
from louver_sandbox.release.classes import judges_classes
from louver_sandbox.release.losses import private_notices
from louver_sandbox.release.rules import Rule
from louver_sandbox.release.threshold import is_plain, keeps_totals, may_mislead
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
    names = [(column.name, str(column.type)) for column in plan.columns]
    if plan.shape is None or not isinstance(plan.shape, Project):
        told = "leaves as it is: public data and your own", "原样给出：公开数据与本机构数据"
        return tuple(Outcome(name, type_, "exact", told) for name, type_ in names)
    tracing = _Tracing.of(plan, plan.shape)
    shown = zip(names, plan.shape.columns, strict=True)
    return tuple(Outcome(name, type_, *tracing.outcome(named.expression)) for (name, type_), named in shown)


def rules(plan: Plan) -> tuple[Notice, ...]:
    """The rules with their numbers, those that this answer can meet."""
    if plan.threshold is None:
        return ()
    cores = [core for core in plan.cores if core.protected]
    totals = [total for core in cores for measure in core.measures for total in _totals(measure)]
    remains = plan.threshold.remainder and plan.shape is not None and is_plain(plan, plan.shape)
    told = _rules(plan.threshold, cores, totals)
    remainder = [Notice("RULE", 0, "remainder", *_REMAINDER)] if remains and _has_remainder(cores[0]) else []
    classes = _classes(plan.threshold, cores)
    return (*told, *classes, *remainder, *_noise(plan.threshold.noise, cores), *_caps(plan))


def certain_notices(plan: Plan) -> tuple[Notice, ...]:
    """What the answer will say whatever the data."""
    if plan.treatment is Treatment.DP:
        return private_notices(plan)
    if plan.threshold is None or plan.shape is None:
        return ()
    keyed = any(core.protected and _is_keyed(core) for core in plan.cores)
    found = [_cells_one_way_or_the_other(plan)] if keyed else []
    found += [notices.over_released()] if not is_plain(plan, plan.shape) and may_mislead(plan, plan.shape) else []
    found += [notices.over_judged()] if any(core.compares for core in plan.cores) else []
    found += [] if plan.threshold.noise is None else [notices.perturbed(plan.threshold.noise)]
    found += [notices.recoded()] if plan.threshold.recoded else []
    found += map(notices.risk_accepted, plan.threshold.risks)
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


# rules


def _totals(measure: Measure) -> Iterator[JudgedTotal]:
    yield from (addend.total for addend in measure.addends if addend.total.contributors)
    yield from measure.guards


def _rules(rules: ThresholdRules, cores: list[CorePlan], totals: list[JudgedTotal]) -> Iterator[Notice]:
    """In the order of `Rule`, then what concerns whole answers."""
    types = sorted({group.type for core in cores for group in core.unit_groups})
    for unit in types:
        least, (units, units_zh) = rules.k[unit], _UNITS[unit]
        told = f"every group needs at least {least} {units}", f"每个分组至少须有 {least} 个{units_zh}"
        yield Notice("RULE", least, Rule.UNITS.value, *told)
    needed = " and ".join(f"{rules.k[unit]} {_UNITS[unit][0]}" for unit in types)
    needed_zh = "及 ".join(f"{rules.k[unit]} 个{_UNITS[unit][1]}" for unit in types)
    ranked, two = any(total.largest for total in totals), rules.dominance_of_two
    checks: tuple[tuple[bool, int, Rule, Told], ...] = (
        (bool(totals), 0, Rule.CONTRIBUTORS, _contributors(needed, needed_zh)),
        (any(total.own for total in totals), 0, Rule.OWN_KNOWLEDGE, _own_knowledge(needed, needed_zh)),
        (ranked, rules.dominance_percent, Rule.DOMINANCE, _dominance(rules.dominance_percent)),
        (ranked and two is not None, two or 0, Rule.DOMINANCE, _dominance_of_two(two or 0)),
        (ranked, rules.p_percent, Rule.P_PERCENT, _p_percent(rules.p_percent, rules.prior_percent)),
        (any(core.finer or _in_sets(core) for core in cores), 0, Rule.DIFFERENCE, _DIFFERENCE),
        (keeps_totals(rules, cores) and any(map(_in_sets, cores)), 0, Rule.COMPLEMENTARY, _kept(rules)),
    )
    for applies, number, rule, told in checks:
        if applies:
            yield Notice("RULE", number, rule.value, *told)
    if any(core.outer for core in cores):
        yield Notice("RULE", 0, "outer-join", *_OUTER_JOIN)


def _classes(rules: ThresholdRules, cores: list[CorePlan]) -> Iterator[Notice]:
    """That enough subjects must be outside a group, on the keys and conditions that it is judged by."""
    margins = [column for core in cores for column in core.columns if column.part is Part.MARGIN]
    by: list[Told] = [("each key that is an attribute of theirs", "每个属于主体属性的分组键")]
    by = by if any(column.of for column in margins) else []
    by += [("WHERE", "WHERE 条件")] if any(not column.of for column in margins) else []
    on, on_zh = " and on ".join(one for one, _ in by), "与".join(one for _, one in by)
    for unit in sorted({column.unit for column in margins if column.unit is not None}):
        least, (units, units_zh) = rules.k[unit], _UNITS[unit]
        yield Notice(
            "RULE",
            least,
            "class-disclosure",
            f"outside every group there must be at least {least} {units} that differ on {on} alone; how many groups "
            "are missing is not said",
            f"每个分组之外，仅在{on_zh}上不同的{units_zh}至少须有 {least} 个；不说明未列出的分组数",
        )


def _noise(rules: NoiseRules | None, cores: list[CorePlan]) -> Iterator[Notice]:
    """What is added to the numbers that leave, and how they are rounded."""
    totals = [total for core in cores for total in core.noisy]
    if rules is None or not totals:
        return
    counted = [total for total in totals if not total.of]
    for unit in sorted({keyed.type for total in counted for keyed in total.sets}):
        table, (plural, plural_zh) = table_of(rules, unit), _UNITS[unit]
        if table is not None:
            terms = table.terms
            yield Notice(
                "RULE",
                terms.maximum,
                "noise",
                f"numbers of {plural} have noise of at most {terms.maximum} and variance {terms.variance}; the same "
                "subjects always have the same",
                f"{plural_zh}数加噪，幅度不超过 {terms.maximum}，方差 {terms.variance}；相同主体的噪声始终相同",
            )
    if any(total.amounts for total in totals):
        yield Notice(
            "RULE",
            0,
            "noise",
            f"sums, and numbers of rows of which a subject has several, have noise of {rules.share} standard "
            "deviations for each of their two largest contributions",
            f"求和以及同一主体有多行时的行数加噪：对最大的两个贡献各为其 {rules.share} 倍标准差",
        )
    if counted and rules.rounding is not RoundingKind.NONE:
        how, how_zh = _ROUNDING[rules.rounding]
        told = (
            f"then numbers of subjects and rows are rounded {how} of {rules.base}",
            f"随后将主体数与行数{how_zh} {rules.base} 的倍数",
        )
        yield Notice("RULE", rules.base, "rounding", *told)
    if rules.rounding is not RoundingKind.NONE and any(total.amounts for total in totals):
        yield Notice("RULE", 0, "rounding", *_ROUNDED_SUMS[rules.by_bounds])


def _caps(plan: Plan) -> Iterator[Notice]:
    """How many groups of each dataset may be released of this version of its data, whatever the answer holds."""
    for dataset in dict.fromkeys(one.dataset for one in plan.cells):
        asked = [one for one in plan.cells if one.dataset == dataset]
        cells, limit, share = sum(one.cells for one in asked), asked[0].limit, asked[0].share
        yield Notice(
            "RULE",
            cells,
            "unit-sets",
            f"counted as {cells} released groups of {dataset}, whatever there are: at most {limit} of this "
            f"version of the data to all institutions together, {share} to yours; groups paid for before are free",
            f"按最多 {cells} 个发布的 {dataset} 分组计数，与实际多少无关：本数据版本全部机构合计最多 {limit} 个，"
            f"贵机构最多 {share} 个；已计费的分组不再计费",
        )


_ROUNDED_SUMS: Mapping[bool, Told] = {
    False: (
        "sums, and such numbers of rows, are rounded to steps that are coarser than twice the noise of each",
        "求和及此类行数舍入到比各自噪声两倍标准差更粗的步长",
    ),
    True: (
        "sums are rounded to a step that follows from declared bounds; one that it does not hide is withheld",
        "求和舍入到由声明的上下界决定的步长；步长不足以掩盖的不予给出",
    ),
}
_ROUNDING: Mapping[RoundingKind, Told] = {
    RoundingKind.BASE: ("to the nearest multiple", "舍入到最近的"),
    RoundingKind.CONTROLLED: (
        "to the nearest multiple, tables with totals together,",
        "舍入（含合计的表统一进行）到最近的",
    ),
    RoundingKind.RANDOM: ("at random to one of the two nearest multiples", "随机舍入到相邻的"),
}
_DIFFERENCE: Told = (
    "a total leaves only if it, less the parts shown beside it, does not tell a withheld part",
    "合计减去同时给出的部分不能推出未发布的部分，否则不予给出",
)
_KNOWN: Told = (
    "totals of the groups count as known, whether they are asked for or not: where one would tell a withheld group, "
    "further groups are withheld; they are not told apart",
    "无论是否查询，各分组的合计均视为已知：合计会推出未发布的分组时，另行隐去若干分组；二者不作区分",
)
_COMPLEMENTARY: Told = (
    "where a total would tell a withheld part, further parts are withheld so that the total may be shown; they are "
    "not told apart",
    "合计会推出未发布的部分时，另行隐去若干部分以保留合计；二者不作区分",
)
_OUTER_JOIN: Told = (
    "LEFT JOIN: a group in which no row has a partner is never shown, and counts and averages of the partners' "
    "columns are left empty, since none must look like one; count matches by JOIN, and all rows in another question",
    "LEFT JOIN：全部无匹配的分组不会列出，对匹配一侧列的计数与平均值留空，因为“无人匹配”须与“一人匹配”无从分辨；"
    "请用 JOIN 统计匹配的行，全部行另行查询",
)
_REMAINDER: Told = (
    "withheld groups are given together as a remainder row where that is safe",
    "未发布的分组在安全时合并为剩余行给出",
)


def _contributors(needed: str, needed_zh: str) -> Told:
    return (
        f"a value needs {needed} that contribute to it; a count of rows with a property also as many without it",
        f"每个数值须有 {needed_zh}作出贡献；具有某属性的计数还须有同样多的主体不具有",
    )


def _own_knowledge(needed: str, needed_zh: str) -> Told:
    return (
        f"a value that depends on your own labels needs {needed} with a label and as many without: you know them",
        f"取决于自有标签的数值须有 {needed_zh}具有该标签，且有同样多的主体不具有，因为您知道谁具有",
    )


def _kept(rules: ThresholdRules) -> Told:
    return _KNOWN if rules.totals is Totals.KNOWN else _COMPLEMENTARY


def _dominance(percent: int) -> Told:
    return f"no subject may hold more than {percent} % of a sum", f"单个主体不得超过一个和的 {percent} %"


def _dominance_of_two(percent: int) -> Told:
    return (
        f"no two subjects together may hold more than {percent} % of a sum",
        f"任何两个主体合计不得超过一个和的 {percent} %",
    )


def _p_percent(percent: int, prior: int) -> Told:
    known = "" if prior == 100 else f", also by one who knows every share to within {prior} % beforehand"
    known_zh = "" if prior == 100 else f"（即使事先已知各主体数值的误差在 {prior} % 以内）"
    return (
        f"nobody may be able to estimate a subject's share of a sum to within {percent} %{known}",
        f"任何主体在和中的数值不得被估计到误差 {percent} % 以内{known_zh}",
    )


def _is_keyed(core: CorePlan) -> bool:
    return any(column.part in (Part.KEY, Part.SET) for column in core.columns)


def _has_remainder(core: CorePlan) -> bool:
    return _is_keyed(core) and not _in_sets(core) and not judges_classes(core)


def _in_sets(core: CorePlan) -> bool:
    return any(column.part is Part.SET for column in core.columns)


def _cells_one_way_or_the_other(plan: Plan) -> Notice:
    """Every grouped answer says one of two things of the groups that are missing."""
    untold = notices.cells_untold()
    if not any(_has_remainder(core) for core in plan.cores if core.protected):
        return untold
    return Notice(
        untold.code,
        0,
        untold.rule,
        f"either how many groups are withheld ({notices.CELLS_WITHHELD}), or: {untold.message}",
        f"或者说明未发布的分组数（{notices.CELLS_WITHHELD}），或者说明：{untold.message_zh}",
    )

"""The rules that an answer is held to, with their numbers, as a dry run tells them: those that it can meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan, JudgedTotal, Measure, Part
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules, Totals
from louver_sandbox.perturbation.named import table_of
from louver_sandbox.release.classes import judges_classes
from louver_sandbox.release.rules import Rule
from louver_sandbox.release.threshold import is_plain, keeps_totals
from louver_sandbox.stages import Notice, Plan

Told = tuple[str, str]
"""English and Chinese."""

_UNITS = {UnitType.PERSON: ("persons", "自然人"), UnitType.ENTERPRISE: ("enterprises", "企业")}


def rules(plan: Plan) -> tuple[Notice, ...]:
    """The rules with their numbers, those that this answer can meet."""
    if plan.threshold is None:
        return ()
    cores = [core for core in plan.cores if core.protected]
    totals = [total for core in cores for measure in core.measures for total in _totals(measure)]
    remains = plan.threshold.remainder and plan.shape is not None and is_plain(plan, plan.shape)
    told = _rules(plan.threshold, cores, totals)
    remainder = [Notice("RULE", 0, "remainder", *_REMAINDER)] if remains and has_remainder(cores[0]) else []
    classes = _classes(plan.threshold, cores)
    return (*told, *classes, *remainder, *_noise(plan.threshold.noise, cores), *_caps(plan))


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


def is_keyed(core: CorePlan) -> bool:
    """Whether a core has groups, and not only a grand total."""
    return any(column.part in (Part.KEY, Part.SET) for column in core.columns)


def has_remainder(core: CorePlan) -> bool:
    """Whether what is withheld of a core may leave as one row."""
    return is_keyed(core) and not _in_sets(core) and not judges_classes(core)


def _in_sets(core: CorePlan) -> bool:
    return any(column.part is Part.SET for column in core.columns)

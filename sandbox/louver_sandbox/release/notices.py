"""What the caller is told about what did not leave: how many cells and which rule, never how many units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from louver_sandbox.obligations import NoiseRules, RoundingKind, SealedColumns
from louver_sandbox.release.rules import Rule
from louver_sandbox.stages import Notice

CELLS_WITHHELD = "CELLS_WITHHELD"
CELLS_UNTOLD = "CELLS_UNTOLD"
VALUES_WITHHELD = "VALUES_WITHHELD"
REMAINDER_RELEASED = "REMAINDER_RELEASED"
REMAINDER_WITHHELD = "REMAINDER_WITHHELD"
OUT_OF_RANGE = "OUT_OF_RANGE"
PERSONAL_NUMBERS = "PERSONAL_NUMBERS"

OVER_RELEASED = "OVER_RELEASED"
OVER_JUDGED = "OVER_JUDGED"
JOIN_TOO_LARGE = "JOIN_TOO_LARGE"
PERTURBED = "PERTURBED"
RECODED = "RECODED"
RISK_ACCEPTED = "RISK_ACCEPTED"
SEALED = "SEALED"
STORED = "STORED"
TOTALS_ADD_UP = "TOTALS_ADD_UP"
TOTALS_DO_NOT_ADD_UP = "TOTALS_DO_NOT_ADD_UP"
OF_REMAINDER = frozenset({REMAINDER_RELEASED, REMAINDER_WITHHELD})

_BECAUSE = {
    Rule.UNITS: ("too few subjects", "主体数量不足"),
    Rule.CONTRIBUTORS: ("too few subjects contribute to the value or lack it", "有该数值或没有该数值的主体过少"),
    Rule.OWN_KNOWLEDGE: (
        "with your own records it could tell single subjects apart",
        "结合自有数据可能识别单个主体",
    ),
    Rule.DOMINANCE: ("one subject holds most of the value", "单个主体占比过高"),
    Rule.DIFFERENCE: (
        "less the parts that are shown they would tell a withheld part",
        "减去已发布的部分即可推出未发布的部分",
    ),
    Rule.COMPLEMENTARY: (
        "a rule of their own, or totals beside them that would tell those it holds for",
        "自身不符合规则，或因同列合计会推出不符合规则的数值",
    ),
    Rule.NOISE: (
        "noise left no number of values to divide by, or contributions exceed their declared bounds",
        "加噪后的个数为零，无法相除，或贡献超出声明的上下界",
    ),
    Rule.P_PERCENT: ("one subject's share could be estimated too closely", "单个主体的数值可能被近似推算"),
}

_ROUNDED = {
    RoundingKind.NONE: ("", ""),
    RoundingKind.BASE: (", and are rounded, counts to multiples of {base}", "，并舍入，计数到 {base} 的倍数"),
    RoundingKind.RANDOM: (
        ", and are rounded at random, counts to multiples of {base}",
        "，并随机舍入，计数到 {base} 的倍数",
    ),
    RoundingKind.CONTROLLED: (", and are rounded, counts to multiples of {base}", "，并舍入，计数到 {base} 的倍数"),
}


def cells_withheld(count: int) -> Notice:
    """Cells that are missing from the answer altogether."""
    reason, reason_zh = _BECAUSE[Rule.UNITS]
    return Notice(
        CELLS_WITHHELD,
        count,
        Rule.UNITS.value,
        f"{count} cell(s) of the question are withheld: {reason}",
        f"有 {count} 个单元格未发布：{reason_zh}",
    )


def cells_untold() -> Notice:
    """Said of every grouped answer whose missing cells, if any, have too few subjects together to be counted."""
    return Notice(
        CELLS_UNTOLD,
        0,
        Rule.UNITS.value,
        "groups may be missing: either none is, or those that are have too few subjects together for their "
        "number to be said",
        "可能有分组未列出：或者没有，或者未列出的分组主体合计过少，连其数量也不能说明",
    )


def values_withheld(rules: Counter[Rule]) -> Iterator[Notice]:
    """Single values that are empty in the answer, one notice per rule."""
    for rule in Rule:
        if count := rules[rule]:
            reason, reason_zh = _BECAUSE[rule]
            yield Notice(
                VALUES_WITHHELD,
                count,
                rule.value,
                f"{count} value(s) are withheld and left empty: {reason}",
                f"有 {count} 个数值未发布并留空：{reason_zh}",
            )


def personal_numbers(count: int) -> Notice:
    """Texts that were emptied because a number or the name of a person stood in them."""
    return Notice(
        PERSONAL_NUMBERS,
        count,
        "",
        f"{count} text(s) are left empty: a citizen number, mobile number, bank card number or a name stood in them",
        f"有 {count} 处文本留空：其中含有公民身份号码、手机号码、银行卡号或姓名",
    )


def remainder(released: bool) -> Notice:
    """Whether the withheld cells together left as one row."""
    if released:
        return Notice(
            REMAINDER_RELEASED,
            1,
            Rule.UNITS.value,
            "the withheld cells together are given as the remainder row",
            "未发布的单元格合并为剩余行一并给出",
        )
    return Notice(
        REMAINDER_WITHHELD,
        1,
        Rule.UNITS.value,
        "the withheld cells are not safe to give together either",
        "未发布的单元格合并后仍不安全，不予给出",
    )


def stored() -> Notice:
    """What a dry run says of a question that has an answer already."""
    return Notice(
        STORED,
        1,
        "stored",
        "this question has a stored answer on these data, which would be given again as it is and costs nothing",
        "该问题在当前数据上已有存储的答案，再次查询将原样给出，不消耗任何额度",
    )


def over_released() -> Notice:
    """Said of every answer that joins, unites, adds up or ranks released rows, whether any is missing or not."""
    return Notice(
        OVER_RELEASED,
        1,
        "shape",
        "joins, unions, totals of totals and windows are over released values: what is withheld is left out of them",
        "连接、合并、再汇总与窗口计算仅基于已发布的值：未发布的单元格与数值不计入其中",
    )


def over_judged() -> Notice:
    """Said of every answer whose rows were compared with judged cells, whether any of these is missing or not."""
    return Notice(
        OVER_JUDGED,
        1,
        Rule.UNITS.value,
        "rows were compared with values of groups: a group with too few subjects or an unsafe value counts as having "
        "none, and rows beside it may be left out",
        "比较所用的分组数值须先通过保护规则：主体过少或不安全的分组视为无数值，与之比较的行可能不计入",
    )


def perturbed(rules: NoiseRules) -> Notice:
    """Said of every answer under noise."""
    told, told_zh = _ROUNDED[rules.rounding]
    base = rules.base
    return Notice(
        PERTURBED,
        1,
        "noise",
        f"numbers have noise, always the same for the same subjects{told.format(base=base)}; how exact "
        "each column is stands beside the answer, and parts need not add up to totals",
        f"数值均已加噪，相同主体的噪声始终相同{told_zh.format(base=base)}；各列精度随结果给出，分项之和未必等于合计",
    )


def recoded() -> Notice:
    """Said of every answer over a table under the atom rule."""
    return Notice(
        RECODED,
        1,
        "atoms",
        "groups are of declared bins, and subjects of groups that are too small are counted in a neighbouring group",
        "分组按声明的分箱给出；过小分组的主体计入相邻分组",
    )


def risk_accepted(risk: str) -> Notice:
    """Said of every answer under terms of which an officer has accepted that they cannot hold all they promise."""
    return Notice(
        RISK_ACCEPTED,
        1,
        "accepts-risk",
        f"terms of this data accept a risk: {risk}",
        f"该数据的政策条款接受以下风险：{risk}",
    )


def totals(adds_up: bool, most_moved: int) -> Notice:
    """Said of every table with totals that is rounded as a whole."""
    if adds_up:
        return Notice(
            TOTALS_ADD_UP,
            most_moved,
            "additivity",
            f"numbers of rows were moved by at most {most_moved} and rounded together, and sums of amounts added up, "
            "so that totals are the sums of their parts; totals over parts that are not shown are not",
            f"各行数最多调整 {most_moved} 后统一舍入，金额由各分项相加，故合计等于各分项之和；含未发布分项的合计除外",
        )
    return Notice(
        TOTALS_DO_NOT_ADD_UP,
        0,
        "additivity",
        "some totals have noise of their own and are not the sums of their parts",
        "部分合计单独加噪，不等于各分项之和",
    )


def join_too_large() -> Notice:
    """Said instead of an answer whose joins of released rows would compare too many pairs."""
    return Notice(
        JOIN_TOO_LARGE,
        1,
        "shape",
        "the joins of released rows would compare too many pairs, so no row is given: narrow the question down",
        "已发布行之间的连接规模过大，未给出结果：请按相等的列连接或缩小范围",
    )


def out_of_range(count: int) -> Notice:
    """Values that do not fit their column."""
    return Notice(
        OUT_OF_RANGE,
        count,
        "type",
        f"{count} value(s) do not fit the column's type and are left empty",
        f"有 {count} 个数值超出列类型范围并留空",
    )


def sealed(seal: SealedColumns) -> Notice:
    """Columns whose numbers leave encrypted, and to which key. It says too what that is not."""
    places, key = len(seal.columns), seal.key[:16]
    return Notice(
        SEALED,
        places,
        "sealed",
        f"{places} columns are encrypted to your key {key} on top of their protection: this hides them from whoever "
        "carries or stores the answer, not from whoever holds the key",
        f"{places} 列在保护之外另以您的密钥 {key} 加密：对传输与存储方保密，对密钥持有人不保密",
    )

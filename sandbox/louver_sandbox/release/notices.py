"""What the caller is told about what did not leave: how many cells and which rule, never how many units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from louver_sandbox.release.rules import Rule
from louver_sandbox.stages import Notice

CELLS_WITHHELD = "CELLS_WITHHELD"
CELLS_UNTOLD = "CELLS_UNTOLD"
VALUES_WITHHELD = "VALUES_WITHHELD"
REMAINDER_RELEASED = "REMAINDER_RELEASED"
REMAINDER_WITHHELD = "REMAINDER_WITHHELD"
OUT_OF_RANGE = "OUT_OF_RANGE"

_BECAUSE = {
    Rule.UNITS: ("too few subjects", "主体数量不足"),
    Rule.CONTRIBUTORS: ("too few subjects contribute to the value or lack it", "对该值有贡献或没有贡献的主体不足"),
    Rule.OWN_KNOWLEDGE: (
        "with your own records it could tell single subjects apart",
        "结合自有数据可能识别单个主体",
    ),
    Rule.DOMINANCE: ("one subject holds most of the value", "单个主体占比过高"),
    Rule.P_PERCENT: ("one subject's share could be estimated too closely", "单个主体的数值可能被近似推算"),
}


def cells_withheld(count: int) -> Notice:
    """Cells that are missing from the answer altogether."""
    reason, reason_zh = _BECAUSE[Rule.UNITS]
    return Notice(
        CELLS_WITHHELD,
        count,
        Rule.UNITS.value,
        f"{count} cell(s) of the question are withheld: {reason}",
        f"有 {count} 个单元格未发布:{reason_zh}",
    )


def cells_untold() -> Notice:
    """Said of every grouped answer whose missing cells, if any, have too few subjects together to be counted."""
    return Notice(
        CELLS_UNTOLD,
        0,
        Rule.UNITS.value,
        "no cell is withheld, or cells with too few subjects together for their number to be told",
        "没有单元格被隐去,或被隐去的单元格主体合计过少,不便说明数量",
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
                f"有 {count} 个数值未发布并留空:{reason_zh}",
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
        "未发布的单元格合并后仍不安全,不予给出",
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

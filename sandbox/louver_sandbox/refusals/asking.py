"""Refusals of what a caller wants of privacy loss or accuracy (LVR-2365 to LVR-2374): nothing was charged.

Each is static: it depends on the query, the catalogue, the policy and the wish, never on a row (ARCHITECTURE law 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal

_RULE = "dp"


def epsilon_invalid() -> Refused:
    """LVR-2365: an epsilon that is none."""
    return refusal(
        "LVR-2365",
        message="epsilon must be a decimal number above 0 and at most 20, with at most 18 digits after the point",
        hint="such as 0.5; leave it out to pay what the policy says",
        message_zh="epsilon 须为大于 0 且不超过 20 的十进制数，小数不超过 18 位",
        hint_zh="例如 0.5；不填则按政策计费",
        rule=_RULE,
    )


def epsilon_above_most(dataset: str, unit: str, epsilon: str, most: str) -> Refused:
    """LVR-2366: more than policy lets one question cost."""
    return refusal(
        "LVR-2366",
        message=f"epsilon {epsilon} is more than one question on {dataset} may cost per {unit}, which is {most}",
        hint=f"ask for epsilon {most} at most",
        message_zh=f"epsilon {epsilon} 超过单次查询 {dataset} 的上限 {most}",
        hint_zh=f"请将 epsilon 降至 {most} 以内",
        rule="privacy.question",
        details={"dataset": dataset, "unit": unit, "epsilon": epsilon, "most_epsilon": most},
    )


def wish_invalid(field: str) -> Refused:
    """LVR-2367: a wanted accuracy that is none, or one beside an epsilon."""
    return refusal(
        "LVR-2367",
        message=f"{field} of the wanted accuracy is not of its form",
        hint="say how far the 95 % interval may reach, without epsilon: 100, 2% of 50000, 0.5 among 80",
        message_zh=f"期望精度的 {field} 格式不正确",
        hint_zh="请写明 95 % 区间的半宽，例如 100、2% of 50000、0.5 among 80；每列一次，且不与 epsilon 并用",
        rule=_RULE,
        details={"field": field},
    )


def no_such_column(column: str, noisy: Sequence[str]) -> Refused:
    """LVR-2368: accuracy is wanted of what has no noise in this answer."""
    named = f"column {column}" if column else "this answer"
    named_zh = f"列 {column}" if column else "该答案"
    shown = ", ".join(noisy) or "none"
    return refusal(
        "LVR-2368",
        message=f"{named} has no noise of its own, so its accuracy is not a matter of cost",
        hint=f"columns with noise: {shown}",
        message_zh=f"{named_zh} 不含自身的噪声，其精度与成本无关",
        hint_zh=f"含噪声的列：{shown}",
        rule=_RULE,
        details={"column": column, "noisy": shown},
    )


def size_unknown(column: str, percent: str, *, values: bool) -> Refused:
    """LVR-2369: a share of nobody knows what, or (`values`) an average over nobody knows how many values."""
    message = (
        f"{percent} % of what? How large {column or 'a column'} is, nothing declares, and data are not read to plan"
    )
    hint = f"say what you expect, as in {percent}% of 50000, or a number in the column's own unit"
    message_zh = f"{column or '该列'} 的大小未声明，且不会为规划而读取数据，{percent} % 无所指"
    hint_zh = f"请写明预期大小，例如 {percent}% of 50000，或直接写出以该列单位计的数值"
    if values:
        message = (
            f"how exact {column or 'an average'} will be depends on its number of values, which nothing declares"
        )
        hint = "say how many you expect in each group, as in 0.5 among 8000"
        message_zh = f"{column or '平均值'} 的精度取决于个数，而个数未声明"
        hint_zh = "请写明每组预期的个数，例如 0.5 among 8000"
    return refusal(
        "LVR-2369",
        message=message,
        hint=hint,
        message_zh=message_zh,
        hint_zh=hint_zh,
        rule=_RULE,
        details={"column": column},
    )


def out_of_reach(dataset: str, unit: str, needed: str, most: str, times: str) -> Refused:
    """LVR-2370: as exact as this it costs more than one question may."""
    return refusal(
        "LVR-2370",
        message=f"so exact an answer costs epsilon {needed} of {dataset} per {unit}; one question may cost {most}",
        hint=f"accept about {times} times as wide an interval, or ask for fewer columns at once",
        message_zh=f"如此精确的答案需 {dataset} 的 epsilon {needed}，单次查询上限为 {most}",
        hint_zh=f"请将区间放宽至约 {times} 倍，或减少一次查询的列",
        rule="privacy.question",
        details={"dataset": dataset, "unit": unit, "needed_epsilon": needed, "most_epsilon": most, "times": times},
    )


def never_so_exact(column: str) -> Refused:
    """LVR-2374: whatever it costs, it is never as exact as this."""
    named = column or "a column"
    return refusal(
        "LVR-2374",
        message=f"{named} is never predicted as exact as that, whatever it costs",
        hint="accept a wider interval, or expect more values",
        message_zh=f"无论成本多少，{column or '该列'} 都无法达到该精度",
        hint_zh="请放宽区间，或预期更多的个数",
        rule=_RULE,
        details={"column": column},
    )


def not_predictable(column: str) -> Refused:
    """LVR-2371: how exact this will be depends on data."""
    named = column or "one of the columns"
    return refusal(
        "LVR-2371",
        message=f"how exact {named} will be depends on the data and is not predicted",
        hint="want accuracies of counts, sums and averages shown as columns of their own, or ask by epsilon",
        message_zh=f"{column or '某一列'} 的精度取决于数据，无法预测",
        hint_zh="请对单独列出的计数、求和与平均值提出精度，或按 epsilon 查询",
        rule=_RULE,
        details={"column": column},
    )


def too_inexact(dataset: str, unit: str, within: str, needed: str, most: str) -> Refused:
    """LVR-2372: less exact than policy lets an answer be."""
    return refusal(
        "LVR-2372",
        message=f"answers about {dataset} must be predicted within ±{within} rows' worth at 95 %; this one is not",
        hint=f"ask for epsilon {needed} (one question may cost {most}), or for fewer columns at once",
        message_zh=f"关于 {dataset} 的答案须预测在 ±{within} 行的量级以内（95 %），本查询达不到",
        hint_zh=f"请以 epsilon {needed} 查询（单次上限 {most}），或减少列、缩小取值范围",
        rule="privacy.accuracy",
        details={"dataset": dataset, "unit": unit, "within": within, "needed_epsilon": needed, "most_epsilon": most},
    )


def nothing_to_ask_for(treatment: str) -> Refused:
    """LVR-2373: an epsilon or accuracy for an answer that has no noise to pay for."""
    return refusal(
        "LVR-2373",
        message=f"this question is answered under {treatment}, which costs no privacy loss to choose",
        hint="leave out epsilon and accuracy",
        message_zh=f"该查询以 {treatment} 方式作答，不涉及可选的隐私成本",
        hint_zh="请去掉 epsilon 与 accuracy",
        rule=treatment,
        details={"treatment": treatment},
    )

"""LVR-3xxx: budget and capacity. Nothing was charged for a request refused with one of these."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal

_WHEN = {"day": ("today's", "今日"), "month": ("this month's", "本月"), "year": ("this year's", "今年")}


_UNITS = {
    "query": ("queries", "查询次数"),
    "match_ids": ("ids to match", "比对标识数"),
    "match_answers": ("numbers and sums of matches", "比对计数与求和次数"),
}


def budget_spent(
    dataset: str, purpose: str, kind: str, limit: int, refreshes_at: str, period: str = "day"
) -> Refused:
    """LVR-3001: the access budget of this dataset and purpose is used up for the day, month or year, or for ever."""
    when, when_zh = _WHEN.get(period, ("the whole", "全部"))
    again, again_zh = (f"it refreshes at {refreshes_at}", f"额度将于 {refreshes_at} 恢复")
    if period not in _WHEN:
        again, again_zh = "it is never renewed", "额度不再恢复"
    unit, unit_zh = _UNITS.get(kind, ("distinct predicates", "不同筛选条件数"))
    free = kind in ("query", "predicate")
    return refusal(
        "LVR-3001",
        message=f"{when} budget of {limit} {unit} on {dataset} for {purpose} is spent",
        hint=f"{again}; asking the same question again is free" if free else again,
        message_zh=f"{dataset} 在用途 {purpose} 下{when_zh} {limit} 的{unit_zh}额度已用完",
        hint_zh=f"{again_zh}；重复同一问题不计费" if free else again_zh,
        rule=f"budget.{kind}",
        details={
            "dataset": dataset,
            "purpose": purpose,
            "kind": kind,
            "period": period,
            "refreshes_at": refreshes_at,
        },
    )


def cells_spent(dataset: str, scope: str, needed: int, left: int, limit: int, refresh: str) -> Refused:
    """LVR-3010: the question may release more cells of a dataset than are left of this version of its data."""
    mine = scope == "institution"
    whose, whose_zh = ("your share", "贵机构份额") if mine else ("all institutions together", "全部机构合计")
    return refusal(
        "LVR-3010",
        message=f"this question may release {needed} groups of {dataset}; {left} of {limit} are left to {whose}",
        hint="ask for fewer groups; groups paid for before are free; more come with the next version of the data "
        f"(refreshed: {refresh})",
        message_zh=f"该查询最多可能发布 {dataset} 的 {needed} 个分组，而{whose_zh}的 {limit} 个中仅剩 {left} 个",
        hint_zh=f"请减少分组；已计费的分组不再计费；数据换版后重新计数（更新周期：{refresh}）",
        rule=f"unit-sets.{scope}",
        details={"dataset": dataset, "needed": str(needed), "remaining": str(left), "limit": str(limit)},
    )


def overloaded(scope: str, retry_after: float) -> Refused:
    """LVR-3101: no worker is free and the queue is full; nothing was charged."""
    mine = scope == "institution"
    return refusal(
        "LVR-3101",
        message="your institution has too many queries running" if mine else "the service is busy",
        hint=f"nothing was charged; retry after {retry_after:.1f} s with the same request id",
        message_zh="贵机构并发查询过多" if mine else "服务繁忙",
        hint_zh=f"未计费；请在 {retry_after:.1f} 秒后以同一请求编号重试",
        rule=f"capacity.{scope}",
        retry_after=retry_after,
    )


def too_complex() -> Refused:
    """LVR-3102: checking the query took longer or more memory than a check may."""
    return refusal(
        "LVR-3102",
        message="checking this query took more time or memory than a check may use",
        hint="write it shorter: fewer nested parts, shorter lists",
        message_zh="该查询的检查超出允许的时间或内存",
        hint_zh="请简化查询：减少嵌套层次，缩短列表",
    )


def not_accepting() -> Refused:
    """LVR-3103: the log or ledger cannot be written, so nothing may be answered."""
    return refusal(
        "LVR-3103",
        message="the service cannot record queries at the moment and therefore answers none",
        hint="nothing was charged; retry later",
        message_zh="服务暂时无法记录查询，因此停止应答",
        hint_zh="未计费；请稍后重试",
        retry_after=30.0,
    )


def ledger_behind(what: str) -> Refused:
    """LVR-3105: the ledger, or the log with it, has forgotten charges; said to the operator, not to banks."""
    return refusal(
        "LVR-3105",
        message=f"the books are behind what they have proved: {what}",
        hint="nothing is served, since spent budget would be given back; put the newer state.db back, or run "
        "`louver-sandbox ledger rebuild` (with `--log` and the newest export, where the log itself is behind)",
        message_zh=f"账本落后于其已证明的记录：{what}",
        hint_zh="为避免额度被重复使用，服务不予启动；请恢复较新的 state.db，或运行 `louver-sandbox ledger rebuild`"
        "（若日志本身落后，请以 `--log` 指定最新导出文件）",
        rule="ledger.high-water",
    )


def deadline_too_short() -> Refused:
    """LVR-3104: the caller's deadline had passed before anything was charged."""
    return refusal(
        "LVR-3104",
        message="your deadline passed before the query could start; nothing was charged",
        hint="allow more time and retry with the same request id",
        message_zh="查询开始前已超过您的截止时间，未计费",
        hint_zh="请放宽超时后以同一请求编号重试",
        retry_after=0.0,
    )


def noise_not_installed() -> Refused:
    """LVR-3106: this sandbox has no source of noise, so it answers no question under differential privacy."""
    return refusal(
        "LVR-3106",
        message="this sandbox has no exact source of noise installed and answers nothing under differential privacy",
        hint="tell the operator that the extra louver[dp] is missing; nothing was charged",
        message_zh="本沙箱未安装精确的噪声源，无法回答差分隐私查询",
        hint_zh="请告知运营方缺少附加组件 louver[dp]；本次未扣除任何预算",
        rule="dp",
    )


def silent() -> Refused:
    """LVR-3107: the caller did not send in time what it has to send; nothing was charged for it."""
    return refusal(
        "LVR-3107",
        message="what you had to send did not come in time, so the call was ended",
        hint="send it as soon as the call is open, without pauses; retry with the same request id",
        message_zh="应由您发送的内容未及时到达，调用已结束",
        hint_zh="请在调用建立后立即发送，中途不要停顿；可用同一请求编号重试",
        rule="capacity.silence",
        retry_after=1.0,
    )

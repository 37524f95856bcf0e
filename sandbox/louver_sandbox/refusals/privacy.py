"""LVR-301x: budgets of differential privacy. Nothing was charged for a question refused with one of these."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from louver.errors import Refused
from louver_sandbox.privacy import stated
from louver_sandbox.privacy.calendar import BEIJING
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.refusals.base import refusal


def too_dear(dataset: str, unit: str, needed: PrivacyCost, most: PrivacyCost) -> Refused:
    """LVR-3011: one question may not cost as much, whatever is left."""
    return refusal(
        "LVR-3011",
        message=f"{_costs(dataset, unit, needed)}; one question may cost {_left(most)}",
        hint=f"{_fits(needed, most)}, or divide it into several questions",
        message_zh=f"{_costs_zh(dataset, unit, needed)}，单次查询上限为 {_left(most)}",
        hint_zh=f"{_fits_zh(needed, most)}，或拆成多次查询",
        rule="privacy.question",
        details=_details(dataset, unit, needed, most, None),
    )


def lifetime_spent(dataset: str, unit: str, needed: PrivacyCost, left: PrivacyCost) -> Refused:
    """LVR-3012: the cap over all institutions together and for ever has too little left."""
    return refusal(
        "LVR-3012",
        message=f"{_costs(dataset, unit, needed)}; {_left(left)} is left to all institutions together, for ever",
        hint=f"{_fits(needed, left)}; what has been released before is given again free of charge",
        message_zh=f"{_costs_zh(dataset, unit, needed)}，全部机构的终身额度仅剩 {_left(left)}，不再恢复",
        hint_zh=f"{_fits_zh(needed, left)}；已发布过的结果可免费再次取得",
        rule="privacy.lifetime",
        details=_details(dataset, unit, needed, left, None),
    )


def allowance_spent(
    dataset: str, unit: str, needed: PrivacyCost, left: PrivacyCost, refreshes_at: datetime | None
) -> Refused:
    """LVR-3013: the institution's allowance of this window has too little left."""
    again, again_zh = _again(refreshes_at)
    return refusal(
        "LVR-3013",
        message=f"{_costs(dataset, unit, needed)}; {_left(left)} of your allowance is left",
        hint=f"{_fits(needed, left)}; {again}",
        message_zh=f"{_costs_zh(dataset, unit, needed)}，贵机构本期额度仅剩 {_left(left)}",
        hint_zh=f"{_fits_zh(needed, left)}；{again_zh}",
        rule="privacy.allowance",
        details=_details(dataset, unit, needed, left, refreshes_at),
    )


def purpose_spent(
    dataset: str, unit: str, purpose: str, needed: PrivacyCost, left: PrivacyCost, refreshes_at: datetime | None
) -> Refused:
    """LVR-3014: the part of the allowance that is kept for this purpose has too little left, or there is none."""
    again, again_zh = _again(refreshes_at)
    return refusal(
        "LVR-3014",
        message=f"{_costs(dataset, unit, needed)}; {_left(left)} of your allowance is left for {purpose}",
        hint=f"{_fits(needed, left)}; {again}; other purposes have parts of their own",
        message_zh=f"{_costs_zh(dataset, unit, needed)}，用途 {purpose} 的子额度仅剩 {_left(left)}",
        hint_zh=f"{_fits_zh(needed, left)}；{again_zh}；其他用途另有子额度",
        rule="privacy.purpose",
        details={**_details(dataset, unit, needed, left, refreshes_at), "purpose": purpose},
    )


_UNITS_ZH = {"person": "自然人", "enterprise": "企业"}


def _costs(dataset: str, unit: str, needed: PrivacyCost) -> str:
    return f"this question costs {stated.spent(needed)} of {dataset} per {unit}"


def _costs_zh(dataset: str, unit: str, needed: PrivacyCost) -> str:
    return f"该查询对 {dataset} 每个{_UNITS_ZH.get(unit, unit)}的隐私成本为 {stated.spent(needed)}"


def _left(budget: PrivacyCost) -> str:
    return str(stated.left(budget))


def _again(refreshes_at: datetime | None) -> tuple[str, str]:
    if refreshes_at is None:
        return "it is never renewed", "额度不再恢复"
    when = refreshes_at.astimezone(BEIJING).isoformat(timespec="minutes")
    return f"it refreshes at {when}", f"额度将于 {when} 恢复"


def _fits(needed: PrivacyCost, left: PrivacyCost) -> str:
    """What to change so that the question fits."""
    if stated.left(left).epsilon == "0":
        return "nothing more can be asked"
    if needed.rho > left.rho:
        return f"ask for epsilon {stated.left(left).epsilon} at most, or for less: a wider interval, fewer columns"
    return "group by keys with a declared domain, so that no group is listed because of a threshold"


def _fits_zh(needed: PrivacyCost, left: PrivacyCost) -> str:
    if stated.left(left).epsilon == "0":
        return "已无可用额度"
    if needed.rho > left.rho:
        return f"请将 epsilon 降至 {stated.left(left).epsilon} 以内，或放宽精度、减少列"
    return "请按已声明取值范围的字段分组，以免使用阈值选组"


def _details(
    dataset: str, unit: str, needed: PrivacyCost, left: PrivacyCost, refreshes_at: datetime | None
) -> Mapping[str, str]:
    return {
        "dataset": dataset,
        "unit": unit,
        "needed_epsilon": stated.spent(needed).epsilon,
        "left_epsilon": stated.left(left).epsilon,
        "delta": stated.left(left).delta,
        "refreshes_at": refreshes_at.astimezone(BEIJING).isoformat(timespec="minutes") if refreshes_at else "-",
    }

"""LVR-514x and LVR-515x: warnings. None depends on whether the subject is there or has authorised anything."""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def warning_unknown(name: str, offered: Sequence[str]) -> Refused:
    """LVR-5141: no template of warnings of this name and version is offered to the caller."""
    known, known_zh = ", ".join(offered) or "none", "、".join(offered) or "无"
    return refusal(
        "LVR-5141",
        message=f"there is no warning {name} for you",
        hint=f"warnings offered to you: {known}",
        message_zh=f"没有向贵机构提供预警 {name}",
        hint_zh=f"可用预警：{known_zh}",
        details={"reason": "SCOPE"},
    )


def warning_purpose(name: str, purposes: Sequence[str]) -> Refused:
    """LVR-5142: the warning is not for the purpose that the request states."""
    return refusal(
        "LVR-5142",
        message=f"warning {name} is not for the purpose that you state",
        hint=f"it is for: {', '.join(purposes)}",
        message_zh=f"预警 {name} 不适用于所述目的",
        hint_zh=f"适用目的：{'、'.join(purposes)}",
        details={"reason": "PURPOSE"},
    )


def subscription_form(field: str) -> Refused:
    """LVR-5143: a field of a subscription is missing or not of its form."""
    return refusal(
        "LVR-5143",
        message=f"{field} is not of the form that a subscription takes",
        hint="it takes the number of one subject, the id of its authorisation and its last day, and nothing else",
        message_zh=f"{field} 不符合订阅的格式",
        hint_zh="订阅只接受一个主体代码、一个授权编号和截止日",
        details={"reason": "SCOPE", "field": field},
    )


def subscription_last_day(longest: int) -> Refused:
    """LVR-5144: the last day is past, too far ahead, or after that of the caller's own authorisation."""
    return refusal(
        "LVR-5144",
        message="the last day is past, too far ahead, or after that of the authorisation that you recorded",
        hint=f"at most {longest} days from today, and no longer than the authorisation lasts: up to settlement",
        message_zh="截止日早于今天、过远，或晚于贵机构登记的授权截止日",
        hint_zh=f"自今天起至多 {longest} 天，且不得晚于授权截止日（至贷款结清）",
        details={"reason": "SCOPE"},
    )


def too_many_subscriptions(most: int) -> Refused:
    """LVR-5145: the institution has as many live subscriptions to this warning as it may."""
    return refusal(
        "LVR-5145",
        message="you have as many live subscriptions to this warning as the policy allows",
        hint=f"{most} at once; cancel those of loans that are settled",
        message_zh="贵机构对该预警的有效订阅已达上限",
        hint_zh=f"同时至多 {most} 个；请取消已结清贷款的订阅",
        details={"reason": "BUDGET"},
    )


def too_many_today(per_day: int) -> Refused:
    """LVR-5146: the institution has made as many new subscriptions today as it may."""
    return refusal(
        "LVR-5146",
        message="you have made as many new subscriptions to this warning today as the policy allows",
        hint=f"{per_day} a day, in Beijing; go on tomorrow",
        message_zh="贵机构今日对该预警的新增订阅已达上限",
        hint_zh=f"每日（北京时间）至多 {per_day} 个；请明日继续",
        details={"reason": "BUDGET"},
    )


def too_many_about_subject(per_subject: int) -> Refused:
    """LVR-5147: the institution has subscribed to this subject as often in thirty days as it may."""
    return refusal(
        "LVR-5147",
        message="you have subscribed to this warning about this subject as often as the policy allows",
        hint=f"{per_subject} in thirty days; keep the subscription that you have rather than cancel it",
        message_zh="贵机构对该主体的预警订阅次数已达上限",
        hint_zh=f"三十天内至多 {per_subject} 次；请保留现有订阅，不要反复取消",
        details={"reason": "BUDGET"},
    )


def unknown_place() -> Refused:
    """LVR-5148: no subscription or notice of the caller's has this id."""
    return refusal(
        "LVR-5148",
        message="you have no subscription or notice of this id",
        hint="`louver warnings list` lists your subscriptions; to read from the beginning leave the last notice out",
        message_zh="贵机构没有该编号的订阅或通知",
        hint_zh="`louver warnings list` 列出订阅；从头读取时请省略上一通知的编号",
        details={"reason": "SCOPE"},
    )


def too_many_streams(most: int) -> Refused:
    """LVR-5149: the institution follows its notices on as many streams as it may."""
    return refusal(
        "LVR-5149",
        message="you follow your notices on as many streams as one institution may",
        hint=f"{most} at once; end one, or poll",
        message_zh="贵机构的预警推送流已达上限",
        hint_zh=f"同时至多 {most} 个；请结束其中一个，或改用轮询",
        retry_after=30.0,
    )


def too_many_at_once(most: int) -> Refused:
    """LVR-5150: one request has none or too many subscriptions, or two of one id."""
    return refusal(
        "LVR-5150",
        message="one request makes between one and a few hundred subscriptions, each under an id of its own",
        hint=f"at most {most} at a time",
        message_zh="一次请求可新增一个至数百个订阅，编号不得重复",
        hint_zh=f"每次至多 {most} 个",
        details={"reason": "SCOPE"},
    )


def hook_not_allowed() -> Refused:
    """LVR-5151: the address is none of HTTPS, or its host is not one that the operator has allowed the caller."""
    return refusal(
        "LVR-5151",
        message="notices are not posted to this address",
        hint="https://, without a user or fragment, and a host that the operator has listed for you in webhooks.toml",
        message_zh="不能向该地址推送通知",
        hint_zh="须为 https:// 地址，不含用户名和片段，且主机已由运营方在 webhooks.toml 中为贵机构登记",
        details={"reason": "SCOPE"},
    )

"""LVR-513x: credit reports. None depends on whether the subject or a consent is there."""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def report_unknown(name: str, offered: Sequence[str]) -> Refused:
    """LVR-5131: no report of this name and version is offered to the caller."""
    known, known_zh = ", ".join(offered) or "none", "、".join(offered) or "无"
    return refusal(
        "LVR-5131",
        message=f"there is no report {name} for you",
        hint=f"reports offered to you: {known}",
        message_zh=f"没有向贵机构提供报告 {name}",
        hint_zh=f"可用报告：{known_zh}",
        details={"reason": "SCOPE"},
    )


def report_purpose(name: str, purposes: Sequence[str]) -> Refused:
    """LVR-5132: the report is not for the purpose that the request states."""
    return refusal(
        "LVR-5132",
        message=f"report {name} is not for the purpose that you state",
        hint=f"it is for: {', '.join(purposes)}",
        message_zh=f"报告 {name} 不适用于所述目的",
        hint_zh=f"适用目的：{'、'.join(purposes)}",
        details={"reason": "PURPOSE"},
    )


def report_parameters() -> Refused:
    """LVR-5133: a report is asked of one subject under one authorisation, and takes nothing else."""
    return refusal(
        "LVR-5133",
        message="a report takes the number of one subject and the id of one authorisation, and nothing else",
        hint="ask for one report for each subject and authorisation",
        message_zh="报告只接受一个主体代码和一个授权编号",
        hint_zh="请按主体和授权逐份申请报告",
        details={"reason": "SCOPE"},
    )


def reported_before() -> Refused:
    """LVR-5134: this very request has had a report, and its authorisation would not cover it today."""
    return refusal(
        "LVR-5134",
        message="this report was made before, and what was authorised then is not any more",
        hint="keep the report that you have as long as the law allows, or ask anew under a new request id",
        message_zh="该报告此前已出具，但其授权现已不再有效",
        hint_zh="请在法定期限内保存原报告，或以新的请求编号重新申请",
    )

"""LVR-61xx: templates and questions about one subject. None depends on whether the subject or a consent is there."""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal
from louver_sandbox.refusals.policy import Ruling


def template_unknown(name: str, ruling: Ruling, offered: Sequence[str]) -> Refused:
    """LVR-6101: no template of this name and version is offered to the caller."""
    known, known_zh = ", ".join(offered) or "none", "、".join(offered) or "无"
    return refusal(
        "LVR-6101",
        message=f"there is no template {name} for you",
        hint=f"templates offered to you: {known}",
        message_zh=f"没有向贵机构提供模板 {name}",
        hint_zh=f"可用模板：{known_zh}",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"reason": "SCOPE"},
    )


def template_purpose(name: str, ruling: Ruling, purposes: Sequence[str]) -> Refused:
    """LVR-6102: the template is not for the purpose that the request states."""
    return refusal(
        "LVR-6102",
        message=f"template {name} is not for the purpose that you state",
        hint=f"it is for: {', '.join(purposes)}",
        message_zh=f"模板 {name} 不适用于所述目的",
        hint_zh=f"适用目的：{'、'.join(purposes)}",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"reason": "PURPOSE"},
    )


def parameter_unfit(name: str, wanted: str, wanted_zh: str, ruling: Ruling) -> Refused:
    """LVR-6103: a parameter is missing, unknown to the template, of another type, or out of its bounds."""
    return refusal(
        "LVR-6103",
        message=f"the parameter {name} is not what the template takes: {wanted}",
        hint="`louver templates NAME` lists the parameters and what each takes",
        message_zh=f"参数 {name} 不符合模板要求：{wanted_zh}",
        hint_zh="`louver templates NAME` 列出各参数及其取值",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"reason": "SCOPE", "parameter": name},
    )


def template_not_granted(table: str, column: str, owner: str, ruling: Ruling) -> Refused:
    """LVR-6104: a department does not grant a column that the template reads, for this purpose and today."""
    place = f"{table}.{column}" if column else table
    return refusal(
        "LVR-6104",
        message=f"the template reads {place}, which its owner does not grant to it for you and this purpose",
        hint=f"{owner} names the template in a grant for the verb query",
        message_zh=f"模板读取 {place}，但其提供单位未就此目的向贵机构授权",
        hint_zh=f"须由{owner}在 query 授权中列明该模板",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"reason": "SCOPE", "table": table} | ({"column": column} if column else {}),
    )


def template_unfit(why: str, why_zh: str, ruling: Ruling) -> Refused:
    """LVR-6105: the template itself cannot be answered about one subject; its officers have to mend it."""
    return refusal(
        "LVR-6105",
        message=f"the template cannot be answered: {why}",
        hint="tell the department that answers for the template",
        message_zh=f"该模板无法作答：{why_zh}",
        hint_zh="请告知负责该模板的单位",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"reason": "SCOPE"},
    )


def answered_before() -> Refused:
    """LVR-6106: this very request was answered, and its authorisation would not cover it today."""
    return refusal(
        "LVR-6106",
        message="this request was answered before, and what was authorised then is not any more",
        hint="keep the answer that you have as long as the law allows, or ask anew under a new request id",
        message_zh="该请求此前已作答，但其授权现已不再有效",
        hint_zh="请在法定期限内保存原答复，或以新的请求编号重新查询",
    )

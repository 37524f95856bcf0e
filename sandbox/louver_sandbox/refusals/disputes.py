"""LVR-512x: disputes of subjects. None tells whether a subject exists or has a record."""

from __future__ import annotations

from collections.abc import Mapping

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def unknown_lookup(facts: Mapping[str, str]) -> Refused:
    """LVR-5121: the institution has asked no template under that request id."""
    return refusal(
        "LVR-5121",
        message="you have asked no template under this request id",
        hint="name the lookup or report that the subject disputes; `louver history` lists your requests",
        message_zh="贵机构没有以该请求编号进行过单主体查询",
        hint_zh="请填写主体所异议的查询或报告的请求编号；`louver history` 可列出您的请求",
    )


def dispute_form(facts: Mapping[str, str]) -> Refused:
    """LVR-5122: a field of the dispute has not its form."""
    field = facts.get("field", "?")
    return refusal(
        "LVR-5122",
        message=f"the field {field} of the dispute is not as it must be",
        hint="a table as department.name, a statement of at most 2000 characters, the SHA-256 of the signed document",
        message_zh=f"异议申请的字段 {field} 不符合要求",
        hint_zh="数据表写作“库.表”，异议说明不超过 2000 字，并附签字文件的 SHA-256",
        details={"field": field},
    )


def other_table(facts: Mapping[str, str]) -> Refused:
    """LVR-5123: the lookup did not read the table that is disputed."""
    tables = facts.get("tables", "")
    return refusal(
        "LVR-5123",
        message="that lookup did not read the table that is disputed",
        hint=f"it reads: {tables}",
        message_zh="该次查询未读取所异议的数据表",
        hint_zh=f"其读取的数据表：{tables}",
    )


def too_many(facts: Mapping[str, str]) -> Refused:
    """LVR-5124: as many disputes of the institution wait for an answer as may."""
    limit = facts.get("limit", "?")
    return refusal(
        "LVR-5124",
        message=f"{limit} disputes that you have passed on wait for an answer, as many as may at a time",
        hint="pass further ones on when some are answered, or send the subject to the operator",
        message_zh=f"贵机构已有 {limit} 件异议待答复，达到上限",
        hint_zh="请待部分异议答复后再提交，或请主体直接向运营机构提出",
    )


def unknown_dispute(facts: Mapping[str, str]) -> Refused:
    """LVR-5125: there is no such dispute."""
    return refusal(
        "LVR-5125",
        message="there is no such dispute",
        hint="`louver-sandbox disputes list` lists those that wait for an answer",
        message_zh="没有该异议",
        hint_zh="`louver-sandbox disputes list` 列出待答复的异议",
    )


def answered_already(facts: Mapping[str, str]) -> Refused:
    """LVR-5126: the dispute has been answered, and an answer is not changed."""
    outcome = facts.get("outcome", "?")
    return refusal(
        "LVR-5126",
        message=f"the dispute has been answered: {outcome}",
        hint="a subject who does not agree disputes again, with new evidence",
        message_zh=f"该异议已答复：{outcome}",
        hint_zh="主体如不同意，可附新证据重新提出异议",
        details={"outcome": outcome},
    )

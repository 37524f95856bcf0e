"""LVR-54xx: access that institutions ask for. None tells whether a dataset or column exists."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def access_form(field: str) -> Refused:
    """LVR-5401: a field of the request or of its answer has not its form."""
    return refusal(
        "LVR-5401",
        message=f"the field {field} is not as it must be",
        hint="a dataset as department.name, 1 to 64 columns, a purpose, and why, in at most 2000 characters each",
        message_zh=f"字段 {field} 不符合要求",
        hint_zh="数据集写作“库.表”，列 1 至 64 个，须填写用途、法律依据和理由，各不超过 2000 字",
        details={"field": field},
    )


def too_much_access(most: int, what: str, what_zh: str) -> Refused:
    """LVR-5402: as many requests of the institution wait, or came today, as may."""
    return refusal(
        "LVR-5402",
        message=f"{most} of your requests for access {what}, as many as may",
        hint="`louver access list` shows them; withdraw what is not needed, or wait for answers",
        message_zh=f"贵机构{what_zh}的数据申请已达 {most} 件上限",
        hint_zh="可用 `louver access list` 查看；请撤回不需要的申请，或等待答复",
    )


def unknown_access() -> Refused:
    """LVR-5403: the caller has no such request."""
    return refusal(
        "LVR-5403",
        message="there is no such request for access",
        hint="`louver access list` shows yours, `louver policy requests` a department's",
        message_zh="没有该数据申请",
        hint_zh="机构可用 `louver access list`、部门可用 `louver policy requests` 查看",
    )


def decided_already(state: str) -> Refused:
    """LVR-5404: the request has been decided or withdrawn, and stays so."""
    return refusal(
        "LVR-5404",
        message=f"this request for access is {state} already",
        hint="an institution may ask again, saying what has changed",
        message_zh=f"该数据申请的状态已为 {state}",
        hint_zh="机构可说明变化后重新申请",
        details={"state": state},
    )

"""LVR-72xx: working on policies. None depends on what any data hold."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def not_an_officer() -> Refused:
    """LVR-7201: the certificate is not a policy officer's."""
    return refusal(
        "LVR-7201",
        message="only a registered policy officer may work on policies, and no institution or auditor is one",
        hint="the operator registers officers with `louver-sandbox officer add`; each has a certificate of its own",
        message_zh="仅登记的政策员可办理政策，机构和审计员不得兼任",
        hint_zh="由运营方用 `louver-sandbox officer add` 登记政策员；政策员使用专门的证书",
    )


def officers_do_not_ask() -> Refused:
    """LVR-7202: an officer's certificate asks what only institutions may."""
    return refusal(
        "LVR-7202",
        message="a policy officer allows questions and may ask none of the data",
        hint="use `louver policy` with this certificate, or an institution's certificate to ask",
        message_zh="政策员负责授权，不得查询数据",
        hint_zh="该证书请用于 `louver policy`；查询请使用机构证书",
    )


def office_busy(what: str, what_zh: str) -> Refused:
    """LVR-7203: as many officers' calls as the service takes at once are under way."""
    return refusal(
        "LVR-7203",
        message=f"too many {what} are under way",
        hint="wait a moment and repeat the call",
        message_zh=f"正在进行的{what_zh}过多",
        hint_zh="请稍后重试",
        retry_after=1.0,
    )


def draft_unfit(why: str, why_zh: str) -> Refused:
    """LVR-7204: a draft is too large or takes too long, or a field beside it is not of its form."""
    return refusal(
        "LVR-7204",
        message=f"the draft cannot be worked on: {why}",
        hint="a draft is the YAML of one document; docs/reference/policies.md says how it is written",
        message_zh=f"无法处理该草案：{why_zh}",
        hint_zh="草案是一份文档的 YAML；写法见 docs/reference/policies.md",
    )


def unknown_version() -> Refused:
    """LVR-7205: there is no version, document or institution of this name."""
    return refusal(
        "LVR-7205",
        message="there is no version, document or institution of this name",
        hint="`louver policy list` shows what there is",
        message_zh="没有该名称的版本、文档或机构",
        hint_zh="可用 `louver policy list` 查看",
    )


def other_department(department: str, owner: str) -> Refused:
    """LVR-7206: the document belongs to a department that the officer does not serve."""
    return refusal(
        "LVR-7206",
        message=f"the document belongs to {owner}, and the caller is an officer of {department}",
        hint="an officer of the department that owns the document does this",
        message_zh=f"该文档归{owner}所有，调用者为{department}的政策员",
        hint_zh="须由文档所属部门的政策员办理",
        details={"owner": owner, "department": department},
    )


def not_to_be_signed(why: str) -> Refused:
    """LVR-7207: a signature or a revocation that does not hold, or must not stand there."""
    return refusal(
        "LVR-7207",
        message=f"this signature is not taken: {why}",
        hint="fetch the version again, review it, and sign what you have reviewed with your own key",
        message_zh=f"未接受该签名：{why}",
        hint_zh="请重新获取该版本，审阅后用本人密钥签名",
    )


def not_in_that_state(name: str, state: str, wanted: str, wanted_zh: str) -> Refused:
    """LVR-7208: the version is not so far, or further already."""
    return refusal(
        "LVR-7208",
        message=f"{name} is {state}; this is done with {wanted}",
        hint="`louver policy list` shows the state of every version and what it waits for",
        message_zh=f"{name} 的状态为 {state}；该操作仅适用于{wanted_zh}",
        hint_zh="可用 `louver policy list` 查看各版本的状态和所缺事项",
        details={"state": state},
    )


def bundle_unfit(why: str) -> Refused:
    """LVR-7209: what would be in force together cannot be."""
    return refusal(
        "LVR-7209",
        message=f"this cannot come into force: {why}",
        hint="what is in force stays so; mend the draft and submit it again",
        message_zh=f"无法生效：{why}",
        hint_zh="现行政策不变；请修改草案后重新提交",
    )


def not_published(why: str) -> Refused:
    """LVR-7210: the data that the version grants are not published, and could not be from here."""
    return refusal(
        "LVR-7210",
        message=f"what this version grants is not published yet: {why}",
        hint="the operator publishes where the data lie, then this is repeated; what is in force stays so",
        message_zh=f"该版本授权的数据尚未发布：{why}",
        hint_zh="请由运营方在数据所在处发布后重试；现行政策不变",
    )


def too_many_drafts(most: int) -> Refused:
    """LVR-7211: the department has as many drafts in review as it may."""
    return refusal(
        "LVR-7211",
        message=f"the department has {most} versions that nobody has approved yet",
        hint="approve or let expire what waits before submitting more",
        message_zh=f"该部门已有 {most} 个未批准的版本",
        hint_zh="请先处理待批准的版本，再提交新的版本",
    )


def too_many_of_an_officer(seconds: float) -> Refused:
    """LVR-7251: one officer has more calls under way, or had more in the last minute, than one may."""
    return refusal(
        "LVR-7251",
        message="too many calls of yours are under way or were made in the last minute",
        hint="wait a moment and repeat the call; to see the status and to revoke is not limited",
        message_zh="您正在进行的调用或最近一分钟内的调用过多",
        hint_zh="请稍后重试；查看状态和撤销不受此限",
        retry_after=seconds,
    )


def reserved_id(name: str, owner: str) -> Refused:
    """LVR-7252: another department has signed a document of this id first."""
    return refusal(
        "LVR-7252",
        message=f"{owner} has signed a document {name} before",
        hint="choose another id; the operator can put away a version that nobody means to approve",
        message_zh=f"{owner}已先签署编号为 {name} 的文档",
        hint_zh="请另选编号；无人拟批准的版本可由运营方移除",
        details={"owner": owner},
    )

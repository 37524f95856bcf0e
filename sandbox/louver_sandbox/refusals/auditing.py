"""LVR-71xx: reading the log. None depends on what any data hold."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def not_an_auditor() -> Refused:
    """LVR-7101: the certificate is not an auditor's."""
    return refusal(
        "LVR-7101",
        message="only a registered auditor may read the log, and no institution is one",
        hint="an institution reads its own trail with `louver history`; auditors have certificates of their own",
        message_zh="仅登记的审计员可查阅日志，机构不得兼任审计员",
        hint_zh="机构可用 `louver history` 查看自己的记录；审计员使用专门的证书",
    )


def auditors_do_not_ask() -> Refused:
    """LVR-7102: an auditor's certificate asks what only institutions may."""
    return refusal(
        "LVR-7102",
        message="an auditor reads decisions and may ask no question of the data",
        hint="use `louver audit` with this certificate, or an institution's certificate to ask",
        message_zh="审计员仅可查阅决定，不得查询数据",
        hint_zh="该证书请用于 `louver audit`；查询请使用机构证书",
    )


def audit_busy(what: str, what_zh: str) -> Refused:
    """LVR-7103: as many auditors' calls as the service takes at once are under way."""
    return refusal(
        "LVR-7103",
        message=f"too many {what} are under way",
        hint="wait a moment and repeat the call, or end one that is no longer needed",
        message_zh=f"正在进行的{what_zh}过多",
        hint_zh="请稍后重试，或结束不再需要的调用",
        retry_after=1.0,
    )


def unknown_entry() -> Refused:
    """LVR-7104: the log has no entry of this index."""
    return refusal(
        "LVR-7104",
        message="the log has no entry of this index",
        hint="entries are counted from 0; `louver audit head` says how many there are",
        message_zh="日志中没有该序号的条目",
        hint_zh="序号从 0 开始；`louver audit head` 显示条目总数",
    )


def filter_malformed(field: str, form: str, form_zh: str) -> Refused:
    """LVR-7105: a field of a filter is not of its form."""
    return refusal(
        "LVR-7105",
        message=f"the filter's field {field} is not of its form: {form}",
        hint="docs/reference/auditing.md says the form of each field",
        message_zh=f"筛选条件 {field} 格式错误：{form_zh}",
        hint_zh="各字段格式见 docs/reference/auditing.md",
        details={"field": field},
    )


def not_replayable(why: str) -> Refused:
    """LVR-7106: no decision of this entry can be made again."""
    return refusal(
        "LVR-7106",
        message=f"this entry cannot be replayed: {why}",
        hint="admissions and the outcomes of admissions can be, while their catalogue, policies and text are kept",
        message_zh=f"该条目无法重放：{why}",
        hint_zh="准入条目及其结果可以重放，前提是当时的目录、政策与文本仍在",
    )


def unknown_head() -> Refused:
    """LVR-7107: the log has signed no head of this size, or none that large."""
    return refusal(
        "LVR-7107",
        message="the log has no signed head of this size",
        hint="ask for the newest head (size 0), and for consistency from a size that is not larger than it",
        message_zh="日志没有该大小的已签名检查点",
        hint_zh="请查询最新检查点（大小填 0），一致性证明的起点不得大于它",
    )


def cosignature_unfit(why: str, why_zh: str) -> Refused:
    """LVR-7108: a cosignature is not one that a registered witness made of a head that this log signed."""
    return refusal(
        "LVR-7108",
        message=f"the cosignature is not taken: {why}",
        hint="register the witness's public key with the operator, and cosign a checkpoint of this log",
        message_zh=f"未接受见证签名：{why_zh}",
        hint_zh="请向运营方登记见证人公钥，并对本日志的检查点签名",
    )


def log_contradicts_itself(what: str) -> Refused:
    """LVR-7109: what lies in the store is not what the log has signed."""
    return refusal(
        "LVR-7109",
        message=f"the log contradicts what it has signed: {what}",
        hint="keep every checkpoint and export that you hold, and tell the operator and the other auditors",
        message_zh=f"日志与其已签名内容矛盾：{what}",
        hint_zh="请保存所持有的全部检查点与导出文件，并通知运营方及其他审计员",
    )

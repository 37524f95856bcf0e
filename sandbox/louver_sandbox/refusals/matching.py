"""LVR-51xx: private matching. Nothing here depends on what a list holds; LVR-2xxx and LVR-3xxx say the rest."""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal
from louver_sandbox.refusals.policy import Ruling


def no_list(name: str, ruling: Ruling, known: Sequence[str]) -> Refused:
    """LVR-5101: there is no such list, or none that is granted to the caller for matching; both look the same."""
    offered = ", ".join(known) or "none"
    return refusal(
        "LVR-5101",
        message=f"there is no list {name} that you may match against",
        hint=f"your lists: {offered} (`louver match --lists`); ask the owner of the data for others",
        message_zh=f"没有可供贵机构比对的名单 {name}",
        hint_zh=f"可比对的名单：{'、'.join(known) or '无'}（`louver match --lists`）；其他名单请向数据提供单位申请",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"list": name},
    )


def mode_not_granted(name: str, mode: str, ruling: Ruling, modes: Sequence[str]) -> Refused:
    """LVR-5102: the list may be matched, but not for this kind of answer."""
    return refusal(
        "LVR-5102",
        message=f"{name} is not granted to you in mode {mode}",
        hint=f"it is granted in mode {', '.join(modes)}",
        message_zh=f"名单 {name} 未授权以 {mode} 方式比对",
        hint_zh=f"已授权的方式：{'、'.join(modes)}",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"list": name, "mode": mode},
    )


def batch_too_small(least: int, ruling: Ruling) -> Refused:
    """LVR-5103: so few ids would be a question about somebody."""
    return refusal(
        "LVR-5103",
        message=f"a match has at least {least} different ids",
        hint="match the whole book; one subject is answered only with its authorisation (verb query)",
        message_zh=f"一次比对至少须有 {least} 个不同的标识",
        hint_zh="请以整个台账比对；单个主体须凭其授权查询",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"least": str(least)},
    )


def no_bound(name: str, mode: str, most: int, ruling: Ruling) -> Refused:
    """LVR-5110: the bound of amounts that is declared is none, or above what the policy allows."""
    return refusal(
        "LVR-5110",
        message=f"a match of {name} in mode {mode} declares a bound of its amounts from {min(1, most)} to {most}",
        hint="noise is for the bound: declare the largest amount that may occur, in whole smallest units",
        message_zh=f"名单 {name} 以 {mode} 方式比对时，须声明 {min(1, most)} 至 {most} 之间的金额上限",
        hint_zh="噪声按该上限添加：请以最小货币单位声明可能出现的最大金额",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"list": name, "mode": mode, "most": str(most)},
    )


def no_authorisations(name: str) -> Refused:
    """LVR-5120: the match brings authorisations of persons, and the list in this mode takes none."""
    return refusal(
        "LVR-5120",
        message=f"{name} takes no authorisations of persons in this mode",
        hint="bring them in mode hits to lists whose persons are `authorisation` (`louver match --lists`)",
        message_zh=f"名单 {name} 在此方式下不接受自然人授权",
        hint_zh="仅 persons 为 authorisation 的名单在 hits 方式下接受授权；否则请不要提交授权",
        details={"list": name},
    )


def batch_too_large(most: int) -> Refused:
    """LVR-5104: the batch has more ids, or more bytes, than one match may."""
    return refusal(
        "LVR-5104",
        message=f"a match has at most {most} ids",
        hint="split the list into several matches; every id counts once in each of them",
        message_zh=f"一次比对至多 {most} 个标识",
        hint_zh="请分成多次比对；每次比对中的每个标识均计数",
        details={"most": str(most)},
    )


def batch_form() -> Refused:
    """LVR-5105: what was sent is not the batch that was signed, or holds what is no blinded id; which is not said."""
    return refusal(
        "LVR-5105",
        message="the batch is cut off, is not the one that was signed, or holds a value that is no blinded id",
        hint="send it again whole, with the client; every id once, amounts within the list's bound",
        message_zh="批次不完整、与签名不符，或含有不是盲化标识的值",
        hint_zh="请用客户端重新完整发送；每个标识只出现一次，金额不超过名单规定的上限",
    )


def evaluation() -> Refused:
    """LVR-5106: the caller's evaluation of the list's entries is not proved to be by the key that it named."""
    return refusal(
        "LVR-5106",
        message="the entries of the list were not all evaluated with the key that the match named",
        hint="let the client make one key for each match; what was charged stays charged",
        message_zh="名单条目未全部以本次比对声明的密钥计算",
        hint_zh="请由客户端为每次比对生成一个密钥；已计费用不予退还",
    )


def not_installed() -> Refused:
    """LVR-5107: this installation has no key to match with."""
    return refusal(
        "LVR-5107",
        message="this installation cannot match: it has no matching key, or lacks the library for it",
        hint="tell the operator: `louver-sandbox matching rotate` makes the key, the extra `match` has the library",
        message_zh="本平台暂不能比对：缺少比对密钥或所需的程序库",
        hint_zh="请告知平台运营方：`louver-sandbox matching rotate` 生成密钥，扩展 `match` 含所需程序库",
    )


def set_not_ready(name: str) -> Refused:
    """LVR-5108: today's set of the list could not be made; nothing was charged."""
    return refusal(
        "LVR-5108",
        message=f"the set of {name} for today is not there and could not be made; nothing was charged",
        hint="try again later; the operator's log says what is wrong",
        message_zh=f"名单 {name} 的当日集合尚未生成；未计费",
        hint_zh="请稍后重试；原因见平台运营日志",
        details={"list": name},
    )


def no_hits_to_report() -> Refused:
    """LVR-5109: feedback is about a match of the caller's own that gave hits."""
    return refusal(
        "LVR-5109",
        message="you have no match of this id in mode hits",
        hint="report measures with the request id of the match that gave the hit",
        message_zh="没有该编号的、以 hits 方式完成的比对",
        hint_zh="反馈措施时请使用得到命中结果的比对编号",
    )

"""Refusals LVR-5320 to LVR-5327: ids that come as tokens. None depends on an id or on what a table holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal
from louver_sandbox.refusals.policy import Ruling


def not_installed() -> Refused:
    """LVR-5320: there is no key that tokens are made with, or not the library for it."""
    return refusal(
        "LVR-5320",
        message="this installation makes no tokens: it has no key for them, or not the library",
        hint="tell the operator: `louver-sandbox matching rotate --tokens` makes the key, the extra `match` "
        "installs the library",
        message_zh="本平台尚未配置生成标识令牌所需的密钥或程序库",
        hint_zh="请告知运营方：`louver-sandbox matching rotate --tokens` 生成密钥，附加组件 `match` 安装程序库",
    )


def not_granted(element: str, ruling: Ruling, known: Sequence[str]) -> Refused:
    """LVR-5321: no grant in force lets the caller have tokens of this element; an unknown one looks the same."""
    return refusal(
        "LVR-5321",
        message=f"no grant lets you join tokens of {element}",
        hint=f"you may have tokens of: {', '.join(known) or 'none'}; ask the owner of the data for terms `tokens` "
        "beside the right join_key",
        message_zh=f"没有授权允许贵机构使用 {element} 的标识令牌",
        hint_zh=f"可用的数据元：{'、'.join(known) or '无'}；其他请向数据提供单位申请 `tokens` 条款及 join_key 权限",
        rule=ruling.rule,
        policy_version=ruling.version,
        details={"element": element},
    )


def batch_form() -> Refused:
    """LVR-5322: the batch is not whole, not the one that was signed, or holds what is no blinded id."""
    return refusal(
        "LVR-5322",
        message="the batch of blinded ids is not whole, is not the one that was signed, or holds what is none",
        hint="let the client send it again; nothing was evaluated and nothing charged",
        message_zh="盲化标识批次不完整、与签名不符，或含有不是盲化标识的值",
        hint_zh="请用客户端重新发送；未作计算，未计费",
    )


def batch_too_large(most: int) -> Refused:
    """LVR-5323: more ids than one question for tokens may have."""
    return refusal(
        "LVR-5323",
        message=f"one question for tokens has 1 to {most} ids",
        hint="ask for them in several; the client does so by itself",
        message_zh=f"一次生成令牌的标识须为 1 至 {most} 个",
        hint_zh="请分批；客户端会自动分批",
        details={"limit": str(most)},
    )


def column_declared(facts: Mapping[str, str]) -> Refused:
    """LVR-5324: a column of an upload says that it holds tokens, and is not of their form."""
    return refusal(
        "LVR-5324",
        message="a column that is to hold tokens has not 16 bytes a row, or does not say their element and key",
        hint="let the client make it: `louver upload ... --token COLUMN=ELEMENT`",
        message_zh="声明为令牌的列宽度不是 16 字节，或未注明数据元与密钥",
        hint_zh="请由客户端生成：`louver upload ... --token 列=数据元`",
    )


def key_replaced(column: str) -> Refused:
    """LVR-5325: the column's tokens are under a key that is not, or no longer, the institution's for that element."""
    return refusal(
        "LVR-5325",
        message=f"the tokens in column {column} are under a key that is not, or no longer, yours for that element",
        hint="upload the table again; the ids get tokens of the present key",
        message_zh=f"列 {column} 的令牌所用密钥不是或已不是贵机构该数据元的现行密钥",
        hint_zh="请重新上传该表，以现行密钥生成令牌",
        details={"column": column},
    )


def misused(column: str, what: str, what_zh: str, at: Position | None) -> Refused:
    """LVR-5326: a column of tokens is used otherwise than to join and to count."""
    return refusal(
        "LVR-5326",
        message=f"column {column} holds tokens: {what}",
        hint="join it by = with a government column of the same data element or with tokens of your own, count it "
        "(DISTINCT too), or ask whether it IS NULL",
        message_zh=f"列 {column} 为令牌：{what_zh}",
        hint_zh="可用 = 与同一数据元的政府列或本机构的令牌列连接，可计数（含 DISTINCT），可判断 IS NULL",
        at=at,
        details={"column": column},
    )


def not_ready(table: str) -> Refused:
    """LVR-5327: the tokens of a published column cannot be made now. Nothing was charged."""
    return refusal(
        "LVR-5327",
        message=f"the tokens of {table} cannot be made at the moment; nothing was charged",
        hint="try again later; the operator's log says what is wrong",
        message_zh=f"暂时无法生成 {table} 的令牌；未计费",
        hint_zh="请稍后重试；具体原因见运营方日志",
        details={"table": table},
    )

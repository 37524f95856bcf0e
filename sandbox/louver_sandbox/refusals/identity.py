"""LVR-0xxx: who asks, and whether the request is theirs, complete and in time."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def unknown_certificate() -> Refused:
    """LVR-0101: the certificate is not one of a registered institution."""
    return refusal(
        "LVR-0101",
        message="this certificate is not registered, or its registration has ended",
        hint="send the certificate's SHA-256 fingerprint to the operator to have it registered",
        message_zh="该证书未登记或登记已失效",
        hint_zh="请将证书的 SHA-256 指纹报送平台运营方登记",
    )


def ambiguous_identity() -> Refused:
    """LVR-0102: the certificate does not carry exactly one institution name."""
    return refusal(
        "LVR-0102",
        message="the certificate must carry exactly one urn:louver:institution name",
        hint="ask the operator for a certificate with one institution name",
        message_zh="证书必须且只能包含一个 urn:louver:institution 名称",
        hint_zh="请向平台运营方申请只含一个机构名称的证书",
    )


def bad_signature() -> Refused:
    """LVR-0103: the question is not signed by the certificate's key."""
    return refusal(
        "LVR-0103",
        message="the question is not signed by the key of this certificate",
        hint="sign the question with the client certificate's key; the SDK does it by itself",
        message_zh="请求签名与证书不符",
        hint_zh="请使用客户端证书的私钥签名；SDK 会自动完成",
    )


def expired_question() -> Refused:
    """LVR-0104: the question's signature has expired, or expires too far ahead."""
    return refusal(
        "LVR-0104",
        message="the question has expired or its expiry is too far ahead",
        hint="check the clock of this machine and ask again; a question lives at most one hour",
        message_zh="请求已过期或有效期过长",
        hint_zh="请校准本机时钟后重新提交；请求有效期最长一小时",
    )


def malformed_request(field: str) -> Refused:
    """LVR-0105: a field of the message is missing or not of its form."""
    return refusal(
        "LVR-0105",
        message=f"the request's field {field} is missing or malformed",
        hint="state it with the call (for example purpose='RESEARCH', --purpose RESEARCH); each field's form is in "
        "docs/reference/protocol.md",
        message_zh=f"请求字段 {field} 缺失或格式错误",
        hint_zh="请在调用时给出（例如 purpose='RESEARCH' 或 --purpose RESEARCH）；"
        "各字段格式见 docs/reference/protocol.md",
        details={"field": field},
    )


def request_id_reused() -> Refused:
    """LVR-0106: the request id was used for another question."""
    return refusal(
        "LVR-0106",
        message="this request id was already used for another question",
        hint="make a new request id for each question; repeat an id only to repeat the very same question",
        message_zh="该请求编号已用于另一请求",
        hint_zh="每个新问题使用新的请求编号；仅重试同一问题时可重复",
    )


def request_in_progress() -> Refused:
    """LVR-0107: the same request is being answered at this moment."""
    return refusal(
        "LVR-0107",
        message="this very request is being answered",
        hint="wait and retry with the same request id; the same answer comes back and nothing is charged twice",
        message_zh="同一请求正在处理中",
        hint_zh="请稍后以同一请求编号重试；将返回同一结果且不重复计费",
        retry_after=1.0,
    )


def unknown_request() -> Refused:
    """LVR-0108: the caller has no answered request of that id."""
    return refusal(
        "LVR-0108",
        message="you have no answered request of this id",
        hint="`louver history` lists your requests",
        message_zh="未找到您的该请求编号对应的已答复请求",
        hint_zh="可用 `louver history` 查看您的请求",
    )

"""LVR-73xx: which institutions are served, and by which certificates they are known. None depends on any data."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def suspended(since: str) -> Refused:
    """LVR-7301: the institution is suspended."""
    return refusal(
        "LVR-7301",
        message=f"this institution has been suspended since {since}; nothing is answered to it",
        hint="ask the operator; what was charged before stays charged, and answers you have had stay valid",
        message_zh=f"该机构自 {since} 起被暂停服务，不再答复任何请求",
        hint_zh="请联系运营机构；此前的计费不变，已取得的结果仍然有效",
        details={"since": since},
    )


def not_an_administrator() -> Refused:
    """LVR-7302: the certificate is not an administrator's."""
    return refusal(
        "LVR-7302",
        message="only a registered administrator may say which institutions are served",
        hint="the operator registers them with `louver-sandbox administrator add`; nobody has two roles",
        message_zh="仅登记的管理员可决定向哪些机构提供服务",
        hint_zh="由运营方用 `louver-sandbox administrator add` 登记；任何人不得兼任两种角色",
    )


def administrators_do_not_ask() -> Refused:
    """LVR-7303: an administrator's certificate asks what only institutions may."""
    return refusal(
        "LVR-7303",
        message="an administrator says which institutions are served and may ask nothing of the data",
        hint="use an institution's certificate to ask",
        message_zh="管理员负责机构服务的启停，不得查询数据",
        hint_zh="查询请使用机构证书",
    )


def unfit_request(why: str, why_zh: str) -> Refused:
    """LVR-7304: what is meant as a certificate request is none, or not one of the caller's."""
    return refusal(
        "LVR-7304",
        message=f"this certificate request is not taken: {why}",
        hint="`louver certificate rotate` makes one: PKCS #10 with a new P-256 key, signed by that key",
        message_zh=f"未接受该证书申请：{why_zh}",
        hint_zh="请用 `louver certificate rotate` 生成：PKCS #10，使用新的 P-256 密钥并由其签名",
    )


def too_many_requests(most: int) -> Refused:
    """LVR-7305: as many certificate requests of the institution are open as may be."""
    return refusal(
        "LVR-7305",
        message=f"{most} of your certificate requests wait for an administrator, as many as may",
        hint="ask the operator to confirm or reject them; `louver certificate list` shows them",
        message_zh=f"已有 {most} 份证书申请等待管理员确认，达到上限",
        hint_zh="请联系运营机构确认或驳回；可用 `louver certificate list` 查看",
    )


def unknown_institution() -> Refused:
    """LVR-7306: no institution of this name is registered."""
    return refusal(
        "LVR-7306",
        message="no institution of this name is registered",
        hint="`louver-sandbox institution list` shows those that are",
        message_zh="没有登记该名称的机构",
        hint_zh="可用 `louver-sandbox institution list` 查看",
    )


def reason_needed(most: int) -> Refused:
    """LVR-7307: a suspension or its end without a reason, or with too long a one."""
    return refusal(
        "LVR-7307",
        message=f"a reason is needed, of at most {most} characters",
        hint="say why in a sentence; it is logged with your name",
        message_zh=f"须说明理由，且不超过 {most} 个字符",
        hint_zh="请用一句话说明理由；理由连同姓名记入日志",
    )


def unknown_certificate_request() -> Refused:
    """LVR-7308: there is no such certificate request, or it is not open any more."""
    return refusal(
        "LVR-7308",
        message="there is no open certificate request of this id",
        hint="`louver-sandbox institution requests` lists those that wait; one whose signer counts no more is void",
        message_zh="没有该编号的待处理证书申请",
        hint_zh="可用 `louver-sandbox institution requests` 查看；签名证书失效后申请即作废",
    )

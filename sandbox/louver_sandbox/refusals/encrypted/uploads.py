"""Refusals LVR-5311 to LVR-5314 and LVR-5328: uploads that were cut off, and those that an auditor may still look
into. None says anything of what has come."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def elsewhere() -> Refused:
    """LVR-5311: an upload is to go on at another place than where it was cut off, or there is none of that id."""
    return refusal(
        "LVR-5311",
        message="no upload of yours with this id was cut off at this place",
        hint="ask with GetUpload how much has come, or begin anew with another id; the client does so by itself",
        message_zh="没有在此位置中断的上传",
        hint_zh="请用 GetUpload 查询已接收的字节数，或以新标识重新上传；客户端会自动处理",
    )


def other_bytes() -> Refused:
    """LVR-5312: what has come of an upload is not what its sender says that it is; nothing of it is kept."""
    return refusal(
        "LVR-5312",
        message="the bytes of the upload do not have the digest that was sent behind them",
        hint="upload again; nothing was stored, and nothing of it is kept",
        message_zh="上传内容与其后所附摘要不符",
        hint_zh="请重新上传；未作任何存储",
    )


def unfinished() -> Refused:
    """LVR-5313: an upload that can be resumed ended without its digest. What has come is kept for a while."""
    return refusal(
        "LVR-5313",
        message="the upload ended before the digest of its bytes came, so nothing was stored",
        hint="go on where it ended, or upload again",
        message_zh="上传在附上摘要之前结束，未作存储",
        hint_zh="请从中断处继续，或重新上传",
    )


def malformed_id() -> Refused:
    """LVR-5314: an upload's id is none."""
    return refusal(
        "LVR-5314",
        message="an upload's id is 32 hex digits in lower case",
        hint="draw 16 random bytes",
        message_zh="上传标识须为 32 位小写十六进制数字",
        hint_zh="请随机生成 16 字节",
    )


def kept_for_auditors(limit_mib: int, until: str) -> Refused:
    """LVR-5328: what was dropped or replaced is kept for auditors, and with it there is no room for more."""
    return refusal(
        "LVR-5328",
        message=f"with what you have dropped or replaced your tables would have more than {limit_mib} MiB",
        hint="ciphertexts are kept for a while, so that an auditor can look into them; room comes back "
        f"from {until} on, or the operator raises limits.own_tables_mib",
        message_zh=f"连同已删除或已替换的表，贵机构的表将超过 {limit_mib} MiB",
        hint_zh=f"密文须保留一段时间以备审计员抽查；{until} 起逐步释放空间，或由运营机构提高 limits.own_tables_mib",
        details={"limit": str(limit_mib), "until": until},
    )

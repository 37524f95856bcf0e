"""LVR-73xx: what the log and the installation keep. None depends on what any data hold."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def unknown_decider() -> Refused:
    """LVR-7351: no bundle or catalogue of this digest is kept."""
    return refusal(
        "LVR-7351",
        message="no bundle of policies and no catalogue of this digest is kept",
        hint="ask for the SHA-256 in hex that an admission names",
        message_zh="未保存具有该摘要的策略包或目录",
        hint_zh="请使用准入条目中所载的十六进制 SHA-256 摘要",
    )

"""How a refusal is made: a stable code, a place, the reason and what would make it work, in two languages."""

from __future__ import annotations

from collections.abc import Mapping

from louver.errors import Refused
from louver_sandbox.algebra.types import Position


def refusal(
    code: str,
    *,
    message: str,
    hint: str,
    message_zh: str,
    hint_zh: str,
    at: Position | None = None,
    rule: str = "",
    policy_version: str = "",
    details: Mapping[str, str] | None = None,
    retry_after: float | None = None,
) -> Refused:
    """The exception to raise. `rule` names what decided; nothing in it may come from the data."""
    return Refused(
        code=code,
        message=message,
        hint=hint,
        message_zh=message_zh,
        hint_zh=hint_zh,
        line=at.line if at else None,
        column=at.column if at else None,
        rule=rule,
        policy_version=policy_version,
        details=dict(details or {}),
        retry_after=retry_after,
    )

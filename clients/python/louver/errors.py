"""What can go wrong, sorted by who has to act.

    Error
      Refused    the platform said no, with a code and a position: the caller acts
      Fault      the platform failed, with an incident number:      the operator acts
      Unproven   a proof does not hold, with the bytes that failed: the auditor acts

Codes (``LVR-1301``) are stable and never reused. No message holds a value from government data or the text of
another library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass

_UNSET = object()


class Error(Exception):
    """The base of every error this package raises on purpose.

    Its fields can be set once, when it is made. A full ``dataclass(frozen=True)`` would not do: the standard
    library itself assigns ``__traceback__`` and ``__notes__`` while an exception travels.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__") and self.__dict__.get(name, _UNSET) is not _UNSET:
            raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[type[Error], tuple[object, ...]]:
        # Else an error made with keyword arguments could not come back from another process.
        return type(self), tuple(getattr(self, item.name) for item in fields(self)) if is_dataclass(
            self
        ) else self.args


@dataclass(eq=False)
class Refused(Error):
    """The platform declined a request; nothing was read. The caller can change the request.

    ``line`` and ``column`` (from 1) point into the caller's own SQL. ``rule`` and ``policy_version`` name what
    decided. ``hint`` says what would make the request legal. ``retry_after`` is seconds after which the very
    same request may succeed, or None when waiting changes nothing.
    """

    code: str
    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None
    rule: str = ""
    policy_version: str = ""
    message_zh: str = ""
    hint_zh: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same request, unchanged, may succeed later."""
        return self.retry_after is not None

    def __str__(self) -> str:
        place = f" (line {self.line}, column {self.column})" if self.line is not None else ""
        lines = [f"{self.code}: {self.message}{place}"]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


@dataclass(eq=False)
class Fault(Error):
    """The platform failed. The text is constant, so that no data can travel in it.

    ``incident`` is the number under which the operator finds what happened.
    """

    incident: str

    def __str__(self) -> str:
        return f"the platform could not answer; incident {self.incident}"


@dataclass(eq=False)
class Unproven(Error):
    """A proof does not hold: a receipt, checkpoint or signature is not what it claims to be.

    ``evidence`` keeps the very bytes that failed, because a failed proof is what a dispute starts from.
    """

    message: str
    evidence: bytes = b""

    def __str__(self) -> str:
        if not self.evidence:
            return self.message
        digest = hashlib.sha256(self.evidence).hexdigest()
        return f"{self.message} (evidence: {len(self.evidence)} bytes, sha256 {digest[:16]})"

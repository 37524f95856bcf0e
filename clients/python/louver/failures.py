"""What can go wrong on the bank's own side of the wire.

``louver.errors`` says who acts; the classes here add what only a client can meet: settings or arguments that
cannot be used, and a platform that cannot be reached. No text of another library is passed on.
"""

from __future__ import annotations

from dataclasses import dataclass

from louver.errors import Error, Fault

UNKNOWN_INCIDENT = "not given"
"""In place of an incident number where the platform could not hand one out."""


@dataclass(eq=False)
class Misused(Error):
    """What was passed, configured or installed on this machine cannot be used; nothing was sent.

    ``code`` is that of the refusal with which the platform would have answered, where there is one.
    """

    message: str
    hint: str = ""
    code: str = ""

    def __str__(self) -> str:
        message = f"{self.code}: {self.message}" if self.code else self.message
        return f"{message}\n  hint: {self.hint}" if self.hint else message


@dataclass(eq=False)
class MissingExtra(Misused):
    """An optional library is not installed; the hint is the command that installs it."""


@dataclass(eq=False)
class Unreachable(Fault):
    """No answer came: the connection, the certificates or the deadline are the trouble, not the question.

    ``transient`` tells whether the same request may succeed later unchanged. A question that was already paid
    for is answered from store when it is asked again under the same ``request_id``.
    """

    message: str = ""
    hint: str = ""
    transient: bool = False
    request_id: str = ""

    def __str__(self) -> str:
        lines = [self.message]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        if self.request_id:
            lines.append(f"  ask again with request_id={self.request_id}: a paid answer is not charged twice")
        return "\n".join(lines)


def missing_extra(what: str, extra: str) -> MissingExtra:
    """The error for a feature that needs an optional library."""
    return MissingExtra(f"{what} is not installed", f"pip install louver[{extra}]")


def cut_off(request_id: str = "") -> Unreachable:
    """The stream ended before the answer was whole."""
    return Unreachable(UNKNOWN_INCIDENT, "the connection ended in the middle of the answer", "", True, request_id)

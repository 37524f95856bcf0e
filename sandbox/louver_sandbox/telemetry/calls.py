"""One call as telemetry may know it: which method, when it passed which stage, and how it ended."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

End = Literal["ok", "refused", "fault", "cancelled", "failed"]
Stage = Literal["waiting", "check", "commit", "answer"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
HEARD: Final[dict[str, Stage]] = {"checked": "check", "admitted": "commit"}
"""What the pipeline says when a stage is over."""
_CODE = re.compile(r"LVR-\d{4}\Z")
OTHER = "other"


def query_id(request_id: str) -> str:
    """The name of a question in messages and spans: a request id is its caller's own text, so it is not told itself.

    The first 16 hexadecimal digits of its SHA-256, by which whoever has the id, or the log, finds the messages.
    """
    return hashlib.sha256(request_id.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Passed:
    """A stage that a call has left, and how long it took, in seconds."""

    stage: Stage
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over. `code` is its refusal's, `query` the digest of its question's id; either may be ""."""

    method: str
    end: End
    code: str
    query: str
    seconds: float
    stages: tuple[Passed, ...]


class Call:
    """A call under way. Its own thread and those that work for it may tell it things; it keeps no text."""

    def __init__(self, method: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._method = method
        self._clock = clock
        self._began = self._left = clock()
        self._stages: list[Passed] = []
        self._end: End = "ok"
        self._code = ""
        self._query = ""

    def asks(self, request_id: str) -> None:
        """Which question it is about."""
        self._query = query_id(request_id)

    def passed(self, stage: Stage) -> None:
        """A stage is over."""
        now = self._clock()
        self._stages.append(Passed(stage, now - self._left))
        self._left = now

    def heard(self, said: str) -> None:
        """What the pipeline says, where it is the end of a stage."""
        if said in HEARD:
            self.passed(HEARD[said])

    def refused(self, code: str) -> None:
        """It ends with a refusal. What has not the form of a code is not repeated."""
        self._end, self._code = "refused", code if _CODE.match(code) else OTHER

    def faulted(self) -> None:
        """It ends with the constant fault."""
        self._end = "fault"

    def ended(self, otherwise: End = "ok") -> Ended:
        """The whole, now that it is over: as it was told, else as its handler ended."""
        end = otherwise if self._end == "ok" else self._end
        seconds = self._clock() - self._began
        return Ended(self._method, end, self._code, self._query, seconds, tuple(self._stages))

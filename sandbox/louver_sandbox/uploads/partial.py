"""Uploads on their way in that can be resumed: what has come of each, for the institution that sends it.

An upload is named by an id that its sender draws. Its bytes go to a spool file as they come; where the connection is
cut, file and running digest stay for a while, and the sender goes on behind them. What is another institution's is
not there for anybody else. Nothing is more than bytes until the sender has said the digest of all of them, and it is
theirs.

All institutions together have so many uploads on their way, and so many bytes of them. Where a further one has no
room, what was cut off goes: first of the institution that has most, the oldest first, and never for the sake of one
that has as much or more. So nobody loses an upload to somebody's greed but the greedy.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from louver_sandbox.refusals import capacity
from louver_sandbox.refusals.encrypted import uploads as refuse

if TYPE_CHECKING:
    from hashlib import _Hash

KEPT_S = 1800.0
"""How long an upload that is cut off may be resumed."""

MOST = 4
"""Uploads of one institution that are kept to be resumed; a further one takes the place of the oldest."""

WAITED_S = 3.0
"""How long a call that goes on with an upload waits for the one that was cut off to end."""

RETRY_S = 2.0

_ID = re.compile(r"[0-9a-f]{32}\Z")

FOLDER = "partial-"
"""Begins the names of their spool files."""


@dataclass(frozen=True, slots=True)
class Received:
    """What has come of an upload: so many bytes, with this SHA-256."""

    size: int
    sha256: bytes


@dataclass
class Partial:
    """One upload of an institution. `seen` is when bytes of it last came; `busy` says that a call holds it, and
    `coming` how many bytes that call is about to write."""

    file: Path
    institution: str
    digest: _Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    seen: float = 0.0
    busy: bool = False
    coming: int = 0

    def add(self, chunk: bytes) -> None:
        """Remembers bytes that have been written."""
        self.digest.update(chunk)
        self.size += len(chunk)
        self.coming = 0


class Partials:
    """The uploads on their way in, at most so many with at most so many bytes. `elapsed` is a monotonic clock in
    seconds."""

    def __init__(
        self, spool: Path, elapsed: Callable[[], float], most: int = 256, most_bytes: int = 8192 << 20
    ) -> None:
        self._spool = spool
        self._elapsed = elapsed
        self._most = most
        self._most_bytes = most_bytes
        self._held: dict[tuple[str, str], Partial] = {}
        self._changing = threading.Condition()

    def received(self, institution: str, upload: str) -> Received:
        """What has come of an upload of the institution: nothing, where there is none of that id.

        It waits for nobody, so that asking holds no thread. Raises `Refused` LVR-5314 for what is no id, LVR-3101
        while a call is still at work on it.
        """
        key = (institution, _checked(upload))
        with self._changing:
            found = self._free(key, wait_s=0.0)
            if found is None:
                return Received(0, hashlib.sha256().digest())
            return Received(found.size, found.digest.digest())

    @contextmanager
    def whole(self, institution: str) -> Iterator[Partial]:
        """An upload without an id: it is gone when the call ends. Raises `Refused` LVR-3101 without room."""
        key = (institution, f"whole {secrets.token_hex(16)}")
        with self._changing:
            found = self._begun(key)
            found.busy = True
        try:
            yield found
        finally:
            with self._changing:
                self._forget(key)

    def make_room(self, part: Partial, size: int) -> None:
        """Before so many bytes of an upload are written. Raises `Refused` LVR-3101 where all have too many."""
        with self._changing:
            part.coming = 0
            while (have := self._bytes()).total() + size > self._most_bytes:
                self._let_go_of_one(part.institution, have, size)
            part.coming = size

    @contextmanager
    def going_on(self, institution: str, upload: str, offset: int) -> Iterator[Partial]:
        """The upload, to be gone on with behind so many bytes. It stays when the call ends without `done`.

        Raises `Refused` LVR-5314, LVR-3101, and LVR-5311 where other bytes have come than the caller believes.
        """
        key = (institution, _checked(upload))
        with self._changing:
            found = self._free(key, WAITED_S)
            if offset != (0 if found is None else found.size):
                raise refuse.elsewhere()
            if found is None:
                found = self._begun(key)
            found.busy = True
        try:
            yield found
        finally:
            with self._changing:
                found.busy, found.seen, found.coming = False, self._elapsed(), 0
                self._changing.notify_all()

    def done(self, institution: str, upload: str) -> None:
        """Forgets an upload: it is stored, or is never going to be."""
        with self._changing:
            self._forget((institution, upload))

    def sweep(self) -> None:
        """Forgets what was cut off too long ago. To be called now and then, for nobody may ask."""
        with self._changing:
            self._sweep()

    def _free(self, key: tuple[str, str], wait_s: float) -> Partial | None:
        """The upload when no call is at work on it. A connection that is cut is noticed a moment later on this side,
        so who sends waits for that so many seconds. Raises `Refused` LVR-3101."""
        self._sweep()
        if not self._changing.wait_for(lambda: key not in self._held or not self._held[key].busy, wait_s):
            raise capacity.overloaded("institution", RETRY_S)
        return self._held.get(key)

    def _begun(self, key: tuple[str, str]) -> Partial:
        own = [each for each in self._held if each[0] == key[0]]
        idle = sorted((each for each in own if not self._held[each].busy), key=lambda each: self._held[each].seen)
        for oldest in idle[: max(0, len(own) - MOST + 1)]:
            self._forget(oldest)
        while len(self._held) >= self._most:
            self._let_go_of_one(key[0], Counter(institution for institution, _ in self._held), 1)
        # Its name says nothing: an institution's could hold what no file name may.
        name = hashlib.sha256("\0".join(key).encode()).hexdigest()
        self._held[key] = Partial(self._spool / f"{FOLDER}{name}", key[0], seen=self._elapsed())
        return self._held[key]

    def _bytes(self) -> Counter[str]:
        """What each institution has, with what is about to be written."""
        have = Counter[str]()
        for one in self._held.values():
            have[one.institution] += one.size + one.coming
        return have

    def _let_go_of_one(self, institution: str, have: Mapping[str, int], more: int) -> None:
        """Forgets an upload that was cut off: of the institution that has most, the oldest. `have` is what each has
        (uploads or bytes), and this one is to have so much more. Raises `Refused` LVR-3101 where no other has more
        than it would have then, and it has none itself that could go."""
        would_have = have.get(institution, 0) + more
        going = [
            (have[key[0]], -one.seen, key)
            for key, one in self._held.items()
            if not one.busy and (key[0] == institution or have[key[0]] > would_have)
        ]
        if not going:
            raise capacity.overloaded("service", RETRY_S)
        self._forget(max(going)[2])

    def _sweep(self) -> None:
        old = [key for key, one in self._held.items() if not one.busy and self._elapsed() - one.seen > KEPT_S]
        for key in old:
            self._forget(key)

    def _forget(self, key: tuple[str, str]) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            found.file.unlink(missing_ok=True)


def _checked(upload: str) -> str:
    if not _ID.match(upload):
        raise refuse.malformed_id()
    return upload

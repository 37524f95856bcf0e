"""Documents whose grants no longer answer: revoked by an officer, or past the last day of their approval.

A revocation takes effect at the next question: the file is looked at for each. It takes nothing out of the bundle, so
that denies of a revoked document go on denying; what its grants would permit is refused. A file that cannot be read,
or a revocation whose signature does not hold, stops every question about other people's data.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from louver_sandbox.policy.approvals import HOUSE, Statement
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.officers import Officer
from louver_sandbox.policy.revocations import latest, parse_revocations
from louver_sandbox.refusals import policy as refuse

NOTHING = b"[]"
ABSENT = (0, 0, 0)


class Withdrawn:
    """Refuses what rests on withdrawn documents. Threads may share it; the file is read again when it changed.

    `logged` are the last revoked versions that the log knows: whoever takes a revocation out of the file again
    revives nothing, neither while the service runs nor at its next start.
    """

    def __init__(
        self, path: Path, statements: Iterable[Statement], officers: Sequence[Officer], logged: Mapping[str, int]
    ) -> None:
        self._path = path
        self._statements: Mapping[str, Statement] = {item.id: item for item in statements}
        self._house = tuple(name for name, item in self._statements.items() if item.owner == HOUSE)
        self._officers = tuple(officers)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._revoked = dict(logged)
        self._readable = True

    def check(self, policies: Iterable[str], today: date) -> None:
        """Refuses (LVR-2010) a plan that rests on any of these (`id@version`, joined ids by `+`) when withdrawn.

        Whatever rests on a policy rests on the rules of the house too.
        """
        revoked, readable = self._current()
        for said in policies:
            ids, _, version = said.rpartition("@")
            for name in (*ids.split("+"), *self._house):
                if not readable:
                    raise refuse.policy_withdrawn(name, version, why="revoked", why_zh="撤销")
                statement = self._statements.get(name)
                if statement is None or statement.expires < today:
                    raise refuse.policy_withdrawn(name, version, why="expired", why_zh="到期")
                if statement.serial <= revoked.get(name, 0):
                    raise refuse.policy_withdrawn(name, version, why="revoked", why_zh="撤销")

    def know(self, logged: Mapping[str, int]) -> None:
        """Takes in what the log says was revoked, or replaced by a later version, in another service."""
        with self._lock:
            for name, serial in logged.items():
                self._revoked[name] = max(serial, self._revoked.get(name, 0))

    def _current(self) -> tuple[Mapping[str, int], bool]:
        """The last revoked serial by document, and whether the file can be trusted."""
        with self._lock:
            try:
                stamp, text = self._changed()
                if text is not None:
                    for item in latest(parse_revocations(text), self._officers).values():
                        self._revoked[item.id] = max(item.serial, self._revoked.get(item.id, 0))
                self._stamp, self._readable = stamp, True
            except (OSError, BundleRefused):
                self._stamp, self._readable = None, False
            return dict(self._revoked), self._readable

    def _changed(self) -> tuple[tuple[int, int, int], bytes | None]:
        """The file's stamp, and its text where that is new. No file is an empty list."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return ABSENT, NOTHING if self._stamp != ABSENT else None
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        return stamp, self._path.read_bytes() if stamp != self._stamp else None

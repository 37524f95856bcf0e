"""Simulations under way: each is one call to the sandbox, followed by a thread, whose last word is kept for its page.

Nothing of them is stored: what was found of a version the sandbox keeps with it.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Final

from louver.errors import Error
from louver.policies import PolicyClient, Simulated

MOST: Final = 5
"""Simulations of one officer's that are remembered; the oldest of theirs is forgotten, and nobody else's."""
EXAMPLES: Final = 5


@dataclass
class Followed:
    """A simulation of somebody's: what it is of, the last that was heard, and what ended it before its end."""

    of: str
    last: Simulated | None = None
    problem: Error | None = None
    forgotten: bool = False


class Simulations:
    """The simulations of one console."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followed: defaultdict[str, OrderedDict[str, Followed]] = defaultdict(OrderedDict)

    def begin(self, who: str, office: PolicyClient, text: str, version: str, days: int) -> str:
        """Begins one, of a draft or of a version; its number."""
        number, followed = secrets.token_urlsafe(12), Followed(version)
        with self._lock:
            mine = self._followed[who]
            mine[number] = followed
            while len(mine) > MOST:
                mine.popitem(last=False)[1].forgotten = True
        arguments = (followed, office, text, version, days)
        threading.Thread(target=_follow, args=arguments, name="simulation", daemon=True).start()
        return number

    def of(self, who: str, number: str) -> Followed | None:
        """One of somebody's own."""
        with self._lock:
            return self._followed[who].get(number) if who in self._followed else None

    def close(self) -> None:
        """Stops following."""
        with self._lock:
            for mine in self._followed.values():
                for followed in mine.values():
                    followed.forgotten = True


def _follow(followed: Followed, office: PolicyClient, text: str, version: str, days: int) -> None:
    try:
        for followed.last in office.simulate(text, version=version, days=days, examples=EXAMPLES):
            if followed.forgotten:
                return
    except Error as error:
        followed.problem = error

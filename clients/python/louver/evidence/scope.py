"""Which entries a report or a pack is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from louver.failures import Misused

ACTS: Final = (
    "activation", "policy", "snapshot", "quality", "purge", "erasure", "pruning", "hold", "hold_released",
    "ledger-rebuilt",
)  # fmt: skip
"""What the platform and its officers did, which everybody's answers rest on."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """Entries from one day (inclusive) to before another, UTC; of these institutions, or of all if none is named.

    The platform's acts of that time belong to each, and every activation until its end, since it says what decided;
    auditors' looks only where no institution is named.
    """

    since: str
    until: str
    institutions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ``Misused`` for days that are none, or none between them."""
        for day in (self.since, self.until):
            try:
                if not _DAY.fullmatch(day):
                    raise ValueError
                date.fromisoformat(day)
            except ValueError:
                raise Misused("a day is written as 2026-07-01") from None
        if self.since >= self.until:
            raise Misused("the first day is not before the last")

    def covers(self, fields: Mapping[str, Any]) -> bool:
        """Whether an entry with these fields belongs to it."""
        kind, time = str(fields.get("kind")), str(fields.get("time"))
        if kind == "activation" and time < self.until:
            return True
        if not self.since <= time < self.until:
            return False
        return not self.institutions or kind in ACTS or fields.get("institution") in self.institutions

    def body(self) -> dict[str, Any]:
        """As a manifest says it."""
        return {"since": self.since, "until": self.until, "institutions": list(self.institutions)}

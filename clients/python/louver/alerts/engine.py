"""Entries in, alerts out: every rule's filter, its pattern, and for how long the same is not said again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from louver.alerts.events import Event
from louver.alerts.memory import Alert, Memory
from louver.alerts.patterns import PATTERNS, Found, Looking
from louver.alerts.rules import Rule
from louver.display import visible

MOST_ENTRIES: Final = 50
"""Entries that an alert names, the newest; it says of how many."""
LONGEST: Final = 128
"""Characters of what an alert says of an institution, purpose or dataset: others have chosen them."""
_SAID: Final = "said:"


@dataclass(frozen=True)
class Engine:
    """Rules over a memory. ``origin`` is the log's name; ``key`` keys what is remembered of words."""

    rules: Sequence[Rule]
    memory: Memory
    origin: str
    key: bytes

    def take(self, event: Event) -> Iterator[Alert]:
        """The alerts that an event gives; what was remembered changes."""
        for rule in self.rules:
            if not fits(rule, event):
                continue
            for found in PATTERNS[rule.pattern](Looking(rule, self.memory, self.key), event):
                if self._is_news(rule, found, event.time):
                    yield self._alert(rule, found, event)

    def _is_news(self, rule: Rule, found: Found, now: float) -> bool:
        name = _SAID + hashlib.sha256(found.name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        last = self.memory.recall(rule.id, name)
        # What was said at a time that is still to come was said by a clock that was wrong, and silences nothing.
        if last is not None and last <= now < last + rule.quiet:
            return False
        self.memory.remember(rule.id, name, now, now + rule.quiet)
        return True

    def _alert(self, rule: Rule, found: Found, event: Event) -> Alert:
        about = {name: visible(value)[:LONGEST] for name, value in found.about.items() if value}
        said = json.dumps([self.origin, rule.id, rule.digest, found.name, found.entries[0], found.entries[-1]])
        return Alert(
            id=hashlib.sha256(said.encode()).hexdigest()[:32],
            rule=rule.id,
            wording=rule.digest,
            severity=rule.severity,
            title=visible(rule.title),
            title_zh=visible(rule.title_zh),
            origin=self.origin,
            about=about,
            first=moment(found.first),
            last=moment(event.time),
            count=found.count,
            entries=found.entries[-MOST_ENTRIES:],
        )


def fits(rule: Rule, event: Event) -> bool:
    """Whether the event is what a rule's filter wants: of each field, one of the values. `tax*` is what begins so."""
    return all(
        any(_is(wanted, value) for wanted in values for value in event.said.get(name, ()))
        for name, values in rule.where.items()
    )


def _is(wanted: str, value: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, to the second's thousandth."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""A log as a follower meets it, over a state store of its own; what the service gives is made by the service's code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tests.support.audit_logs import KEY

from louver.alerts.following import Follower, Step
from louver.alerts.memory import Alert, Memory
from louver.alerts.rules import Rule, parse
from louver.audit.results import Given
from louver.transparency import Checkpoint
from louver_sandbox.audit import AuditLog
from louver_sandbox.service import audit_told

BURST = """\
version: 1
rules:
  - id: burst
    title: Many refusals
    title_zh: 多次被拒
    severity: high
    pattern: burst
    where: {verdict: refused}
    at_least: 5
    within: 1h
    tests:
      - {name: five, entries: [{repeat: 5, kind: refusal, institution: a}], alerts: 1}
      - {name: four, entries: [{repeat: 4, kind: refusal, institution: a}], alerts: 0}
"""


ALERT = Alert(
    id="a" * 32, rule="burst", wording="b" * 16, severity="high", title="Many refusals", title_zh="多次被拒",
    origin="louver.example/log", about={"institution": "bank_a"}, first="2026-07-01T00:00:00.000Z",
    last="2026-07-01T00:01:00.000Z", count=5, entries=(1, 2, 3, 4, 5),
)  # fmt: skip


@dataclass
class WatchedLog:
    """What a service shows of a log; ``forge`` changes entries on their way, ``shown`` puts another head there."""

    log: AuditLog
    forge: Callable[[Given], Given | None] = lambda given: given
    shown: Checkpoint | None = None
    reads: list[int] = field(default_factory=list)

    def checkpoint(self) -> Checkpoint:
        return self.shown or self.log.head()

    def read_entries(self, start: int) -> tuple[Checkpoint, Iterable[Given]]:
        self.reads.append(start)
        return self.checkpoint(), self._entries(start, self.checkpoint().claimed.size)

    def _entries(self, start: int, end: int) -> Iterator[Given]:
        with self.log.state.reading() as tx:
            for begin in range(start, end, 200):
                for one in audit_told.followed(tx, begin, min(begin + 200, end)):
                    made = self.forge(Given(one.body, one.sql, one.salt, tuple(one.datasets)))
                    if made is not None:
                        yield made


def refuse(log: AuditLog, number: int, institution: str = "bank_a", purpose: str = "RESEARCH") -> None:
    """So many refusals, a second apart."""
    with log.state.transaction() as tx:
        for one in range(number):
            body = {"kind": "refusal", "institution": institution, "purpose": purpose, "code": "LVR-2101"}
            log.append(tx, {**body, "request_id": f"r{one}"}, {"sql": f"SELECT {one} FROM gov.t"})


@contextmanager
def memory(path: Path) -> Iterator[Memory]:
    found = Memory.open(path)
    try:
        yield found
    finally:
        found.close()


def look(log: WatchedLog, path: Path, rules: tuple[Rule, ...] | None = None) -> Step:
    """One look by a follower that is started for it and ends with it."""
    with memory(path) as kept:
        follower = Follower(parse(BURST) if rules is None else rules, kept, KEY)
        return follower.look(log, lambda: datetime(2026, 7, 1, tzinfo=UTC))


def changed_sql(given: Given) -> Given:
    return replace(given, sql="SELECT something_else")

"""The tests that stand with a rule: entries as a log would have them, and how many alerts the rule must give.

    - name: twenty refusals in ten minutes
      entries:
        - {repeat: 20, every: 20s, kind: refusal, institution: bank_a, code: LVR-2101}
      alerts: 1

An entry has fields of the log as text. `repeat` makes so many of it, `every` is the time between them, `after` the
time since the entry before; `{n}` in a text is the number of the repetition. `charges` are `{dataset, kind, count,
limit, keys}`, `privacy` `{dataset, unit, rho}`, `notices` counts by name, `history` names of patterns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from louver.alerts.engine import Engine
from louver.alerts.events import Event, event_of
from louver.alerts.memory import Memory
from louver.alerts.rules import Case, Rule, duration

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
MOST: Final = 20_000
"""Entries of one test."""
_PLAIN: Final = ("kind", "institution", "purpose", "code", "treatment", "sql")
_KNOWN: Final = {*_PLAIN, "repeat", "every", "after", "rows", "charges", "privacy", "notices", "history", "dataset"}


class BadTest(Exception):
    """A test that cannot be run."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A test, and how many alerts there were; None where it cannot be run, with the reason."""

    rule: str
    case: Case
    alerts: int | None
    problem: str = ""

    @property
    def ok(self) -> bool:
        return self.alerts == self.case.alerts


def try_rules(rules: tuple[Rule, ...]) -> list[Tried]:
    """Every test of every rule, each by itself."""
    return [_tried(rule, case) for rule in rules for case in rule.cases]


def _tried(rule: Rule, case: Case) -> Tried:
    memory = Memory.passing()
    try:
        engine = Engine((rule,), memory, "test", b"a test")
        return Tried(rule.id, case, sum(1 for event in _events(case) for _ in engine.take(event)))
    except BadTest as bad:
        return Tried(rule.id, case, None, str(bad))
    finally:
        memory.close()


def _events(case: Case) -> Iterator[Event]:
    now, index = BEGIN, 0
    for given in case.entries:
        try:
            if unknown := sorted(given.keys() - _KNOWN):
                raise BadTest(f"{unknown[0]} is not a field of an entry in a test")
            repeat, step = int(given.get("repeat", "1")), duration(given.get("every", "1s"))
            now += timedelta(seconds=duration(given["after"])) if "after" in given else timedelta(0)
            for number in range(repeat):
                if index >= MOST:
                    raise BadTest(f"more than {MOST} entries")
                now += timedelta(seconds=step)
                yield _event(given, index, now, number)
                index += 1
        except (ValueError, TypeError, AttributeError, KeyError):
            raise BadTest("an entry of the test is not of its form") from None


def _event(given: Mapping[str, Any], index: int, now: datetime, number: int) -> Event:
    plain = {name: given[name].replace("{n}", str(number)) for name in _PLAIN if name in given}
    fields: dict[str, Any] = {
        **{name: value for name, value in plain.items() if name != "sql"},
        "index": index,
        "time": now.isoformat(),
        "rows": int(given.get("rows", "0")),
        "charges": [_charge(item, number) for item in _list(given, "charges")],
        "privacy": [
            {"dataset": item["dataset"], "unit": item["unit"], "cost": {"rho": item["rho"]}}
            for item in _list(given, "privacy")
        ],
        "notices": {name: int(count) for name, count in given.get("notices", {}).items()},
        "history": [{"pattern": name} for name in _list(given, "history")],
    }
    return event_of(fields, plain.get("sql", ""), [given["dataset"]] if "dataset" in given else [])


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    found = given.get(name, [])
    if not isinstance(found, list):
        raise TypeError("no list")
    return found


def _charge(item: Mapping[str, Any], number: int) -> dict[str, Any]:
    keys = [key.replace("{n}", str(number)) for key in item.get("keys", [])]
    return {
        "dataset": item["dataset"],
        "kind": item["kind"],
        "count": int(item.get("count", "0" if keys else "1")),
        "limit": int(item.get("limit", "0")),
        "keys": keys,
    }

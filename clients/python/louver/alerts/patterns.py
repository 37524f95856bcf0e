"""What each pattern remembers of the entries that fit its filter, and when it speaks.

Each is a function of a rule, an event and what was remembered, and gives what is found: the name under which it is
said, what it is about, and the entries. What is remembered of one name is bounded (``MOST_MARKS``); what a rule
remembers expires with its window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from louver.alerts.events import Event
from louver.alerts.memory import Memory
from louver.alerts.rules import Rule
from louver.alerts.shapes import Shape, shape_of

MOST_MARKS: Final = 2_000
"""Entries that are remembered under one name; a rule that wants more is satisfied with so many."""
MOST_SHAPES: Final = 100
"""Statements of one window that a new one is compared with, the newest."""


@dataclass(frozen=True, slots=True)
class Found:
    """``name`` tells apart what is said once in a while; ``about`` is for people; ``first`` is when it began."""

    name: str
    about: Mapping[str, str]
    entries: tuple[int, ...]
    count: int
    first: float


@dataclass(frozen=True, slots=True)
class Looking:
    """A rule, its memory, and the key under which words are remembered."""

    rule: Rule
    memory: Memory
    key: bytes

    def marks(self, name: str, event: Event, extra: Any = None) -> list[list[Any]]:
        """The marks ``[time, entry, extra]`` of the window under a name, this event's the last of them. Time does not
        go back where a clock did."""
        known: list[list[Any]] = self.memory.recall(self.rule.id, name) or []
        now = max([event.time, *(known[-1][:1] if known else ())])
        since = now - self.rule.within
        kept = [mark for mark in known[-MOST_MARKS + 1 :] if mark[0] > since]
        kept.append([now, event.index, extra])
        self.memory.remember(self.rule.id, name, kept, now + self.rule.within)
        return kept


def burst(at: Looking, event: Event) -> Iterator[Found]:
    """So many entries within the window."""
    name, about = _per(at.rule, event)
    marks = at.marks(name, event)
    if len(marks) >= min(at.rule.options["at_least"], MOST_MARKS):
        yield _found(name, about, marks)


def near_duplicates(at: Looking, event: Event) -> Iterator[Found]:
    """So many statements within the window that differ from this one by literals or a few words."""
    if not event.sql:
        return
    name, about = _per(at.rule, event)
    shape = shape_of(event.sql, at.key)
    known = [mark for mark in (at.memory.recall(at.rule.id, name) or []) if isinstance(mark[2], list)]
    shapes = [Shape(mark[2][0], frozenset(mark[2][1])) for mark in known[-MOST_SHAPES:]]
    if shape in shapes:
        return  # what is asked again is answered from what was stored and tells nothing more
    marks = at.marks(name, event, [shape.literals, sorted(shape.words)])[-MOST_SHAPES - 1 :]
    at.memory.remember(at.rule.id, name, marks, marks[-1][0] + at.rule.within)
    apart = at.rule.options["apart"]
    near = [mark for mark in marks[:-1] if shape.near(Shape(mark[2][0], frozenset(mark[2][1])), apart)]
    if len(near) + 1 >= at.rule.options["at_least"]:
        yield _found(name, about, [*near, marks[-1]])


def budget_burn(at: Looking, event: Event) -> Iterator[Found]:
    """So much of one budget within the window: percent of a day's grant, units, or rho."""
    share, units, rho = (at.rule.options[name] for name in ("share", "units", "rho"))
    name, about = _per(at.rule, event)
    if rho is not None:
        for dataset, unit, lost in event.rho:
            marks = at.marks(f"{name}\0{dataset}\0{unit}", event, str(lost))
            if sum(Fraction(mark[2]) for mark in marks) >= rho:
                yield _found(
                    f"{name}\0{dataset}\0{unit}", {**about, "dataset": dataset, "budget": f"privacy:{unit}"}, marks
                )
        return
    for spent in event.spent:
        if not spent.units:
            continue
        where = f"{name}\0{spent.dataset}\0{spent.kind}"
        marks = at.marks(where, event, spent.units)
        total = sum(int(mark[2]) for mark in marks)
        enough = total >= units if units is not None else spent.limit > 0 and 100 * total >= share * spent.limit
        if enough:
            yield _found(where, {**about, "dataset": spent.dataset, "budget": spent.kind}, marks)


def new_purpose(at: Looking, event: Event) -> Iterator[Found]:
    """The same subjects, by the digest of the conditions that choose them, asked about for another purpose."""
    purpose, institution = event.one("purpose"), event.one("institution")
    if not purpose or not institution:
        return
    for spent in event.spent:
        for key in dict.fromkeys(spent.keys):
            digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16, key=at.key).hexdigest()
            name = f"{institution}\0{spent.dataset}\0{digest}"
            known: dict[str, list[Any]] = at.memory.recall(at.rule.id, name) or {}
            fresh = {one: mark for one, mark in known.items() if mark[0] > event.time - at.rule.within}
            if purpose not in fresh and fresh and len(fresh) < 64:
                marks = [*fresh.values(), [event.time, event.index]]
                about = {"institution": institution, "dataset": spent.dataset, "purpose": purpose}
                yield _found(f"{name}\0{purpose}", about, sorted(marks))
            fresh[purpose] = [event.time, event.index]
            at.memory.remember(at.rule.id, name, fresh, event.time + at.rule.within)


def edge(at: Looking, event: Event) -> Iterator[Found]:
    """So many answers within the window of which at least a share was withheld: somebody feels for the threshold."""
    if not event.withheld or 100 * event.withheld < at.rule.options["share"] * (event.rows + event.withheld):
        return
    name, about = _per(at.rule, event)
    marks = at.marks(name, event)
    if len(marks) >= min(at.rule.options["at_least"], MOST_MARKS):
        yield _found(name, about, marks)


PATTERNS: Final[Mapping[str, Callable[[Looking, Event], Iterator[Found]]]] = {
    "burst": burst,
    "near_duplicates": near_duplicates,
    "budget_burn": budget_burn,
    "new_purpose": new_purpose,
    "edge": edge,
}


def _per(rule: Rule, event: Event) -> tuple[str, dict[str, str]]:
    about = {name: event.one(name) for name in rule.per}
    return "\0".join(about.values()), about


def _found(name: str, about: Mapping[str, str], marks: list[list[Any]]) -> Found:
    entries = tuple(int(mark[1]) for mark in marks)
    return Found(name, about, entries, len(entries), float(marks[0][0]))

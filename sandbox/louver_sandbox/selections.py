"""Which rows a question selects, in a canonical form that can be kept and compared with others (PRIVACY 5.8).

A selection is a conjunction with one condition for each operand: a column, an expression, or a condition of which
nothing more is known. What it allows its operand to be is a `Region`. So whether one selection is part of another,
or has no row in common with it, is proved operand by operand. Both proofs are sound for rows whose values do not
change and incomplete: what is not proved says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from louver_sandbox.algebra.regions import Region, common, within
from louver_sandbox.obligations import Period


class Pattern(StrEnum):
    """How the rows of two questions can lie to one another so that both answers together tell what neither does; the
    last is about one question by itself."""

    COMPLEMENT = "complement"
    SUBSET = "subset"
    NEAR_DUPLICATE = "near_duplicate"
    MARGINS = "margins"
    OVERLAP = "overlap"
    ISOLATING = "isolating"


class Response(StrEnum):
    """What is done about a pattern, the strictest last: nothing, a word to the auditor, a refusal."""

    OFF = "off"
    FLAG = "flag"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class HistoryRules:
    """What is done about each pattern, and how long a question is remembered: until its calendar window ends."""

    complement: Response = Response.FLAG
    subset: Response = Response.FLAG
    near_duplicate: Response = Response.FLAG
    margins: Response = Response.FLAG
    overlap: Response = Response.OFF
    isolating: Response = Response.FLAG
    window: Period = Period.MONTH

    def on(self, pattern: Pattern) -> Response:
        """What is done about this pattern."""
        response: Response = getattr(self, pattern.value)
        return response


FLAGGED = HistoryRules()
"""Where no policy says otherwise: everything but overlap is said to the auditor."""


def strictest_history(several: Iterable[HistoryRules]) -> HistoryRules:
    """The strictest response to each pattern and the longest window; the defaults where there is none."""
    rules, order, windows = tuple(several), list(Response), list(Period)
    if not rules:
        return FLAGGED
    responses = {item.value: max((one.on(item) for one in rules), key=order.index) for item in Pattern}
    return HistoryRules(**responses, window=max((one.window for one in rules), key=windows.index))


@dataclass(frozen=True, slots=True)
class Condition:
    """One operand, the base columns it is made of (`schema.table.column`), and what it must be."""

    operand: str
    columns: tuple[str, ...]
    region: Region


@dataclass(frozen=True, slots=True)
class Selected:
    """A protected dataset whose rows are selected, and the version of its data."""

    dataset: str
    version: str


@dataclass(frozen=True, slots=True)
class Selection:
    """One way in which a question selects rows of protected datasets; its cells are these rows by `keys`.

    `conditions` have one operand each and are sorted by it; none selects everything. `opposites` are the digests of
    selections that are this one with some conditions turned into their negation. `core` says to which of the
    question's aggregates it belongs: what one aggregate selects is judged together. `isolating` names what makes the
    conditions fit few subjects, whatever was asked before.
    """

    datasets: tuple[Selected, ...]
    conditions: tuple[Condition, ...]
    keys: tuple[str, ...]
    core: int
    opposites: tuple[str, ...] = ()
    isolating: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Names the rows: equal for equal conditions."""
        return digest_of(self.conditions)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every base column that decides which rows are selected."""
        return tuple(sorted({column for condition in self.conditions for column in condition.columns}))


def conjoined(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """The conditions, all of which must hold, as one for each operand, without those that always hold."""
    found: dict[str, list[Condition]] = {}
    for condition in conditions:
        found.setdefault(condition.operand, []).append(condition)
    merged = (replace(same[0], region=common(*(item.region for item in same))) for same in found.values())
    kept = (item for item in merged if item.region != Region(True, null=True))
    return tuple(sorted(kept, key=lambda item: item.operand))


@lru_cache(maxsize=4_096)
def digest_of(conditions: tuple[Condition, ...]) -> str:
    """128 bits of the SHA-256, in hex, of what the operands must be."""
    said = repr([(item.operand, item.region.inside, item.region.cuts, item.region.null) for item in conditions])
    return short_digest(said)


def short_digest(text: str) -> str:
    """128 bits of the SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def apart(one: tuple[Condition, ...], other: tuple[Condition, ...]) -> bool:
    """Whether it is proved that no row satisfies both."""
    regions = {item.operand: item.region for item in other}
    return any(item.operand in regions and common(item.region, regions[item.operand]).empty for item in one)


def part_of(inner: tuple[Condition, ...], outer: tuple[Condition, ...]) -> bool:
    """Whether it is proved that every row of the inner selection is one of the outer."""
    regions = {item.operand: item.region for item in inner}
    return all(item.operand in regions and within(regions[item.operand], item.region) for item in outer)


def patterns_between(new: Selection, old: Selection) -> frozenset[Pattern]:
    """How a selection lies to an earlier one: the definition that an index must agree with."""
    if new.digest == old.digest:
        return frozenset({Pattern.MARGINS} if new.keys != old.keys else ())
    found = {Pattern.COMPLEMENT} if old.digest in new.opposites else set()
    if part_of(new.conditions, old.conditions) or part_of(old.conditions, new.conditions):
        found.add(Pattern.SUBSET)
        if not new.conditions or not old.conditions:
            found.add(Pattern.COMPLEMENT)
    if apart(new.conditions, old.conditions):
        return frozenset(found)
    if new.columns == old.columns:
        found.add(Pattern.NEAR_DUPLICATE)
    return frozenset({*found, Pattern.OVERLAP})

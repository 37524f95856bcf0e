"""The cap on released cells as policies write it (PRIVACY 5.6). What terms without it leave open: `holding`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from louver_sandbox.obligations import UnitSetCap
from louver_sandbox.policy.terms import ThresholdTerms

MOST_PERCENT: Final = 10
"""Most cells that may be released of one data version, in percent of the units."""


@dataclass(frozen=True, slots=True)
class TermsProblem:
    """What is wrong with a grant's terms: `where` is the path below `threshold`."""

    where: tuple[str, ...]
    message: str
    message_zh: str
    hint: str = ""


def written(terms: ThresholdTerms) -> UnitSetCap | None:
    """One grant's cap as a rule."""
    given = terms.unit_sets
    return None if given is None else UnitSetCap(given.percent, given.institution_percent)


def combined(several: Iterable[UnitSetCap | None]) -> UnitSetCap | None:
    """The smallest of all; one is stricter than none."""
    caps = [cap for cap in several if cap is not None]
    if not caps:
        return None
    return UnitSetCap(min(cap.percent for cap in caps), min(cap.institution_percent for cap in caps))


def accepted(several: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Every accepted risk once."""
    return tuple(sorted({risk for risks in several for risk in risks}))


def below_floor(terms: ThresholdTerms) -> Iterator[TermsProblem]:
    """A cap that is looser than any may be."""
    if terms.unit_sets is not None and terms.unit_sets.percent > MOST_PERCENT:
        yield TermsProblem(
            ("unit_sets", "percent"),
            f"percent is above the floor of {MOST_PERCENT}: so many cells tell single subjects, noise or not",
            f"percent 高于底线 {MOST_PERCENT}：发布的分组过多，即使加噪也会暴露个体",
        )

"""The cap on released cells as policies write it, and what terms without it leave open (PRIVACY 5.6).

Cell-key noise holds one set of units. Whoever may ask about any number of sets can average it away over them, and
where equal numbers mean equal sets, compare them: both are closed by other keys of the same terms. An officer may
leave them open by saying so in the policy; lint refuses terms that leave them open silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from louver_sandbox.obligations import RoundingKind, UnitSetCap
from louver_sandbox.policy.model import CellKeyTerms, ThresholdTerms

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


def unheld(terms: ThresholdTerms) -> Iterator[TermsProblem]:
    """What lint says of terms that cannot hold what their noise promises and name no risk, and of a risk that is
    named where there is none."""
    found = tuple(_open(terms))
    if terms.accepts_risk is None:
        yield from found
    elif not found:
        says = "accepts_risk names a risk that these terms do not take"
        yield TermsProblem(("accepts_risk",), says, "accepts_risk 所述风险在本条款中并不存在", "remove it")


def _open(terms: ThresholdTerms) -> Iterator[TermsProblem]:
    if not isinstance(terms.noise, CellKeyTerms):
        return
    or_name = "or name the risk in accepts_risk: the log and every answer will carry it"
    if terms.unit_sets is None:
        yield TermsProblem(
            ("noise",),
            "noise without a cap on released cells is averaged away over many sets of subjects",
            "仅加噪而不限制发布的分组数，可通过大量分组求平均消除噪声",
            f"set unit_sets, {or_name}",
        )
    if terms.noise.rounding.mode is RoundingKind.NONE:
        yield TermsProblem(
            ("noise", "rounding"),
            "noise without rounding tells equal sets of subjects from different ones",
            "仅加噪而不舍入，可由数值是否相等判断主体集合是否相同",
            f"set rounding, {or_name}",
        )

"""Noise as policies write it: what is refused when it is loaded, and the strictest of several (PRIVACY 5.6).

Noise is stricter than none. Of two tables the one holds that has at least both variances and largest noises and is
made for the k in force; where none is supplied, such units have no table and their counts are refused. Of two
roundings the stricter kind holds, and a base that is a multiple of both. Sums leave where all allow them, with the
largest share, and with bases by declared bounds where one asks for these: they tell less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Final, Literal

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, RoundingKind
from louver_sandbox.perturbation.named import SUPPLIED, fitting, is_known, named, rounding_of, table_of
from louver_sandbox.perturbation.refused import PerturbationRefused
from louver_sandbox.perturbation.rounding import checked
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.terms import CellKeyTerms, SumBase, ThresholdTerms

LEAST_VARIANCE: Final = Fraction(1)
"""Least variance of a count's noise, whatever table a policy names."""

LEAST_SHARE: Final = Decimal(1)
"""Least noise of a sum, in standard deviations for each of its largest contributions."""


@dataclass(frozen=True, slots=True)
class NoiseProblem:
    """What is wrong with a grant's noise: `where` is the path below `threshold`."""

    where: tuple[str, ...]
    message: str
    message_zh: str
    hint: str = ""


def computed_tables(policies: Iterable[Policy]) -> tuple[str, ...]:
    """The references of the tables that policies use and that do not come with the program, in order."""
    terms = (grant.threshold.noise for policy in policies for grant in policy.grants)
    names = {name for noise in terms if isinstance(noise, CellKeyTerms) for name in (noise.person, noise.enterprise)}
    return tuple(sorted(names - SUPPLIED.keys()))


def written(terms: Literal["none"] | CellKeyTerms) -> NoiseRules | None:
    """One grant's noise as a rule."""
    if not isinstance(terms, CellKeyTerms):
        return None
    tables = {UnitType.PERSON: terms.person, UnitType.ENTERPRISE: terms.enterprise}
    share = None if terms.sums is None else terms.sums.share
    by_bounds = terms.sums is not None and terms.sums.base is SumBase.BOUNDS
    return NoiseRules(tables, terms.rounding.mode, terms.rounding.base or 1, share, by_bounds)


def problems(terms: ThresholdTerms) -> Iterator[NoiseProblem]:
    """Everything that a grant's noise cannot hold with its own thresholds."""
    if not isinstance(terms.noise, CellKeyTerms):
        return
    rules, k = written(terms.noise), {UnitType.PERSON: terms.person, UnitType.ENTERPRISE: terms.enterprise}
    for unit, name in rules.tables.items() if rules else ():
        at = ("noise", unit.value)
        if not is_known(name):
            hint = f"one of {', '.join(sorted(SUPPLIED))}, or NAME@sha256:... of a file tables/NAME.json"
            yield NoiseProblem(at, f"unknown perturbation table {name}", f"未知的扰动表 {name}", hint)
            continue
        found = named(name).terms
        if found.threshold != k[unit]:
            says = f"the perturbation table {name} is made for at least {found.threshold} units, not {k[unit]}"
            says_zh = f"扰动表 {name} 适用于至少 {found.threshold} 个主体，而非 {k[unit]}"
            yield NoiseProblem(at, says, says_zh, f"set threshold.{unit.value} to {found.threshold}")
        if found.variance < LEAST_VARIANCE:
            says = f"the variance of the perturbation table {name} is below the floor of {LEAST_VARIANCE}"
            yield NoiseProblem(at, says, f"扰动表 {name} 的方差低于底线 {LEAST_VARIANCE}")
    if rules is not None:
        yield from _of_rounding(rules)
        yield from _of_bounds(rules)
    if rules is not None and rules.share is not None and rules.share < LEAST_SHARE:
        says = f"share is below the floor of {LEAST_SHARE}: noise would hide no contribution"
        yield NoiseProblem(("noise", "sums", "share"), says, f"share 低于底线 {LEAST_SHARE}，噪声掩盖不了任何贡献")


def _of_bounds(rules: NoiseRules) -> Iterator[NoiseProblem]:
    """Bases without rounding."""
    if rules.by_bounds and rules.rounding is RoundingKind.NONE:
        says = "sums.base says how sums are rounded, and rounding is none"
        yield NoiseProblem(("noise", "sums", "base"), says, "sums.base 指定求和的舍入基数，但未设舍入方式")


def _of_rounding(rules: NoiseRules) -> Iterator[NoiseProblem]:
    rounding = rounding_of(rules)
    for name in dict.fromkeys(rules.tables.values()) if rounding is not None else ():
        try:
            if rounding is not None and is_known(name):
                checked(rounding, named(name).terms)
        except PerturbationRefused as refused:
            yield NoiseProblem(("noise", "rounding", "base"), refused.message, refused.message_zh)
            return


def combined(several: Sequence[NoiseRules | None], k: Mapping[UnitType, int]) -> NoiseRules | None:
    """The strictest of all, for cells of at least k units; None where none asks for noise."""
    noisy = [rules for rules in several if rules is not None]
    if not noisy:
        return None
    tables: dict[UnitType, str] = {}
    for unit in UnitType:
        names = {rules.tables[unit] for rules in noisy if unit in rules.tables}
        complete = all(unit in rules.tables for rules in noisy)
        found = fitting(names, k[unit]) if complete else None
        if found is not None:
            tables[unit] = found
    kind = max((rules.rounding for rules in noisy), key=list(RoundingKind).index)
    base = lcm(*(rules.base for rules in noisy))
    shares = [rules.share for rules in noisy if rules.share is not None]
    share = max(shares) if len(shares) == len(noisy) else None
    by_bounds = share is not None and any(rules.by_bounds for rules in noisy)
    return _fitted(NoiseRules(tables, kind, base, share, by_bounds))


def _fitted(rules: NoiseRules) -> NoiseRules:
    """The same with the least multiple of its base that fits every table; one that reaches every k does."""
    if rules.rounding is RoundingKind.NONE:
        return rules
    times = 1
    while True:
        tried = replace(rules, base=times * rules.base)
        try:
            for unit in tried.tables:
                table, rounding = table_of(tried, unit), rounding_of(tried)
                if table is not None and rounding is not None:
                    checked(rounding, table.terms)
        except PerturbationRefused:
            times += 1
        else:
            return tried

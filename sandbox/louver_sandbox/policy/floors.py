"""Floors compiled into the program: policy can tighten them, never loosen them (SECURITY 5.1).

A bundle that goes below a floor is not loaded, and the decision point applies the negative list and the function
floor once more on its own. PIPL art. 28 also makes every datum of a person under 14 sensitive: such persons are
cut from the credit base tables when those are published, so no policy speaks of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from louver_sandbox.policy import atoms, noise, private, shares, unit_sets
from louver_sandbox.policy.model import Grant, GrantTreatment, Policy
from louver_sandbox.policy.severity import Severity

LEAST_UNITS = 3
"""Fewest privacy units of a released cell, whatever a policy says."""

MOST_QUERIES_PER_DAY = 100_000
"""Most queries, or distinct predicates, that any grant may give per dataset, purpose and window, the shortest of
which is a day."""

MOST_GROUPS_PER_TABLE = 10
"""Most groups of institutions that the rules of one table may speak of."""

HIGHEST_OPERABLE_LEVEL = 4
"""L5 columns cannot be operated at all (DOMAIN 2.5)."""

VALUE_FUNCTIONS = frozenset(
    {
        "min", "max", "mode", "any_value", "first", "last", "arg_max", "arg_min", "string_agg", "list",
        "histogram", "median", "quantile", "quantile_cont", "quantile_disc",
    }
)  # fmt: skip
"""Aggregates that return stored values (PRIVACY 9): never over protected columns."""

NEGATIVE_COLUMNS: Mapping[str, tuple[str, str]] = {
    "special_status": ("special group flags are not shared (不予共享)", "特殊群体标识不予共享"),
    "religion": ("a credit agency may not collect it (征信业管理条例 art. 14)", "征信业管理条例第十四条禁止采集"),
    "gene": ("genetic data (征信业管理条例 art. 14)", "基因信息，征信业管理条例第十四条禁止采集"),
    "fingerprint": ("biometric data (征信业管理条例 art. 14)", "指纹信息，征信业管理条例第十四条禁止采集"),
    "blood_type": ("blood type (征信业管理条例 art. 14)", "血型信息，征信业管理条例第十四条禁止采集"),
    "illness": ("health data (征信业管理条例 art. 14)", "疾病信息，征信业管理条例第十四条禁止采集"),
    "medical_history": ("health data (征信业管理条例 art. 14)", "病史信息，征信业管理条例第十四条禁止采集"),
}
"""Column names that no grant can permit in any government table, with the reason in two languages."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a document: `where` is the path of keys and indices to it, `code` the rule that found it."""

    where: tuple[str | int, ...]
    message: str
    message_zh: str
    hint: str = ""
    hint_zh: str = ""
    code: str = "document"
    severity: Severity = Severity.ERROR


def below_floors(policy: Policy) -> Iterator[Finding]:
    """Every place where the policy would loosen a floor."""
    for index, grant in enumerate(policy.grants):
        at = ("grants", index)
        yield from _terms(grant, at)
        yield from _columns(grant, at)
        for problem in atoms.problems(grant):
            yield Finding((*at, *problem.where), problem.message, problem.message_zh, problem.hint)
        for loss in private.problems(grant):
            yield Finding((*at, "privacy", *loss.where), loss.message, loss.message_zh, loss.hint)


def _terms(grant: Grant, at: tuple[str | int, ...]) -> Iterator[Finding]:
    terms = grant.threshold
    for name, units in (("person", terms.person), ("enterprise", terms.enterprise)):
        if units < LEAST_UNITS:
            yield Finding(
                (*at, "threshold", name),
                f"{name} is below the floor of {LEAST_UNITS}",
                f"{name} 低于底线 {LEAST_UNITS}",
            )
    for share in shares.problems(terms):
        yield Finding((*at, "threshold", *share.where), share.message, share.message_zh)
    for problem in noise.problems(terms):
        yield Finding((*at, "threshold", *problem.where), problem.message, problem.message_zh, problem.hint)
    for loose in unit_sets.below_floor(terms):
        yield Finding((*at, "threshold", *loose.where), loose.message, loose.message_zh, loose.hint)
    for name, count in grant.budget.model_dump().items():
        if count > MOST_QUERIES_PER_DAY:
            yield Finding(
                (*at, "budget", name),
                f"{name} is above the floor of {MOST_QUERIES_PER_DAY}",
                f"{name} 高于底线 {MOST_QUERIES_PER_DAY}",
            )


def _columns(grant: Grant, at: tuple[str | int, ...]) -> Iterator[Finding]:
    for name, rights in grant.rights.items():
        if name in NEGATIVE_COLUMNS:
            why, why_zh = NEGATIVE_COLUMNS[name]
            yield Finding((*at, "columns", name), f"{name} can never be granted: {why}", f"{name} 不得授权：{why_zh}")
        if grant.treatment is not GrantTreatment.THRESHOLD or rights.aggregate is None:
            continue
        banned = sorted(VALUE_FUNCTIONS.intersection(rights.aggregate.functions or ()))
        if banned:
            yield Finding(
                (*at, "columns", name),
                f"{', '.join(banned)} return stored values and cannot be granted under treatment threshold",
                f"{'、'.join(banned)} 会返回存储值，不能在 threshold 方式下授权",
                "grant count, sum or avg",
            )

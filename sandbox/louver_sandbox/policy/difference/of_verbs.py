"""The terms of matching, of tokens and of scoring of the grants that meet at a place, and which way each change goes.

As the decision takes them: of several grants the strictest. A list's predicate is for a person to judge, since no
order is known between two of them; that one list more can be matched is looser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from louver_sandbox.catalog.model import Verb
from louver_sandbox.obligations import Period
from louver_sandbox.policy.features import ScoringTerms
from louver_sandbox.policy.grants import Permit
from louver_sandbox.policy.match_terms import MatchTerms
from louver_sandbox.policy.private import cost_of
from louver_sandbox.policy.terms import LossTerms
from louver_sandbox.policy.token_terms import TokenTerms

Value = int | str | bool | None

_MATCH_LIMITS: Mapping[str, Callable[[Iterable[int]], int]] = {
    "minimum_batch": max,
    "ids_per_day": min,
    "ids_per_month": min,
    "answers_per_month": min,
    "largest_amount": min,
}
"""Numbers of the terms of matching, and which of several holds."""
_SCORE_LIMITS: Mapping[str, Callable[[Iterable[int]], int]] = {
    "least_subjects": max,
    "subjects_per_day": min,
    "models_per_quarter": min,
}
_PERIODS = list(Period)


def of_verbs(permits: Sequence[Permit], verb: str) -> Mapping[str, Value]:
    """The terms by name: those that the verb of the place is decided by."""
    grants = [permit.grant for permit in permits]
    matching = [grant.matching for grant in grants if grant.matching is not None]
    tokens = [grant.tokens for grant in grants if grant.tokens is not None]
    scoring = [grant.scoring for grant in grants if grant.scoring is not None]
    found: dict[str, Value] = {}
    if matching and verb == Verb.MATCH.value:
        found |= dict(_matching(matching))
    if tokens and verb == Verb.ANALYSE.value:
        found |= dict(_tokens(tokens))
    if scoring and verb == Verb.SCORE.value:
        found |= dict(_scoring(scoring))
    return found


def _matching(several: Sequence[MatchTerms]) -> Iterator[tuple[str, Value]]:
    for name, holds in _MATCH_LIMITS.items():
        yield f"matching.{name}", holds(getattr(one, name) for one in several)
    for mode in set.intersection(*(set(one.modes) for one in several)):
        yield f"matching.modes.{mode.value}", True
    for name in sorted({name for one in several for name in one.lists}):
        yield f"matching.lists.{name}", _written(one.lists[name] for one in several if name in one.lists)
    yield "matching.until", _written(one.until for one in several)
    yield "matching.ended", _written(one.ended for one in several)
    yield (
        "matching.persons",
        _written(one.persons for one in several) if all(one.persons for one in several) else None,
    )
    yield "matching.authorised", all(one.authorised for one in several) or None
    numbers = [one.numbers for one in several if one.numbers is not None]
    if numbers:
        for name in ("each", "allowance", "lifetime"):
            yield f"matching.numbers.{name}", _loss(getattr(one, name) for one in numbers)
        yield "matching.numbers.window", max((one.window for one in numbers), key=_PERIODS.index).value


def _tokens(several: Sequence[TokenTerms]) -> Iterator[tuple[str, Value]]:
    for name in ("ids_per_day", "ids_per_month"):
        yield f"tokens.{name}", min(getattr(one, name) for one in several)


def _scoring(several: Sequence[ScoringTerms]) -> Iterator[tuple[str, Value]]:
    for name, holds in _SCORE_LIMITS.items():
        yield f"scoring.{name}", holds(getattr(one, name) for one in several)
    for auditor in sorted(set.intersection(*(set(one.auditors) for one in several))):
        yield f"scoring.auditors.{auditor}", True
    named = [set(one.models) for one in several if one.models is not None]
    yield "scoring.models", ", ".join(sorted(set.intersection(*named))) or "nobody's" if named else None


def _loss(several: Iterable[LossTerms]) -> str:
    """An amount of privacy loss as it is written, the least of several."""
    least = min(several, key=lambda one: cost_of(one).rho)
    return f"epsilon {least.epsilon.normalize():f} at {least.delta.normalize():f}"


def _written(texts: Iterable[str | None]) -> str | None:
    return "; ".join(sorted({text for text in texts if text})) or None

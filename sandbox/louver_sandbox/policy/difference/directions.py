"""Which way a change of terms goes: obligations, budgets and history of the grants that meet at one place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from louver_sandbox.obligations import ClassDisclosure, Period, Seal, Totals
from louver_sandbox.policy.difference.of_verbs import Value, of_verbs
from louver_sandbox.policy.grants import GrantGroup, Permit
from louver_sandbox.policy.model import GrantTreatment
from louver_sandbox.policy.terms import BudgetTerms
from louver_sandbox.selections import Pattern, Response


class Direction(StrEnum):
    """Which way a change goes for the requester; `unclear` is for a person to judge."""

    LOOSER = "looser"
    STRICTER = "stricter"
    UNCLEAR = "unclear"

    @classmethod
    def of(cls, *, more: bool, less: bool) -> Direction:
        """The direction of a change that gives more, less, or both."""
        if more is less:
            return cls.UNCLEAR
        return cls.LOOSER if more else cls.STRICTER


Judge = Callable[[Value, Value], Direction]


def _smaller_is_stricter(before: Value, after: Value) -> Direction:
    """No limit is the loosest."""
    if before is None or after is None:
        return Direction.of(more=after is None, less=before is None)
    return Direction.of(more=int(after) > int(before), less=int(after) < int(before))


def _fewer_and_none_is_stricter(before: Value, after: Value) -> Direction:
    """Without the terms there is nothing at all."""
    return _smaller_is_stricter(before or 0, after or 0)


def _greater_is_stricter(before: Value, after: Value) -> Direction:
    """No rule is the loosest."""
    if before is None or after is None:
        return Direction.of(more=after is None, less=before is None)
    return Direction.of(more=int(after) < int(before), less=int(after) > int(before))


def _later_is_stricter(order: Sequence[str]) -> Judge:
    def judge(before: Value, after: Value) -> Direction:
        was, now = order.index(str(before)), order.index(str(after))
        return Direction.of(more=now < was, less=now > was)

    return judge


def _nothing_is_looser(before: Value, after: Value) -> Direction:
    """Something instead of nothing is stricter, nothing instead of something looser; another is for a person."""
    return Direction.of(more=after is None, less=before is None) if None in (before, after) else Direction.UNCLEAR


def _nothing_is_stricter(before: Value, after: Value) -> Direction:
    return Direction.of(more=before is None, less=after is None) if None in (before, after) else Direction.UNCLEAR


_LOSS = re.compile(r"epsilon ([0-9.]+) at ([0-9.]+)")


def _smaller_loss_is_stricter(before: Value, after: Value) -> Direction:
    """Amounts of privacy loss by epsilon and delta; none is no budget, under which nothing leaves."""
    if before is None or after is None:
        return Direction.of(more=before is None, less=after is None)
    was, now = (tuple(map(Decimal, _LOSS.fullmatch(str(one)).groups())) for one in (before, after))  # type: ignore[union-attr]
    return Direction.of(
        more=any(new > old for old, new in zip(was, now, strict=True)),
        less=any(new < old for old, new in zip(was, now, strict=True)),
    )


_OF_VERBS: Mapping[str, Judge] = {
    "matching.minimum_batch": _greater_is_stricter,
    **{
        f"matching.{name}": _smaller_is_stricter
        for name in ("ids_per_day", "ids_per_month", "answers_per_month", "largest_amount")
    },
    "matching.until": _nothing_is_looser,
    "matching.ended": _nothing_is_looser,
    "matching.persons": _nothing_is_stricter,
    "matching.authorised": _nothing_is_stricter,
    **{f"matching.numbers.{name}": _smaller_loss_is_stricter for name in ("each", "allowance", "lifetime")},
    "matching.numbers.window": _later_is_stricter([item.value for item in Period]),
    "tokens.ids_per_day": _fewer_and_none_is_stricter,
    "tokens.ids_per_month": _fewer_and_none_is_stricter,
    "scoring.least_subjects": _greater_is_stricter,
    "scoring.subjects_per_day": _smaller_is_stricter,
    "scoring.models_per_quarter": _smaller_is_stricter,
    "scoring.models": _nothing_is_looser,
}
_GIVEN = ("matching.modes.", "matching.lists.", "scoring.auditors.")
"""Terms that give something more by being there."""

_JUDGES: Mapping[str, Judge] = {
    "threshold.person": _greater_is_stricter,
    "threshold.enterprise": _greater_is_stricter,
    "threshold.dominance_percent": _smaller_is_stricter,
    "threshold.dominance_of_two": _nothing_is_looser,
    "threshold.p_percent": _greater_is_stricter,
    "threshold.prior_percent": _smaller_is_stricter,
    "threshold.class_disclosure": _later_is_stricter([item.value for item in ClassDisclosure]),
    "threshold.remainder": lambda before, after: Direction.of(more=bool(after), less=bool(before)),
    "threshold.totals": _later_is_stricter([Totals.COMPLEMENTARY.value, Totals.KEEP_BACK.value, Totals.KNOWN.value]),
    "threshold.pace": _greater_is_stricter,
    "threshold.seal": _later_is_stricter([item.value for item in Seal]),
    "threshold.noise": _nothing_is_looser,
    "threshold.unit_sets.percent": _smaller_is_stricter,
    "threshold.unit_sets.institution_percent": _smaller_is_stricter,
    "threshold.accepts_risk": _nothing_is_stricter,
    "atoms": _nothing_is_looser,
    "history.window": _later_is_stricter([item.value for item in Period]),
    **{f"history.{item.value}": _later_is_stricter([item.value for item in Response]) for item in Pattern},
    **_OF_VERBS,
    **{f"budget.{name}": _smaller_is_stricter for name in BudgetTerms.model_fields},
}


def changed(
    before: Sequence[Permit], after: Sequence[Permit], verb: str
) -> Iterator[tuple[str, Value, Value, Direction]]:
    """Every term that differs between the grants that meet at a place of this verb before and after."""
    old, new = ({**terms(permits), **of_verbs(permits, verb)} for permits in (before, after))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name), direction(name, old.get(name), new.get(name))


def direction(name: str, before: Value, after: Value) -> Direction:
    """Which way this term went. A term of one side only is for a person, unless absence itself is judged."""
    judge = _JUDGES.get(name, _nothing_is_stricter if name.startswith(_GIVEN) else _nothing_is_looser)
    absent = before is None or after is None
    if absent and name.startswith(
        (
            "threshold.class",
            "threshold.remainder",
            "threshold.totals",
            "threshold.seal",
            "history.",
            "matching.numbers.window",
        )
    ):
        return Direction.UNCLEAR
    return judge(before, after)


def terms(permits: Sequence[Permit]) -> Mapping[str, Value]:
    """The terms by name: the strictest of the grants, as the decision takes them."""
    group = GrantGroup(None, tuple(permits), frozenset())
    found: dict[str, Value] = {
        f"budget.{name}": min(amounts)
        for name in BudgetTerms.model_fields
        if (amounts := [most for permit in permits if (most := getattr(permit.grant.budget, name)) is not None])
    }
    history = group.history()
    found |= {f"history.{item.value}": history.on(item).value for item in Pattern}
    found["history.window"] = history.window.value
    if all(permit.grant.treatment is GrantTreatment.EXACT for permit in permits):
        return found
    return {**found, **_threshold(group)}


def _threshold(group: GrantGroup) -> Mapping[str, Value]:
    rules, cap = group.threshold(), group.threshold().unit_sets
    atoms = sorted({repr(permit.grant.atoms) for permit in group.permits if permit.grant.atoms is not None})
    return {
        **{f"threshold.{unit.value}": least for unit, least in rules.k.items()},
        "threshold.dominance_percent": rules.dominance_percent,
        "threshold.dominance_of_two": rules.dominance_of_two,
        "threshold.p_percent": rules.p_percent,
        "threshold.prior_percent": rules.prior_percent,
        "threshold.class_disclosure": rules.class_disclosure.value,
        "threshold.remainder": rules.remainder,
        "threshold.totals": rules.totals.value,
        "threshold.seal": rules.seal.value,
        "threshold.pace": group.pace() or None,
        "threshold.noise": None if rules.noise is None else _noise(group),
        "threshold.unit_sets.percent": None if cap is None else cap.percent,
        "threshold.unit_sets.institution_percent": None if cap is None else cap.institution_percent,
        "threshold.accepts_risk": "; ".join(rules.risks) or None,
        "atoms": "; ".join(atoms) or None,
    }


def _noise(group: GrantGroup) -> str:
    """The noise as the policies write it."""
    written = [permit.grant.threshold.noise for permit in group.permits]
    return "; ".join(sorted({one if isinstance(one, str) else one.model_dump_json() for one in written} - {"none"}))

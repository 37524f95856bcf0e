"""The changes between two sets of policies, by requester, purpose and column, with equal ones told once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from louver_sandbox.policy.difference.directions import Direction, changed, direction
from louver_sandbox.policy.difference.of_verbs import Value
from louver_sandbox.policy.difference.offers import Documents, Offer, Offered, Place, offered, requesters
from louver_sandbox.policy.difference.sections import changed_leaves, named, of_grant
from louver_sandbox.policy.model import Platform
from louver_sandbox.policy.terms import BudgetTerms
from louver_sandbox.stages import Subject


@dataclass(frozen=True, slots=True)
class Change:
    """One change: which way it goes, for whom, where, what was and what is.

    `what` is `added`, `removed`, `widened`, `narrowed` or `changed`. `subject` is the right of a column
    (`aggregate`), a term (`budget.queries_per_day`), or a rule of the platform; column and place may be empty.
    """

    direction: Direction
    what: str
    requesters: tuple[str, ...]
    purposes: tuple[str, ...]
    table: str
    row_filter: str
    verb: str
    column: str
    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs: rules by name, and what it comes to. `changes` may be empty where rules differ."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    altered: tuple[str, ...]
    changes: tuple[Change, ...]

    def count(self, way: Direction) -> int:
        """How many changes go this way."""
        return sum(change.direction is way for change in self.changes)

    @property
    def nothing(self) -> bool:
        """Whether the two sets are the same but for versions, titles and tests."""
        return not (self.added or self.removed or self.altered or self.changes)


def compare(old: Documents, new: Documents, people: Mapping[str, Subject] | None = None) -> Difference:
    """What changes from `old` to `new`; `people` are the requesters to tell it for (default: those told apart)."""
    before, after = dict(_rules(old)), dict(_rules(new))
    single = [
        change
        for name, subject in (people or requesters(old, new)).items()
        for change in _for(name, offered(old, subject), offered(new, subject))
    ]
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        altered=tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
        changes=(*_platform(old.platform, new.platform), *_sections(old, new), *_merged(single)),
    )


def _rules(documents: Documents) -> Iterator[tuple[str, object]]:
    """Every rule by its name, and all that it says."""
    for policy in documents.policies:
        yield from ((f"{policy.id}/{grant.id}", grant) for grant in policy.grants)
        yield from ((f"{policy.id}/{deny.id}", deny) for deny in policy.denies)
    house = documents.platform
    yield from ((f"{house.id}/{entry.id}", entry) for entry in house.negative_list)
    yield from ((f"{house.id}/{rule.id}", rule) for rule in house.requester_rules)
    for name, section in _named_sections(documents):
        yield name, tuple(changed_leaves({}, section))  # without titles


def _named_sections(documents: Documents) -> Iterator[tuple[str, object]]:
    """Every part of every document that is compared leaf by leaf, by its name."""
    for policy in documents.policies:
        yield from ((f"{policy.id}/{name}", section) for name, section in named(policy, "policy"))
    yield from (
        (f"{documents.platform.id}/{name}", section) for name, section in named(documents.platform, "platform")
    )


def _sections(old: Documents, new: Documents) -> Iterator[Change]:
    """What differs in parts that nobody is granted by themselves, and in terms that have no effect to compare."""
    before, after = (dict(_named_sections(side)) for side in (old, new))
    for name in sorted({*before, *after}):
        if name not in before:
            yield _house(Direction.LOOSER, "added", name, "", _SECTION)
        elif name not in after:
            yield _house(Direction.STRICTER, "removed", name, _SECTION, "")
        else:
            yield from _leaf_changes(name, before[name], after[name])
    grants = (
        {f"{policy.id}/{one.id}": one for policy in side.policies for one in policy.grants} for side in (old, new)
    )
    mine, theirs = grants
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            yield from _leaf_changes(name, of_grant(mine[name]), of_grant(theirs[name]))


_SECTION = "there"


def _leaf_changes(name: str, before: object, after: object) -> Iterator[Change]:
    for at, was, now, way in changed_leaves(before, after):
        yield _house(
            way, "changed" if was and now else "removed" if was else "added", f"{name} {at}".strip(), was, now
        )


def _for(name: str, old: Offered, new: Offered) -> Iterator[Change]:
    given, kept = _within_unfiltered(new, old), _within_unfiltered(old, new)
    for place, column, right in sorted({*old.rights, *new.rights}):
        before = old.rights.get((place, column, right), frozenset())
        after = new.rights.get((place, column, right), frozenset())
        more = place not in given and not _covered(after, before)
        less = place not in kept and not _covered(before, after)
        if more or less:
            way = Direction.of(more=more, less=less)
            yield _change(name, place, column, right, (_told(before), _told(after)), way, _what(before, after, way))
    for place in sorted(old.permits.keys() & new.permits.keys()):
        for term, was, now, way in changed(old.permits[place], new.permits[place], place.verb):
            yield _change(name, place, "", term, (_text(was), _text(now)), way, "changed")


def _what(before: frozenset[Offer], after: frozenset[Offer], way: Direction) -> str:
    if not before or not after:
        return "removed" if before else "added"
    return {Direction.LOOSER: "widened", Direction.STRICTER: "narrowed"}.get(way, "changed")


def _within_unfiltered(inner: Offered, outer: Offered) -> frozenset[Place]:
    """The filtered places of `inner` all of whose offers `outer` makes for every row of the table.

    All of them, since rights under a filter unite with each other and never with those without one.
    """
    filtered: dict[Place, bool] = {}
    for (place, column, right), offers in inner.rights.items():
        if place.row_filter:
            wide = outer.rights.get((replace(place, row_filter=""), column, right), frozenset())
            filtered[place] = filtered.get(place, True) and _covered(offers, wide)
    return frozenset(place for place, covered in filtered.items() if covered)


def _covered(inner: Iterable[Offer], outer: frozenset[Offer]) -> bool:
    return all(any(offer.within(other) for other in outer) for offer in inner)


def _told(offers: frozenset[Offer]) -> str:
    return "; ".join(sorted(map(str, offers)))


def _text(value: Value) -> str:
    return "none" if value is None else str(value)


def _change(
    name: str, place: Place, column: str, subject: str, texts: tuple[str, str], way: Direction, what: str
) -> Change:
    return Change(
        way, what, (name,), (place.purpose,), place.table, place.row_filter, place.verb, column, subject, *texts
    )


def _merged(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Equal changes of several purposes told once, then those of several requesters."""
    by_purposes = _joined(changes, lambda one: replace(one, purposes=()), "purposes")
    return _joined(by_purposes, lambda one: replace(one, requesters=()), "requesters")


def _joined(changes: Iterable[Change], key: Callable[[Change], Change], field: str) -> tuple[Change, ...]:
    alike: dict[Change, list[str]] = {}
    for change in changes:
        alike.setdefault(key(change), []).extend(getattr(change, field))
    joined = []
    for bare, names in alike.items():
        told = tuple(dict.fromkeys(names))
        joined.append(replace(bare, purposes=told) if field == "purposes" else replace(bare, requesters=told))
    return tuple(joined)


def _platform(old: Platform, new: Platform) -> Iterator[Change]:
    """The rules of the house. A rule that takes away is stricter where it comes and looser where it goes."""
    yield from _named("purpose", old.purposes, new.purposes, gives=True)
    yield from _named("group", old.groups, new.groups, gives=True)
    negatives = ({item.id: item for item in side.negative_list} for side in (old, new))
    yield from _named("negative list", *negatives, gives=False)
    barred = ({item.id: item for item in side.requester_rules} for side in (old, new))
    yield from _named("requester rule", *barred, gives=False)
    if old.expires != new.expires:
        way = Direction.of(more=new.expires > old.expires, less=new.expires < old.expires)
        yield _house(way, "changed", "expires", old.expires.isoformat(), new.expires.isoformat())
    for name in BudgetTerms.model_fields:
        was, now = getattr(old.own_data_budget, name), getattr(new.own_data_budget, name)
        if was != now:
            way = direction(f"budget.{name}", was, now)
            yield _house(way, "changed", f"own_data_budget.{name}", _text(was), _text(now))


def _named(kind: str, old: Mapping[str, object], new: Mapping[str, object], *, gives: bool) -> Iterator[Change]:
    more, less = (Direction.LOOSER, Direction.STRICTER) if gives else (Direction.STRICTER, Direction.LOOSER)
    for name in sorted({*old, *new}):
        if name not in old:
            yield _house(more, "added", f"{kind} {name}", "", str(new[name]))
        elif name not in new:
            yield _house(less, "removed", f"{kind} {name}", str(old[name]), "")
        elif old[name] != new[name] and kind != "purpose":
            yield _house(Direction.UNCLEAR, "changed", f"{kind} {name}", str(old[name]), str(new[name]))


def _house(way: Direction, what: str, subject: str, before: str, after: str) -> Change:
    return Change(way, what, (), (), "", "", "", "", subject, before, after)

"""What policies offer a requester: rights of columns by table, rows, verb and purpose, denials taken away.

No catalogue is read: grants count as written, whoever owns the table. What depends on the catalogue (negative-list
entries for a class of subjects, rules by requester type) is compared as a rule and not by its effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from louver_sandbox.catalog.model import Verb
from louver_sandbox.policy.grants import Permit, Rulebook, covers
from louver_sandbox.policy.model import ColumnRights, GrantTreatment, Platform, Policy
from louver_sandbox.policy.rights import ONLY_WHERE_LISTED
from louver_sandbox.stages import InstitutionType, Subject

DEFAULT_FUNCTIONS = frozenset({"count", "sum", "avg"})


@dataclass(frozen=True, slots=True)
class Documents:
    """One set of policies."""

    platform: Platform
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where rights are offered: the rows of a table that a filter leaves ("": all), for a verb and a purpose."""

    table: str
    row_filter: str
    verb: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to have a right: the names it is narrowed to (None: any), the condition it is shown under, the mildest
    treatment and the days."""

    names: frozenset[str] | None
    where: str
    treatment: GrantTreatment
    start: date
    until: date

    def within(self, other: Offer) -> bool:
        """Whether `other` offers all that this does."""
        return (
            _names_within(self.names, other.names)
            and other.where in ("", self.where)
            and other.treatment.rank <= self.treatment.rank
            and other.start <= self.start
            and self.until <= other.until
        )

    def __str__(self) -> str:
        names = "" if self.names is None else f"({', '.join(sorted(self.names))})"
        where = f" where {self.where}" if self.where else ""
        return f"{names}{where} {self.treatment.value} {self.start}..{self.until}".strip()


@dataclass(frozen=True)
class Offered:
    """Everything offered to one requester: offers by place, column and right, and the grants that meet at a place."""

    rights: Mapping[tuple[Place, str, str], frozenset[Offer]]
    permits: Mapping[Place, tuple[Permit, ...]]


def _names_within(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    if outer is None:
        return inner is None or not inner & ONLY_WHERE_LISTED
    return inner is not None and inner <= outer


def requesters(one: Documents, other: Documents) -> Mapping[str, Subject]:
    """A requester for each institution and group that either set tells apart, by a name for people."""
    policies = (*one.policies, *other.policies)
    rules = [grant.to for policy in policies for grant in policy.grants]
    rules += [deny.to for policy in policies for deny in policy.denies]
    typed = any(to.institution_types for to in rules)
    kinds = tuple(InstitutionType) if typed else (InstitutionType.BANK,)
    people = {f"institution {name}": (name, frozenset[str]()) for to in rules for name in to.institutions}
    groups = sorted({name for side in (one, other) for name in side.platform.groups})
    for group in groups:
        people[f"group {group}"] = (_member(group, one, other), frozenset({group}))
    if typed:
        people["anybody"] = ("", frozenset())
    return {
        f"{name} of type {kind.value}" if typed else name: Subject(institution, kind, member_of, "")
        for name, (institution, member_of) in sorted(people.items())
        for kind in kinds
    }


def _member(group: str, one: Documents, other: Documents) -> str:
    """An institution that both sets take for a member of the group, where they list any."""
    lists = [side.platform.groups[group].members for side in (one, other) if group in side.platform.groups]
    listed = [set(members) for members in lists if members is not None]
    common = set.intersection(*listed) if listed else set()
    return min(common, default="")


def offered(documents: Documents, subject: Subject) -> Offered:
    """What the requester may do under these documents."""
    rulebook = Rulebook.of(documents.platform, documents.policies)
    rights: dict[tuple[Place, str, str], set[Offer]] = {}
    permits: dict[Place, list[Permit]] = {}
    for table, held in rulebook.permits.items():
        for permit in held:
            if not covers(permit.grant.to, subject, documents.platform):
                continue
            for place in _places(permit, table):
                permits.setdefault(place, []).append(permit)
                denied = tuple(_denials(rulebook, documents.platform, place, subject))
                for column, given in permit.grant.rights.items():
                    if not any(names is None or column in names for names in denied):
                        for right, offer in _offers(permit, given):
                            rights.setdefault((place, column, right), set()).add(offer)
    return Offered(
        {key: frozenset(found) for key, found in rights.items()},
        {place: tuple(found) for place, found in permits.items()},
    )


def _places(permit: Permit, table: str) -> Iterator[Place]:
    grant = permit.grant
    for verb in grant.verbs:
        for purpose in grant.purposes:
            yield Place(table, grant.row_filter or "", Verb(verb).value, purpose)


def _denials(
    rulebook: Rulebook, platform: Platform, place: Place, subject: Subject
) -> Iterator[frozenset[str] | None]:
    """The columns that are taken away whatever is asked; None: all of them."""
    for to, denial in rulebook.denies.get(place.table, ()):
        unconditional = denial.unless is None and denial.subject_class is None
        if unconditional and denial.speaks_of(place.purpose) and covers(to, subject, platform):
            yield denial.columns
    for entry in platform.negative_list:
        if not entry.subject_classes and (not entry.purposes or place.purpose in entry.purposes):
            prefix = f"{place.table}."
            yield frozenset(name.removeprefix(prefix) for name in entry.columns)


def _offers(permit: Permit, given: ColumnRights) -> Iterator[tuple[str, Offer]]:
    grant = permit.grant

    def offer(names: Sequence[str] | frozenset[str] | None = None, where: str = "") -> Offer:
        narrowed = None if names is None else frozenset(names)
        return Offer(narrowed, where, grant.treatment, grant.valid.start, grant.valid.until)

    if given.join_key:
        yield "join_key", offer()
    if given.match:
        yield "match", offer()
    if given.group_key is not None:
        yield "group_key", offer(given.group_key.binnings)
    if given.filter is not None:
        yield "filter", offer(given.filter.operators)
    if given.aggregate is not None:
        functions = given.aggregate.functions
        yield "aggregate", offer(DEFAULT_FUNCTIONS if functions is None else functions)
    if given.order:
        yield "order", offer()
    if given.output is not None:
        yield "output", offer(where=given.output.where or "")

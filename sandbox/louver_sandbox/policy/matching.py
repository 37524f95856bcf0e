"""The decision about a match: deny by default, denies over permits, the strictest terms where several grants meet.

Pure as `policy.decide` is: a question, the catalogue, the signed bundle and the day go in; what may be evaluated and
what it costs comes out, or a refusal. No row, no key and no id of the requester is known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from louver.errors import Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, Role, SpaceKind, Table, UnitType, Verb
from louver_sandbox.obligations import Charge, Period, PrivacyCharge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.grants import Covering, GrantGroup, Permit
from louver_sandbox.policy.match_numbers import NumberRules, bound_of, losses, number_rules, strictest
from louver_sandbox.policy.match_terms import MOST_BATCH, MatchMode, MatchTerms
from louver_sandbox.refusals import matching as refuse
from louver_sandbox.refusals import policy as policy_refusals
from louver_sandbox.refusals.policy import Ruling, Site
from louver_sandbox.stages import Facts, Subject

FORMAT = 2
"""Version of the sets' layout; raised when the same inputs would make other sets."""

BY_AUTHORISATION = "authorisation"
"""What is said of a list in place of a statute, where persons are hit by their own authorisation."""
QUERY, IDS, ANSWERS = "query", "match_ids", "match_answers"
"""What a match is charged: one query, every id, and where a number leaves one answer."""


@dataclass(frozen=True, slots=True)
class MatchQuestion:
    """What is asked: so many blinded ids against a list (`schema.table/list`) for a purpose. `largest` is the most
    that the requester declares any of its amounts to be (mode sum, else 0): noise is for that."""

    subject: Subject
    purpose: str
    list: str
    mode: MatchMode
    ids: int
    largest: int = 0


@dataclass(frozen=True, slots=True)
class ListSpec:
    """What decides a list's set on one day: the same for everybody who may match against it.

    `predicate` selects the rows, `until` and `ended` are date columns that say when an entry counts, `key` holds the
    subjects and `columns` what hits show. Without `persons` no row of a person is in it; with `authorised` such rows
    are kept beside it, for whoever brings a person's own authorisation.
    """

    table: TableName
    name: str
    predicate: str
    until: str | None
    ended: str | None
    persons: bool
    key: str
    columns: tuple[str, ...]
    data_version: str
    day: date
    authorised: bool = False

    @property
    def id(self) -> str:
        """SHA-256 in hex of everything above: the edition."""
        content = [
            FORMAT,
            str(self.table),
            self.name,
            self.predicate,
            self.until,
            self.ended,
            self.persons,
            self.key,
            sorted(self.columns),
            self.data_version,
            self.day.isoformat(),
            *(["authorised"] if self.authorised else []),
        ]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()

    @property
    def title(self) -> str:
        """The list as requesters name it."""
        return f"{self.table}/{self.name}"


@dataclass(frozen=True, slots=True)
class MatchAdmitted:
    """A permit: the set to match against, what is charged, and by which rules numbers leave (None: mode hits).

    `losses` is what a number costs of privacy, `units` are the types of subjects that the set may hold, `sensitive`
    says that a shown column needs a person's separate consent."""

    question: MatchQuestion
    spec: ListSpec
    charges: tuple[MatchCharge, ...]
    number: NumberRules | None
    losses: tuple[PrivacyCharge, ...]
    units: tuple[UnitType, ...]
    sensitive: bool
    rules: tuple[str, ...]
    policies: tuple[str, ...]
    bundle_digest: str
    catalog_digest: str


@dataclass(frozen=True, slots=True)
class MatchCharge:
    """Access budget: `amount` times the charge."""

    charge: Charge
    amount: int


@dataclass(frozen=True, slots=True)
class Offered:
    """A list that a subject may match against for some purpose, as `offered` tells it."""

    title: str
    table_title: str
    owner: str
    modes: tuple[MatchMode, ...]
    purposes: tuple[str, ...]
    columns: tuple[str, ...]
    minimum_batch: int
    ids_per_day: int
    ids_per_month: int
    persons: str


def decide_match(question: MatchQuestion, catalog: Catalog, bundle: Bundle, facts: Facts) -> MatchAdmitted:
    """The permit for a match. Raises `Refused`: LVR-2002 to LVR-2007, LVR-5101 to LVR-5104, LVR-5110."""
    _known_purpose(question.purpose, bundle)
    table, name = _table_of(question.list, catalog)
    covering = None if table is None else bundle.rulebook.covering(table, question.subject)
    held = () if covering is None or table is None else _matchable(covering, table, name)
    if table is None or covering is None or not held:
        raise _no_list(question, catalog, bundle, facts.today)
    site = Site(str(table.name))
    held = _for_purpose(question, held, site, facts)
    group = GrantGroup(held[0].grant.row_filter, held, covering.denied(table, question.purpose))
    key, columns = _columns(question, table, covering, group, site)
    terms = _strictest([_terms(permit) for permit in held])
    ruling = Ruling("+".join(permit.rule for permit in held), "+".join(sorted({p.policy.version for p in held})))
    _check_mode(question, terms, ruling)
    units, dataset = _units(table, terms), str(catalog.dataset_of(table.name))
    number, spent = _number(question, held, terms, units, dataset)
    return MatchAdmitted(
        question=question,
        spec=_spec(table, name, group, terms, key, columns, facts.today),
        charges=tuple(_charges(question, dataset, terms, group)),
        number=number,
        losses=spent,
        units=units,
        sensitive=any(column.role is Role.SENSITIVE for column in table.columns if column.name in (key, *columns)),
        rules=tuple(permit.rule for permit in held),
        policies=tuple(sorted({f"{permit.policy.id}@{permit.policy.version}" for permit in held})),
        bundle_digest=bundle.digest,
        catalog_digest=catalog.digest,
    )


def offered(subject: Subject, catalog: Catalog, bundle: Bundle, today: date) -> tuple[Offered, ...]:
    """Every list that the subject may match against today, in order of their names."""
    return tuple(sorted(_offered(subject, catalog, bundle, today), key=lambda item: item.title))


def _offered(subject: Subject, catalog: Catalog, bundle: Bundle, today: date) -> Iterator[Offered]:
    for table in catalog.tables.values():
        if table.space is not SpaceKind.GOVERNMENT or table.source is None or Verb.MATCH not in table.operable:
            continue
        covering = bundle.rulebook.covering(table, subject)
        held = [p for p in covering.permits if Verb.MATCH in p.grant.verbs and p.grant.valid.holds(today)]
        for permit in held:
            terms = permit.grant.matching
            for name in terms.lists if terms is not None else ():
                shown = (column for column, rights in permit.grant.rights.items() if rights.output is not None)
                yield Offered(
                    title=f"{table.name}/{name}",
                    table_title=table.title,
                    owner=table.owner,
                    modes=_terms(permit).modes,
                    purposes=permit.grant.purposes,
                    columns=tuple(shown),
                    minimum_batch=_terms(permit).minimum_batch,
                    ids_per_day=_terms(permit).ids_per_day,
                    ids_per_month=_terms(permit).ids_per_month,
                    persons=_terms(permit).persons or (BY_AUTHORISATION if _terms(permit).authorised else ""),
                )


def _known_purpose(purpose: str, bundle: Bundle) -> None:
    platform = bundle.platform
    if purpose not in platform.purposes:
        raise policy_refusals.purpose_unknown(
            Ruling(f"{platform.id}/purposes", platform.version), purpose=purpose, purposes=sorted(platform.purposes)
        )


def _table_of(text: str, catalog: Catalog) -> tuple[Table | None, str]:
    where, _, name = text.partition("/")
    schema, _, plain = where.partition(".")
    table = catalog.table(TableName(schema, plain))
    usable = table is not None and table.space is SpaceKind.GOVERNMENT and table.source is not None
    return (table if usable and table is not None and Verb.MATCH in table.operable else None), name


def _matchable(covering: Covering, table: Table, name: str) -> tuple[Permit, ...]:
    """The grants under which this list of the table may be matched, for any purpose and day. They share one row
    filter: of several the first in order of their rules decides, since sets of different rows never mix."""
    held = [
        permit
        for permit in covering.permits
        if Verb.MATCH in permit.grant.verbs
        and permit.grant.matching is not None
        and name in permit.grant.matching.lists
    ]
    alike = [permit for permit in held if _selects(permit, name) == _selects(held[0], name)]
    return tuple(alike)


def _selects(permit: Permit, name: str) -> tuple[str | None, ...]:
    terms = _terms(permit)
    return permit.grant.row_filter, terms.lists[name], terms.until, terms.ended


def _terms(permit: Permit) -> MatchTerms:
    if permit.grant.matching is None:
        raise ValueError("a grant without terms of matching")
    return permit.grant.matching


def _no_list(question: MatchQuestion, catalog: Catalog, bundle: Bundle, today: date) -> Refused:
    known = {item.title for item in offered(question.subject, catalog, bundle, today)}
    return refuse.no_list(question.list[:120], Ruling("default-deny", bundle.digest[:16]), sorted(known))


def _for_purpose(question: MatchQuestion, held: tuple[Permit, ...], site: Site, facts: Facts) -> tuple[Permit, ...]:
    named = tuple(permit for permit in held if question.purpose in permit.grant.purposes)
    versions = "+".join(sorted({permit.policy.version for permit in held}))
    if not named:
        purposes = sorted({purpose for permit in held for purpose in permit.grant.purposes})
        ruling = Ruling("default-deny", versions)
        raise policy_refusals.purpose_not_granted(site, ruling, purpose=question.purpose, purposes=purposes)
    live = tuple(permit for permit in named if permit.grant.valid.holds(facts.today))
    if not live:
        latest = max(named, key=lambda permit: (permit.grant.valid.until, permit.rule))
        raise policy_refusals.grant_not_in_force(
            site,
            Ruling(latest.rule, latest.policy.version),
            starts=latest.grant.valid.start.isoformat(),
            ends=latest.grant.valid.until.isoformat(),
            today=facts.today.isoformat(),
        )
    return live


def _columns(
    question: MatchQuestion, table: Table, covering: Covering, group: GrantGroup, site: Site
) -> tuple[str, tuple[str, ...]]:
    """The key and the columns that hits show. A deny or the negative list beats every grant, for each of them, and a
    rule that only a condition would lift is not lifted: a match states no condition."""
    rights = [permit.grant.rights for permit in group.permits]
    keys = {name for given in rights for name, right in given.items() if right.match}
    shown = set.intersection(*({name for name, right in given.items() if right.output} for given in rights))
    used = keys | shown
    for denial in (*covering.negatives, *covering.denials):
        for name in sorted(used):
            if denial.names(name) and denial.speaks_of(question.purpose):
                where, ruling = Site(site.table, name), Ruling(denial.rule, denial.version)
                if denial in covering.negatives:
                    raise policy_refusals.on_negative_list(where, ruling, why=denial.reason, why_zh=denial.reason_zh)
                raise policy_refusals.explicitly_denied(where, ruling, why=denial.reason)
    if len(keys) != 1:
        ruling = Ruling("default-deny", "+".join(sorted({p.policy.version for p in group.permits})))
        raise policy_refusals.right_not_granted(
            site, ruling, owner=table.owner, purpose=question.purpose, missing="match", granted=sorted(keys)
        )
    order = {column.name: place for place, column in enumerate(table.columns)}
    return keys.pop(), tuple(sorted(shown, key=lambda name: order.get(name, len(order))))


def _strictest(several: Sequence[MatchTerms]) -> MatchTerms:
    """What every one of the terms allows."""
    first = several[0]
    return first.model_copy(
        update={
            "modes": tuple(mode for mode in first.modes if all(mode in terms.modes for terms in several)),
            "persons": first.persons if all(terms.persons for terms in several) else None,
            "authorised": all(terms.authorised for terms in several),
            "minimum_batch": max(terms.minimum_batch for terms in several),
            "ids_per_day": min(terms.ids_per_day for terms in several),
            "ids_per_month": min(terms.ids_per_month for terms in several),
            "answers_per_month": min(terms.answers_per_month for terms in several),
            "largest_amount": min(terms.largest_amount for terms in several),
        }
    )


def _check_mode(question: MatchQuestion, terms: MatchTerms, ruling: Ruling) -> None:
    if question.mode not in terms.modes:
        modes = [mode.value for mode in terms.modes]
        raise refuse.mode_not_granted(question.list, question.mode.value, ruling, modes)
    if question.ids < terms.minimum_batch:
        raise refuse.batch_too_small(terms.minimum_batch, ruling)
    if question.ids > MOST_BATCH:
        raise refuse.batch_too_large(MOST_BATCH)
    least, most = (1, terms.largest_amount) if question.mode is MatchMode.SUM else (0, 0)
    if not least <= question.largest <= most:
        raise refuse.no_bound(question.list, question.mode.value, most, ruling)


def _number(
    question: MatchQuestion, held: Sequence[Permit], terms: MatchTerms, units: tuple[UnitType, ...], dataset: str
) -> tuple[NumberRules | None, tuple[PrivacyCharge, ...]]:
    """The noise of a number and what it costs; nothing in mode hits."""
    if question.mode is MatchMode.HITS:
        return None, ()
    several = [one.numbers for permit in held if (one := _terms(permit)).numbers is not None]
    rules = number_rules(strictest(several), bound_of(question.mode, question.largest))
    return rules, losses(several, rules, units, dataset, question.purpose)


def _spec(
    table: Table, name: str, group: GrantGroup, terms: MatchTerms, key: str, columns: tuple[str, ...], day: date
) -> ListSpec:
    predicate = terms.lists[name]
    if group.row_filter is not None:
        predicate = f"({predicate}) AND ({group.row_filter})"
    return ListSpec(
        table=table.name,
        name=name,
        predicate=predicate,
        until=terms.until,
        ended=terms.ended,
        persons=terms.persons is not None,
        key=key,
        columns=columns,
        data_version=table.data_version,
        day=day,
        authorised=terms.authorised,
    )


def _units(table: Table, terms: MatchTerms) -> tuple[UnitType, ...]:
    found = {unit.type for unit in table.units if unit.type is not UnitType.PERSON or terms.persons is not None}
    return tuple(sorted(found))


def _charges(question: MatchQuestion, dataset: str, terms: MatchTerms, group: GrantGroup) -> Iterator[MatchCharge]:
    purpose, budget = question.purpose, group.budget()
    further = budget.windows(QUERY)
    yield MatchCharge(Charge(dataset, purpose, QUERY, budget.queries_per_day, further=further), 1)
    month = ((Period.MONTH, terms.ids_per_month),)
    yield MatchCharge(Charge(dataset, purpose, IDS, terms.ids_per_day, further=month), question.ids)
    if question.mode is not MatchMode.HITS:
        most = terms.answers_per_month
        yield MatchCharge(Charge(dataset, purpose, ANSWERS, most, further=((Period.MONTH, most),)), 1)


def person_predicate(table: Table) -> str | None:
    """The condition under which a row is about a person: FALSE where the table has none, TRUE where all are."""
    persons = [unit for unit in table.units if unit.type is UnitType.PERSON]
    if not persons:
        return None
    if any(unit.when is None for unit in persons):
        return "TRUE"
    return " OR ".join(f"({unit.when})" for unit in persons)


def specs(subject: Subject, catalog: Catalog, bundle: Bundle, today: date) -> tuple[ListSpec, ...]:
    """The sets that this subject's matches of today may need, each once."""
    found: dict[str, ListSpec] = {}
    for item in offered(subject, catalog, bundle, today):
        for purpose in item.purposes:
            largest = 1 if item.modes[0] is MatchMode.SUM else 0
            question = MatchQuestion(subject, purpose, item.title, item.modes[0], item.minimum_batch, largest)
            try:
                spec = decide_match(question, catalog, bundle, Facts(today)).spec
            except Refused:
                continue  # a deny takes it away again
            found[spec.id] = spec
    return tuple(found.values())

"""The checks that come before rights, in the order of DOMAIN 4.4: the first that fails gives the one reason.

Each takes the question and returns nothing, or raises the refusal. None looks at a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from louver.errors import Refused
from louver_sandbox.catalog.model import SpaceKind, Verb
from louver_sandbox.policy.denials import Denial
from louver_sandbox.policy.dimensions import atoms
from louver_sandbox.policy.grants import Permit
from louver_sandbox.policy.levels import PUBLIC
from louver_sandbox.policy.model import GrantTreatment
from louver_sandbox.policy.reading import Question, Reading, is_foreign_space
from louver_sandbox.refusals import policy as refuse
from louver_sandbox.refusals.policy import Ruling
from louver_sandbox.stages import Clause, Use


def known_purpose(question: Question) -> None:
    """The stated purpose is one of the platform's."""
    platform = question.bundle.platform
    if question.purpose not in platform.purposes:
        raise refuse.purpose_unknown(
            Ruling(f"{platform.id}/purposes", platform.version),
            purpose=question.purpose,
            purposes=sorted(platform.purposes),
        )


def negative_list(question: Question) -> None:
    """No column that was asked for by name is on the negative list. What `*` swept up is `swept_negatives`' part."""
    for reading, use, entry in _negatives(question):
        if not _swept(use, reading):
            raise refuse.on_negative_list(
                reading.site(use), Ruling(entry.rule, entry.version), why=entry.reason, why_zh=entry.reason_zh
            )


def swept_negatives(question: Question) -> None:
    """No column at all is on the negative list. Comes after the checks on raw rows, which explain a `*` better."""
    for reading, use, entry in _negatives(question):
        raise refuse.on_negative_list(
            reading.site(use), Ruling(entry.rule, entry.version), why=entry.reason, why_zh=entry.reason_zh
        )


def _negatives(question: Question) -> Iterator[tuple[Reading, Use, Denial]]:
    for reading in question.government:
        for use in reading.uses:
            entry = reading.covering.negative(use.column, question.purpose)
            if entry is not None:
                yield reading, use, entry


def _swept(use: Use, reading: Reading) -> bool:
    """Whether the column came out of a `*`: other columns are output from the very same place."""
    return use.clause is Clause.OUTPUT and any(
        other.clause is Clause.OUTPUT and other.at == use.at and other.column != use.column for other in reading.uses
    )


def verb(question: Question) -> None:
    """Every table may be analysed at all, rather than matched or queried."""
    for reading in question.government:
        site, permits = reading.site(), reading.covering.permits
        if reading.table.space is SpaceKind.PLATFORM:
            raise refuse.needs_query(site, Ruling("floor/platform-tables", _version(question, permits)))
        if is_foreign_space(reading) or not permits:
            ruling = Ruling("default-deny", _version(question, permits))
            raise refuse.table_not_granted(site, ruling, owner=reading.table.owner)
        verbs = {name for permit in permits for name in permit.grant.verbs} & reading.table.operable
        if Verb.ANALYSE in verbs:
            continue
        ruling = Ruling(permits[0].rule, _version(question, permits))
        if Verb.MATCH in verbs:
            raise refuse.needs_match(site, ruling)
        raise refuse.needs_query(site, ruling)


def consent(question: Question) -> None:
    """No protected rows of one named subject."""
    shown = any(
        use.clause is Clause.OUTPUT and reading.levels[use] > PUBLIC
        for reading in question.government
        for use in reading.uses
    )
    if not shown:
        return
    for reading in question.government:
        for use in reading.uses:
            if use.literal_unit and use.function in ("=", "in"):
                ruling = Ruling("floor/one-subject", _version(question, reading.covering.permits))
                raise refuse.no_consent(reading.site(use), ruling)


def purpose(question: Question) -> None:
    """Every table is granted for the stated purpose, on whatever day."""
    for reading in question.government:
        held = [permit for permit in reading.covering.permits if Verb.ANALYSE in permit.grant.verbs]
        if not any(question.purpose in permit.grant.purposes for permit in held):
            raise refuse.purpose_not_granted(
                reading.site(),
                Ruling("default-deny", _version(question, tuple(held))),
                purpose=question.purpose,
                purposes=sorted({name for permit in held for name in permit.grant.purposes}),
            )


def requester_type(question: Question) -> None:
    """No rule bars this type of requester from a column of this class of subjects."""
    for reading, site_use, denial in _denials(question):
        if denial.subject_class is not None:
            raise refuse.requester_type_barred(
                reading.site(site_use),
                Ruling(denial.rule, denial.version),
                requester=question.bound.request.subject.type.value,
                why=denial.reason,
                why_zh=denial.reason_zh,
            )


def denies(question: Question) -> None:
    """No policy denies a column used."""
    for reading, site_use, denial in _denials(question):
        raise refuse.explicitly_denied(reading.site(site_use), Ruling(denial.rule, denial.version), why=denial.reason)


def _denials(question: Question) -> Iterator[tuple[Reading, Use | None, Denial]]:
    for reading in question.government:
        for denial in reading.covering.denials:
            if not denial.speaks_of(question.purpose) or _lifted(denial, reading):
                continue
            if denial.columns is None:
                yield reading, None, denial
            else:
                yield from ((reading, use, denial) for use in reading.uses if denial.names(use.column))


def _lifted(denial: Denial, reading: Reading) -> bool:
    return denial.unless is not None and reading.holds(denial.unless)


def dates(question: Question) -> None:
    """A grant for the purpose is in force today."""
    for reading in question.government:
        if reading.groups:
            continue
        held = [
            permit
            for permit in reading.covering.permits
            if Verb.ANALYSE in permit.grant.verbs and question.purpose in permit.grant.purposes
        ]
        latest = max(held, key=lambda permit: (permit.grant.valid.until, permit.rule))
        raise refuse.grant_not_in_force(
            reading.site(),
            Ruling(latest.rule, latest.policy.version),
            starts=latest.grant.valid.start.isoformat(),
            ends=latest.grant.valid.until.isoformat(),
            today=question.facts.today.isoformat(),
        )


def raw_rows(question: Question) -> None:
    """Where anything read is protected, the whole query aggregates and no protected column is shown as itself."""
    protected = tuple(
        reading for reading in question.government if reading.least_treatment is not GrantTreatment.EXACT
    )
    refuse_raw_rows(question, protected)


def refuse_raw_rows(question: Question, protected: tuple[Reading, ...]) -> None:
    """The form of the answer, given which readings are protected.

    Named is the first protected column shown, else the first one shown, else the first table.
    """
    shown = [(reading, use) for reading in protected for use in reading.uses if use.clause is Clause.OUTPUT]
    worst = next(((reading, use) for reading, use in shown if reading.protects(use)), None)
    if shown:
        reading, use = worst or shown[0]
        raise _raw_rows(question, reading, use)
    if protected and not question.aggregates_everything(protected):
        raise _raw_rows(question, protected[0], None)


def _raw_rows(question: Question, reading: Reading, use: Use | None) -> Refused:
    ruling = Ruling("floor/raw-rows", _version(question, reading.covering.permits))
    return refuse.raw_rows(reading.site(use), ruling)


def isolation(question: Question) -> None:
    """Where anything read is protected, no condition picks subjects by who they are."""
    if any(reading.least_treatment is not GrantTreatment.EXACT for reading in question.government):
        refuse_isolation(question)


def refuse_isolation(question: Question) -> None:
    """The refusal of any condition on identity, in a query that reads protected data."""
    for reading in question.government:
        for use in reading.uses:
            if reading.identifies(use):
                ruling = Ruling("floor/isolation", _version(question, reading.covering.permits))
                raise refuse.isolates_one_subject(reading.site(use), ruling)


def _version(question: Question, permits: tuple[Permit, ...]) -> str:
    """The versions of the policies that were asked, or the bundle's digest where none speaks of the table."""
    return "+".join(sorted({permit.policy.version for permit in permits})) or question.bundle.digest[:16]


CHECKS: tuple[Callable[[Question], None], ...] = (
    known_purpose,
    negative_list,
    verb,
    consent,
    purpose,
    requester_type,
    denies,
    dates,
    raw_rows,
    swept_negatives,
    isolation,
    atoms,
)

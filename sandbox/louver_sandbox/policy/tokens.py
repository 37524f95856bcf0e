"""The decision about tokens: deny by default, denies over permits, the smallest limits where several grants meet.

Pure as `policy.decide` is. A token serves every question that its institution may ask, so it is granted for an
element and not for a purpose; each question is decided by itself as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from louver_sandbox.catalog.model import Catalog, SpaceKind, Table, Verb
from louver_sandbox.obligations import Charge, Period
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL
from louver_sandbox.policy.grants import Covering, Permit
from louver_sandbox.policy.token_terms import MOST_IDS, TokenTerms
from louver_sandbox.refusals.encrypted import tokens as refuse
from louver_sandbox.refusals.policy import Ruling
from louver_sandbox.stages import Facts, Subject

IDS = "token_ids"
"""What each id is charged as."""


@dataclass(frozen=True, slots=True)
class TokenQuestion:
    """What is asked: tokens of so many blinded ids, values of a data element."""

    subject: Subject
    element: str
    ids: int


@dataclass(frozen=True, slots=True)
class TokenAdmitted:
    """A permit: what every id is charged as, and by which rules."""

    question: TokenQuestion
    charge: Charge
    rules: tuple[str, ...]
    policies: tuple[str, ...]
    bundle_digest: str
    catalog_digest: str


def decide_tokens(question: TokenQuestion, catalog: Catalog, bundle: Bundle, facts: Facts) -> TokenAdmitted:
    """The permit. Raises `Refused` LVR-5321 or LVR-5323."""
    granting: dict[str, list[tuple[Permit, TokenTerms]]] = {}
    for element, permit, terms in _granting(question.subject, catalog, bundle, facts):
        granting.setdefault(element, []).append((permit, terms))
    held = granting.get(question.element, [])
    if not held:
        ruling = Ruling("default-deny", bundle.digest[:16])
        raise refuse.not_granted(question.element, ruling, sorted(granting))
    if not 1 <= question.ids <= MOST_IDS:
        raise refuse.batch_too_large(MOST_IDS)
    day = min(terms.ids_per_day for _, terms in held)
    month = min(terms.ids_per_month for _, terms in held)
    return TokenAdmitted(
        question=question,
        charge=Charge(f"tokens.{question.element}", "", IDS, day, further=((Period.MONTH, month),)),
        rules=tuple(sorted({permit.rule for permit, _ in held})),
        policies=tuple(sorted({f"{permit.policy.id}@{permit.policy.version}" for permit, _ in held})),
        bundle_digest=bundle.digest,
        catalog_digest=catalog.digest,
    )


def _granting(
    subject: Subject, catalog: Catalog, bundle: Bundle, facts: Facts
) -> Iterator[tuple[str, Permit, TokenTerms]]:
    """Each element of which the subject may have tokens today, with a grant that says so and its terms."""
    for table in catalog.tables.values():
        if table.space is not SpaceKind.GOVERNMENT or Verb.ANALYSE not in table.operable:
            continue
        covering = bundle.rulebook.covering(table, subject)
        for permit in covering.permits:
            terms = permit.grant.tokens
            if terms is not None and permit.grant.valid.holds(facts.today):
                for element in sorted(_joined(table, covering, permit)):
                    yield element, permit, terms


def _joined(table: Table, covering: Covering, permit: Permit) -> Iterator[str]:
    """The elements of the columns that the grant lets questions join by and that nothing denies for every purpose."""
    denied = covering.denied(table, "")
    for column in table.columns:
        rights = permit.grant.rights.get(column.name)
        operable = column.level <= HIGHEST_OPERABLE_LEVEL and column.name not in denied
        if column.element and operable and rights is not None and rights.join_key:
            yield column.element

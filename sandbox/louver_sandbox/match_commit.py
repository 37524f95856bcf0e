"""Charging and logging matches: the one transaction before anything is evaluated, and the one after it.

A number is drawn once for a batch. What makes two batches the same is what the requester has committed to: the digest
of its tokens and amounts, the key that they are under, the bound, and the list's edition. The platform can see that
without an id. The same batch gets the number that it had and costs nothing of privacy; any other draws anew and is
paid for, however little it differs (ADR 55).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection

from louver.matching.oprf import ELEMENT_BYTES, number_digest
from louver_sandbox import journal, match_persons
from louver_sandbox.accounting import ledger, privacy
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.commit import budget_refusal, privacy_refusal
from louver_sandbox.journal import Books
from louver_sandbox.matching.editions import Edition
from louver_sandbox.matching.process import AMOUNT_BYTES, TOKEN_SENT
from louver_sandbox.obligations import PrivacyBalance, PrivacyCharge
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.policy.matching import MatchAdmitted, MatchCharge, MatchQuestion
from louver_sandbox.recount import charged, mark
from louver_sandbox.refusals import identity
from louver_sandbox.stages import Subject
from louver_sandbox.store import answers
from louver_sandbox.store.clock import rfc3339

TOKEN_AND_AMOUNT = TOKEN_SENT + AMOUNT_BYTES
_ROW = np.dtype([("token", f"V{TOKEN_SENT}"), ("amount", ">u8")])
MOST_ADMISSIONS = 10
"""Admissions of one request that are looked at."""


@dataclass(frozen=True)
class Asked:
    """A match as its message says: `digest` of the batch, `public_key` of the requester in modes count and sum, and
    the ids of `authorisations` of persons that it brings."""

    id: str
    question: MatchQuestion
    digest: bytes
    public_key: bytes
    signature: bytes
    authorisations: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """Who asks."""
        return self.question.subject

    @property
    def item_bytes(self) -> int:
        """Bytes of one id in the batch."""
        return ELEMENT_BYTES if self.question.mode is MatchMode.HITS else TOKEN_AND_AMOUNT

    def request_digest(self, edition: str) -> str:
        """What makes two matches the same one: all that was asked, against the same set."""
        asked = self.question
        said = (asked.purpose, asked.list, asked.mode.value, asked.ids, self.digest.hex(), self.public_key.hex())
        # What is not brought adds nothing, so that matches from before it could be are still the same.
        brought = (self.authorisations,) if self.authorisations else ()
        declared = (asked.largest,) if asked.largest else ()
        return hashlib.sha256(repr((*said, edition, *brought, *declared)).encode()).hexdigest()


@dataclass(frozen=True)
class Paid:
    """A match that is paid for and logged. `again`: it was before, so that nothing is charged and an outcome that is
    there already (`outcome`, the index of its entry) is not logged twice. `persons` are the subjects of the
    authorisations that it brings, None for one that covers nobody. `given` is the number that the same batch has
    had, which leaves again; `privacy` what it cost and left of the budget of privacy loss."""

    asked: Asked
    admitted: MatchAdmitted
    edition: Edition
    admission: int
    cost: Mapping[str, int]
    remaining: Mapping[str, int]
    again: bool = False
    outcome: int | None = None
    persons: tuple[str | None, ...] = ()
    given: int | None = None
    privacy: tuple[PrivacyBalance, ...] = ()


def largest_of(batch: bytes) -> int:
    """The largest amount beside the tokens of a batch. A hundred thousand are gone through at once, since anything
    slower would hold the interpreter's lock against everybody else."""
    return int(np.frombuffer(batch, _ROW)["amount"].max(initial=0))


def commit(
    tx: Connection, asked: Asked, admitted: MatchAdmitted, edition: Edition, books: Books, now: datetime
) -> Paid:
    """Charges and logs the match, or finds that it was. Raises `Refused` LVR-3001, LVR-3011 to LVR-3014 or
    LVR-0106."""
    return _before(tx, asked, admitted, edition, now) or _charge(tx, asked, admitted, edition, books, now)


def _before(tx: Connection, asked: Asked, admitted: MatchAdmitted, edition: Edition, now: datetime) -> Paid | None:
    wanted = {"request_id": asked.id, "institution": asked.subject.institution}
    found = log_rows.entries(tx, 0, MOST_ADMISSIONS, {**wanted, "kind": "admission"})
    if not found:
        return None
    if found[0].fields.get("request_digest") != asked.request_digest(edition.digest):
        raise identity.request_id_reused()
    outcomes = log_rows.entries(tx, 0, MOST_ADMISSIONS, {**wanted, "kind": "outcome"})
    outcome = outcomes[-1].index if outcomes else None
    given = _given(tx, asked, edition)
    lost = outcome is not None and given is None and asked.question.mode is not MatchMode.HITS
    if lost or (outcome is None and journal.is_past(found[-1], now)):
        return None  # the number that left is there no more, and another draw is paid for
    persons = match_persons.decided(tx, admitted, asked.authorisations, asked.id, now)
    persons = match_persons.still(tx, persons, found[-1])
    covered = tuple(subject for _, subject, _ in persons)
    left = privacy.standing(tx, admitted.losses, asked.subject.institution, now)
    return Paid(asked, admitted, edition, found[-1].index, {}, {}, True, outcome, covered, given, left)


def _charge(
    tx: Connection, asked: Asked, admitted: MatchAdmitted, edition: Edition, books: Books, now: datetime
) -> Paid:
    institution = asked.subject.institution
    items, limits = _booked(admitted, institution)
    before = mark.rows(tx, asked.id)
    given = _given(tx, asked, edition)
    losses: Sequence[PrivacyCharge] = () if given is not None else admitted.losses
    try:
        balances = ledger.charge(tx, items, limits, now, request_id=asked.id)
        spent = privacy.charge(tx, losses, institution, now, request_id=asked.id)
    except ledger.Exhausted as exhausted:
        raise budget_refusal(exhausted) from None
    except privacy.Spent as exhausted:
        raise privacy_refusal(exhausted) from None
    said: dict[str, JSON] = {
        "charged": rfc3339(now),
        "charges": [_charge_body(item) for item in admitted.charges],
        "ledger": mark.after(tx, asked.id, before).body(),
        **charged.of_losses(losses),
    }
    persons = match_persons.decided(tx, admitted, asked.authorisations, asked.id, now)
    match_persons.used(tx, admitted, persons, asked.id, now)
    if persons:
        said["authorisations"] = len(persons)
    entry = books.log.append(tx, _admission(asked, admitted, edition) | said, match_persons.private(persons))
    cost = {f"{item.charge.dataset} {item.charge.kind}": item.amount for item in admitted.charges}
    left = {_named(balance.account): balance.remaining for balance in balances}
    covered = tuple(subject for _, subject, _ in persons)
    spent = spent or privacy.standing(tx, admitted.losses, institution, now)
    return Paid(asked, admitted, edition, entry.index, cost, left, persons=covered, given=given, privacy=spent)


def _named(account: ledger.Account) -> str:
    return f"{account.dataset} {account.kind} {account.period.value}"


def _given(tx: Connection, asked: Asked, edition: Edition) -> int | None:
    """The number that this institution has had for the same batch."""
    if asked.question.mode is MatchMode.HITS:
        return None
    found = answers.find_by_question(tx, asked.subject.institution, _batch(asked, edition))
    return None if found is None else int(json.loads(found.released)["number"])


def _batch(asked: Asked, edition: Edition) -> str:
    """What the number of a batch is found by."""
    return hashlib.sha256(f"number of a match {asked.request_digest(edition.digest)}".encode()).hexdigest()


def _admission(asked: Asked, admitted: MatchAdmitted, edition: Edition) -> dict[str, JSON]:
    subject = asked.subject
    return common(asked, "admission") | {
        "request_digest": asked.request_digest(edition.digest),
        "batch_sha256": asked.digest.hex(),
        "public_key": asked.public_key.hex(),
        "signature": asked.signature.hex(),
        "subject": {"type": subject.type.value, "groups": sorted(subject.groups)},
        "edition": edition.id,
        "match_set": edition.digest,
        "rules": list(admitted.rules),
        "policies": list(admitted.policies),
        "bundle": admitted.bundle_digest,
        "catalog": admitted.catalog_digest,
    }


def outcome(paid: Paid, digest: str, subjects: int | None = None) -> dict[str, JSON]:
    """What the log says of what leaves. `subjects` is how many blinded ones the requester has evaluated, made-up ones
    among them (modes count and sum): more than the set has records would be none of the list's."""
    return common(paid.asked, "outcome") | {
        "admission": paid.admission,
        "treatment": "matched",
        "edition": paid.edition.id,
        "match_set": paid.edition.digest,
        "result_digest": digest,
        "bundle": paid.admitted.bundle_digest,
        "catalog": paid.admitted.catalog_digest,
        **({} if subjects is None else {"subjects": subjects}),
    }


def record(tx: Connection, paid: Paid, drawn: int, subjects: int, books: Books) -> tuple[int, Entry]:
    """Logs a number and keeps it, so that the same batch has it again. The first that was kept leaves: of two calls
    at once the second gets what the first has drawn."""
    earlier = _given(tx, paid.asked, paid.edition)
    number = drawn if earlier is None else earlier
    entry = books.log.append(tx, outcome(paid, number_digest(number), subjects))
    if earlier is None:
        answers.store(
            tx,
            answers.StoredAnswer(
                institution=paid.asked.subject.institution,
                request_id=paid.asked.id,
                request_digest=paid.asked.request_digest(paid.edition.digest),
                question_digest=_batch(paid.asked, paid.edition),
                released=json.dumps({"number": number}).encode(),
                outcome_index=entry.index,
                created=str(entry.fields["time"]),
            ),
        )
    return number, entry


def common(asked: Asked, kind: str) -> dict[str, JSON]:
    """What every entry about a match says. `largest` is the bound of amounts that was declared and signed."""
    question = asked.question
    return {
        "kind": kind,
        "verb": "match",
        "request_id": asked.id,
        "institution": question.subject.institution,
        "certificate": question.subject.fingerprint,
        "purpose": question.purpose,
        "list": question.list[:120],
        "mode": question.mode.value,
        "ids": question.ids,
        **({"largest": question.largest} if question.largest else {}),
    }


def _booked(admitted: MatchAdmitted, institution: str) -> tuple[Sequence[ledger.Charge], Sequence[ledger.Limit]]:
    items, limits = [], []
    for item in admitted.charges:
        one = item.charge
        items.append(ledger.Charge(institution, one.dataset, one.purpose, one.kind, item.amount))
        windows = ((ledger.Period.DAY, one.limit), *one.further)
        limits += [ledger.Limit(one.dataset, one.kind, period, most) for period, most in windows]
    return items, limits


def _charge_body(item: MatchCharge) -> dict[str, JSON]:
    """As `recount.charged` reads it."""
    one = item.charge
    return {
        "dataset": one.dataset,
        "kind": one.kind,
        "limit": one.limit,
        "further": {period.value: most for period, most in one.further},
        "count": 1,
        "amount": item.amount,
        "keys": [],
    }

"""The line of an evaluation of ids, from a signed question to a receipt. Read beside `pipeline` and `match_line`.

Decide without looking at an id; look at the batch; charge and log; and only then evaluate. What fails before the
charge is a refusal, what fails after it leaves nothing and stays charged.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from louver.errors import Fault, Refused
from louver.matching.oprf import ELEMENT_BYTES, elements_digest, evaluated_bytes
from louver_sandbox import journal
from louver_sandbox.accounting import ledger
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.commit import budget_refusal
from louver_sandbox.journal import Books
from louver_sandbox.match_line import Judging
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.tokens import scope
from louver_sandbox.policy.tokens import TokenAdmitted, TokenQuestion, decide_tokens
from louver_sandbox.processes.pool import WorkerFailed
from louver_sandbox.processes.sessions import Session, SessionPool
from louver_sandbox.recount import mark
from louver_sandbox.refusals import capacity, identity
from louver_sandbox.refusals.encrypted import tokens as refuse
from louver_sandbox.stages import Facts
from louver_sandbox.store import StoreError
from louver_sandbox.store.clock import rfc3339

MOST_ADMISSIONS = 10
"""Admissions of one request that are looked at."""


@dataclass(frozen=True)
class Asked:
    """A question for tokens as its message says: `digest` of the batch of blinded ids."""

    id: str
    question: TokenQuestion
    digest: bytes
    signature: bytes

    def request_digest(self, public_key: bytes) -> str:
        """What makes two questions the same one: all that was asked, and the same key."""
        said = (self.question.element, self.question.ids, self.digest.hex(), public_key.hex())
        return hashlib.sha256(repr(said).encode()).hexdigest()


@dataclass(frozen=True)
class Paid:
    """A question that is paid for and logged; of one that was before, `outcome` is the entry that is there."""

    asked: Asked
    admitted: TokenAdmitted
    public_key: bytes
    admission: int
    cost: Mapping[str, int]
    remaining: Mapping[str, int]
    outcome: int | None = None


@dataclass(frozen=True)
class Evaluated:
    """What leaves: the evaluated ids with their proofs, and the receipt."""

    paid: Paid
    content: bytes
    receipt: bytes


class TokenLine:
    """Evaluates blinded ids. `sessions` gives matchers."""

    def __init__(
        self,
        judging: Judging,
        books: Books,
        clock: Callable[[], datetime],
        new_incident: Callable[[Exception], str],
        sessions: Callable[[], SessionPool],
    ) -> None:
        self._judging = judging
        self._books = books
        self._clock = clock
        self._incident = new_incident
        self._sessions = sessions

    def decide(self, asked: Asked) -> TokenAdmitted:
        """Whether it may be, before anything of the batch is looked at. Raises `Refused` (logged)."""
        try:
            now = self._clock()
            facts = Facts(now.astimezone(SHANGHAI).date())
            admitted = decide_tokens(asked.question, self._judging.catalog, self._judging.bundle, facts)
            self._judging.withdrawn(admitted.policies, now)
            return admitted
        except Refused as refused:
            raise self.logged(asked, refused) from None

    def answer(
        self, asked: Asked, admitted: TokenAdmitted, batch: bytes, seconds: float, cancelled: threading.Event
    ) -> Evaluated:
        """Charges, logs and evaluates. Raises `Fault`, and `Refused` (logged): LVR-5320, LVR-5322, LVR-3001, ..."""
        try:
            if len(batch) != asked.question.ids * ELEMENT_BYTES or hashlib.sha256(batch).digest() != asked.digest:
                raise refuse.batch_form()
            if seconds <= 0 or cancelled.is_set():
                raise capacity.deadline_too_short()
            with self._opened(seconds, cancelled) as session:
                public_key = self._checked(asked, batch, session)
                paid = self._commit(asked, admitted, public_key)
                return self._evaluated(paid, batch, session)
        except Refused as refused:
            raise self.logged(asked, refused) from None

    def _opened(self, seconds: float, cancelled: threading.Event) -> Session:
        try:
            return self._sessions().open(seconds, cancelled)
        except WorkerFailed:
            raise refuse.not_installed() from None

    def _checked(self, asked: Asked, batch: bytes, session: Session) -> bytes:
        """The public key, once a matcher has looked at every id. Raises `Refused` LVR-5320 or LVR-5322."""
        subject = asked.question.subject
        try:
            said = session.ask(matcher.JOIN + scope(subject.institution, asked.question.element), ELEMENT_BYTES + 1)
            if said[:1] != matcher.OK or len(said) != ELEMENT_BYTES + 1:
                raise refuse.not_installed()
            for piece in _pieces(batch):
                if session.ask(matcher.ELEMENTS + piece, 1) != matcher.OK:
                    raise refuse.batch_form()
            return said[1:]
        except WorkerFailed as failed:
            self._incident(failed)
            raise refuse.not_installed() from None

    def _commit(self, asked: Asked, admitted: TokenAdmitted, public_key: bytes) -> Paid:
        """Charges and logs, or finds that this was done. Raises `Refused` LVR-3001, LVR-3103 or LVR-0106."""
        try:
            with self._books.state.transaction() as tx:
                before = self._before(tx, asked, admitted, public_key)
                return before or self._charge(tx, asked, admitted, public_key)
        except StoreError:
            raise capacity.not_accepting() from None

    def _before(self, tx: Connection, asked: Asked, admitted: TokenAdmitted, public_key: bytes) -> Paid | None:
        wanted = {"request_id": asked.id, "institution": asked.question.subject.institution}
        found = log_rows.entries(tx, 0, MOST_ADMISSIONS, {**wanted, "kind": "admission"})
        if not found:
            return None
        if found[0].fields.get("request_digest") != asked.request_digest(public_key):
            raise identity.request_id_reused()
        outcomes = log_rows.entries(tx, 0, 1, {**wanted, "kind": "outcome"})
        outcome = outcomes[0].index if outcomes else None
        if outcome is None and journal.is_past(found[-1], self._clock()):
            return None
        return Paid(asked, admitted, public_key, found[-1].index, {}, {}, outcome)

    def _charge(self, tx: Connection, asked: Asked, admitted: TokenAdmitted, public_key: bytes) -> Paid:
        now, institution, one = self._clock(), asked.question.subject.institution, admitted.charge
        item = ledger.Charge(institution, one.dataset, one.purpose, one.kind, asked.question.ids)
        windows = ((ledger.Period.DAY, one.limit), *one.further)
        limits = [ledger.Limit(one.dataset, one.kind, period, most) for period, most in windows]
        before = mark.rows(tx, asked.id)
        try:
            balances = ledger.charge(tx, [item], limits, now, request_id=asked.id)
        except ledger.Exhausted as spent:
            raise budget_refusal(spent) from None
        charged: dict[str, JSON] = {
            "dataset": one.dataset,
            "kind": one.kind,
            "limit": one.limit,
            "further": {period.value: most for period, most in one.further},
            "count": 1,
            "amount": asked.question.ids,
            "keys": [],
        }
        said: dict[str, JSON] = {
            "charged": rfc3339(now),
            "charges": [charged],
            "ledger": mark.after(tx, asked.id, before).body(),
        }
        entry = self._books.log.append(tx, self._admission(asked, admitted, public_key) | said)
        left = {
            f"{balance.account.dataset} {balance.account.kind} {balance.account.period.value}": balance.remaining
            for balance in balances
        }
        return Paid(asked, admitted, public_key, entry.index, {f"{one.dataset} {one.kind}": asked.question.ids}, left)

    def _admission(self, asked: Asked, admitted: TokenAdmitted, public_key: bytes) -> dict[str, JSON]:
        return _common(asked, "admission") | {
            "request_digest": asked.request_digest(public_key),
            "batch_sha256": asked.digest.hex(),
            "public_key": public_key.hex(),
            "signature": asked.signature.hex(),
            "subject": _subject(asked),
            "rules": list(admitted.rules),
            "policies": list(admitted.policies),
            "bundle": admitted.bundle_digest,
            "catalog": admitted.catalog_digest,
        }

    def _evaluated(self, paid: Paid, batch: bytes, session: Session) -> Evaluated:
        """The evaluated ids and the receipt, logged before they leave. Raises `Fault`."""
        try:
            content = b"".join(
                _said(session.ask(matcher.EVALUATE + piece, matcher.CHUNK_BYTES + 1)) for piece in _pieces(batch)
            )
            if len(content) != evaluated_bytes(paid.asked.question.ids):
                raise WorkerFailed("reply")
            return Evaluated(paid, content, self._record(paid, elements_digest(content)))
        except Exception as error:
            raise self._aborted(paid, error) from error

    def _record(self, paid: Paid, digest: str) -> bytes:
        log = self._books.log
        if paid.outcome is not None:
            return log.receipt(paid.outcome).to_bytes()
        body = _common(paid.asked, "outcome") | {
            "admission": paid.admission,
            "treatment": "tokens",
            "public_key": paid.public_key.hex(),
            "result_digest": digest,
            "bundle": paid.admitted.bundle_digest,
            "catalog": paid.admitted.catalog_digest,
        }

        def write(tx: Connection) -> Entry:
            return log.append(tx, body)

        return log.attested(write).to_bytes()

    def logged(self, asked: Asked, refused: Refused) -> Refused:
        """The refusal, once the log has it; when the log cannot take it, that is the refusal (law 8)."""
        body = _common(asked, "refusal") | {
            "code": refused.code,
            "rule": refused.rule,
            "policy": refused.policy_version,
            "subject": _subject(asked),
        }
        try:
            with self._books.state.transaction() as tx:
                self._books.log.append(tx, body)
        except StoreError:
            return capacity.not_accepting()
        return refused

    def _aborted(self, paid: Paid, error: Exception) -> Fault:
        """What was charged stays charged (law 3)."""
        incident = self._incident(error)
        reason = error.kind if isinstance(error, WorkerFailed) else "internal"
        body = _common(paid.asked, "aborted") | {"admission": paid.admission, "reason": reason}
        try:
            with self._books.state.transaction() as tx:
                self._books.log.append(tx, body)
        except StoreError as lost:
            self._incident(lost)
        return Fault(incident)


def _common(asked: Asked, kind: str) -> dict[str, JSON]:
    question = asked.question
    return {
        "kind": kind,
        "verb": "token",
        "request_id": asked.id,
        "institution": question.subject.institution,
        "certificate": question.subject.fingerprint,
        "purpose": "",
        "element": question.element[:40],
        "ids": question.ids,
    }


def _subject(asked: Asked) -> dict[str, JSON]:
    subject = asked.question.subject
    return {"type": subject.type.value, "groups": sorted(subject.groups)}


def _pieces(content: bytes) -> Iterator[bytes]:
    size = matcher.CHUNK * ELEMENT_BYTES
    return (content[start : start + size] for start in range(0, len(content), size))


def _said(reply: bytes) -> bytes:
    """The body of a matcher's answer. Raises `WorkerFailed` where it says that something of ours is wrong."""
    if reply[:1] != matcher.OK:
        raise WorkerFailed("error")
    return reply[1:]

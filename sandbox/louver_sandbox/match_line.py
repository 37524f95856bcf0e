"""The line of a match, from a signed question to a receipt. Read beside `pipeline`, whose order it keeps.

Decide without looking at an id; take the batch in and look at it; make ready what is needed; charge and log; and only
then evaluate. What fails before the charge is a refusal, what fails after it leaves nothing and stays charged.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from louver.errors import Fault, Refused
from louver.matching.oprf import ELEMENT_BYTES, evaluated_bytes, evaluated_elements, hits_digest, number_digest
from louver_sandbox import match_commit
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.journal import Books
from louver_sandbox.match_commit import Asked, Paid, common, largest_of
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.building import SetRefused
from louver_sandbox.matching.editions import Edition, Editions
from louver_sandbox.matching.releasing import met_from, release
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.policy.matching import MatchAdmitted, Offered, decide_match, offered
from louver_sandbox.processes.pool import WorkerFailed
from louver_sandbox.processes.sessions import Session, SessionPool
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals import matching as refuse
from louver_sandbox.stages import Facts, Subject
from louver_sandbox.store import StoreError


@dataclass(frozen=True)
class Judging:
    """By what matches are decided."""

    catalog: Catalog
    bundle: Bundle
    withdrawn: Callable[[Sequence[str], datetime], None]


class MatchLine:
    """Answers matches. `sessions` gives matchers, `sampler` noise: None where this installation has none."""

    def __init__(
        self,
        judging: Judging,
        books: Books,
        clock: Callable[[], datetime],
        new_incident: Callable[[Exception], str],
        editions: Editions,
        sessions: Callable[[], SessionPool],
        sampler: Sampler | None,
    ) -> None:
        self._judging = judging
        self._books = books
        self._clock = clock
        self._incident = new_incident
        self._editions = editions
        self._sessions = sessions
        self._sampler = sampler

    def lists(self, subject: Subject) -> tuple[Offered, ...]:
        """What the subject may match against today."""
        today = self._clock().astimezone(SHANGHAI).date()
        return offered(subject, self._judging.catalog, self._judging.bundle, today)

    def decide(self, asked: Asked) -> MatchAdmitted:
        """Whether the match may be, before anything of its batch is looked at. Raises `Refused` (logged)."""
        try:
            now = self._clock()
            facts = Facts(now.astimezone(SHANGHAI).date())
            admitted = decide_match(asked.question, self._judging.catalog, self._judging.bundle, facts)
            self._judging.withdrawn(admitted.policies, now)
            if asked.authorisations and not (admitted.spec.authorised and asked.question.mode is MatchMode.HITS):
                raise refuse.no_authorisations(asked.question.list)
            if admitted.number is not None and self._sampler is None:
                raise capacity.noise_not_installed()
            return admitted
        except Refused as refused:
            raise self.logged(asked, refused) from None

    def check_batch(self, asked: Asked, batch: bytes) -> None:
        """Whether the batch is the one that was signed, with no amount above the bound that was.

        Raises `Refused` LVR-5105 (logged).
        """
        whole = len(batch) == asked.question.ids * asked.item_bytes
        if not whole or hashlib.sha256(batch).digest() != asked.digest:
            raise self.logged(asked, refuse.batch_form())
        if asked.question.mode is not MatchMode.HITS and largest_of(batch) > asked.question.largest:
            raise self.logged(asked, refuse.batch_form())

    def open(self, asked: Asked, seconds: float, cancelled: threading.Event) -> Session:
        """A matcher, before anything is charged. Raises `Refused` LVR-5107 or LVR-3104 (logged)."""
        if seconds <= 0 or cancelled.is_set():
            raise self.logged(asked, capacity.deadline_too_short())
        try:
            return self._sessions().open(seconds, cancelled)
        except WorkerFailed:
            raise self.logged(asked, refuse.not_installed()) from None

    def prepare(self, asked: Asked, admitted: MatchAdmitted, batch: bytes, session: Session) -> tuple[Edition, bytes]:
        """The set, and the public key in mode hits; the matcher has looked at every id. Raises `Refused` LVR-5105,
        LVR-5107 or LVR-5108 (logged); nothing has been evaluated."""
        try:
            scope = f"{admitted.spec.title}\0{admitted.spec.id}".encode()
            public = _said(session.ask(matcher.KEY + scope, ELEMENT_BYTES + 1))
            if len(public) != ELEMENT_BYTES:
                raise refuse.not_installed()
            what = matcher.ELEMENTS if asked.question.mode is MatchMode.HITS else matcher.TOKENS
            for piece in _pieces(batch, matcher.CHUNK * asked.item_bytes):
                if session.ask(what + piece, 1) != matcher.OK:
                    raise refuse.batch_form()
            return self._editions.ready(admitted.spec), public
        except Refused as refused:
            raise self.logged(asked, refused) from None
        except (SetRefused, WorkerFailed) as failed:
            self._incident(failed)
            raise self.logged(asked, refuse.set_not_ready(admitted.spec.title)) from None

    def commit(self, asked: Asked, admitted: MatchAdmitted, edition: Edition) -> Paid:
        """Charges and logs the match, or finds that it was. Raises `Refused` LVR-3001, LVR-3011 to LVR-3014, LVR-3103
        or LVR-0106 (logged).

        After this nothing of the platform's doing refuses.
        """
        try:
            with self._books.state.transaction() as tx:
                return match_commit.commit(tx, asked, admitted, edition, self._books, self._clock())
        except StoreError:
            raise self.logged(asked, capacity.not_accepting()) from None
        except Refused as refused:
            raise self.logged(asked, refused) from None

    def hits(self, paid: Paid, batch: bytes, session: Session) -> tuple[bytes, bytes, bytes]:
        """The evaluated ids, the records of persons who have authorised it, and the receipt; logged before they
        leave. Raises `Fault`."""
        try:
            evaluated = b"".join(
                _said(session.ask(matcher.EVALUATE + piece, matcher.CHUNK_BYTES + 1))
                for piece in _pieces(batch, matcher.CHUNK * ELEMENT_BYTES)
            )
            if len(evaluated) != evaluated_bytes(paid.asked.question.ids):
                raise WorkerFailed("reply")
            personal = b""
            if paid.persons:
                wanted = json.dumps([paid.edition.id, paid.asked.id, paid.persons])
                personal = _said(session.ask(matcher.PERSONS + wanted.encode(), matcher.REPLY_CAP))
            return evaluated, personal, self._record(paid, hits_digest(evaluated, personal))
        except Exception as error:
            raise self._aborted(paid, error) from error

    def blinded(self, paid: Paid, session: Session) -> int:
        """Has the list's subjects blinded, for the requester to evaluate; how many. Raises `Fault`."""
        try:
            return int.from_bytes(_said(session.ask(matcher.BLIND + paid.edition.id.encode(), 9)), "big")
        except Exception as error:
            raise self._aborted(paid, error) from error

    def elements(self, paid: Paid, subjects: int, session: Session) -> Iterator[bytes]:
        """The blinded subjects, in pieces. Raises `Fault`."""
        for start in range(0, subjects * ELEMENT_BYTES, matcher.PIECE):
            try:
                yield _said(session.ask(matcher.NEXT + start.to_bytes(8, "big"), matcher.PIECE + 1))
            except Exception as error:
                raise self._aborted(paid, error) from error

    def number(self, paid: Paid, evaluated: bytes, session: Session) -> tuple[int, bytes]:
        """What leaves of a count or sum, and the receipt. Raises `Fault`, and `Refused` LVR-5106 where the requester
        has not evaluated the subjects as it said it would: that is its own doing, and tells it nothing."""
        try:
            for piece in _pieces(evaluated, matcher.CHUNK_BYTES):
                session.ask(matcher.FINISH + piece, 1)
            said = session.ask(matcher.RESULT + paid.asked.public_key, 4096)
            if said[:1] == matcher.OK:
                number = self._drawn(paid, said[1:])
                return self._kept(paid, number, evaluated_elements(len(evaluated)))
        except Exception as error:
            raise self._aborted(paid, error) from error
        self.abandon(paid, "evaluation")
        raise refuse.evaluation()

    def _drawn(self, paid: Paid, found: bytes) -> int:
        """The number with noise: what the same batch has had, or a first draw."""
        asked, rules = paid.asked.question, paid.admitted.number
        if rules is None or self._sampler is None:
            raise ValueError("a number without noise")
        met = met_from(json.loads(found))
        return release(met, asked.mode, asked.ids, rules, self._sampler) if paid.given is None else paid.given

    def _kept(self, paid: Paid, number: int, subjects: int) -> tuple[int, bytes]:
        log, told = self._books.log, number
        if paid.outcome is not None and log.entry(paid.outcome).fields.get("result_digest") == number_digest(number):
            return number, log.receipt(paid.outcome).to_bytes()

        def write(tx: Connection) -> Entry:
            nonlocal told
            told, entry = match_commit.record(tx, paid, number, subjects, self._books)
            return entry

        receipt = log.attested(write).to_bytes()
        return told, receipt

    def _record(self, paid: Paid, digest: str) -> bytes:
        log = self._books.log
        if paid.outcome is not None and log.entry(paid.outcome).fields.get("result_digest") == digest:
            return log.receipt(paid.outcome).to_bytes()

        def write(tx: Connection) -> Entry:
            return log.append(tx, match_commit.outcome(paid, digest))

        return log.attested(write).to_bytes()

    def report(
        self, subject: Subject, request_id: str, list_: str, entity: str, measure: str, taken: str, note: str
    ) -> int:
        """Logs the measure taken on a hit; the index of its entry. Raises `Refused` LVR-5109 or LVR-3103.

        Whether the subject is on the list is not looked at: an answer would tell it for one id at a time.
        """
        try:
            with self._books.state.transaction() as tx:
                wanted = {"request_id": request_id, "institution": subject.institution, "kind": "outcome"}
                found = log_rows.entries(tx, 0, 1, wanted)
                fields = found[0].fields if found else {}
                if fields.get("mode") != MatchMode.HITS.value or fields.get("list") != list_:
                    raise refuse.no_hits_to_report()
                body: dict[str, JSON] = {
                    "kind": "match_measure",
                    "institution": subject.institution,
                    "certificate": subject.fingerprint,
                    "match": found[0].index,
                    "list": list_,
                    "edition": str(fields["edition"]),
                    "measure": measure,
                    "taken_on": taken,
                }
                return self._books.log.append(tx, body, {"subject": entity, "note": note}).index
        except StoreError:
            raise capacity.not_accepting() from None

    def logged(self, asked: Asked, refused: Refused) -> Refused:
        """The refusal, once the log has it; when the log cannot take it, that is the refusal (law 8)."""
        subject = asked.question.subject
        body = common(asked, "refusal") | {
            "code": refused.code,
            "rule": refused.rule,
            "policy": refused.policy_version,
            "subject": {"type": subject.type.value, "groups": sorted(subject.groups)},
        }
        try:
            with self._books.state.transaction() as tx:
                self._books.log.append(tx, body)
        except StoreError:
            return capacity.not_accepting()
        return refused

    def abandon(self, paid: Paid, reason: str) -> None:
        """Logs that a paid match ended without an answer. What was charged stays charged (law 3)."""
        body = common(paid.asked, "aborted") | {"admission": paid.admission, "reason": reason}
        with self._books.state.transaction() as tx:
            self._books.log.append(tx, body)

    def _aborted(self, paid: Paid, error: Exception) -> Fault:
        incident = self._incident(error)
        try:
            self.abandon(paid, error.kind if isinstance(error, WorkerFailed) else "internal")
        except StoreError as lost:
            self._incident(lost)
        return Fault(incident)


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def _said(reply: bytes) -> bytes:
    """The body of a matcher's answer. Raises `WorkerFailed` where it says that something of ours is wrong."""
    if reply[:1] != matcher.OK:
        raise WorkerFailed("error")
    return reply[1:]

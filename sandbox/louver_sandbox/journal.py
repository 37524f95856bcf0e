"""What the line writes into the log, entry by entry, and the books it writes them in.

Kinds: `admission` (paid, about to run), `outcome` (what left), `aborted` (admitted, nothing left), `refusal`,
`explain` (a dry run). SQL and parameters enter as salted commitments; the texts lie beside the log and can be erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from louver.errors import Refused
from louver.receipt import Receipt
from louver.transparency.retention import LEAST_DAYS
from louver_sandbox import codec
from louver_sandbox.accounting.history import Found
from louver_sandbox.audit import commitments, stored
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.lookups import Standing
from louver_sandbox.stages import Answer, Committed, Plan, Release, Request
from louver_sandbox.store import State, answers, draws, qualities
from louver_sandbox.store.clock import rfc3339
from louver_sandbox.unreleased import UNFIT_NOISE


@dataclass(frozen=True)
class Books:
    """The ledger, the log and the stored answers, which share their transactions."""

    state: State
    log: AuditLog


SOMEBODYS = -1
"""In place of the entry of another institution's answer, whose noise an admission repeats."""

STANDING, COVERED = "standing", "covered"
"""The text in which an admission says what an authorisation said, and what it says where it covered the subject."""


def request_digest(request: Request) -> str:
    """What makes two requests the same one: purpose, dialect, SQL, parameters, whether it asks for a seal, and what
    it wants of privacy loss and accuracy, not the expiry of the signature."""
    asked = (request.purpose, request.dialect, request.sql, parameters(request))
    # What is not asked for adds nothing, so that requests from before it could be are still the same.
    sealed = (request.seal,) if request.seal else ()
    wanted = () if request.wish is None else (codec.encode(request.wish).decode(),)
    said = repr((*asked, *sealed, *wanted))
    return hashlib.sha256(said.encode()).hexdigest()


def parameters(request: Request) -> str:
    """The named parameters as one text."""
    return repr(sorted((name, type(value).__name__, str(value)) for name, value in request.parameters.items()))


def private(request: Request, standing: Standing | None = None) -> Mapping[str, str]:
    """The texts that enter the log as commitments only: the question, and what an authorisation said to it, which
    the institution's own receipt must not tell."""
    texts = {"sql": request.sql, "parameters": parameters(request)}
    return texts if standing is None else {**texts, STANDING: " ".join(standing.told) or COVERED}


def told_covered(tx: Connection, admission: Entry) -> bool:
    """Whether an admission says that the authorisation covered the subject; one whose text was erased does not."""
    told = commitments.find(tx, admission.commitments).get(STANDING)
    return told is not None and told.text == COVERED


def common(request: Request, kind: str) -> dict[str, JSON]:
    """What every entry about a request says."""
    said: dict[str, JSON] = {
        "kind": kind,
        "request_id": request.id,
        "institution": request.subject.institution,
        "certificate": request.subject.fingerprint,
        "purpose": request.purpose,
        "dialect": request.dialect,
    }
    if request.wish is not None:
        said["wish"] = codec.encode(request.wish).decode()
    return said


def _subject(request: Request) -> dict[str, JSON]:
    """What decisions know of a requester beside its name; a replay and a simulation need it."""
    return {"type": request.subject.type.value, "groups": sorted(request.subject.groups)}


def statement_digest(plan: Plan) -> str:
    """SHA-256 in hex of what runs: of the digests of the cores' statements, in order."""
    digests = (hashlib.sha256(statement.encode()).hexdigest() for statement in plan.statements)
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def admitted(
    tx: Connection,
    plan: Plan,
    request: Request,
    books: Books,
    charged: Mapping[str, JSON],
    found: Sequence[Found] = (),
    standing: Standing | None = None,
    repeats: int | None = None,
) -> Entry:
    """Logs an admission: everything that a replay of the decision needs, and the client's signature (law 6).

    `charged` is all that was charged for it, so that every balance follows from the log alone (`recount.charged`).

    `found` is what the question tells together with earlier ones, for the auditor. Like the charges it depends on
    the books, so no replay decides it again, and so does `standing`, what an authorisation said. `repeats` says that
    noise is not drawn but that of an earlier answer is released again.
    """
    body: dict[str, JSON] = common(request, "admission") | {
        "request_digest": request_digest(request),
        "signature": request.signature.hex(),
        "subject": _subject(request),
        "treatment": plan.treatment.value,
        "question": plan.question,
        "bundle": plan.bundle_digest,
        "catalog": plan.catalog_digest,
        "policies": list(plan.policies),
        "statement_sha256": statement_digest(plan),
        "snapshots": {str(source.table): source.snapshot for source in plan.sources},
        **charged,
    }
    if plan.seal is not None:
        body["seal"] = {"scheme": plan.seal.seal.value, "key": plan.seal.key, "asked": bool(request.seal)}
    if repeats is not None:
        body["repeats"] = repeats
    if plan.threshold is not None and plan.threshold.risks:
        body["accepted_risks"] = list(plan.threshold.risks)
    if found:
        body["history"] = findings(found)
    return books.log.append(tx, body, private(request, standing))


def is_repeat(admission: Entry) -> bool:
    """Whether an admission pays for no noise, since that of an earlier answer is released again."""
    return "repeats" in admission.fields


def is_past(admission: Entry, now: datetime) -> bool:
    """Whether an admission is so old that its outcome may have been pruned: that there is none then proves nothing,
    and what is asked again is paid for again."""
    return str(admission.fields["time"]) < rfc3339(now - timedelta(days=LEAST_DAYS))


def findings(found: Sequence[Found]) -> Sequence[JSON]:
    """What the history has found, as entries say it."""
    return [_finding(item) for item in found]


def _finding(found: Found) -> dict[str, JSON]:
    said: dict[str, JSON] = {"pattern": found.pattern.value, "dataset": found.dataset}
    if found.request_id:
        said["earlier"] = found.request_id
    if found.admission is not None:
        said["admission"] = found.admission
    if found.detail:
        said["detail"] = found.detail
    return said


def answered(
    tx: Connection,
    request: Request,
    plan: Plan,
    answer: Answer,
    books: Books,
    more: Mapping[str, JSON],
    commitments: Mapping[str, str] | None = None,
) -> Entry:
    """Logs what will leave, by its digest, and keeps the answer. `commitments` are those of the same texts, if the
    log has them already."""
    body: dict[str, JSON] = common(request, "outcome") | {
        "treatment": answer.treatment.value,
        "question": plan.question,
        "bundle": plan.bundle_digest,
        "catalog": plan.catalog_digest,
        "rows": answer.rows,
        "result_digest": hashlib.sha256(answer.arrow).hexdigest(),
        "remainder_digest": hashlib.sha256(answer.remainder).hexdigest(),
        **({} if plan.seal is None else {"seal": plan.seal.key}),
        **quality_of(tx, {str(source.table): source.snapshot for source in plan.sources}),
        **more,
    }
    time = _told_time(tx, plan, more)
    entry = (
        books.log.append(tx, body, private(request), time=time)
        if commitments is None
        else books.log.append(tx, body, repeated=commitments, time=time)
    )
    answers.store(
        tx,
        answers.StoredAnswer(
            institution=request.subject.institution,
            request_id=request.id,
            request_digest=request_digest(request),
            question_digest=plan.question,
            released=codec.encode(answer),
            outcome_index=entry.index,
            created=str(entry.fields["time"]),
        ),
    )
    return entry


def quality_of(tx: Connection, snapshots: Mapping[str, str]) -> dict[str, JSON]:
    """What an entry about an answer says of the quality of the data it was made from, by table: of the very
    snapshots, and the same whoever asks and whatever was found in them. Those nobody has measured are left out."""
    told = {table: found for table, one in snapshots.items() if (found := qualities.find(tx, one)) is not None}
    return {"quality": told} if told else {}


def _told_time(tx: Connection, plan: Plan, more: Mapping[str, JSON]) -> str:
    """The admission's moment where the answer waits for a mark, which its receipt would undo; else nothing."""
    admission = more.get("admission")
    if (plan.lookup is None and not plan.pace) or not isinstance(admission, int):
        return ""
    return str(stored.find(tx, admission).fields["time"])


def record(committed: Committed, release: Release, answer: Answer, books: Books) -> Receipt:
    """Logs the outcome of a committed query, durably, before anything leaves.

    Outcome, stored answer, noise that is kept and the signed head that proves them are one transaction:
    none is there without the others.
    """
    notices: dict[str, JSON] = {f"{notice.code} {notice.rule}": notice.count for notice in release.notices}
    more: dict[str, JSON] = {"admission": committed.admission, "notices": notices}

    def write(tx: Connection) -> Entry:
        entry = answered(tx, committed.request, committed.plan, answer, books, more, committed.commitments)
        if release.drawn:
            institution = committed.request.subject.institution
            draws.keep(tx, draws.Drawn(committed.plan.noise, institution, release.drawn, entry.index))
        return entry

    return books.log.attested(write)


def abort(committed: Committed, reason: str, books: Books) -> None:
    """Logs that an admitted query ended without an answer. What was charged stays charged (law 3). Noise that cannot
    be released again is kept no longer."""
    body: dict[str, JSON] = common(committed.request, "aborted") | {
        "admission": committed.admission,
        "reason": reason,
    }
    with books.state.transaction() as tx:
        books.log.append(tx, body)
        if reason == UNFIT_NOISE:
            draws.forget(tx, committed.plan.noise, committed.drawn)


def refuse(request: Request, refused: Refused, books: Books, kind: str = "refusal") -> None:
    """Logs a refusal, with the question as a commitment (law 9)."""
    body: dict[str, JSON] = common(request, kind) | {
        "code": refused.code,
        "rule": refused.rule,
        "policy": refused.policy_version,
        "subject": _subject(request),
    }
    with books.state.transaction() as tx:
        books.log.append(tx, body, private(request))


def explained(request: Request, plan: Plan, books: Books) -> None:
    """Logs a dry run that would have been answered."""
    body: dict[str, JSON] = common(request, "explain") | {
        "treatment": plan.treatment.value,
        "question": plan.question,
    }
    with books.state.transaction() as tx:
        books.log.append(tx, body, private(request))


def note(books: Books, kind: str, **more: JSON) -> int:
    """Logs an act of the operator or the platform itself, such as a published snapshot; returns the index."""
    with books.state.transaction() as tx:
        return noted(books, tx, kind, **more)


def noted(books: Books, tx: Connection, kind: str, **more: JSON) -> int:
    """The same, in a transaction that changes what the entry is about."""
    return books.log.append(tx, {"kind": kind, **more}).index


def appended(books: Books, tx: Connection, body: Mapping[str, JSON], private: Mapping[str, str]) -> int:
    """Adds an entry about something that the transaction changes, with texts that enter as commitments only."""
    return books.log.append(tx, body, private).index


def moment(entry: Entry) -> datetime:
    """When the log took the entry."""
    return datetime.fromisoformat(str(entry.fields["time"]))

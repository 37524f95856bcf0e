"""The commit of a request for scores: authorisations looked at, budget charged and admission logged in one
transaction, durable before a row is read (laws 2, 3 and 8); and the record of what leaves.

Why a subject has no score stands in commitments only: the caller's receipt holds the entry, and a revoked, a missing
and a foreign authorisation must look to it like a subject that is not there. So every subject that is not given again
from store is charged, whatever becomes of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from louver.receipt import Receipt
from louver.scoring.results import Scores
from louver_sandbox import inquiries, journal, standing
from louver_sandbox.accounting import ledger
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.authorisations.decide import cover
from louver_sandbox.authorisations.model import Lookup, Reason, Requester
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.commit import budget_refusal
from louver_sandbox.consents import Authorisations
from louver_sandbox.journal import Books, request_digest
from louver_sandbox.obligations import Charge
from louver_sandbox.plan.features import statement_about_nobody
from louver_sandbox.policy.scoring import SCORES
from louver_sandbox.recount import charged, mark
from louver_sandbox.refusals import capacity, identity
from louver_sandbox.score_plan import ScorePlan
from louver_sandbox.scoring import registry
from louver_sandbox.scoring.registry import Pair, RegisteredModel
from louver_sandbox.stages import Request
from louver_sandbox.store import StoreError, answers

TREATMENT = "authorised"
SCORED, ABSENT, TOO_MANY_MODELS, GIVEN_AGAIN = "scored", "absent", "too_many_models", "given_again"
"""What the log says of a subject beside the reasons of authorisations."""

MOST_ADMISSIONS = 100


@dataclass(frozen=True, slots=True)
class Order:
    """One signed request for scores that policies permit: the model, who is to be scored, and what would run."""

    request: Request
    model: RegisteredModel
    pairs: tuple[Pair, ...] = field(repr=False)
    plan: ScorePlan

    @property
    def question(self) -> str:
        """What makes two requests one question: model, subjects, and what is read."""
        return question_of(self.model.digest, self.pairs, self.plan)


def question_of(model: str, pairs: Sequence[Pair], plan: ScorePlan) -> str:
    """SHA-256 in hex of a model's digest, of who is scored, and of what is read by which policies and catalogue."""
    read = statement_digest(plan)
    said = json.dumps([model, pairs, read, plan.bundle_digest, plan.catalog_digest])
    return hashlib.sha256(b"louver scores\0" + said.encode()).hexdigest()


def statement_digest(plan: ScorePlan) -> str:
    """SHA-256 in hex of the statement that a checker has let through: about as many subjects, all of them nobody."""
    return hashlib.sha256(statement_about_nobody(plan).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Paid:
    """A request that is paid for and logged. `codes` say for each pair what is to be done; None: to be scored."""

    order: Order
    admission: int | None
    codes: tuple[str | None, ...] = field(repr=False)
    cost: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Given:
    """What this very request has had: the same bytes, and the entry that proves them."""

    content: bytes = field(repr=False)
    outcome: int


def find_given(request: Request, books: Books) -> Given | None:
    """The answer this very request has had. Raises `Refused` LVR-0106."""
    with books.state.reading() as tx:
        return _given(tx, request)


def commit(order: Order, books: Books, authorisations: Authorisations, now: datetime) -> Paid | Given:
    """Decides about every subject, charges and logs. Raises `Refused` LVR-0106, LVR-3001 or LVR-3103."""
    try:
        with books.state.transaction() as tx:
            given = _given(tx, order.request)
            if given is not None:
                return given
            paid_before = _unfinished(tx, order, now)
            codes = tuple(_code(tx, order, pair, authorisations, now) for pair in order.pairs)
            missing = sum(code != GIVEN_AGAIN for code in codes)
            to_score = _where(order, codes, None)
            registry.reserve(tx, order.model, to_score, order.request.id)
            for _, authorisation in to_score:
                standing.use(tx, authorisation, order.model.institution, order.model.digest, now)
            if missing == 0 or paid_before is not None:
                return Paid(order, None if paid_before is None else paid_before.index, codes, {})
            return _paid(tx, order, books, codes, missing, now)
    except StoreError:
        raise capacity.not_accepting() from None


def record(
    paid: Paid,
    codes: Sequence[str],
    packs: Sequence[bytes],
    places: Mapping[Pair, tuple[int, int]],
    books: Books,
) -> tuple[bytes, Receipt]:
    """Keeps the ciphertexts, logs what leaves and proves it, in one transaction."""
    left: list[bytes] = []

    def write(tx: Connection) -> Entry:
        registry.keep(tx, paid.order.model.digest, packs, places)
        content = _content(tx, paid, codes)
        left.append(content)
        entry = _answered(tx, paid, codes, content, books)
        _note_scored(tx, paid.order, codes, entry)
        return entry

    receipt = books.log.attested(write)
    return left[-1], receipt


def _note_scored(tx: Connection, order: Order, codes: Sequence[str], outcome: Entry) -> None:
    """Keeps of whom a score has left: whoever it was hears of corrections of what it was made of."""
    request, left = order.request, (SCORED, GIVEN_AGAIN)
    scored = [(*pair, code in left) for pair, code in zip(order.pairs, codes, strict=True)]
    asked = request.subject.institution, request.id, request.purpose
    when = datetime.fromisoformat(str(outcome.fields["time"]))
    rules = order.plan.rules
    inquiries.note_scores(tx, rules.unit, order.model.name, rules.read, asked, scored, outcome.index, when)


def abort(paid: Paid, reason: str, books: Books) -> None:
    """Logs that a paid request ended without an answer."""
    told: dict[str, JSON] = journal.common(paid.order.request, "aborted") | {"verb": "score", "reason": reason}
    if paid.admission is not None:
        told["admission"] = paid.admission
    with books.state.transaction() as tx:
        books.log.append(tx, told)


def _code(tx: Connection, order: Order, pair: Pair, authorisations: Authorisations, now: datetime) -> str | None:
    """What becomes of a subject; None where it is to be scored. Every look is made whatever the others found."""
    subject, authorisation = pair
    request, model = order.request, order.model
    held = authorisations.find(tx, authorisation)
    lookup = Lookup(
        unit=order.plan.rules.unit,
        subject=subject,
        institution=request.subject.institution,
        requester=Requester(request.subject.type.value),
        purpose=request.purpose,
        columns={str(name): frozenset(columns) for name, columns in order.plan.rules.columns.items()},
        sensitive=order.plan.rules.sensitive,
        restricted=order.plan.rules.unit is UnitType.PERSON,
        at=now,
        used=standing.uses(tx, authorisation, model.institution, but=model.digest),
    )
    covered = cover(lookup, held)
    before = registry.others(tx, model.institution, model.feature_set, subject, model.digest)
    place = registry.place(tx, model.digest, pair)
    reasons = covered.reasons if place is None else tuple(one for one in covered.reasons if one is not Reason.USED_UP)
    if reasons:
        return reasons[0].value
    if place is not None:
        return GIVEN_AGAIN
    # As many models as half the features would be as many equations (CRYPTO 5.2).
    return TOO_MANY_MODELS if 2 * (before + 1) >= len(order.plan.rules.bins) else None


def _paid(
    tx: Connection, order: Order, books: Books, codes: Sequence[str | None], missing: int, now: datetime
) -> Paid:
    request = order.request
    before = mark.rows(tx, request.id)
    account = f"scores.{order.model.feature_set}"
    scores = Charge(account, request.purpose, SCORES, order.plan.rules.subjects_per_day)
    items = [
        ledger.Charge(request.subject.institution, one.dataset, one.purpose, one.kind)
        for one in order.plan.rules.queries
    ]
    items.append(ledger.Charge(request.subject.institution, account, request.purpose, SCORES, missing))
    limits = [
        ledger.Limit(one.dataset, one.kind, period, most)
        for one in (*order.plan.rules.queries, scores)
        for period, most in ((ledger.Period.DAY, one.limit), *one.further)
    ]
    try:
        ledger.charge(tx, items, limits, now, request_id=request.id)
    except ledger.Exhausted as spent:
        raise budget_refusal(spent) from None
    told: dict[str, JSON] = journal.common(request, "admission") | {
        "verb": "score",
        "request_digest": request_digest(request),
        "signature": request.signature.hex(),
        "treatment": TREATMENT,
        "question": order.question,
        "subject": {"type": request.subject.type.value, "groups": sorted(request.subject.groups)},
        "model": order.model.digest,
        "scorecard": order.model.name,
        "auditor": order.model.auditor,
        "feature_set": order.model.feature_set,
        "feature_set_sha256": order.model.feature_set_sha256,
        "bundle": order.plan.bundle_digest,
        "catalog": order.plan.catalog_digest,
        "policies": list(order.plan.rules.policies),
        "rules": list(order.plan.rules.rules),
        "statement_sha256": statement_digest(order.plan),
        "snapshots": {str(source.table): source.snapshot for source in order.plan.features.sources},
        "subjects": len(order.pairs),
        **charged.of_scores(order.plan.rules.queries, scores, missing, now, mark.after(tx, request.id, before)),
    }
    entry = books.log.append(tx, told, {**journal.private(request), "decisions": _decisions(order, codes)})
    cost = {f"{one.dataset} {one.kind}": 1 for one in order.plan.rules.queries} | {f"{account} {SCORES}": missing}
    return Paid(order, entry.index, tuple(codes), cost)


def _answered(tx: Connection, paid: Paid, codes: Sequence[str], content: bytes, books: Books) -> Entry:
    order = paid.order
    told: dict[str, JSON] = journal.common(order.request, "outcome") | {
        "verb": "score",
        "treatment": TREATMENT,
        "question": order.question,
        "model": order.model.digest,
        "bundle": order.plan.bundle_digest,
        "catalog": order.plan.catalog_digest,
        "rows": len(order.pairs),
        "seal": order.model.kid,
        "result_digest": hashlib.sha256(content).hexdigest(),
        **journal.quality_of(tx, {str(one.table): one.snapshot for one in order.plan.features.sources}),
    }
    if paid.admission is not None:
        told["admission"] = paid.admission
    entry = books.log.append(tx, told, {**journal.private(order.request), "decisions": _decisions(order, codes)})
    answers.store(
        tx,
        answers.StoredAnswer(
            institution=order.request.subject.institution,
            request_id=order.request.id,
            request_digest=request_digest(order.request),
            question_digest=order.question,
            released=content,
            outcome_index=entry.index,
            created=str(entry.fields["time"]),
        ),
    )
    return entry


def _content(tx: Connection, paid: Paid, codes: Sequence[str]) -> bytes:
    """The bytes that leave: a place for each pair that has a score, and the ciphertexts that are pointed at."""
    model = paid.order.model
    found = [
        registry.place(tx, model.digest, pair) if code in (SCORED, GIVEN_AGAIN) else None
        for pair, code in zip(paid.order.pairs, codes, strict=True)
    ]
    packs = list(dict.fromkeys(place[0] for place in found if place is not None))
    number = {pack: at for at, pack in enumerate(packs)}
    places = tuple(None if place is None else (number[place[0]], place[1]) for place in found)
    return Scores(model.digest, model.kid, places, tuple(registry.contents(tx, packs))).to_bytes()


def _decisions(order: Order, codes: Sequence[str | None]) -> str:
    """What the log keeps of each subject, behind a commitment that only an auditor is shown the text of."""
    return json.dumps([[*pair, code or SCORED] for pair, code in zip(order.pairs, codes, strict=True)])


def _where(order: Order, codes: Sequence[str | None], wanted: str | None) -> list[Pair]:
    return [pair for pair, code in zip(order.pairs, codes, strict=True) if code == wanted]


def _given(tx: Connection, request: Request) -> Given | None:
    try:
        found = answers.find_by_request(tx, request.subject.institution, request.id, request_digest(request))
    except answers.RequestReused:
        raise identity.request_id_reused() from None
    return None if found is None else Given(found.released, found.outcome_index)


def _unfinished(tx: Connection, order: Order, now: datetime) -> Entry | None:
    """The admission of this request, when it was paid for and never answered: it runs again and pays nothing."""
    wanted = {"request_id": order.request.id, "institution": order.request.subject.institution, "kind": "admission"}
    admissions = log_rows.entries(tx, 0, MOST_ADMISSIONS, wanted)
    if any(entry.fields.get("request_digest") != request_digest(order.request) for entry in admissions):
        raise identity.request_id_reused()
    same = (entry for entry in admissions if entry.fields.get("question") == order.question)
    return next((entry for entry in same if not journal.is_past(entry, now)), None)

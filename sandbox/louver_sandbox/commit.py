"""The commit: budget and admission entry in one transaction, durable before a row is read (laws 2, 3 and 8).

It is the last stage that may refuse. The same request, or the same question on the same data and policy, gets the
stored answer instead and pays nothing; under differential privacy every institution does that policy shares it with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from louver.errors import Refused
from louver_sandbox import codec, journal, standing
from louver_sandbox.accounting import history, ledger, privacy, unit_sets
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.journal import Books, request_digest
from louver_sandbox.lookups import Standing
from louver_sandbox.obligations import CHANCES, Charge, PrivacyBalance
from louver_sandbox.plan.lookups import about_nobody
from louver_sandbox.policy.called import is_call
from louver_sandbox.recount import charged, mark
from louver_sandbox.refusals import capacity as refusals
from louver_sandbox.refusals import encrypted, identity, lookups
from louver_sandbox.refusals import privacy as privacy_refusals
from louver_sandbox.selections import Response
from louver_sandbox.stages import Answer, Committed, Plan, Request, Stored
from louver_sandbox.store import StoreError, answers, draws

LARGEST_ANSWER = 256 * 1024 * 1024
MOST_ADMISSIONS = 100
"""Admissions of one request that are looked at: each comes from a change of policy, catalogue or data."""


def find_stored(request: Request, books: Books) -> Stored | None:
    """The answer this very request has had; looked up first, so that a retry outlives a change of policy."""
    if is_call(request):
        return None  # whether it may be given again is asked at the commit
    with books.state.reading() as tx:
        return _same_request(tx, request)


def commit(plan: Plan, request: Request, books: Books, now: datetime) -> Committed | Stored:
    """Charges and logs the plan, or finds its answer. Raises `Refused` LVR-3001, LVR-3010 to LVR-3014, LVR-32xx,
    LVR-3103 or LVR-0106."""
    try:
        with books.state.transaction() as tx:
            unfinished = _unfinished(tx, plan, request, now)
            stored = _same_request(tx, request)
            if plan.lookup is not None:
                return _of_one(tx, plan, request, books, now, stored, unfinished)
            stored = stored or _same_question(tx, plan, request, books, now)
            stored = stored or _shared(tx, plan, request, books, now)
            if stored is not None:
                return stored
            before = _before(tx, plan, request)
            if before is not None:
                return _repeated(tx, plan, request, books, now, before, unfinished)
            if unfinished is not None and not journal.is_repeat(unfinished):
                spared = privacy.standing(tx, plan.privacy, request.subject.institution, now)
                return Committed(plan, request, unfinished.index, unfinished.commitments, {}, {}, spared)
            return paid(tx, plan, request, books, now)
    except StoreError:
        raise refusals.not_accepting() from None


def _of_one(
    tx: Connection,
    plan: Plan,
    request: Request,
    books: Books,
    now: datetime,
    stored: Stored | None,
    unfinished: Entry | None,
) -> Committed | Stored:
    """A lookup: the authorisation is read now, and where it does not cover the subject the statement about nobody
    runs, now and whenever this request is tried again. What was given before is given again only while it still would
    be. Raises `Refused` LVR-6106."""
    found = standing.stand(tx, plan, request, now)
    if unfinished is not None and not journal.told_covered(tx, unfinished):
        # The admission is what explains the rows that are read, and it says that nobody's are.
        found = Standing(covered=False)
    if stored is not None:
        if not found.covered and stored.answer.rows:
            raise lookups.answered_before()
        return stored
    if found.covered:
        standing.use_by_lookup(tx, plan, request, now)
    if unfinished is None:
        made = paid(tx, plan, request, books, now, found)
        standing.note(tx, plan, request, made.admission, now, covered=found.covered)
    else:
        made = Committed(plan, request, unfinished.index, unfinished.commitments, {}, {}, standing=found)
    # The log names the statement about the subject in either case, so that no receipt tells which one ran.
    return made if found.covered else replace(made, plan=about_nobody(plan)[0])


def paid(
    tx: Connection, plan: Plan, request: Request, books: Books, now: datetime, said: Standing | None = None
) -> Committed:
    """Charges everything and logs the admission that says so. Raises `Refused` before anything is written."""
    before = mark.rows(tx, request.id)
    balances = charge(tx, plan.charges, request, now)
    cells = charge_cells(tx, plan, request, now)
    losses = charge_privacy(tx, plan, request, now)
    asked, found = look_back(tx, plan, request, now)
    reached = mark.after(tx, request.id, before)
    entry = journal.admitted(tx, plan, request, books, charged.body(plan, now, reached), found, said)
    history.record(tx, asked, plan.selections, entry.index, now)
    spent, left = cost(plan.charges), remaining(balances)
    spent, left = {**spent, **unit_sets.cost(cells)}, {**left, **unit_sets.remaining(cells)}
    return Committed(plan, request, entry.index, entry.commitments, spent, left, losses, said)


def _same_request(tx: Connection, request: Request) -> Stored | None:
    try:
        found = answers.find_by_request(tx, request.subject.institution, request.id, request_digest(request))
    except answers.RequestReused:
        raise identity.request_id_reused() from None
    return None if found is None else Stored(_answer(found), found.outcome_index)


def _same_question(tx: Connection, plan: Plan, request: Request, books: Books, now: datetime) -> Stored | None:
    """The stored answer to the same question, logged as given again under this request."""
    institution = request.subject.institution
    found = answers.find_by_question(tx, institution, plan.question)
    if found is None:
        return None
    left = privacy.standing(tx, plan.privacy, institution, now)
    answer = replace(_answer(found), cost={}, policies=plan.policies, privacy=left)
    more: dict[str, JSON] = {"same_as": found.outcome_index}
    return Stored(answer, journal.answered(tx, request, plan, answer, books, more).index)


def _shared(tx: Connection, plan: Plan, request: Request, books: Books, now: datetime) -> Stored | None:
    """What was released to another institution for this question, where policy shares it: the same noise, so nothing
    more is lost of anybody, and nothing is charged.

    Nothing of the other institution goes with it: neither its balances nor the place of its entry in the log, which
    would tell when it has asked.
    """
    institution = request.subject.institution
    found = answers.find_release(tx, plan.question) if _is_shared(plan, institution) else None
    if found is None:
        return None
    asked, told = look_back(tx, plan, request, now)
    left = privacy.standing(tx, plan.privacy, institution, now)
    answer = replace(_answer(found), cost={}, remaining={}, policies=plan.policies, privacy=left)
    more: dict[str, JSON] = {"shared": True}
    if told:
        more["history"] = journal.findings(told)
    entry = journal.answered(tx, request, plan, answer, books, more)
    history.record(tx, asked, plan.selections, entry.index, now)
    return Stored(answer, entry.index)


@dataclass(frozen=True, slots=True)
class Preview:
    """What asking a question now would cost, and leave. With `stored` there is an answer to it that would be given
    again, for nothing: the accounts are as they stand."""

    stored: bool
    balances: tuple[ledger.Balance, ...]
    cells: tuple[unit_sets.Cells, ...]
    privacy: tuple[PrivacyBalance, ...]


def preview(tx: Connection, plan: Plan, request: Request, now: datetime) -> Preview:
    """What a commit would do now, with nothing written: the accounts after the plan's charges, what it would add to
    the caps of its datasets and leave of them, and what it would lose of privacy. Raises `Refused` LVR-3001, LVR-3010
    to LVR-3014 or LVR-32xx."""
    institution = request.subject.institution
    if plan.lookup is None:
        own = answers.find_by_question(tx, institution, plan.question) is not None
        if own or _is_released(tx, plan, request):
            if not own:
                look_back(tx, plan, request, now)
            items, limits = _booked(plan.charges, institution)
            left = ledger.standing(tx, items, limits, now)
            return Preview(True, left, (), privacy.standing(tx, plan.privacy, institution, now))
    balances = charge(tx, plan.charges, request, now, dry=True)
    cells = charge_cells(tx, plan, request, now, dry=True)
    losses = charge_privacy(tx, plan, request, now, dry=True)
    look_back(tx, plan, request, now)
    return Preview(False, balances, cells, losses)


def _is_released(tx: Connection, plan: Plan, request: Request) -> bool:
    """Whether an answer would be given again for nothing that was released to others, or under another seal."""
    shared = _is_shared(plan, request.subject.institution)
    return (shared and answers.find_release(tx, plan.question) is not None) or _before(tx, plan, request) is not None


def _is_shared(plan: Plan, institution: str) -> bool:
    """Whether policy shares what is released for the question with every institution."""
    own = any(source.table.schema == institution for source in plan.sources)
    return not own and bool(plan.privacy) and all(one.terms.shared for one in plan.privacy)


def _before(tx: Connection, plan: Plan, request: Request) -> tuple[bytes, answers.StoredAnswer | None, int] | None:
    """What was released for the question under another seal, to this institution or, where policy shares it, to
    anybody: the noise that was drawn, or the answer in clear, and the place of its entry in the log."""
    if not plan.privacy:
        return None
    institution = request.subject.institution
    drawn = draws.find(tx, plan.noise, institution)
    clear = answers.find_by_question(tx, institution, plan.unsealed) if plan.unsealed else None
    if drawn is None and clear is None and _is_shared(plan, institution):
        drawn = draws.find_any(tx, plan.noise)
        clear = answers.find_release(tx, plan.unsealed) if plan.unsealed else None
    if clear is not None:
        return b"", clear, clear.outcome_index if clear.institution == institution else journal.SOMEBODYS
    if drawn is not None:
        return drawn.kept, None, drawn.outcome_index if drawn.institution == institution else journal.SOMEBODYS
    return None


def _repeated(
    tx: Connection,
    plan: Plan,
    request: Request,
    books: Books,
    now: datetime,
    before: tuple[bytes, answers.StoredAnswer | None, int],
    unfinished: Entry | None,
) -> Committed:
    """What was released before, to be released under another seal: the same numbers, so nothing more is lost of
    anybody, and nothing is charged. Rows may be read again, so an admission says so. Raises `Refused` LVR-32xx.

    Of another institution the entry tells no place in the log, which would tell when it has asked.
    """
    kept, clear, place = before
    left = privacy.standing(tx, plan.privacy, request.subject.institution, now)
    entry = unfinished
    if entry is None:
        asked, found = look_back(tx, plan, request, now)
        free = replace(plan, charges=(), cells=(), privacy=())
        reached = mark.after(tx, request.id, mark.rows(tx, request.id))
        entry = journal.admitted(tx, plan, request, books, charged.body(free, now, reached), found, repeats=place)
        history.record(tx, asked, plan.selections, entry.index, now)
    answer = None if clear is None else _answer(clear)
    return Committed(plan, request, entry.index, entry.commitments, {}, {}, left, drawn=kept, before=answer)


def _answer(found: answers.StoredAnswer) -> Answer:
    return codec.decode_kept(found.released, Answer, LARGEST_ANSWER)


def _unfinished(tx: Connection, plan: Plan, request: Request, now: datetime) -> Entry | None:
    """The admission of this request when it was paid for but never answered: a retry runs again and pays nothing.

    Only an admission of this very plan counts. Under another policy or catalogue, or on newer data, the old entry
    would not explain the rows that are about to be read (law 2). One whose answer has left is none either, should the
    stored answer be lost: noise would be drawn a second time for one price. Nor is one whose outcome may be pruned.
    """
    wanted = {"request_id": request.id, "institution": request.subject.institution, "kind": "admission"}
    admissions = log_rows.entries(tx, 0, MOST_ADMISSIONS, wanted)
    if any(entry.fields.get("request_digest") != request_digest(request) for entry in admissions):
        raise identity.request_id_reused()
    same = [entry for entry in admissions if entry.fields.get("question") == plan.question]
    outcomes = log_rows.entries(tx, 0, MOST_ADMISSIONS, {**wanted, "kind": "outcome"}) if same else ()
    answered = {entry.fields.get("admission") for entry in outcomes}
    open_ones = (entry for entry in same if entry.index not in answered)
    return next((entry for entry in open_ones if not journal.is_past(entry, now)), None)


def look_back(
    tx: Connection, plan: Plan, request: Request, now: datetime
) -> tuple[history.Asked, tuple[history.Found, ...]]:
    """What the plan's selections tell together with earlier ones, for the auditor. Raises `Refused` LVR-32xx."""
    asked = history.Asked(request.subject.institution, request.purpose, request.id, plan.history)
    found = history.find(tx, asked, plan.selections, now)
    if found and found[0].response is Response.REFUSE:
        raise found[0].refused(request.purpose)
    return asked, found


def charge(
    tx: Connection, charges: Sequence[Charge], request: Request, now: datetime, *, dry: bool = False
) -> tuple[ledger.Balance, ...]:
    """Books the charges, all or none (`dry`: only says what would be). Raises `Refused` LVR-3001."""
    items, limits = _booked(charges, request.subject.institution)
    try:
        if dry:
            return ledger.preview(tx, items, limits, now)
        return ledger.charge(tx, items, limits, now, request_id=request.id)
    except ledger.Exhausted as spent:
        raise budget_refusal(spent) from None


def _booked(charges: Sequence[Charge], institution: str) -> tuple[list[ledger.Charge], list[ledger.Limit]]:
    items = [
        ledger.Charge(
            ledger.EVERYBODY if c.everybody else institution, c.dataset, c.purpose, c.kind, c.amount, c.key or None
        )
        for c in charges
    ]
    limits = [
        ledger.Limit(c.dataset, c.kind, period, most)
        for c in charges
        for period, most in ((ledger.Period.DAY, c.limit), *c.further)
    ]
    return items, limits


def charge_cells(
    tx: Connection, plan: Plan, request: Request, now: datetime, *, dry: bool = False
) -> tuple[unit_sets.Cells, ...]:
    """Books what the plan may release on the caps of its datasets, all or nothing (`dry`: only says what would be).
    Raises `Refused` LVR-3010."""
    institution = request.subject.institution
    try:
        return unit_sets.charge(tx, plan.cells, institution, now, request_id=request.id, dry=dry)
    except unit_sets.CellsSpent as spent:
        dataset, refresh = spent.charge.dataset, spent.charge.refresh
        raise refusals.cells_spent(dataset, spent.scope, spent.needed, spent.left, spent.limit, refresh) from None


def charge_privacy(
    tx: Connection, plan: Plan, request: Request, now: datetime, *, dry: bool = False
) -> tuple[PrivacyBalance, ...]:
    """Books what the plan costs in privacy loss, all or nothing (`dry`: only says what would be). Raises `Refused`
    LVR-3011 to LVR-3014."""
    institution = request.subject.institution
    try:
        return privacy.charge(tx, plan.privacy, institution, now, request_id=request.id, dry=dry)
    except privacy.Spent as spent:
        raise privacy_refusal(spent) from None


def privacy_refusal(spent: privacy.Spent) -> Refused:
    """The refusal that an exhausted privacy budget becomes."""
    one, needed, left = spent.charge, spent.needed, spent.left
    dataset, unit = one.dataset, one.terms.unit.value
    match spent.scope:
        case "question":
            return privacy_refusals.too_dear(dataset, unit, needed, left)
        case "lifetime":
            return privacy_refusals.lifetime_spent(dataset, unit, needed, left)
        case "allowance":
            return privacy_refusals.allowance_spent(dataset, unit, needed, left, spent.refreshes_at)
        case "purpose":
            return privacy_refusals.purpose_spent(dataset, unit, one.purpose, needed, left, spent.refreshes_at)


def budget_refusal(spent: ledger.Exhausted) -> Refused:
    """The refusal that an exhausted account becomes."""
    account = spent.account
    if account.kind in CHANCES:
        everybody = account.institution == ledger.EVERYBODY
        return encrypted.draws_spent(account.dataset, spent.limit, spent.spent, everybody=everybody)
    refreshes = spent.refreshes_at.isoformat(timespec="minutes") if spent.refreshes_at else "-"
    period = account.period.value
    return refusals.budget_spent(account.dataset, account.purpose, account.kind, spent.limit, refreshes, period)


def cost(charges: Sequence[Charge]) -> Mapping[str, int]:
    """What a plan costs, by dataset and kind."""
    total: dict[str, int] = {}
    for item in charges:
        key = f"{item.dataset} {item.kind}"
        total[key] = total.get(key, 0) + item.amount
    return total


def remaining(balances: Sequence[ledger.Balance]) -> Mapping[str, int]:
    """What is left, by dataset and kind; of a window longer than a day by its period too."""
    left: dict[str, int] = {}
    for balance in balances:
        account = balance.account
        key = f"{account.dataset} {account.kind}"
        if account.period is not ledger.Period.DAY:
            key = f"{key} {account.period.value}"
        left[key] = min(left.get(key, balance.remaining), balance.remaining)
    return left

"""The commit: budget and admission entry in one transaction, durable before a row is read (laws 2, 3 and 8).

It is the last stage that may refuse. The same request, or the same question on the same data and policy, gets the
stored answer instead and pays nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from louver.errors import Refused
from louver_sandbox import codec, journal
from louver_sandbox.accounting import history, ledger, unit_sets
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.journal import Books, request_digest
from louver_sandbox.obligations import Charge
from louver_sandbox.refusals import capacity as refusals
from louver_sandbox.refusals import identity
from louver_sandbox.selections import Response
from louver_sandbox.stages import Answer, Committed, Plan, Request, Stored
from louver_sandbox.store import StoreError, answers

LARGEST_ANSWER = 256 * 1024 * 1024
MOST_ADMISSIONS = 100
"""Admissions of one request that are looked at: each comes from a change of policy, catalogue or data."""


def find_stored(request: Request, books: Books) -> Stored | None:
    """The answer this very request has had; looked up first, so that a retry outlives a change of policy."""
    with books.state.reading() as tx:
        return _same_request(tx, request)


def commit(plan: Plan, request: Request, books: Books, now: datetime) -> Committed | Stored:
    """Charges and logs the plan, or finds its answer. Raises `Refused` LVR-3001, LVR-3010, LVR-32xx, LVR-3103 or
    LVR-0106."""
    try:
        with books.state.transaction() as tx:
            unfinished = _unfinished(tx, plan, request)
            stored = _same_request(tx, request) or _same_question(tx, plan, request, books)
            if stored is not None:
                return stored
            if unfinished is not None:
                return Committed(plan, request, unfinished.index, unfinished.commitments, {}, {})
            balances = charge(tx, plan.charges, request, now)
            cells = charge_cells(tx, plan, request, now)
            asked, found = look_back(tx, plan, request, now)
            entry = journal.admitted(tx, plan, request, books, found)
            history.record(tx, asked, plan.selections, entry.index, now)
            spent, left = cost(plan.charges), remaining(balances)
            spent, left = {**spent, **unit_sets.cost(cells)}, {**left, **unit_sets.remaining(cells)}
            return Committed(plan, request, entry.index, entry.commitments, spent, left)
    except StoreError:
        raise refusals.not_accepting() from None


def _same_request(tx: Connection, request: Request) -> Stored | None:
    try:
        found = answers.find_by_request(tx, request.subject.institution, request.id, request_digest(request))
    except answers.RequestReused:
        raise identity.request_id_reused() from None
    return None if found is None else Stored(_answer(found), found.outcome_index)


def _same_question(tx: Connection, plan: Plan, request: Request, books: Books) -> Stored | None:
    """The stored answer to the same question, logged as given again under this request."""
    found = answers.find_by_question(tx, request.subject.institution, plan.question)
    if found is None:
        return None
    answer = replace(_answer(found), cost={}, policies=plan.policies)
    more: dict[str, JSON] = {"same_as": found.outcome_index}
    return Stored(answer, journal.answered(tx, request, plan, answer, books, more).index)


def _answer(found: answers.StoredAnswer) -> Answer:
    return codec.decode_kept(found.released, Answer, LARGEST_ANSWER)


def _unfinished(tx: Connection, plan: Plan, request: Request) -> Entry | None:
    """The admission of this request when it was paid for but never answered: a retry runs again and pays nothing.

    Only an admission of this very plan counts. Under another policy or catalogue, or on newer data, the old entry
    would not explain the rows that are about to be read (law 2).
    """
    wanted = {"request_id": request.id, "institution": request.subject.institution, "kind": "admission"}
    for entry in log_rows.entries(tx, 0, MOST_ADMISSIONS, wanted):
        if entry.fields.get("request_digest") != request_digest(request):
            raise identity.request_id_reused()
        if entry.fields.get("question") == plan.question:
            return entry
    return None


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
    institution = request.subject.institution
    items = [ledger.Charge(institution, c.dataset, c.purpose, c.kind, 1, c.key or None) for c in charges]
    limits = [
        ledger.Limit(c.dataset, c.kind, period, most)
        for c in charges
        for period, most in ((ledger.Period.DAY, c.limit), *c.further)
    ]
    try:
        if dry:
            return ledger.preview(tx, items, limits, now)
        return ledger.charge(tx, items, limits, now, request_id=request.id)
    except ledger.Exhausted as spent:
        raise budget_refusal(spent) from None


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


def budget_refusal(spent: ledger.Exhausted) -> Refused:
    """The refusal that an exhausted account becomes."""
    account = spent.account
    refreshes = spent.refreshes_at.isoformat(timespec="minutes") if spent.refreshes_at else "-"
    period = account.period.value
    return refusals.budget_spent(account.dataset, account.purpose, account.kind, spent.limit, refreshes, period)


def cost(charges: Sequence[Charge]) -> Mapping[str, int]:
    """What a plan costs, by dataset and kind."""
    total: dict[str, int] = {}
    for item in charges:
        key = f"{item.dataset} {item.kind}"
        total[key] = total.get(key, 0) + 1
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

"""A past for an installation: as many answered questions in its books as a log of a given length has."""

import os
from dataclasses import replace

from louver_sandbox import journal
from louver_sandbox.audit.entries import JSON
from louver_sandbox.commit import paid
from louver_sandbox.journal import Books
from louver_sandbox.premises import utc_now
from louver_sandbox.stages import Answer, Plan, Request

BATCH = 500
"""Questions in one transaction; the line takes two transactions for each, which would take minutes here."""


def grow(books: Books, plan: Plan, request: Request, answer: Answer, entries: int) -> None:
    """Repeats a question under ever new ids and digests, charged, logged and answered, until the log is so long."""
    while (missing := entries - books.log.head().claimed.size) > 0:
        with books.state.transaction() as tx:
            for _ in range(min(BATCH, (missing + 1) // 2)):
                asked = replace(request, id=os.urandom(16).hex())
                charges = tuple(replace(item, key=item.key and os.urandom(16).hex()) for item in plan.charges)
                question = os.urandom(32).hex()
                planned = replace(plan, question=question, charges=charges, cells=(), selections=())
                admission = paid(tx, planned, asked, books, utc_now())
                more: dict[str, JSON] = {"admission": admission.admission, "notices": {}}
                journal.answered(tx, asked, planned, answer, books, more, admission.commitments)

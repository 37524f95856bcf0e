"""What must hold of an installation after anything that can happen to it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import select
from tests.support.installation import eventually

from louver_sandbox.accounting import ledger
from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.demo.city import City
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.recount import verify
from louver_sandbox.store import State, schema


def entries(city: City, *, request_id: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
    """The log's entries, in order, the service running or not."""
    with State.open(city.settings.state) as state:
        books = open_books(city.settings, state, utc_now)
        found: list[dict[str, Any]] = []
        while page := books.log.entries(_after(found), MAX_PAGE, request_id=request_id, kind=kind):
            found += [dict(entry.fields) for entry in page]
        return found


def _after(found: list[dict[str, Any]]) -> int:
    """The index to go on at after these entries."""
    return int(found[-1]["index"]) + 1 if found else 0


def kinds(city: City, request_id: str | None = None) -> list[str]:
    """The kinds of the log's entries, in order."""
    return [str(entry["kind"]) for entry in entries(city, request_id=request_id)]


def wrongs(city: City) -> list[str]:
    """Everything that does not hold; empty is good.

    The log verifies; the ledger adds up and is what the admissions say, charge by charge; nobody
    is admitted or answered twice for one request; an outcome follows its admission; no upload is left half-way.
    """
    with State.open(city.settings.state) as state:
        found = [str(finding) for finding in verify_log(state, city.log_key).findings]
        with state.reading() as tx:
            found += ledger.audit(tx)
        found += map(str, verify.differences(state))
        with state.reading() as tx:
            rows = tx.execute(select(schema.ledger.c.institution, schema.ledger.c.request_id).distinct()).all()
    log = entries(city)
    # An id belongs to its institution: two of them may draw the same.
    admitted = {(entry["institution"], entry["request_id"]): entry for entry in log if entry["kind"] == "admission"}
    times = Counter((entry["kind"], entry.get("institution"), entry.get("request_id")) for entry in log)
    for kind in ("admission", "outcome"):
        found += [f"{request}: {n} x {kind}" for (what, _, request), n in times.items() if what == kind and n > 1]
    requests = {request for _, request in admitted}
    for institution, request in rows:
        # What counts for all institutions together belongs to the request of one.
        known = request in requests if institution == ledger.EVERYBODY else (institution, request) in admitted
        if not known:
            found.append(f"{request}: charged and never admitted")
    for entry in log:
        if entry["kind"] in {"outcome", "aborted"} and "admission" in entry:
            admission = log[entry["admission"]]
            if admission["kind"] != "admission" or admission["request_id"] != entry["request_id"]:
                found.append(f"{entry['request_id']}: {entry['kind']} without its admission")
    if not eventually(lambda: not leftovers(city)):
        found.append(f"left behind: {leftovers(city)}")
    return found


def leftovers(city: City) -> list[str]:
    """Spool files and half-made tables."""
    uploads = city.settings.uploads
    return [file.name for file in (*city.settings.spool.glob("*/[!.]*"), *uploads.glob("*/.taking-*"))]

"""The caller's own trail: what it asked, what became of it, and the receipts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.audit.commitments import Opening
from louver_sandbox.audit.entries import Entry
from louver_sandbox.journal import Books
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.stages import Subject

LARGEST_PAGE = 200
_STATES: Mapping[str, str] = {
    "admission": "admitted",
    "outcome": "answered",
    "report": "answered",
    "aborted": "aborted",
    "refusal": "refused",
    "explain": "explained",
}


def queries(books: Books, subject: Subject, page_size: int, page_token: str) -> pb.ListQueriesResponse:
    """One page of the caller's entries, newest first, one record per entry. Raises `Refused` LVR-0105."""
    size = min(page_size or 50, LARGEST_PAGE)
    before = _token(page_token)
    found = books.log.latest(before, size + 1, institution=subject.institution, kinds=tuple(_STATES))
    openings = books.log.opened(found[:size])
    records = [_record(entry, texts.get("sql")) for entry, texts in zip(found[:size], openings, strict=True)]
    following = str(found[size - 1].index) if len(found) > size else ""
    return pb.ListQueriesResponse(queries=records, next_page_token=following)


def receipt(books: Books, subject: Subject, request_id: str) -> bytes:
    """The receipt of one of the caller's answers or reports. Raises `Refused` LVR-0108."""
    for kind in ("outcome", "report"):
        found = books.log.entries(request_id=request_id, institution=subject.institution, kind=kind, limit=1)
        if found:
            return books.log.receipt(found[0].index).to_bytes()
    raise refusals.unknown_request()


def _token(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise refusals.malformed_request("page_token")
    return int(text)


def _cost(charges: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    """How many charges of each kind: those with a key, and those without."""
    total: Counter[str] = Counter()
    for item in charges:
        number = item["count"] + len(item["keys"])
        total[f"{item['dataset']} {item['kind']}"] += number * item.get("amount", 1)
    return total


def _match(fields: Mapping[str, Any]) -> str:
    """What a match was about, or a question for tokens; they have no SQL."""
    if fields.get("verb") == "token":
        return f"tokens of {fields['element']} ({fields['ids']} ids)"
    if fields.get("verb") != "match":
        return ""
    return f"match {fields['list']} ({fields['mode']}, {fields['ids']} ids)"


def _record(entry: Entry, opening: Opening | None) -> pb.QueryRecord:
    fields: Mapping[str, Any] = entry.fields
    return pb.QueryRecord(
        request_id=fields.get("request_id", ""),
        time=fields["time"],
        purpose=fields.get("purpose", ""),
        sql=opening.text if opening else _match(fields),
        state=_STATES[fields["kind"]],
        code=fields.get("code", ""),
        treatment=fields.get("treatment", ""),
        cost=_cost(fields.get("charges", ())),
        log_index=entry.index,
        rows=fields.get("rows", 0),
    )

"""The auditor's pages: search the log, read one entry with its proof checked here, have its decision made again.

Every search and every entry that is opened is itself an entry of the log.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from louver.audit import AuditClient, AuditEntry, Replayed, WholeEntry
from louver.cli.export import csv_lines
from louver_server.accounts.model import Role, Session
from louver_server.languages import marked
from louver_server.problems import Missing
from louver_server.rendering import page
from louver_server.sessions import BadForm, Form, check_csrf, console, only
from louver_server.twins import of_one
from louver_server.witnessed import Witnessed, read_keys, witnessed

router = APIRouter()
Auditor = Annotated[Session, Depends(only(Role.AUDITOR))]

SHOWN: Final = 50
IN_FILE: Final = 5000
LOOKS: Final = 10
"""Entries of a file for programs."""

TEXTS: Final = {
    "text": marked("Words in the SQL"),
    "institution": marked("Institution"),
    "dataset": marked("Dataset"),
    "purpose": marked("Purpose"),
    "code": marked("Reason"),
    "since": marked("From"),
    "until": marked("Before"),
    "least_cost": marked("Cost from"),
    "most_cost": marked("Cost to"),
    "request_id": marked("Request"),
}
"""What may be typed to narrow a search, and what it is called."""

CHOICES: Final = {
    "verdict": ("admitted", "answered", "refused", "aborted", "explained"),
    "kind": (
        "admission",
        "outcome",
        "refusal",
        "explain",
        "aborted",
        "audit_look",
        "pruning",
        "hold",
        "hold_released",
        "erasure",
        "policy",
        "activation",
        "snapshot",
        "quality",
    ),
    "treatment": ("exact", "threshold", "dp", "matched", "authorised"),
}
_NUMBERS: Final = ("least_cost", "most_cost")
_COLUMNS: Final = (
    "index", "time", "kind", "verdict", "institution", "purpose", "code", "treatment", "datasets", "cost",
    "request_id", "sql",
)  # fmt: skip


@router.get("/log")
def search(request: Request, session: Auditor, token: Annotated[str, Query(max_length=500)] = "") -> Response:
    """What fits the filter, the newest first, and of what there is how much."""
    asked = asked_of(request.query_params)
    found = log_of(request, session).page(SHOWN, token, with_counts=not token, **filter_of(asked))
    return page(
        request, "log.html", session,
        found=found, asked=asked, texts=TEXTS, choices=CHOICES, query=urlencode(asked),
        facets=_facets(found.counts.facets if found.counts else {}, asked),
        further=urlencode({**asked, "token": found.token}) if found.token else "",
        saved=console(request).doors.store.searches(session.account.name),
    )  # fmt: skip


@router.get("/log.{form}")
def as_file(request: Request, session: Auditor, form: str) -> Response:
    """The same for programs and spreadsheets."""
    if form not in {"csv", "json"}:
        raise Missing
    rows = [
        _plain(one) for one in log_of(request, session).search(IN_FILE, **filter_of(asked_of(request.query_params)))
    ]
    if form == "json":
        objects = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        return Response(json.dumps(objects, ensure_ascii=False, indent=1), media_type="application/json")
    named = {"content-disposition": 'attachment; filename="louver-log.csv"'}
    content = csv_lines([_COLUMNS, *rows])
    return Response(content, media_type="text/csv; charset=utf-8; header=present", headers=named)


@router.get("/log/{index}.{form}")
def entry_as_file(request: Request, session: Auditor, index: int, form: str) -> Response:
    """The same for programs and spreadsheets: the entry, and under which head it was proved here."""
    if form not in {"csv", "json"}:
        raise Missing
    found = log_of(request, session).show(_known(index))
    one, head = found.entry, found.head
    said = dict(zip(_COLUMNS, _plain(one), strict=True)) | {
        "tree_size": head.size if head else 0,
        "tree_root": base64.b64encode(head.root).decode() if head else "",
        "covered": found.covered,
        "erased": found.erased,
        "pruned_by": found.pruned_by,
        "related": [dict(zip(_COLUMNS, _plain(other), strict=True)) for other in found.related],
        "entry": dict(found.fields),
    }
    return of_one(form, f"louver-{index}", said)


@router.get("/log/{index}")
def entry(request: Request, session: Auditor, index: int) -> Response:
    """One entry whole, its proof checked before it is shown."""
    return _entry(request, session, index)


@router.post("/log/{index}/replay")
def replay(request: Request, session: Auditor, fields: Form, index: int) -> Response:
    """Its decision made again from the log and the versions that it names."""
    check_csrf(session, fields)
    return _entry(request, session, index, log_of(request, session).replay(_known(index)))


@router.get("/log/{index}/proof")
def proof(request: Request, session: Auditor, index: int) -> Response:
    """The entry and its proof as a file that verifies anywhere (C2SP tlog-proof)."""
    found = log_of(request, session).show(_known(index))
    named = {"content-disposition": f'attachment; filename="louver-{index}.tlog-proof"'}
    return Response(found.file, media_type="text/plain; charset=utf-8", headers=named)


def _entry(request: Request, session: Session, index: int, replayed: Replayed | None = None) -> Response:
    log = log_of(request, session)
    found = log.show(_known(index))
    told = json.dumps(dict(found.fields), ensure_ascii=False, indent=1, sort_keys=True, default=str)
    return page(
        request, "whole.html", session, 200 if replayed is None or replayed.same else 409,
        found=found, told=told, replayed=replayed, witnessed=seen_by(request, log),
        looks=looks(found),
        beside=[one for one in found.related if one.kind != "audit_look"],
        compared=_compared(replayed) if replayed else [],
        replayable=found.entry.kind in {"admission", "outcome"},
    )  # fmt: skip


def looks(found: WholeEntry) -> list[AuditEntry]:
    """The newest looks at an entry; that which shows them is one of them."""
    return [one for one in found.related if one.kind == "audit_look"][-LOOKS:]


def seen_by(request: Request, log: AuditClient) -> Witnessed:
    """What of the log witnesses have cosigned, verified with the keys of this console."""
    return witnessed(log, read_keys(console(request).configuration.witnesses))


def _compared(replayed: Replayed) -> list[tuple[str, str, str]]:
    names = sorted({*replayed.recorded, *replayed.found})
    return [(name, replayed.recorded.get(name, ""), replayed.found.get(name, "")) for name in names]


def log_of(request: Request, session: Session) -> AuditClient:
    """The log as the account's auditor reads it."""
    return console(request).connections.log_of(session.account.profile)


def asked_of(query: Mapping[str, str]) -> dict[str, str]:
    """What the address narrows the search by. Raises `BadForm` for what cannot be meant."""
    given = {name: value.strip() for name, value in query.items() if value.strip()}
    found = {name: given[name] for name in (*TEXTS, *CHOICES) if name in given}
    chosen = all(found.get(name, values[0]) in values for name, values in CHOICES.items() if name != "kind")
    counted = all(found.get(name, "0").isascii() and found.get(name, "0").isdigit() for name in _NUMBERS)
    if not chosen or not counted or any(len(value) > 500 for value in found.values()):
        raise BadForm
    return found


def filter_of(asked: Mapping[str, str]) -> dict[str, Any]:
    return {name: int(value[:18]) if name in _NUMBERS else value for name, value in asked.items()}


def _facets(facets: Mapping[str, Any], asked: Mapping[str, str]) -> list[tuple[str, list[tuple[str, int, str]]]]:
    """Of each facet its title and its values, how many there are, and the address that narrows the search to one."""
    return [
        (
            TEXTS.get(_field(name), name),
            [(value, count, urlencode({**asked, _field(name): value})) for value, count in values],
        )
        for name, values in facets.items()
        if values and _field(name) in (*TEXTS, *CHOICES)
    ]


def _field(facet: str) -> str:
    return facet.removesuffix("s") if facet.removesuffix("s") in (*TEXTS, *CHOICES) else facet


def _plain(one: AuditEntry) -> tuple[object, ...]:
    values = asdict(one) | {"datasets": " ".join(one.datasets)}
    return tuple(values[name] for name in _COLUMNS)


def _known(index: int) -> int:
    if not 0 <= index < 2**63:
        raise Missing
    return index

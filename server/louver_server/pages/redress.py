"""Credit reports on one subject, what subjects dispute in what was told, and what has been corrected since.

A subject's number is personal data: nothing of a report is kept here. Its files are asked for again by the form that
made it, with the same request id, and are the same bytes.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from louver.client import Client
from louver.errors import Refused
from louver.redress import ReportDefinition
from louver.reports import CreditReport
from louver_server.accounts.model import Role, Session
from louver_server.pages.subjects import live
from louver_server.problems import Missing
from louver_server.rendering import page, wording
from louver_server.sessions import BadForm, Form, check_csrf, client_of, only

router = APIRouter()
Analyst = Annotated[Session, Depends(only(Role.ANALYST))]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MEDIA: Final = {"json": "application/json", "receipt": "text/plain; charset=utf-8", "pdf": "application/pdf"}


@router.get("/reports")
def reports(request: Request, session: Analyst) -> Response:
    """The credit reports that are offered to this institution today."""
    return page(request, "reports.html", session, reports=client_of(request, session).reports())


@router.get("/reports/{name}")
def form(request: Request, session: Analyst, name: str) -> Response:
    """One of them, to be filled in."""
    client = client_of(request, session)
    return _form(request, session, client, _definition(client, name), {})


@router.post("/reports/{name}")
def make(request: Request, session: Analyst, fields: Form, name: str) -> Response:
    """The report. It has no address: to see it again is to ask again."""
    check_csrf(session, fields)
    client = client_of(request, session)
    definition = _definition(client, name)
    try:
        made = _made(client, name, fields)
    except Refused as refused:
        return _form(request, session, client, definition, fields, 422, refused=refused)
    return _form(request, session, client, definition, fields, made=made)


@router.post("/reports/{name}/file.{kind}")
def file(request: Request, session: Analyst, fields: Form, name: str, kind: str) -> Response:
    """The same report as a file: the signed document, its receipt, or the PDF that is printed from it here."""
    check_csrf(session, fields)
    if kind not in _MEDIA:
        raise Missing
    made = _made(client_of(request, session), name, fields)
    if kind == "pdf":
        from louver.reports.printing import printed

        content = printed(made)
    elif kind == "json":
        content = made.document
    else:
        content = made.receipt.to_bytes() if made.receipt is not None else b""
    ending = "json.receipt" if kind == "receipt" else kind
    named = {"content-disposition": f'attachment; filename="louver-{made.request_id}.{ending}"'}
    return Response(content, media_type=_MEDIA[kind], headers=named)


@router.get("/disputes")
def disputes(request: Request, session: Analyst) -> Response:
    """Those that this institution has passed on."""
    return _disputes(request, session, {})


@router.post("/disputes")
def dispute(request: Request, session: Analyst, fields: Form) -> Response:
    """Passes on what a subject disputes. The signed document stays with the institution."""
    check_csrf(session, fields)
    client, words = client_of(request, session), wording(request)
    digest = fields.get("evidence", "").strip().lower()
    if not _DIGEST.fullmatch(digest):
        told = words("The evidence is the SHA-256 of the signed document.")
        return _disputes(request, session, fields, 422, told)
    try:
        made = client.dispute(
            _request_id(fields.get("request_id", "").strip()),
            table=fields.get("table", ""),
            statement=fields.get("statement", ""),
            evidence_sha256=digest,
        )
    except Refused as refused:
        chinese = words.language == "zh" and refused.message_zh
        told = f"{refused.code}: {refused.message_zh if chinese else refused.message}"
        return _disputes(request, session, fields, 422, told)
    return _disputes(request, session, {}, 201, recorded=made.id)


@router.get("/corrections")
def corrections(request: Request, session: Analyst) -> Response:
    """What was repaired or corrected since this institution was told of it. That it was fetched is logged."""
    return page(request, "corrections.html", session, corrections=client_of(request, session).corrections())


def _form(
    request: Request,
    session: Session,
    client: Client,
    definition: ReportDefinition,
    fields: Mapping[str, str],
    status: int = 200,
    made: CreditReport | None = None,
    refused: Refused | None = None,
) -> Response:
    return page(
        request, "report.html", session, status,
        definition=definition, fields=fields, live=live(request, client, definition.subject), made=made,
        refused=refused, request_id=str(uuid.uuid4()), kinds=tuple(_MEDIA),
    )  # fmt: skip


def _disputes(
    request: Request,
    session: Session,
    fields: Mapping[str, str],
    status: int = 200,
    problem: str = "",
    recorded: str = "",
) -> Response:
    client = client_of(request, session)
    return page(
        request, "disputes.html", session, status,
        found=client.disputes(), fields=fields, problem=problem, recorded=recorded,
        tables=[table for table in client.tables() if table.space == "government"],
    )  # fmt: skip


def _made(client: Client, name: str, fields: Mapping[str, str]) -> CreditReport:
    return client.report(
        name,
        fields.get("subject", "").strip(),
        authorisation=fields.get("authorisation", ""),
        purpose=fields.get("purpose", ""),
        request_id=_request_id(fields.get("request_id", "")),
    )


def _definition(client: Client, name: str) -> ReportDefinition:
    found = next((one for one in client.reports() if one.name == name), None)
    if found is None:
        raise Missing
    return found


def _request_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadForm from None

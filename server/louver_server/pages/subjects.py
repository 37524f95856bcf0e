"""Questions about one subject: templates as forms, and the authorisations they are asked under.

A subject's number is personal data: nothing of a lookup is kept here, neither what was asked nor what was told. The
sandbox's log has what must be kept.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from louver.client import Client
from louver.errors import Refused
from louver.questions import Parameter
from louver.results import Answer
from louver.subjects import Authorisation, Template, TemplateParameter
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import BEIJING, page, wording
from louver_server.sessions import BadForm, Form, check_csrf, client_of, console, only
from louver_server.tables import columns_of

router = APIRouter()
Analyst = Annotated[Session, Depends(only(Role.ANALYST))]

UNITS: Final = ("enterprise", "person")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_GIVEN: Final = "p."
"""What the fields of a template's parameters begin with in a form."""


@router.get("/lookups")
def templates(request: Request, session: Analyst) -> Response:
    """The templates that are offered to this institution today."""
    return page(request, "lookups.html", session, templates=client_of(request, session).templates())


@router.get("/lookups/{name}")
def form(request: Request, session: Analyst, name: str) -> Response:
    """One of them, to be filled in."""
    client = client_of(request, session)
    return _form(request, session, client, _template(client, name), {})


@router.post("/lookups/{name}")
def ask(request: Request, session: Analyst, fields: Form, name: str) -> Response:
    """What it tells. The answer has no address: to see it again is to ask again."""
    check_csrf(session, fields)
    client = client_of(request, session)
    template = _template(client, name)
    try:
        answer = client.lookup(
            template.name,
            fields.get("subject", "").strip(),
            authorisation=fields.get("authorisation", ""),
            purpose=fields.get("purpose", ""),
            parameters={one.name: _value(one, fields.get(_GIVEN + one.name, "")) for one in template.parameters},
            request_id=_request_id(fields),
        )
    except Refused as refused:
        return _form(request, session, client, template, fields, 422, refused=refused)
    return _form(request, session, client, template, fields, answer=answer)


@router.get("/authorisations")
def authorisations(request: Request, session: Analyst) -> Response:
    """Those that this institution has recorded."""
    return _authorisations(request, session, {})


@router.post("/authorisations")
def record(request: Request, session: Analyst, fields: Form) -> Response:
    """Records that a subject has authorised the institution. The signed document stays with it."""
    check_csrf(session, fields)
    client, words = client_of(request, session), wording(request)
    scope = [name.removeprefix("t.") for name in fields if name.startswith("t.")]
    digest = fields.get("evidence", "").strip().lower()
    days = [_day(fields.get(name, "")) for name in ("granted_on", "expires_on")]
    first, last = days
    if first is None or last is None:
        return _authorisations(request, session, fields, 422, words("A day is missing."))
    if not _DIGEST.fullmatch(digest):
        return _authorisations(
            request, session, fields, 422, words("The evidence is the SHA-256 of the signed document.")
        )
    if not scope:
        return _authorisations(request, session, fields, 422, words("Choose what may be read."))
    uses = fields.get("uses", "1")
    try:
        identity = client.record_authorisation(
            fields.get("subject", "").strip(),
            purpose=fields.get("purpose", ""),
            scope=scope,
            granted_on=first,
            expires_on=last,
            evidence_sha256=digest,
            unit=_one_of(fields.get("unit", ""), UNITS),
            single_consent="single_consent" in fields,
            adverse_notice="adverse_notice" in fields,
            uses=int(uses) if uses.isascii() and uses.isdigit() and len(uses) < 10 else _no_number(),
        )
    except Refused as refused:
        chinese = words.language == "zh" and refused.message_zh
        told = f"{refused.code}: {refused.message_zh if chinese else refused.message}"
        return _authorisations(request, session, fields, 422, told)
    return _authorisations(request, session, {}, 201, recorded=identity)


@router.post("/authorisations/{identity}/revoke")
def revoke(request: Request, session: Analyst, fields: Form, identity: str) -> Response:
    """Makes one void from now on."""
    check_csrf(session, fields)
    client_of(request, session).revoke_authorisation(identity)
    return RedirectResponse("/authorisations", 303)


def live(request: Request, client: Client, unit: str) -> list[Authorisation]:
    """The institution's authorisations by subjects of this kind that are in force today."""
    today = console(request).doors.clock().astimezone(BEIJING).date()
    return [one for one in client.authorisations() if one.unit == unit and _state(one, today) == "in force"]


def _form(
    request: Request,
    session: Session,
    client: Client,
    template: Template,
    fields: Mapping[str, str],
    status: int = 200,
    answer: Answer | None = None,
    refused: Refused | None = None,
) -> Response:
    language = wording(request).language
    return page(
        request, "lookup.html", session, status,
        template=template, fields=fields, live=live(request, client, template.subject), answer=answer,
        refused=refused, given=_GIVEN,
        request_id=str(uuid.uuid4()),
        columns=columns_of(answer) if answer is not None else [],
        titles={field.name: field.title for field in template.fields},
        notices=[(one.code, one.text(language)) for one in answer.notices] if answer is not None else [],
    )  # fmt: skip


def _authorisations(
    request: Request,
    session: Session,
    fields: Mapping[str, str],
    status: int = 200,
    problem: str = "",
    recorded: str = "",
) -> Response:
    client = client_of(request, session)
    today = console(request).doors.clock().astimezone(BEIJING).date()
    tables = client.tables()
    found = [(one, _state(one, today)) for one in client.authorisations()]
    return page(
        request, "authorisations.html", session, status,
        found=found, fields=fields, problem=problem, recorded=recorded, today=today, units=UNITS,
        tables=[table for table in tables if table.space == "government"],
        purposes=sorted({purpose for table in tables for purpose in table.purposes}),
    )  # fmt: skip


def _state(one: Authorisation, today: date) -> str:
    """What has become of an authorisation, as of a day in Beijing."""
    if one.revoked:
        return "revoked"
    if today > one.expires_on:
        return "expired"
    if today < one.granted_on:
        return "not yet"
    return "used up" if one.uses is not None and one.used >= one.uses else "in force"


def _template(client: Client, name: str) -> Template:
    found = next((one for one in client.templates() if one.name == name), None)
    if found is None:
        raise Missing
    return found


def _value(parameter: TemplateParameter, text: str) -> Parameter:
    """A parameter as its type has it; the sandbox checks bounds and choices. Raises `BadForm`."""
    match parameter.type:
        case "integer" if re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
            return int(text)
        case "date" if (day := _day(text)) is not None:
            return day
        case "boolean" if text in {"true", "false"}:
            return text == "true"
        case "choice":
            return text
    raise BadForm


def _request_id(fields: Mapping[str, str]) -> str:
    try:
        return str(uuid.UUID(fields.get("request_id", "")))
    except ValueError:
        raise BadForm from None


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        return None


def _one_of(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise BadForm
    return text


def _no_number() -> int:
    raise BadForm

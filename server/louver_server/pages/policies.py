"""The officer's pages: what is in force, a bench to write and try drafts on, versions with their signatures.

The console has no officer's key and decides nothing: drafts are judged by the sandbox that is deployed, and a
signature is made where the key is and pasted here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from louver.approving import read_version
from louver.errors import Refused
from louver.failures import Misused
from louver.policies import PolicyClient
from louver_server import waits
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import page, wording
from louver_server.sessions import BadForm, Form, check_csrf, console, only

router = APIRouter()
Officer = Annotated[Session, Depends(only(Role.OFFICER))]

LONGEST: Final = 262_144
"""Characters of a draft, as many as the sandbox reads."""
DAYS: Final = 366
EMPTY: Final[Mapping[str, Any]] = {
    "findings": None, "tests": None, "changes": None, "explained": None, "refused": None, "granted": None,
}  # fmt: skip


@router.get("/policies")
def overview(request: Request, session: Officer, done: Annotated[str, Query(max_length=200)] = "") -> Response:
    """What decides, what is signed, and every version on its way."""
    office = _office(request, session)
    versions = sorted(office.versions(), key=lambda one: (one.id, -one.serial))
    return page(
        request, "policies.html", session,
        status=office.status(), documents=office.documents(), versions=versions, done=done, refused=None,
    )  # fmt: skip


@router.get("/draft")
def bench(request: Request, session: Officer, document: Annotated[str, Query(max_length=100)] = "") -> Response:
    """A bench with a document in force on it, or an empty one."""
    text = _office(request, session).document(document) if document else ""
    return _bench(request, session, {"text": text})


@router.post("/draft")
def work(request: Request, session: Officer, fields: Form) -> Response:
    """The draft linted, tested, compared, asked a question, simulated or submitted."""
    check_csrf(session, fields)
    text, office = _draft(fields), _office(request, session)
    found: dict[str, Any] = {}
    try:
        match fields.get("act", ""):
            case "lint":
                found["findings"] = office.lint(text)
            case "test":
                tried = office.test(text)
                found |= {"tests": tried.tests, "findings": tried.findings or None}
            case "diff":
                found["changes"], wrong = office.diff(text)
                found["findings"] = wrong or None
            case "explain":
                found["explained"] = office.explain(_sql(fields), text=text, **_asker(fields))
                found["findings"] = found["explained"].findings or None
            case "grants":
                found["granted"] = office.grants_for(_sql(fields), **_asker(fields))
            case "simulate":
                number = console(request).simulations.begin(session.account.name, office, text, "", _days(fields))
                return RedirectResponse(f"/policies/simulations/{number}", 303)
            case "submit":
                days = {name: fields.get(name, "")[:10] for name in ("effective", "expires")}
                made = office.submit(text, **days)
                if made.version is not None:
                    return RedirectResponse(f"/policies/versions/{quote(made.version.name)}", 303)
                found |= {"findings": made.findings or None, "tests": made.tests or None}
            case _:
                raise BadForm
    except Refused as refused:
        return _bench(request, session, fields, 422, refused=refused)
    return _bench(request, session, fields, **found)


@router.post("/draft/lint")
def lint(request: Request, session: Officer, fields: Form) -> Response:
    """What is wrong with the draft, for the editor's script, in the reader's language."""
    check_csrf(session, fields)
    chinese = wording(request).language == "zh"
    found = [
        {
            "line": one.line,
            "column": one.column,
            "severity": one.severity,
            "message": one.message_zh if chinese else one.message,
            "hint": one.hint_zh if chinese else one.hint,
        }
        for one in _office(request, session).lint(_draft(fields))
    ]
    return JSONResponse(found)


@router.get("/policies/versions/{name}")
def version(request: Request, session: Officer, name: str) -> Response:
    """A version: what it says, what was found, who has signed and what it waits for."""
    return _version(request, session, name)


@router.get("/policies/versions/{name}/file")
def file(request: Request, session: Officer, name: str) -> Response:
    """The file that officers review and sign."""
    found, content = _office(request, session).version(name)
    named = {"content-disposition": f'attachment; filename="{found.name}.json"'}
    return Response(content, media_type="application/json", headers=named)


@router.post("/policies/versions/{name}/{act}")
def act(request: Request, session: Officer, fields: Form, name: str, act: str) -> Response:
    """A signature is filed, an approved version comes into force, or its simulation begins."""
    check_csrf(session, fields)
    office = _office(request, session)
    try:
        match act:
            case "approve":
                office.approve(name, _signature(fields))
            case "activate":
                office.activate(name)
            case "simulate":
                number = console(request).simulations.begin(session.account.name, office, "", name, _days(fields))
                return RedirectResponse(f"/policies/simulations/{number}", 303)
            case _:
                raise Missing
    except Refused as refused:
        return _version(request, session, name, 422, refused=refused)
    except Misused as misused:
        return _version(request, session, name, 422, problem=misused.message)
    return RedirectResponse(f"/policies/versions/{quote(name)}", 303)


@router.post("/policies/revoke")
def revoke(request: Request, session: Officer, fields: Form) -> Response:
    """A revocation that was signed elsewhere is filed."""
    check_csrf(session, fields)
    name, serial = _office(request, session).revoke(fields.get("revocation", "").strip().encode())
    return RedirectResponse(f"/policies?done={quote(f'{name}-{serial}')}", 303)


@router.get("/policies/simulations/{number}")
def simulation(request: Request, session: Officer, number: str) -> Response:
    """How far a simulation is, and what it has found."""
    found = console(request).simulations.of(session.account.name, number)
    if found is None:
        raise Missing
    return page(request, "simulation.html", session, found=found.last, problem=found.problem, of=found.of)


@router.get("/policies/simulations/{number}.json")
def simulated(request: Request, session: Officer, number: str) -> Response:
    """The same for programs."""
    found = console(request).simulations.of(session.account.name, number)
    if found is None or found.last is None:
        raise Missing
    return JSONResponse(asdict(found.last))


def _bench(
    request: Request, session: Session, fields: Mapping[str, str], status: int = 200, /, **found: Any
) -> Response:
    return page(request, "draft.html", session, status, fields=fields, **{**EMPTY, **found})


def _version(
    request: Request,
    session: Session,
    name: str,
    status: int = 200,
    refused: Refused | None = None,
    problem: str = "",
) -> Response:
    office = _office(request, session)
    found, content = office.version(name)
    said = read_version(content)
    waiting = found.state in {"draft", "review", "approved", "scheduled"}
    changes = office.diff(version=name)[0] if waiting else ()
    document = json.dumps(json.loads(said.document), ensure_ascii=False, indent=1)
    return page(
        request, "version.html", session, status,
        found=found, statement=said.statement, report=said.report, document=document, changes=changes,
        refused=refused, problem=problem, signing=found.state in {"draft", "review"}, waiting=waiting,
        waits=[waits.told(one, wording(request)) for one in found.waits],
    )  # fmt: skip


def _office(request: Request, session: Session) -> PolicyClient:
    return console(request).connections.office_of(session.account.profile)


def _draft(fields: Mapping[str, str]) -> str:
    text = fields.get("text", "").replace("\r\n", "\n")
    if not text.strip() or len(text) > LONGEST:
        raise BadForm
    return text


def _sql(fields: Mapping[str, str]) -> str:
    return fields.get("sql", "").replace("\r\n", "\n").strip()


def _asker(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: fields.get(name, "").strip() for name in ("institution", "purpose")}


def _days(fields: Mapping[str, str]) -> int:
    given = fields.get("days", "30").strip()
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:6]) <= DAYS:
        raise BadForm
    return int(given)


def _signature(fields: Mapping[str, str]) -> Mapping[str, str]:
    try:
        body = json.loads(fields.get("signature", ""))
        return {"officer": str(body["officer"]), "signature": str(body["signature"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Misused("not a signature of a version", "`louver policy sign` writes one") from None

"""Signing in and out, and choosing a language."""

from __future__ import annotations

import io
from typing import Final
from urllib.parse import urlsplit

import segno
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from louver_server.accounts import codes, passwords
from louver_server.accounts.doors import NotLetIn, TooOften, TooWeak
from louver_server.accounts.model import Role, Session, Stage
from louver_server.languages import LANGUAGES
from louver_server.rendering import LANGUAGE_COOKIE, page, wording
from louver_server.sessions import (
    Form,
    NotSignedIn,
    address,
    check_csrf,
    console,
    of_stage,
    signed_in,
    started,
    with_cookie,
    without_cookie,
)

router = APIRouter()

HOME: Final = {
    Role.ANALYST: "/ask",
    Role.OFFICER: "/policies",
    Role.AUDITOR: "/log",
    Role.ADMINISTRATOR: "/accounts",
}
_NEXT: Final = {Stage.CODE: "/login/code", Stage.ENROL: "/login/enrol", Stage.FULL: "/"}


@router.get("/")
def home(request: Request) -> Response:
    """To where somebody's work begins."""
    return _see(HOME[signed_in(request).account.role])


@router.get("/login")
def ask_password(request: Request) -> Response:
    """The first factor."""
    session = started(request)
    if session is not None and session.stage is Stage.FULL:
        return _see("/")
    return page(request, "login.html", problem="", name="", elsewhere=_elsewhere(request))


@router.post("/login")
def take_password(request: Request, fields: Form) -> Response:
    """The first factor, given."""
    known, name = console(request), fields.get("name", "").strip()
    try:
        session = known.doors.knock(name, fields.get("password", ""), address(request))
    except (NotLetIn, TooOften) as problem:
        told = _told(request, problem)
        return page(
            request, "login.html", None, _status(problem), problem=told, name=name, elsewhere=_elsewhere(request)
        )
    return with_cookie(_see(_NEXT[session.stage]), known, session)


@router.get("/login/code")
def ask_code(request: Request) -> Response:
    """The second factor."""
    return _confirming(request, of_stage(request, Stage.CODE), "", 200)


@router.post("/login/code")
def take_code(request: Request, fields: Form) -> Response:
    """The second factor, given."""
    known, session = console(request), of_stage(request, Stage.CODE)
    check_csrf(session, fields)
    try:
        if said := fields.get("passkey", ""):
            after = known.doors.confirm_by_passkey(session, said, address(request))
        else:
            after = known.doors.confirm(session, fields.get("code", ""), address(request))
    except (NotLetIn, TooOften) as problem:
        return _confirming(request, session, _told(request, problem), _status(problem))
    return with_cookie(_see("/"), known, after)


@router.get("/login/enrol")
def ask_own(request: Request) -> Response:
    """A password and a second factor of one's own."""
    return _enrolling(request, of_stage(request, Stage.ENROL), "", 200)


@router.get("/login/enrol/code.svg")
def second_factor(request: Request) -> Response:
    """The second factor as a picture for an authenticator program."""
    session = of_stage(request, Stage.ENROL)
    secret = console(request).doors.pending_secret(session)
    drawn = segno.make(codes.address(secret, session.account.name), error="m")
    picture = io.BytesIO()
    drawn.save(picture, kind="svg", scale=4, light="#fff")
    return Response(picture.getvalue(), media_type="image/svg+xml")


@router.post("/login/enrol")
def take_own(request: Request, fields: Form) -> Response:
    """Both, given."""
    known, session = console(request), of_stage(request, Stage.ENROL)
    check_csrf(session, fields)
    password, again = fields.get("password", ""), fields.get("again", "")
    words = wording(request)
    if password != again:
        return _enrolling(request, session, words("The two passwords differ."), 422)
    try:
        if said := fields.get("passkey", ""):
            after = known.doors.enrol_by_passkey(session, password, said, address(request))
        else:
            after = known.doors.enrol(session, password, fields.get("code", ""), address(request))
    except TooWeak:
        return _enrolling(request, session, words("That password is too easy to guess."), 422)
    except NotLetIn:
        return _enrolling(request, session, words("That is not right. Is your telephone's clock?"), 422)
    except TooOften as problem:
        return _enrolling(request, session, _told(request, problem), 429)
    return with_cookie(_see("/"), known, after)


@router.post("/logout")
def leave(request: Request, fields: Form) -> Response:
    """Ends the session."""
    known, session = console(request), started(request)
    if session is None:
        raise NotSignedIn
    check_csrf(session, fields)
    known.doors.leave(session)
    return without_cookie(_see("/login"), known)


@router.post("/language")
def choose_language(request: Request, fields: Form) -> Response:
    """Keeps the choice in the browser, and goes back to where it was made."""
    back = urlsplit(request.headers.get("referer", "/"))
    reply = _see(back.path + (f"?{back.query}" if back.query else "") if back.path.startswith("/") else "/")
    chosen = fields.get("language", "")
    if chosen in LANGUAGES:
        reply.set_cookie(LANGUAGE_COOKIE, chosen, max_age=31_536_000, httponly=True, samesite="strict")
    return reply


def _confirming(request: Request, session: Session, problem: str, status: int) -> Response:
    passkey = console(request).doors.asked_of_passkey(session)
    return page(request, "code.html", None, status, problem=problem, csrf=session.csrf, passkey=passkey)


def _elsewhere(request: Request) -> str:
    found = console(request).elsewhere
    return found.provider.title if found else ""


def _enrolling(request: Request, session: Session, problem: str, status: int) -> Response:
    doors = console(request).doors
    secret = codes.shown(doors.pending_secret(session))
    spaced = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return page(
        request, "enrol.html", None, status,
        problem=problem, csrf=session.csrf, secret=spaced, least=passwords.LEAST, name=session.account.name,
        passkey=doors.wanted_of_passkey(session),
    )  # fmt: skip


def _told(request: Request, problem: NotLetIn | TooOften) -> str:
    words = wording(request)
    if isinstance(problem, TooOften):
        minutes = -(-int(problem.wait.total_seconds()) // 60)
        return words("Too many wrong tries. Try again in %(minutes)s minutes.") % {"minutes": minutes}
    return words("That is not right, or the account is not let in.")


def _status(problem: NotLetIn | TooOften) -> int:
    return 429 if isinstance(problem, TooOften) else 422


def _see(path: str) -> RedirectResponse:
    # Two slashes at the start would name another host.
    return RedirectResponse("/" + path.lstrip("/\\"), 303)

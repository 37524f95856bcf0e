"""The administrator's pages: who has an account, and what was done to the console."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from louver_server.accounts.model import Role, Session
from louver_server.accounts.naming import NAME
from louver_server.accounts.store import ONE_PERSON, Held, Taken
from louver_server.languages import marked
from louver_server.problems import Missing
from louver_server.rendering import page, wording
from louver_server.sessions import BadForm, Form, check_csrf, console, only

router = APIRouter()
Administrator = Annotated[Session, Depends(only(Role.ADMINISTRATOR))]

NAME_RULE: Final = marked("A name has 2 to 40 small letters, digits, dots or dashes, and begins with a letter.")
ONE_ACCOUNT: Final = marked("Another account acts with this profile, which is one person's.")
AT_THE_COMMAND_LINE: Final = marked(
    "With a profile of their own, administrators are invited, and they and officers started anew, by the operator: "
    "louver-server accounts."
)
PAGE: Final = 100


@router.get("/accounts")
def accounts(request: Request, session: Administrator) -> Response:
    """All of them."""
    return _accounts(request, session)


@router.post("/accounts")
def invite(request: Request, session: Administrator, fields: Form) -> Response:
    """A new account; its first password is shown once."""
    check_csrf(session, fields)
    known, words = console(request), wording(request)
    name, profile = fields.get("name", "").strip(), fields.get("profile", "")
    try:
        role = Role(fields.get("role", ""))
    except ValueError:
        raise BadForm from None
    if not NAME.fullmatch(name):
        return _accounts(request, session, 422, words(NAME_RULE))
    if not known.connections.fits(role, profile):
        return _accounts(
            request,
            session,
            422,
            words("An administrator has no profile or an administrator's, and every other role one of its own kind."),
        )
    if role is Role.ADMINISTRATOR and profile:  # else one administrator made the other with whom they agree
        return _accounts(request, session, 422, words(AT_THE_COMMAND_LINE))
    try:
        first = known.doors.invite(name, role, profile, session.account.name)
    except Taken:
        return _accounts(request, session, 422, words("There is an account of that name."))
    except Held:
        return _accounts(request, session, 422, words(ONE_ACCOUNT))
    return _accounts(request, session, 201, invited=name, first=first)


@router.post("/accounts/{name}/{act}")
def change(request: Request, session: Administrator, fields: Form, name: str, act: str) -> Response:
    """Locks somebody out or lets them in again, or gives them a first password."""
    check_csrf(session, fields)
    doors, by, words = console(request).doors, session.account.name, wording(request)
    account = doors.store.account(name)
    if account is None:
        raise Missing
    if name == by:
        return _accounts(request, session, 422, words("Nobody changes their own account."))
    match act:
        case "lock" | "unlock":
            doors.lock(name, by, locked=act == "lock")
        case "anew" if account.subject:
            doors.release(name, by)
        case "anew" if account.role in ONE_PERSON and account.profile:  # else whoever has the password were both
            return _accounts(request, session, 422, words(AT_THE_COMMAND_LINE))
        case "anew":
            return _accounts(request, session, 200, invited=name, first=doors.invite_again(name, by))
        case _:
            raise Missing
    return RedirectResponse("/accounts", 303)


Before = Annotated[int | None, Query(ge=1, lt=2**62)]


@router.get("/journal")
def journal(request: Request, session: Administrator, before: Before = None) -> Response:
    """Who signed in, who was not let in, and what administrators did."""
    found = console(request).doors.store.acts(PAGE + 1, before)
    older = found[PAGE - 1][0] if len(found) > PAGE else None
    return page(request, "journal.html", session, acts=[act for _, act in found[:PAGE]], older=older)


def _accounts(
    request: Request, session: Session, status: int = 200, problem: str = "", invited: str = "", first: str = ""
) -> Response:
    known = console(request)
    return page(
        request, "accounts.html", session, status,
        accounts=known.doors.store.accounts(), roles=list(Role), profiles=known.connections.names,
        problem=problem, invited=invited, first=first,
    )  # fmt: skip

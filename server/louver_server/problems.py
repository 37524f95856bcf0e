"""What can go wrong in the console itself, and the pages that say so."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from louver.errors import Error, Fault, Refused, Unproven
from louver.failures import Misused, Unreachable
from louver_server.accounts.model import Stage
from louver_server.languages import marked
from louver_server.rendering import page, wording
from louver_server.sessions import BadForm, NotForYou, NotSignedIn, started

NOT_FOR_YOU: Final = marked("This page is for another role than yours.")
MISSING: Final = marked("There is nothing here.")
BAD_FORM: Final = marked(
    "This form was not given to you just now. Go back, load the page again and send it once more."
)
BAD_QUERY: Final = marked("Something in this address is not of its form.")
UNREACHABLE: Final = marked("The sandbox cannot be reached.")
UNPROVEN: Final = marked("What the sandbox says is not proved by its log. Nothing of it is shown. Tell the auditor.")
FAULT: Final = marked("The sandbox could not answer. Tell its operator this number: %(incident)s")


class Missing(Exception):
    """There is no such page, or not for this person, which is the same to them."""


def install(app: FastAPI) -> None:
    """Every way in which a request can fail has a page."""
    app.add_exception_handler(NotSignedIn, _to_login)
    app.add_exception_handler(NotForYou, lambda request, _: _say(request, 403, NOT_FOR_YOU))
    app.add_exception_handler(Missing, lambda request, _: _say(request, 404, MISSING))
    app.add_exception_handler(BadForm, lambda request, _: _say(request, 400, BAD_FORM))
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, lambda request, _: _say(request, 422, BAD_QUERY))
    app.add_exception_handler(Error, _of_sandbox)


def _to_login(request: Request, _: Exception) -> Response:
    session = started(request)
    where = {Stage.CODE: "/login/code", Stage.ENROL: "/login/enrol"}
    return RedirectResponse("/login" if session is None else where.get(session.stage, "/login"), 303)


def _of_framework(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    reply = _say(request, status, MISSING if status in {404, 405} else BAD_FORM)
    if status == 405:
        here = (one for one in request.app.state.routes if one.path_regex.match(request.url.path))
        reply.headers["allow"] = ", ".join(sorted({method for one in here for method in one.methods}))
    return reply


def _of_sandbox(request: Request, error: Exception) -> Response:
    words = wording(request)
    match error:
        case Refused():
            chinese = words.language == "zh"
            message = error.message_zh if chinese and error.message_zh else error.message
            hint = error.hint_zh if chinese and error.hint_zh else error.hint
            return _page(request, 422, f"{error.code}: {message}", hint)
        case Unreachable():
            return _page(request, 503, words(UNREACHABLE), error.hint)
        case Misused():
            return _page(request, 422, error.message, error.hint)
        case Unproven():
            return _page(request, 502, words(UNPROVEN))
        case Fault():
            return _page(request, 502, words(FAULT) % {"incident": error.incident})
        case _:
            return _page(request, 502, words(UNREACHABLE))


def _say(request: Request, status: int, message: str) -> Response:
    return _page(request, status, wording(request)(message))


def _page(request: Request, status: int, message: str, hint: str = "") -> Response:
    session = started(request)
    shown = session if session is not None and session.stage is Stage.FULL else None
    return page(request, "problem.html", shown, status, message=message, hint=hint, status=status)

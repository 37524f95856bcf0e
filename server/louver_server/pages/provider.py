"""Signing in at the provider: there with a sealed cookie, and back with an answer that fits it.

No address of these pages says where to go afterwards, so none leads anywhere else.
"""

from __future__ import annotations

from typing import Annotated, Final

from cryptography.hazmat.primitives.constant_time import bytes_eq
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from louver_server.accounts.doors import NotLetIn
from louver_server.accounts.model import Session
from louver_server.accounts.naming import NAME
from louver_server.federation import journeys
from louver_server.federation.asking import Asking, Unanswered
from louver_server.federation.claims import Attested, NotAttested
from louver_server.languages import marked
from louver_server.problems import Missing
from louver_server.rendering import page, wording
from louver_server.sessions import BadForm, Console, address, console, with_cookie

router = APIRouter()

CALLBACK: Final = "/login/oidc/callback"
UNANSWERED: Final = marked(
    "The other place cannot be reached, or does not answer as it must. Tell the administrator."
)
NOT_LET_IN: Final = marked("You signed in there, and are not let in here. The administrator's journal says why.")
NOT_BEGUN: Final = marked("This sign-in did not begin in this browser just now. Begin again.")
TOO_OFTEN: Final = marked("Too many have come back in vain from where you are. Try again later.")
Text = Annotated[str, Query(max_length=2_000)]


@router.get("/login/oidc")
def leave(request: Request) -> Response:
    """Off to the provider."""
    known, elsewhere = _known(request)
    doors = known.doors
    if doors.wait(address(request)):
        return _told(request, TOO_OFTEN, 429)
    journey = journeys.begin(doors.token, doors.clock())
    try:
        where = elsewhere.address(journey)
    except Unanswered:
        return _told(request, UNANSWERED, 502)
    reply = RedirectResponse(where, 303)
    secure = known.configuration.origin.startswith("https:")
    reply.set_cookie(
        _cookie(known), journeys.sealed(journey, doors.secret, doors.random),
        max_age=int(journeys.LONGEST.total_seconds()), path="/", secure=secure, httponly=True,
        samesite="lax",  # the provider's page leads here, and a browser sends no strict cookie along
    )  # fmt: skip
    return reply


@router.get(CALLBACK)
def come_back(
    request: Request, state: Text = "", code: Text = "", iss: Text | None = None, error: Text = ""
) -> Response:
    """Back from the provider."""
    known, elsewhere = _known(request)
    doors, here = known.doors, address(request)
    if len(request.query_params.multi_items()) > len(request.query_params):
        raise BadForm
    if doors.wait(here):
        return _told(request, TOO_OFTEN, 429)
    try:
        journey = journeys.opened(request.cookies.get(_cookie(known), ""), doors.secret, doors.clock())
    except journeys.NoJourney:
        return _ended(request, NOT_BEGUN, 422)
    fits = bytes_eq(state.encode(), journey.state.encode())
    if not fits or not doors.store.spend(f"journey {state}", doors.clock(), journeys.LONGEST):
        doors.refuse(
            "provider: an answer again" if fits else "provider: another sign-in's answer", here, counted=False
        )
        return _ended(request, NOT_BEGUN, 422)
    try:
        if not elsewhere.is_from(iss):
            raise NotAttested("another issuer's answer")
        if error or not code:
            raise NotAttested(f"answered {error[:40]!r}")
        session = _welcome(known, elsewhere.who(journey, code), here)
    except Unanswered as problem:
        doors.refuse(f"provider: {problem}", here, counted=False)
        return _ended(request, UNANSWERED, 502)
    except NotAttested as problem:
        doors.refuse(f"provider: {problem}", here, counted=True)
        return _ended(request, NOT_LET_IN, 422)
    except NotLetIn:
        return _ended(request, NOT_LET_IN, 422)
    # Whoever comes from another site is sent no strict cookie on a redirect; on a link of our own page it is sent.
    return with_cookie(_without_journey(page(request, "welcome.html"), known), known, session)


def _welcome(known: Console, who: Attested, here: str) -> Session:
    if not NAME.fullmatch(who.name):
        raise NotAttested("no name that an account may have")
    if not known.connections.fits(who.role, who.profile):
        raise NotAttested(f"{who.role.value} with profile {who.profile!r}")
    return known.doors.welcome(who.subject, who.name, (who.role, who.profile), here)


def _known(request: Request) -> tuple[Console, Asking]:
    known = console(request)
    if known.elsewhere is None:
        raise Missing
    return known, known.elsewhere


def _cookie(known: Console) -> str:
    return "__Host-louver-oidc" if known.configuration.origin.startswith("https:") else "louver-oidc"


def _ended(request: Request, message: str, status: int) -> Response:
    return _without_journey(_told(request, message, status), console(request))


def _without_journey(reply: Response, known: Console) -> Response:
    secure = known.configuration.origin.startswith("https:")
    reply.delete_cookie(_cookie(known), path="/", secure=secure, httponly=True, samesite="lax")
    return reply


def _told(request: Request, message: str, status: int) -> Response:
    elsewhere = console(request).elsewhere
    title = elsewhere.provider.title if elsewhere else ""
    return page(request, "login.html", None, status, problem=wording(request)(message), name="", elsewhere=title)

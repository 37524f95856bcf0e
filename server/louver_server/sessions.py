"""Who asks for a page: the session of a request, the role a page is for, and the form that was sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.constant_time import bytes_eq
from fastapi import Depends, Request
from starlette.responses import Response

from louver.client import Client
from louver_server.accounts.doors import Doors
from louver_server.accounts.model import LONGEST, Role, Session, Stage
from louver_server.configuration import Configuration, plain_address
from louver_server.connections import Connections
from louver_server.federation.asking import Asking
from louver_server.simulations import Simulations

MOST_FIELDS: Final = 64
CSRF_FIELD: Final = "csrf"


class NotSignedIn(Exception):
    """There is no session, or one that is not of the stage it should be."""


class NotForYou(Exception):
    """The page is for another role."""


class BadForm(Exception):
    """The form is none of ours."""


@dataclass(frozen=True)
class Console:
    """What pages work with."""

    configuration: Configuration
    doors: Doors
    connections: Connections
    simulations: Simulations = field(default_factory=Simulations)
    elsewhere: Asking | None = None
    """Where people may sign in besides here."""

    @property
    def cookie(self) -> str:
        """The session cookie's name; where browsers know the origin as secure, one that only this host can set."""
        return "__Host-louver" if self.configuration.origin.startswith("https:") else "louver-session"


def console(request: Request) -> Console:
    """The installation behind a request."""
    found: Console = request.app.state.console
    return found


def address(request: Request) -> str:
    """Where a request comes from: who connected, or whom the trusted proxy says it speaks for. Of X-Forwarded-For the
    last hop alone is the proxy's own word; what stands before it, whoever asks may have written."""
    peer = request.client.host if request.client else "nowhere"
    proxy = console(request).configuration.trusted_proxy
    if not proxy or plain_address(peer) != proxy:
        return peer
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    return plain_address(hops[-1].strip()) or peer


def started(request: Request, *, used: bool = True) -> Session | None:
    """The session of a request, of whatever stage; kept alive by it where somebody `used` it."""
    known = console(request)
    token = request.cookies.get(known.cookie, "")
    return known.doors.store.session(token, known.doors.clock(), used=used) if token else None


def of_stage(request: Request, stage: Stage, *, used: bool = True) -> Session:
    """The session, where it is of this stage. Raises `NotSignedIn`."""
    session = started(request, used=used)
    if session is None or session.stage is not stage:
        raise NotSignedIn
    return session


def signed_in(request: Request) -> Session:
    """Whoever is fully signed in. Raises `NotSignedIn`."""
    return of_stage(request, Stage.FULL)


def only(*roles: Role, used: bool = True) -> Callable[[Request], Session]:
    """Whoever is signed in and has one of these roles; not `used` is what a page asks by itself, which keeps no
    session alive. Raises `NotSignedIn`, `NotForYou`."""

    def found(request: Request) -> Session:
        session = of_stage(request, Stage.FULL, used=used)
        if session.account.role not in roles:
            raise NotForYou
        return session

    found.roles = roles  # type: ignore[attr-defined]  # whom a route is for, for those who describe it
    return found


def client_of(request: Request, session: Session) -> Client:
    """The sandbox, as this person may be towards it. Raises `louver.failures.Misused`."""
    return console(request).connections.of(session.account.profile)


async def form(request: Request) -> Mapping[str, str]:
    """The fields of a form, each once. Raises `BadForm`."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise BadForm
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"),
            keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MOST_FIELDS,
        )  # fmt: skip
    except ValueError:  # a UnicodeDecodeError is one
        raise BadForm from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise BadForm
    return fields


Form = Annotated[Mapping[str, str], Depends(form)]


def check_csrf(session: Session, fields: Mapping[str, str]) -> None:
    """The form is one that was given to this very session. Raises `BadForm`."""
    if not bytes_eq(session.csrf.encode(), fields.get(CSRF_FIELD, "").encode("utf-8", "replace")):
        raise BadForm


def with_cookie(response: Response, known: Console, session: Session) -> Response:
    """The reply, with the session's token for the browser to keep."""
    response.set_cookie(
        known.cookie,
        session.token,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=known.configuration.origin.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return response


def without_cookie(response: Response, known: Console) -> Response:
    """The reply, after which the browser keeps none."""
    secure = known.configuration.origin.startswith("https:")
    response.delete_cookie(known.cookie, path="/", secure=secure, httponly=True, samesite="strict")
    return response

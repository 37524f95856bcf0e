"""Pages as text: templates that escape everything, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from louver import display
from louver_server.accounts.model import Role, Session
from louver_server.languages import LANGUAGES, marked, translations, wanted

LANGUAGE_COOKIE: Final = "louver-language"
LONGEST: Final = 400
"""Characters of a statement in a list; its own page has all of it."""
BEIJING: Final = timezone(timedelta(hours=8))

_NAVIGATION: Final[Mapping[Role, tuple[tuple[str, str], ...]]] = {
    Role.ANALYST: (
        ("/ask", marked("Ask")),
        ("/lookups", marked("Lookups")),
        ("/reports", marked("Credit reports")),
        ("/authorisations", marked("Authorisations")),
        ("/disputes", marked("Disputes")),
        ("/corrections", marked("Corrections")),
        ("/warnings", marked("Warnings")),
        ("/history", marked("History")),
        ("/catalogue", marked("Catalogue")),
        ("/access", marked("Access")),
    ),
    Role.OFFICER: (
        ("/policies", marked("Policies")),
        ("/draft", marked("Draft")),
        ("/requests", marked("Requests")),
    ),
    Role.AUDITOR: (
        ("/log", marked("Log")),
        ("/alerts", marked("Alerts")),
        ("/spending", marked("Spending")),
        ("/figures", marked("Supply and demand")),
        ("/head", marked("Head of the log")),
    ),
    Role.ADMINISTRATOR: (
        ("/accounts", marked("Accounts")),
        ("/institutions", marked("Institutions")),
        ("/journal", marked("Journal")),
    ),
}

_NAMED_ELSEWHERE: Final = (
    (marked("analyst"), marked("officer"), marked("auditor"), marked("administrator")),
    (marked("answered"), marked("refused"), marked("aborted"), marked("admitted"), marked("explained")),
    (marked("allowance"), marked("purpose"), marked("lifetime")),
    (marked("day"), marked("month"), marked("year")),
    (marked("enterprise"), marked("person")),
    (
        marked("kind"),
        marked("verdict"),
        marked("treatment"),
        marked("institution"),
        marked("dataset"),
        marked("code"),
    ),
    (marked("admission"), marked("outcome"), marked("refusal"), marked("explain"), marked("audit_look")),
    (marked("pruning"), marked("hold"), marked("hold_released"), marked("erasure")),
    (marked("policy"), marked("activation"), marked("snapshot"), marked("quality")),
    (marked("registry"), marked("suspension"), marked("access_request")),
    (marked("authorisation"), marked("authorisation_revoked")),
    (marked("exact"), marked("threshold"), marked("dp"), marked("matched"), marked("authorised")),
    (marked("draft"), marked("review"), marked("approved"), marked("scheduled"), marked("active")),
    (marked("superseded"), marked("error"), marked("warning"), marked("note")),
    (marked("looser"), marked("stricter"), marked("unclear")),
    (
        marked("informational"),
        marked("low"),
        marked("medium"),
        marked("high"),
        marked("critical"),
    ),
    (marked("waiting"), marked("granted"), marked("withdrawn"), marked("live"), marked("ending"), marked("over")),
    (
        marked("open"),
        marked("repaired"),
        marked("corrected"),
        marked("withdrawn"),
        marked("stands"),
        marked("taken_back"),
    ),
    (marked("in force"), marked("not yet"), marked("expired"), marked("revoked"), marked("used up")),
)
"""What pages say by the name that it has in code: roles, states of a question, kinds of limits and their periods,
kinds of subjects, facets and kinds of entries of the log, treatments, states of a version of a policy, findings and
changes of a draft, how grave an alert is, states of requests for access and certificates, states of a dispute, kinds
 of corrections and outcomes, states of an authorisation."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The language of one reply."""

    language: str

    def __call__(self, text: str) -> str:
        """The text in that language; what is none of ours stays as it is."""
        # An empty text stands for the catalogue itself.
        return translations(self.language).gettext(text) if text else ""


def wording(request: Request) -> Wording:
    """The language in which to reply."""
    return Wording(wanted(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")))


def page(
    request: Request, name: str, session: Session | None = None, status: int = 200, /, **values: Any
) -> HTMLResponse:
    """A page for a browser. Every value is escaped where it is written."""
    words = wording(request)
    told = {
        "session": session,
        "role": session.account.role.value if session else "",
        "navigation": _NAVIGATION[session.account.role] if session else (),
        "here": request.url.path,
        "language": words.language,
        "languages": LANGUAGES,
        "LONGEST": LONGEST,
        **values,
    }
    return HTMLResponse(_environment(words.language).get_template(name).render(told), status)


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("louver_server"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {"cell": display.cell, "visible": display.visible, "when": when}
    made.filters["said"] = Wording(language)
    return made


def when(time: datetime | str) -> str:
    """A time as people in Beijing read it; what is no time is shown as it is."""
    try:
        read = datetime.fromisoformat(time) if isinstance(time, str) else time
    except ValueError:
        return display.visible(str(time))
    return read.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")

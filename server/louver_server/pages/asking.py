"""The analyst's workbench: a question, what it would do, and its answer at an address of its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from louver import wishes
from louver.cli.drawing import caret
from louver.cli.explaining import explained
from louver.cli.export import as_csv, as_json
from louver.client import Client
from louver.errors import Error, Refused
from louver.results import Answer, Explanation
from louver_server.accounts.model import Asked, Role, Session
from louver_server.accounts.store import Taken
from louver_server.problems import Missing
from louver_server.rendering import page, wording
from louver_server.sessions import BadForm, Form, check_csrf, client_of, console, only
from louver_server.tables import columns_of

router = APIRouter()
Analyst = Annotated[Session, Depends(only(Role.ANALYST))]

DIALECTS: Final = ("duckdb", "postgres", "mysql", "spark", "oracle")
_MEDIA: Final = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json"}


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the workbench."""

    request_id: str
    sql: str = ""
    purpose: str = ""
    dialect: str = ""
    epsilon: str = ""
    accuracy: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Draft:
        """What a form holds. Raises `BadForm`."""
        names = ("request_id", "sql", "purpose", "dialect", "epsilon", "accuracy")
        given = {name: fields.get(name, "") for name in names}
        given["sql"] = given["sql"].replace("\r\n", "\n")
        try:
            given["request_id"] = str(uuid.UUID(given["request_id"]))
        except ValueError:
            raise BadForm from None
        if given["dialect"] not in ("", *DIALECTS):
            raise BadForm
        return cls(**given)

    def wished(self) -> dict[str, Any]:
        """The wishes as a client takes them. Raises `louver.failures.Misused`."""
        accuracy = [part for part in self.accuracy.replace("\n", ";").split(";") if part.strip()]
        return {
            "purpose": self.purpose.strip(),
            "dialect": self.dialect or None,
            "epsilon": wishes.epsilon_of_text(self.epsilon) if self.epsilon.strip() else None,
            "accuracy": wishes.accuracy_of_texts(accuracy),
        }


@router.get("/ask")
def workbench(request: Request, session: Analyst, again: str = "") -> Response:
    """An empty workbench, or one with a question that was asked before."""
    draft = Draft(_new_id())
    before = console(request).doors.store.question(again, session.account.profile) if again else None
    if before is not None:
        draft = Draft(_new_id(), before.sql, before.purpose, before.dialect, before.epsilon, before.accuracy)
    return _bench(request, session, draft)


@router.post("/ask")
def ask(request: Request, session: Analyst, fields: Form) -> Response:
    """What a question would do, or its answer."""
    check_csrf(session, fields)
    draft, client = Draft.of(fields), client_of(request, session)
    try:
        if fields.get("act") == "explain":
            verdict = client.explain(draft.sql, **draft.wished())
            return _bench(request, session, draft, verdict=verdict, refused=verdict.refusal)
        wished = draft.wished()
        _remember(request, session, draft)
        client.analyse(draft.sql, request_id=draft.request_id, **wished)
    except Refused as refused:
        # What was refused has been logged under its number; the next try is another question.
        return _bench(request, session, Draft(_new_id(), *_rest(draft)), 422, refused=refused)
    except Taken:
        raise BadForm from None
    return RedirectResponse(f"/answers/{draft.request_id}", 303)


@router.get("/answers/{request_id}")
def answer(request: Request, session: Analyst, request_id: str) -> Response:
    """An answer, which the sandbox has stored: to look at it again costs nothing."""
    asked, client = _asked(request, session, request_id), client_of(request, session)
    found = _again(asked, client)
    language = wording(request).language
    return page(
        request, "answer.html", session,
        asked=asked, answer=found, columns=columns_of(found), rows=found.readable,
        remainder=found.remainder, notices=[(one.code, one.text(language)) for one in found.notices],
        accuracy=[(one.column, one.text(language)) for one in found.accuracy], proof=found.proof,
    )  # fmt: skip


@router.get("/answers/{request_id}/rows.{form}")
def rows(request: Request, session: Analyst, request_id: str, form: str) -> Response:
    """An answer for programs and spreadsheets."""
    if form not in _MEDIA:
        raise Missing
    found = _again(_asked(request, session, request_id), client_of(request, session))
    content = as_csv(found) if form == "csv" else as_json(found)
    named = {"content-disposition": f'attachment; filename="louver-{request_id}.{form}"'}
    return Response(content, media_type=_MEDIA[form], headers=named)


@router.get("/answers/{request_id}/receipt")
def receipt(request: Request, session: Analyst, request_id: str) -> Response:
    """The receipt as a file that anybody can verify without us."""
    found = client_of(request, session).receipt(_id(request_id))
    named = {"content-disposition": f'attachment; filename="louver-{request_id}.tlog-proof"'}
    return Response(found.to_bytes(), media_type="text/plain; charset=utf-8", headers=named)


def _bench(
    request: Request,
    session: Session,
    draft: Draft,
    status: int = 200,
    verdict: Explanation | None = None,
    refused: Refused | None = None,
) -> Response:
    client, words = client_of(request, session), wording(request)
    try:
        tables = client.tables()
    except Error:
        tables = []  # a question can be written without the catalogue beside it; to ask says what is wrong
    purposes = sorted({purpose for table in tables for purpose in table.purposes})
    return page(
        request, "ask.html", session, status,
        draft=draft, tables=tables, purposes=purposes, dialects=DIALECTS, verdict=verdict, refused=refused,
        chosen=draft.purpose or client.settings.profile.purpose,
        place=caret(draft.sql, refused.line, refused.column) if refused else [],
        lines=explained(verdict, words.language) if verdict and verdict.admitted else [],
        privacy=verdict.privacy if verdict else (),
    )  # fmt: skip


def _remember(request: Request, session: Session, draft: Draft) -> None:
    known, account = console(request), session.account
    known.doors.store.remember(
        Asked(draft.request_id, account.name, account.profile, *_rest(draft), asked=known.doors.clock())
    )


def _rest(draft: Draft) -> tuple[str, str, str, str, str]:
    return draft.sql, draft.purpose, draft.dialect, draft.epsilon, draft.accuracy


def _asked(request: Request, session: Session, request_id: str) -> Asked:
    found = console(request).doors.store.question(_id(request_id), session.account.profile)
    if found is None:
        raise Missing
    return found


def _again(asked: Asked, client: Client) -> Answer:
    draft = Draft(asked.request_id, asked.sql, asked.purpose, asked.dialect, asked.epsilon, asked.accuracy)
    return client.analyse(draft.sql, request_id=draft.request_id, **draft.wished())


def _id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Missing from None


def _new_id() -> str:
    return str(uuid.uuid4())

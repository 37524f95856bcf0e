"""What the console answers to programs, as OpenAPI: each route with its roles, its form and the statuses it may have.

It is served to nobody. Programs that try a server by its description (and people who write one) read it; a test holds
the console to it. What a route is for stands beside the route, in what it depends on; here it is only written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from louver_server.accounts.model import Role
from louver_server.sessions import CSRF_FIELD

FORM: Final = "application/x-www-form-urlencoded"
_OF_ALL: Final = {
    "400": "something in it is not of its form, or was not given to this session",
    "404": "there is no such thing, or not for whoever asks",
    "405": "another method",
    "421": "asked for by another name",
    "422": "a value that cannot be, or refused by the sandbox with its reason",
    "429": "too many wrong tries",
    "502": "the sandbox's or the provider's answer is not as it must be, and is not shown",
    "503": "the sandbox cannot be reached",
}
_OF_PEOPLE: Final = {
    "303": "to the sign-in where nobody has signed in, or on to what was made",
    "403": "another role",
}
_OF_FORMS: Final = {"201": "made", "303": "done; see there", "403": "it comes from another site", "413": "too large"}
_REPLAY: Final = {"409": "the decision differs from the record"}
_TYPES: Final = {
    ".json": ("application/json",), ".svg": ("image/svg+xml",), ".{form}": ("application/json", "text/csv"),
    "/file": ("application/json",), "/lint": ("application/json",), "/health": ("application/json",),
    "/proof": ("text/plain",), "/receipt": ("text/plain",), "/events": ("text/event-stream",),
    "/file.{kind}": ("application/json", "application/pdf", "text/plain", "application/octet-stream"),
}  # fmt: skip
"""What ends a path and is no page."""
_SIGNING_IN: Final = ("code", "passkey")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "/login": ("name", "password"),
    "/login/code": _SIGNING_IN,
    "/login/enrol": ("password", "again", *_SIGNING_IN),
    "/language": ("language",),
    "/ask": ("request_id", "sql", "purpose", "dialect", "epsilon", "accuracy", "act"),
    "/lookups/{name}": ("request_id", "subject", "authorisation", "purpose"),
    "/authorisations": ("subject", "unit", "purpose", "granted_on", "expires_on", "evidence", "uses"),
    "/draft": ("text", "act", "sql", "institution", "purpose", "days", "effective", "expires"),
    "/draft/lint": ("text",),
    "/policies/versions/{name}/{act}": ("signature", "days"),
    "/policies/revoke": ("revocation",),
    "/accounts": ("name", "role", "profile"),
    "/access": ("table", "columns", "purpose", "legal_basis", "reason", "sql"),
    "/requests/{name}/{act}": ("answer", "version"),
    "/reports/{name}": ("request_id", "subject", "authorisation", "purpose"),
    "/reports/{name}/file.{kind}": ("request_id", "subject", "authorisation", "purpose"),
    "/disputes": ("request_id", "table", "statement", "evidence"),
    "/warnings": ("template", "purpose", "subject", "authorisation", "until"),
    "/searches": ("name", "query"),
    "/searches/forget": ("name",),
    "/institutions/{name}/{act}": ("reason",),
}
"""What a form may hold besides the session's token; of the others, nothing."""


def roles_of(route: APIRoute) -> frozenset[Role] | None:
    """Whom a route is for; None for everybody, signed in or not."""
    found = [dependency.call.roles for dependency in _below(route.dependant) if hasattr(dependency.call, "roles")]
    return frozenset(found[0]) if found else None


def described(app: FastAPI) -> Mapping[str, Any]:
    """The OpenAPI document of the application."""
    document = app.openapi()
    document["components"] = {
        "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": app.state.console.cookie}}
    }
    for route in app.state.routes:
        for method in route.methods or ():
            document["paths"][route.path_format][method.lower()] |= _operation(route, method)
    return document


def _operation(route: APIRoute, method: str) -> dict[str, Any]:
    roles = roles_of(route)
    said = {"200": "done", **_OF_ALL}
    if roles is not None or route.path.startswith("/login") or route.path in {"/", "/logout", "/language"}:
        said |= _OF_PEOPLE
    if method == "POST":
        said |= _OF_FORMS
    if route.path.endswith("/replay"):
        said |= _REPLAY
    types = next((found for ending, found in _TYPES.items() if route.path.endswith(ending)), ("text/html",))
    responses = {status: _response(status, told, types) for status, told in sorted(said.items())}
    found: dict[str, Any] = {"responses": responses}
    if roles is not None:
        found |= {"security": [{"session": []}], "x-roles": sorted(roles)}
    if method == "POST":
        found["requestBody"] = {"required": True, "content": {FORM: {"schema": _form(route)}}}
    return found


def _response(status: str, told: str, types: tuple[str, ...]) -> dict[str, Any]:
    """Pages say what went wrong; what is turned away before it reaches one is told in plain text; a redirect has no
    content."""
    content = types if status == "200" else (*types, "text/html", "text/plain")
    return {"description": told} | ({} if status == "303" else {"content": {one: {} for one in content}})


def form_of(path: str) -> tuple[str, ...]:
    """The fields of the form that a route reads, besides the session's token."""
    return _FIELDS.get(path, ())


def _form(route: APIRoute) -> dict[str, Any]:
    """The fields of a form, each a text. All but the sign-in and the language carry the session's own token."""
    text = {"type": "string"}
    needed = () if route.path in {"/login", "/language"} else (CSRF_FIELD,)
    fields = (*needed, *form_of(route.path))
    return {"type": "object", "properties": dict.fromkeys(fields, text), "required": list(needed)}


def _below(dependant: Dependant) -> Iterator[Any]:
    for one in dependant.dependencies:
        yield one
        yield from _below(one)

"""The console's whole interface: every route with every role and without one, and schemathesis over its description."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from tests.support.console import AUDITOR, OFFICER, Browser, RunningConsole, console
from tests.support.hostile_forms import FORM, VALUES, bodies, stored
from tests.support.installation import Service
from tests.support.lengths import at_length

from louver_server.accounts.model import Role
from louver_server.app import ROUTES, create_app, open_console
from louver_server.configuration import read
from louver_server.interface import described, form_of, roles_of

EVERYBODY = frozenset(Role)
ANALYST, OFFICERS, AUDITORS, BOSS = (
    frozenset({role}) for role in (Role.ANALYST, Role.OFFICER, Role.AUDITOR, Role.ADMINISTRATOR)
)
NOBODY_TOO = None
"""Also for whoever has not signed in."""
WHOSE: dict[str, frozenset[Role] | None] = {
    "GET /health": NOBODY_TOO,
    "GET /login": NOBODY_TOO,
    "POST /login": NOBODY_TOO,
    "GET /login/oidc": NOBODY_TOO,
    "GET /login/oidc/callback": NOBODY_TOO,
    "POST /language": NOBODY_TOO,
    # Of somebody whose password was right and no more:
    "GET /login/code": frozenset(),
    "POST /login/code": frozenset(),
    "GET /login/enrol": frozenset(),
    "GET /login/enrol/code.svg": frozenset(),
    "POST /login/enrol": frozenset(),
    "GET /": EVERYBODY,
    "POST /logout": EVERYBODY,
    "GET /ask": ANALYST,
    "POST /ask": ANALYST,
    "GET /answers/{request_id}": ANALYST,
    "GET /answers/{request_id}/rows.{form}": ANALYST,
    "GET /answers/{request_id}/receipt": ANALYST,
    "GET /lookups": ANALYST,
    "GET /lookups/{name}": ANALYST,
    "POST /lookups/{name}": ANALYST,
    "GET /authorisations": ANALYST,
    "POST /authorisations": ANALYST,
    "POST /authorisations/{identity}/revoke": ANALYST,
    "GET /history": ANALYST,
    "GET /history.{form}": ANALYST,
    "GET /history/{request_id}": ANALYST,
    "GET /catalogue": ANALYST,
    "GET /catalogue.json": ANALYST,
    "GET /catalogue/{name}": ANALYST,
    "GET /access": ANALYST,
    "POST /access": ANALYST,
    "POST /access/{name}/withdraw": ANALYST,
    "GET /reports": ANALYST,
    "GET /reports/{name}": ANALYST,
    "POST /reports/{name}": ANALYST,
    "POST /reports/{name}/file.{kind}": ANALYST,
    "GET /disputes": ANALYST,
    "POST /disputes": ANALYST,
    "GET /corrections": ANALYST,
    "GET /warnings": ANALYST,
    "POST /warnings": ANALYST,
    "POST /warnings/{identity}/cancel": ANALYST,
    "GET /requests": OFFICERS,
    "GET /requests/{name}": OFFICERS,
    "POST /requests/{name}/{act}": OFFICERS,
    "GET /policies": OFFICERS,
    "GET /draft": OFFICERS,
    "POST /draft": OFFICERS,
    "POST /draft/lint": OFFICERS,
    "GET /policies/versions/{name}": OFFICERS,
    "GET /policies/versions/{name}/file": OFFICERS,
    "POST /policies/versions/{name}/{act}": OFFICERS,
    "POST /policies/revoke": OFFICERS,
    "GET /policies/simulations/{number}": OFFICERS,
    "GET /policies/simulations/{number}.json": OFFICERS,
    "GET /head": AUDITORS,
    "GET /head.{form}": AUDITORS,
    "GET /log": AUDITORS,
    "GET /log.{form}": AUDITORS,
    "GET /log/{index}": AUDITORS,
    "GET /log/{index}.{form}": AUDITORS,
    "GET /log/{index}/proof": AUDITORS,
    "POST /log/{index}/replay": AUDITORS,
    "GET /alerts": AUDITORS,
    "GET /alerts.{form}": AUDITORS,
    "GET /spending": AUDITORS,
    "GET /spending.{form}": AUDITORS,
    "GET /figures": AUDITORS,
    "GET /figures.{form}": AUDITORS,
    "GET /log/over-time": AUDITORS,
    "GET /log/over-time.{form}": AUDITORS,
    "GET /log/tail": AUDITORS,
    "GET /log/tail/events": AUDITORS,
    "POST /searches": AUDITORS,
    "POST /searches/forget": AUDITORS,
    "GET /institutions": BOSS,
    "POST /institutions/{name}/{act}": BOSS,
    "GET /accounts": BOSS,
    "POST /accounts": BOSS,
    "POST /accounts/{name}/{act}": BOSS,
    "GET /journal": BOSS,
}
PROFILES = {Role.ADMINISTRATOR: "", Role.AUDITOR: AUDITOR, Role.OFFICER: OFFICER, Role.ANALYST: "bank_a"}
HOMES = {Role.ADMINISTRATOR: "/journal", Role.AUDITOR: "/head", Role.OFFICER: "/draft", Role.ANALYST: "/catalogue"}
EACH = at_length(6, 1)
"""One of so many odd forms is sent; all of them at length."""
PLACES = {"index": "0", "request_id": str(uuid.UUID(int=7)), "form": "json"}


@pytest.fixture(scope="module")
def running(served: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with console(served, tmp_path_factory.mktemp("c") / "console") as found:
        yield found


@pytest.fixture(scope="module")
def people(running: RunningConsole) -> dict[Role, Browser]:
    """Somebody of each role, signed in."""
    return {role: running.signed_in(running.person(f"one.{role.value}", role, PROFILES[role])) for role in Role}


def named() -> dict[str, APIRoute]:
    return {f"{method} {route.path}": route for route in ROUTES for method in route.methods or ()}


def test_it_is_written_down_whose_every_route_is() -> None:
    """A route that nobody has said anything of fails here, and so does one whose guard is another than is said."""
    assert set(named()) == set(WHOSE)
    guarded = {name: roles for name, roles in WHOSE.items() if roles and roles != EVERYBODY}
    assert {name: roles_of(route) for name, route in named().items() if roles_of(route) is not None} == guarded


def test_every_route_is_for_its_roles_and_for_nobody_else(
    running: RunningConsole, people: dict[Role, Browser]
) -> None:
    """Every method of every route, by every role and by a stranger; a form carries its session's own token."""
    callers: list[tuple[Role | None, Browser, str]] = [(None, running.browser(), "")]
    callers += [(role, browser, browser.csrf(HOMES[role])) for role, browser in people.items()]
    for name, roles in WHOSE.items():
        method, _, path = name.partition(" ")
        if path == "/logout":
            continue  # the last, below
        place = re.sub(r"\{(\w+)\}", lambda found: PLACES.get(found[1], "x"), path)
        for role, browser, token in callers:
            data = {"csrf": token} if method == "POST" else None
            # What streams is closed again once it has begun.
            with browser.stream(method, place, data=data, follow_redirects=False) as reply:
                if "event-stream" not in reply.headers.get("content-type", ""):
                    reply.read()
            told = (name, role, reply.status_code)
            assert reply.status_code < 500, told
            if roles is NOBODY_TOO:
                assert reply.status_code not in {401, 403}, told
            elif role is None or not roles:
                assert (reply.status_code, reply.headers["location"]) == (303, "/login"), told
            elif role in roles:
                assert reply.status_code != 403, told
                assert reply.headers.get("location") != "/login", told
                assert "{" in path or method == "POST" or path == "/" or reply.status_code == 200, told
            else:
                assert reply.status_code == 403, told
    (stranger, *insiders) = callers
    assert stranger[1].post("/logout", data={"csrf": ""}, follow_redirects=False).headers["location"] == "/login"
    for _, browser, _ in insiders:
        assert browser.post("/logout", data={"csrf": ""}).status_code == 400


def places(browser: Browser, path: str) -> str:
    """A path with something in each of its places: what a page links to, or else what need not be there."""
    listed, _, _ = path.partition("/{")
    found = re.search(rf'href="{listed}/([\w.-]+)"', browser.get(listed).text) if listed.count("/") == 1 else None
    known = {**PLACES, **({"name": found[1]} if found and listed in ("/lookups", "/reports") else {})}
    return re.sub(r"\{(\w+)\}", lambda place: known.get(place[1], "x"), path)


def forms(people: dict[Role, Browser]) -> Iterator[tuple[str, Browser, dict[str, str]]]:
    """Each form of each role but the last, with somebody who may send it and what would be well-formed."""
    for name, route in named().items():
        if not name.startswith("POST ") or route.path == "/logout":
            continue
        roles = WHOSE[name] or EVERYBODY
        role = next(one for one in Role if one in roles)
        fields = {"csrf": people[role].csrf(HOMES[role]), **dict.fromkeys(form_of(route.path), "x")}
        if "request_id" in fields:
            fields["request_id"] = str(uuid.uuid4())
        yield places(people[role], route.path), people[role], fields


def test_what_is_no_form_is_refused_and_nothing_is_stored(
    running: RunningConsole, people: dict[Role, Browser], served: Service
) -> None:
    """Multipart, JSON, other encodings, repeated fields, too many, no token or another's: by every route of forms."""
    open_to_all = {"/login", "/language"}  # no session's token is asked for
    made = list(forms(people))
    with served.connect("bank_b") as bank:
        before, size = stored(running.home), bank.head().size
        for number, (path, browser, fields) in enumerate(made):
            for kind, body in list(bodies(fields))[number % EACH :: EACH]:
                reply = browser.post(path, content=body, headers={"content-type": kind}, follow_redirects=False)
                refused = reply.status_code in {303, 400, 404, 422, 429} if path in open_to_all else None
                well = refused if refused is not None else reply.status_code in {303, 400, 404}
                assert well, (path, kind, body[:200], reply.status_code)
                if path not in open_to_all and reply.status_code == 303:
                    assert reply.headers["location"] in {"/", "/login"}, (path, reply.headers["location"])
                assert "Traceback" not in reply.text
        assert (stored(running.home), bank.head().size) == (before, size)
    assert "Traceback" not in (running.home / "console.log").read_text(encoding="utf-8")


def test_fields_may_say_anything(running: RunningConsole, people: dict[Role, Browser]) -> None:
    """A form that is ours, with fields of control characters, other kinds and other lengths: no page breaks over it,
    neither when it is sent nor when what was taken is shown."""
    for at, (path, browser, fields) in enumerate(forms(people)):
        names = [name for name in fields if name != "csrf"]
        for number, (name, value) in enumerate(product(names, VALUES)):
            if (number + at) % (2 * EACH):
                continue
            reply = browser.post(path, data={**fields, name: value}, headers={"content-type": FORM})
            assert reply.status_code < 500, (path, name, value[:50], reply.status_code)
            assert "Traceback" not in reply.text
    for role, browser in people.items():
        assert browser.get(HOMES[role]).status_code == 200
    assert "Traceback" not in (running.home / "console.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def description(running: RunningConsole, tmp_path_factory: pytest.TempPathFactory) -> Path:
    opened = open_console(read(running.home))
    document = described(create_app(opened))
    opened.doors.store.close()
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


HOOKS = """
import json
import os
import zlib

import schemathesis

PEOPLE = json.loads(os.environ["PEOPLE"])

def who(operation):
    "As whom a route is tried: whom it is for; all of them as one, where one is named."
    roles = operation.definition.raw.get("x-roles", ["administrator"])
    return PEOPLE[os.environ.get("ROLE") or roles[0]]

@schemathesis.auth(refresh_interval=None)
class Signed:
    def get(self, case, context):
        return who(context.operation)["cookie"]

    def set(self, case, data, context):
        case.cookies = {**(case.cookies or {}), "louver-session": data}

@schemathesis.hook
def before_call(context, case, kwargs):
    "A form with the token of the session, as a page of ours would send it; every fourth keeps what was made up."
    if isinstance(case.body, dict) and "csrf" in case.body and zlib.crc32(repr(case.body).encode("utf-8", "replace")) % 4:
        case.body["csrf"] = who(case.operation)["csrf"]
"""
CONFIGURATION = """
[checks]
# A form's texts are well-formed whatever they say: that a name is taken or SQL refused is told with 400 or 422.
positive_data_acceptance.expected-statuses = ["2xx", "303", "400", "404", "409", "422", "429"]
negative_data_rejection.expected-statuses = ["303", "4xx"]
"""


@pytest.mark.parametrize("role", ["", *Role][: at_length(1, 5)])
@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_schemathesis_finds_nothing(
    running: RunningConsole, people: dict[Role, Browser], description: Path, tmp_path: Path, role: str
) -> None:
    """All its checks over every route, as somebody whom it is for, and at length as somebody of each role: nothing
    breaks, and no status, type or method is another than the description says."""
    (tmp_path / "hooks.py").write_text(HOOKS, encoding="utf-8")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    inside = {
        one.value: {"cookie": browser.cookies["louver-session"], "csrf": browser.csrf(HOMES[one])}
        for one, browser in people.items()
    }
    phases = ("fuzzing", "examples,coverage,fuzzing,stateful")[at_length(0, 1)]
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", str(description),
        "--url", running.url, "--checks", "all", "--phases", phases, "--max-examples", str(at_length(2, 40)),
        "--header", f"Origin: {running.url}", "--header", "Accept-Language: en", "--max-redirects", "0",
        "--exclude-path", "/logout", "--seed", "7", "--continue-on-failure", "--warnings", "off",
        "--report", "vcr", "--report-vcr-path", "cassette.yaml",
    ]  # fmt: skip
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PEOPLE": json.dumps(inside), "ROLE": role}
    environment |= {"PYTHONWARNINGS": "ignore", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=at_length(120, 3600), check=False
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-12_000:] + run.stderr[-2_000:]
    answered = Counter(
        re.findall(r"^ +code: '(\d+)'", (tmp_path / "cassette.yaml").read_text(encoding="utf-8"), re.M)
    )
    assert role or answered["200"] > 20, answered
    for one, browser in people.items():
        assert browser.get(HOMES[one]).status_code == 200, "they were signed in to the end"


def test_the_description_is_complete(description: Path) -> None:
    document = json.loads(description.read_text(encoding="utf-8"))
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            assert ("requestBody" in said) == (method == "post"), (path, method)
            assert set(said["responses"]) >= {"200", "404", "405", "421", "422", "503"}, (path, method)
            assert ("security" in said) == ("x-roles" in said), (path, method)

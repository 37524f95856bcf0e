"""Attacks on the console, as stories: what others put into the log, other sites, planted sessions, wrong roles, bytes."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.support.chromium import browser, watched
from tests.support.console import PASSWORD, Browser, RunningConsole, console
from tests.support.installation import Service
from tests.support.lengths import at_length_only

from louver.errors import Refused
from louver_server.accounts import throttle
from louver_server.accounts.model import Role
from louver_server.app import ROUTERS
from louver_server.hardening import MOST_BYTES

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "</code></pre><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "</title><iframe srcdoc='<script>alert(1)</script>'>",
    "\u202egnp.\u2066 a\u2028b",
)
FIELDS = (
    "name",
    "sql",
    "request_id",
    "act",
    "dialect",
    "epsilon",
    "accuracy",
    "language",
    "code",
    "csrf",
    "reason",
    "table",
)


@pytest.fixture(scope="module")
def running(served: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with console(served, tmp_path_factory.mktemp("c") / "console") as found:
        yield found


@pytest.fixture(scope="module")
def analyst(running: RunningConsole) -> Browser:
    return running.signed_in(running.person("wang.fang", Role.ANALYST, "bank_a"))


def test_what_is_put_into_the_log_acts_on_nobody_who_reads_it(
    running: RunningConsole, analyst: Browser, served: Service
) -> None:
    """Stored scripting: the same institution's SDK writes hostile SQL and purposes, and an analyst looks at each page."""
    with served.connect("bank_a") as bank:
        for number, payload in enumerate(PAYLOADS):
            alias = payload.replace('"', "")
            for sql in (f'SELECT 1 AS "{alias}"', f"SELECT '{payload}' FROM gov.ent_registry"):
                for purpose in ("RESEARCH", f"X{number}{payload}"[:60]):
                    try:
                        bank.analyse(sql, purpose=purpose)
                    except Refused:
                        continue
        entries = [one.request_id for one in bank.my_queries(100)]
    assert len(entries) >= len(PAYLOADS)
    kept = []
    for payload in PAYLOADS:
        bench = analyst.get("/ask").text
        kept.append(bench.split('name="request_id" value="')[1].split('"')[0])
        fields = {"csrf": analyst.csrf("/ask"), "request_id": kept[-1], "purpose": "RESEARCH", "act": "run"}
        analyst.post("/ask", data={**fields, "sql": f"SELECT count(*) AS n /* {payload} */ FROM gov.ent_registry"})
    with browser() as chromium:
        context = chromium.new_context(locale="en-US")
        name = analyst.cookies.jar
        context.add_cookies([{"name": one.name, "value": str(one.value), "url": running.url} for one in name])
        page = context.new_page()
        heard, asked = watched(page), []
        page.on("request", lambda request: asked.append(request.url))
        paths = [
            "/history",
            "/history?words=%3Cscript%3Ealert(1)%3C/script%3E",
            "/catalogue?words=%22%3E%3Csvg%20onload=alert(1)%3E",
        ]
        paths += (
            [f"/history/{one}" for one in entries[:20]]
            + [f"/ask?again={one}" for one in kept]
            + [f"/answers/{one}" for one in kept]
        )
        for path in paths:
            page.goto(running.url + path)
            assert page.locator("main h1").count() == 1, path
        assert page.locator("main script, main iframe, main svg, main img").count() == 0
    assert not [one for one in heard if "Failed to load resource" not in one], heard
    assert {urlsplit(one).netloc for one in asked} == {urlsplit(running.url).netloc}


def test_another_site_can_send_no_form(running: RunningConsole, analyst: Browser) -> None:
    token = analyst.csrf("/ask")
    fields = {"csrf": token, "request_id": str(uuid.uuid4()), "sql": "SELECT 1", "purpose": "RESEARCH", "act": "run"}
    for headers in (
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": running.url + ".evil.example"},
        {"origin": "", "sec-fetch-site": "cross-site"}, {"origin": "", "sec-fetch-site": "same-site"}, {"origin": ""},
    ):  # fmt: skip
        assert analyst.post("/ask", data=fields, headers=headers).status_code == 403, headers
    assert analyst.post("/ask", data=fields | {"csrf": ""}).status_code == 400
    other = running.signed_in(running.person("li.na", Role.ANALYST, "bank_b"))
    assert analyst.post("/ask", data=fields | {"csrf": other.csrf("/ask")}).status_code == 400
    assert analyst.post("/ask", json=fields).status_code == 400
    assert analyst.post("/logout", data={}).status_code == 400
    assert analyst.get("/ask").url.path == "/ask"


def test_a_session_that_was_planted_is_not_the_one_that_signs_in(running: RunningConsole) -> None:
    person = running.person("zhou.jie", Role.ANALYST, "bank_a")
    victim = running.browser()
    victim.cookies.set("louver-session", "planted-by-somebody", domain="127.0.0.1")
    victim.post("/login", data={"name": person.name, "password": PASSWORD})
    half = _token(victim)
    assert half != "planted-by-somebody"
    victim.submit("/login/code", code=person.code())
    whole = _token(victim)
    assert whole not in ("planted-by-somebody", half)
    for token in ("planted-by-somebody", half):
        thief = running.browser()
        thief.cookies.set("louver-session", token, domain="127.0.0.1")
        assert thief.get("/ask").url.path == "/login"
    victim.submit("/logout", page="/ask")
    thief = running.browser()
    thief.cookies.set("louver-session", whole, domain="127.0.0.1")
    assert thief.get("/ask").url.path == "/login"


def test_the_password_alone_reaches_no_page(running: RunningConsole) -> None:
    person = running.person("wu.min", Role.ANALYST, "bank_a")
    half = running.browser()
    half.post("/login", data={"name": person.name, "password": PASSWORD})
    for path in ("/", "/ask", "/history", "/catalogue", "/login/enrol", "/login/enrol/code.svg"):
        assert half.get(path).url.path == "/login/code", path


def test_guessing_is_slowed_and_says_for_how_long(running: RunningConsole) -> None:
    running.person("zheng.hao", Role.ANALYST, "bank_a")
    guess = running.browser()
    replies = [
        guess.post("/login", data={"name": "zheng.hao", "password": f"guess {n}"})
        for n in range(throttle.OF_ONE_PLACE + 1)
    ]
    assert [one.status_code for one in replies] == [422] * throttle.OF_ONE_PLACE + [429]
    assert "minutes" in replies[-1].text
    unknown = guess.post("/login", data={"name": "nobody.at.all", "password": "guess"})
    assert re.sub(r'value="[^"]*"', "", unknown.text) == re.sub(r'value="[^"]*"', "", replies[0].text)


def test_every_reply_tells_browsers_what_they_may_do(running: RunningConsole, analyst: Browser) -> None:
    for path in ("/login", "/ask", "/static/console.css", "/nothing", "/health", "/history.csv", "/accounts"):
        headers = analyst.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
        assert headers["cache-control"] == ("max-age=3600" if path.startswith("/static") else "no-store")
    cookie = running.browser().post(
        "/login", data={"name": "x", "password": "y"}, headers={"cookie": "louver-session=../../x"}
    )
    assert cookie.status_code == 422


@at_length_only
def test_whatever_is_sent_no_page_breaks(running: RunningConsole, analyst: Browser) -> None:
    """Every route, with values that are too long, of another kind, or hostile: a reply with a code below 500."""
    hostile = (
        "",
        "0",
        "-1",
        "x" * 3000,
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%ff%fe",
        "' OR 1=1 --",
        "\u202e",
        str(uuid.uuid4()),
    )
    boss = running.signed_in(running.person("chen.xi", Role.ADMINISTRATOR))
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 20
    tried = 0
    for person in (analyst, boss):
        for route in routes:
            if route.path == "/logout":
                continue
            for value in hostile:
                path = re.sub(r"\{\w+\}", value or "-", route.path)
                query = dict.fromkeys(("state", "words", "owner", "again", "before"), value)
                for method in route.methods or ():
                    data = dict.fromkeys(FIELDS, value)
                    reply = person.request(
                        method,
                        path,
                        params=query if method == "GET" else None,
                        data=data if method == "POST" else None,
                    )
                    assert reply.status_code < 500, (method, path, value)
                    tried += 1
    assert tried > 300


def test_other_hosts_methods_and_too_many_bytes_are_turned_away(running: RunningConsole, analyst: Browser) -> None:
    assert analyst.get("/login", headers={"host": "evil.example"}).status_code == 421
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        assert analyst.request(method, "/ask").status_code == 405, method
    assert analyst.post("/ask", data={"sql": "x" * (MOST_BYTES + 1)}).status_code == 413
    chunked = analyst.post(
        "/ask",
        content=iter([b"sql=" + b"x" * 65_536] * 12),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert chunked.status_code == 413
    assert analyst.post("/ask", data={f"f{n}": "1" for n in range(100)}).status_code == 400
    assert (
        analyst.post(
            "/ask", content=b"sql=1&sql=2", headers={"content-type": "application/x-www-form-urlencoded"}
        ).status_code
        == 400
    )
    for path in (
        "/static/../console.toml",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fconsole.db",
        "/static//etc/passwd",
        "/static/",
    ):
        assert _raw(running, path).startswith(b"HTTP/1.1 404"), path


def test_no_redirect_leaves_the_console(running: RunningConsole, analyst: Browser) -> None:
    for referer in (
        "https://evil.example//evil.example/x",
        "//evil.example",
        "https://evil.example/\\evil.example",
        "data:x",
    ):
        reply = analyst.post(
            "/language", data={"language": "en"}, headers={"referer": referer}, follow_redirects=False
        )
        where = reply.headers["location"]
        assert where.startswith("/"), where
        assert not where.startswith(("//", "/\\")), where


def test_the_consoles_own_log_holds_no_question_and_no_password(running: RunningConsole, analyst: Browser) -> None:
    analyst.get("/history", params={"words": "a_word_that_somebody_looked_for"})
    running.browser().post("/login", data={"name": "wang.fang", "password": "a_password_that_somebody_typed"})
    told = (running.home / "console.log").read_text(encoding="utf-8")
    assert "a_word_that" not in told
    assert "a_password_that" not in told
    assert "Traceback" not in told


def _token(client: httpx.Client) -> str:
    """The session's token as the browser keeps it now: the one that was set by the console itself."""
    kept = [one for one in client.cookies.jar if one.name == "louver-session" and not one.domain_specified]
    assert kept
    return str(kept[-1].value)


def _raw(running: RunningConsole, path: str) -> bytes:
    """A reply to a path that no client library would send as it is."""
    where = urlsplit(running.url)
    with socket.create_connection((where.hostname, where.port or 0), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(4096)

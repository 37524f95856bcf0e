"""Every page of the console in a browser, with something on it: no violation of WCAG 2.1 AA, and nothing beside the screen.

Which pages there are is read off the console's own routes, so a page that nobody looks at fails here. With
`LOUVER_SCREENSHOTS=FOLDER` each is also a picture there, on a desk's screen and a telephone's, in both languages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize
from tests.e2e.test_console_in_a_browser import fit
from tests.e2e.test_officers_end_to_end import DRAFT, PURPOSE, QUESTION
from tests.support import chromium
from tests.support.console import AUDITOR, PASSWORD, Browser, RunningConsole, console
from tests.support.installation import Service, copy_of, eventually, service
from tests.support.lengths import at_length
from tests.support.officers import appointed
from tests.support.watched import ALERT, memory

from louver.errors import Refused
from louver_sandbox.demo.city import City
from louver_sandbox.operator.administrators import add_administrator
from louver_sandbox.operator.installation import TOOLS
from louver_server.accounts.model import Role
from louver_server.app import ROUTES

BEFORE_SIGNING_IN = ("/login",)
HALF_WAY = ("/login/code", "/login/enrol")
PAGES: Mapping[Role, tuple[str, ...]] = {
    Role.ANALYST: (
        "/ask", "/answers/{request_id}", "/history", "/history/{request_id}", "/catalogue", "/catalogue/{name}", "/lookups",
        "/lookups/{name}", "/authorisations", "/reports", "/reports/{name}", "/disputes", "/corrections", "/warnings",
        "/access",
    ),
    Role.OFFICER: (
        "/policies", "/draft", "/policies/versions/{name}", "/policies/simulations/{number}", "/requests",
        "/requests/{name}",
    ),
    Role.AUDITOR: ("/log", "/log/{index}", "/log/over-time", "/log/tail", "/alerts", "/spending", "/figures", "/head"),
    Role.ADMINISTRATOR: ("/accounts", "/institutions", "/journal"),
}  # fmt: skip
NO_PAGES = {
    "/", "/health", "/login/oidc", "/login/oidc/callback", "/login/enrol/code.svg", "/log/tail/events", "/log/{index}/proof",
    "/policies/versions/{name}/file", "/policies/simulations/{number}.json", "/answers/{request_id}/receipt",
    "/answers/{request_id}/rows.{form}", "/catalogue.json", "/history.{form}", "/figures.{form}", "/log.{form}",
    "/log/over-time.{form}", "/spending.{form}", "/alerts.{form}", "/log/{index}.{form}", "/head.{form}",
}  # fmt: skip
"""Files, streams and what leads elsewhere."""
PROFILES = {Role.ANALYST: "bank_a", Role.OFFICER: "wang", Role.AUDITOR: AUDITOR, Role.ADMINISTRATOR: "zhao"}
PICTURES = os.environ.get("LOUVER_SCREENSHOTS", "")
NARROW, WIDE = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
LOOKS = (("zh-CN", NARROW, "dark"), ("en-US", WIDE, "light"), ("en-US", NARROW, "light"), ("zh-CN", WIDE, "light"))


def test_every_view_of_auditors_has_its_twins() -> None:
    """What is followed as it comes has none, and is a search besides."""
    files = {route.path for route in ROUTES}
    without = {path for path in PAGES[Role.AUDITOR] if f"{path}.{{form}}" not in files}
    assert without == {"/log/tail"}


def test_no_page_is_left_out() -> None:
    looked_at = {*BEFORE_SIGNING_IN, *HALF_WAY, *(path for paths in PAGES.values() for path in paths)}
    assert looked_at | NO_PAGES == {route.path for route in ROUTES if "GET" in (route.methods or ())}
    assert not looked_at & NO_PAGES


@pytest.fixture(scope="module")
def furnished(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console over an installation with people of every role, whose log has something of each kind."""
    mine = copy_of(city, tmp_path_factory.mktemp("furnished"))
    appointed(mine, tmp_path_factory.mktemp("desk"))
    for name in ("zhao", "chu"):
        add_administrator(mine.settings, name, TOOLS)
    with service(mine) as served:
        folder = tmp_path_factory.mktemp("c") / "console"
        with console(served, folder, ("bank_a", AUDITOR, "wang", "zhao", "chu")) as running:
            _asked(served)
            yield running


def _asked(served: Service) -> None:
    with served.connect("bank_a") as bank:
        bank.analyse(QUESTION, purpose="RESEARCH")
        with pytest.raises(Refused):
            bank.analyse(QUESTION, purpose=PURPOSE)


@pytest.fixture(scope="module")
def inside(furnished: RunningConsole) -> Mapping[Role, Browser]:
    """Somebody of each role, signed in."""
    return {
        role: furnished.signed_in(furnished.person(f"one.{role.value}", role, profile))
        for role, profile in PROFILES.items()
    }


@pytest.fixture(scope="module")
def places(furnished: RunningConsole, inside: Mapping[Role, Browser]) -> Mapping[str, str]:
    """Where each page that is about something is about something here."""
    analyst, officer, auditor = inside[Role.ANALYST], inside[Role.OFFICER], inside[Role.AUDITOR]
    (request_id,) = re.findall('name="request_id" value="([^"]+)"', analyst.get("/ask").text)
    answered = analyst.submit("/ask", request_id=request_id, sql=QUESTION, purpose="RESEARCH", act="run").url.path
    assert "/answers/" in answered
    asked = {"table": "gov.tax_quarter", "columns": "vat_paid, cit_paid", "purpose": "RESEARCH", "sql": ""}
    analyst.submit("/access", **asked, legal_basis="《征信业务管理办法》", reason="贷后模型")
    inside[Role.ADMINISTRATOR].submit("/institutions/bank_b/suspend", page="/institutions", reason="lost key")
    inside[Role.ADMINISTRATOR].submit("/institutions/bank_b/resume", page="/institutions", reason="a new key")
    auditor.submit("/searches", page="/log", name="refused here", query="verdict=refused")
    with memory(furnished.home / "alerts.db") as kept, kept.transaction():
        kept.keep(replace(kept.begin("example.org/log"), checkpoint="", looked="2026-07-01T00:00:00Z"))
        kept.add(ALERT)
    made = officer.submit("/draft", text=DRAFT, act="submit")
    version = made.url.path
    assert "/versions/" in version, made.text
    simulated = officer.submit(f"{version}/simulate", page=version, days="30").url.path
    assert eventually(lambda: "good" in officer.get(simulated).text)

    def first(browser: Browser, page: str, pattern: str) -> str:
        found = re.search(f'href="({pattern})"', browser.get(page).text)
        assert found is not None, page
        return found[1]

    assert eventually(lambda: '"/log/' in auditor.get("/log?verdict=refused").text)
    return {
        "/answers/{request_id}": answered,
        "/history/{request_id}": first(analyst, "/history", '/history/[^"?]+'),
        "/catalogue/{name}": "/catalogue/gov.tax_credit",
        "/lookups/{name}": first(analyst, "/lookups", '/lookups/[^"?]+'),
        "/reports/{name}": first(analyst, "/reports", '/reports/[^"?]+'),
        "/policies/versions/{name}": version,
        "/policies/simulations/{number}": simulated,
        "/requests/{name}": first(officer, "/requests", '/requests/[^"?]+'),
        "/log/{index}": first(auditor, "/log?verdict=refused", "/log/[0-9]+"),
        "/draft": "/draft?document=taxation",
    }


@pytest.mark.parametrize(("locale", "screen", "scheme"), LOOKS[: 4 if PICTURES else at_length(1, 2)])
def test_every_page_fits_and_axe_finds_nothing(
    furnished: RunningConsole, inside: Mapping[Role, Browser], places: Mapping[str, str],
    locale: str, screen: ViewportSize, scheme: Literal["dark", "light"],
) -> None:  # fmt: skip
    with (
        chromium.browser() as browser,
        browser.new_context(locale=locale, viewport=screen, color_scheme=scheme) as context,
    ):
        page = context.new_page()
        heard = chromium.watched(page)

        def seen(path: str) -> None:
            fit(page)
            if PICTURES:
                name = re.sub(r"[{}]", "", path.strip("/").replace("/", "-"))
                page.screenshot(path=Path(PICTURES) / f"{name}.{locale[:2]}.{screen['width']}.png", full_page=True)

        page.goto(f"{furnished.url}/login")
        seen("/login")
        new = f"new.{locale[:2]}.{screen['width']}"
        _enter(page, furnished, new, furnished.invited(new, Role.ANALYST, "bank_a"), "/login/enrol")
        seen("/login/enrol")
        context.clear_cookies()
        _enter(page, furnished, "one.analyst", PASSWORD, "/login/code")
        seen("/login/code")
        for role, paths in PAGES.items():
            context.clear_cookies()
            name = "louver-session"
            context.add_cookies([{"name": name, "value": inside[role].cookies[name], "url": furnished.url}])
            for path in paths:
                told = page.goto(furnished.url + places.get(path, path))
                assert told is not None
                assert (path, told.status, page.url) == (path, 200, furnished.url + places.get(path, path))
                seen(path)
        assert heard == []


def _enter(page: Page, furnished: RunningConsole, name: str, password: str, then: str) -> None:
    page.goto(f"{furnished.url}/login")
    page.locator("#name").fill(name)
    page.locator("#password").fill(password)
    page.locator("main button").click()
    page.wait_for_url(f"**{then}")

"""Every page of the console, with something on it: whose each is, and where to find it in an installation that has been used.

With `LOUVER_SCREENSHOTS=FOLDER` a test that looks at them leaves a picture of each there, on a desk's screen and a
telephone's, in both languages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, ViewportSize
from tests.support.console import AUDITOR, Browser, RunningConsole
from tests.support.installation import eventually
from tests.support.policy_questions import LIBRARY
from tests.support.watched import ALERT, memory

from louver_server.accounts.model import Role

SQL = "SELECT district_code, count(*) AS firms FROM gov.ent_registry GROUP BY 1"
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
PROFILES = {Role.ANALYST: "bank_a", Role.OFFICER: "qian", Role.AUDITOR: AUDITOR, Role.ADMINISTRATOR: "zhao"}
PICTURES = os.environ.get("LOUVER_SCREENSHOTS", "")
NARROW, WIDE = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
LOOKS = (("zh-CN", NARROW, "dark"), ("en-US", WIDE, "light"), ("en-US", NARROW, "light"), ("zh-CN", WIDE, "light"))


def places(running: RunningConsole, inside: Mapping[Role, Browser]) -> Mapping[str, str]:
    """Where each page that is about something is about something here. Nothing in force is changed."""
    analyst, officer, auditor = inside[Role.ANALYST], inside[Role.OFFICER], inside[Role.AUDITOR]
    refused = _asked(analyst, "SELECT ent_name FROM gov.ent_registry")
    answered = _asked(analyst, SQL)
    assert ("/answers/" in refused, "/answers/" in answered) == (False, True)
    asked = {"table": "gov.pop_person", "columns": "name, phone", "purpose": "RESEARCH", "sql": ""}
    analyst.submit("/access", **asked, legal_basis="《征信业务管理办法》", reason="贷后模型")
    inside[Role.ADMINISTRATOR].submit("/institutions/bank_b/suspend", page="/institutions", reason="lost key")
    inside[Role.ADMINISTRATOR].submit("/institutions/bank_b/resume", page="/institutions", reason="a new key")
    auditor.submit("/searches", page="/log", name="refused here", query="verdict=refused")
    with memory(running.home / "alerts.db") as kept, kept.transaction():
        kept.keep(replace(kept.begin("example.org/log"), checkpoint="", looked="2026-07-01T00:00:00Z"))
        kept.add(ALERT)
    document = (LIBRARY / "public-security.yaml").read_text(encoding="utf-8")
    made = officer.submit("/draft", text=document, act="submit")
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
        "/draft": "/draft?document=public-security",
    }


def _asked(analyst: Browser, sql: str) -> str:
    """Asks in the console; where it leads."""
    (request_id,) = re.findall('name="request_id" value="([^"]+)"', analyst.get("/ask").text)
    return analyst.submit("/ask", request_id=request_id, sql=sql, purpose="RESEARCH", act="run").url.path


def pictured(page: Page, path: str, locale: str, width: int) -> None:
    """A picture of the page, where somebody wants them."""
    if PICTURES:
        name = re.sub(r"[{}]", "", path.strip("/").replace("/", "-"))
        page.screenshot(path=Path(PICTURES) / f"{name}.{locale[:2]}.{width}.png", full_page=True)


def enter(page: Page, running: RunningConsole, name: str, password: str, then: str) -> None:
    """Name and password."""
    page.goto(f"{running.url}/login")
    page.locator("#name").fill(name)
    page.locator("#password").fill(password)
    page.locator("main button").click()
    page.wait_for_url(f"**{then}")

"""The console in a real browser, in both languages: a person's whole way through it, and what a screen reader meets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize
from tests.support import chromium
from tests.support.console import AUDITOR, PASSWORD, Person, RunningConsole, console
from tests.support.installation import Service
from tests.support.lengths import at_length_only
from tests.support.watched import ALERT, memory

from louver_server.accounts.model import Role

SQL = "SELECT district_code, count(*) AS firms FROM gov.ent_registry GROUP BY 1"
WORDS = {"en-US": ("What it would do", "of the log, proved"), "zh-CN": ("预览结果", "已证明")}

SCREENS = {"en-US": ViewportSize(width=1280, height=900), "zh-CN": ViewportSize(width=390, height=844)}
"""A desk's and a telephone's."""


@pytest.fixture(scope="module")
def running(served: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with console(served, tmp_path_factory.mktemp("c") / "console") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as found:
        yield found


def fit(page: Page) -> None:
    """No violation of WCAG 2.1 AA, and nothing beside the screen."""
    found = Axe().run(page).response["violations"]
    assert not found, (page.url, [(one["id"], one["nodes"][0]["html"]) for one in found])
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


def sign_in(page: Page, running: RunningConsole, person: Person, then: str) -> None:
    page.goto(f"{running.url}/login")
    page.get_by_label("Name" if page.locator("html[lang=en]").count() else "名称").fill(person.name)
    page.locator("#password").fill(PASSWORD)
    page.locator("main button").click()
    page.wait_for_url("**/login/code")
    page.locator("#code").fill(person.code())
    page.locator("main button").click()
    page.wait_for_url(f"**{then}")


@pytest.mark.parametrize("locale", ["zh-CN", pytest.param("en-US", marks=at_length_only)])
def test_an_analysts_way_through_the_console_without_a_violation(
    running: RunningConsole, browser: Browser, locale: str
) -> None:
    """Signing in, a refusal, a preview, an answer, its proof, the catalogue: axe finds nothing (WCAG 2.1 AA) on what is on no
    page at rest (`test_officers_in_a_browser.py` looks at those), and the browser has nothing to complain of."""
    name = f"analyst.{locale[:2]}"
    person = running.person(name, Role.ANALYST, "bank_a")
    invited = running.invited(f"new.{locale[:2]}", Role.ANALYST, "bank_a")
    would, proved = WORDS[locale]
    with browser.new_context(
        locale=locale, color_scheme="dark" if locale == "zh-CN" else "light", viewport=SCREENS[locale]
    ) as context:
        page = context.new_page()
        heard, seen = chromium.watched(page), []

        def looked_at() -> None:
            fit(page)
            seen.append(page.url)

        page.goto(f"{running.url}/login")
        page.locator("#name").fill(f"new.{locale[:2]}")
        page.locator("#password").fill(invited)
        page.locator("main button").click()
        page.wait_for_url("**/login/enrol")
        assert page.evaluate("document.querySelector('img.square').naturalWidth") > 0
        context.clear_cookies()
        sign_in(page, running, person, "/ask")
        page.locator("#sql").fill("SELECT ent_name FROM gov.ent_registry")
        page.locator("button[value=explain]").click()
        page.locator("#refused").wait_for()
        assert page.locator("#refused pre").inner_text().count("^") == 1
        looked_at()
        page.locator("#sql").fill(SQL)
        page.locator("button[value=explain]").click()
        page.get_by_role("heading", name=would).wait_for()
        looked_at()
        page.locator("button[value=run]").click()
        page.wait_for_url("**/answers/*")
        assert proved in page.locator("main").inner_text()
        assert page.locator("tbody tr").count() > 5
        looked_at()
        page.goto(f"{running.url}/history")
        page.locator("td.number a").first.click()
        page.wait_for_url("**/history/*")
        page.goto(f"{running.url}/catalogue")
        page.locator("a[href='/catalogue/gov.tax_credit']").click()
        page.wait_for_url("**/catalogue/gov.tax_credit")
        page.goto(f"{running.url}/lookups")
        page.locator("ul.cards a").first.click()
        page.wait_for_url("**/lookups/*")
        page.goto(f"{running.url}/authorisations")
        page.locator("#document").set_input_files(
            {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"signed"}
        )
        page.wait_for_function("document.querySelector('#evidence').value.length == 64")
        assert page.locator("#evidence").input_value() == hashlib.sha256(b"signed").hexdigest()
        page.goto(f"{running.url}/accounts")
        looked_at()
    assert len(seen) == 4
    assert [one for one in heard if "403 (Forbidden)" not in one] == []


def test_administrators_and_auditors_pages_in_a_browser(running: RunningConsole, browser: Browser) -> None:
    boss = running.person("boss", Role.ADMINISTRATOR)
    auditor = running.person("auditor", Role.AUDITOR, AUDITOR)
    with browser.new_context(locale="en-US", viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        heard = chromium.watched(page)
        sign_in(page, running, boss, "/accounts")
        page.locator("#name").fill("guo.jing")
        page.locator("#role").select_option("analyst")
        page.locator("#profile").select_option("bank_b")
        page.get_by_role("button", name="Invite").click()
        assert page.get_by_role("status").inner_text().startswith("The first password of guo.jing")
        fit(page)
        page.goto(f"{running.url}/journal")
        assert page.get_by_text("account made").count() > 0
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")
        sign_in(page, running, auditor, "/log")
        page.locator("tbody td.number a").first.click()
        page.wait_for_url("**/log/*")
        page.goto(f"{running.url}/log/tail")
        page.get_by_text("Following", exact=True).wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped", exact=True).wait_for()
        with memory(running.home / "alerts.db") as kept, kept.transaction():
            kept.keep(replace(kept.begin("example.org/log"), checkpoint="", looked="2026-07-01T00:00:00Z"))
            kept.add(ALERT)
        page.goto(f"{running.url}/alerts")
        assert page.get_by_text("Many refusals").count() == 1
        page.goto(f"{running.url}/head")
        page.get_by_role("button", name="中文").click()
        page.get_by_role("heading", name="日志树头").wait_for()
        assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert heard == []

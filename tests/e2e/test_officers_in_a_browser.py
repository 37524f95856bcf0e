"""A policy's whole way in a real browser: written, mended, tried, simulated, signed by two officers, in force; what it
allowed is found by an auditor, proved, decided again, and verified offline, and red where the store was altered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize
from tests.e2e.test_console_in_a_browser import fit, sign_in
from tests.e2e.test_officers_end_to_end import AFTER, BEFORE, PURPOSE, QUESTION, YAML
from tests.support import chromium, console_pages
from tests.support.audit_logs import behind_the_back
from tests.support.console import AUDITOR, PASSWORD, Person, RunningConsole, console
from tests.support.console import Browser as Client
from tests.support.console_pages import (
    BEFORE_SIGNING_IN,
    HALF_WAY,
    LOOKS,
    NO_PAGES,
    PAGES,
    PICTURES,
    PROFILES,
    enter,
    pictured,
)
from tests.support.installation import Service, copy_of, eventually, service
from tests.support.lengths import at_length
from tests.support.officers import Desk, appointed
from typer.testing import CliRunner

from louver.cli.app import app as command
from louver.errors import Refused
from louver_sandbox.demo.city import City
from louver_sandbox.operator.administrators import add_administrator
from louver_sandbox.operator.installation import TOOLS
from louver_server.accounts.model import Role
from louver_server.app import ROUTES


@pytest.fixture(scope="module")
def office(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningConsole, Service, Desk]]:
    mine = copy_of(city, tmp_path_factory.mktemp("office"))
    desk = appointed(mine, tmp_path_factory.mktemp("desk"))
    add_administrator(mine.settings, "zhao", TOOLS)
    with service(mine) as served:
        folder = tmp_path_factory.mktemp("c") / "console"
        with console(served, folder, ("bank_a", AUDITOR, "wang", "li", "qian", "zhao")) as running:
            yield running, served, desk


@pytest.fixture(scope="module")
def li(office: tuple[RunningConsole, Service, Desk]) -> Person:
    """One officer, whose profile has one account."""
    return office[0].person("li.na", Role.OFFICER, "li")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as found:
        yield found


@pytest.mark.parametrize("locale", ["en-US"])
def test_an_officer_writes_a_policy_and_a_refused_question_is_answered(
    office: tuple[RunningConsole, Service, Desk], li: Person, browser: Browser, locale: str, tmp_path: Path
) -> None:
    running, served, desk = office
    wang = running.person("wang.min", Role.OFFICER, "wang")
    auditor = running.person("auditor", Role.AUDITOR, AUDITOR)
    with served.connect("bank_a") as bank:
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                bank.analyse(QUESTION, purpose=PURPOSE)
            assert refused.value.code == "LVR-2009"
    with browser.new_context(locale=locale) as context:
        page = context.new_page()
        page.set_default_timeout(90_000)
        heard = chromium.watched(page)
        sign_in(page, running, wang, "/policies")
        assert page.get_by_text("What decides is what was signed").count() == 1
        fit(page)
        page.locator("a[href='/draft?document=taxation']").click()
        page.wait_for_url("**/draft?document=taxation")
        assert "owner: 市税务局" in page.locator("#text").input_value()
        fit(page)
        # A misspelt column: told while one writes, with its line.
        page.locator("#text").fill(YAML.replace("rating_year: [group_key", "ghost: [group_key", 1))
        page.locator("#findings li.bad a").first.wait_for()
        line = YAML[: YAML.index("rating_year: [group_key")].count("\n") + 1
        assert page.locator("#findings li.bad a").first.inner_text().startswith(f"{line}:")
        assert page.locator("#text").get_attribute("aria-invalid") == "true"
        page.locator("#findings li.bad a").first.click()
        caret = page.evaluate("document.activeElement.value.slice(0, document.activeElement.selectionStart)")
        assert caret.count("\n") + 1 == line
        fit(page)
        # Mended: what is wanted, and nothing wrong with it.
        page.locator("#text").fill(YAML.replace(BEFORE, AFTER, 1))
        page.locator("button[value=test]").click()
        page.locator("#tests li").first.wait_for()
        assert page.locator("#tests .bad").count() == 0
        fit(page)
        page.locator("button[value=diff]").click()
        page.locator("#changes li").first.wait_for()
        assert "looser" in page.locator("#changes").inner_text()
        page.locator("#institution").fill("bank_a")
        page.locator("#purpose").fill(PURPOSE)
        page.locator("#sql").fill(QUESTION)
        page.locator("button[value=explain]").click()
        page.locator("#comes").wait_for()
        assert "threshold" in page.locator("section.card[aria-labelledby=comes]").inner_text()
        page.locator("button[value=submit]").click()
        page.wait_for_url("**/policies/versions/taxation-2")
        fit(page)
        page.get_by_role("button", name="Simulate").click()
        page.wait_for_url("**/policies/simulations/*")
        page.locator("#simulation b.good").wait_for()
        moves = page.locator("#moves tbody").inner_text()
        assert "LVR-2009" in moves
        assert "threshold" in moves
        fit(page)
        signed(page, running, desk, "wang")
        assert page.locator("h1 .state").inner_text() == "review"
        fit(page)
        assert [one for one in heard if "favicon" not in one] == []
    with browser.new_context(locale="zh-CN", color_scheme="dark") as context:
        page = context.new_page()
        page.set_default_timeout(90_000)
        heard = chromium.watched(page)
        sign_in(page, running, li, "/policies")
        fit(page)
        page.locator("a[href='/policies/versions/taxation-2']").click()
        page.wait_for_url("**/policies/versions/taxation-2")
        assert "模拟结果" in page.locator("main").inner_text()
        page.locator("#signature").fill('{"officer": "li", "signature": "AAAA"}')
        page.get_by_role("button", name="提交本人签名").click()
        page.locator("#refused").wait_for()
        assert "LVR-7207" in page.locator("#refused").inner_text()
        fit(page)
        signed(page, running, desk, "li")
        page.get_by_role("button", name="使其生效").click()
        page.wait_for_function("document.querySelector('h1 .state').textContent == '现行'")
        fit(page)
        page.goto(f"{running.url}/draft")
        fit(page)
        assert [one for one in heard if "422" not in one] == []
    with served.connect("bank_a") as bank:
        answer = bank.analyse(QUESTION, purpose=PURPOSE)
        assert answer.rows
    with browser.new_context(locale=locale) as context:
        page = context.new_page()
        page.set_default_timeout(90_000)
        sign_in(page, running, auditor, "/log")
        page.goto(f"{running.url}/log?kind=policy")
        page.locator("tbody td.number a").first.click()
        page.wait_for_url("**/log/*")
        assert "taxation" in page.locator("main").inner_text()
        audited(page, running, served, str(answer.request_id), tmp_path)


def audited(page: Page, running: RunningConsole, served: Service, request_id: str, folder: Path) -> None:
    """The auditor finds the answer that the new policy allowed, proves it, has it decided again, and takes the proof home,
    where it holds without a service. Then somebody alters the store behind the log's back: the page is red and tells
    nothing of the entry."""
    assert eventually(lambda: found(page, running, request_id))
    page.locator("tbody td.number a").first.click()
    page.wait_for_url("**/log/*")
    entry = page.url
    assert "checked here" in page.locator("dd.good").first.inner_text()
    assert PURPOSE in page.locator("main").inner_text()
    page.get_by_role("button", name="Decide again").click()
    page.locator("p.good.card").wait_for()
    assert "byte for byte" in page.locator("p.good.card").inner_text()
    fit(page)
    with page.expect_download() as waited:
        page.locator("a[href$='/proof']").click()
    file = folder / waited.value.suggested_filename
    waited.value.save_as(file)
    verify = ["audit", "verify", str(file), "--log-key", served.city.log_key]
    assert (held := CliRunner().invoke(command, verify)).exit_code == 0, held.output
    index = int(entry.rpartition("/")[2])
    file.write_bytes(file.read_bytes().replace(f"index {index}\n".encode(), f"index {index + 1}\n".encode(), 1))
    assert CliRunner().invoke(command, verify).exit_code == 4
    with behind_the_back(served.city.settings.state_file) as store:
        (body,) = store.execute('SELECT body FROM entries WHERE "index" = ?', (index,)).fetchone()
        altered = bytes(body).replace(PURPOSE.encode(), b"X" * len(PURPOSE))
        store.execute('UPDATE entries SET body = ? WHERE "index" = ?', (altered, index))
    page.goto(entry)
    red = page.locator(".problem")
    red.wait_for()
    assert red.evaluate("one => getComputedStyle(one).borderLeftColor") == "rgb(163, 35, 28)"
    assert "XXXX" not in page.content()
    assert PURPOSE not in page.locator("main").inner_text()
    fit(page)
    with behind_the_back(served.city.settings.state_file) as store:
        store.execute('UPDATE entries SET body = ? WHERE "index" = ?', (body, index))
    page.goto(entry)
    assert "checked here" in page.locator("dd.good").first.inner_text()


def found(page: Page, running: RunningConsole, request_id: str) -> bool:
    """Whether the search has found the request's outcome; what is searched by follows the log."""
    page.goto(f"{running.url}/log?kind=outcome&request_id={request_id}")
    return page.locator("tbody td.number a").count() == 1


def signed(page: Page, running: RunningConsole, desk: Desk, name: str) -> None:
    """The officer fetches the file, signs it where the key is, and pastes what was written."""
    page.goto(f"{running.url}/policies/versions/taxation-2")
    with page.expect_download() as waited:
        page.locator("a[href$='/file']").click()
    content = waited.value.path().read_bytes()
    page.locator("#signature").fill(json.dumps(desk.sign(name, content)))
    page.locator("form[action$='/approve'] button").click()
    page.wait_for_load_state()


def test_the_editor_knows_what_may_stand_where_and_what_it_means(
    office: tuple[RunningConsole, Service, Desk], li: Person, browser: Browser
) -> None:
    running, _, _ = office
    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        heard = chromium.watched(page)
        sign_in(page, running, li, "/policies")
        with page.expect_response("**/static/policy-schema.json"):
            page.goto(f"{running.url}/draft")
        editor = page.locator("#text")
        editor.fill("kind: policy\ngrants:\n  - id: x\n    thr")
        editor.press("Control+Space")
        page.locator("#completions button", has_text="threshold").wait_for()
        page.locator("#completions button", has_text="threshold").click()
        assert editor.input_value().endswith("    threshold: ")
        editor.press("End")
        editor.press("ArrowLeft")
        page.locator("#meaning b").wait_for()
        assert page.locator("#meaning b").inner_text() == "threshold"
        assert len(page.locator("#meaning").inner_text()) > 30
        fit(page)
        hostile = 'id: "<img src=x onerror=alert(1)>"\n<script>alert(2)</script>: 1'
        editor.fill(hostile)
        page.locator("#findings li").first.wait_for()
        page.locator("button[value=lint]").click()
        page.wait_for_load_state()
        assert page.locator("#text").input_value() == hostile
    assert heard == []


@pytest.fixture(scope="module")
def inside(office: tuple[RunningConsole, Service, Desk]) -> Mapping[Role, Client]:
    """Somebody of each role, signed in."""
    running = office[0]
    return {
        role: running.signed_in(running.person(f"one.{role.value}", role, profile))
        for role, profile in PROFILES.items()
    }


@pytest.fixture(scope="module")
def places(office: tuple[RunningConsole, Service, Desk], inside: Mapping[Role, Client]) -> Mapping[str, str]:
    return console_pages.places(office[0], inside)


def test_every_view_of_auditors_has_its_twins() -> None:
    """What is followed as it comes has none, and is a search besides."""
    files = {route.path for route in ROUTES}
    without = {path for path in PAGES[Role.AUDITOR] if f"{path}.{{form}}" not in files}
    assert without == {"/log/tail"}


def test_no_page_is_left_out() -> None:
    looked_at = {*BEFORE_SIGNING_IN, *HALF_WAY, *(path for paths in PAGES.values() for path in paths)}
    assert looked_at | NO_PAGES == {route.path for route in ROUTES if "GET" in (route.methods or ())}
    assert not looked_at & NO_PAGES


@pytest.mark.parametrize(("locale", "screen", "scheme"), LOOKS[: 4 if PICTURES else at_length(1, 2)])
def test_every_page_fits_and_axe_finds_nothing(
    office: tuple[RunningConsole, Service, Desk], inside: Mapping[Role, Client], places: Mapping[str, str], browser: Browser,
    locale: str, screen: ViewportSize, scheme: Literal["dark", "light"],
) -> None:  # fmt: skip
    running, _, _ = office
    with browser.new_context(locale=locale, viewport=screen, color_scheme=scheme) as context:
        page = context.new_page()
        heard = chromium.watched(page)

        def seen(path: str) -> None:
            fit(page)
            pictured(page, path, locale, screen["width"])

        page.goto(f"{running.url}/login")
        seen("/login")
        new = f"new.{locale[:2]}.{screen['width']}"
        enter(page, running, new, running.invited(new, Role.ANALYST, "bank_a"), "/login/enrol")
        seen("/login/enrol")
        context.clear_cookies()
        enter(page, running, "one.analyst", PASSWORD, "/login/code")
        seen("/login/code")
        for role, paths in PAGES.items():
            context.clear_cookies()
            name = "louver-session"
            context.add_cookies([{"name": name, "value": inside[role].cookies[name], "url": running.url}])
            for path in paths:
                told = page.goto(running.url + places.get(path, path))
                assert told is not None
                assert (path, told.status, page.url) == (path, 200, running.url + places.get(path, path))
                seen(path)
        assert heard == []

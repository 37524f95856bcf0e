"""A passkey as second factor, in a real browser with an authenticator of its own: made, used, and of no use to others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Browser, Page
from tests.e2e.test_console_in_a_browser import fit
from tests.support import chromium
from tests.support.console import PASSWORD, RunningConsole, console
from tests.support.installation import Service

from louver_server.accounts.model import Role


@pytest.fixture(scope="module")
def running(served: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """Browsers know a passkey's site by a name, and an address is none."""
    with console(served, tmp_path_factory.mktemp("c") / "console", host="localhost") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as found:
        yield found


def with_authenticator(page: Page) -> str:
    """The page's browser gets an authenticator (WebAuthn's own test interface); its id."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True}
    made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})
    return str(made["authenticatorId"])


def knock(page: Page, running: RunningConsole, name: str, password: str) -> None:
    page.goto(f"{running.url}/login")
    page.locator("#name").fill(name)
    page.locator("#password").fill(password)
    page.locator("main button").click()


def test_a_passkey_is_made_and_lets_its_owner_in_and_nobody_else(running: RunningConsole, browser: Browser) -> None:
    first = running.invited("wang.fang", Role.ADMINISTRATOR)
    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        heard = chromium.watched(page)
        with_authenticator(page)
        knock(page, running, "wang.fang", first)
        page.wait_for_url("**/login/enrol")
        fit(page)
        page.locator("[data-passkey-begin]").click()
        assert page.locator("#password").evaluate("field => !field.validity.valid"), "a password of one's own first"
        page.locator("#password").fill(PASSWORD)
        page.locator("#again").fill(PASSWORD)
        page.locator("[data-passkey-begin]").click()
        page.wait_for_url("**/accounts")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")
        knock(page, running, "wang.fang", PASSWORD)
        page.wait_for_url("**/login/code")
        fit(page)
        assert page.locator("#code").count() == 0, "there is no code to be talked out of"
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.post_data or ""))
        page.get_by_role("button", name="Use my passkey").click()
        page.wait_for_url("**/accounts")
        (answer,) = [one for one in sent if "passkey=" in one]
        assert heard == []
    other = running.browser()
    other.post("/login", data={"name": "wang.fang", "password": PASSWORD})
    form = other.csrf("/login/code")
    for code in ("000000", ""):
        assert other.post("/login/code", data={"csrf": form, "code": code}).status_code == 422
    fields = {name: value for name, value in _fields(answer).items() if name == "passkey"}
    assert other.post("/login/code", data={"csrf": form, **fields}).status_code == 422, "signed for another sign-in"
    forged = json.loads(fields["passkey"])
    forged["response"]["signature"] = forged["response"]["signature"][::-1]
    for said in (json.dumps(forged), "{}", "[]", "null", "x" * 20_000):
        other.csrf("/login/code")
        assert other.post("/login/code", data={"csrf": form, "passkey": said}).status_code in {422, 429}
    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        with_authenticator(page)
        running.doors.store.forgive("place 127.0.0.1 wang.fang")
        knock(page, running, "wang.fang", PASSWORD)
        page.wait_for_url("**/login/code")
        page.get_by_role("button", name="Use my passkey").click()
        page.locator("[data-passkey-problem]").wait_for()
        assert page.url.endswith("/login/code"), "another authenticator has no such passkey"


def _fields(body: str) -> dict[str, str]:
    return dict(parse_qsl(body))

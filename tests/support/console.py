"""A console as a real process over a real sandbox, and people who sign in to it as they would."""

from __future__ import annotations

import base64
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from tests.support.installation import Service, eventually

from louver_sandbox.operator.auditors import add_auditor
from louver_sandbox.operator.installation import DEVELOPMENT_OFFICERS, Tools
from louver_sandbox.operator.officers import add_officer
from louver_sandbox.pki import Authority
from louver_sandbox.premises import utc_now
from louver_server.accounts import codes
from louver_server.accounts.doors import Doors
from louver_server.accounts.model import Role
from louver_server.app import open_console
from louver_server.configuration import read

AUDITOR = "audit_office"
"""The profile of auditors, and the id of the auditor that it is."""
OFFICER = "policy_office"
"""The profile of officers, and the id of the officer that it is: one of the development installation's."""
PASSWORD = "eleven slats of cedar wood"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Person:
    """Somebody with an account, and the second factor in their telephone."""

    name: str
    secret: bytes
    step: int

    def code(self) -> str:
        """The next code that the console takes, also where half a minute passes before it does.

        Each is good once. The one after the present is taken too; for one more than that the clock must go on.
        """
        wanted = self.step + 1
        while (now := int(datetime.now(UTC).timestamp()) // codes.STEP) + 1 < wanted:
            time.sleep(0.2)
        self.step = max(wanted, now)
        return codes.code_at(self.secret, self.step)


class Browser(httpx.Client):
    """A client that does what browsers do: keeps cookies, follows, says where a form comes from."""

    def __init__(self, url: str, authority: Path | None = None) -> None:
        trusted = ssl.create_default_context(cafile=authority) if authority else True
        headers = {"origin": url, "accept-language": "en"}
        super().__init__(base_url=url, headers=headers, follow_redirects=True, timeout=60, verify=trusted)

    def csrf(self, path: str) -> str:
        """The token of the form on a page."""
        found = _CSRF.search(self.get(path).text)
        assert found is not None, path
        return found[1]

    def submit(self, path: str, page: str | None = None, **fields: str) -> httpx.Response:
        """Sends the form of a page, with the token that stands in it."""
        return self.post(path, data={"csrf": self.csrf(page or path), **fields})


@dataclass(frozen=True)
class RunningConsole:
    """A console that listens, and its folder."""

    url: str
    home: Path
    process: subprocess.Popen[str]
    doors: Doors
    """What an operator on its machine can do."""
    opened: ExitStack
    authority: Path | None
    """Who vouches for its certificate, where it speaks TLS."""

    def browser(self) -> Browser:
        """A browser in which nobody has signed in."""
        return self.opened.enter_context(Browser(self.url, self.authority))

    def invited(self, name: str, role: Role, profile: str = "") -> str:
        """A new account's first password."""
        return self.doors.invite(name, role, profile, "test")

    def person(self, name: str, role: Role, profile: str = "") -> Person:
        """Somebody who has enrolled."""
        browser = self.browser()
        browser.post("/login", data={"name": name, "password": self.invited(name, role, profile)})
        person = Person(name, _secret(browser.get("/login/enrol").text), 0)
        done = browser.submit("/login/enrol", password=PASSWORD, again=PASSWORD, code=person.code())
        assert done.status_code == 200, done.text
        return person

    def signed_in(self, person: Person) -> Browser:
        """A browser in which they have signed in."""
        browser = self.browser()
        browser.post("/login", data={"name": person.name, "password": PASSWORD})
        done = browser.submit("/login/code", code=person.code())
        assert person.name in done.text, done.text
        return browser


def _secret(text: str) -> bytes:
    found = re.search(r"<p><code>([A-Z2-7 ]+)</code></p>", text)
    assert found is not None, text
    plain = found[1].replace(" ", "")
    return base64.b32decode(plain + "=" * (-len(plain) % 8))


@contextmanager
def console(
    service: Service,
    folder: Path,
    institutions: tuple[str, ...] = ("bank_a", "bank_b", AUDITOR, OFFICER),
    *,
    tls: bool = False,
    host: str = "127.0.0.1",
) -> Iterator[RunningConsole]:
    """A console for the length of a `with` block."""
    folder.mkdir(mode=0o700)
    (folder / "witnesses.txt").touch()
    port = free_port()
    settings = (
        f'address = "127.0.0.1:{port}"\norigin = "http{"s" if tls else ""}://{host}:{port}"\n'
        'alerts = "alerts.db"\nwitnesses = "witnesses.txt"\n'
    )
    if tls:
        _certify(folder)
        settings += 'certificate = "console.pem"\nkey = "console.key"\n'
    (folder / "console.toml").write_text(settings, encoding="utf-8")
    if AUDITOR in institutions and not (service.city.settings.home / "clients" / f"{AUDITOR}.pem").exists():
        add_auditor(service.city.settings, AUDITOR, "审计局", Tools(utc_now, secrets.token_bytes))
    if OFFICER in institutions and not (service.city.settings.home / "clients" / f"{OFFICER}.pem").exists():
        add_officer(service.city.settings, OFFICER, DEVELOPMENT_OFFICERS[0], Tools(utc_now, secrets.token_bytes))
    profiles = []
    for name in institutions:
        ca, key, certificate = service.files(name)
        profiles.append(
            f'[profiles.{name}]\ntarget = "{service.address}"\ncertificate = "{certificate}"\nkey = "{key}"\n'
            f'ca = "{ca}"\nlog_key = "{service.city.log_key}"\npurpose = "RESEARCH"\ntimeout = 60\n'
        )
    (folder / "profiles.toml").write_text("\n".join(profiles), encoding="utf-8")
    url = f"http{'s' if tls else ''}://{host}:{port}"
    with (folder / "console.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "louver_server", "serve", "--home", str(folder)],
            stdout=log, stderr=log, text=True, env=os.environ | {"LOUVER_LANG": "en"},
        )  # fmt: skip
    try:
        assert eventually(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (folder / "console.log").read_text(encoding="utf-8")
        with ExitStack() as opened:
            installation = open_console(read(folder))
            opened.callback(installation.doors.store.close)
            yield RunningConsole(
                url, folder, process, installation.doors, opened, folder / "authority.pem" if tls else None
            )
    finally:
        process.terminate()
        process.wait(30)


def _certify(folder: Path) -> None:
    authority = Authority.create(datetime.now(UTC))
    issued = authority.server("127.0.0.1", datetime.now(UTC))
    (folder / "authority.pem").write_bytes(authority.issued.certificate)
    (folder / "console.pem").write_bytes(issued.certificate)
    (folder / "console.key").write_bytes(issued.key)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""The console over the demonstration's installation: a process of its own, with an account for each role to try."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization

from louver_sandbox.demo.running import running
from louver_sandbox.operator.administrators import add_administrator, registered_administrators
from louver_sandbox.operator.auditors import add_auditor, registered_auditors
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.officers import add_officer, registered_officers
from louver_sandbox.pki import write_secret
from louver_sandbox.policy.load import load_officers
from louver_sandbox.policy.officers import make_officer, officers_text
from louver_sandbox.settings import Settings, load

AUDITOR: Final = "audit_office"
DEPARTMENT: Final = "市税务局"
OFFICERS: Final = ("wang_min", "he_jing")
"""Two officers of one department, as what one of them signs waits for the other."""
ADMINISTRATORS: Final = ("zhao_lei", "chu_yun")
"""One suspends an institution; two let it be served again."""
PEOPLE: Final = (
    ("wang.fang", "analyst", "bank_a"),
    ("li.na", "analyst", "bank_b"),
    ("wang.min", "officer", "wang_min"),
    ("he.jing", "officer", "he_jing"),
    ("sun.yu", "auditor", AUDITOR),
    ("zhao.lei", "administrator", "zhao_lei"),
    ("chu.yun", "administrator", "chu_yun"),
)
"""Name, role and profile."""

PROFILES: Final = tuple(dict.fromkeys(profile for _, _, profile in PEOPLE))
DOES: Final = {
    "analyst": "asks and looks up",
    "officer": "writes policies, signs with a second one",
    "auditor": "reads and proves what was decided",
    "administrator": "accounts, and the switch",
}
"""What an account is there for, in the words of a newcomer."""
STOP_S: Final = 15.0


def is_here() -> bool:
    """Whether the console is installed beside the sandbox (`louver[server]`)."""
    return all(importlib.util.find_spec(name) is not None for name in ("louver_server", "fastapi", "jinja2"))


def browse(home: Path, say: Callable[[str], None]) -> None:
    """Serves the installation and a console over it until interrupted; `say` hears where and for whom."""
    keys = appoint(load(home))
    with running(home) as (address, _):
        folder, port = home / "console", _free_port()
        _write(folder, port, home, address)
        for name, role, profile in PEOPLE:
            first = _console(folder, "accounts", "add", name, role, *(["--profile", profile] if profile else []))
            say(f"{role:14} {name:10} {DOES[role]:42} first password {first}")
        say("At the first sign-in each sets a password and an authenticator. Where none is at hand,")
        say("  louver-server code 'THE TEXT UNDER THE PICTURE'   tells the code of the moment.")
        say(f"Officers sign with keys of their own, which no console has; these two of {DEPARTMENT} have theirs in")
        say(f"  {keys}   (louver policy sign FILE --officer {OFFICERS[0]} --key {OFFICERS[0]}.key)")
        serving = subprocess.Popen([sys.executable, "-m", "louver_server", "serve", "--home", str(folder)])  # noqa: S603
        say(f"open http://127.0.0.1:{port} in a browser; Ctrl-C ends it")
        try:
            serving.wait()
        except KeyboardInterrupt:
            say("closing")
        finally:
            serving.terminate()
            serving.wait(STOP_S)


def appoint(settings: Settings) -> Path:
    """Gives the city an auditor, two officers of one department and two administrators, where it has none; the folder
    with the keys by which the officers sign."""
    keys = settings.secrets / "officers"
    if AUDITOR not in registered_auditors(settings):
        add_auditor(settings, AUDITOR, "审计局", TOOLS)
    for name in OFFICERS:
        if name in registered_officers(settings):
            continue
        officer, key = make_officer(name, TOOLS.randomness, DEPARTMENT)
        plain, coded = serialization.NoEncryption(), serialization.Encoding.PEM
        write_secret(keys / f"{name}.key", key.private_bytes(coded, serialization.PrivateFormat.PKCS8, plain))
        settings.officers.write_bytes(officers_text([*load_officers(settings.officers), officer]))
        add_officer(settings, name, name, TOOLS)
    for name in ADMINISTRATORS:
        if name not in registered_administrators(settings):
            add_administrator(settings, name, TOOLS)
    return keys


def _write(folder: Path, port: int, home: Path, address: str) -> None:
    settings, clients = load(home), home / "clients"
    folder.mkdir(mode=0o700, exist_ok=True)
    profiles = [
        f'[profiles.{name}]\ntarget = "{address}"\ncertificate = "{clients / f"{name}.pem"}"\n'
        f'key = "{clients / f"{name}.key"}"\nca = "{settings.pki / "authority.pem"}"\n'
        f'log_key = "{home / "log.pub"}"\npurpose = "RESEARCH"\n'
        for name in PROFILES
    ]
    (folder / "profiles.toml").write_text("\n".join(profiles), encoding="utf-8")
    (folder / "console.toml").write_text(f'address = "127.0.0.1:{port}"\n', encoding="utf-8")


def _console(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "louver_server", *words, "--home", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own module
    return done.stdout.strip()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port

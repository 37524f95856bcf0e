"""The console over the demonstration's installation: a process of its own, with an account for each role to try."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from louver_sandbox.demo.running import running
from louver_sandbox.operator.auditors import add_auditor, registered_auditors
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.settings import load

AUDITOR: Final = "audit_office"
PEOPLE: Final = (
    ("wang.fang", "analyst", "bank_a"),
    ("li.na", "analyst", "bank_b"),
    ("sun.yu", "auditor", AUDITOR),
    ("zhao.lei", "administrator", ""),
)
"""Name, role and profile."""

PROFILES: Final = ("bank_a", "bank_b", AUDITOR)
STOP_S: Final = 15.0


def is_here() -> bool:
    """Whether the console is installed beside the sandbox (`louver[server]`)."""
    return all(importlib.util.find_spec(name) is not None for name in ("louver_server", "fastapi", "jinja2"))


def browse(home: Path, say: Callable[[str], None]) -> None:
    """Serves the installation and a console over it until interrupted; `say` hears where and for whom."""
    if AUDITOR not in registered_auditors(load(home)):
        add_auditor(load(home), AUDITOR, "审计局", TOOLS)
    with running(home) as (address, _):
        folder, port = home / "console", _free_port()
        _write(folder, port, home, address)
        for name, role, profile in PEOPLE:
            first = _console(folder, "accounts", "add", name, role, *(["--profile", profile] if profile else []))
            say(f"{role:14} {name:10} first password {first}")
        say("At the first sign-in each sets a password and an authenticator. Where none is at hand,")
        say("  louver-server code 'THE TEXT UNDER THE PICTURE'   tells the code of the moment.")
        serving = subprocess.Popen([sys.executable, "-m", "louver_server", "serve", "--home", str(folder)])  # noqa: S603
        say(f"open http://127.0.0.1:{port} in a browser; Ctrl-C ends it")
        try:
            serving.wait()
        except KeyboardInterrupt:
            say("closing")
        finally:
            serving.terminate()
            serving.wait(STOP_S)


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

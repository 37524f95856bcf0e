"""An installation over the synthetic city whose access budgets no benchmark can use up."""

import re
import secrets
from pathlib import Path

from louver_sandbox.demo.city import City, build
from louver_sandbox.operator.installation import Tools, activate, development_keys
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import Settings

PLENTY = 100_000
"""As much as the compiled-in floors allow."""
_BUDGET = re.compile(r"(queries_per_day|predicates_per_day): \d+")


def with_plenty(text: str) -> str:
    """A policy file's text with every access budget raised to `PLENTY`."""
    return _BUDGET.sub(rf"\1: {PLENTY}", text)


def city(folder: Path, persons: int) -> City:
    """The demo's city with its whole policy library, so that decisions cost what they cost there."""
    made = build(folder / "home", persons, tools(), lambda text: None)
    policies = made.settings.home / "policies"
    for file in policies.glob("*.yaml"):
        file.write_text(with_plenty(file.read_text(encoding="utf-8")), encoding="utf-8")
    activate(made.settings, [policies], development_keys(made.settings))
    return made


def tools() -> Tools:
    """The machine's own time and randomness."""
    return Tools(utc_now, secrets.token_bytes)


def set_limits(settings: Settings, **limits: int) -> None:
    """Replaces the limits in the installation's configuration."""
    path = settings.home / "louver.toml"
    head = path.read_text(encoding="utf-8").partition("[limits]")[0]
    lines = "".join(f"{name} = {value}\n" for name, value in limits.items())
    path.write_text(f"{head}[limits]\n{lines}", encoding="utf-8")

"""How the operator's commands speak: plain lines that can be piped, problems on standard error, stable exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from louver.errors import Refused, Unproven
from louver_sandbox.audit.sources import MalformedExport
from louver_sandbox.audit.stored import LogDamaged, UnknownEntry
from louver_sandbox.catalog.positions import CatalogRefused
from louver_sandbox.identity import RegistryRefused
from louver_sandbox.operator.installation import InstallationRefused
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.processes.isolation.levels import TooLittleIsolation
from louver_sandbox.publishing.record_keys import KeyRefused
from louver_sandbox.publishing.refused import PublishRefused
from louver_sandbox.settings import SettingsRefused
from louver_sandbox.store import StoreError

EXIT_PROBLEM = 1

Home = Annotated[Path, typer.Option("--home", "-H", envvar="LOUVER_HOME", help="The installation's folder.")]

_SAY_IT_THEMSELVES = (
    InstallationRefused,
    KeyRefused,
    LogDamaged,
    MalformedExport,
    PublishRefused,
    Refused,
    RegistryRefused,
    StoreError,
    TooLittleIsolation,
    UnknownEntry,
    Unproven,
)


def problem(text: str) -> None:
    """One problem, on standard error."""
    typer.echo(text, err=True)


def fail(*problems: str) -> typer.Exit:
    """Prints the problems; raise what it returns."""
    for text in problems:
        problem(text)
    return typer.Exit(EXIT_PROBLEM)


@contextmanager
def explained() -> Iterator[None]:
    """Turns what a command refuses into lines and exit code 1."""
    try:
        yield
    except SettingsRefused as refused:
        raise fail(*refused.problems) from None
    except CatalogRefused as refused:
        raise fail(*map(str, refused.problems)) from None
    except PolicyRefused as refused:
        raise fail(*map(str, refused.problems)) from None
    except BundleRefused as refused:
        raise fail(*refused.reasons) from None
    except _SAY_IT_THEMSELVES as refused:
        raise fail(str(refused)) from None
    except OSError as failed:
        raise fail(f"{failed.filename}: {failed.strerror}" if failed.filename else str(failed)) from None

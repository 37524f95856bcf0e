"""`louver-sandbox policy draft|approve|versions|activate|revoke|show`: policies on their way into force and out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from louver_sandbox.annals import activated_serials, note_activation
from louver_sandbox.drafting.lifecycle import Draft, Lifecycle, require_tests
from louver_sandbox.operator.installation import TOOLS, activate, development_keys
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.policy.approvals import missing
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.lifecycle import Version
from louver_sandbox.policy.lint import unaccepted_risks
from louver_sandbox.policy.load import load_approvals, load_library
from louver_sandbox.policy.officers import Signature
from louver_sandbox.policy.revocations import parse_revocations
from louver_sandbox.premises import load_judgement, open_books, registered_catalog, utc_now
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State

Name = Annotated[str, typer.Argument(help="A version, such as taxation-3.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands to `louver-sandbox policy`."""
    commands: Mapping[str, Callable[..., None]] = {
        "draft": draft_command,
        "approve": approve_command,
        "versions": versions_command,
        "activate": activate_command,
        "revoke": revoke_command,
        "show": show_command,
    }
    for name, command in commands.items():
        app.command(name)(command)


def draft_command(
    policy: Annotated[str, typer.Argument(help="The id of the document that is new: a policy, or the platform's.")],
    submitter: Annotated[str, typer.Option(help="The officer who answers for it and signs first.")],
    home: Home = Path("louver-home"),
    policies: Annotated[
        Path | None, typer.Option(help="The folder it stands in; default: the installation's.")
    ] = None,
    effective: Day = None,
    expires: Day = None,
) -> None:
    """Make a version of one policy from YAML, lint it, run all tests beside what is in force, and file it.

    Prints the file that officers read (`louver policy review`) and sign (`louver policy sign`).

    Example: louver-sandbox policy draft taxation --submitter wang --effective 2026-08-01
    """
    with explained():
        settings = load(home)
        lifecycle = Lifecycle(settings, TOOLS)
        first = lifecycle.today if effective is None else effective.date()
        library = load_library([policies or settings.home / "policies"])
        until = None if expires is None else expires.date()
        version = lifecycle.draft(Draft(library, policy, submitter, first, until))
        typer.echo(str(settings.requests / f"{version.name}.json"))
        _waits(lifecycle, version)


def approve_command(
    name: Name,
    signature: Annotated[Path, typer.Argument(help="What `louver policy sign` wrote.")],
    home: Home = Path("louver-home"),
) -> None:
    """File an officer's signature of a version; the submitter's comes first.

    Example: louver-sandbox policy approve taxation-3 wang.json
    """
    with explained():
        lifecycle = Lifecycle(load(home), TOOLS)
        version = lifecycle.sign(name, _signature(signature))
        typer.echo(f"{name} is {lifecycle.standing().state(version).value}")
        _waits(lifecycle, version)


def versions_command(home: Home = Path("louver-home")) -> None:
    """List every version with its state, days, submitter and signers."""
    with explained():
        lifecycle = Lifecycle(load(home), TOOLS)
        standing = lifecycle.standing()
        for version in lifecycle.versions():
            said = version.statement
            names = ", ".join(item.officer for item in version.approval.signatures) or "-"
            days = f"{said.effective} to {said.expires}"
            typer.echo(f"{version.name}  {standing.state(version).value}  {days}  {said.owner}  signed by {names}")


def activate_command(
    home: Home = Path("louver-home"),
    policies: Annotated[Path | None, typer.Option(help="With --key: a file or folder of policy YAML.")] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Development: sign everything in --policies with these keys (PEM) in one step."),
    ] = None,
) -> None:
    """Put every approved version that is due into force, verified as the service will verify it.

    In a development installation that has no versions, or with --key, everything in the policies folder is signed and
    activated in one step. New grants need their snapshots: `louver-sandbox publish`. A running service takes the
    bundle within seconds, once they are there.
    """
    with explained():
        settings = load(home)
        lifecycle = Lifecycle(settings, TOOLS)
        if key or (settings.development and not lifecycle.versions()):
            digest = _in_one_step(settings, policies or settings.home / "policies", key or development_keys(settings))
            typer.echo(f"bundle {digest} is in force")
            return
        bundle, names = lifecycle.activate()
        typer.echo(f"bundle {bundle.digest} is in force; new in it: {', '.join(names) or 'nothing'}")


def revoke_command(
    file: Annotated[Path, typer.Argument(help="What `louver policy revoke` wrote.")],
    home: Home = Path("louver-home"),
) -> None:
    """End a policy: from the next question on a running service refuses what its grants permitted (LVR-2010).

    Example: louver-sandbox policy revoke revocation.json
    """
    with explained():
        (item,) = parse_revocations(b"[" + file.read_bytes() + b"]")
        Lifecycle(load(home), TOOLS).revoke(item)
        said = item.revocation
        typer.echo(f"{said.id} answers no more, up to version {said.serial}: {said.reason}")


def show_command(home: Home = Path("louver-home")) -> None:
    """Print the active bundle's digest and documents with who approved them, after verifying everything."""
    with explained():
        settings = load(home)
        bundle = load_judgement(settings, utc_now()).bundle
        by_id = {item.statement.id: item for item in load_approvals(settings.bundle)}
        typer.echo(f"bundle {bundle.digest}")
        for policy in bundle.policies:
            approval = by_id[policy.id]
            names = ", ".join(item.officer for item in approval.signatures)
            typer.echo(
                f"{policy.id}@{policy.version}  version {approval.statement.serial}  {policy.owner}  "
                f"{len(policy.grants)} grants  {policy.title}  signed by {names}"
            )


def _waits(lifecycle: Lifecycle, version: Version) -> None:
    for reason in missing(version.approval, lifecycle.officers):
        typer.echo(f"waits: {reason}", err=True)


def _signature(file: Path) -> Signature:
    try:
        body: Any = json.loads(file.read_bytes())
        return Signature(str(body["officer"]), base64.b64decode(body["signature"], validate=True))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BundleRefused((f"{file.name}: not a signature",)) from None


def _in_one_step(settings: Settings, policies: Path, keys: list[Path] | tuple[Path, ...]) -> str:
    """Signs and activates everything at once; for development, where the keys lie on this machine."""
    library = load_library([policies])
    if risks := unaccepted_risks(library, registered_catalog(settings)):
        raise fail(*map(str, risks))
    require_tests(library, settings)
    with State.open(settings.state) as state:
        books = open_books(settings, state, utc_now)
        digest = activate(settings, [policies], list(keys), activated_serials(books))
        judgement = load_judgement(settings, utc_now())
        note_activation(books, judgement, load_approvals(settings.bundle))
    return digest

"""`louver-sandbox administrator`: who may say over the wire which institutions are served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import typer

from louver_sandbox.administrators import Administrator, parse_administrators
from louver_sandbox.operator.auditors import registered_auditors
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools, replace_registry
from louver_sandbox.operator.officers import registered_officers
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.pki import Authority, Issued
from louver_sandbox.registered import INSTITUTION, parse_registry, quoted
from louver_sandbox.settings import Settings, load

app = typer.Typer(help="Administrators' certificates: they suspend institutions.", no_args_is_help=True)


@app.command("add")
def add(name: str, home: Home = Path("louver-home")) -> None:
    """Register an administrator and issue the certificate by which they call; it can ask nothing of the data.

    One suspends an institution, two let it be served again: register two persons or more.

    Example: louver-sandbox administrator add zhao
    """
    with explained():
        settings = load(home)
        issued = add_administrator(settings, name, TOOLS)
        typer.echo(f"certificate  {settings.home / 'clients' / (name + '.pem')}")
        typer.echo(f"fingerprint  {issued.fingerprint}")


@app.command("list")
def listed(home: Home = Path("louver-home")) -> None:
    """List the administrators: id and number of live certificates.

    Example: louver-sandbox administrator list
    """
    with explained():
        for item in sorted(registered_administrators(load(home)).values(), key=lambda item: item.id):
            typer.echo(f"{item.id}  {len(item.fingerprints)} certificates")


@app.command("revoke")
def revoke(name: str, home: Home = Path("louver-home")) -> None:
    """Strike out every certificate of an administrator; a running service obeys at its next call.

    Example: louver-sandbox administrator revoke zhao
    """
    with explained():
        settings = load(home)
        registered = registered_administrators(settings)
        if name not in registered:
            raise InstallationRefused(f"{name} is not registered")
        registered[name] = replace(registered[name], fingerprints=frozenset())
        write_administrators(settings.administrators, registered)
        typer.echo(f"{name} is known by no certificate any more")


def add_administrator(settings: Settings, name: str, tools: Tools) -> Issued:
    """Registers an administrator and issues their certificate into `clients/`. Raises `InstallationRefused`."""
    if not INSTITUTION.match(name):
        raise InstallationRefused(f"{name!r}: an administrator's id is lower-case letters, digits and _")
    registered = registered_administrators(settings)
    institutions = parse_registry(settings.institutions.read_text(encoding="utf-8"))
    taken = (registered, institutions, registered_auditors(settings), registered_officers(settings))
    if any(name in names for names in taken):
        raise InstallationRefused(f"{name} is registered already; nobody has two roles")
    secrets = settings.secrets
    authority = Authority(Issued((secrets / "authority.pem").read_bytes(), (secrets / "authority.key").read_bytes()))
    issued = authority.administrator(name, tools.clock())
    issued.write(settings.home / "clients", name)
    registered[name] = Administrator(name, frozenset({issued.fingerprint}))
    write_administrators(settings.administrators, registered)
    return issued


def registered_administrators(settings: Settings) -> dict[str, Administrator]:
    """The administrators by id; none where there is no registry of them. Raises `RegistryRefused`."""
    path = settings.administrators
    return dict(parse_administrators(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write_administrators(path: Path, administrators: Mapping[str, Administrator]) -> None:
    """Writes the registry of administrators in one step."""
    lines = []
    for item in sorted(administrators.values(), key=lambda item: item.id):
        prints = ", ".join(quoted(print_) for print_ in sorted(item.fingerprints))
        lines += [f"[administrators.{item.id}]", f"fingerprints = [{prints}]", ""]
    replace_registry(path, "\n".join(lines), parse_administrators)

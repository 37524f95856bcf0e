"""`louver-sandbox officer`: who may work on policies over the wire, and by which name they sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox.identity import INSTITUTION, parse_registry
from louver_sandbox.officers import Caller, parse_callers
from louver_sandbox.operator.auditors import registered_auditors
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools, quoted, replace_registry
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.pki import Authority, Issued
from louver_sandbox.policy.load import load_officers
from louver_sandbox.settings import Settings, load

app = typer.Typer(help="Policy officers' certificates; their signing keys stay with them.", no_args_is_help=True)


@app.command("add")
def add(
    name: str,
    signs_as: Annotated[str, typer.Option(help="Their name in officers.json.")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Register a policy officer and issue the certificate by which they call; it can ask nothing of the data.

    The row with their signing key stands in officers.json already (`louver policy key`).

    Example: louver-sandbox officer add wang --signs-as wang
    """
    with explained():
        settings = load(home)
        issued = add_officer(settings, name, signs_as or name, TOOLS)
        typer.echo(f"certificate  {settings.home / 'clients' / (name + '.pem')}")
        typer.echo(f"fingerprint  {issued.fingerprint}")


@app.command("list")
def listed(home: Home = Path("louver-home")) -> None:
    """List the officers with certificates: id, live certificates, name by which they sign."""
    with explained():
        for item in sorted(registered_officers(load(home)).values(), key=lambda item: item.id):
            typer.echo(f"{item.id}  {len(item.fingerprints)} certificates  signs as {item.signs_as}")


@app.command("revoke")
def revoke(name: str, home: Home = Path("louver-home")) -> None:
    """Strike out every certificate of an officer; a running service obeys at its next call.

    What they have signed goes on counting; whoever should have signed nothing is struck out of officers.json.
    """
    with explained():
        revoke_officer(load(home), name)
        typer.echo(f"{name} is known by no certificate any more")


def add_officer(settings: Settings, name: str, signs_as: str, tools: Tools) -> Issued:
    """Registers an officer and issues their certificate into `clients/`. Raises `InstallationRefused`."""
    if not INSTITUTION.match(name):
        raise InstallationRefused(f"{name!r}: an officer's id is lower-case letters, digits and _")
    registered = registered_officers(settings)
    institutions = parse_registry(settings.institutions.read_text(encoding="utf-8"))
    if name in registered or name in institutions or name in registered_auditors(settings):
        raise InstallationRefused(f"{name} is registered already; nobody has two roles")
    if signs_as not in {officer.name for officer in load_officers(settings.officers)}:
        raise InstallationRefused(f"{signs_as} does not stand in officers.json; `louver policy key` prints the row")
    if signs_as in {item.signs_as for item in registered.values()}:
        raise InstallationRefused(f"{signs_as} has a certificate already; nobody calls as two")
    secrets = settings.secrets
    authority = Authority(Issued((secrets / "authority.pem").read_bytes(), (secrets / "authority.key").read_bytes()))
    issued = authority.officer(name, tools.clock())
    issued.write(settings.home / "clients", name)
    registered[name] = Caller(name, signs_as, frozenset({issued.fingerprint}))
    write_officers(settings.officers_certificates, registered)
    return issued


def registered_officers(settings: Settings) -> dict[str, Caller]:
    """The officers with certificates by id; none where there is no registry of them. Raises `RegistryRefused`."""
    path = settings.officers_certificates
    return dict(parse_callers(path.read_text(encoding="utf-8"))) if path.exists() else {}


def revoke_officer(settings: Settings, name: str) -> None:
    """Strikes out every certificate of an officer. Raises `InstallationRefused` when they are not registered."""
    registered = registered_officers(settings)
    if name not in registered:
        raise InstallationRefused(f"{name} is not registered")
    registered[name] = replace(registered[name], fingerprints=frozenset())
    write_officers(settings.officers_certificates, registered)


def write_officers(path: Path, officers: Mapping[str, Caller]) -> None:
    """Writes the registry of officers in one step."""
    lines = []
    for item in sorted(officers.values(), key=lambda item: item.id):
        lines += [
            f"[officers.{item.id}]",
            f"signs_as = {quoted(item.signs_as)}",
            f"fingerprints = [{', '.join(quoted(print_) for print_ in sorted(item.fingerprints))}]",
            "",
        ]
    replace_registry(path, "\n".join(lines), parse_callers)

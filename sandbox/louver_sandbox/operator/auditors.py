"""`louver-sandbox auditor`: who may read the log, and whose cosignatures are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from louver.transparency.cosignature import WitnessKey
from louver_sandbox.auditors import Auditor, parse_auditors
from louver_sandbox.identity import INSTITUTION, parse_registry
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools, quoted, replace_registry
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.pki import Authority, Issued
from louver_sandbox.settings import Settings, load

app = typer.Typer(help="Auditors, who may read the log and nothing else.", no_args_is_help=True)


@app.command("add")
def add(
    name: str,
    title: Annotated[str, typer.Option(help="Its name for people.")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Register an auditor and issue its certificate; it can search the log and ask nothing of the data.

    Example: louver-sandbox auditor add audit_office --title 市审计局
    """
    with explained():
        settings = load(home)
        issued = add_auditor(settings, name, title, TOOLS)
        typer.echo(f"certificate  {settings.home / 'clients' / (name + '.pem')}")
        typer.echo(f"fingerprint  {issued.fingerprint}")


@app.command("list")
def listed(home: Home = Path("louver-home")) -> None:
    """List the auditors: id, live certificates, witnesses' keys, name."""
    with explained():
        for item in sorted(registered_auditors(load(home)).values(), key=lambda item: item.id):
            keys = f"{len(item.fingerprints)} certificates  {len(item.witnesses)} witnesses"
            typer.echo(f"{item.id}  {keys}  {item.title}")


@app.command("revoke")
def revoke(name: str, home: Home = Path("louver-home")) -> None:
    """Strike out every certificate of an auditor; a running service obeys at its next call."""
    with explained():
        revoke_auditor(load(home), name)
        typer.echo(f"{name} is known by no certificate any more")


@app.command("witness")
def witness(
    name: str,
    key: Annotated[str, typer.Argument(help="The witness's public key, as `louver audit witness-key` prints it.")],
    home: Home = Path("louver-home"),
) -> None:
    """Register the public key by which an auditor's witness cosigns the log's checkpoints.

    Example: louver-sandbox auditor witness audit_office "witness.example+1a2b3c4d+BAbc..."
    """
    with explained():
        add_witness(load(home), name, key)
        typer.echo(f"cosignatures of {key.partition('+')[0]} are taken from {name}")


def add_auditor(settings: Settings, name: str, title: str, tools: Tools) -> Issued:
    """Registers an auditor of the log and issues its certificate into `clients/`. Raises `InstallationRefused`."""
    if not INSTITUTION.match(name) or not title.isprintable():
        raise InstallationRefused(
            f"{name!r}: an auditor's id is lower-case letters, digits and _; a title is printable"
        )
    registered = registered_auditors(settings)
    if name in registered or name in parse_registry(settings.institutions.read_text(encoding="utf-8")):
        raise InstallationRefused(f"{name} is registered already; nobody is both an auditor and an institution")
    secrets = settings.secrets
    authority = Authority(Issued((secrets / "authority.pem").read_bytes(), (secrets / "authority.key").read_bytes()))
    issued = authority.auditor(name, tools.clock())
    issued.write(settings.home / "clients", name)
    registered[name] = Auditor(name, title or name, frozenset({issued.fingerprint}))
    write_auditors(settings.log_auditors, registered)
    return issued


def registered_auditors(settings: Settings) -> dict[str, Auditor]:
    """The auditors of the log by id; none where there is no registry of them. Raises `RegistryRefused`."""
    path = settings.log_auditors
    return dict(parse_auditors(path.read_text(encoding="utf-8"))) if path.exists() else {}


def revoke_auditor(settings: Settings, name: str) -> None:
    """Strikes out every certificate of an auditor. Raises `InstallationRefused` when it is not registered."""
    registered = registered_auditors(settings)
    if name not in registered:
        raise InstallationRefused(f"{name} is not registered")
    registered[name] = replace(registered[name], fingerprints=frozenset())
    write_auditors(settings.log_auditors, registered)


def add_witness(settings: Settings, name: str, key: str) -> None:
    """Registers the public key by which an auditor's witness cosigns. Raises `InstallationRefused` or `Unproven`."""
    registered = registered_auditors(settings)
    if name not in registered:
        raise InstallationRefused(f"{name} is not registered")
    known, found = registered[name].witnesses, WitnessKey.parse(key)
    if any(one.public_key == found.public_key for auditor in registered.values() for one in auditor.witnesses):
        raise InstallationRefused("this key is registered already; every witness has its own")
    registered[name] = replace(registered[name], witnesses=(*known, found))
    write_auditors(settings.log_auditors, registered)


def write_auditors(path: Path, auditors: Mapping[str, Auditor]) -> None:
    """Writes the registry of auditors in one step."""
    lines = []
    for item in sorted(auditors.values(), key=lambda item: item.id):
        lines += [
            f"[auditors.{item.id}]",
            f"title = {quoted(item.title)}",
            f"fingerprints = [{', '.join(quoted(print_) for print_ in sorted(item.fingerprints))}]",
            f"witnesses = [{', '.join(quoted(str(key)) for key in item.witnesses)}]",
            "",
        ]
    replace_registry(path, "\n".join(lines), parse_auditors)

"""`louver-sandbox policy`: what officers do with policies before and when they come into force."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.operator import publishing
from louver_sandbox.operator.installation import TOOLS, activate, development_keys
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.lint import lint, unaccepted_risks
from louver_sandbox.policy.load import load_library
from louver_sandbox.policy.testing import load_cases, report, run_cases
from louver_sandbox.settings import load
from louver_sandbox.store import State
from louver_sandbox.wiring import load_judgement, open_books, utc_now

app = typer.Typer(help="Policies: lint, test, and put a signed bundle in force.", no_args_is_help=True)

Policies = Annotated[
    Path | None, typer.Option("--policies", help="A file or folder of policy YAML; default: the installation's.")
]
CatalogFiles = Annotated[
    Path | None, typer.Option("--catalog", help="A file or folder of catalogue YAML; default: the installation's.")
]


def _inputs(home: Path, policies: Path | None, catalog: Path | None) -> tuple[Path, Catalog]:
    """What to read: what was named, and the installation's for the rest."""
    if policies is None or catalog is None:
        settings = load(home)
        policies, catalog = policies or settings.home / "policies", catalog or settings.catalog
    return policies, load_catalog([catalog], catalog if catalog.is_dir() else catalog.parent)


def _today() -> date:
    return utc_now().astimezone(SHANGHAI).date()


@app.command("lint")
def lint_policies(home: Home = Path("louver-home"), policies: Policies = None, catalog: CatalogFiles = None) -> None:
    """Every finding with file, line and column; exit 1 when there is one. Needs no running service.

    Example: louver-sandbox policy lint --policies policies/library --catalog catalog/
    """
    with explained():
        folder, declared = _inputs(home, policies, catalog)
        library = load_library([folder])
        findings = lint(library, declared, _today())
        if findings:
            raise fail(*map(str, findings))
        typer.echo(f"{len(library.policies)} policies, no finding")


@app.command("test")
def run_decision_tables(
    cases: Annotated[Path, typer.Argument(help="A file or folder of decision tables.")],
    home: Home = Path("louver-home"),
    policies: Policies = None,
    catalog: CatalogFiles = None,
) -> None:
    """Run decision tables against the policies; each difference is shown, exit 1 when there is one.

    Example: louver-sandbox policy test policies/cases --policies policies/library --catalog catalog/
    """
    with explained():
        folder, declared = _inputs(home, policies, catalog)
        library = load_library([folder])
        bundle = parse_bundle(bundle_content(library.platform, library.policies))
        results = run_cases(load_cases([cases]), declared, bundle)
        if not all(result.passed for result in results):
            raise fail(report(results))
        typer.echo(report(results))


@app.command("activate")
def activate_command(
    home: Home = Path("louver-home"),
    policies: Policies = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="An officer's private key (PEM); give two. Default: the development officers."),
    ] = None,
) -> None:
    """Build a bundle, have two officers sign it, verify it as the service will, and put it in force.

    Refused where terms cannot hold what is promised of numbers and no officer has named the risk in `accepts_risk`.
    New grants need their snapshots: `louver-sandbox publish`. A running service takes the bundle at its next start.
    """
    with explained():
        settings = load(home)
        folder, declared = _inputs(home, policies, None)
        if risks := unaccepted_risks(load_library([folder]), declared):
            raise fail(*map(str, risks))
        digest = activate(settings, [folder], key or development_keys(settings))
        judgement = load_judgement(settings, utc_now())
        with State.open(settings.state) as state:
            books = open_books(settings, state, utc_now)
            journal.note(books, "activation", bundle=judgement.bundle.digest, catalog=judgement.catalog.digest)
        typer.echo(f"bundle {digest} is in force")


@app.command("show")
def show_command(home: Home = Path("louver-home")) -> None:
    """Print the active bundle's digest and documents, after verifying its signatures."""
    with explained():
        settings = load(home)
        bundle = load_judgement(settings, utc_now()).bundle
        typer.echo(f"bundle {bundle.digest}")
        for policy in bundle.policies:
            typer.echo(f"{policy.id}@{policy.version}  {policy.owner}  {len(policy.grants)} grants  {policy.title}")


@app.command("atoms")
def atoms_command(home: Home = Path("louver-home")) -> None:
    """What the atom rule costs each table it holds for: atoms merged, and the share of rows and units moved.

    Example: louver-sandbox policy atoms --home louver-home
    """
    with explained():
        lines = [
            line
            for table, partition in publishing.partitions(load(home), TOOLS)
            for line in publishing.partition_lines(table, partition)
        ]
        typer.echo("\n".join(lines) or "no policy in force declares atoms")

"""`louver-sandbox policy`: what officers do with policies before and when they come into force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.identity import Institution, parse_registry
from louver_sandbox.operator import lifecycle_commands, publishing, what_if
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.output import EXIT_PROBLEM, Home, explained, fail, problem
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.difference.compare import compare
from louver_sandbox.policy.difference.directions import Direction
from louver_sandbox.policy.difference.offers import Documents
from louver_sandbox.policy.difference.told import as_json, as_lines
from louver_sandbox.policy.documents import PolicyProblem, PolicyRefused
from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.linting.formats import Format, Language, formatted
from louver_sandbox.policy.load import CONTENT_FILE, load_library
from louver_sandbox.policy.testing import load_cases, own_cases, report, run_cases, untested
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import load
from louver_sandbox.stages import Subject

app = typer.Typer(help="Policies: lint, test, and put a signed bundle in force.", no_args_is_help=True)

Policies = Annotated[
    Path | None, typer.Option("--policies", help="A file or folder of policy YAML; default: the installation's.")
]
CatalogFiles = Annotated[
    Path | None, typer.Option("--catalog", help="A file or folder of catalogue YAML; default: the installation's.")
]


Registered = Annotated[
    Path | None,
    typer.Option("--institutions", help="The registry of institutions; default: the installation's, if it is read."),
]


@dataclass(frozen=True)
class _Inputs:
    """What a command reads: what was named, and the installation's for the rest."""

    folder: Path
    catalog: Catalog
    registry: Path | None


def _inputs(home: Path, policies: Path | None, catalog: Path | None, registry: Path | None = None) -> _Inputs:
    if policies is None or catalog is None:
        settings = load(home)
        policies, catalog = policies or settings.home / "policies", catalog or settings.catalog
        registry = registry or settings.institutions
    return _Inputs(policies, load_catalog([catalog], catalog if catalog.is_dir() else catalog.parent), registry)


def _today() -> date:
    return utc_now().astimezone(SHANGHAI).date()


@app.command("lint")
def lint_policies(
    home: Home = Path("louver-home"),
    policies: Policies = None,
    catalog: CatalogFiles = None,
    institutions: Registered = None,
    how: Annotated[Format, typer.Option("--format", help="text, json, or github for annotations.")] = Format.TEXT,
    language: Annotated[Language, typer.Option("--lang", help="en or zh.")] = Language.ENGLISH,
    strict: Annotated[bool, typer.Option("--strict", help="Notes fail too.")] = False,
) -> None:
    """Every finding with file, line, column, severity and hint. Needs no running service.

    Exit code 1 where there is an error or a warning; notes alone are no failure.

    Example: louver-sandbox policy lint --policies policies/library --catalog catalog/ --format json
    """
    with explained():
        read = _inputs(home, policies, catalog, institutions)
        known = None if read.registry is None else parse_registry(read.registry.read_text(encoding="utf-8"))
        count, findings = _findings(read, known)
        placed = [replace(item, source=_path(read.folder, item.source)) for item in findings]
        if placed or how is Format.JSON:
            typer.echo(formatted(placed, how, language))
        failing = sum(strict or item.severity.fails for item in findings)
        if how is Format.TEXT:
            typer.echo(_summary(count, failing, len(findings) - failing), err=bool(failing))
        if failing:
            raise typer.Exit(EXIT_PROBLEM)


def _findings(read: _Inputs, registered: Mapping[str, Institution] | None) -> tuple[int, tuple[PolicyProblem, ...]]:
    """How many policies there are, and every finding; documents that cannot be loaded are findings too."""
    try:
        library = load_library([read.folder])
    except PolicyRefused as refused:
        return 0, refused.problems
    return len(library.policies), lint(library, read.catalog, _today(), registered)


def _path(folder: Path, name: str) -> str:
    """A file as the caller can open it."""
    return str(folder / name) if (folder / name).is_file() else str(folder) if folder.name == name else name


def _summary(policies: int, failing: int, others: int) -> str:
    if failing:
        return f"{failing} findings to mend, {others} notes"
    return f"{policies} policies, no finding" + (f" but {others} notes" if others else "")


@app.command("test")
def run_decision_tables(
    cases: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders of decision tables, beside the policies' own tests.")
    ] = None,
    home: Home = Path("louver-home"),
    policies: Policies = None,
    catalog: CatalogFiles = None,
) -> None:
    """Run the policies' own tests and decision tables; each difference is shown, exit 1 when there is one.

    Example: louver-sandbox policy test policies/cases --policies policies/library --catalog catalog/
    """
    with explained():
        read = _inputs(home, policies, catalog)
        library = load_library([read.folder])
        bundle = parse_bundle(bundle_content(library.platform, library.policies))
        placed = (*own_cases(library), *load_cases(cases or []))
        results = run_cases(placed, read.catalog, bundle)
        for name in untested(library.policies):
            problem(f"{name}: no tests of its own; it cannot be activated")
        if not all(result.passed for result in results):
            raise fail(report(results))
        typer.echo(report(results))


@app.command("diff")
def diff_policies(
    old: Annotated[Path, typer.Argument(help="A folder of policies, or of a bundle.")],
    new: Annotated[Path, typer.Argument(help="Another.")],
    registry: Registered = None,
    as_data: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 where anything is looser.")] = False,
) -> None:
    """What changes for whom: rights by requester, purpose and column, terms and house rules, and which way is looser.

    With --institutions it is told for the registered institutions, else for each group and institution that the
    policies name. Needs no running service and no catalogue.

    Example: louver-sandbox policy diff bundle/ policies/ --json
    """
    with explained():
        people = None
        if registry is not None:
            known = parse_registry(registry.read_text(encoding="utf-8")).values()
            people = {item.id: Subject(item.id, item.type, item.groups, "") for item in known}
        found = compare(_documents(old), _documents(new), people)
        if as_data:
            typer.echo(json.dumps(as_json(found), ensure_ascii=False, indent=2))
        else:
            typer.echo("\n".join(as_lines(found)))
        if exit_code and found.count(Direction.LOOSER):
            raise typer.Exit(EXIT_PROBLEM)


def _documents(path: Path) -> Documents:
    """The policies of a folder of YAML or of a bundle; a bundle's signatures are not looked at."""
    content = path / CONTENT_FILE if path.is_dir() else path
    if content.suffix == ".json" and content.is_file():
        bundle = parse_bundle(content.read_bytes())
        return Documents(bundle.platform, bundle.policies)
    library = load_library([path])
    return Documents(library.platform, library.policies)


lifecycle_commands.register(app)
what_if.register(app)


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

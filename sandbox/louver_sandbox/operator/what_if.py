"""`louver-sandbox policy grants-for|simulate`: what a policy would have to say, and what a draft would change."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Table
from louver_sandbox.drafting.granting import as_yaml, grants_for
from louver_sandbox.drafting.lifecycle import Lifecycle
from louver_sandbox.drafting.simulation import history, judging, lines, simulate
from louver_sandbox.identity import parse_registry
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.output import Home, explained, fail, problem
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy.bundle import bundle_content
from louver_sandbox.policy.load import CONTENT_FILE, load_library
from louver_sandbox.premises import load_judgement, open_books, utc_now
from louver_sandbox.sealing import registry as sealing
from louver_sandbox.settings import load
from louver_sandbox.stages import InstitutionType, Request, Subject
from louver_sandbox.store import State
from louver_sandbox.uploads import registry as uploads


def register(app: typer.Typer) -> None:
    """Adds the commands to `louver-sandbox policy`."""
    app.command("grants-for")(grants_for_command)
    app.command("simulate")(simulate_command)


def grants_for_command(
    query: Annotated[Path, typer.Argument(help="A file with the SQL.")],
    institution: Annotated[str, typer.Option(help="Who asks.")],
    purpose: Annotated[str, typer.Option(help="What for, such as RESEARCH.")],
    home: Home = Path("louver-home"),
    policies: Annotated[Path | None, typer.Option(help="Policy YAML; default: the installation's.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="Catalogue YAML; default: the installation's.")] = None,
    kind: Annotated[
        InstitutionType | None, typer.Option("--type", help="What it is; default: as the registry says.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="Its groups; default: as the registry says.")] = None,
    dialect: Annotated[str, typer.Option(help="The SQL's dialect.")] = "duckdb",
) -> None:
    """The smallest grant that would make a question legal, as a YAML draft for a person to judge, with its risks.

    Prints nothing where the question is legal already; exits with 1 where no grant could make it legal. With
    --policies, --catalog and --type it needs no installation. Nothing is asked and no data are read.

    Example: louver-sandbox policy grants-for query.sql --institution bank_a --purpose RESEARCH
    """
    with explained():
        subject, tables = _subject(home, institution, kind, group), None
        if policies is None or catalog is None:
            settings = load(home)
            policies, catalog = policies or settings.home / "policies", catalog or settings.catalog
            with State.open(settings.state) as state, state.reading() as tx:
                tables = uploads.own_tables(tx, institution)
        library = load_library([policies])
        declared = load_catalog([catalog], catalog if catalog.is_dir() else catalog.parent)
        whole = declared if tables is None else uploads.with_own_tables(declared, tables)
        request = Request("grants-for", subject, purpose, query.read_text(encoding="utf-8"), dialect=dialect)
        today = utc_now().astimezone(SHANGHAI).date()
        found = grants_for(request, library.platform, library.policies, whole, today)
        if found.refused is not None:
            said = f"{found.refused.code}: {found.refused.message}"
            raise fail(f"no grant makes this legal: {said}", found.refused.hint)
        if not found.wanted:
            problem("nothing is missing: the question is legal as it is")
            return
        typer.echo(as_yaml(found, request))


def simulate_command(
    name: Annotated[str | None, typer.Argument(help="A version, such as taxation-3; default: --policies.")] = None,
    home: Home = Path("louver-home"),
    policies: Annotated[
        Path | None, typer.Option(help="A folder of policy YAML; default: the installation's.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How far back.")] = 30,
    examples: Annotated[int, typer.Option(min=0, max=100, help="Examples of each change.")] = 3,
    as_data: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Ask the questions of the last days again under a draft: what would have come out otherwise, with examples.

    Decisions only: no data are read, nothing is charged, no SQL is shown. Of a version the result is kept for those
    who are to approve it.

    Example: louver-sandbox policy simulate taxation-3 --days 90
    """
    with explained():
        settings, now = load(home), utc_now()
        lifecycle = Lifecycle(settings, TOOLS)
        version = None if name is None else lifecycle.version(name)
        draft = _folder(policies or settings.home / "policies")
        if version is not None:
            draft = lifecycle.content_with(version.document)
        judgement = load_judgement(settings, now)
        registered = parse_registry(settings.institutions.read_text(encoding="utf-8")).values()
        known = {item.id: Subject(item.id, item.type, item.groups, "") for item in registered}
        limits = settings.limits
        with State.open(settings.state) as state, ExitStack() as parts:
            past = history(open_books(settings, state, utc_now).log, now - timedelta(days=days), known)
            active = (settings.bundle / CONTENT_FILE).read_bytes()
            before, after = (
                parts.enter_context(judging(judgement.catalog, content, limits.checkers, limits.check_seconds))
                for content in (active, draft)
            )

            def own(institution: str) -> tuple[Table, ...]:
                with state.reading() as tx:
                    return tuple(map(uploads.catalog_table, uploads.own_tables(tx, institution)))

            def sealing_key(institution: str) -> str:
                with state.reading() as tx:
                    return sealing.current(tx, institution, now)

            today, threads = facts_at(now), limits.checkers
            found = simulate(past, (before, after), own, today, _progress, threads, examples, sealing_key)
        if version is not None:
            lifecycle.attach(version, found.plain())
        typer.echo(json.dumps(found.plain(), ensure_ascii=False, indent=2) if as_data else "\n".join(lines(found)))


def _folder(policies: Path) -> bytes:
    library = load_library([policies])
    return bundle_content(library.platform, library.policies)


def _progress(done: int, of: int) -> None:
    if done % 500 == 0 or done == of:
        typer.echo(f"{done} of {of} questions judged", err=True)


def _subject(home: Path, institution: str, kind: InstitutionType | None, groups: list[str] | None) -> Subject:
    """The requester as named, or as the registry knows it."""
    if kind is not None:
        return Subject(institution, kind, frozenset(groups or ()), "")
    registered = parse_registry(load(home).institutions.read_text(encoding="utf-8")).get(institution)
    if registered is None:
        raise fail(f"{institution} is not registered; say its --type and --group")
    known = registered.groups if groups is None else frozenset(groups)
    return Subject(institution, registered.type, known, "")

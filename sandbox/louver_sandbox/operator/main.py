"""The commands of `louver-sandbox`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from louver import __version__
from louver_sandbox.auditing.replay import NotReplayable, decision, replay
from louver_sandbox.operator import (
    administrators,
    auditors,
    authorisations,
    configuration,
    cubes,
    doctor,
    institutions,
    keys,
    ledger,
    log,
    matching,
    noise,
    officers,
    policies,
    publishing,
    purging,
    qualities,
    redress,
    status,
    stores,
    uploads,
)
from louver_sandbox.operator.backup import back_up, checkpoint_of, verify_backup
from louver_sandbox.operator.health import problems
from louver_sandbox.operator.installation import (
    TOOLS,
    copy_declarations,
    create,
)
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.operator.restoring import restore
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.settings import load
from louver_sandbox.store import State
from louver_sandbox.telemetry.messages import speaking
from louver_sandbox.uploads.own_tables import own_tables_ever

app = typer.Typer(
    name="louver-sandbox",
    help="Run a Louver sandbox: the service that answers protected questions about government data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
catalog_app = typer.Typer(help="The catalogue: what is registered, and whether it is true.", no_args_is_help=True)
app.add_typer(institutions.app, name="institution")
app.add_typer(administrators.app, name="administrator")
app.add_typer(auditors.app, name="auditor")
app.add_typer(officers.app, name="officer")
qualities.commands(catalog_app)
app.add_typer(catalog_app, name="catalog")
app.add_typer(policies.app, name="policy")
app.add_typer(authorisations.app, name="authorisations")
app.add_typer(redress.disputes_app, name="disputes")
app.add_typer(redress.corrections_app, name="corrections")
app.add_typer(redress.subjects_app, name="subjects")
app.add_typer(log.app, name="log")
app.add_typer(ledger.app, name="ledger")
app.add_typer(stores.app, name="store")
app.add_typer(keys.app, name="keys")
app.add_typer(noise.app, name="noise")
app.add_typer(matching.app, name="matching")
app.add_typer(uploads.app, name="uploads")
app.add_typer(configuration.app, name="config")
app.command("doctor")(doctor.doctor)
app.command("status")(status.status)
app.command("purge")(purging.purge)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Run a Louver sandbox: the service that answers protected questions about government data."""


@app.command()
def init(
    home: Home = Path("louver-home"),
    origin: Annotated[str, typer.Option(help="The log's name, for ever.")] = "louver.dev/sandbox",
    host: Annotated[str, typer.Option(help="Name or address banks will use.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 lets the system choose.")] = 50551,
) -> None:
    """Make a development installation: keys, certificates, three policy officers, empty catalogue and registry.

    Example: louver-sandbox init --home ./louver-home
    """
    with explained():
        settings = create(home, origin, host, port, TOOLS)
        typer.echo(f"installation   {settings.home}")
        typer.echo(f"log key        {(settings.home / 'log.pub').read_text().strip()}")
        typer.echo("next           put YAML into catalog/ and policies/, then: policy activate, publish, serve")


@app.command()
def serve(
    home: Home = Path("louver-home"),
    development: Annotated[
        bool, typer.Option("--development", help="Serve whatever the isolation; every answer and log entry says so.")
    ] = False,
) -> None:
    """Run the service until SIGTERM; it finishes running calls, then ends every process it started."""
    from louver_sandbox.service.server import serve as run

    with explained():
        settings = load(home)
        if development:
            settings = replace(settings, development=True)
        with speaking(settings.telemetry.messages):
            if found := tuple(problems(settings, utc_now())):
                raise fail(*found, "not serving: `louver-sandbox config check` shows this list at any time")
            run(settings, lambda address: typer.echo(f"listening on {address}"))


@app.command()
def publish(home: Home = Path("louver-home")) -> None:
    """Build the immutable snapshots that the active policies grant; each one is a log entry."""
    with explained():
        settings = load(home)
        typer.echo("publishing what the active policies grant; a line for each snapshot", err=True)
        count = built = 0
        for published in publishing.publish_all(settings, TOOLS):
            count, built = count + 1, built + bool(published.seconds)
            what = f"built in {published.seconds:.1f} s" if published.seconds else "kept"
            typer.echo(
                f"{published.id[:16]}  {published.table}  {published.rows} rows  {published.bytes} bytes  {what}"
            )
            if published.partition is not None:
                typer.echo("\n".join(publishing.partition_lines(published.table, published.partition)))
        typer.echo(f"{count} snapshots, {built} of them new", err=True)
        if built:
            for line in redress.swept(settings, TOOLS):
                typer.echo(f"corrected  {line}")


@app.command("publish-cube")
def publish_cube(
    cube: Annotated[str, typer.Argument(help="id@version, as a policy in force declares it.")],
    home: Home = Path("louver-home"),
) -> None:
    """Publish a cube of the data as they are now; its privacy loss is charged once, however often this is run.

    Example: louver-sandbox publish-cube insured-staff@1
    """
    with explained():
        settings = load(home)
        made = cubes.publish_cube(settings, cube, TOOLS)
        what = "was published before" if made.before else f"charged epsilon {made.epsilon}"
        typer.echo(f"{made.table}  edition {made.edition}  {made.rows} rows  {what}")
        for published in publishing.publish_all(settings, TOOLS):
            if str(published.table) == made.table:
                typer.echo(f"{published.id[:16]}  {published.table}  {published.rows} rows")
        typer.echo("restart the service: it reads its catalogue when it starts", err=True)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new folder.")],
    with_secrets: Annotated[
        bool, typer.Option(help="Copy the private keys too; then guard the copy like them.")
    ] = False,
    home: Home = Path("louver-home"),
) -> None:
    """Copy everything that cannot be made again into a new folder, while the service runs.

    Example: louver-sandbox backup ./backup-2026-07-01
    """
    with explained():
        for name in back_up(load(home), target, secrets=with_secrets):
            typer.echo(name)


Witnessed = Annotated[
    list[Path] | None,
    typer.Option("--witness", help="A checkpoint that a witness, an auditor or a bank has kept; repeatable."),
]


@app.command(name="verify")
def verify_command(backup: Annotated[Path, typer.Argument(help="A backup.")], witness: Witnessed = None) -> None:
    """Verify a backup: every file, the log to its end and to every --witness, every balance. It changes nothing.

    Example: louver-sandbox verify ./backup-2026-07-01 --witness newest.checkpoint
    """
    with explained():
        head = verify_backup(backup, [checkpoint_of(file) for file in witness or ()])
        typer.echo(f"{head.size} log entries; every file, leaf, signed head and balance holds")


@app.command(name="restore")
def restore_command(
    backup: Annotated[Path, typer.Argument(help="A backup.")],
    home: Annotated[Path, typer.Option("--home", "-H", help="The new installation's folder.")],
    witness: Witnessed = None,
    log: Annotated[Path | None, typer.Option(help="An export of the log, for what came after the backup.")] = None,
    secrets: Annotated[Path | None, typer.Option(help="The folder of secrets, where the backup has none.")] = None,
) -> None:
    """Make an installation from a backup. Nothing is given back that was spent, revoked or written since.

    It needs the newest checkpoint that a witness saw; where the backup ends before it, an export of the log too.

    Example: louver-sandbox restore ./backup-2026-07-01 --home ./louver-home --witness newest.checkpoint
    """
    with explained():
        typer.echo(restore(backup, home, [checkpoint_of(file) for file in witness or ()], log, secrets))
        typer.echo("next           put data/ beside it, then: publish, config check, serve")


@app.command(name="replay")
def replay_command(entry: int, home: Home = Path("louver-home")) -> None:
    """Decide the question of an admission entry again and compare; exit 1 when the verdict differs."""
    with explained():
        settings = load(home)
        with State.open(settings.state) as state:
            books = open_books(settings, state, utc_now)
            try:
                fields: Mapping[str, Any] = decision(entry, books.log).fields
                digests = frozenset(fields.get("snapshots", {}).values())
                own = own_tables_ever(state, fields.get("institution", ""), digests)
                result = replay(entry, books.log, settings, own)
            except (NotReplayable, LookupError) as refused:
                raise fail(str(refused)) from None
    typer.echo(json.dumps({"recorded": result.recorded, "found": result.found, "same": result.same}, indent=2))
    if not result.same:
        raise typer.Exit(1)


@catalog_app.command("check")
def catalog_check(
    home: Home = Path("louver-home"),
    declarations: Annotated[Path | None, typer.Option(help="A file or folder instead of the installation's.")] = None,
    data: Annotated[Path | None, typer.Option(help="The folder source paths are relative to.")] = None,
) -> None:
    """Check declarations, and the data against them; every problem with its line and column."""
    with explained():
        if declarations is None or data is None:
            settings = load(home)
            declarations, data = declarations or settings.catalog, data or settings.data
        catalog, problems = publishing.check([declarations], data)
        if problems:
            raise fail(*map(str, problems))
        typer.echo(f"{len(catalog.tables)} tables, no problem; catalogue {catalog.digest[:16]}")


@app.command("import")
def import_declarations(
    catalog: Annotated[Path | None, typer.Option(help="A folder of catalogue YAML to copy in.")] = None,
    policy: Annotated[Path | None, typer.Option(help="A folder of policy YAML to copy in.")] = None,
    home: Home = Path("louver-home"),
) -> None:
    """Copy declarations into the installation."""
    with explained():
        settings = load(home)
        if catalog:
            copy_declarations(catalog, settings.catalog)
        if policy:
            copy_declarations(policy, settings.home / "policies")

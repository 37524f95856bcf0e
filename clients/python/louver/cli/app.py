"""The commands. Each says what it does, with an example, in its ``--help``."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from louver import __version__, catalogue
from louver.cli import (
    access,
    alerts,
    auditing,
    certificates,
    configuration,
    evidence,
    keys,
    matching,
    policy,
    receipts,
    redress,
    sampling,
    scoring,
    subjects,
    verifying,
    warnings,
)
from louver.cli.catalogue import columns_of, held_in, listed
from louver.cli.drawing import accuracies, draw, language_of, notices
from louver.cli.explaining import explained
from louver.cli.export import Format, chosen_format, plain_accuracy
from louver.cli.parameters import elements_of, parse_parameters, places_of
from louver.cli.session import (
    Session,
    ending,
    print_table,
    read_text,
    show_privacy,
    show_quality,
    showing_progress,
    showing_upload,
    telling_warnings,
    write_bytes,
)
from louver.cli.writing import write_answer
from louver.display import visible
from louver.failures import Misused
from louver.privacy import plain
from louver.results import Explanation
from louver.wishes import accuracy_of_texts, epsilon_of_text

app = typer.Typer(
    name="louver",
    help="Ask questions of government data you may not see.",
    epilog="Exit codes: 0 done, 1 refused, 2 used wrongly, 3 fault or not reachable, 4 a proof does not hold.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(receipts.app, name="receipt")
app.add_typer(configuration.app, name="config")
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
auditing.app.command()(verifying.verify)
auditing.app.command("witness-key")(verifying.witness_key)
auditing.app.command()(verifying.witness)
auditing.app.add_typer(alerts.app, name="alerts")
auditing.app.command()(evidence.pack)
auditing.app.command()(evidence.report)
app.add_typer(auditing.app, name="audit")
app.add_typer(sampling.app, name="samples")
app.command("match")(matching.match)
app.command("report-measure")(matching.report_measure)
app.add_typer(scoring.app, name="models")
app.add_typer(scoring.consents, name="authorisations")
app.command("score")(scoring.score)
scoring.consents.command("list")(subjects.listed)
app.command()(subjects.lookup)
app.command()(subjects.templates)
app.command()(redress.report)
app.command()(redress.reports)
app.command("report-check")(redress.check)
app.command()(redress.corrections)
app.add_typer(redress.disputes, name="disputes")
app.add_typer(access.app, name="access")
app.add_typer(certificates.app, name="certificate")
app.add_typer(warnings.app, name="warnings")

Sql = Annotated[str | None, typer.Argument(help="The SQL; `-` or nothing reads standard input.", show_default=False)]
SqlFile = Annotated[Path | None, typer.Option("--file", "-f", help="Read the SQL from a file.")]
Dialect = Annotated[str | None, typer.Option(help="The SQL's dialect: duckdb, postgres, mysql, spark or oracle.")]
Purpose = Annotated[str | None, typer.Option(help="What the answer is for, such as RESEARCH.")]
Param = Annotated[list[str] | None, typer.Option(help="name=value or name:type=value (bool int decimal text date).")]
Shape = Annotated[Format | None, typer.Option("--format", help="Default: table on a terminal, else csv.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file; its ending picks the format.")]
Seal = Annotated[bool, typer.Option("--seal", help="Encrypt the numbers to your registered key; see louver keys.")]
EpsilonText = Annotated[
    str | None, typer.Option("--epsilon", help="Privacy loss to pay, such as 0.5.", show_default=False)
]
AccuracyTexts = Annotated[
    list[str] | None,
    typer.Option("--accuracy", help="Pay as little as this needs: 100, '2% of 50000', n=100, 'mean=0.5 among 8000'."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    profile: Annotated[str | None, typer.Option(help="Profile of the configuration file.")] = None,
    target: Annotated[str | None, typer.Option(help="HOST:PORT of the sandbox.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Your certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    ca: Annotated[Path | None, typer.Option(help="The sandbox's authority (PEM).")] = None,
    log_key: Annotated[str | None, typer.Option(help="The log's public key, or a file that holds it.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds per call, retries included.")] = None,
    lang: Annotated[str | None, typer.Option(help="zh or en; default by LANG.")] = None,
    unsafe_no_verify: Annotated[
        bool, typer.Option("--unsafe-no-verify", help="Accept answers whose receipt proves nothing.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Ask questions of government data you may not see."""
    language = language_of(lang, os.environ)
    if unsafe_no_verify:
        typer.echo("WARNING: receipts are not verified", err=True)
    context.obj = Session(
        profile, target, certificate, key, ca, log_key, timeout, language, False if unsafe_no_verify else None
    )


def _sql(argument: str | None, file: Path | None) -> str:
    """From one of the three places. Raises ``Misused`` when there is none or a blank one, or more than one."""
    if file is not None:
        if argument is not None:
            raise Misused("give the SQL as an argument or with --file, not both")
        text = read_text(file)
    elif argument is not None and argument != "-":
        text = argument
    else:
        text = "" if argument is None and sys.stdin.isatty() else sys.stdin.read()
    if not text.strip():
        raise Misused("there is no SQL", 'louver query "SELECT count(*) FROM gov.ent_registry" --purpose RESEARCH')
    return text


@app.command()
def query(
    context: typer.Context,
    sql: Sql = None,
    file: SqlFile = None,
    purpose: Purpose = None,
    dialect: Dialect = None,
    param: Param = None,
    shape: Shape = None,
    output: Output = None,
    receipt: Annotated[Path | None, typer.Option(help="Save the receipt to a file.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Repeat a question: same answer, no charge.")] = None,
    seal: Seal = False,
    epsilon: EpsilonText = None,
    accuracy: AccuracyTexts = None,
) -> None:
    """Ask a question; the protected answer goes to standard output.

    Example: louver query "SELECT district_code, count(*) FROM gov.ent_registry GROUP BY ALL" --purpose RESEARCH
    """
    session: Session = context.obj
    with ending(session.language):
        text = _sql(sql, file)
    with ending(session.language, text):
        form = chosen_format(shape, output, sys.stdout.isatty())
        parameters = parse_parameters(param or [])
        with session.connect_to_ask(purpose) as client, showing_progress("asking") as progress:
            answer = client.analyse(
                text,
                parameters=parameters,
                dialect=dialect,
                request_id=request_id,
                progress=progress,
                seal=seal,
                epsilon=None if epsilon is None else epsilon_of_text(epsilon),
                accuracy=accuracy_of_texts(accuracy or ()),
            )
        if receipt is not None and answer.receipt is not None:
            write_bytes(answer.receipt.to_bytes(), receipt)
        write_answer(answer, form, output)
        said = (*notices(answer.notices, session.language), *accuracies(answer.accuracy, session.language))
        for line in (*said, f"({answer.summary})"):
            typer.echo(visible(line), err=True)
        show_quality(answer.quality, session.language)
        show_privacy(answer.privacy, session.language)


@app.command()
def explain(
    context: typer.Context,
    sql: Sql = None,
    file: SqlFile = None,
    purpose: Purpose = None,
    dialect: Dialect = None,
    param: Param = None,
    seal: Seal = False,
    epsilon: EpsilonText = None,
    accuracy: AccuracyTexts = None,
    as_json: AsJson = False,
) -> None:
    """Say what a question would do, and spend nothing. Exits with 1 when it would be refused.

    Example: louver explain -f question.sql --purpose RESEARCH
    """
    session: Session = context.obj
    with ending(session.language):
        text = _sql(sql, file)
    with ending(session.language, text):
        parameters = parse_parameters(param or [])
        with session.connect_to_ask(purpose) as client:
            verdict = client.explain(
                text,
                parameters=parameters,
                dialect=dialect,
                seal=seal,
                epsilon=None if epsilon is None else epsilon_of_text(epsilon),
                accuracy=accuracy_of_texts(accuracy or ()),
            )
        if as_json:
            typer.echo(_verdict_json(verdict))
        else:
            _print_verdict(verdict, text, session.language)
        if not verdict.admitted:
            raise typer.Exit(1)


def _verdict_json(verdict: Explanation) -> str:
    refusal = verdict.refusal
    document = {
        "admitted": verdict.admitted,
        "refusal": asdict(refusal) if refusal else None,
        "treatment": verdict.treatment,
        "statement": verdict.statement,
        "cost": dict(verdict.cost),
        "remaining": dict(verdict.remaining),
        "policies": list(verdict.policies),
        "obligations": list(verdict.obligations),
        "columns": [asdict(column) for column in verdict.columns],
        "uses": [asdict(use) for use in verdict.uses],
        "outcomes": [asdict(outcome) for outcome in verdict.outcomes],
        "rules": [asdict(rule) for rule in verdict.rules],
        "notices": [asdict(notice) for notice in verdict.notices],
        "shape": verdict.shape,
        "accuracy": [plain_accuracy(item) for item in verdict.accuracy],
        "privacy": [plain(item) for item in verdict.privacy],
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _print_verdict(verdict: Explanation, sql: str, language: str) -> None:
    if verdict.refusal is not None:
        typer.echo(draw(verdict.refusal, sql, language))
        return
    for line in explained(verdict, language):
        typer.echo(line)


@app.command()
def upload(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The table's name in your own space.")],
    path: Annotated[Path, typer.Argument(help="A .parquet, .csv or .arrow file.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a table of this name.")] = False,
    encrypt: Annotated[
        list[str] | None,
        typer.Option(
            "--encrypt",
            metavar="COLUMN[=PLACES]",
            help="Encrypt this column here, to your newest key; 2 decimal places unless said. Repeat it for more.",
        ),
    ] = None,
    token: Annotated[
        list[str] | None,
        typer.Option(
            "--token",
            metavar="COLUMN=ELEMENT",
            help="Send tokens in place of the ids in this column, which are values of a data element such as uscc. "
            "Each different id counts. Repeat it for more.",
        ),
    ] = None,
) -> None:
    """Store one of your own tables; nobody else can see it.

    Example: louver upload loan_book loans.parquet --encrypt balance --token id_no=uscc
    """
    session: Session = context.obj
    with ending(session.language):
        columns, ids = places_of(encrypt or []), elements_of(token or [])
        with session.connect() as client, showing_upload() as (blinding, encrypting, sending), telling_warnings():
            table = client.upload(
                name, path, replace, sending, encrypted=columns, encrypting=encrypting, tokens=ids, blinding=blinding
            )
        typer.echo(f"{visible(table.full_name)}: {table.rows} rows, version {visible(table.version[:16])}")
        for line in held_in(table):
            typer.echo(line, err=True)


@app.command()
def tables(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Show the columns of this table.", show_default=False)] = None,
    own: Annotated[bool, typer.Option("--own", help="Only your uploads.")] = False,
    words: Annotated[
        str, typer.Option("--search", help="Only tables with all these words, also in their columns.")
    ] = "",
    department: Annotated[str, typer.Option(help="Only those of this department.")] = "",
    theme: Annotated[str, typer.Option(help="Only those of this theme.")] = "",
    level: Annotated[int, typer.Option(min=0, max=5, help="Only those with a column of this level.")] = 0,
    sample: Annotated[
        bool, typer.Option("--sample", help="Show rows that were made up from the declaration, not from data.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the tables you may use, or the columns of one.

    Example: louver tables gov.ent_registry --sample
    """
    session: Session = context.obj
    with ending(session.language):
        if sample and name is None:
            raise Misused("a sample is of one table", "louver tables gov.ent_registry --sample")
        with session.connect() as client:
            known = client.tables(own_only=own)
        found = catalogue.found(known, words, department=department, theme=theme, level=level)
        if name is not None:
            found = [table for table in found if name in (table.full_name, table.name)]
            if not found:
                raise Misused(f"you see no table {name!r}", "louver tables lists those you do")
        if as_json and sample:
            rows_of = [asdict(catalogue.sample(table)) for table in found]
            typer.echo(json.dumps(rows_of, ensure_ascii=False, indent=1, default=str))
        elif as_json:
            typer.echo(json.dumps([asdict(table) for table in found], ensure_ascii=False, indent=1))
        elif name is None:
            print_table(*listed(found))
        elif sample:
            for table in found:
                made = catalogue.sample(table)
                print_table(list(made.columns), [tuple(map(str, row)) for row in made.rows])
                typer.echo(made.note_zh if session.language == "zh" else made.note)
        else:
            print_table(*columns_of(found))


@app.command()
def drop(context: typer.Context, name: Annotated[str, typer.Argument(help="One of your own tables.")]) -> None:
    """Forget one of your own tables.

    Example: louver drop loan_book
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            client.drop(name)
        typer.echo(f"dropped {name}", err=True)


@app.command()
def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show your own trail: questions, verdicts, costs.

    Example: louver history -n 5
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            records = client.my_queries(limit)
        if as_json:
            typer.echo(json.dumps([asdict(record) for record in records], ensure_ascii=False, indent=1))
            return
        rows = [(r.time, r.state, r.code, r.purpose, " ".join(r.sql.split())[:60], r.request_id) for r in records]
        print_table(["time", "state", "code", "purpose", "sql", "request id"], [*rows])


@app.command()
def head(context: typer.Context) -> None:
    """Show the newest head of the transparency log.

    Example: louver head
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            newest = client.head()
            proven = "signature verified" if client.settings.log_key else "signature NOT verified: no log key"
        typer.echo(f"{visible(newest.origin)}\n{newest.size} entries\nroot {newest.root.hex()}\n{proven}")

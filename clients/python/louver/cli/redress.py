"""``louver report``, ``report-check``, ``disputes``, ``corrections``: credit reports, and what subjects object to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from louver.cli.session import Session, ending, print_table, read_text, write_bytes
from louver.display import visible
from louver.failures import Misused

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
disputes = typer.Typer(help="What subjects dispute in answers that you have had.", no_args_is_help=True)


def report(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The report, as id@version; `louver reports` lists them.")],
    subject: Annotated[str, typer.Argument(help="The number of the firm or person.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it: NAME.json or NAME.pdf.")],
    authorisation: Annotated[str, typer.Option("--authorisation", "-a", help="The id of its authorisation.")] = "",
    purpose: Annotated[str | None, typer.Option(help="What it is for, such as LOAN_ORIGINATION.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Repeat a report: the same bytes, no charge.")] = None,
) -> None:
    """Make a credit report on one subject; without an authorisation for all of it there is nothing to tell.

    Example: louver report credit-enterprise@1 913702000000000000 -a 5f2c... --purpose LOAN_ORIGINATION -o firm.pdf
    """
    session: Session = context.obj
    with ending(session.language):
        kind = output.suffix.lower()
        if kind not in (".json", ".pdf"):
            raise Misused("a report is written as .json or .pdf", "louver report ... --output report.pdf")
        with session.connect_to_ask(purpose) as client:
            made = client.report(name, subject, authorisation=authorisation, request_id=request_id)
        if kind == ".pdf":
            from louver.reports.printing import printed

            write_bytes(printed(made), output)
        else:
            write_bytes(made.document, output)
            if made.receipt is not None:
                write_bytes(made.receipt.to_bytes(), output.with_name(output.name + ".receipt"))
        told = f"{len(made.sections)} sections" if made.sections else "there is nothing to tell"
        typer.echo(f"{output}: {told}; good until {made.valid_until}; sha256 {made.sha256}", err=True)


def reports(context: typer.Context, as_json: AsJson = False) -> None:
    """List the credit reports that you may have made.

    Example: louver reports --json
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.reports()
        if as_json:
            _print_json([asdict(one) for one in found])
            return
        rows = [
            (r.name, r.title, r.library, " ".join(r.purposes), " ".join(template for _, template in r.sections))
            for r in found
        ]
        print_table(["report", "title", "library", "purposes", "templates"], [*rows])


def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A report: .json with its .receipt beside it, or .pdf.")],
    log_key: Annotated[str, typer.Option(help="The log's public key, or a file that holds it.")],
) -> None:
    """Check a saved report offline: its receipt, and of a PDF that its pages say what was signed.

    Example: louver report-check firm.pdf --log-key log.pub
    """
    session: Session = context.obj
    with ending(session.language):
        from louver.reports.document import load

        key = read_text(Path(log_key)).strip() if Path(log_key).exists() else log_key
        try:
            found = load(file)
        except OSError as error:
            raise Misused(f"{file}: {error.strerror}") from None
        index = found.verify(key)
        typer.echo(f"good: log entry {index}, {found.name} for {visible(found.institution)}, made {found.made}")


@disputes.command("file")
def file_dispute(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(help="The lookup or report that the subject disputes.")],
    table: Annotated[str, typer.Option(help="The table that is said to be wrong, such as gov.pen_penalty.")],
    statement: Annotated[str, typer.Option(help="The subject's own words.")],
    evidence: Annotated[Path, typer.Option(help="The signed document; only its SHA-256 is sent.")],
) -> None:
    """Pass on what a subject disputes; it is answered within ten working days.

    Example: louver disputes file 5f0c... --table gov.pen_penalty --statement "已缴清罚款" --evidence signed.pdf
    """
    session: Session = context.obj
    with ending(session.language):
        try:
            digest = hashlib.sha256(evidence.read_bytes()).hexdigest()
        except OSError as error:
            raise Misused(f"{evidence}: {error.strerror}") from None
        with session.connect() as client:
            made = client.dispute(request_id, table=table, statement=statement, evidence_sha256=digest)
        sure = "" if made.settled else " (the calendar up to then has not been announced)"
        typer.echo(f"{made.id}\tanswered by {made.due}{sure}")


@disputes.command("list")
def list_disputes(context: typer.Context, as_json: AsJson = False) -> None:
    """List the disputes that you have passed on, the newest first.

    Example: louver disputes list --json
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.disputes()
        if as_json:
            _print_json([asdict(one) for one in found])
            return
        rows = [(d.id, d.request_id, d.table, str(d.received), str(d.due), d.state, d.outcome) for d in found]
        print_table(["id", "request", "table", "received", "due", "state", "outcome"], [*rows])


def corrections(context: typer.Context, as_json: AsJson = False) -> None:
    """List what has been repaired or corrected since you were told of it; look the subjects up again.

    Example: louver corrections --json
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.corrections()
        if as_json:
            _print_json([asdict(one) for one in found])
            return
        rows = [
            (c.subject, c.table, c.kind, str(c.effective), " ".join(c.request_ids), c.delivered or "new")
            for c in found
        ]
        print_table(["subject", "table", "what", "since", "your requests", "had"], [*rows])


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))

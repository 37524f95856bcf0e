"""``louver audit pack`` and ``louver audit report``: what a regulator is handed."""

from __future__ import annotations

import tempfile
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from louver.cli.alerts import rules_of
from louver.cli.auditing import connect_log
from louver.cli.session import Session, ending, write_bytes
from louver.failures import Misused

if TYPE_CHECKING:
    from louver.audit import AuditClient
    from louver.evidence import Scope

From = Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD (UTC).")]
To = Annotated[str, typer.Option("--to", help="The day before which it ends.")]
Institution = Annotated[list[str] | None, typer.Option(help="Of this institution only; repeatable.")]
Rules = Annotated[Path | None, typer.Option(help="Count what these alert rules say of the log, for the report.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")]


class Shape(StrEnum):
    """How a report is written."""

    MARKDOWN = "md"
    HTML = "html"
    PDF = "pdf"


def pack(
    context: typer.Context,
    since: From,
    until: To,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not exist.")],
    institution: Institution = None,
    rules: Rules = None,
    with_log: Annotated[
        bool, typer.Option("--with-log", help="Put the whole log in too, which shows that nothing is left out.")
    ] = False,
) -> None:
    """Make an evidence pack: entries with proofs, checkpoint, cosignatures, what decided, and the compliance report.

    `louver audit verify pack.zip --log-key log.pub` verifies it offline.

    Example: louver audit pack --from 2026-07-01 --to 2026-08-01 --institution bank_a -o pack.zip
    """
    from louver.evidence import make_pack

    session: Session = context.obj
    with ending(session.language):
        scope = _scope(since, until, institution)
        with connect_log(session) as log, tempfile.TemporaryFile() as whole:
            counted = _alerts(log, rules, scope, session.language)
            try:
                target = output.open("xb")
            except OSError as failed:
                raise Misused(f"cannot write {output}: {failed.strerror}") from None
            try:
                with target:
                    whole_log: IO[bytes] | None = whole if with_log else None
                    key = str(log.settings.log_key)
                    entries = make_pack(log, key, scope, target, output.name, counted, whole_log)
            except BaseException:
                output.unlink()
                raise
        said = "{0} 条已写入 {1}" if session.language == "zh" else "{0} entries in {1}"
        typer.echo(said.format(entries, output), err=True)


def report(
    context: typer.Context,
    since: From,
    until: To,
    institution: Institution = None,
    rules: Rules = None,
    shape: Annotated[
        Shape, typer.Option("--format", help="Markdown, a page that prints, or a PDF.")
    ] = Shape.MARKDOWN,
    output: Output = None,
) -> None:
    """Write the compliance report of some time, in the language of --lang: the same from the same entries.

    Example: louver --lang zh audit report --from 2026-07-01 --to 2026-08-01 --format pdf -o report.pdf
    """
    from louver.evidence import compliance, paper
    from louver.evidence.pack import read_records

    session: Session = context.obj
    with ending(session.language):
        scope = _scope(since, until, institution)
        with connect_log(session) as log:
            counted = _alerts(log, rules, scope, session.language)
            head, records = read_records(log, str(log.settings.log_key), scope)
        found = compliance.sections((one.fields for one in records), scope, counted)
        if shape is Shape.PDF:
            write_bytes(paper.pdf(found, scope, head.origin, session.language), output)
            return
        written = compliance.html if shape is Shape.HTML else compliance.markdown
        write_bytes(written(found, scope, head.origin, session.language).encode(), output)


def _scope(since: str, until: str, institutions: list[str] | None) -> Scope:
    from louver.evidence import Scope

    return Scope(since, until, tuple(institutions or ()))


def _alerts(log: AuditClient, rules: Path | None, scope: Scope, language: str) -> dict[str, int] | None:
    """How often the rules speak of the log in that time; None without rules."""
    if rules is None:
        return None
    from louver.alerts.following import over_export
    from louver.alerts.memory import Memory

    read = rules_of(rules, language)
    with tempfile.TemporaryFile() as lines:
        log.export(lines)
        lines.seek(0)
        memory = Memory.passing()
        try:
            said = over_export(read, memory, lines)
            found = Counter(alert.rule for alert in said if scope.since <= alert.last < scope.until)
        finally:
            memory.close()
    return {rule.id: found[rule.id] for rule in read}

"""``louver audit alerts``: rules over the log, and who hears of what they find."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from louver.cli.auditing import Shape, chosen_form, connect_log, write_rows
from louver.cli.drawing import EXIT_UNPROVEN, EXIT_USAGE
from louver.cli.session import Session, ending, read_bytes
from louver.display import visible
from louver.failures import Misused

if TYPE_CHECKING:
    from louver.alerts.memory import Alert
    from louver.alerts.rules import Rule

app = typer.Typer(help="Watch the log by rules, and tell others what they find.", no_args_is_help=True)

Rules = Annotated[Path | None, typer.Argument(help="A file of rules; left out: those that come with the program.")]
RulesOption = Annotated[Path | None, typer.Option("--rules", help="A file of rules; default: the standard ones.")]
State = Annotated[Path, typer.Option(help="The follower's file: how far it is, and every alert.")]


def standard_text() -> str:
    """The rules that come with the program."""
    return resources.files("louver.alerts").joinpath("standard.yaml").read_text(encoding="utf-8")


def rules_of(path: Path | None, language: str) -> tuple[Rule, ...]:
    """The rules of a file. Ends the command with every problem, each on a line."""
    from louver.alerts.rules import RulesRefused, parse

    try:
        text = standard_text() if path is None else read_bytes(path).decode("utf-8")
        return parse(text)
    except UnicodeDecodeError:
        raise Misused(f"{path} is not UTF-8") from None
    except RulesRefused as refused:
        for one in refused.problems:
            said = one.message_zh if language == "zh" else one.message
            typer.echo(f"{path}:{one.line}:{one.column}: {visible(said)}", err=True)
        raise typer.Exit(EXIT_USAGE) from None


@app.command()
def lint(context: typer.Context, rules: Rules = None) -> None:
    """Check rules and run their tests; exits with 2 for a problem, 4 for a test that fails.

    Example: louver audit alerts lint alerts.yaml
    """
    from louver.alerts.trying import try_rules

    session: Session = context.obj
    with ending(session.language):
        tried = try_rules(rules_of(rules, session.language))
        for one in tried:
            found = one.problem or str(one.alerts)
            if not one.ok:
                typer.echo(visible(f"{one.rule}: {one.case.name}: {one.case.alerts} != {found}"), err=True)
        wrong = sum(not one.ok for one in tried)
        said = "{0} 项测试，{1} 项未通过" if session.language == "zh" else "{0} tests, {1} failed"
        typer.echo(said.format(len(tried), wrong))
        if wrong:
            raise typer.Exit(EXIT_UNPROVEN)


@app.command()
def standard() -> None:
    """Print the rules that come with the program, to begin with.

    Example: louver audit alerts standard > alerts.yaml
    """
    typer.echo(standard_text(), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of rules, for editors.

    Example: louver audit alerts schema > alerts.schema.json
    """
    from louver.alerts.forms import schema as schema_of

    typer.echo(json.dumps(schema_of(), ensure_ascii=False, indent=2, sort_keys=True))


@app.command()
def count(
    context: typer.Context,
    export: Annotated[Path, typer.Argument(help="An exported log (`louver audit export`).")],
    rules: RulesOption = None,
    shape: Shape = None,
) -> None:
    """Count the alerts that rules would have given over an exported log, before anybody is woken by them.

    An export holds no SQL, so rules about statements give none.

    Example: louver audit alerts count log-2026-07.jsonl --rules alerts.yaml
    """
    from louver.alerts.following import over_export
    from louver.alerts.memory import Memory

    session: Session = context.obj
    with ending(session.language):
        used = rules_of(rules, session.language)
        found = dict.fromkeys((rule.id for rule in used), 0)
        memory = Memory.passing()
        try:
            with export.open("rb") as lines:
                for alert in over_export(used, memory, lines):
                    found[alert.rule] += 1
        except (OSError, ValueError, KeyError):
            raise Misused(f"{export} is not the export of a log") from None
        finally:
            memory.close()
        write_rows(("rule", "alerts"), list(found.items()), chosen_form(shape), session.language)


@app.command()
def watch(
    context: typer.Context,
    state: State,
    rules: RulesOption = None,
    outputs: Annotated[Path | None, typer.Option(help="A file of outputs: files, syslog, webhooks.")] = None,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for a timer.")] = False,
) -> None:
    """Follow the log from where it was left, evaluate rules, print alerts as JSON lines and tell the outputs.

    Every entry is proved to be in the log, and none to be missing; a log that was put back or rewritten is an alert
    of its own, is told to the outputs, and ends the command with 4.

    Example: louver audit alerts watch --state alerts.db --rules alerts.yaml --outputs outputs.yaml
    """
    from louver.alerts import outputs as sending
    from louver.alerts.following import Follower
    from louver.alerts.memory import Memory
    from louver.audit.witness import Contradiction, keep_evidence

    session: Session = context.obj
    with ending(session.language):
        used = rules_of(rules, session.language)
        receivers = (
            () if outputs is None else sending.parse(read_bytes(outputs).decode(errors="replace"), outputs.parent)
        )
        memory = Memory.open(state)
        try:
            with connect_log(session) as log:
                follower = Follower(used, memory, str(log.settings.log_key))
                while True:
                    try:
                        step = follower.look(log, lambda: datetime.now(UTC))
                        for alert in step.alerts:
                            typer.echo(_line(alert))
                        sys.stdout.flush()
                    except Contradiction as found:
                        typer.echo(f"evidence: {keep_evidence(state, found)}", err=True)
                        raise
                    finally:
                        for name, why in sending.deliver(receivers, memory).items():
                            typer.echo(f"{name}: {why}", err=True)
                    if once:
                        return
                    time.sleep(every)
        finally:
            memory.close()


@app.command("list")
def listed(
    context: typer.Context,
    state: State,
    rule: Annotated[str, typer.Option(help="Of this rule.")] = "",
    severity: Annotated[str, typer.Option(help="informational, low, medium, high or critical.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000)] = 50,
    ocsf: Annotated[bool, typer.Option("--ocsf", help="OCSF JSON Lines.")] = False,
    shape: Shape = None,
) -> None:
    """Show alerts of a follower's file, the newest first.

    Example: louver audit alerts list --state alerts.db --severity high --format csv
    """
    from louver.alerts.formats import ocsf_line
    from louver.alerts.memory import Memory

    session: Session = context.obj
    with ending(session.language):
        memory = Memory.reading(state)
        try:
            found = [alert for _, alert in memory.alerts(limit, rule=rule, severity=severity)]
        finally:
            memory.close()
        if ocsf:
            typer.echo("".join(map(ocsf_line, found)), nl=False)
            return
        names = ("last", "severity", "rule", "about", "count", "entries", "id")
        rows = [
            (one.last, one.severity, one.rule, " ".join(one.about.values()), one.count,
             " ".join(map(str, one.entries)), one.id)
            for one in found
        ]  # fmt: skip
        write_rows(names, rows, chosen_form(shape), session.language)


def _line(alert: Alert) -> str:
    return json.dumps(asdict(alert))

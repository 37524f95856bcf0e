"""``louver policy lint|test|diff|explain|grants-for|simulate|submit|approve|activate|list|status|show``: an officer's
work over the wire, with the decision point that is deployed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from louver.approving import ToApprove, read_version, signature
from louver.cli.session import Session, ending, print_table, read_bytes, read_text, write_bytes
from louver.cli.signing import Module, TokenLabel, signer
from louver.display import visible
from louver.failures import Misused

if TYPE_CHECKING:
    from louver.policies import Finding, PolicyClient, Simulated, TestResult

EXIT_FOUND = 1
"""Something stands against it: a finding, a test that fails, a refusal."""

Draft = Annotated[Path, typer.Argument(help="A draft: the YAML of one document.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Query = Annotated[Path, typer.Argument(help="A file with the SQL.")]
Institution = Annotated[str, typer.Option(help="Who asks.")]
Purpose = Annotated[str, typer.Option(help="What for, such as RESEARCH.")]
Dialect = Annotated[str, typer.Option(help="The SQL's dialect.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")]
Name = Annotated[str, typer.Argument(help="A version, such as taxation-3.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to `louver policy`."""
    commands: Mapping[str, Callable[..., None]] = {
        "status": status,
        "list": listed,
        "show": show,
        "lint": lint,
        "test": run_tests,
        "diff": diff,
        "explain": explain,
        "grants-for": grants_for,
        "simulate": simulate,
        "submit": submit,
        "approve": approve,
        "activate": activate,
    }
    for name, command in commands.items():
        app.command(name)(command)


def status(context: typer.Context, as_data: Json = False) -> None:
    """What decides, what is signed and what the log says: exits with 1 where that is not one and the same.

    Example: louver policy status --json
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        found = office.status()
        if as_data:
            _print(asdict(found))
        else:
            rows = [(name, str(value)) for name, value in asdict(found).items() if name != "serials"]
            rows += [(f"version of {name}", str(serial)) for name, serial in sorted(found.serials.items())]
            print_table(["what", "is"], [tuple(row) for row in rows])
        if not found.same:
            raise typer.Exit(EXIT_FOUND)


def listed(context: typer.Context, as_data: Json = False) -> None:
    """The documents in force, and every version with its state and what it waits for.

    Example: louver policy list
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        documents, versions = office.documents(), office.versions()
        if as_data:
            _print({"documents": list(map(asdict, documents)), "versions": list(map(asdict, versions))})
            return
        names = ["document", "version", "state", "department", "signed by"]
        print_table(names, [(o.id, o.serial, o.state, o.owner, ", ".join(o.signers)) for o in documents])
        names = ["version", "state", "from", "to", "submitted by", "signed by", "waits for"]
        rows = [
            (o.name, o.state, o.effective, o.expires, o.submitter, ", ".join(o.signers), "; ".join(o.waits))
            for o in versions
        ]
        print_table(names, [tuple(row) for row in rows])


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A document in force, or a version, such as taxation-3.")],
    output: Output = None,
) -> None:
    """A document in force as YAML to go on from; or the file of a version, to review and sign.

    Example: louver policy show taxation -o taxation.yaml
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        if any(one.name == name for one in office.versions()):
            write_bytes(office.version(name)[1] + b"\n", output)
        else:
            write_bytes(office.document(name).encode(), output)


def lint(context: typer.Context, draft: Draft, as_data: Json = False) -> None:
    """What is wrong with a draft, beside what is in force; exits with 1 where there is an error or a warning.

    Example: louver policy lint taxation.yaml
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        found = office.lint(read_text(draft))
        if as_data:
            _print(list(map(asdict, found)))
        else:
            _say_findings(found, draft, session.language)
        if any(one.severity != "note" for one in found):
            raise typer.Exit(EXIT_FOUND)


def run_tests(context: typer.Context, draft: Draft, as_data: Json = False) -> None:
    """Run a draft's own tests beside what is in force; exits with 1 where one fails or there is none.

    Example: louver policy test taxation.yaml
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        found = office.test(read_text(draft))
        if as_data:
            _print(asdict(found))
        else:
            _say_findings(found.findings, draft, session.language)
            _say_tests(found.tests)
        if found.findings or not found.tests or not all(one.passed for one in found.tests):
            raise typer.Exit(EXIT_FOUND)


def diff(
    context: typer.Context,
    draft: Annotated[Path | None, typer.Argument(help="A draft; or --version.")] = None,
    version: Annotated[str, typer.Option(help="A version, such as taxation-3.")] = "",
    as_data: Json = False,
) -> None:
    """What a draft or a version changes for whom, beside what is in force.

    Example: louver policy diff taxation.yaml
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        changes, findings = office.diff(_text(draft, version), version=version)
        if as_data:
            _print({"changes": list(map(asdict, changes)), "findings": list(map(asdict, findings))})
        else:
            _say_findings(findings, draft or Path(version), session.language)
            for one in changes:
                typer.echo(f"{one.direction:8} {visible(one.told)}")
        if findings:
            raise typer.Exit(EXIT_FOUND)


def explain(
    context: typer.Context,
    query: Query,
    institution: Institution,
    purpose: Purpose,
    draft: Annotated[Path | None, typer.Option(help="Judge by this draft; default: by what is in force.")] = None,
    dialect: Dialect = "duckdb",
    as_data: Json = False,
) -> None:
    """What an institution's question comes to; exits with 1 where it is refused. Nothing is asked or charged.

    Example: louver policy explain query.sql --institution bank_a --purpose RESEARCH --draft taxation.yaml
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        text = read_text(draft) if draft else ""
        found = office.explain(read_text(query), institution=institution, purpose=purpose, text=text, dialect=dialect)
        if as_data:
            _print(asdict(found))
        elif found.outcome is None:
            _say_findings(found.findings, draft or query, session.language)
        else:
            typer.echo(f"{found.outcome.verdict}  by {visible(found.outcome.rule) or 'no rule'}")
            for name, count in found.outcome.cost.items():
                typer.echo(f"  costs {count} {name}")
            chinese = session.language == "zh"
            for line in (found.message_zh, found.hint_zh) if chinese else (found.message, found.hint):
                if line:
                    typer.echo(f"  {visible(line)}")
        if found.outcome is None or found.outcome.verdict.startswith("LVR"):
            raise typer.Exit(EXIT_FOUND)


def grants_for(
    context: typer.Context, query: Query, institution: Institution, purpose: Purpose, dialect: Dialect = "duckdb"
) -> None:
    """The smallest grant that would make a question legal, as a draft for a person to judge, its risks as comments.

    Prints nothing where it is legal already; exits with 1 where no grant would do.

    Example: louver policy grants-for query.sql --institution bank_a --purpose RESEARCH
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        found = office.grants_for(read_text(query), institution=institution, purpose=purpose, dialect=dialect)
        if found.legal:
            typer.echo("nothing is missing: the question is legal as it is", err=True)
        elif found.text:
            typer.echo(found.text)
        else:
            why = found.message_zh if session.language == "zh" else found.message
            typer.echo(f"no grant makes this legal: {found.code}: {visible(why)}", err=True)
            raise typer.Exit(EXIT_FOUND)


def simulate(
    context: typer.Context,
    draft: Annotated[Path | None, typer.Argument(help="A draft; or --version.")] = None,
    version: Annotated[str, typer.Option(help="A version; the result is kept for those who are to approve it.")] = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="How far back.")] = 30,
    examples: Annotated[int, typer.Option(min=1, max=20, help="Of each change.")] = 3,
    as_data: Json = False,
) -> None:
    """The questions of the last days under a draft: what would have come out otherwise, told as it is found out.

    Decisions only: no data are read, nothing is charged, no SQL is shown.

    Example: louver policy simulate --version taxation-3 --days 90
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        last: Simulated | None = None
        for last in office.simulate(_text(draft, version), version=version, days=days, examples=examples):
            _say_progress(last)
        if last is None or not last.finished:
            raise Misused("the simulation has ended before it was done", "repeat it")
        if as_data:
            _print(asdict(last))
            return
        _say_findings(last.findings, draft or Path(version), session.language)
        typer.echo(f"{last.changed} of {last.asked} questions, {last.distinct} different ones, come out otherwise")
        for move in last.moves:
            typer.echo(f"{move.questions:6}  {move.before} -> {move.after}")
            for one in move.examples:
                typer.echo(f"          entry {one.entry}  {one.institution}  {visible(one.purpose)}  x{one.times}")


def submit(
    context: typer.Context,
    draft: Draft,
    effective: Annotated[str, typer.Option(help="First day (Beijing, YYYY-MM-DD); default: today.")] = "",
    expires: Annotated[str, typer.Option(help="Last day; default: the platform document's.")] = "",
    output: Output = None,
) -> None:
    """File a draft as a version of yours, once it is sound and all tests pass; writes the file that is signed.

    Example: louver policy submit taxation.yaml --effective 2026-08-01 -o taxation-3.json
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        found = office.submit(read_text(draft), effective=effective, expires=expires)
        _say_findings(found.findings, draft, session.language)
        _say_tests(found.tests)
        if found.version is None:
            raise typer.Exit(EXIT_FOUND)
        typer.echo(f"{found.version.name} is {found.version.state}", err=True)
        write_bytes(found.file + b"\n", output)


def approve(
    context: typer.Context,
    name: Name,
    officer: Annotated[str, typer.Option(help="Your name among the officers; with --key.")] = "",
    key: Annotated[
        str, typer.Option(help="Your private key (PEM file, or a label in a PKCS#11 token): sign here and now.")
    ] = "",
    signed: Annotated[Path | None, typer.Option("--signature", help="What `louver policy sign` wrote.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="You have reviewed it; do not ask.")] = False,
    pkcs11_module: Module = None,
    token: TokenLabel = "",
) -> None:
    """Sign a version and file your signature; the submitter's comes first.

    With --key the version is fetched, said, and signed on this machine once you agree; with --signature a file is
    sent that was signed elsewhere.

    Example: louver policy approve taxation-3 --officer wang --key wang.key
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        if bool(key) == (signed is not None) or (key and not officer):
            raise Misused("sign with --officer and --key, or send a --signature")
        if key:
            version = read_version(office.version(name)[1])
            say(version)
            if not yes:
                typer.confirm("have you reviewed it, and do you approve?", abort=True, err=True)
            with signer(key, pkcs11_module, token) as mine:
                made = signature(version.message, officer, mine)
        else:
            made = _signature(read_bytes(signed)) if signed else {}
        found = office.approve(name, made)
        typer.echo(f"{found.name} is {found.state}")
        for reason in found.waits:
            typer.echo(f"waits: {visible(reason)}", err=True)


def activate(context: typer.Context, name: Name) -> None:
    """Put an approved version into force: from the next question on, or on its first day.

    Example: louver policy activate taxation-3
    """
    session: Session = context.obj
    with ending(session.language), office_of(session) as office:
        found = office.activate(name)
        when = f", from {found.effective} on" if found.state == "scheduled" else ""
        typer.echo(f"{found.name} is {found.state}{when}")


def send_revocation(session: Session, content: bytes) -> None:
    """Files a signed revocation."""
    with office_of(session) as office:
        name, serial = office.revoke(content)
        typer.echo(f"{name} answers no more, up to version {serial}", err=True)


def say(version: ToApprove) -> None:
    """What a version is, for whoever is about to sign it."""
    said = version.statement
    typer.echo(f"{visible(said['id'])} version {said['serial']} of {visible(said['owner'])}", err=True)
    typer.echo(f"in force   {visible(said['effective'])} to {visible(said['expires'])}", err=True)
    typer.echo(
        f"submitted  {visible(said['submitter'])}" + (", L4: four eyes" if said["four_eyes"] else ""), err=True
    )
    typer.echo(f"document   sha256 {visible(said['document'])}", err=True)


def office_of(session: Session) -> PolicyClient:
    """An officer's client, by the settings of the command line."""
    from louver.policies import connect

    return connect(
        session.target,
        profile=session.profile,
        certificate=session.certificate,
        key=session.key,
        ca=session.ca,
        log_key=session.log_key,
        timeout=session.timeout,
        verify=session.verify,
    )


def _text(draft: Path | None, version: str) -> str:
    if (draft is None) == (not version):
        raise Misused("name a draft or a --version, one of them")
    return "" if draft is None else read_text(draft)


def _signature(content: bytes) -> Mapping[str, str]:
    try:
        body: Any = json.loads(content)
        return {"officer": str(body["officer"]), "signature": str(body["signature"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Misused("not a signature of a version", "`louver policy sign` writes one") from None


def _print(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _say_findings(found: Iterable[Finding], draft: Path, language: str) -> None:
    for one in found:
        message, hint = (one.message_zh, one.hint_zh) if language == "zh" else (one.message, one.hint)
        more = f" ({visible(hint)})" if hint else ""
        typer.echo(f"{draft}:{one.line}:{one.column}: {one.severity} {one.code}: {visible(message)}{more}", err=True)


def _say_tests(found: Sequence[TestResult]) -> None:
    for one in found:
        typer.echo(f"{'ok   ' if one.passed else 'FAIL '} {visible(one.name)}", err=True)
        if not one.passed:
            typer.echo(f"      expected {visible(one.expected)}\n      got      {visible(one.got)}", err=True)


def _say_progress(found: Simulated) -> None:
    if sys.stderr.isatty() and not found.finished:
        said = f"\r{found.judged} of {found.distinct} judged, {found.changed} of {found.asked} change "
        typer.echo(said, err=True, nl=False)

"""``louver models`` and ``louver score``: secret scorecards, from a file of points to a file of scores."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from louver.cli.session import Session, ending, print_table, read_text, showing_progress, write_bytes, write_private
from louver.display import visible
from louver.failures import Misused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from louver.scoring.results import ScoreAnswer

app = typer.Typer(help="Prepare, audit, register and list your secret scorecards.", no_args_is_help=True)
consents = typer.Typer(help="Record, list and revoke what subjects have authorised you to.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
MODEL, OPENING, AUDIT = ".model", ".opening", ".audit"


@app.command()
def features(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Show the bins of this set.", show_default=False)] = None,
) -> None:
    """List the feature sets, or the features and bins of one.

    Example: louver models features enterprise-credit
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.feature_sets()
        if name is None:
            print_table(
                ["feature set", "title", "features"], [(one.name, one.title, len(one.features)) for one in found]
            )
            return
        chosen = next((one for one in found if one.name == name), None)
        if chosen is None:
            raise Misused(f"there is no feature set {name!r}", "louver models features lists them")
        print_table(["feature", "bins"], [(one.name, "  ".join(one.bins)) for one in chosen.features])


@app.command()
def prepare(
    context: typer.Context,
    card: Annotated[Path, typer.Argument(help="The scorecard, a TOML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Files without ending; default: card.")
    ] = None,
) -> None:
    """Encrypt a scorecard to your newest key: a .model to register and an .opening for your auditor.

    Example: louver models prepare small-firms.toml
    """
    from louver.scoring.cards import read_card

    session: Session = context.obj
    with ending(session.language):
        read = read_card(read_text(card))
        with session.connect() as client, showing_progress("encrypting"):
            opening = client.prepare_model(read)
        stem = output or card.with_suffix("")
        write_private(opening.to_json(), stem.with_name(stem.name + OPENING))
        write_bytes(opening.model.to_json(), stem.with_name(stem.name + MODEL))
        typer.echo(f"model {opening.model.name}, digest {opening.model.digest[:16]}", err=True)
        typer.echo(
            f"{stem}{MODEL}: to register; {stem}{OPENING}: as secret as your points, for the auditor", err=True
        )


@app.command()
def audit(
    context: typer.Context,
    opening: Annotated[Path, typer.Argument(help="The .opening file of a model.")],
    key: Annotated[Path, typer.Option(help="The auditor's Ed25519 private key (PEM).")],
    name: Annotated[str, typer.Option(help="The auditor's name, as the platform knows it.")] = "model-auditor",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: beside the opening.")] = None,
) -> None:
    """As an auditor: open every ciphertext, check the rules, and sign. Nothing is sent.

    Example: louver models audit small-firms.opening --key auditor.pem
    """
    from louver.scoring.audit import certify
    from louver.scoring.models import Opening

    session: Session = context.obj
    with ending(session.language):
        certificate = certify(Opening.from_json(_read(opening)), name, _ed25519(key))
        target = output or opening.with_suffix(AUDIT)
        write_bytes(certificate.to_json(), target)
        typer.echo(f"certified; the signature is in {target}", err=True)


@app.command()
def register(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="The .model file.")],
    certificate: Annotated[Path | None, typer.Argument(help="The .audit file; default: beside the model.")] = None,
) -> None:
    """Register an audited model. It never changes; a new one needs a new version.

    Example: louver models register small-firms.model small-firms.audit
    """
    from louver.scoring.audit import Certificate
    from louver.scoring.models import Model

    session: Session = context.obj
    with ending(session.language):
        read = Model.from_json(_read(model))
        signed = Certificate.from_json(_read(certificate or model.with_suffix(AUDIT)))
        with session.connect() as client:
            kept = client.register_model(read, signed)
        typer.echo(f"{visible(kept.name)}, digest {kept.digest[:16]}, log entry {kept.log_index}")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List your registered models, the newest first.

    Example: louver models list
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.models()
        if as_json:
            typer.echo(json.dumps([asdict(one) for one in found], indent=1))
            return
        rows = [(one.name, one.feature_set, one.auditor, one.registered, one.digest[:16]) for one in found]
        print_table(["model", "feature set", "auditor", "registered", "digest"], [*rows])


@app.command()
def show(context: typer.Context, model: Annotated[str, typer.Argument(help="Name, name/version or digest.")]) -> None:
    """Show all that the platform has of one of your models, as JSON.

    Example: louver models show small-firms/1
    """
    from louver.scoring.calls import chosen

    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = chosen(client.models(), model)
        typer.echo(json.dumps(asdict(found), indent=1))


@consents.command()
def record(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="The subject's code.")],
    purpose: Annotated[str, typer.Option(help="What for, such as LOAN_ORIGINATION.")],
    scope: Annotated[list[str], typer.Option(help="A table that may be read; repeat for more.")],
    until: Annotated[str, typer.Option(help="The last day, such as 2026-12-31.")],
    evidence: Annotated[str, typer.Option(help="The signed document, or its SHA-256 in hex.")],
    since: Annotated[str | None, typer.Option(help="The first day; default: today.")] = None,
    unit: Annotated[str, typer.Option(help="enterprise or person.")] = "enterprise",
    single_consent: Annotated[bool, typer.Option("--single-consent", help="Separate consent was given.")] = False,
    adverse_notice: Annotated[bool, typer.Option("--adverse-notice", help="Consequences were explained.")] = False,
    uses: Annotated[int, typer.Option(min=0, help="How many lookups and models may use it; 0 is any number.")] = 1,
) -> None:
    """Record an authorisation; its id goes to standard output. The document itself stays with you.

    Example: louver authorisations record 91370200X --purpose LOAN_ORIGINATION --scope gov.tax_credit --until
    2026-12-31 --evidence consent.pdf
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            identity = client.record_authorisation(
                subject,
                purpose=purpose,
                scope=scope,
                granted_on=_day(since) if since else client.settings.around.clock().date(),
                expires_on=_day(until),
                evidence_sha256=_evidence(evidence),
                unit=unit,
                single_consent=single_consent,
                adverse_notice=adverse_notice,
                uses=uses,
            )
        typer.echo(identity)


@consents.command()
def revoke(context: typer.Context, identity: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Make an authorisation void from now on.

    Example: louver authorisations revoke 7f0c9d6e-...
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            at = client.revoke_authorisation(identity)
        typer.echo(f"void since {visible(at)}", err=True)


def score(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with columns subject and authorisation; - is standard input.")],
    model: Annotated[str, typer.Option(help="One of your models: name, name/version or digest.")],
    purpose: Annotated[str | None, typer.Option(help="What the scores are for, such as LOAN_ORIGINATION.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
    receipts: Annotated[Path | None, typer.Option(help="Save the receipts into this folder.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Repeat a request: same scores, no charge.")] = None,
) -> None:
    """Score applicants with a secret scorecard; subject and score go to standard output as CSV.

    Example: louver score applicants.csv --model small-firms --purpose LOAN_ORIGINATION > scores.csv
    """
    session: Session = context.obj
    with ending(session.language):
        text = sys.stdin.read() if str(file) == "-" else read_text(file)
        applicants = _applicants(text)
        with session.connect_to_ask(purpose) as client, showing_progress("scoring") as progress:
            answer = client.score(applicants, model=model, purpose=purpose, progress=progress, request_id=request_id)
        if receipts is not None:
            receipts.mkdir(parents=True, exist_ok=True)
            for identity, receipt in zip(answer.request_ids, answer.receipts, strict=True):
                write_bytes(receipt.to_bytes(), receipts / f"{identity}.receipt")
        write_bytes(_csv(answer), output)
        said = f"({answer.scored} of {len(answer.rows)} have a score; {answer.cost} charged)"
        typer.echo(said, err=True)


def _applicants(text: str) -> list[tuple[str, str]]:
    """The rows of a CSV. Raises ``Misused``."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if not {"subject", "authorisation"} <= set(reader.fieldnames or ()):
        raise Misused("the file has no columns subject and authorisation", "its first line names the columns")
    return [((row["subject"] or "").strip(), (row["authorisation"] or "").strip()) for row in reader]


def _csv(answer: ScoreAnswer) -> bytes:
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(["subject", "score"])
    lines.writerows([row.subject, "" if row.score is None else f"{row.score:f}"] for row in answer.rows)
    return written.getvalue().encode()


def _evidence(given: str) -> str:
    """A digest, or that of a file. Raises ``Misused``."""
    import hashlib

    path = Path(given)
    if path.is_file():
        return hashlib.sha256(_read(path)).hexdigest()
    if len(given) != 64:
        raise Misused(f"{given} is neither a file nor a SHA-256 in hex")
    return given


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misused(f"{text!r} is no day", "such as 2026-12-31") from None


def _ed25519(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError):
        raise Misused(f"{path} is no private key without a passphrase (PEM)") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misused(f"{path} is no Ed25519 key", "openssl genpkey -algorithm ed25519 makes one")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise Misused(f"cannot read {path}") from None

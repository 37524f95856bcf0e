"""``louver receipt``: fetch, show and verify receipts. Verifying needs no connection, only the log's public key."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from louver.cli.session import Session, ending, read_bytes, read_text, write_bytes
from louver.display import visible
from louver.failures import Misused
from louver.profiles import config_path, read_config, read_log_key
from louver.receipt import Receipt

app = typer.Typer(help="Fetch, show and verify receipts.", no_args_is_help=True)

ReceiptFile = Annotated[Path, typer.Argument(help="A receipt file.")]


@app.command()
def get(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(help="The request id of one of your answers.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
) -> None:
    """Fetch the receipt of one of your answers, against the newest head of the log.

    Example: louver receipt get 0e6f9b1c-5d0e-4a53-9f7b-6a2f3f1f0c11 -o answer.receipt
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            receipt = client.receipt(request_id)
        write_bytes(receipt.to_bytes(), output)


@app.command()
def show(context: typer.Context, file: ReceiptFile) -> None:
    """Print what a receipt claims. Nothing is verified.

    Example: louver receipt show answer.receipt
    """
    session: Session = context.obj
    with ending(session.language):
        receipt = Receipt.from_bytes(read_bytes(file))
        claimed = receipt.checkpoint.claimed
        typer.echo(f"log    {visible(claimed.origin)}, {claimed.size} entries, root {claimed.root.hex()}")
        typer.echo(f"entry  {receipt.index}")
        typer.echo(visible_json(receipt.entry))
        typer.echo("this is what the receipt claims; `louver receipt verify` proves it", err=True)


def visible_json(entry: bytes) -> str:
    """The entry indented, or as escaped text when it is not JSON."""
    try:
        document = json.loads(entry)
    except ValueError:
        return visible(entry.decode(errors="replace"))
    lines = json.dumps(document, ensure_ascii=False, indent=1).split("\n")
    return "\n".join(visible(line) for line in lines)


@app.command()
def verify(
    context: typer.Context,
    file: ReceiptFile,
    log_key: Annotated[str | None, typer.Option(help="The log's public key, or a file that holds it.")] = None,
    sql: Annotated[Path | None, typer.Option(help="The file with the SQL you asked.")] = None,
    result: Annotated[Path | None, typer.Option(help="The answer as saved with --format arrow.")] = None,
) -> None:
    """Prove a receipt offline, with nothing but the log's public key.

    Example: louver receipt verify answer.receipt --log-key log.pub --sql question.sql --result answer.arrow
    """
    session: Session = context.obj
    with ending(session.language):
        key = log_key_of(log_key or session.log_key, session.profile)
        text = read_text(sql) if sql else None
        digest = hashlib.sha256(read_bytes(result)).hexdigest() if result else None
        verified = Receipt.from_bytes(read_bytes(file)).verify(key, sql=text, result_digest=digest)
        typer.echo(f"proven: entry {verified.index} of {visible(verified.head.origin)}, {verified.head.size} entries")
        typer.echo(f"        {visible(verified.kind)} at {visible(verified.time)}")
        for name, option, given in (("SQL", "--sql", sql), ("result", "--result", result)):
            typer.echo(f"        {name}: " + ("the one in the entry" if given else f"not checked, pass {option}"))


@app.command("key")
def newest_key(
    context: typer.Context,
    file: ReceiptFile,
    log_key: Annotated[str | None, typer.Option(help="The log's public key that you know, or a file.")] = None,
) -> None:
    """Print the key that signed a receipt, as the one that you know leads to it: to be pinned in its place.

    Example: louver receipt key newest.receipt --log-key log.pub
    """
    session: Session = context.obj
    with ending(session.language):
        from louver.transparency import LogKey

        receipt = Receipt.from_bytes(read_bytes(file))
        key = log_key_of(log_key or session.log_key, session.profile)
        receipt.verify(key)
        typer.echo(str(LogKey.parse(key).learnt_from(receipt.checkpoint.note).repinned()))


def log_key_of(option: str | None, profile: str | None) -> str:
    """From the option, the environment or the profile; certificates are not needed to verify."""
    default, profiles = read_config(config_path(os.environ, Path.home()))
    name = profile or os.environ.get("LOUVER_PROFILE") or default
    found = option or os.environ.get("LOUVER_LOG_KEY") or profiles.get(name, {}).get("log_key")
    if not found:
        raise Misused("a receipt is verified with the log's public key", "pass --log-key KEY")
    return read_log_key(str(found))

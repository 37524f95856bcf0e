"""``louver policy``: what a policy officer does where the key is. The key goes nowhere; `key`, `review`, `sign` and
`revoke` without `--send` need no connection, the others an officer's certificate."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from louver.approving import (
    REDACTION_CONTEXT,
    canonical,
    new_key,
    read_order,
    read_version,
    revocation,
    signature,
)
from louver.cli import access_office, office
from louver.cli.session import Session, ending, read_bytes, write_bytes
from louver.cli.signing import Module, TokenLabel, signer, token_of
from louver.display import visible
from louver.failures import Misused
from louver.officer_tokens import new_token_key

app = typer.Typer(help="Write, try, approve and revoke policies with your own key.", no_args_is_help=True)
office.register(app)
access_office.register(app)

Officer = Annotated[str, typer.Option(help="Your name among the officers.")]
Key = Annotated[str, typer.Option(help="Your private key (PEM file, or a label in a PKCS#11 token).")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")]


@app.command()
def key(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The key file to write, or the label in a token; it must not exist.")],
    officer: Officer,
    department: Annotated[str, typer.Option(help="The owner in policies, or `platform`.")],
    encrypt: Annotated[bool, typer.Option(help="Protect it with a passphrase, which is asked for.")] = True,
    pkcs11_module: Module = None,
    token: TokenLabel = "",
) -> None:
    """Make an officer's key, and print the row that the operator writes into officers.json.

    Example: louver policy key wang.key --officer wang --department 市税务局
    """
    session: Session = context.obj
    with ending(session.language):
        if (where := token_of(pkcs11_module, token)) is not None:
            typer.echo(json.dumps(new_token_key(where, file, officer, department), ensure_ascii=False))
            return
        passphrase = (
            typer.prompt("passphrase", hide_input=True, confirmation_prompt=True, err=True) if encrypt else ""
        )
        pem, row = new_key(officer, department, secrets.token_bytes(32), passphrase.encode() or None)
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                target.write(pem)
        except FileExistsError:
            raise Misused(f"{file} exists already") from None
        typer.echo(json.dumps(row, ensure_ascii=False))


@app.command()
def review(context: typer.Context, file: Annotated[Path, typer.Argument(help="A version file.")]) -> None:
    """Print what a version file asks you to approve: the statement, what the sandbox found, and the whole document.

    What was found (tests, difference, simulation) is the sandbox's word and not part of what you sign.

    Example: louver policy review taxation-3.json
    """
    session: Session = context.obj
    with ending(session.language):
        version = read_version(read_bytes(file))
        office.say(version)
        typer.echo(f"the operator's sandbox found: {json.dumps(version.report, ensure_ascii=False)}", err=True)
        typer.echo(json.dumps(json.loads(version.document), ensure_ascii=False, indent=2))


@app.command()
def sign(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A version file, as `louver-sandbox policy draft` wrote it.")],
    officer: Officer,
    key: Key,
    output: Output = None,
    pkcs11_module: Module = None,
    token: TokenLabel = "",
) -> None:
    """Sign a version of a policy; the signature goes to the operator, who files it.

    Example: louver policy sign taxation-3.json --officer wang --key wang.key -o wang.json
    """
    session: Session = context.obj
    with ending(session.language):
        version = read_version(read_bytes(file))
        office.say(version)
        with signer(key, pkcs11_module, token) as mine:
            signed = signature(version.message, officer, mine)
        write_bytes((json.dumps(signed) + "\n").encode(), output)


@app.command()
def redaction(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="An order, as `louver-sandbox log redact` wrote it.")],
    officer: Officer,
    key: Key,
    output: Output = None,
    pkcs11_module: Module = None,
    token: TokenLabel = "",
) -> None:
    """Sign the order to redact all entries about a request; two officers have to, and the operator carries it out.

    Example: louver policy redaction order.json --officer wang --key wang.key -o wang.json
    """
    session: Session = context.obj
    with ending(session.language):
        said = read_order(read_bytes(file))
        for name in sorted(said):
            typer.echo(f"{name}: {visible(said[name])}", err=True)
        with signer(key, pkcs11_module, token) as mine:
            signed = signature(REDACTION_CONTEXT + canonical(said), officer, mine)
        write_bytes((json.dumps(signed, ensure_ascii=False) + "\n").encode(), output)


@app.command()
def revoke(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="The policy's id.")],
    owner: Annotated[str, typer.Option(help="The department that it belongs to.")],
    serial: Annotated[int, typer.Option(help="The last version that ends.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    officer: Officer,
    key: Key,
    output: Output = None,
    send: Annotated[bool, typer.Option("--send", help="File it at once, over the wire.")] = False,
    pkcs11_module: Module = None,
    token: TokenLabel = "",
) -> None:
    """Sign the end of a policy; filed, by you with --send or by the operator, it counts at the next question.

    Example: louver policy revoke taxation --owner 市税务局 --serial 3 --reason "a leak" --officer wang --key wang.key
    """
    session: Session = context.obj
    with ending(session.language):
        said = {"id": policy, "officer": officer, "owner": owner, "reason": reason, "serial": serial}
        with signer(key, pkcs11_module, token) as mine:
            signed = revocation(said, mine)
        content = (json.dumps(signed, ensure_ascii=False) + "\n").encode()
        if send:
            office.send_revocation(session, content)
        if output is not None or not send:
            write_bytes(content, output)

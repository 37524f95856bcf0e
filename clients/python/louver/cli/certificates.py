"""``louver certificate``: the certificates by which the platform knows you, and how you come to the next one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from louver.certificates import fetched, key_sha256, new_key, private_pem
from louver.cli.session import Session, ending, print_table, read_bytes, write_bytes, write_private
from louver.display import visible
from louver.failures import Misused
from louver.tls import institution_of

if TYPE_CHECKING:
    from louver.profiles import Profile

app = typer.Typer(help="Show your certificates and come to the next one.", no_args_is_help=True)

EXIT_WAITING = 3
"""What `fetch` ends with while no administrator has confirmed, so that a timer can try again."""


@app.command("list")
def listed(context: typer.Context) -> None:
    """List the certificates by which the platform knows you, and your requests for more.

    Example: louver certificate list
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.certificates()
        rows = [
            (one.fingerprint[:16], one.not_before, one.not_after, one.state, "this one" if one.calling else "")
            for one in found.pinned
        ]
        print_table(["certificate", "from", "until", "state", "calling with"], [*rows])
        if found.requests:
            asked = [(one.id, one.requested, one.state, one.key_sha256) for one in found.requests]
            print_table(["request", "when", "state", "key"], [*asked])


@app.command("rotate")
def rotate(context: typer.Context) -> None:
    """Make the next key and ask for its certificate, under the present one. Read the key's SHA-256 to the operator.

    The key is written beside the present one, with `.next` at its end, and never sent.

    Example: louver --profile bank-a certificate rotate
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            path = _next(client.settings.profile.key)
            if path.exists():
                key = _read(path)
            else:
                key = new_key()
                write_private(private_pem(key), path)
            made = client.request_certificate(key)
        typer.echo(f"request {made.id}, {made.state}")
        typer.echo(f"key     {made.key_sha256}")
        typer.echo(
            f"{visible(str(path))} is for you alone; tell the operator the key's SHA-256, then: fetch", err=True
        )


@app.command("fetch")
def fetch(context: typer.Context) -> None:
    """Fetch the certificate that was confirmed, try it, and put it and its key in the place of the present ones.

    Those stay beside them, with `.former` at their ends. Exit code 3 while nobody has confirmed.

    Example: louver --profile bank-a certificate fetch
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            profile = client.settings.profile
            key = _read(_next(profile.key))
            institution = institution_of(client.settings.credentials.certificate)
            content = fetched(client.certificates().requests, key, institution)
        if content is None:
            typer.echo("no administrator has confirmed the request yet", err=True)
            raise typer.Exit(EXIT_WAITING)
        fresh = _next(profile.certificate)
        write_bytes(content, fresh)
        _try(session, profile)
        for path in (profile.key, profile.certificate):
            _former(path).unlink(missing_ok=True)
            _former(path).hardlink_to(path)
            _next(path).replace(path)
        typer.echo(f"{visible(str(profile.certificate))} is the new certificate, key {key_sha256(key.public_key())}")


def _try(session: Session, profile: Profile) -> None:
    """A call with the new certificate: only one that counts takes the place of the present one."""
    from louver.client import connect

    with connect(
        profile.target,
        certificate=_next(profile.certificate),
        key=_next(profile.key),
        ca=profile.ca,
        timeout=session.timeout,
        verify=False,
    ) as client:
        client.certificates()


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _former(path: Path) -> Path:
    return path.with_name(f"{path.name}.former")


def _read(path: Path) -> ec.EllipticCurvePrivateKey:
    """The next key. Raises ``Misused`` where there is none."""
    if not path.exists():
        raise Misused(f"there is no {path.name}", "louver certificate rotate makes it")
    try:
        key = load_pem_private_key(read_bytes(path), None)
    except (TypeError, ValueError):
        raise Misused(f"{path.name} holds no private key in PEM form") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Misused(f"{path.name} holds a key of another kind")
    return key

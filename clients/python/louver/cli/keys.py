"""``louver keys``: the Paillier keys that answers are sealed to. Private parts stay here, under a passphrase."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from louver.cli.session import Session, ask_passphrase, ending, print_table, write_bytes, write_private
from louver.display import visible
from louver.failures import Misused
from louver.profiles import config_path, keys_folder, read_config

if TYPE_CHECKING:
    from louver.sealing.key_files import KeyRing

app = typer.Typer(help="Make, show, export and rotate the keys that answers are sealed to.", no_args_is_help=True)

Bits = Annotated[int, typer.Option(help="Bits of the modulus: 2048, 3072 or 4096.")]
Days = Annotated[int, typer.Option(min=1, help="For how long answers are sealed to it.")]
InKeyring = Annotated[
    bool,
    typer.Option("--keyring", help="Keep its passphrase in the operating system's keyring; nobody is asked for it."),
]
Register = Annotated[bool, typer.Option("--register/--no-register", help="Register its public part at the sandbox.")]


@app.command()
def new(
    context: typer.Context,
    bits: Bits = 3072,
    days: Days = 730,
    register: Register = True,
    keyring: InKeyring = False,
) -> None:
    """Make the first key of this key ring and register its public part.

    Example: louver --profile bank-a keys new --keyring
    """
    session: Session = context.obj
    with ending(session.language):
        ring = key_ring(session)
        if ring.files():
            raise Misused(f"there is a key in {ring.folder} already", "louver keys rotate makes the next one")
        _make(session, ring, bits, days, register, keyring)


@app.command()
def rotate(
    context: typer.Context,
    bits: Bits = 3072,
    days: Days = 730,
    register: Register = True,
    keyring: InKeyring = False,
) -> None:
    """Make the next key and register it. Older keys stay here, for the answers that are sealed to them.

    Example: louver --profile bank-a keys rotate
    """
    session: Session = context.obj
    with ending(session.language):
        ring = key_ring(session)
        ring.find()
        _make(session, ring, bits, days, register, keyring)


@app.command()
def show(
    context: typer.Context,
    registered: Annotated[bool, typer.Option("--registered", help="Those the sandbox has, not those here.")] = False,
) -> None:
    """List the keys of this key ring, or those registered at the sandbox. Nothing private is read.

    Example: louver keys show
    """
    session: Session = context.obj
    with ending(session.language):
        files = key_ring(session).files()
        if not registered:
            print_table(
                ["key", "bits", "created", "passphrase", "file"],
                [
                    (f.kid[:16], f.public.bits, f.created.isoformat(timespec="seconds"),
                     "in the keyring" if f.in_keyring else "asked for", str(f.path))
                    for f in files
                ],
            )  # fmt: skip
            return
        here = {file.kid for file in files}
        with session.connect() as client:
            found = client.keys()
        print_table(
            ["key", "bits", "registered", "expires", "current", "private part"],
            [
                (key.kid[:16], key.bits, key.registered, key.expires, "yes" if key.current else "no",
                 "here" if key.kid in here else "not here")
                for key in found
            ],
        )  # fmt: skip


@app.command()
def export(
    context: typer.Context,
    kid: Annotated[str, typer.Argument(help="The beginning of a key's id; the newest key by default.")] = "",
    private: Annotated[bool, typer.Option("--private", help="The private part too, in clear.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
) -> None:
    """Write a key as the JSON that python-paillier reads: its public part, or with --private all of it.

    Example: louver keys export -o bank-a.pub.json
    """
    session: Session = context.obj
    with ending(session.language):
        if private and output is None:
            raise Misused("a private key is not for a terminal or a pipe", "add --output FILE")
        ring = key_ring(session)
        found = ring.find(kid)
        if not private:
            write_bytes(_json(found.public.to_jwk()), output)
        elif output is not None:
            write_private(_json(ring.private(found.kid).to_jwk()), output)
            typer.echo(f"WARNING: {output} holds the private key in clear", err=True)


def key_ring(session: Session) -> KeyRing:
    """The key ring of the profile; no certificate is needed to look at it."""
    from louver.sealing.key_files import KeyRing

    default, profiles = read_config(config_path(os.environ, Path.home()))
    name = session.profile or os.environ.get("LOUVER_PROFILE") or default
    settings = dict(profiles.get(name, {}))
    if given := os.environ.get("LOUVER_KEYS"):
        settings["keys"] = given
    return KeyRing(keys_folder(settings, os.environ, Path.home()), ask_passphrase)


def _make(session: Session, ring: KeyRing, bits: int, days: int, register: bool, keyring: bool) -> None:
    """A key that cannot be registered is not kept: it would be the newest one here and open nothing."""
    from louver.sealing.keys import generate_key

    key = generate_key(bits)
    if not register:
        file = ring.add(key, datetime.now(UTC), keyring=keyring)
        typer.echo(f"key {file.kid[:16]}, {bits} bits, in {file.path}; not registered")
        return
    with session.connect() as client:
        file = ring.add(key, datetime.now(UTC), keyring=keyring)
        try:
            kept = client.register_key(key, timedelta(days=days))
        except BaseException:
            ring.remove(file)
            raise
    typer.echo(f"key {file.kid[:16]}, {bits} bits, in {file.path}")
    typer.echo(f"registered until {visible(kept.expires)}, log entry {kept.log_index}")


def _json(jwk: dict[str, object]) -> bytes:
    return (json.dumps(jwk, indent=1) + "\n").encode()

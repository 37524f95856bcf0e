"""Where an officer's key is: a file, or a PKCS#11 token. It goes nowhere; whoever signs asks for one here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from louver.approving import Signer, officers_key
from louver.cli.session import read_bytes
from louver.failures import Misused
from louver.officer_tokens import Token, token_key

Module = Annotated[
    Path | None,
    typer.Option("--pkcs11-module", help="The library of a PKCS#11 token; --key is then the key's label in it."),
]
TokenLabel = Annotated[str, typer.Option("--token", help="The token's label; with --pkcs11-module.")]


def token_of(module: Path | None, label: str) -> Token | None:
    """The token that options name, opened by the number that is asked for. Raises `Misused`."""
    if (module is None) != (not label):
        raise Misused("--pkcs11-module and --token go together")
    if module is None:
        return None
    return Token(module, label, str(typer.prompt("PIN", hide_input=True, err=True)))


@contextmanager
def signer(key: str, module: Path | None, label: str) -> Iterator[Signer]:
    """The key that a command is told of. Raises `Misused`."""
    token = token_of(module, label)
    if token is None:
        yield officers_key(*_read_key(Path(key)))
        return
    with token_key(token, key) as found:
        yield found


def _read_key(path: Path) -> tuple[bytes, bytes | None]:
    """A key file and its passphrase, which is asked for where there is one."""
    pem = read_bytes(path)
    if b"ENCRYPTED" not in pem:
        return pem, None
    return pem, str(typer.prompt("passphrase", hide_input=True, err=True)).encode()

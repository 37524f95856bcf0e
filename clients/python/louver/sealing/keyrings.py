"""Passphrases of key files in the operating system's keyring, by the library ``keyring`` (extra ``louver[keyring]``).

The key file is the same as ever; its passphrase is drawn at random and is the keyring's only secret. So a private key
is never handed to the keyring, and a stolen file is worth nothing without the session of the person it belongs to.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from louver.failures import Misused, missing_extra

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "louver sealing keys"
"""Under which name the keyring shows them; the user name of an entry is the key's id."""

_BYTES = 32
_RECOMMENDED = 1
"""From this priority on the library recommends a backend; those that keep secrets in clear files are below."""


def keep(kid: str, randomness: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """A new passphrase, kept in the keyring under the key's id. Raises ``Misused``, ``MissingExtra``."""
    backend, passphrase = _backend(), randomness(_BYTES)
    with _Speaking("take"):
        backend.set_password(SERVICE, kid, passphrase)
        if backend.get_password(SERVICE, kid) != passphrase:
            raise Misused("the keyring does not keep what it is given", "make the key without --keyring")
    return passphrase


def kept(kid: str) -> str:
    """The passphrase of a key. Raises ``Misused``, ``MissingExtra``."""
    backend = _backend()
    with _Speaking("give"):
        found = backend.get_password(SERVICE, kid)
    if not found:
        raise Misused(
            f"the keyring has no passphrase of key {kid[:16]}",
            "use the account and the machine that the key was made with, or restore its keyring",
        )
    return str(found)


def forget(kid: str) -> None:
    """Takes a passphrase out of the keyring, as when its key could not be registered."""
    backend = _backend()
    with _Speaking("remove"):
        backend.delete_password(SERVICE, kid)


def _backend() -> KeyringBackend:
    """The keyring there is; of several behind one another the first that is recommended."""
    try:
        import keyring
    except ImportError:
        raise missing_extra("keyring", "keyring") from None
    with _Speaking("find"):
        chosen = keyring.get_keyring()
        several = getattr(chosen, "backends", None)
        for backend in [chosen] if several is None else list(several):
            if backend.priority >= _RECOMMENDED:
                found: KeyringBackend = backend
                return found
    raise Misused(
        "there is no keyring here that keeps secrets encrypted for your session",
        "unlock or install one (Secret Service, macOS Keychain, Windows Credential Locker), or use a passphrase",
    )


class _Speaking:
    """Turns the keyring's errors into one of ours, without what they say: it may be about other secrets."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, Misused):
            raise Misused(
                f"the keyring could not {self._what} the passphrase ({type(error).__name__})",
                "unlock it, or use a passphrase",
            ) from None

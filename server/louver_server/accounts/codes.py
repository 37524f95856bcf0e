"""The second factor: one-time codes by time (RFC 6238), six digits every thirty seconds, each good once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20
_NONCE: Final = 12
ISSUER: Final = "Louver"


class Unreadable(Exception):
    """A kept secret does not open under the installation's key."""


def code_at(secret: bytes, step: int) -> str:
    """The code of a step, counted in thirty seconds from 1970."""
    # Authenticator programs know SHA-1 alone, and RFC 6238 allows it: a code is no digest of anything public.
    return TOTP(secret, DIGITS, SHA1(), STEP).generate(step * STEP).decode()  # noqa: S303 - named by the RFC


def accepted_step(secret: bytes, code: str, now: datetime, after: int) -> int | None:
    """The step whose code this is: this one or a neighbour, and later than the last accepted; None for none of them.

    So a code that was seen over a shoulder is worth nothing once it was used (RFC 6238, section 5.2).
    """
    given = "".join(code.split()).encode("utf-8", "replace")
    this = int(now.timestamp()) // STEP
    steps = [step for step in (this - 1, this, this + 1) if step > after]
    return next((step for step in steps if bytes_eq(code_at(secret, step).encode(), given)), None)


def address(secret: bytes, name: str) -> str:
    """What an authenticator program reads from a picture (otpauth: URI)."""
    return (
        f"otpauth://totp/{quote(ISSUER)}:{quote(name)}?secret={shown(secret)}&issuer={quote(ISSUER)}"
        f"&algorithm=SHA1&digits={DIGITS}&period={STEP}"
    )


def shown(secret: bytes) -> str:
    """The secret as people type it."""
    return base64.b32encode(secret).decode().rstrip("=")


def wrapped(secret: bytes, name: str, key: bytes, random: Callable[[int], bytes]) -> bytes:
    """The secret as it is kept: encrypted under the installation's key and bound to its account."""
    nonce = random(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, name.encode())


def unwrapped(kept: bytes, name: str, key: bytes) -> bytes:
    """The secret of an account. Raises `Unreadable`."""
    try:
        return AESGCM(key).decrypt(kept[:_NONCE], kept[_NONCE:], name.encode())
    except (InvalidTag, ValueError, binascii.Error):
        raise Unreadable(name) from None

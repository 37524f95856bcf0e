"""Passwords by Argon2id (RFC 9106), in the PHC string format."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

LEAST: Final = 12
MOST: Final = 256
"""Characters of a password (NIST SP 800-63B: length is what counts)."""

_MEMORY_KIB: Final = 46 * 1024
_PASSES: Final = 1
_LANES: Final = 1
"""The first of what OWASP's Password Storage Cheat Sheet has for Argon2id."""
_AT_ONCE: Final = threading.BoundedSemaphore(2)
"""Each takes 46 MiB, so that a storm of sign-ins must wait and not fill the memory."""


def is_allowed(password: str, name: str) -> bool:
    """Long enough, not too long, not the account's own name over and over, not one character over and over."""
    text = prepared(password).decode()
    bare = text.casefold().replace(name.casefold(), "")
    return LEAST <= len(text) <= MOST and len(set(text)) >= 5 and len(bare) >= LEAST // 2


def hashed(password: str, random: Callable[[int], bytes]) -> str:
    """The password as it is kept, with a salt of its own."""
    with _AT_ONCE:
        return Argon2id(
            salt=random(16), length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB
        ).derive_phc_encoded(prepared(password))


def is_right(password: str, kept: str) -> bool:
    """Whether it is the password that was kept. Takes as long for a wrong one."""
    if len(password) > MOST:
        return False
    with _AT_ONCE:
        try:
            Argon2id.verify_phc_encoded(prepared(password), kept)
        except InvalidKey:
            return False
    return True


def prepared(password: str) -> bytes:
    """The same bytes for the same text, however it was typed (NFKC, as RFC 8265 has it for passwords)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")

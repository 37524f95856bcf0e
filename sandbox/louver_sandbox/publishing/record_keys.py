"""Record keys: a 64-bit keyed hash per privacy unit, the same in every table (PRIVACY 5.6).

BLAKE2b (RFC 7693) keyed with 32 secret bytes, eight bytes of digest, over the unit's type and the text of its id. A
worker sees the hashes only; without the key they tell equal units from different ones and nothing else. Among ten
million units two share a hash with a chance of about 3 in a million; a shared hash counts them as one, so a cell can
only be withheld more often for it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from louver_sandbox.catalog.model import UnitType

KEY_BYTES = 32
HASH_BYTES = 8


class KeyRefused(Exception):
    """The key file is missing, of another size, or readable by others. The message never holds its content."""


def create_key(path: Path, *, randomness: Callable[[int], bytes] = os.urandom) -> None:
    """Write a new key to a file that only the owner may read; called once, by `init`.

    Raises:
        FileExistsError: there is one already. Replacing it would change every record key.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(randomness(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path, called: str = "record key") -> bytes:
    """The key in the file; `called` is what a refusal names it.

    Raises:
        KeyRefused: it is not a private file of exactly `KEY_BYTES` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        raise KeyRefused(f"the {called} file cannot be opened") from None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyRefused(f"the {called} file must be a regular file of mode 0600")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise KeyRefused(f"the {called} file must hold {KEY_BYTES} bytes")
    return key


def fingerprint(key: bytes) -> str:
    """What catalogue and log call a record key; it tells nothing of 32 random bytes."""
    return hashlib.sha256(b"louver record key\0" + key).hexdigest()[:32]


def record_keys(units: Iterable[str], type_: UnitType, key: bytes) -> NDArray[np.int64]:
    """The record keys of unit ids, in order, as signed 64-bit numbers.

    The unit type is part of what is hashed: a person and a firm with the same id text are different units.
    """
    start = hashlib.blake2b(key=key, digest_size=HASH_BYTES)
    start.update(f"{type_.value}\0".encode())
    copy = start.copy
    digests = bytearray()
    for unit in units:
        state = copy()
        state.update(unit.encode())
        digests += state.digest()
    return np.frombuffer(bytes(digests), dtype="<i8").astype(np.int64, copy=False)

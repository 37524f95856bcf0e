"""The secrets of the log's keys as files of an installation: 32 bytes each (RFC 8032), for the service's user alone.

`log.seed` signs. While a key hands over, its successor lies beside it as `log.next.seed` from before the log says so
until it takes the place of the former, which is gone then. So whoever signs finds the key that the log names in one
of the two at every moment, and a rotation that was cut off is finished or dropped by what the log says.
"""

from __future__ import annotations

import os
from pathlib import Path

from louver.transparency.note import VerifierKey
from louver_sandbox.audit.head import Ed25519Signer, Signer
from louver_sandbox.audit.keys import FindSigner

SEED = "log.seed"
NEXT = "log.next.seed"
SEED_BYTES = 32


def read(path: Path, origin: str) -> Ed25519Signer:
    """The key in a file. Raises OSError, ValueError for another number of bytes."""
    return Ed25519Signer.from_seed(origin, path.read_bytes())


def finder(folder: Path, origin: str) -> FindSigner:
    """Whoever has a key of the log, looked for in the folder when it is first needed."""

    def find(key: VerifierKey) -> Signer | None:
        # The successor first: if it is gone by now, it is the present one.
        for name in (NEXT, SEED):
            try:
                found = read(folder / name, origin)
            except (OSError, ValueError):
                continue
            if found.verifier_key == key:
                return found
        return None

    return find


def put_beside(folder: Path, seed: bytes) -> None:
    """Writes a successor's secret, on the disk when it returns, for whoever the present one is: an operator who is
    root must not take the key from the service. Raises OSError where that cannot be."""
    path = folder / NEXT
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        owned_like(descriptor, folder / SEED)
        file.write(seed)
        file.flush()
        os.fsync(file.fileno())
    _sync(folder)


def owned_like(descriptor: int, other: Path) -> None:
    """Gives an open file to the owner of another. Raises OSError."""
    owner, mine = other.stat(), os.fstat(descriptor)
    if (owner.st_uid, owner.st_gid) != (mine.st_uid, mine.st_gid):
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def settle(folder: Path, origin: str, newest: VerifierKey) -> bool:
    """Puts the successor in its place where the log has gone over to it, and drops it where it has not; whether it
    has."""
    path = folder / NEXT
    if not path.exists():
        return False
    taken = read(path, origin).verifier_key == newest
    if taken:
        path.replace(folder / SEED)
    else:
        path.unlink()
    _sync(folder)
    return taken


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

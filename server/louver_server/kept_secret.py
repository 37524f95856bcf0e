"""The installation's own key, under which second factors are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from louver.failures import Misused

BYTES: Final = 32


def read_secret(path: Path, random: Callable[[int], bytes]) -> bytes:
    """The key in a file that only its owner can read; made where there is none. Raises `Misused`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError:
        raise Misused(f"{path.name} cannot be written") from None
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(random(BYTES))
    try:
        found, mode = path.read_bytes(), path.stat().st_mode
    except OSError:
        raise Misused(f"{path.name} cannot be read") from None
    if len(found) != BYTES:
        raise Misused(
            f"{path.name} is not {BYTES} bytes long", "restore it: without it nobody's codes can be checked"
        )
    if mode & 0o077:
        raise Misused(f"{path.name} can be read by others", f"chmod 600 {path}")
    return found

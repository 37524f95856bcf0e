"""Tables of a model's ciphertexts, shifted to every slot, as files: made once for a model and read by every scorer.

A file is a batch in the bulk form: slot by slot, the lowest first, a model's ciphertexts as they were registered and
shifted by so many slots. What is in it is the institution's own, encrypted to its own key. A file that is not whole,
or is about other ciphertexts, is no table: then a scorer shifts as if there were none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from gmpy2 import mpz

from louver.scoring import layout
from louver.sealing import bulk
from louver.sealing.keys import PublicKey

ENDING: Final = ".table"
MOST_OPEN: Final = 256
"""Files that a scorer holds open, the newest: it can open none later."""


def path_of(folder: Path, digest: str) -> Path:
    """Where the table of the model of this digest lies."""
    return folder / f"{digest}{ENDING}"


def keep(folder: Path, digest: str, key: PublicKey, entries: Sequence[mpz]) -> None:
    """Writes a table, whole or not at all."""
    made = folder / f"{digest}.making"
    made.write_bytes(bulk.write(entries, key))
    os.replace(made, path_of(folder, digest))


class Kept:
    """The tables that are there when a process starts. Use it in a `with` statement."""

    def __init__(self, folder: Path) -> None:
        """Opens the files. What comes later is for processes that start later."""
        paths = sorted(folder.glob(f"*{ENDING}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        self._files: dict[str, BinaryIO] = {path.stem: path.open("rb") for path in paths[:MOST_OPEN]}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def of(self, digest: str, key: PublicKey, ciphertexts: Sequence[mpz]) -> list[mpz] | None:
        """The table of a model with these ciphertexts, slot by slot; None where there is none."""
        file = self._files.get(digest)
        if file is None:
            return None
        file.seek(0)
        try:
            header, body = bulk.read(file.read())
            entries = bulk.numbers(body, key.width)
        except bulk.Malformed:
            return None
        first = entries[: len(ciphertexts)]
        whole = len(entries) == layout.slots(key) * len(ciphertexts)
        return entries if header.kid == key.kid and whole and first == list(ciphertexts) else None

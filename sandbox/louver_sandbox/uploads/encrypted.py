"""Encrypted columns on their way in: each value admitted as a fresh ciphertext, all of them kept beside the table.

The table itself holds row numbers in their place, all that an engine needs to say which rows are in a group. The
ciphertexts are in a file of their own, in the bulk form (`louver.sealing.bulk`); only what multiplies them opens it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.types as kinds
from gmpy2 import mpz

from louver.sealing import bulk
from louver.sealing.ciphertexts import well_formed
from louver.sealing.columns import SCHEME
from louver.sealing.keys import PublicKey
from louver.sealing.uploading import METADATA, EncryptedColumn, NotEncrypted

ENDING: Final = ".sealed"
"""Of the file with a table's ciphertexts, named by the table's content."""

MOST: Final = 4_000_000
"""Encrypted values of one table: each is remembered by a digest until all are in."""

NO_KEY, FORM, DECLARED, ROWS, CIPHERTEXTS = "LVR-5301", "LVR-5011", "LVR-5012", "LVR-5013", "LVR-5014"
_REMEMBERED: Final = 16


class EncryptedRefused(Exception):
    """An encrypted column is refused: a code and its facts, none of which is about a value."""

    def __init__(self, code: str, **facts: str) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


def ciphertext_path(table: Path) -> Path:
    """Where the ciphertexts of the table at this path lie."""
    return table.with_suffix(ENDING)


def encrypted_columns(schema: pa.Schema, key: PublicKey | None) -> dict[int, EncryptedColumn]:
    """The encrypted columns of an upload, by their place; a binary column that does not say it is one is not among
    them.

    Raises:
        EncryptedRefused: LVR-5301 without a key, LVR-5012 for another key or a width that is not the key's.
    """
    found: dict[int, EncryptedColumn] = {}
    for place, item in enumerate(schema):
        if METADATA not in (item.metadata or {}):
            continue
        if key is None:
            raise EncryptedRefused(NO_KEY)
        try:
            column = EncryptedColumn.from_bytes(item.metadata[METADATA])
        except NotEncrypted:
            raise EncryptedRefused(DECLARED) from None
        if column.kid != key.kid or not kinds.is_fixed_size_binary(item.type) or item.type.byte_width != key.width:
            raise EncryptedRefused(DECLARED)
        found[place] = column
    return found


class Ciphertexts:
    """The ciphertexts of one table while it comes in: admitted row by row, written as they come."""

    def __init__(self, folder: Path, key: PublicKey, columns: Sequence[EncryptedColumn]) -> None:
        self._folder = folder
        self._key = key
        self._columns = columns
        self._body = (folder / "ciphertexts").open("xb")
        self._digest = hashlib.sha256()
        self._seen: set[bytes] = set()
        self._rows = 0

    def add(self, arrays: Sequence[pa.Array]) -> None:
        """The next rows, an array for each column.

        Raises:
            EncryptedRefused: LVR-5013 for too many, LVR-5014 where a value is missing, no ciphertext, a trivial one,
                or one that was there before.
        """
        rows = len(arrays[0])
        self._rows += rows
        if self._rows * len(self._columns) > MOST:
            raise EncryptedRefused(ROWS, limit=str(MOST // len(self._columns)))
        if any(array.null_count for array in arrays):
            raise EncryptedRefused(CIPHERTEXTS)
        cells = [_cells(array, self._key.width) for array in arrays]
        values = [cell for row in zip(*cells, strict=True) for cell in row]
        numbers = [mpz(int.from_bytes(value, "big")) for value in values]
        before = len(self._seen)
        self._seen.update(hashlib.blake2b(value, digest_size=_REMEMBERED).digest() for value in values)
        # Both are looked at whatever the other says: which of them it was is not told.
        sound, fresh = well_formed(numbers, self._key), len(self._seen) == before + len(values)
        if not sound or not fresh:
            raise EncryptedRefused(CIPHERTEXTS)
        body = b"".join(values)
        self._digest.update(body)
        self._body.write(body)

    def finish(self) -> Path:
        """The file of all ciphertexts, in the bulk form."""
        self._body.close()
        scales = tuple(column.scale for column in self._columns)
        made = self._folder / "table.sealed"
        with made.open("xb") as file, open(self._body.name, "rb") as body:
            file.write(bulk.head(bulk.Header(self._key.kid, SCHEME, self._rows, scales, self._digest.hexdigest())))
            shutil.copyfileobj(body, file, 1 << 20)
        return made

    def close(self) -> None:
        """Lets go of the file, whatever became of it."""
        self._body.close()


def _cells(array: Any, width: int) -> list[bytes]:
    whole = pa.concat_arrays([array])  # a copy without offset
    content = memoryview(whole.buffers()[1])
    start = whole.offset * width
    return [bytes(content[at : at + width]) for at in range(start, start + len(whole) * width, width)]

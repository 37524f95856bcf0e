"""Sealed columns of an answer: how an Arrow field says that its cells are ciphertexts, and of what.

A sealed column is of fixed-size binary, as wide as a ciphertext, and null where the cell is NULL or withheld. Its
field's metadata names scheme, key and the type that its cells had, so that an answer's bytes, and with them the
digest in the log and in the receipt, say to whom they are sealed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

SCHEME = "paillier"
"""The one way to seal that there is."""

METADATA = b"louver.seal"
KINDS = ("integer", "decimal", "boolean")
"""Types whose cells are integers: themselves, in units of their scale, and 0 or 1."""

DIGITS = 38
MOST = {"integer": 2**63 - 1, "decimal": 10**DIGITS - 1, "boolean": 1}
"""The largest number of each type; a cell that opens to another was not sealed as one of it."""


class NotAMark(ValueError):
    """The metadata of a field are not of this form."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a sealed column's field says: the key's id, the type its cells had, and a decimal's scale."""

    kid: str
    kind: str
    scale: int = 0
    scheme: str = SCHEME

    def to_bytes(self) -> bytes:
        """As the field's metadata hold it: the same bytes for the same mark."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Mark:
        """Raises ``NotAMark``."""
        try:
            fields: Any = json.loads(content)
            mark = cls(**fields)
        except (ValueError, TypeError, RecursionError):
            raise NotAMark("not a mark of a sealed column") from None
        scaled = type(mark.scale) is int and 0 <= mark.scale <= DIGITS and (mark.kind == "decimal" or mark.scale == 0)
        if mark.scheme != SCHEME or mark.kind not in KINDS or not scaled or not isinstance(mark.kid, str):
            raise NotAMark("not a mark of a sealed column")
        return mark

    def holds(self, number: int) -> bool:
        """Whether an integer can be a cell of the type."""
        least = {"integer": -MOST["integer"] - 1, "boolean": 0}.get(self.kind, -MOST[self.kind])
        return bool(least <= number <= MOST[self.kind])

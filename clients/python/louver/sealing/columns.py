"""Sealed columns of an answer: how an Arrow field says that its cells are ciphertexts, and of what.

A sealed column is of fixed-size binary, as wide as a ciphertext, and null where the cell is NULL or withheld. Its
field's metadata names scheme, key and the type that its cells had, so that an answer's bytes, and with them the
digest in the log and in the receipt, say to whom they are sealed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

SCHEME = "paillier"
"""One number of the platform's own in each cell."""

WINDOWED = "paillier-window"
"""A number computed from the institution's ciphertexts: only its last bits mean anything (CRYPTO 5.0)."""

MOST_WINDOW = 128

METADATA = b"louver.seal"
KINDS = ("integer", "decimal", "boolean", "double")
"""Types whose cells are integers: themselves, in units of their scale, 0 or 1, or for doubles in units of 2^-1074."""

DOUBLE_BITS = 1074
"""Every double is a whole number of times the smallest one above zero, 2^-1074; so none is rounded, all have one
scale, and sums of ciphertexts are those of the numbers."""

DIGITS = 38
MOST = {"integer": 2**63 - 1, "decimal": 10**DIGITS - 1, "boolean": 1}
"""The largest number of each type; a cell that opens to another was not sealed as one of it."""


class NotAMark(ValueError):
    """The metadata of a field are not of this form."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a sealed column's field says: the key's id, the type its cells had, and a decimal's scale.

    Of a windowed column also how many bits of a plaintext count, what its number is divided by, how many decimal
    places the number before that stands for, and whether each cell has a second ciphertext to divide by.
    """

    kid: str
    kind: str
    scale: int = 0
    scheme: str = SCHEME
    window: int = 0
    over: int = 1
    digits: int = 0
    divided: bool = False

    def to_bytes(self) -> bytes:
        """As the field's metadata hold it: the same bytes for the same mark."""
        fields = asdict(self)
        if self.scheme == SCHEME:
            fields = {name: fields[name] for name in ("kid", "kind", "scale", "scheme")}
        return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Mark:
        """Raises ``NotAMark``."""
        try:
            fields: Any = json.loads(content)
            mark = cls(**fields)
        except (ValueError, TypeError, RecursionError):
            raise NotAMark("not a mark of a sealed column") from None
        scaled = type(mark.scale) is int and 0 <= mark.scale <= DIGITS and (mark.kind == "decimal" or mark.scale == 0)
        known = mark.scheme in (SCHEME, WINDOWED) and mark.kind in KINDS and isinstance(mark.kid, str)
        if not known or not scaled or not mark._windowed():
            raise NotAMark("not a mark of a sealed column")
        return mark

    def _windowed(self) -> bool:
        """Whether what is said of a window can be."""
        if self.scheme == SCHEME:
            return (self.window, self.over, self.digits, self.divided) == (0, 1, 0, False)
        whole = all(type(number) is int for number in (self.window, self.over, self.digits))
        sound = 0 < self.window <= MOST_WINDOW and self.over > 0 and 0 <= self.digits <= self.scale
        return whole and isinstance(self.divided, bool) and sound and self.kind in ("integer", "decimal")

    def opened(self, number: int, by: int = 1) -> int:
        """A windowed number as the column has it: divided, and rounded half away from zero. ValueError for 0."""
        dividend: int = number * 10 ** (self.scale - self.digits)
        divisor = self.over * by
        if divisor <= 0:
            raise ValueError("nothing to divide by")
        rounded: int = (2 * abs(dividend) + divisor) // (2 * divisor)
        return rounded if dividend >= 0 else -rounded

    def holds(self, number: int) -> bool:
        """Whether an integer can be a cell of the type."""
        if self.kind == "double":
            return _is_double(number)
        least = {"integer": -MOST["integer"] - 1, "boolean": 0}.get(self.kind, -MOST[self.kind])
        return bool(least <= number <= MOST[self.kind])


def of_double(value: float) -> int:
    """A double as the integer that is sealed. ValueError for one that is no number."""
    if not isfinite(value):
        raise ValueError("not a number")
    numerator, denominator = value.as_integer_ratio()
    return (numerator << DOUBLE_BITS) // denominator


def to_double(number: int) -> float:
    """The double that an integer stands for, exactly. ValueError for one that stands for none."""
    if not _is_double(number):
        raise ValueError("no double is so large, or has so many digits")
    return float(Fraction(number, 1 << DOUBLE_BITS))


def _is_double(number: int) -> bool:
    size = abs(number)
    bits, zeros = size.bit_length(), (size & -size).bit_length() - 1
    # 53 bits that count, the highest of them below 2^1024.
    return not size or (bits <= DOUBLE_BITS + 1024 and bits - zeros <= 53)

"""The ends of a sealed column's intervals: texts of one length, packed into a few Paillier plaintexts.

An end in clear would tell the number beside it. Nothing is computed with ends, so they share plaintexts as no number
does: each is 44 characters of four bits, and a plaintext holds as many bytes as the key has room for. How many
ciphertexts there are follows from the number of rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from louver.sealing.keys import PublicKey

ALPHABET = "0123456789+-.eE "
"""What decimal text is made of; the last fills an end up."""

CHARACTERS = 44
"""More than any number of 38 digits has, or any double."""

_END = CHARACTERS // 2
_DIGITS = {character: f"{place:x}" for place, character in enumerate(ALPHABET)}


class NotEnds(ValueError):
    """Numbers that hold no ends of so many intervals."""


def room(key: PublicKey) -> int:
    """How many bytes a plaintext holds: below a third of the modulus, as every number has to be."""
    return (key.bits - 3) // 8


def packed(lows: Sequence[str], highs: Sequence[str], bytes_each: int) -> list[int]:
    """The plaintexts of the ends of a column, row by row. An end that is no decimal text of the length leaves its
    row without an interval. ValueError unless there are as many of each."""
    content = b"".join(
        _bytes(low) + _bytes(high) if _fits(low) and _fits(high) else _bytes("") * 2
        for low, high in zip(lows, highs, strict=True)
    )
    padded = content + b"\xff" * (-len(content) % bytes_each)
    return [int.from_bytes(padded[at : at + bytes_each], "big") for at in range(0, len(padded), bytes_each)]


def unpacked(numbers: Sequence[int], rows: int, bytes_each: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lower and the upper ends of so many rows. Raises ``NotEnds``."""
    if len(numbers) != blocks(rows, bytes_each) or not all(0 <= each < 256**bytes_each for each in numbers):
        raise NotEnds("not the ends of so many rows")
    content = b"".join(each.to_bytes(bytes_each, "big") for each in numbers)
    texts = [_text(content[at : at + _END]) for at in range(0, 2 * rows * _END, _END)]
    return tuple(texts[::2]), tuple(texts[1::2])


def blocks(rows: int, bytes_each: int) -> int:
    """How many plaintexts the ends of so many rows take."""
    return -(-2 * rows * _END // bytes_each)


def _fits(text: str) -> bool:
    return len(text) <= CHARACTERS and all(character in _DIGITS for character in text)


def _bytes(text: str) -> bytes:
    return bytes.fromhex("".join(_DIGITS[character] for character in text.ljust(CHARACTERS)))


def _text(content: bytes) -> str:
    return "".join(ALPHABET[int(digit, 16)] for digit in content.hex()).rstrip()

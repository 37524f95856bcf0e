"""Ciphertexts in bulk: one header and then numbers of one width, a fraction of the bytes and the time of JSON.

``LVRSEAL1``, four bytes with the header's length, the header as JSON, and the ciphertexts row by row, big endian.
The header names the key, the scheme, how many rows and columns there are, the decimal scale of each column and the
SHA-256 of what follows. The exponent is 0 by definition: a scale is a fact beside the ciphertexts, never a power of
16 to compute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gmpy2 import mpz

from louver.sealing.columns import SCHEME
from louver.sealing.keys import PublicKey

MAGIC = b"LVRSEAL1"
LONGEST_HEADER = 64 * 1024
MOST_COLUMNS = 256
MOST_ROWS = 100_000_000
MOST_SCALE = 38


class Malformed(ValueError):
    """The bytes are no batch: cut off, longer than they say, or with a header that is not of its form."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the ciphertexts. ``digest`` is the SHA-256 in hex of all of them."""

    kid: str
    scheme: str
    rows: int
    scales: tuple[int, ...]
    digest: str


def write(ciphertexts: Sequence[mpz], key: PublicKey, scales: tuple[int, ...] = (0,)) -> bytes:
    """A batch of rows with as many ciphertexts each as there are scales. ValueError for rows that are not whole."""
    rows, rest = divmod(len(ciphertexts), len(scales))
    if rest:
        raise ValueError("a row has a ciphertext for each column")
    body = b"".join(int(ciphertext).to_bytes(key.width, "big") for ciphertext in ciphertexts)
    return head(Header(key.kid, SCHEME, rows, scales, hashlib.sha256(body).hexdigest())) + body


def head(header: Header) -> bytes:
    """What stands before the ciphertexts."""
    told = json.dumps(asdict(header), separators=(",", ":"), sort_keys=True).encode()
    return MAGIC + len(told).to_bytes(4, "big") + told


def begin(content: bytes) -> tuple[Header, int]:
    """The header of a batch whose first bytes these are, and where its ciphertexts begin. Raises ``Malformed``."""
    at = len(MAGIC) + 4
    size = int.from_bytes(content[len(MAGIC) : at], "big")
    if not content.startswith(MAGIC) or len(content) < at + size or size > LONGEST_HEADER:
        raise Malformed("not a batch of sealed numbers")
    return _header(content[at : at + size]), at + size


def read(content: bytes) -> tuple[Header, memoryview]:
    """The header and the ciphertexts' bytes, whose digest is the one told. Raises ``Malformed``."""
    header, start = begin(content)
    body = memoryview(content)[start:]
    if hashlib.sha256(body).hexdigest() != header.digest:
        raise Malformed("the sealed numbers are not those their header tells of")
    return header, body


def numbers(body: memoryview, width: int) -> list[mpz]:
    """The ciphertexts in these bytes, each so wide. Raises ``Malformed`` for a last one that is cut off."""
    if width < 1 or len(body) % width:
        raise Malformed("the last sealed number is cut off")
    return [mpz(int.from_bytes(body[at : at + width], "big")) for at in range(0, len(body), width)]


def _header(told: bytes) -> Header:
    try:
        fields: Any = json.loads(told)
        header = Header(**{**fields, "scales": tuple(fields["scales"])})
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Malformed("the header is not of its form") from None
    texts = all(isinstance(text, str) and text.isascii() for text in (header.kid, header.scheme, header.digest))
    counts = type(header.rows) is int and 0 <= header.rows <= MOST_ROWS and 0 < len(header.scales) <= MOST_COLUMNS
    if not (texts and counts and all(type(scale) is int and 0 <= scale <= MOST_SCALE for scale in header.scales)):
        raise Malformed("the header is not of its form")
    return header

"""A list as the platform gives it out: sealed entries that open only with the token of their subject.

    header, as one line of JSON
    record, record, ...      sorted: 16 bytes of label, then the sealed entry

Label and key of a record follow from the subject's token (HMAC-SHA-256), the entry is sealed with AES-256-GCM under a
key that is used once. The records are filled up with dummies to a power of two, all of one length; without the token
a record and a dummy are alike. The SHA-256 of the whole is what the log and every receipt commit to.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from louver.errors import Unproven
from louver.matching.oprf import SUITE

FORMAT = 1
LABEL_BYTES = 16
TAG_BYTES = 16
STEP = 64
"""Entries are filled up to multiples of so many bytes, the longest deciding for all."""
LARGEST_ENTRY = 8192
LEAST_RECORDS = 1024
_NONCE = bytes(12)
_LONGEST_HEADER = 4096


@dataclass(frozen=True)
class SetHeader:
    """What a set is: the list on a day, its key, how many records of how many bytes (labels and tags not counted).

    ``edition`` is the SHA-256 of everything that decides its content but the key; ``day`` is the day in Beijing on
    which its entries are in force.
    """

    edition: str
    list: str
    day: str
    public_key: str
    columns: tuple[str, ...]
    records: int
    entry_bytes: int
    suite: str = SUITE
    format: int = FORMAT


Row = Mapping[str, Any]
"""What a list says of a subject in one entry: text, numbers as text, dates as ISO 8601, lists of texts."""


def label_and_key(token: bytes, edition: str) -> tuple[bytes, bytes]:
    """Where the record of a subject with this token lies, and what it is sealed with."""
    said = edition.encode()
    label = hmac.digest(token, b"louver set label\0" + said, "sha256")[:LABEL_BYTES]
    return label, hmac.digest(token, b"louver set key\0" + said, "sha256")


def seal(rows: Sequence[Row]) -> bytes:
    """A subject's rows as text, before they are filled up and sealed."""
    return json.dumps([dict(row) for row in rows], ensure_ascii=False, separators=(",", ":")).encode()


def record(token: bytes, content: bytes, edition: str, entry_bytes: int) -> bytes:
    """A whole record. ``content`` has at most ``entry_bytes`` less four bytes."""
    label, key = label_and_key(token, edition)
    filled = (len(content).to_bytes(4, "big") + content).ljust(entry_bytes, b"\0")
    return label + AESGCM(key).encrypt(_NONCE, filled, label)


def write(header: SetHeader, records: Sequence[bytes]) -> bytes:
    """The set as bytes; ``records`` in any order, dummies among them."""
    head = json.dumps(asdict(header), ensure_ascii=False, sort_keys=True).encode() + b"\n"
    return head + b"".join(sorted(records))


class MatchSet:
    """A set that was received whole. ``digest`` is its SHA-256 in hex."""

    def __init__(self, content: bytes) -> None:
        """Reads a set. Raises ``Unproven`` for what is none."""
        self.digest = hashlib.sha256(content).hexdigest()
        line, separator, _ = content[:_LONGEST_HEADER].partition(b"\n")
        try:
            fields = json.loads(line)
            fields["columns"] = tuple(fields["columns"])
            self.header = SetHeader(**fields)
            self._size = LABEL_BYTES + self.header.entry_bytes + TAG_BYTES
            self._body = memoryview(content)[len(line) + 1 :]
            whole = separator and self.header.records * self._size == len(self._body)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _no_set() from None
        if not whole or self.header.format != FORMAT or self.header.suite != SUITE:
            raise _no_set()

    def __len__(self) -> int:
        return self.header.records

    def _label(self, place: int) -> bytes:
        start = place * self._size
        return bytes(self._body[start : start + LABEL_BYTES])

    def rows(self, token: bytes) -> tuple[Row, ...]:
        """What the list says of the subject with this token; empty where it is not on it.

        Raises ``Unproven`` for a record that is there and does not open: the set is not what its header says.
        """
        label, key = label_and_key(token, self.header.edition)
        place = bisect_left(range(len(self)), label, key=self._label)
        if place == len(self) or self._label(place) != label:
            return ()
        start = place * self._size + LABEL_BYTES
        return self._read(bytes(self._body[start : start + self._size - LABEL_BYTES]), label, key)

    @property
    def record_bytes(self) -> int:
        """How long each record is."""
        return self._size

    def opened(self, records: bytes, tokens: Iterable[bytes]) -> Mapping[bytes, tuple[Row, ...]]:
        """What records that came apart, in this set's form, say of the subjects with these tokens, by token.

        Raises ``Unproven`` for one that has a token's label and does not open with it.
        """
        held = {
            records[start : start + LABEL_BYTES]: records[start + LABEL_BYTES : start + self._size]
            for start in range(0, len(records), self._size)
        }
        if not held:
            return {}
        found = {}
        for token in tokens:
            label, key = label_and_key(token, self.header.edition)
            if (sealed := held.get(label)) is not None:
                found[token] = self._read(sealed, label, key)
        return found

    def _read(self, sealed: bytes, label: bytes, key: bytes) -> tuple[Row, ...]:
        try:
            filled = AESGCM(key).decrypt(_NONCE, sealed, label)
            content = filled[4 : 4 + int.from_bytes(filled[:4], "big")]
            return tuple(dict(row) for row in json.loads(content))
        except (InvalidTag, ValueError, TypeError):
            raise Unproven("a record of the list's set does not open with its token", b"") from None


def _no_set() -> Unproven:
    return Unproven("what came as the list's set is none, or was cut off", b"")

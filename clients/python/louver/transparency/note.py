"""Signed notes: text with signature lines, C2SP signed-note (c2sp.org/signed-note).

    <text, ending in a newline>
    <empty line>
    — <key name> <base64 of 4 bytes key id and the signature>

A verifier key is written ``<name>+<key id, 8 hex digits>+<base64 of 0x01 and the 32-byte Ed25519 key>``, the form
used by the Go checksum database and the tools around it. Only signature type 0x01, Ed25519, is verified here;
signatures by other keys are ignored, as the format demands, so that witnesses and new keys can be added.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from louver.errors import Unproven

ED25519 = b"\x01"
"""The signature type byte of Ed25519 (signed-note, "Signature types")."""

MAX_NOTE_BYTES = 1 << 20
"""No honest checkpoint comes near this; it bounds what a hostile one costs."""

MAX_SIGNATURES = 64
"""The format asks for at least 16."""

_DASH = "\u2014 "
_MAX_DECIMAL = 1 << 63


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes that name an Ed25519 key in a signature line (signed-note, "Ed25519 signatures")."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def decode_base64(text: str) -> bytes:
    """Standard base 64 (RFC 4648, 4) in its one canonical spelling. Raises ``Unproven``."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Unproven("not base 64", text.encode(errors="replace")) from None
    if base64.b64encode(data).decode() != text:
        raise Unproven("base 64 in an unusual spelling", text.encode())
    return data


def parse_decimal(text: str) -> int:
    """A decimal number in its one spelling: ASCII digits, no leading zeroes. Raises ``Unproven``."""
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0") or len(text) > 19:
        raise Unproven("not a decimal number without leading zeroes", text.encode(errors="replace"))
    number = int(text)
    if number >= _MAX_DECIMAL:
        raise Unproven("a number beyond 63 bits", text.encode())
    return number


def check_key_name(name: str) -> None:
    """Refuse an empty name, spaces and plus signs (signed-note, "Format"). Raises ``Unproven``."""
    if not name or "+" in name or any(character.isspace() or ord(character) < 0x20 for character in name):
        raise Unproven("a key name must not be empty nor hold spaces or plus signs", name.encode(errors="replace"))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public Ed25519 key and the name it signs under."""

    name: str
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read ``name+id+key``. Raises ``Unproven`` when it is not such a key or the id does not fit it."""
        evidence = text.encode(errors="replace")
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Unproven("a verifier key has the form name+id+key", evidence)
        name, identifier, encoded = parts
        check_key_name(name)
        data = decode_base64(encoded)
        if len(data) != 33 or data[:1] != ED25519:
            raise Unproven("the verifier key is not an Ed25519 key", evidence)
        if key_id(name, data[1:]).hex() != identifier:
            raise Unproven("the verifier key's id does not belong to its name and key", evidence)
        return cls(name, data[1:])

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.public_key)

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.public_key).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says to have signed, and the signature."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        encoded = base64.b64encode(self.key_id + self.signature).decode()
        return f"{_DASH}{self.name} {encoded}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a line without its newline. Raises ``Unproven``."""
        name, separator, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not separator:
            raise Unproven("a signature line must read: dash, key name, signature", line.encode())
        check_key_name(name)
        data = decode_base64(encoded)
        if len(data) <= 4:
            raise Unproven("a signature line without a signature", line.encode())
        return cls(name, data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """Text and the signatures that came with it. The text means nothing until ``verify`` has returned."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Read a signed note. Raises ``Unproven`` when it is not well formed."""
        if len(data) > MAX_NOTE_BYTES:
            raise Unproven(f"a note of more than {MAX_NOTE_BYTES} bytes", data[:256])
        try:
            note = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Unproven("the note is not UTF-8", data) from None
        if any(ord(character) < 0x20 and character != "\n" for character in note):
            raise Unproven("the note holds control characters", data)
        text, separator, block = note.rpartition("\n\n")
        if not separator or not block.endswith("\n"):
            raise Unproven("the note has no signatures", data)
        lines = block.removesuffix("\n").split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise Unproven(f"a note with more than {MAX_SIGNATURES} signatures", data)
        return cls(text + "\n", tuple(Signature.parse(line) for line in lines))

    def to_bytes(self) -> bytes:
        return (self.text + "\n" + "".join(signature.line() for signature in self.signatures)).encode()

    def verify(self, key: VerifierKey) -> str:
        """The text, once ``key`` is known to have signed it. Raises ``Unproven``.

        A bad signature under this key's name and id fails the note even if a good one follows, as the format
        advises: nobody honest makes such a note.
        """
        mine = [
            item for item in self.signatures if item.name == key.name and hmac.compare_digest(item.key_id, key.id)
        ]
        if not mine:
            raise Unproven(f"no signature by {key.name} ({key.id.hex()})", self.to_bytes())
        for item in mine:
            try:
                Ed25519PublicKey.from_public_bytes(key.public_key).verify(item.signature, self.text.encode())
            except (InvalidSignature, ValueError):
                raise Unproven(f"the signature by {key.name} ({key.id.hex()}) is wrong", self.to_bytes()) from None
        return self.text

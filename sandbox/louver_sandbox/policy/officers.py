"""Policy officers: their names, keys and departments, and whose signatures over a text hold.

The trusted officers are a file of their own, kept by the operator outside of any bundle: a bundle cannot name who may
sign it. Whoever is struck out of it has signed nothing any more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from louver_sandbox.policy.bundle import BundleRefused

EVERY_DEPARTMENT = "*"
"""The department of a development officer, who may sign for all."""


@dataclass(frozen=True, slots=True)
class Officer:
    """A policy officer's name, Ed25519 public key (32 raw bytes) and department."""

    name: str
    public_key: bytes
    department: str = EVERY_DEPARTMENT


@dataclass(frozen=True, slots=True)
class Signature:
    """One officer's signature (64 bytes)."""

    officer: str
    signature: bytes


def serves(officer: Officer, department: str) -> bool:
    """Whether the officer may sign for this department."""
    return officer.department in (EVERY_DEPARTMENT, department)


def sign(context: bytes, content: bytes, officer: str, key: Ed25519PrivateKey) -> Signature:
    """An officer's signature over the content in its context."""
    return Signature(officer, key.sign(context + content))


def signers(
    message: bytes, signatures: Sequence[Signature], officers: Sequence[Officer]
) -> tuple[tuple[Officer, ...], list[str]]:
    """The trusted officers whose signatures hold, each key once, and why the other signatures do not count."""
    trusted: Mapping[str, Officer] = {officer.name: officer for officer in officers}
    held: dict[bytes, Officer] = {}
    reasons: list[str] = []
    for item in signatures:
        officer = trusted.get(item.officer)
        if officer is None:
            reasons.append(f"{item.officer!r} is not a trusted officer")
        elif not _holds(officer, item, message):
            reasons.append(f"the signature of {item.officer!r} does not hold")
        elif officer.public_key in held:
            reasons.append(f"{item.officer!r} signed with a key that has signed already")
        else:
            held[officer.public_key] = officer
    return tuple(held.values()), reasons


def _holds(officer: Officer, item: Signature, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(officer.public_key).verify(item.signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def make_officer(
    name: str, randomness: Callable[[int], bytes], department: str = EVERY_DEPARTMENT
) -> tuple[Officer, Ed25519PrivateKey]:
    """A new officer and the private key, from 32 bytes of the given randomness (`os.urandom` in use)."""
    key = Ed25519PrivateKey.from_private_bytes(randomness(32))
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Officer(name, raw, department), key


def officers_text(officers: Sequence[Officer]) -> bytes:
    """The trusted officers as the JSON that `parse_officers` reads."""
    rows = [
        {
            "department": item.department,
            "officer": item.name,
            "public_key": base64.b64encode(item.public_key).decode(),
        }
        for item in officers
    ]
    return bytes(rfc8785.dumps(rows))


def parse_officers(text: bytes) -> tuple[Officer, ...]:
    """Trusted officers from their JSON. Raises BundleRefused when malformed or when two share a name."""
    officers = tuple(_officers(text))
    if len({officer.name for officer in officers}) != len(officers):
        raise BundleRefused(("two officers have the same name",))
    return officers


def _officers(text: bytes) -> Iterator[Officer]:
    malformed = BundleRefused(("not a list of officers with name, public key and department",))
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise malformed from wrong
    for row in rows if isinstance(rows, list) else [None]:
        if not isinstance(row, dict) or row.keys() != {"officer", "public_key", "department"}:
            raise malformed
        if not all(isinstance(value, str) and value for value in row.values()):
            raise malformed
        try:
            yield Officer(row["officer"], base64.b64decode(row["public_key"], validate=True), row["department"])
        except ValueError as wrong:
            raise malformed from wrong

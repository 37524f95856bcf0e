"""An officer's key in a PKCS#11 token (OASIS PKCS #11 3.0): it signs there and cannot be copied out.

Needs `louver[hsm]`. The mechanism is EdDSA over Ed25519, as the sandbox verifies it; a token without it cannot serve.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from louver.failures import Misused

ED25519: Final = bytes.fromhex("06032b6570")
"""The curve by its object identifier, 1.3.101.112 (RFC 8410), in DER."""
RAW: Final = 32
"""Bytes of a public key; tokens give it bare or in an octet string."""


@dataclass(frozen=True, slots=True)
class Token:
    """Where an officer's key is: the token's own library, its label, and the number that opens it."""

    module: Path
    label: str
    pin: str


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key that is in a token. Signs as `Ed25519PrivateKey` does."""

    key: Any

    def sign(self, message: bytes) -> bytes:
        """The signature (RFC 8032)."""
        from pkcs11 import Mechanism

        signed: bytes = self.key.sign(message, mechanism=Mechanism.EDDSA)
        return signed


@contextmanager
def token_key(token: Token, label: str) -> Iterator[TokenKey]:
    """The key of a label, while the token is open. Raises `Misused`."""
    with _session(token, writing=False) as session:
        from pkcs11 import Attribute, KeyType, ObjectClass

        wanted = {Attribute.LABEL: label, Attribute.CLASS: ObjectClass.PRIVATE_KEY}
        found = list(session.get_objects(wanted))
        if len(found) != 1 or found[0].key_type is not KeyType.EC_EDWARDS:
            raise Misused(f"the token has no one Ed25519 key {label!r}", "`louver policy key` makes one in the token")
        yield TokenKey(found[0])


def new_token_key(token: Token, label: str, officer: str, department: str) -> Mapping[str, str]:
    """Makes a key in the token that never leaves it; the officer's row for `officers.json`. Raises `Misused`."""
    with _session(token, writing=True) as session:
        from pkcs11 import Attribute, KeyType, Mechanism

        if next(iter(session.get_objects({Attribute.LABEL: label})), None) is not None:
            raise Misused(f"the token has a key {label!r} already")
        curve = session.create_domain_parameters(
            KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519}, local=True
        )  # fmt: skip
        public, _ = curve.generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label=label,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
        point = bytes(public[Attribute.EC_POINT])[-RAW:]
    return {"department": department, "officer": officer, "public_key": base64.b64encode(point).decode()}


@contextmanager
def _session(token: Token, *, writing: bool) -> Iterator[Any]:
    try:
        import pkcs11
        from pkcs11.exceptions import PKCS11Error
    except ImportError:
        raise Misused("a PKCS#11 token needs python-pkcs11", "pip install 'louver[hsm]'") from None
    try:
        found = pkcs11.lib(str(token.module)).get_token(token_label=token.label)
        with found.open(rw=writing, user_pin=token.pin) as session:
            yield session
    except (PKCS11Error, RuntimeError, OSError) as wrong:
        # Their names are those of the standard, such as PinIncorrect; a file that is no library fails at loading.
        raise Misused(
            f"the token does not serve: {type(wrong).__name__}", "is the module, label and PIN right?"
        ) from None

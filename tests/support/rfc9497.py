"""RFC 9497 (ristretto255-SHA512, mode VOPRF) written from its text over libsodium's group: the second implementation.

Slow and plain on purpose; tests compare the product's library with it. Section numbers are the RFC's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import rbcl

CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"
ORDER = 2**252 + 27742317777372353535851937790883648493


def expanded(message: bytes, tag: bytes, size: int = 64) -> bytes:
    """expand_message_xmd of RFC 9380 section 5.3.1 with SHA-512."""
    suffix = tag + bytes([len(tag)])
    first = hashlib.sha512(bytes(128) + message + size.to_bytes(2, "big") + b"\0" + suffix).digest()
    block = hashlib.sha512(first + b"\x01" + suffix).digest()
    return block[:size]


def to_group(message: bytes, tag: bytes = b"HashToGroup-" + CONTEXT) -> bytes:
    return bytes(rbcl.crypto_core_ristretto255_from_hash(expanded(message, tag)))


def to_scalar(message: bytes, tag: bytes = b"HashToScalar-" + CONTEXT) -> int:
    return int.from_bytes(expanded(message, tag), "little") % ORDER


def times(scalar: int, element: bytes) -> bytes:
    return bytes(rbcl.crypto_scalarmult_ristretto255((scalar % ORDER).to_bytes(32, "little"), element))


def base_times(scalar: int) -> bytes:
    return bytes(rbcl.crypto_scalarmult_ristretto255_base((scalar % ORDER).to_bytes(32, "little")))


def plus(left: bytes, right: bytes) -> bytes:
    return bytes(rbcl.crypto_core_ristretto255_add(left, right))


def derived_key(seed: bytes, info: bytes) -> int:
    """DeriveKeyPair, section 3.2.1."""
    given = seed + len(info).to_bytes(2, "big") + info
    for counter in range(256):
        if scalar := to_scalar(given + bytes([counter]), b"DeriveKeyPair" + CONTEXT):
            return scalar
    raise AssertionError("no key")


def prefixed(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def finished(value: bytes, unblinded: bytes) -> bytes:
    """The hash that ends Finalize, section 3.3.1."""
    return hashlib.sha512(prefixed(value) + prefixed(unblinded) + b"Finalize").digest()


def token(secret: int, value: bytes) -> bytes:
    """Evaluate of section 3.3.2: input to output by whoever holds the key."""
    return finished(value, times(secret, to_group(value)))


def blinded(value: bytes, blind: int) -> bytes:
    """Blind, section 3.3.1."""
    return times(blind, to_group(value))


def finalized(value: bytes, blind: int, evaluated: bytes) -> bytes:
    """Finalize of section 3.3.2 without the proof."""
    return finished(value, times(pow(blind, -1, ORDER), evaluated))


def composites(public: bytes, before: Sequence[bytes], after: Sequence[bytes]) -> tuple[bytes, bytes]:
    """ComputeComposites of section 2.2.2."""
    seed = hashlib.sha512(prefixed(public) + prefixed(b"Seed-" + CONTEXT)).digest()
    weights = [
        to_scalar(prefixed(seed) + index.to_bytes(2, "big") + prefixed(c) + prefixed(d) + b"Composite")
        for index, (c, d) in enumerate(zip(before, after, strict=True))
    ]
    return _weighted(weights, before), _weighted(weights, after)


def challenge_of(public: bytes, m: bytes, z: bytes, t2: bytes, t3: bytes) -> int:
    """The challenge of a proof."""
    return to_scalar(b"".join(map(prefixed, (public, m, z, t2, t3))) + b"Challenge")


def proof_of(secret: int, before: Sequence[bytes], after: Sequence[bytes], random: int) -> bytes:
    """GenerateProof of section 2.2.1 over a batch, with this random scalar."""
    public = base_times(secret)
    m, z = composites(public, before, after)
    challenge = challenge_of(public, m, z, base_times(random), times(random, m))
    response = (random - challenge * secret) % ORDER
    return challenge.to_bytes(32, "little") + response.to_bytes(32, "little")


def proof_holds(public: bytes, before: Sequence[bytes], after: Sequence[bytes], proof: bytes) -> bool:
    """VerifyProof of section 2.2.2 over a batch."""
    m, z = composites(public, before, after)
    challenge, response = (int.from_bytes(proof[start : start + 32], "little") for start in (0, 32))
    t2 = plus(base_times(response), times(challenge, public))
    t3 = plus(times(response, m), times(challenge, z))
    return challenge_of(public, m, z, t2, t3) == challenge


def _weighted(weights: Sequence[int], elements: Sequence[bytes]) -> bytes:
    total = times(weights[0], elements[0])
    for weight, element in zip(weights[1:], elements[1:], strict=True):
        total = plus(total, times(weight, element))
    return total

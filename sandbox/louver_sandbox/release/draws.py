"""Noise that was drawn for a sealed answer, kept so that the same question under another key shows the same numbers.

A sealed release is in clear nowhere, so it cannot be given to whoever has another key. Drawn anew it would tell the
exact numbers better than was paid for, or would have to be paid for again. So what was drawn is kept, encrypted under
a key that follows from the releaser's secret, with a digest of the exact numbers that it was added to: added to any
other numbers it would tell their difference. Who has the secret, what is kept and an opened answer has exact numbers;
the same is true of the noise that thresholds draw by that secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.stages import Execution

_NONCE, _DIGEST = 12, 32
_LEAST = 4096


class DrawsUnfit(Exception):
    """What was kept is not of this question, or not of these exact numbers: nothing may leave with it."""


class Remembering:
    """Draws from a sampler and keeps every number, in order."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._drawn: list[int] = []

    def discrete_laplace(self, scale: Fraction, draws: int) -> Sequence[int]:
        return self._kept(self._sampler.discrete_laplace(scale, draws))

    def discrete_gaussian(self, scale: Fraction, draws: int) -> Sequence[int]:
        return self._kept(self._sampler.discrete_gaussian(scale, draws))

    def _kept(self, drawn: Sequence[int]) -> Sequence[int]:
        self._drawn += drawn
        return drawn

    def sealed(self, execution: Execution, question: str, secret: bytes, randomness: Callable[[int], bytes]) -> bytes:
        """What is kept. Its length tells a power of two and neither numbers nor how many groups there are."""
        drawn = struct.pack(f"<Q{len(self._drawn)}q", len(self._drawn), *self._drawn)
        content = _digest(execution, secret) + drawn
        size = _LEAST
        while size < len(content):
            size *= 2
        nonce = randomness(_NONCE)
        return nonce + AESGCM(_key(secret)).encrypt(nonce, content.ljust(size, b"\0"), question.encode())


class Repeated:
    """Gives the numbers that were drawn before, in the same order."""

    def __init__(self, drawn: Sequence[int]) -> None:
        self._drawn = list(drawn)
        self._given = 0

    def discrete_laplace(self, scale: Fraction, draws: int) -> Sequence[int]:
        return self._next(draws)

    def discrete_gaussian(self, scale: Fraction, draws: int) -> Sequence[int]:
        return self._next(draws)

    def _next(self, draws: int) -> Sequence[int]:
        found = self._drawn[self._given : self._given + draws]
        if len(found) < draws:
            raise DrawsUnfit("more is drawn than was")
        self._given += draws
        return found


@dataclass(frozen=True)
class Noise:
    """Where the noise of one answer comes from: drawn now, drawn and kept, or that of an earlier answer."""

    execution: Execution
    sampler: Sampler | None
    secret: bytes | None

    @classmethod
    def of(cls, execution: Execution, sampler: Sampler | None, secret: bytes | None) -> Noise:
        """For this execution. Raises ``DrawsUnfit`` where earlier noise is not for its numbers."""
        committed = execution.committed
        if committed.drawn:
            if secret is None:
                raise DrawsUnfit("no secret to open it with")
            return cls(execution, repeated(committed.drawn, execution, committed.plan.noise, secret), None)
        if committed.plan.unsealed and sampler is not None and secret is not None:
            return cls(execution, Remembering(sampler), secret)
        return cls(execution, sampler, None)

    def kept(self, randomness: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
        """What is kept of it once the answer is made; nothing where it is not."""
        if not isinstance(self.sampler, Remembering) or self.secret is None:
            return b""
        return self.sampler.sealed(self.execution, self.execution.committed.plan.noise, self.secret, randomness)


def repeated(content: bytes, execution: Execution, question: str, secret: bytes) -> Repeated:
    """The draws that were kept of a question, for the same exact numbers. Raises ``DrawsUnfit``."""
    try:
        opened = AESGCM(_key(secret)).decrypt(content[:_NONCE], content[_NONCE:], question.encode())
    except (InvalidTag, ValueError):
        raise DrawsUnfit("not what was kept of this question") from None
    if not hmac.compare_digest(opened[:_DIGEST], _digest(execution, secret)):
        raise DrawsUnfit("the exact numbers are others")
    (count,) = struct.unpack_from("<Q", opened, _DIGEST)
    return Repeated(struct.unpack_from(f"<{count}q", opened, _DIGEST + 8))


def _key(secret: bytes) -> bytes:
    return hmac.digest(secret, b"louver: noise that was drawn", "sha256")


def _digest(execution: Execution, secret: bytes) -> bytes:
    """Of the exact rows, in whatever order the worker told them."""
    found = hmac.new(secret, b"louver: exact rows", hashlib.sha256)
    for rows in execution.rows:
        told = sorted(repr(tuple(row)) for row in rows)
        found.update(len(told).to_bytes(8, "big"))
        for row in told:
            found.update(hashlib.sha256(row.encode()).digest())
    return found.digest()

"""One sign-in on its way to the provider and back, kept by the browser that makes it, sealed.

The console keeps nothing of those who never come back, so nobody fills it by setting out a million times; and an
answer counts in the browser that asked for it alone (RFC 9700, 4.7: state, nonce and verifier bound to the browser).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LONGEST: Final = timedelta(minutes=10)
_NONCE: Final = 12
_ABOUT: Final = b"oidc/journey"
"""No account's name, which is what second factors are bound to under the same key."""


class NoJourney(Exception):
    """No sign-in that began here, or one that took too long."""


@dataclass(frozen=True, slots=True)
class Journey:
    """What the answer must fit (RFC 7636, OpenID Connect Core 1.0): each is random and used once."""

    state: str
    nonce: str
    verifier: str
    begun: float


def begin(token: Callable[[], str], now: datetime) -> Journey:
    """A new one."""
    return Journey(token(), token(), token() + token(), now.timestamp())


def sealed(journey: Journey, key: bytes, random: Callable[[int], bytes]) -> str:
    """As the browser keeps it."""
    nonce = random(_NONCE)
    kept = AESGCM(key).encrypt(nonce, json.dumps(asdict(journey)).encode(), _ABOUT)
    return base64.urlsafe_b64encode(nonce + kept).decode()


def opened(cookie: str, key: bytes, now: datetime) -> Journey:
    """What the browser kept. Raises `NoJourney`."""
    try:
        kept = base64.urlsafe_b64decode(cookie[:2_000].encode("ascii"))
        journey = Journey(**json.loads(AESGCM(key).decrypt(kept[:_NONCE], kept[_NONCE:], _ABOUT)))
    except (ValueError, TypeError, InvalidTag):
        raise NoJourney from None
    if not 0 <= now.timestamp() - journey.begun <= LONGEST.total_seconds():
        raise NoJourney
    return journey

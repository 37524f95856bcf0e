"""Who a token is about, and what its claims make of them. Pure.

Whoever has values of two roles, or of one role for two profiles, is nobody: the roles of this console exclude each
other (三权分立), and to choose one of two would let a directory's mistake decide who may do what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact

from louver_server.accounts.model import Role
from louver_server.federation.settings import Provider

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384")
"""Signatures alone: `none` is none, and a secret that the console has too proves nothing about who signed."""
LEEWAY_S: Final = 30
LONGEST: Final = 16_384
"""Characters of a token."""


class NotAttested(Exception):
    """The provider has not attested what it must; `args` say what, for the journal and for nobody else."""


@dataclass(frozen=True, slots=True)
class Attested:
    """Somebody whom the provider vouches for. `subject` is theirs for ever (issuer and `sub`), `name` is not."""

    subject: str
    name: str
    role: Role
    profile: str


def key_id(token: str) -> str:
    """Which key a token claims to be signed by. Raises `NotAttested`."""
    if len(token) > LONGEST:
        raise NotAttested("a token that is too long")
    try:
        header = extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError) as wrong:
        raise NotAttested("no token") from wrong
    if header.get("alg") not in ALGORITHMS:
        raise NotAttested("another algorithm")
    return str(header.get("kid", ""))


def read_claims(
    token: str, keys: KeySet, provider: Provider, nonce: str, access_token: str, now: datetime
) -> Mapping[str, Any]:
    """The claims of an ID token for us, for this very sign-in, signed and of now. Raises `NotAttested`.

    What is checked: OpenID Connect Core 1.0, 3.1.3.7; an audience besides us is not trusted, so there is none.
    """
    try:
        read = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
        checked = CodeIDToken(
            read.claims,
            read.header,
            {
                "iss": {"essential": True, "value": provider.issuer},
                "sub": {"essential": True},
                "aud": {"essential": True, "value": provider.client_id},
                "exp": {"essential": True},
                "iat": {"essential": True},
                "nonce": {"essential": True, "value": nonce},
            },
            {"client_id": provider.client_id, "nonce": nonce, "access_token": access_token},
        )
        checked.validate(int(now.timestamp()), LEEWAY_S)
    except (JoseError, ValueError, TypeError, KeyError) as wrong:
        raise NotAttested(f"token: {getattr(wrong, 'error', type(wrong).__name__)}") from wrong
    claims: dict[str, Any] = checked
    if claims["aud"] not in (provider.client_id, [provider.client_id]):
        raise NotAttested("token: for others too")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise NotAttested("token: no subject")
    return claims


def attested(claims: Mapping[str, Any], provider: Provider) -> Attested:
    """Who they are here. Raises `NotAttested`."""
    if not any(value in _values(claims.get(claim)) for claim, value in provider.second_factor):
        raise NotAttested("no second factor")
    said = _values(claims.get(provider.claim))
    found = {provider.people[value] for value in said if value in provider.people}
    if len(found) != 1:
        raise NotAttested("no role" if not found else "more than one role")
    ((role, profile),) = found
    name = claims.get(provider.name)
    return Attested(f"{provider.issuer} {claims['sub']}", name if isinstance(name, str) else "", role, profile)


def _values(claim: object) -> Collection[str]:
    if isinstance(claim, str):
        return (claim,)
    return [one for one in claim if isinstance(one, str)] if isinstance(claim, list) else ()

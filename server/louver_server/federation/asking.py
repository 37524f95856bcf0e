"""The provider as the console meets it: its discovery document, its keys, and the exchange of a code for a token.

Nothing of what a browser or a token says is an address that is asked: the issuer is the operator's, and whatever its
document names lies on hosts that the operator named, over TLS, without redirects, proxies, or more than 256 KiB.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey, import_key

from louver.failures import Misused
from louver_server.federation.claims import Attested, NotAttested, attested, key_id, read_claims
from louver_server.federation.journeys import Journey
from louver_server.federation.settings import Provider

_log = logging.getLogger(__name__)

MOST_BYTES: Final = 256 * 1024
TIMEOUT_S: Final = 5.0
KEPT: Final = timedelta(hours=1)
AGAIN: Final = timedelta(minutes=1)
"""How soon unknown keys are looked for again, so that tokens made up by anybody ask the provider for nothing."""
RESTING: Final = timedelta(seconds=10)
SCOPE: Final = "openid profile"
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Unanswered(Exception):
    """The provider cannot be reached, or says what it must not."""


class Asking:
    """One provider. Threads may share it."""

    def __init__(self, provider: Provider, callback: str, clock: Callable[[], datetime]) -> None:
        self.provider = provider
        self._callback = callback
        self._clock = clock
        self._lock = threading.Lock()
        self._document: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._read: datetime | None = None
        self._keys_read: datetime | None = None
        self._failed: datetime | None = None
        self._secret = _secret(provider)
        self._http = httpx.Client(
            verify=ssl.create_default_context(cafile=None if provider.ca is None else str(provider.ca)),
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, headers={"accept": "application/json"},
        )  # fmt: skip

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def address(self, journey: Journey) -> str:
        """Where the browser goes to sign in. Raises `Unanswered`."""
        said = self._said()
        address: str = prepare_grant_uri(
            said["authorization_endpoint"], self.provider.client_id, "code", self._callback, SCOPE, journey.state,
            nonce=journey.nonce, code_challenge=create_s256_code_challenge(journey.verifier),
            code_challenge_method="S256", **self._wished(),
        )  # fmt: skip
        return address

    def is_from(self, issuer: str | None) -> bool:
        """Whether an answer is the provider's, by what RFC 9207 has it say; one that says so must always say so.
        Raises `Unanswered`."""
        if issuer is None:
            return self._said().get("authorization_response_iss_parameter_supported") is not True
        return issuer == self.provider.issuer

    def who(self, journey: Journey, code: str) -> Attested:
        """Whom the provider vouches for. Raises `Unanswered`, `NotAttested`."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._callback,
            "code_verifier": journey.verifier,
        }  # fmt: skip
        method = "client_secret_basic" if self._secret else "none"
        where, headers, body = ClientAuth(self.provider.client_id, self._secret, method).prepare(
            "POST", self._said()["token_endpoint"],
            {"content-type": "application/x-www-form-urlencoded"}, urlencode(form),
        )  # fmt: skip
        reply = self._json("POST", where, headers, body)
        token, access = reply.get("id_token"), reply.get("access_token")
        if not isinstance(token, str) or not isinstance(access, str):
            raise NotAttested("no token")
        claims = read_claims(
            token, self._keys_with(key_id(token)), self.provider, journey.nonce, access, self._clock()
        )
        return attested(claims, self.provider)

    def _wished(self) -> Mapping[str, str]:
        levels = sorted(value for claim, value in self.provider.second_factor if claim == "acr")
        return {"acr_values": " ".join(levels)} if levels else {}

    def _said(self) -> Mapping[str, Any]:
        """The discovery document, of which every address has been looked at. After a failure nobody has the provider
        asked again for a while."""
        with self._lock:
            now = self._clock()
            if self._document is None or self._read is None or not timedelta(0) <= now - self._read < KEPT:
                if self._failed is not None and timedelta(0) <= now - self._failed < RESTING:
                    raise Unanswered("it did not answer just now")
                try:
                    self._document = self._discovered()
                except Unanswered as problem:
                    self._failed = now
                    _log.warning("the provider: %s", problem)
                    raise
                self._read, self._failed = now, None
            return self._document

    def _discovered(self) -> Mapping[str, Any]:
        document = self._json("GET", self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self.provider.issuer:
            raise Unanswered("the document is another issuer's")
        for name in _ENDPOINTS:
            self._own(document.get(name))
        return document

    def _keys_with(self, kid: str) -> KeySet:
        """The provider's keys, read again where the key is none of them."""
        where = self._said()["jwks_uri"]
        with self._lock:
            now = self._clock()
            stale = self._keys_read is None or not timedelta(0) <= now - self._keys_read < KEPT
            known = self._keys is not None and any(one.kid == kid for one in self._keys)
            if stale or (not known and (self._keys_read is None or now - self._keys_read >= AGAIN)):
                self._keys, self._keys_read = _key_set(self._json("GET", where)), now
            if self._keys is None:
                raise Unanswered("no keys")
            return self._keys

    def _own(self, address: object) -> None:
        parts = urlsplit(address if isinstance(address, str) else "")
        if parts.scheme != "https" or parts.netloc.lower() not in self.provider.hosts:
            raise Unanswered("an address that is not the provider's")

    def _json(
        self, method: str, where: str, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> dict[str, Any]:
        self._own(where)
        try:
            with self._http.stream(method, where, headers=headers, content=body) as reply:
                taken = bytearray()
                for part in reply.iter_bytes():
                    taken += part
                    if len(taken) > MOST_BYTES:
                        raise Unanswered("more than is read")
        except httpx.HTTPError as failed:
            raise Unanswered(type(failed).__name__) from failed
        if reply.status_code != 200:
            # A code that is not good is the browser's doing, and no failure of the provider.
            raise (NotAttested if method == "POST" and reply.status_code < 500 else Unanswered)(
                f"status {reply.status_code}"
            )
        try:
            found = json.loads(taken)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Unanswered("no JSON object")
        return found


def _key_set(document: Mapping[str, Any]) -> KeySet:
    """The keys that sign; what is no such key is left out. Raises `Unanswered`."""
    keys: list[Key] = []
    written = document.get("keys")
    for one in written[:64] if isinstance(written, list) else ():
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(one)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            keys.append(key)
    if not keys:
        raise Unanswered("no keys")
    return KeySet(keys)


def _secret(provider: Provider) -> str:
    if provider.secret is None:
        return ""
    try:
        found, mode = provider.secret.read_text(encoding="ascii").strip(), provider.secret.stat().st_mode
    except (OSError, ValueError):
        raise Misused(f"{provider.secret.name} cannot be read") from None
    if not found or mode & 0o077:
        raise Misused(f"{provider.secret.name} is empty or can be read by others", f"chmod 600 {provider.secret}")
    return found

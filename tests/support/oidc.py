"""An OpenID provider: real HTTPS, real signatures, codes that are good once, PKCE that is checked; and a hand to twist it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

from louver_sandbox.pki import Authority

CLIENT = "louver-console"
SECRET = "a-secret-that-only-two-know"


@dataclass
class Provider:
    """The provider, and what it says of whoever signs in next. `twist` makes the token, `document` and `answer` what
    it says of itself and to browsers; `asked` is every path that was asked of it."""

    issuer: str
    ca: Path
    key: ECKey
    says: dict[str, Any] = field(default_factory=dict)
    document: Callable[[dict[str, Any]], dict[str, Any]] = field(default=lambda said: said)
    answer: Callable[[dict[str, str]], dict[str, str]] = field(default=lambda said: said)
    twist: Callable[[dict[str, Any]], str] | None = None
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    redirect: str = ""
    """Where the token endpoint sends its callers instead of answering."""

    def untwist(self) -> None:
        """As it was at first."""
        plain = Provider(self.issuer, self.ca, self.key)
        for name in ("says", "document", "answer", "twist", "redirect", "asked", "codes"):
            setattr(self, name, getattr(plain, name))

    def signed(self, claims: dict[str, Any], key: ECKey | None = None, **header: Any) -> str:
        """A token of these claims."""
        return jwt.encode({"alg": "ES256", "kid": "one", **header}, claims, key or self.key)

    def claims(self, nonce: str) -> dict[str, Any]:
        """What it says of the one who signs in."""
        now = int(self.clock().timestamp())
        return {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": nonce, **self.says}

    def authorize(self, address: str) -> str:
        """Where it sends a browser that came to this address: back, with a code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        said = self.answer({"code": code, "state": asked["state"], "iss": self.issuer})
        return f"{asked['redirect_uri']}?{urlencode(said)}"

    def exchange(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The tokens for a code, once, for whoever holds its verifier and the client's secret."""
        asked = self.codes.pop(form.get("code", ""), None)
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or authorization != expected or form.get("redirect_uri") != asked["redirect_uri"]:
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return None
        claims = self.claims(asked["nonce"])
        token = self.twist(claims) if self.twist else self.signed(claims)
        return {"access_token": "at", "token_type": "Bearer", "id_token": token}


@contextmanager
def provider(folder: Path, host: str = "localhost") -> Iterator[Provider]:
    """A provider for the length of a `with` block."""
    authority = Authority.create(datetime.now(UTC))
    issued = authority.server(host, datetime.now(UTC))
    for name, content in (("ca", authority.issued.certificate), ("cert", issued.certificate), ("key", issued.key)):
        (folder / f"oidc-{name}.pem").write_bytes(content)
    found: Provider

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Nothing on the terminal."""

        def do_GET(self) -> None:
            found.asked.append(self.path)
            path = urlsplit(self.path).path
            if path == "/.well-known/openid-configuration":
                endpoints = {
                    "authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys",
                }  # fmt: skip
                said: dict[str, Any] = {name: found.issuer + where for name, where in endpoints.items()}
                supported = {"authorization_response_iss_parameter_supported": True}
                self.reply(found.document({"issuer": found.issuer, **said, **supported}))
            elif path == "/keys":
                self.reply({"keys": [found.key.as_dict(private=False, use="sig")]})
            elif path == "/authorize":
                self.send_response(302)
                self.send_header("location", found.authorize(self.path))
                self.end_headers()
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            found.asked.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            if found.redirect:
                self.send_response(307)
                self.send_header("location", found.redirect)
                self.end_headers()
                return
            form = {name: values[0] for name, values in parse_qs(body).items()}
            said = found.exchange(form, self.headers.get("authorization", ""))
            self.reply(said or {"error": "invalid_grant"}, 200 if said else 400)

        def reply(self, said: dict[str, Any], status: int = 200) -> None:
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "oidc-cert.pem", folder / "oidc-key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    key = ECKey.generate_key("P-256", {"kid": "one"})
    found = Provider(f"https://{host}:{server.server_address[1]}", folder / "oidc-ca.pem", key)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

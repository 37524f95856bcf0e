"""What holds for every request, whatever page it is for: who may send it, how large it is, what browsers may do with
the reply."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 512 * 1024
"""Of a request's body: a question of the longest that the sandbox reads, escaped by a browser."""

_SAFE: Final = frozenset({"GET", "HEAD"})

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class TooLarge(Exception):
    """More bytes than a request may have."""


class Hardened:
    """The application inside; outside it what comes from another origin or host is turned away.

    `origin` is what browsers write in their address bar. A request that changes something must say that it comes from
    there (Origin, or Sec-Fetch-Site where a browser leaves it out): this is beside the token in every form, and
    guards the form by which one signs in, which has none (OWASP cross-site request forgery prevention).
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        self._origin = origin
        parts = urlsplit(origin)
        self._host = parts.netloc.lower()
        self._secure = parts.scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = self._hardened(send, scope["path"])
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, reply)
            return
        try:
            await self._app(scope, _limited(receive), reply)
        except TooLarge:
            await PlainTextResponse("too large", 413)(scope, receive, reply)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers, method = Headers(scope=scope), scope["method"]
        if headers.get("host", "").lower() != self._host:
            return PlainTextResponse("this console is not asked for by that name", 421)
        if method not in _SAFE and not self._is_own(headers):
            return PlainTextResponse("this request comes from another site", 403)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:12]) > MOST_BYTES:
            return PlainTextResponse("too large", 413)
        return None

    def _is_own(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        return origin == self._origin if origin else headers.get("sec-fetch-site") == "same-origin"

    def _hardened(self, send: Send, path: str) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                # What is shown to one person is for nobody after them; pictures and styles are the same for all.
                headers["cache-control"] = "max-age=3600" if path.startswith("/static/") else "no-store"
                if self._secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        return sent


def _limited(receive: Receive) -> Receive:
    """The same, until there is too much of it: a length that was announced need not be true, or not be there."""
    taken = 0

    async def received() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BYTES:
            raise TooLarge
        return message

    return received

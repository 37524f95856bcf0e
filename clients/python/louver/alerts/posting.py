"""One message posted to a webhook: to an address that was looked at, under the receiver's own name, by TLS.

No redirection is followed, no proxy is asked, and nobody who answers a byte at a time is waited for.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from louver.alerts.addresses import Network, Resolve, chosen, resolve

TIMEOUT_S: Final = 10.0


def trust(ca: Path | None) -> ssl.SSLContext:
    """What a receiver's certificate is checked against: a file of authorities, or those of this machine."""
    made = ssl.create_default_context(cafile=None if ca is None else str(ca))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


class _Pinned(http.client.HTTPSConnection):
    """A connection to an address that was looked at, under the receiver's own name."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S, context=context)
        self._address, self.trusting = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), TIMEOUT_S)
        try:
            self.sock = self.trusting.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def hang_up(self) -> None:
        """Ends it from another thread; whoever reads meets the end."""
        with suppress(OSError):
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def _bounded(connection: _Pinned) -> Iterator[None]:
    """Ends a connection on which somebody answers a byte at a time, for ever."""
    timer = threading.Timer(2 * TIMEOUT_S, connection.hang_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def post(
    target: str,
    body: bytes,
    headers: Mapping[str, str],
    inside: Sequence[Network],
    trusting: ssl.SSLContext,
    look_up: Resolve = resolve,
) -> int:
    """The status that the receiver has answered with. Raises ``NotAllowed``, ``OSError``,
    ``http.client.HTTPException``."""
    parts = urlsplit(target)
    host, port = str(parts.hostname), parts.port or 443
    address = chosen(host, port, inside, look_up)
    said = {**headers, "connection": "close", "user-agent": "louver"}
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(_Pinned(host, port, address, trusting)) as connection, _bounded(connection):
        connection.request("POST", path, body=body, headers=said)
        return connection.getresponse().status

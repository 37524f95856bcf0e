"""Metrics and health over HTTP, on a port of their own that only this machine reaches unless it is set otherwise.

`/metrics` is for Prometheus; `/healthz` says whether the service serves (200 or 503) and why not. There is no TLS
and no account, because nothing is told that is not the operator's: put a proxy in front to carry it further.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from louver_sandbox.telemetry.status import Status

TIMEOUT_S = 5.0


class Endpoint:
    """Answers from now until it is closed. `port` 0 lets the system choose. Raises OSError where it cannot listen."""

    def __init__(
        self, host: str, port: int, scrape: Callable[[], bytes], status: Callable[[], Status], content_type: str
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            """One request; whatever is not asked for by its exact path is not there."""

            timeout = TIMEOUT_S
            server_version = "louver"
            sys_version = ""

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._say(HTTPStatus.OK, content_type, scrape())
                elif self.path == "/healthz":
                    now = status()
                    code = HTTPStatus.OK if now.serving else HTTPStatus.SERVICE_UNAVAILABLE
                    self._say(code, "application/json", now.to_json().encode() + b"\n")
                else:
                    self._say(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /healthz\n")

            def _say(self, code: HTTPStatus, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Says nothing: a scrape every few seconds is no news, and a path is a stranger's text."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.address = "{}:{}".format(*self._server.server_address[:2])
        self._thread = threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

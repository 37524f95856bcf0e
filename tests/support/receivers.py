"""The other end of a webhook: a real HTTPS server on this machine."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from louver_sandbox.pki import Authority


class Receiver:
    """A webhook's other end, with a certificate for `hooks.example`."""

    def __init__(self, folder: Path) -> None:
        self.status, self.headers = 204, dict[str, str]()
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.taken.append((self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        authority = Authority.create(datetime.now(UTC))
        issued = authority.server("hooks.example", datetime.now(UTC))
        (folder / "ca.pem").write_bytes(authority.issued.certificate)
        (folder / "chain.pem").write_bytes(issued.key + issued.certificate)
        self.ca = folder / "ca.pem"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "chain.pem")
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

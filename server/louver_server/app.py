"""The FastAPI application: health and the log's head, to be grown into the console of officers and auditors.

It is a client of the sandbox like any bank: its own certificate, the same proofs. A head not signed by the log's
key is never shown.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

import louver
from louver.errors import Error, Unproven
from louver.transparency import TreeHead


class SandboxClient(Protocol):
    """What the console needs of a client."""

    def head(self) -> TreeHead:
        """The log's newest head, verified. Raises `louver.Error`."""

    def close(self) -> None:
        """Ends the connection."""


def create_app(connect: Callable[[], SandboxClient]) -> FastAPI:
    """The application over one connection, opened at start and closed at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.client = connect()
        yield
        app.state.client.close()

    app = FastAPI(
        title="Louver console", version=louver.__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )

    @app.get("/health")
    def health(response: Response) -> dict[str, str]:
        """Whether the console runs and the sandbox answers with a head it can prove."""
        try:
            app.state.client.head()
        except Unproven:
            response.status_code = 503
            return {"console": "ok", "sandbox": "unproven"}
        except Error:
            response.status_code = 503
            return {"console": "ok", "sandbox": "unreachable"}
        return {"console": "ok", "sandbox": "ok"}

    @app.get("/log/head")
    def head(response: Response) -> dict[str, str | int]:
        """The log's newest head, shown only when its signature holds."""
        try:
            found: TreeHead = app.state.client.head()
        except Unproven:
            response.status_code = 502
            return {"error": "the sandbox's log head is not signed by the key this console trusts"}
        except Error:
            response.status_code = 503
            return {"error": "the sandbox cannot be reached"}
        return {"origin": found.origin, "size": found.size, "root": base64.b64encode(found.root).decode()}

    @app.middleware("http")
    async def harden(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["content-security-policy"] = "default-src 'self'; object-src 'none'; frame-ancestors 'none'"
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["cache-control"] = "no-store"
        return response

    return app


def main() -> None:
    """The `louver-server` command: LOUVER_* variables or a profile name the sandbox, as for any client."""
    host = os.environ.get("LOUVER_SERVER_HOST", "127.0.0.1")
    port = int(os.environ.get("LOUVER_SERVER_PORT", "8443"))
    uvicorn.run(create_app(louver.connect), host=host, port=port, server_header=False)

"""The console: it shows a head only when the log's signature holds, and says honestly when the sandbox is away."""

import asyncio
import base64

import httpx
import pytest

from louver.errors import Error, Fault, Unproven
from louver.transparency import TreeHead
from louver_server.app import create_app

HEAD = TreeHead("louver.example/log", 7, b"\x01" * 32)


class Sandbox:
    """A sandbox as the console's client sees it: it answers with a head, or fails."""

    def __init__(self) -> None:
        self.error: Error | None = None
        self.closed = False

    def head(self) -> TreeHead:
        if self.error is not None:
            raise self.error
        return HEAD

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


class Console:
    """The application, started for each request and ended after it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._request("GET", path))

    def post(self, path: str) -> httpx.Response:
        return asyncio.run(self._request("POST", path))

    async def _request(self, method: str, path: str) -> httpx.Response:
        app = create_app(lambda: self._sandbox)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client,
        ):
            return await client.request(method, path)


@pytest.fixture
def console(sandbox: Sandbox) -> Console:
    return Console(sandbox)


def test_the_head_is_shown_with_its_root(console: Console) -> None:
    response = console.get("/log/head")
    assert response.status_code == 200
    assert response.json() == {"origin": HEAD.origin, "size": 7, "root": base64.b64encode(HEAD.root).decode()}


@pytest.mark.parametrize(
    ("error", "health", "head"),
    [(Unproven("the signature is wrong", b"secret bytes"), 503, 502), (Fault("incident-1"), 503, 503)],
)
def test_a_head_that_cannot_be_proved_is_never_shown(
    console: Console, sandbox: Sandbox, error: Error, health: int, head: int
) -> None:
    sandbox.error = error
    shown = console.get("/log/head")
    assert shown.status_code == head
    assert set(shown.json()) == {"error"}
    assert console.get("/health").status_code == health
    assert "secret" not in shown.text
    assert "incident" not in shown.text


def test_health_tells_unproven_from_unreachable(console: Console, sandbox: Sandbox) -> None:
    assert console.get("/health").json() == {"console": "ok", "sandbox": "ok"}
    sandbox.error = Unproven("x")
    assert console.get("/health").json()["sandbox"] == "unproven"
    sandbox.error = Fault("x")
    assert console.get("/health").json()["sandbox"] == "unreachable"


@pytest.mark.parametrize("path", ["/health", "/log/head", "/nothing"])
def test_every_page_is_hardened_and_never_cached(console: Console, path: str) -> None:
    headers = console.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_loads_anything_from_elsewhere(console: Console, path: str) -> None:
    assert console.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/health", "/log/head"])
def test_nothing_can_be_written(console: Console, path: str) -> None:
    assert console.post(path).status_code == 405


def test_the_connection_ends_with_the_console(console: Console, sandbox: Sandbox) -> None:
    console.get("/health")
    assert sandbox.closed


def test_a_sandbox_that_cannot_be_connected_to_stops_the_start() -> None:
    def connect() -> Sandbox:
        raise Fault("x")

    async def start() -> None:
        app = create_app(connect)
        async with app.router.lifespan_context(app):
            raise AssertionError("the console must not start")

    with pytest.raises(Fault):
        asyncio.run(start())

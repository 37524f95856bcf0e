"""The console: a web application for analysts, officers, auditors and its own administrators.

It is a client of the sandbox like any bank, with the same certificates and proofs: what is not proved by the log is
never shown, and whoever takes the console over can loosen no policy. Its own state is who may use it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

import louver
from louver_server import problems
from louver_server.accounts.doors import Doors
from louver_server.accounts.passkeys import Site
from louver_server.accounts.store import Store
from louver_server.configuration import Configuration
from louver_server.connections import Connections
from louver_server.federation.asking import Asking
from louver_server.hardening import Hardened
from louver_server.kept_secret import read_secret
from louver_server.pages import (
    access,
    alerts,
    asking,
    catalogue,
    history,
    institutions,
    log,
    over_time,
    people,
    policies,
    provider,
    redress,
    searches,
    signing_in,
    spending,
    status,
    subjects,
    tail,
    warnings,
)
from louver_server.sessions import Console

ROUTERS: Final = tuple(
    module.router
    for module in (
        *(
            status,
            signing_in,
            provider,
            asking,
            subjects,
            redress,
            warnings,
            access,
            policies,
            over_time,
            tail,
            searches,
        ),
        *(log, alerts, spending, history, catalogue, people, institutions),
    )
)

ROUTES: Final = tuple(route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def open_console(
    configuration: Configuration,
    clock: Callable[[], datetime] = utc_now,
    random: Callable[[int], bytes] = os.urandom,
) -> Console:
    """The installation, with its state open. Raises `louver.failures.Misused`."""
    store = Store.open(configuration.state)
    doors = Doors(store, read_secret(configuration.secret, random), clock, random, Site(configuration.origin))
    found = configuration.provider
    elsewhere = None if found is None else Asking(found, configuration.origin + provider.CALLBACK, clock)
    return Console(configuration, doors, Connections.of_file(configuration.profiles), elsewhere=elsewhere)


def create_app(console: Console) -> FastAPI:
    """The application over an installation, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        console.simulations.close()
        if console.elsewhere is not None:
            console.elsewhere.close()
        console.connections.close()
        console.doors.store.close()

    app = FastAPI(
        title="Louver console", version=louver.__version__, openapi_url=None, docs_url=None, redoc_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.state.console = console
    app.state.routes = ROUTES
    for router in ROUTERS:
        app.include_router(router)
    static = resources.files("louver_server").joinpath("static")
    app.mount("/static", StaticFiles(directory=str(static)))
    problems.install(app)
    app.add_middleware(Hardened, origin=console.configuration.origin)
    return app

"""What is watched of a running service: its figures, its state and why, and a message for each call."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from louver import __version__
from louver_sandbox.service.turnstile import Turnstile
from louver_sandbox.store import StoreError
from louver_sandbox.telemetry import status as statuses
from louver_sandbox.telemetry.calls import Ended
from louver_sandbox.telemetry.messages import FIELDS, Count
from louver_sandbox.telemetry.status import Status
from louver_sandbox.wiring import Platform

if TYPE_CHECKING:
    from louver_sandbox.telemetry.endpoint import Endpoint
    from louver_sandbox.telemetry.instruments import Instruments

logger = logging.getLogger("louver.calls")


class Watch:
    """Watches one service. `problems` says what is wrong now; `serving` what the health service says.

    The instruments exist only where `telemetry` in `louver.toml` asks for them, since their library is an extra.
    """

    def __init__(
        self,
        platform: Platform,
        turnstile: Turnstile,
        serving: Callable[[], bool],
        problems: Callable[[], tuple[str, ...]],
    ) -> None:
        self._platform = platform
        self._turnstile = turnstile
        self._serving = serving
        self._problems = problems
        self._since = platform.clock()
        self._address = ""
        self._entries = 0
        self._instruments: Instruments | None = None
        self._endpoint: Endpoint | None = None
        telemetry = platform.settings.telemetry
        if telemetry.port or telemetry.otlp:
            from louver_sandbox.telemetry.instruments import Instruments

            self._instruments = Instruments(telemetry.otlp)
            self._describe(self._instruments)

    @property
    def scraped_at(self) -> str:
        """Where Prometheus finds the metrics; "" where it does not."""
        return self._endpoint.address if self._endpoint else ""

    def start(self, address: str) -> None:
        """The service will answer at this address. Raises OSError where the endpoint cannot listen."""
        self._address = address
        telemetry = self._platform.settings.telemetry
        if telemetry.port and self._instruments is not None:
            from louver_sandbox.telemetry.endpoint import Endpoint
            from louver_sandbox.telemetry.instruments import SCRAPE_TYPE

            scrape = self._instruments.scrape
            self._endpoint = Endpoint(telemetry.host, telemetry.port, scrape, self.status, SCRAPE_TYPE)
        self.keep()

    def record(self, call: Ended) -> None:
        """A call is over."""
        if self._instruments is not None:
            self._instruments.record(call)
        told = {
            "method": call.method,
            "end": call.end,
            "code": call.code,
            "query": call.query,
            "seconds": round(call.seconds, 4),
            "stages": {passed.stage: round(passed.seconds, 4) for passed in call.stages},
        }
        said = " ".join(str(told[name]) for name in ("method", "end", "code", "query") if told[name])
        logger.info("%s %.3f s", said, call.seconds, extra={FIELDS: told})

    def status(self) -> Status:
        """How the service is now."""
        platform = self._platform
        running, waiting = self._turnstile.counts()
        return Status(
            serving=self._serving(),
            problems=self._problems(),
            at=platform.clock().isoformat(timespec="seconds"),
            since=self._since.isoformat(timespec="seconds"),
            pid=os.getpid(),
            version=__version__,
            address=self._address,
            isolation=platform.isolation.level.title,
            development=platform.settings.development,
            bundle=platform.judgement.bundle.digest,
            log_entries=self._log_entries(),
            running=running,
            waiting=waiting,
            lanes=self._turnstile.lanes,
            workers_ready=platform.workers.ready_count(),
            checkers_ready=platform.checkers.ready_count(),
        )

    def keep(self) -> None:
        """Writes it where `louver-sandbox status` looks. Raises OSError."""
        statuses.keep(self.status(), self._platform.settings.run)

    def close(self) -> None:
        """The service has ended."""
        if self._endpoint is not None:
            self._endpoint.close()
        if self._instruments is not None:
            self._instruments.close()

    def _log_entries(self) -> int:
        """As many as there were when the store last said so."""
        with suppress(StoreError):  # health says so, in its own words
            self._entries = self._platform.books.log.size()
        return self._entries

    def _describe(self, instruments: Instruments) -> None:
        gauge = instruments.gauge
        gauge("louver_serving", "1 while questions are answered.", "", lambda: {"": self._serving()})
        gauge("louver_problems", "Things that are wrong now.", "", lambda: {"": len(self._problems())})
        gauge("louver_questions", "Questions in the service.", "state", self._questions)
        gauge("louver_lanes", "Questions that can be answered at once.", "", lambda: {"": self._turnstile.lanes})
        gauge("louver_processes_ready", "Processes that wait for a question.", "kind", self._ready)
        gauge("louver_log_entries", "Entries of the log.", "", lambda: {"": self._log_entries()})
        gauge("louver_certificate_ends_timestamp_seconds", "When a certificate ends.", "file", self._certificates)
        gauge("louver_disk_free_bytes", "Room where the installation lies.", "", self._room)
        gauge("louver_isolation_level", "0 none, 1 limits, 2 default, 3 hardened.", "", self._isolation)
        gauge("louver_development", "1 in a development installation.", "", self._development)
        instruments.counter("louver_messages", "Messages of the service.", "level", _messages)

    def _questions(self) -> Mapping[str, float]:
        running, waiting = self._turnstile.counts()
        return {"running": running, "waiting": waiting}

    def _ready(self) -> Mapping[str, float]:
        return {"worker": self._platform.workers.ready_count(), "checker": self._platform.checkers.ready_count()}

    def _certificates(self) -> Mapping[str, float]:
        settings = self._platform.settings
        files = {"server": settings.secrets / "server.pem", "authority": settings.pki / "authority.pem"}
        return {name: _ends(path).timestamp() for name, path in files.items()}

    def _room(self) -> Mapping[str, float]:
        return {"": shutil.disk_usage(self._platform.settings.home).free}

    def _isolation(self) -> Mapping[str, float]:
        return {"": int(self._platform.isolation.level)}

    def _development(self) -> Mapping[str, float]:
        return {"": self._platform.settings.development}


def _ends(path: Path) -> datetime:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


def _messages() -> Mapping[str, float]:
    """As the counter among the root logger's handlers has counted them."""
    counters = (handler for handler in logging.getLogger().handlers if isinstance(handler, Count))
    return next((counter.levels for counter in counters), {})

"""How the service is and why: said to the health endpoint, and kept in a file for `louver-sandbox status`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

FILE = "status.json"
STALE_S = 30.0
"""A status that is older is no longer true: a running service says how it is every five seconds."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the service is at one moment.

    `serving` is what the gRPC health service says. `problems` are sentences of ours, each with the step that fails;
    a service may serve with some. Times are ISO 8601 with their zone.
    """

    serving: bool
    problems: tuple[str, ...]
    at: str
    since: str
    pid: int
    version: str
    address: str
    isolation: str
    development: bool
    bundle: str
    log_entries: int
    running: int
    waiting: int
    lanes: int
    workers_ready: int
    checkers_ready: int

    def to_json(self) -> str:
        """One object on one line."""
        return json.dumps(asdict(self), ensure_ascii=True, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Status:
        """Raises `ValueError` for what is no status."""
        try:
            fields: Mapping[str, Any] = json.loads(text)
            return Status(**{**fields, "problems": tuple(fields["problems"])})
        except (KeyError, TypeError) as error:
            raise ValueError("not a status") from error


def keep(status: Status, folder: Path) -> None:
    """Replaces the file in one step. Raises OSError."""
    fresh = folder / f".{FILE}.new"
    fresh.write_text(status.to_json() + "\n", encoding="utf-8")
    fresh.replace(folder / FILE)


def found(folder: Path, now: datetime) -> tuple[Status | None, str]:
    """What a running service says of itself; or None (or its last word), and why that is not to be relied on."""
    try:
        status = Status.from_json((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, "no service has run here"
    except (OSError, ValueError):
        return None, f"run/{FILE} cannot be read"
    if not _lives(status.pid):
        return status, f"no service runs; process {status.pid} is gone and said this last"
    age = (now - datetime.fromisoformat(status.at)).total_seconds()
    if not -STALE_S < age < STALE_S:
        return status, f"the service has said nothing for {age:.0f} s"
    return status, ""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""Messages as JSON, one object a line, for whatever collects logs.

An exception's own text may hold what a library saw, so it is not repeated: its type and where it was raised are.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
KINDS: Final = ("text", "json")
FIELDS: Final = "louver"
"""Under which a record carries fields of its own: `extra={"louver": {...}}`."""


class Json(logging.Formatter):
    """Time (UTC), level, logger, message, the record's own fields, and the type and places of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """One line without control characters: everything outside ASCII is escaped."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            told["error"] = type(error).__name__
            told["at"] = [
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)
            ]
        return json.dumps(told, ensure_ascii=True)


class Count(logging.Handler):
    """How many messages there were of each level."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Counts it."""
        self.levels[record.levelname.lower()] += 1


@contextmanager
def speaking(kind: str) -> Iterator[Count]:
    """While it lasts this process's messages go to standard error in this form; the counter counts them."""
    shown, count = logging.StreamHandler(), Count()
    shown.setFormatter(Json() if kind == "json" else logging.Formatter(TEXT))
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [shown, count]
    root.setLevel(logging.INFO)
    try:
        yield count
    finally:
        root.handlers[:] = before
        root.setLevel(level)

"""The log as it grows: a page that new entries come to by server-sent events, and can be stopped.

One stream is one look in the log, and another when it ends. Without a script the page says how to look again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from time import monotonic
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from louver.audit import AuditClient, AuditEntry
from louver.errors import Error
from louver_server.accounts.model import Role, Session
from louver_server.pages.log import CHOICES, TEXTS, asked_of, filter_of, log_of
from louver_server.rendering import LONGEST, Wording, page, when, wording
from louver_server.sessions import console, only

router = APIRouter()
Auditor = Annotated[Session, Depends(only(Role.AUDITOR))]
Listening = Annotated[Session, Depends(only(Role.AUDITOR, used=False))]
"""A page that listens, and begins again where a stream ends, is no auditor who sits before it."""

STREAMS: Final = 8
"""At once; each holds a thread of this process and one of the sandbox's sixteen places."""
SECONDS: Final = 600.0
"""After which a stream ends and the browser begins another where it stood."""
SHOWN: Final = 20
_PLACES: Final = threading.BoundedSemaphore(STREAMS)


@router.get("/log/tail")
def tail(request: Request, session: Auditor) -> Response:
    """The newest entries, and a place for those that come."""
    asked = asked_of(dict(request.query_params))
    found = log_of(request, session).page(SHOWN, **filter_of(asked))
    start = found.entries[0].index + 1 if found.entries else 0
    return page(
        request, "tail.html", session,
        asked=asked, found=found, texts=TEXTS, choices=CHOICES, query=urlencode(asked),
        source=f"/log/tail/events?{urlencode({**asked, 'start': str(start)})}",
    )  # fmt: skip


@router.get("/log/tail/events")
def events(request: Request, session: Listening, start: Annotated[int, Query(ge=0, lt=2**62)] = 0) -> Response:
    """Entries as they come (text/event-stream); each event is numbered by where a later stream goes on."""
    asked = filter_of(asked_of(dict(request.query_params)))
    last = request.headers.get("last-event-id", "")
    if last.isascii() and last.isdigit() and len(last) <= 18:
        start = int(last)
    if not _PLACES.acquire(blocking=False):
        return PlainTextResponse("busy", 429, {"retry-after": "30"})
    try:
        doors = console(request).doors

        def signed_in() -> bool:
            return doors.store.session(session.token, doors.clock(), used=False) is not None

        stream = _stream(log_of(request, session), asked, start, wording(request), signed_in)
    except BaseException:
        _PLACES.release()
        raise
    return StreamingResponse(_Placed(stream), media_type="text/event-stream")


class _Placed:
    """A stream that gives its place back once, however it ends, and also where nobody ever read it."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._held = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            return next(self._stream)
        except BaseException:
            self._release()
            raise

    def __del__(self) -> None:
        self._release()

    def _release(self) -> None:
        with self._lock:
            if self._held:
                self._held = False
                _PLACES.release()


def _stream(
    log: AuditClient, asked: Mapping[str, Any], start: int, said: Wording, signed_in: Callable[[], bool]
) -> Iterator[str]:
    yield "retry: 5000\n\n"
    end = monotonic() + SECONDS
    try:
        for following, entries in log.follow(start, **asked):
            if not signed_in():
                return
            for one in entries:
                yield f"id: {one.index + 1}\ndata: {json.dumps(_told(one, said), ensure_ascii=False)}\n\n"
            if not entries:
                yield f"id: {following}\ndata: \n\n"
            if monotonic() > end:
                return
    except Error:
        yield "event: ended\ndata: \n\n"


def _told(one: AuditEntry, said: Wording) -> dict[str, object]:
    """An entry as the page writes it; the script puts texts where texts go and nothing else."""
    found = asdict(one)
    short = one.sql[:LONGEST].replace("\n", " ") + ("…" if len(one.sql) > LONGEST else "")
    return {
        "index": one.index, "time": when(one.time), "kind": said(one.kind), "verdict": one.verdict,
        "state": said(one.verdict), "sql": short, "cost": one.cost or "",
        **{name: found[name] for name in ("institution", "purpose", "code")},
    }  # fmt: skip

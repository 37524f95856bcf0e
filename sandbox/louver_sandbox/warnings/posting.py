"""Notices posted to an institution's own address (webhook), as they come up.

The operator says which hosts an institution may name, in ``webhooks.toml``; nothing else is ever connected to:

    [bank_a]
    hosts = ["hooks.bank-a.example"]
    networks = ["10.20.0.0/16"]      # inside addresses that its names may have; public ones need none
    ca = "bank-a-ca.pem"             # instead of the authorities of this machine

A name is resolved once and connected to at the address that was looked at, by TLS under its own name; a redirection
is
a failure (`louver.alerts.posting`). What is posted is what a poll gives: the document and the receipt that proves it
under the log's key. A notice is kept before it is posted and posted until it was taken, so it may come twice, under
one id.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select, update

from louver.alerts.addresses import Network, NotAllowed, Resolve, networks, resolve
from louver.alerts.posting import post, trust
from louver.errors import Refused
from louver.failures import Misused
from louver_sandbox import journal
from louver_sandbox.audit.entries import JSON
from louver_sandbox.journal import Books
from louver_sandbox.refusals import warnings as refuse
from louver_sandbox.stages import Subject
from louver_sandbox.warnings.tables import hooks
from louver_sandbox.warnings.telling import Telling, Told, moment

HOOKS_FILE = "webhooks.toml"
LONGEST_URL = 512
FIRST_RETRY_S, LONGEST_RETRY_S = 5, 3600
AT_ONCE = 200
"""Notices in one message."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_KEYS = {"hosts", "networks", "ca"}


class HooksRefused(Exception):
    """`webhooks.toml` cannot be used; the text says which entry and why."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator allows an institution."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]
    ca: Path | None


def allowed(path: Path, institution: str) -> Allowed:
    """What the file says now; without one nothing is allowed. Raises `HooksRefused`."""
    if not path.exists():
        return Allowed(frozenset(), (), None)
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HooksRefused(f"{path.name} cannot be read ({error})") from None
    entry = body.get(institution, {})
    if not isinstance(entry, dict) or entry.keys() - _KEYS:
        raise HooksRefused(f"{institution}: a table of {', '.join(sorted(_KEYS))}")
    hosts, inside, ca = entry.get("hosts", []), entry.get("networks", []), entry.get("ca", "")
    if not isinstance(hosts, list) or not all(isinstance(one, str) and _HOST.match(one) for one in hosts):
        raise HooksRefused(f"{institution}: hosts are names in lower case, without port or *")
    if not isinstance(inside, list) or not isinstance(ca, str):
        raise HooksRefused(f"{institution}: networks are a list and ca is the name of a file")
    try:
        found = networks([str(one) for one in inside])
    except Misused as wrong:
        raise HooksRefused(f"{institution}: {wrong}") from None
    return Allowed(frozenset(hosts), found, path.parent / ca if ca else None)


class Posting:
    """Keeps addresses and posts to them. `round` is called by one thread, again and again."""

    def __init__(
        self,
        file: Path,
        books: Books,
        clock: Callable[[], datetime],
        telling: Telling,
        new_incident: Callable[[Exception], str],
        look_up: Resolve = resolve,
    ) -> None:
        self._file = file
        self._books = books
        self._clock = clock
        self._telling = telling
        self._incident = new_incident
        self._look_up = look_up

    def keep(self, subject: Subject, url: str) -> None:
        """Posts the caller's notices there from now on, those it has not had posted first; an empty address ends it.
        Raises `Refused` LVR-5151."""
        if url and not self._may(subject.institution, url):
            raise refuse.hook_not_allowed()
        told: dict[str, JSON] = {
            "kind": "warning_hook",
            "institution": subject.institution,
            "certificate": subject.fingerprint,
            "host": str(urlsplit(url).hostname or "") if url else "",
        }
        with self._books.state.transaction() as tx:
            entry = journal.appended(self._books, tx, told, {"url": url})
            before = tx.execute(select(_h.told).where(_h.institution == subject.institution)).scalar_one_or_none()
            tx.execute(delete(hooks).where(_h.institution == subject.institution))
            if url:
                row = {"institution": subject.institution, "url": url, "told": before or "", "failures": 0}
                tx.execute(insert(hooks).values(row | {"next_at": moment(self._clock()), "entry": entry}))

    def kept(self, subject: Subject) -> str:
        """The caller's address; empty where there is none."""
        with self._books.state.reading() as tx:
            return str(
                tx.execute(select(_h.url).where(_h.institution == subject.institution)).scalar_one_or_none() or ""
            )

    def round(self) -> int:
        """Posts what waits to every address that is due; how many notices were taken."""
        with self._books.state.reading() as tx:
            query = select(hooks).where(_h.next_at <= moment(self._clock())).order_by(_h.institution)
            due = list(tx.execute(query))
        taken = 0
        for row in due:
            told = self._to_post(row.institution, row.told)
            if told is not None and not told.count:
                continue
            if told is not None and self._posted(row.institution, row.url, told):
                taken += told.count
                self._note(row.institution, row.url, {"told": told.last, "failures": 0})
            else:
                pause = min(FIRST_RETRY_S * 2 ** min(row.failures, 12), LONGEST_RETRY_S)
                then = moment(self._clock() + timedelta(seconds=pause))
                self._note(row.institution, row.url, {"failures": row.failures + 1, "next_at": then})
        return taken

    def _to_post(self, institution: str, after: str) -> Told | None:
        """What waits; None where nothing may be told now, as to an institution that is suspended."""
        try:
            return self._telling.tell(institution, after, AT_ONCE, "webhook")
        except Refused:
            return None

    def _posted(self, institution: str, url: str, told: Told) -> bool:
        """Whether the receiver has taken the message. What the operator allows is asked for each time."""
        try:
            said = allowed(self._file, institution)
            if not self._may(institution, url):
                return False
            headers = {"content-type": "application/json"}
            status = post(url, message(told), headers, said.networks, trust(said.ca), self._look_up)
        except (NotAllowed, HooksRefused, OSError, ssl.SSLError, http.client.HTTPException):
            return False
        except Exception as error:
            self._incident(error)
            return False
        return 200 <= status < 300

    def _may(self, institution: str, url: str) -> bool:
        try:
            parts, said = urlsplit(url), allowed(self._file, institution)
            port = parts.port
        except (ValueError, HooksRefused):
            return False
        plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= LONGEST_URL
        named = parts.username is None and parts.password is None and not parts.fragment and port != 0
        return plain and named and parts.scheme == "https" and (parts.hostname or "") in said.hosts

    def _note(self, institution: str, url: str, values: dict[str, str | int]) -> None:
        with self._books.state.transaction() as tx:
            tx.execute(update(hooks).where(_h.institution == institution, _h.url == url).values(**values))


def message(told: Told) -> bytes:
    """What is posted: the document as a text, so that its bytes are those that were logged, and its receipt."""
    said = {"document": told.document.decode(), "receipt": told.receipt.decode()}
    return json.dumps(said, ensure_ascii=False).encode()


_h = hooks.c

"""The present keys that ids are joined by, and the tables by which workers read tokens.

A key is one institution's for one data element; so tokens of two institutions, or of two elements, say nothing of
each other. A table holds what a published column has of ids with their tokens under such a key. It is made when a
question first needs it, before anything is charged, from published data alone; nothing of an upload is in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from louver.matching.oprf import ELEMENT_BYTES
from louver_sandbox.algebra.types import TableName
from louver_sandbox.encrypted_core import TokenUse
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.token_main import Job, TokensRefused, built_by_process
from louver_sandbox.processes.pool import WorkerFailed
from louver_sandbox.processes.sessions import SessionPool
from louver_sandbox.refusals.encrypted import tokens as refuse
from louver_sandbox.settings import Settings
from louver_sandbox.stages import Plan, SourceRef
from louver_sandbox.store.alone import alone

FORMAT = 1
"""Version of the tables' layout; raised when the same inputs would make other tables."""
KEY_SECONDS = 30.0
MOST_FORMER = 4
"""Tables from which a new one takes tokens over."""
FOLDER = "tokens"
ALIAS = "published"

Locate = Callable[[str, str], Path]
"""The file of a snapshot for an institution, known to be what was published."""
Note = Callable[..., int]
"""Writes a log entry (kind, then its fields) and gives its index."""
Logged = Callable[[str], str | None]
"""The digest that the newest log entry about a table names."""
Former = Callable[[str, str], Iterable[str]]
"""The tables that the log names of an institution and a key, the newest first."""


def scope(institution: str, element: str) -> bytes:
    """What a key is for, as a matcher is told."""
    return f"{institution}\0{element}".encode()


class JoinKeys:
    """The public parts of the present keys, asked of a matcher once while the seed's file stays the same."""

    def __init__(self, settings: Settings, sessions: Callable[[], SessionPool]) -> None:
        self._file = settings.matching / matcher.JOIN_FILE
        self._sessions = sessions
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._known: dict[bytes, str] = {}

    def current(self, institution: str, element: str) -> str:
        """The key of the institution for this element, in hex. Raises `Refused` LVR-5320."""
        stamp, asked = self._stamped(), scope(institution, element)
        with self._lock:
            if self._stamp != stamp:
                self._stamp, self._known = stamp, {}
            if (known := self._known.get(asked)) is not None:
                return known
        try:
            with self._sessions().open(KEY_SECONDS, threading.Event()) as session:
                said = session.ask(matcher.JOIN + asked, ELEMENT_BYTES + 1)
        except WorkerFailed:
            raise refuse.not_installed() from None
        if said[:1] != matcher.OK or len(said) != ELEMENT_BYTES + 1:
            raise refuse.not_installed()
        with self._lock:
            if self._stamp == stamp:
                self._known[asked] = said[1:].hex()
        return said[1:].hex()

    def _stamped(self) -> tuple[int, ...]:
        """What changes when the seed is replaced. Raises `Refused` LVR-5320."""
        try:
            status = self._file.stat()
        except OSError:
            raise refuse.not_installed() from None
        return status.st_mtime_ns, status.st_size, status.st_ino


class TokenTables:
    """The tables of an installation. Threads may share it."""

    def __init__(
        self,
        settings: Settings,
        keys: JoinKeys,
        locate: Locate,
        note: Note,
        logged: Logged,
        new_incident: Callable[[Exception], str],
        build: Callable[[Job], str] = built_by_process,
        former: Former = lambda institution, key: (),
    ) -> None:
        self._former = former
        self._settings = settings
        self._keys = keys
        self._locate = locate
        self._note = note
        self._logged = logged
        self._incident = new_incident
        self._build = build
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._fit: dict[Path, tuple[int, ...]] = {}

    def ready(self, plan: Plan, institution: str) -> None:
        """Sees to it that a worker can read the plan's tokens; nothing has been charged yet.

        Raises:
            Refused: LVR-5325 for tokens of another key than the present one, LVR-5320, and LVR-5327.
        """
        for use in plan.tokens:
            if use.key != self._keys.current(institution, use.element):
                raise refuse.key_replaced(use.column)
            for source, column in _published(use, plan.sources):
                self._make_ready(use, source, column, institution)

    def paths(self, use: TokenUse, sources: Sequence[SourceRef], institution: str) -> tuple[Path, ...]:
        """The tables that a column of tokens is read by, which `ready` has made."""
        return tuple(
            self._path(use, source.snapshot, column, institution) for source, column in _published(use, sources)
        )

    def make(self, table: str, snapshot: str, column: str, institution: str, element: str, key: str) -> None:
        """Makes a table ahead of the first question that needs it. Raises `Refused` LVR-5327."""
        schema, _, name = table.partition(".")
        use = TokenUse("", column, element, key, ((ALIAS, column),))
        self._make_ready(use, SourceRef(ALIAS, TableName(schema, name), snapshot), column, institution)

    def name(self, snapshot: str, column: str, institution: str, element: str, key: str) -> str:
        """What the table of a snapshot's column is called, for an institution's key of an element."""
        content = json.dumps([FORMAT, snapshot, column, institution, element, key])
        return hashlib.sha256(content.encode()).hexdigest()

    def has(self, name: str) -> bool:
        """Whether the table is there."""
        return self._file(name).is_file()

    def drop(self, name: str) -> bool:
        """Takes a table away; whether it was there. Whoever is reading it reads on."""
        path = self._file(name)
        with self._lock:
            self._fit.pop(path, None)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _file(self, name: str) -> Path:
        return self._settings.snapshots / FOLDER / f"{name}.duckdb"

    def _make_ready(self, use: TokenUse, source: SourceRef, column: str, institution: str) -> None:
        path = self._path(use, source.snapshot, column, institution)
        with self._lock:
            turn = self._turns.setdefault(path.stem, threading.Lock())
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with turn, alone(path.parent):
                if not self._is_fit(path):
                    self._make(path, use, source, column, institution)
                    if not self._is_fit(path):
                        raise TokensRefused("the table is not what was built")
        except Exception as failed:
            self._incident(failed)
            raise refuse.not_ready(str(source.table)) from None

    def _make(self, path: Path, use: TokenUse, source: SourceRef, column: str, institution: str) -> None:
        digest = self._build(
            Job(
                snapshot=str(self._locate(source.snapshot, institution).resolve()),
                column=column,
                seed=str((self._settings.matching / matcher.JOIN_FILE).resolve()),
                institution=institution,
                element=use.element,
                target=str(path.resolve()),
                former=tuple(islice(self._fit_formers(institution, use.key), MOST_FORMER)),
            )
        )
        self._note(
            "token_table",
            token_table=path.stem,
            institution=institution,
            element=use.element,
            key=use.key,
            snapshot=source.snapshot,
            column=column,
            sha256=digest,
        )

    def _fit_formers(self, institution: str, key: str) -> Iterator[str]:
        """The files of tables under the same key. A token depends on its id and the key alone."""
        for name in self._former(institution, key):
            path = self._file(name)
            try:
                if self._is_fit(path):
                    yield str(path.resolve())
            except TokensRefused as unfit:
                self._incident(unfit)  # the operator has to know; the tokens are made anew

    def _is_fit(self, path: Path) -> bool:
        """Whether the table is there and its making is logged. Raises `TokensRefused` where it is another one."""
        if not path.is_file():
            return False
        status = os.stat(path)
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise TokensRefused("the table's file is open to others than its owner")
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._fit.get(path) == stamp:
            return True
        if (logged := self._logged(path.stem)) is None:
            return False
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != logged:
                raise TokensRefused("the table is not the one that the log names")
        self._fit[path] = stamp
        return True

    def _path(self, use: TokenUse, snapshot: str, column: str, institution: str) -> Path:
        return self._file(self.name(snapshot, column, institution, use.element, use.key))


def _published(use: TokenUse, sources: Sequence[SourceRef]) -> Iterator[tuple[SourceRef, str]]:
    """The snapshots and columns that a column of tokens is joined with."""
    by_alias = {source.alias: source for source in sources}
    for alias, column in use.published:
        yield by_alias[alias], column

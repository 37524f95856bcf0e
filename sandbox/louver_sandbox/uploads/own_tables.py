"""Taking in, listing and forgetting the institutions' own tables.

The service writes the bytes of an upload to a spool file without looking at them; a confined child reads them. What
another institution has is neither seen nor told.
"""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy import Connection

from louver.errors import Refused
from louver.sealing.keys import PublicKey
from louver_sandbox.catalog import model
from louver_sandbox.processes.admission import Overloaded
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.pool import WorkerFailed, WorkerPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals.catalog import (
    UPLOAD_REFUSALS,
    upload_name_taken,
    upload_not_arrow,
    upload_table_name,
    upload_too_large,
)
from louver_sandbox.refusals.encrypted import uploads as refuse
from louver_sandbox.refusals.encrypted.tokens import key_replaced
from louver_sandbox.settings import Settings
from louver_sandbox.store import State
from louver_sandbox.store.alone import alone, own_folder
from louver_sandbox.uploads import INGEST_ENTRY, INGEST_ENVIRONMENT, INGEST_PRELOAD, registry
from louver_sandbox.uploads.encrypted import ENDING, ciphertext_path
from louver_sandbox.uploads.ingest import (
    NAME,
    NO_ROOM,
    READ_BY_THE_ENGINE,
    TEMPORARY,
    Caps,
    Job,
    Taken,
    UploadRefused,
    decode_answer,
    table_path,
)
from louver_sandbox.uploads.partial import Partial, Partials
from louver_sandbox.uploads.registry import OwnTable
from louver_sandbox.uploads.tokens import element_of

MIB = 1024 * 1024
ANSWER_BYTES = 256 * 1024
QUEUE = 8
CHILD_MEMORY_MIB = 2048
EXPANSION = 8
"""How many times its spool file a table may be after decompression."""
UPLOADS_AT_ONCE = 4
"""Uploads of one institution that may come in at the same time."""
CUT_OFF = ("LVR-3107", "LVR-5313")
"""After these refusals an upload with an id may go on."""
RETRY_S = 5.0


class Coming(Protocol):
    """The bytes of an upload as they come. One with an id (`upload`) goes on behind `offset` bytes that came before
    and ends with the digest of all, which is there when nothing more comes."""

    upload: str
    offset: int
    sha256: bytes | None

    def __iter__(self) -> Iterator[bytes]: ...


Note = Callable[..., object]
"""Writes a log entry in a transaction: kind, then its fields."""


class OwnTables:
    """The own tables of every institution. Use it in a `with` statement.

    `key_of` is the Paillier key that an institution's encrypted columns must be under, None where it has none;
    `token_key_of` gives the one that its tokens of an element must be under."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        clock: Callable[[], datetime],
        note: Note,
        key_of: Callable[[str], PublicKey | None] = lambda institution: None,
        token_key_of: Callable[[str, str], str] = lambda institution, element: "",
    ) -> None:
        self._settings = settings
        self._key_of = key_of
        self._token_key_of = token_key_of
        self._state = state
        self._clock = clock
        self._note = note
        self._changing = threading.Lock()
        self._receiving: Counter[str] = Counter()
        self._parts = ExitStack()
        self._spool = self._parts.enter_context(own_folder(settings.spool))
        limits = settings.limits
        self.partials = Partials(self._spool, time.monotonic, limits.unfinished_uploads, limits.unfinished_mib * MIB)
        self._expires: datetime | None = None
        self._counting = threading.Lock()
        # A table may need as much file as its rows need memory, and a little for the engine's own pages.
        file_mib = EXPANSION * settings.limits.upload_mib + 64
        self._zygote = Zygote(
            INGEST_ENTRY,
            prepare="louver_sandbox.uploads.held:prepare",
            preload=INGEST_PRELOAD,
            environment=INGEST_ENVIRONMENT,
            limits=Limits(memory_mib=CHILD_MEMORY_MIB, file_mib=file_mib),
            profile="store",
            readable=(self._spool, *map(Path, READ_BY_THE_ENGINE)),
            writable=(settings.uploads,),
        )
        self._pool = WorkerPool(self._zygote, size=1, queue=QUEUE, per_institution=1)
        with self._alone():
            # What was dropped, or taken in but never registered, just before the service was killed.
            self._sweep_all()

    def stored(self, institution: str) -> tuple[OwnTable, ...]:
        """The institution's live tables."""
        with self._state.reading() as tx:
            return registry.own_tables(tx, institution)

    def tables(self, institution: str) -> tuple[model.Table, ...]:
        """The same, as the catalogue has them."""
        return tuple(map(registry.catalog_table, self.stored(institution)))

    def receive(
        self,
        institution: str,
        name: str,
        coming: Coming,
        seconds: float,
        cancelled: threading.Event,
        *,
        replace: bool,
    ) -> OwnTable:
        """Takes an upload in under a name; other content of that name must be replaced on purpose.

        Raises `Refused` LVR-4001 to LVR-4007, LVR-4009, LVR-5012 to LVR-5014, LVR-5301, LVR-5320, LVR-5324, LVR-5325,
        LVR-3101, LVR-3103; then nothing is kept. Of an upload with an id what has come is kept for a while where it
        was cut off (LVR-3107, LVR-5313 or a broken connection); LVR-5311 where it does not go on there, LVR-5312 and
        LVR-5314.
        """
        if not NAME.match(name):
            raise upload_table_name({})
        with self._turn(institution), self._spooled(institution, coming) as spool, self._alone():
            return self._take(institution, name, spool, seconds, cancelled, replace=replace)

    @contextmanager
    def _spooled(self, institution: str, coming: Coming) -> Iterator[Path]:
        """A file with the whole upload, which is gone afterwards whatever becomes of it."""
        if not coming.upload:
            with self.partials.whole(institution) as whole:
                self._write(whole, coming)
                yield whole.file
            return
        with self.partials.going_on(institution, coming.upload, coming.offset) as part:
            try:
                self._write(part, coming)
                if coming.sha256 is None:
                    raise refuse.unfinished()
                if not secrets.compare_digest(part.digest.digest(), coming.sha256):
                    raise refuse.other_bytes()
            except Refused as refused:
                if refused.code not in CUT_OFF:
                    self.partials.done(institution, coming.upload)
                raise
            try:
                yield part.file
            finally:
                self.partials.done(institution, coming.upload)

    @contextmanager
    def _turn(self, institution: str) -> Iterator[None]:
        """One of the few an institution may have coming in: each holds a thread and a spool file until it ends."""
        with self._counting:
            if self._receiving[institution] >= UPLOADS_AT_ONCE:
                raise capacity.overloaded("institution", RETRY_S)
            self._receiving[institution] += 1
        try:
            yield
        finally:
            with self._counting:
                self._receiving[institution] -= 1

    def _take(
        self, institution: str, name: str, spool: Path, seconds: float, cancelled: threading.Event, *, replace: bool
    ) -> OwnTable:
        """Ingests and registers; content that no live table names afterwards is gone, also when it was refused."""
        try:
            taken = self._ingest(institution, spool, seconds, cancelled)
            for column in taken.columns:
                element = element_of(column.type)
                if element and column.key != self._token_key_of(institution, element):
                    raise key_replaced(column.name)
            with self._state.transaction() as tx:
                current = registry.find(tx, institution, name)
                if current is not None and current.digest != taken.digest and not replace:
                    raise upload_name_taken({})
                self._check_quota(tx, institution, taken)
                own = registry.register(tx, institution, name, taken, self._clock())
                tokens = {column.name: column.key for column in own.columns if element_of(column.type)}
                keys = {column.name: column.key for column in own.columns if column.key}
                sealed = {name: key for name, key in keys.items() if name not in tokens}
                slips = {f"{one.column} {one.element}": one.texts for one in taken.held}
                more = {
                    name: said for name, said in (("encrypted", sealed), ("tokens", tokens), ("held", slips)) if said
                }
                self._note(
                    tx, "upload", institution=institution, table=name, digest=own.digest, rows=own.rows, **more
                )
                return dataclasses.replace(own, held=taken.held)
        finally:
            self._sweep(institution)

    def drop(self, institution: str, name: str) -> None:
        """Forgets a table; its content goes when no live table names it. Raises `Refused` LVR-4008."""
        with self._alone():
            with self._state.transaction() as tx:
                registry.drop(tx, institution, name, self._clock())
                self._note(tx, "drop", institution=institution, table=name)
            self._sweep(institution)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else takes in or removes contents meanwhile, neither another thread nor another service."""
        with self._changing, alone(self._settings.spool):
            yield

    def tidy(self) -> None:
        """Removes what has had its time, though nobody asks for it: uploads that were cut off, and ciphertexts that
        auditors could look into for as long as was promised. To be called now and then."""
        self.partials.sweep()
        if self._expires is not None and self._expires <= self._clock():
            with self._alone():
                self._sweep_all()

    def _sweep_all(self) -> None:
        self._expires = None
        for folder in self._settings.uploads.iterdir():
            self._sweep(folder.name)

    def _sweep(self, institution: str) -> None:
        """Removes the contents that no live table names, and what a process that was killed had half made: tables are
        taken in one by one. A query that has them open keeps what it opened. Ciphertexts stay for auditors."""
        with self._state.reading() as tx:
            live, held = registry.live_digests(tx, institution), self._held(tx, institution)
        if held:
            self._expires = min([*held.values(), *filter(None, [self._expires])])
        for file in (self._settings.uploads / institution).glob("*.*"):
            if file.name.startswith(TEMPORARY):
                shutil.rmtree(file, ignore_errors=True)
            elif file.suffix == ENDING and file.stem in held:
                continue
            elif file.suffix in (".duckdb", ENDING) and file.stem not in live:
                file.unlink(missing_ok=True)

    def _held(self, tx: Connection, institution: str) -> dict[str, datetime]:
        """What was dropped or replaced and is kept all the same, and until when.

        Under contract a bank's values are believed because somebody may look into them (CRYPTO 5.1). What went with
        its table would never be looked into."""
        period = timedelta(days=self._settings.limits.audit_days)
        dropped = registry.dropped_encrypted(tx, institution, self._clock() - period)
        return {digest: at + period for digest, at in dropped.items()}

    def _write(self, part: Partial, coming: Iterable[bytes]) -> None:
        most = self._settings.limits.upload_mib * MIB
        try:
            # Without a buffer: what is counted as come is in the file. One that was cut off before its first byte has
            # left an empty file, so what has come does not tell whether there is one.
            with part.file.open("ab", buffering=0) as file:
                for chunk in coming:
                    if part.size + len(chunk) > most:
                        raise upload_too_large({"what": "bytes", "limit": str(most)})
                    self.partials.make_room(part, len(chunk))
                    if file.write(chunk) != len(chunk):
                        raise OSError("the disk took a part of it")
                    part.add(chunk)
        except OSError:
            raise capacity.not_accepting() from None
        if not part.size:
            raise upload_not_arrow({})

    def _ingest(self, institution: str, spool: Path, seconds: float, cancelled: threading.Event) -> Taken:
        limits = self._settings.limits
        caps = Caps(rows=limits.upload_rows, bytes=EXPANSION * limits.upload_mib * MIB)
        folder = (self._settings.uploads / institution).resolve()
        job = Job(spool.resolve(), folder, caps, self._key_of(institution))
        try:
            slot = self._pool.reserve(institution, time.monotonic() + seconds)
        except Overloaded as overloaded:
            raise capacity.overloaded(overloaded.scope, overloaded.retry_after) from None
        with slot:
            try:
                reply = slot.run(job.encode(), deadline_s=seconds, cancelled=cancelled, reply_cap=ANSWER_BYTES)
            except WorkerFailed as failed:
                if failed.kind == "memory":
                    raise upload_too_large({"what": "bytes", "limit": "memory"}) from None
                raise
        answer = decode_answer(reply)
        if isinstance(answer, UploadRefused):
            if answer.code == NO_ROOM:
                raise capacity.not_accepting()
            raise UPLOAD_REFUSALS[answer.code](answer.facts)
        return answer

    def _check_quota(self, tx: Connection, institution: str, taken: Taken) -> None:
        most = self._settings.limits.own_tables_mib * MIB
        used = registry.used_bytes(tx, institution) + taken.bytes
        if used > most:
            raise upload_too_large({"what": "bytes of all your tables", "limit": str(most)})
        held = self._held(tx, institution)
        paths = (ciphertext_path(table_path(self._settings.uploads / institution, digest)) for digest in held)
        if held and used + sum(path.stat().st_size for path in paths if path.exists()) > most:
            until = min(held.values()).date().isoformat()
            raise refuse.kept_for_auditors(most // MIB, until)

    def close(self) -> None:
        """Ends the processes it started."""
        self._pool.close()
        self._zygote.close()
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def own_tables_ever(state: State, institution: str, digests: frozenset[str]) -> tuple[model.Table, ...]:
    """The institution's tables of these contents, live or dropped, for replaying an old decision."""
    with state.reading() as tx:
        return tuple(registry.catalog_table(own) for own in registry.ever(tx, institution) if own.digest in digests)

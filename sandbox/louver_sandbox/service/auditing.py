"""The gRPC methods for auditors. Every look is in the log before what it shows leaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import grpc
from cryptography.hazmat.primitives import hashes

from louver.errors import Refused, Unproven
from louver.transparency.checkpoint import Checkpoint
from louver.transparency.proofs import ConsistencyProof
from louver.v1 import audit_pb2 as pb
from louver.v1 import audit_pb2_grpc as pb_grpc
from louver_sandbox import journal
from louver_sandbox.audit.entries import JSON
from louver_sandbox.audit.export import export_log
from louver_sandbox.audit.stored import LogDamaged, UnknownEntry
from louver_sandbox.auditing import index, replayer, search, spending, timeline, witnesses
from louver_sandbox.auditing.replay import NotReplayable, Replayed, decision, replay
from louver_sandbox.auditors import Auditor
from louver_sandbox.processes.pool import CheckerFailed
from louver_sandbox.refusals import auditing as refusals
from louver_sandbox.service import audit_filters, audit_told
from louver_sandbox.service.edge import guarded, on_end, peer_certificate
from louver_sandbox.uploads.own_tables import own_tables_ever
from louver_sandbox.wiring import Platform

AT_ONCE = 8
"""Calls of auditors that are answered at once; questions of institutions are not among them."""
TAILS = 16
EXPORTS = 2
FRESH = 5_000
"""Entries that a search takes into the index before it looks."""
POLL_S = 0.5
HEARTBEATS = 10
"""Looks at nothing new after which a tail says that it is alive."""
LONGEST_TAIL_S = 3_000.0
TAIL_PAGE = 100
REPLAY_S = 30.0
"""What a replay may take, and as much again its waiting: the first one starts the processes."""
CHUNK = 1 << 20
READ_PAGE = 200
"""Entries that are read at once for whoever follows."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """An auditor and the certificate that it comes with."""

    auditor: Auditor
    fingerprint: str


class Auditing(pb_grpc.AuditServiceServicer):
    """The log's readers over one `Platform`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._calls = threading.BoundedSemaphore(AT_ONCE)
        self._tails = threading.BoundedSemaphore(TAILS)
        self._exports = threading.BoundedSemaphore(EXPORTS)

    def SearchEntries(
        self, message: pb.SearchEntriesRequest, context: grpc.ServicerContext
    ) -> pb.SearchEntriesResponse:
        """One page of the entries that fit a filter."""
        with self._call(context, self._calls) as caller:
            wanted = audit_filters.read(message.filter)
            limit, start = audit_filters.page(message.page_size, message.page_token)
            books = self._platform.books
            index.catch_up(books.state, FRESH)
            with books.state.reading() as tx:
                page = search.page(tx, wanted, start, limit, ascending=message.ascending)
                response = pb.SearchEntriesResponse(
                    entries=audit_told.lines(tx, page.entries),
                    next_page_token="" if page.following is None else str(page.following),
                    indexed=index.indexed(tx),
                    counts=audit_told.counted(search.counts(tx, wanted)) if message.with_counts else None,
                )
            response.log_size = books.log.size()
            self._look(caller, "search", filter=audit_filters.told(wanted), found=len(response.entries))
            return response

    def CountOverTime(
        self, message: pb.CountOverTimeRequest, context: grpc.ServicerContext
    ) -> pb.CountOverTimeResponse:
        """Counts by the day or the hour."""
        with self._call(context, self._calls) as caller:
            wanted = audit_filters.over_time(message)
            index.catch_up(self._platform.state, FRESH)
            with self._platform.state.reading() as tx:
                found = timeline.timeline(tx, wanted, hours=message.hours)
            self._look(caller, "count", filter=audit_filters.told(wanted))
            counts = [
                pb.TimeCount(start=start, verdict=verdict, entries=n)
                for (start, verdict), n in sorted(found.counts.items())
            ]
            return pb.CountOverTimeResponse(counts=counts, exact=found.exact)

    def GetDecider(self, message: pb.GetDeciderRequest, context: grpc.ServicerContext) -> pb.GetDeciderResponse:
        """What decided, as it was kept. It shows no entry, so it is no look."""
        with self._call(context, self._calls):
            kind, content = audit_told.decider(self._platform.settings.run, message.digest)
            return pb.GetDeciderResponse(kind=kind, content=content)

    def GetEntry(self, message: pb.GetEntryRequest, context: grpc.ServicerContext) -> pb.GetEntryResponse:
        """One entry whole."""
        with self._call(context, self._calls) as caller:
            index.catch_up(self._platform.state, FRESH)
            found = audit_told.whole(self._platform.books, _known(message.index))
            self._look(caller, "get", entry=message.index)
            return found

    def TailEntries(
        self, message: pb.TailEntriesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.TailEntriesResponse]:
        """Entries as they come."""
        with self._call(context, self._tails) as caller:
            wanted = audit_filters.read(message.filter)
            start = self._platform.books.log.size() if message.from_now else _known(message.start)
            ended = threading.Event()
            on_end(context, ended.set)
            self._look(caller, "tail", filter=audit_filters.told(wanted))
            told = 0
            try:
                for response in self._following(wanted, start, ended):
                    told += len(response.entries)
                    yield response
            finally:
                self._look(caller, "tail_ended", found=told)

    def _following(
        self, wanted: search.Filter, start: int, ended: threading.Event
    ) -> Iterator[pb.TailEntriesResponse]:
        state, quiet = self._platform.state, 0
        for _ in range(int(LONGEST_TAIL_S / POLL_S)):
            index.catch_up(state, FRESH)
            with state.reading() as tx:
                page = search.page(tx, wanted, start, TAIL_PAGE, ascending=True)
                found = audit_told.lines(tx, page.entries)
                start = page.following if page.following is not None else max(start, index.indexed(tx))
            quiet = 0 if found else quiet + 1
            if found or quiet % HEARTBEATS == 1:
                yield pb.TailEntriesResponse(entries=found, next_start=start)
            if page.following is None and ended.wait(POLL_S):
                return
            if ended.is_set():
                return

    def ReadEntries(
        self, message: pb.ReadEntriesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadEntriesResponse]:
        """Entries whole, up to a head that covers this look too; so whoever follows has no more to read until
        somebody else acts."""
        with self._call(context, self._exports) as caller:
            books, start = self._platform.books, _known(message.start)
            self._look(caller, "read", entry=start)
            head = books.log.head()
            yield pb.ReadEntriesResponse(checkpoint=self._under(head).to_bytes().decode())
            for begin in range(start, head.claimed.size, READ_PAGE):
                with books.state.reading() as tx:
                    page = audit_told.followed(tx, begin, min(begin + READ_PAGE, head.claimed.size))
                yield from _parts(page)

    def GetCheckpoint(
        self, message: pb.GetCheckpointRequest, context: grpc.ServicerContext
    ) -> pb.GetCheckpointResponse:
        """A signed head. It shows no entry, so it is no look: whoever follows the log does not make it grow."""
        with self._call(context, self._calls):
            size = _known(message.size)
            if message.cosigned:
                with self._platform.state.reading() as tx:
                    size = witnesses.newest_cosigned(tx) or -1
            return pb.GetCheckpointResponse(checkpoint=self._under(self._head(size)).to_bytes().decode())

    def GetConsistency(
        self, message: pb.GetConsistencyRequest, context: grpc.ServicerContext
    ) -> pb.GetConsistencyResponse:
        """The proof that a signed head extends an earlier size; no look, for the same reason."""
        with self._call(context, self._calls):
            head = self._head(_known(message.new_size))
            try:
                proof = self._platform.books.log.consistency(_known(message.old_size), head.claimed.size)
            except UnknownEntry:
                raise refusals.unknown_head() from None
            return pb.GetConsistencyResponse(
                proof=ConsistencyProof(proof.old_size, proof.path, self._under(proof.checkpoint)).to_bytes()
            )

    def ListSpending(self, message: pb.ListSpendingRequest, context: grpc.ServicerContext) -> pb.ListSpendingResponse:
        """What was spent, day by day."""
        with self._call(context, self._calls) as caller:
            wanted = audit_filters.accounts(message)
            with self._platform.state.reading() as tx:
                found = list(islice(spending.spent(tx, wanted), spending.MOST_LINES))
            said: dict[str, JSON] = {field.name: str(value) for field, value in message.ListFields()}
            self._look(caller, "spending", filter=said, found=len(found))
            return pb.ListSpendingResponse(
                days=[
                    pb.DaySpent(
                        institution=one.institution,
                        dataset=one.dataset,
                        purpose=one.purpose,
                        kind=one.kind,
                        day=one.day,
                        amount=one.amount,
                        total=one.total,
                        charges=one.charges,
                    )
                    for one in found
                ],
                cut=len(found) >= spending.MOST_LINES,
            )

    def ReplayEntry(self, message: pb.ReplayEntryRequest, context: grpc.ServicerContext) -> pb.ReplayEntryResponse:
        """The decision behind an entry, made again in a process of its own."""
        with self._call(context, self._calls) as caller:
            self._look(caller, "replay", entry=_known(message.index))
            found = self._replay(message.index)
            return pb.ReplayEntryResponse(same=found.same, recorded=found.recorded, found=found.found)

    def _replay(self, entry: int) -> Replayed:
        """Raises `Refused` LVR-7103 or LVR-7106, `LogDamaged` where what would be replayed is not what was logged."""
        platform, log = self._platform, self._platform.books.log
        try:
            behind = decision(entry, log)
            audit_told.whole(platform.books, behind.index)
            snapshots = behind.fields.get("snapshots", {})
            digests = frozenset(map(str, snapshots.values())) if isinstance(snapshots, dict) else frozenset()
            own = own_tables_ever(platform.state, str(behind.fields.get("institution", "")), digests)
            decide = replayer.in_process(platform.replayers(), REPLAY_S)
            return replay(behind.index, log, platform.settings, own, decide)
        except NotReplayable as not_replayable:
            raise refusals.not_replayable(str(not_replayable)) from None
        except CheckerFailed as failed:
            if failed.kind == "busy":
                raise refusals.audit_busy("replays", "重放") from None
            raise

    def ExportLog(
        self, message: pb.ExportLogRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportLogResponse]:
        """The whole log, line after line."""
        with self._call(context, self._exports) as caller:
            books = self._platform.books
            self._look(caller, "export", found=books.log.size())
            books.log.head()  # so that a signed head covers the look too
            with books.state.reading() as tx:
                cosigned = witnesses.sizes(tx)
            waiting = bytearray()
            for line in export_log(books.state, books.log.origin):
                waiting += self._with_cosignatures(line, cosigned)
                if len(waiting) >= CHUNK:
                    yield pb.ExportLogResponse(lines=bytes(waiting))
                    waiting.clear()
            yield pb.ExportLogResponse(lines=bytes(waiting))

    def _with_cosignatures(self, line: bytes, cosigned: frozenset[int]) -> bytes:
        if not cosigned or not line.startswith(b'{"head"'):
            return line
        head = Checkpoint.parse(json.loads(line)["head"].encode())
        if head.claimed.size not in cosigned:
            return line
        said = {"head": self._under(head).to_bytes().decode()}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def AddCosignature(
        self, message: pb.AddCosignatureRequest, context: grpc.ServicerContext
    ) -> pb.AddCosignatureResponse:
        """A witness's cosignature; no entry, or each would ask for the next."""
        with self._call(context, self._calls) as caller:
            now = self._platform.clock().timestamp()
            witnesses.take(
                self._platform.books.log, _known(message.size), message.line, caller.auditor.witnesses, now
            )
            return pb.AddCosignatureResponse()

    def _head(self, size: int) -> Checkpoint:
        """The head signed at this size; 0 is the newest. Raises `Refused` LVR-7107."""
        try:
            return self._platform.books.log.head() if size == 0 else self._platform.books.log.signed(size)
        except UnknownEntry:
            raise refusals.unknown_head() from None

    def _under(self, checkpoint: Checkpoint) -> Checkpoint:
        with self._platform.state.reading() as tx:
            return witnesses.under(tx, checkpoint)

    def _look(self, caller: _Caller, verb: str, **said: JSON) -> None:
        """Logs a look; without it nothing is shown (law 8)."""
        journal.note(
            self._platform.books,
            "audit_look",
            auditor=caller.auditor.id,
            certificate=caller.fingerprint,
            verb=verb,
            **said,
        )

    @contextmanager
    def _call(self, context: grpc.ServicerContext, places: threading.BoundedSemaphore) -> Iterator[_Caller]:
        """Who calls, in one of the places for such calls; whatever is raised leaves as a typed status."""
        with guarded(context):
            caller = self._peer(context)
            if not places.acquire(blocking=False):
                raise refusals.audit_busy("calls of auditors", "审计调用")
            try:
                yield caller
            except LogDamaged as damaged:
                raise refusals.log_contradicts_itself(str(damaged)) from None
            except Unproven as unproven:
                raise refusals.log_contradicts_itself(unproven.message) from None
            except UnknownEntry:
                raise refusals.unknown_entry() from None
            finally:
                places.release()

    def _peer(self, context: grpc.ServicerContext) -> _Caller:
        """The auditor; anybody else's try is noted in the log."""
        certificate = peer_certificate(context)
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        try:
            return _Caller(self._platform.log_auditors.auditor(certificate), fingerprint)
        except Refused as refused:
            self._platform.note_stranger(fingerprint, refused)
            raise


def _parts(page: list[pb.WholeEntry]) -> Iterator[pb.ReadEntriesResponse]:
    """The entries in messages of about `CHUNK` bytes, each of which holds one at least."""
    part, size = pb.ReadEntriesResponse(), 0
    for entry in page:
        if part.entries and size + entry.ByteSize() > CHUNK:
            yield part
            part, size = pb.ReadEntriesResponse(), 0
        part.entries.append(entry)
        size += entry.ByteSize()
    if part.entries:
        yield part


def _known(number: int) -> int:
    """An index or size that an integer of the store can hold. Raises `Refused` LVR-7104."""
    if number >= 2**62:
        raise refusals.unknown_entry()
    return number

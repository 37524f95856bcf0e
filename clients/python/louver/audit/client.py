"""The auditors' client: ``louver.audit.connect()``. It asks for nothing but the log, and proves what it shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from louver import access
from louver.audit import results
from louver.audit.results import Given
from louver.connection import Connection
from louver.errors import Unproven
from louver.failures import Misused
from louver.settings import settle
from louver.surroundings import Surroundings
from louver.transparency import Checkpoint, ConsistencyProof, LogKey, Signature
from louver.v1 import access_pb2 as access_pb
from louver.v1 import audit_pb2 as pb
from louver.v1.access_pb2_grpc import AccessOfficeServiceStub
from louver.v1.audit_pb2_grpc import AuditServiceStub

PAGE = 200
"""Entries of one page, as many as the service gives."""

Values = str | Iterable[str]
"""One value of a filter, or several that are alternatives."""

EXPORT_SECONDS = 3600.0


def connect(
    target: str | None = None,
    *,
    profile: str | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    ca: str | Path | None = None,
    log_key: str | None = None,
    timeout: float | None = None,
    verify: bool | None = None,
    surroundings: Surroundings | None = None,
) -> AuditClient:
    """A client of the log at ``target``, by an auditor's certificate; see ``louver.connect`` for where settings come
    from. Raises ``Misused``, also where there is no log key and ``verify`` is not False."""
    settings = settle(
        target,
        profile=profile,
        certificate=certificate,
        key=key,
        ca=ca,
        log_key=log_key,
        timeout=timeout,
        verify=verify,
        surroundings=surroundings,
    )
    if not settings.log_key and verify is not False:
        raise Misused("an auditor needs the log's public key, or nothing is proved", "set log_key")
    return AuditClient(settings)


def entry_filter(
    *,
    kind: Values = (),
    institution: Values = (),
    purpose: Values = (),
    dataset: Values = (),
    verdict: Values = (),
    code: Values = (),
    treatment: Values = (),
    least_cost: int | None = None,
    most_cost: int | None = None,
    since: str = "",
    until: str = "",
    text: str = "",
    request_id: str = "",
) -> pb.EntryFilter:
    """Which entries: values of one field are alternatives, fields narrow one another.

    ``since`` (from) and ``until`` (before) are days ``YYYY-MM-DD`` in UTC or moments. ``text`` are words that all
    stand in the SQL; ``tax*`` is any that begins so. Raises ``Misused`` for a negative cost.
    """
    if min(least_cost or 0, most_cost or 0) < 0:
        raise Misused("a cost is not negative")
    return pb.EntryFilter(
        kinds=_several(kind),
        institutions=_several(institution),
        purposes=_several(purpose),
        datasets=_several(dataset),
        verdicts=_several(verdict),
        codes=_several(code),
        treatments=_several(treatment),
        least_cost=least_cost,
        most_cost=most_cost,
        since=since,
        until=until,
        text=text,
        request_id=request_id,
    )


def _several(values: Values) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


class AuditClient(Connection):
    """An auditor's connection to a sandbox. Every look at entries or balances is itself a log entry."""

    @property
    def _stub(self) -> AuditServiceStub:
        return AuditServiceStub(self._channel)

    def search(self, limit: int = 50, *, ascending: bool = False, **wanted: Any) -> Iterator[results.AuditEntry]:
        """Up to ``limit`` entries that fit a filter (``entry_filter``), the newest first unless ``ascending``.

        Pages are fetched as they are needed; each is a look in the log.
        """
        token = ""
        while limit > 0:
            page = self.page(min(limit, PAGE), token, ascending=ascending, **wanted)
            limit -= len(page.entries)
            yield from page.entries
            token = page.token
            if not token:
                return

    def page(
        self, size: int = 50, token: str = "", *, ascending: bool = False, with_counts: bool = False, **wanted: Any
    ) -> results.Page:
        """One page of what fits a filter, in one look: for whoever shows pages. ``token`` is that of the page before,
        with the same filter and order."""
        request = pb.SearchEntriesRequest(
            filter=entry_filter(**wanted), page_size=min(size, PAGE), page_token=token, ascending=ascending,
            with_counts=with_counts,
        )  # fmt: skip
        return results.page(self._call(self._stub.SearchEntries, request))

    def count(self, **wanted: Any) -> results.Counts:
        """How many entries fit a filter, and of which there are how many."""
        request = pb.SearchEntriesRequest(filter=entry_filter(**wanted), page_size=1, with_counts=True)
        return results.counts(self._call(self._stub.SearchEntries, request).counts)

    def over_time(self, *, hours: bool = False, **wanted: Any) -> results.TimeCounts:
        """How many entries fit a filter by the day, or by the hour; ``since`` and ``until`` have to be given, at most
        366 days apart, or 7 for hours."""
        request = pb.CountOverTimeRequest(filter=entry_filter(**wanted), hours=hours)
        response = self._call(self._stub.CountOverTime, request)
        return results.TimeCounts({(one.start, one.verdict): one.entries for one in response.counts}, response.exact)

    def decider(self, digest: str) -> tuple[str, bytes]:
        """The bundle of policies or catalogue that entries name by this digest, and which of them it is."""
        response = self._call(self._stub.GetDecider, pb.GetDeciderRequest(digest=digest))
        return response.kind, response.content

    def show(self, index: int) -> results.WholeEntry:
        """One entry whole, proved to be in the log. Raises ``Unproven``."""
        response = self._call(self._stub.GetEntry, pb.GetEntryRequest(index=index))
        return results.whole(response, index, self.settings.log_key)

    def tail(self, start: int | None = None, **wanted: Any) -> Iterator[results.AuditEntry]:
        """Entries as they come, from index ``start`` (default: from now), until the caller stops. A call that the
        service ends in time is made again where it stood."""
        message = entry_filter(**wanted)
        request = pb.TailEntriesRequest(filter=message, start=start or 0, from_now=start is None)
        while True:
            call = self._stub.TailEntries(request)
            try:
                for response in self._parts(call):
                    yield from map(results.entry, response.entries)
                    request = pb.TailEntriesRequest(filter=message, start=response.next_start)
            finally:
                call.cancel()

    def follow(self, start: int | None = None, **wanted: Any) -> Iterator[tuple[int, tuple[results.AuditEntry, ...]]]:
        """Entries as they come in one call, with the index from which a later call goes on; none of them is a sign of
        life. It ends when the service ends it, or the caller stops."""
        request = pb.TailEntriesRequest(filter=entry_filter(**wanted), start=start or 0, from_now=start is None)
        call = self._stub.TailEntries(request)
        try:
            for response in self._parts(call):
                yield response.next_start, tuple(map(results.entry, response.entries))
        finally:
            call.cancel()

    def read_entries(self, start: int) -> tuple[Checkpoint, Iterator[Given]]:
        """The newest head, and the entries from index ``start`` on up to it, whole: for whoever follows the log.
        Nothing of it is verified here (``louver.alerts.following`` does); the call is one look in the log."""
        call = self._stub.ReadEntries(pb.ReadEntriesRequest(start=start), timeout=EXPORT_SECONDS)
        parts = self._parts(call)
        first = next(parts, pb.ReadEntriesResponse())
        return Checkpoint.parse(first.checkpoint.encode()), self._given(call, parts)

    def _given(self, call: Any, parts: Iterator[Any]) -> Iterator[Given]:
        try:
            for part in parts:
                for one in part.entries:
                    yield Given(one.body, one.sql, one.salt, tuple(one.datasets), one.residue, one.pruned_by)
        finally:
            call.cancel()

    def _parts(self, call: Any) -> Iterator[Any]:
        parts = iter(call)
        while (part := self._translated(lambda: next(parts, None))) is not None:
            yield part

    def checkpoint(self, size: int = 0, *, cosigned: bool = False) -> Checkpoint:
        """The head signed at a size (0: the newest, or the newest cosigned), its signature verified. Raises
        ``Unproven``."""
        request = pb.GetCheckpointRequest(size=size, cosigned=cosigned)
        found = Checkpoint.parse(self._call(self._stub.GetCheckpoint, request).checkpoint.encode())
        if self.settings.log_key:
            found.verify(LogKey.parse(self.settings.log_key))
        if size and found.claimed.size != size:
            raise Unproven("the service has answered with another head", found.to_bytes())
        return found

    def consistency(self, old_size: int, new_size: int = 0) -> ConsistencyProof:
        """What the service offers as proof that a head (0: the newest) extends an earlier size; ``verify`` it against
        the earlier head."""
        request = pb.GetConsistencyRequest(old_size=old_size, new_size=new_size)
        return ConsistencyProof.parse(self._call(self._stub.GetConsistency, request).proof)

    def spending(
        self, *, institution: str = "", dataset: str = "", kind: str = "", since: str = "", until: str = ""
    ) -> list[results.DaySpent]:
        """What was spent, day by day. Raises ``Misused`` where there is more than one answer holds."""
        request = pb.ListSpendingRequest(
            institution=institution, dataset=dataset, kind=kind, since=since, until=until
        )
        response = self._call(self._stub.ListSpending, request)
        if response.cut:
            raise Misused("there is more than one answer holds", "name an institution, a dataset or fewer days")
        return [results.day_spent(message) for message in response.days]

    def access_figures(self, *, since: str = "", until: str = "") -> tuple[access.AccessFigures, ...]:
        """Supply and demand by department: requests for access received in these Beijing days, ``until`` not
        included."""
        request = access_pb.GetAccessFiguresRequest(since=since, until=until)
        return access.figures(self._call(AccessOfficeServiceStub(self._channel).GetAccessFigures, request))

    def replay(self, index: int) -> results.Replayed:
        """The decision behind an entry, made again by the service from the log and the versions it names."""
        response = self._call(self._stub.ReplayEntry, pb.ReplayEntryRequest(index=index))
        return results.Replayed(response.same, dict(response.recorded), dict(response.found))

    def export(self, target: IO[bytes]) -> int:
        """Write the whole log to an open file; returns the bytes. Verify it with ``verify_export``."""
        call = self._stub.ExportLog(pb.ExportLogRequest(), timeout=EXPORT_SECONDS)
        written = 0
        try:
            for part in self._parts(call):
                written += target.write(part.lines)
        finally:
            call.cancel()
        return written

    def cosign(self, size: int, signature: Signature) -> None:
        """Hand in a witness's cosignature of the head at a size."""
        line = signature.line().removesuffix("\n")
        self._call(self._stub.AddCosignature, pb.AddCosignatureRequest(size=size, line=line))

"""The calls about reports, disputes and corrections of both clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    import grpc
    import grpc.aio

    from louver.redress import Correction, Dispute, ReportDefinition
    from louver.reports.document import CreditReport
    from louver.settings import Settings
    from louver.v1.subjects_pb2_grpc import SubjectServiceAsyncStub, SubjectServiceStub

    Q = TypeVar("Q")
    R = TypeVar("R")

T = TypeVar("T")


class RedressCalls:
    """What ``louver.Client`` can ask about reports, disputes and corrections."""

    settings: Settings
    _channel: grpc.Channel

    if TYPE_CHECKING:

        def _call(
            self, method: grpc.UnaryUnaryMultiCallable[Q, R], request: Q, timeout: float | None = None
        ) -> R: ...

        def _persistently(self, attempt: Callable[[float], T], allowed: float, request_id: str = "") -> T: ...

    @property
    def _redress(self) -> SubjectServiceStub:
        from louver.v1.subjects_pb2_grpc import SubjectServiceStub

        return SubjectServiceStub(self._channel)

    def reports(self) -> list[ReportDefinition]:
        """The credit reports that are offered to this caller today."""
        from louver import redress
        from louver.v1 import subjects_pb2 as pb

        return redress.definitions(self._call(self._redress.ListReports, pb.ListReportsRequest()).reports)

    def report(
        self,
        name: str,
        subject: str,
        *,
        authorisation: str = "",
        purpose: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> CreditReport:
        """A credit report (``id@version``) on one subject, all its sections under one authorisation.

        It says nothing, whether there is no such subject, no authorisation that covers every section, or one that was
        revoked while the report was made. All of it is one use of the authorisation. Asked again with the same
        ``request_id`` it is the same report.
        """
        from louver import redress
        from louver.connection import awaited
        from louver.v1 import subjects_pb2 as pb

        allowed = self.settings.time_allowed(timeout)
        question = redress.ordered(self.settings, name, subject, authorisation, purpose, request_id, allowed)
        request = pb.MakeReportRequest(question=question)

        def attempt(left: float) -> CreditReport:
            response = awaited(self._redress.MakeReport.future(request, timeout=left))
            return redress.proven(response, question, self.settings.log_key)

        return self._persistently(attempt, allowed, question.request_id)

    def dispute(self, request_id: str, *, table: str, statement: str, evidence_sha256: str) -> Dispute:
        """Pass on what a subject disputes in an answer that you have had: the table that is wrong, its own words, and
        the digest of the document that it signed. The same again while it is open is the same dispute."""
        from louver import redress

        request = redress.filing(request_id, table, statement, evidence_sha256)
        return redress.dispute(self._call(self._redress.FileDispute, request).dispute)

    def disputes(self) -> list[Dispute]:
        """The disputes that you have passed on, the newest first."""
        from louver import redress
        from louver.v1 import subjects_pb2 as pb

        found = self._call(self._redress.ListDisputes, pb.ListDisputesRequest()).disputes
        return [redress.dispute(one) for one in found]

    def corrections(self) -> list[Correction]:
        """What has been repaired or corrected since you were told of it: those you have not had first."""
        from louver import redress
        from louver.v1 import subjects_pb2 as pb

        found = self._call(self._redress.ListCorrections, pb.ListCorrectionsRequest()).corrections
        return redress.corrections(found)


class AsyncRedressCalls:
    """The same for ``louver.aio.AsyncClient``."""

    settings: Settings

    if TYPE_CHECKING:

        @property
        def _opened(self) -> grpc.aio.Channel: ...

        async def _call(self, attempt: Callable[[float], Awaitable[T]]) -> T: ...

        async def _persistently(
            self, attempt: Callable[[float], Awaitable[T]], allowed: float, request_id: str = ""
        ) -> T: ...

    @property
    def _redress(self) -> SubjectServiceAsyncStub:
        from louver.v1.subjects_pb2_grpc import SubjectServiceStub

        return cast("SubjectServiceAsyncStub", SubjectServiceStub(self._opened))

    async def reports(self) -> list[ReportDefinition]:
        """The credit reports that are offered to this caller today."""
        from louver import redress
        from louver.v1 import subjects_pb2 as pb

        request = pb.ListReportsRequest()
        response = await self._call(lambda left: self._redress.ListReports(request, timeout=left))
        return redress.definitions(response.reports)

    async def report(
        self,
        name: str,
        subject: str,
        *,
        authorisation: str = "",
        purpose: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> CreditReport:
        """A credit report on one subject; see ``louver.Client.report``."""
        from louver import redress
        from louver.v1 import subjects_pb2 as pb

        allowed = self.settings.time_allowed(timeout)
        question = redress.ordered(self.settings, name, subject, authorisation, purpose, request_id, allowed)
        request = pb.MakeReportRequest(question=question)

        async def attempt(left: float) -> CreditReport:
            response = await self._redress.MakeReport(request, timeout=left)
            return redress.proven(response, question, self.settings.log_key)

        return await self._persistently(attempt, allowed, question.request_id)

    async def dispute(self, request_id: str, *, table: str, statement: str, evidence_sha256: str) -> Dispute:
        """Pass on what a subject disputes; see ``louver.Client.dispute``."""
        from louver import redress

        request = redress.filing(request_id, table, statement, evidence_sha256)
        response = await self._call(lambda left: self._redress.FileDispute(request, timeout=left))
        return redress.dispute(response.dispute)

    async def disputes(self) -> list[Dispute]:
        """The disputes that you have passed on, the newest first."""
        from louver import redress
        from louver.v1 import subjects_pb2 as pb

        request = pb.ListDisputesRequest()
        response = await self._call(lambda left: self._redress.ListDisputes(request, timeout=left))
        return [redress.dispute(one) for one in response.disputes]

    async def corrections(self) -> list[Correction]:
        """What has been repaired or corrected since you were told of it."""
        from louver import redress
        from louver.v1 import subjects_pb2 as pb

        request = pb.ListCorrectionsRequest()
        response = await self._call(lambda left: self._redress.ListCorrections(request, timeout=left))
        return redress.corrections(response.corrections)

"""What the asyncio client does about lists; ``louver.aio.AsyncClient`` inherits it.

Points of curves are computed in threads, so that they take no turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, TypeVar, cast

import grpc.aio

from louver.matching import asking
from louver.matching.results import Match, MatchableList
from louver.v1 import matching_pb2 as matching_pb
from louver.v1.matching_pb2_grpc import MatchingServiceStub

if TYPE_CHECKING:
    from louver.settings import Settings
    from louver.v1.matching_pb2_grpc import MatchingServiceAsyncStub

T = TypeVar("T")


class AsyncMatchingCalls:
    """Matches over a client's connection; each call is explained at ``louver.client.Client``."""

    settings: Settings
    _sets: asking.Sets

    if TYPE_CHECKING:

        async def _call(self, attempt: Callable[[float], Awaitable[T]]) -> T: ...

        @property
        def _opened(self) -> grpc.aio.Channel: ...

        async def _persistently(
            self, attempt: Callable[[float], Awaitable[T]], allowed: float, request_id: str = ""
        ) -> T: ...

        async def _translated(
            self, attempt: Callable[[float], Awaitable[T]], left: float, request_id: str = ""
        ) -> T: ...

    @property
    def _matching(self) -> MatchingServiceAsyncStub:
        return cast("MatchingServiceAsyncStub", MatchingServiceStub(self._opened))

    async def lists(self) -> list[MatchableList]:
        """The lists that you may match against today, and on which terms."""
        request = matching_pb.ListMatchableRequest()
        response = await self._call(lambda left: self._matching.ListMatchable(request, timeout=left))
        return asking.matchable(response.lists)

    async def match(
        self,
        ids: Iterable[str],
        *,
        list: str,  # noqa: A002 - the domain's word
        purpose: str | None = None,
        mode: str = "hits",
        amounts: Iterable[int] | None = None,
        largest: int | None = None,
        authorisations: Iterable[str] = (),
        request_id: str | None = None,
        timeout: float = asking.MATCH_SECONDS,
        progress: Callable[[str], None] | None = None,
    ) -> Match:
        """Match your own ids against a list; see ``louver.client.Client.match``. Curves are computed in a thread."""
        batch = asking.Batch.of(ids, amounts)
        question = await asyncio.to_thread(
            asking.ask,
            self.settings,
            batch,
            list,
            mode,
            purpose,
            request_id,
            timeout,
            authorisations,
            largest,
            progress,
        )

        async def attempt(left: float) -> Match:
            exchange = asking.Exchange(question, self._sets, self.settings.log_key, progress)
            call = self._matching.Match(timeout=left)
            try:
                for message in exchange.first():
                    await call.write(message)
                while (response := await call.read()) is not grpc.aio.EOF:
                    for message in await asyncio.to_thread(
                        _taken, exchange, cast("matching_pb.MatchResponse", response)
                    ):
                        await call.write(message)
            except asyncio.InvalidStateError:
                await call.read()  # the service has ended the call: its status says why
                raise
            finally:
                call.cancel()
            return await asyncio.to_thread(exchange.result)

        with closing(question):
            return await self._persistently(attempt, timeout, question.message.request_id)

    async def report_measure(
        self,
        request_id: str,
        *,
        list: str,  # noqa: A002
        subject: str,
        measure: str,
        taken_on: date,
        note: str = "",
    ) -> int:
        """Report the measure you have taken on a hit; see ``louver.client.Client.report_measure``."""
        request = asking.report(request_id, list, subject, measure, taken_on.isoformat(), note)
        response = await self._translated(
            lambda left: self._matching.ReportMeasure(request, timeout=left), self.settings.profile.timeout
        )
        return response.log_index


def _taken(exchange: asking.Exchange, response: matching_pb.MatchResponse) -> Sequence[matching_pb.MatchRequest]:
    return tuple(exchange.take(response))

"""What the asyncio client does about the caller's own tables; ``louver.aio.AsyncClient`` inherits it.

Reading, blinding and encrypting take time, so they happen in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, TypeVar, cast

import grpc

from louver import wire
from louver.client import UPLOAD_SECONDS
from louver.tokens import asking as tokens_asking
from louver.v1 import sandbox_pb2 as pb
from louver.v1.tokens_pb2_grpc import TokenServiceStub

if TYPE_CHECKING:
    import grpc.aio

    from louver.results import Table
    from louver.sending import Outgoing
    from louver.settings import Settings
    from louver.v1.sandbox_pb2_grpc import SandboxServiceAsyncStub
    from louver.v1.tokens_pb2_grpc import TokenServiceAsyncStub

T = TypeVar("T")


class AsyncUploadCalls:
    """Own tables over a client's connection."""

    settings: Settings

    if TYPE_CHECKING:

        @property
        def _stub(self) -> SandboxServiceAsyncStub: ...

        @property
        def _opened(self) -> grpc.aio.Channel: ...

        async def _persistently(
            self, attempt: Callable[[float], Awaitable[T]], allowed: float, request_id: str = ""
        ) -> T: ...

        async def _translated(
            self, attempt: Callable[[float], Awaitable[T]], left: float, request_id: str = ""
        ) -> T: ...

    async def upload(
        self,
        name: str,
        data: object,
        replace: bool = False,
        progress: Callable[[int, int], None] | None = None,
        timeout: float = UPLOAD_SECONDS,
        encrypted: Mapping[str, int] | None = None,
        encrypting: Callable[[int, int], None] | None = None,
        tokens: Mapping[str, str] | None = None,
        blinding: Callable[[int, int], None] | None = None,
    ) -> Table:
        """Store one of the caller's own tables; reading, blinding and encrypting ``data`` happen in a thread."""
        loop = asyncio.get_running_loop()

        def evaluate(element: str, values: Sequence[bytes]) -> tuple[list[bytes], str]:
            def each(part: Sequence[bytes], tell: tokens_asking.Progress) -> tuple[list[bytes], str]:
                question = tokens_asking.ask(self.settings, part, element, UPLOAD_SECONDS, tell)
                with closing(question.blinded):
                    return asyncio.run_coroutine_threadsafe(self._evaluated(question), loop).result()

            return tokens_asking.evaluated(values, each, blinding)

        made = asyncio.to_thread(self.settings.upload, data, encrypted or {}, encrypting, tokens, evaluate)
        table = await made
        try:
            attempts = count()

            async def attempt(left: float) -> pb.UploadTableResponse:
                offset = await self._resumed(table, left) if next(attempts) else 0
                messages = table.messages(name, replace, offset, progress)
                try:
                    return await self._stub.UploadTable(_made_in_a_thread(messages), timeout=left)
                except grpc.RpcError:
                    if table.failure is not None:
                        raise table.failure from None
                    raise

            return wire.uploaded(await self._persistently(attempt, timeout))
        finally:
            await asyncio.to_thread(table.close)

    async def _resumed(self, table: Outgoing, left: float) -> int:
        """Where a table that was cut off goes on; the service may notice the cut a moment later than we do."""
        request = pb.GetUploadRequest(upload_id=table.upload_id)
        for pause in (*self.settings.around.pauses, None):
            try:
                response = await self._stub.GetUpload(request, timeout=left)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return await asyncio.to_thread(table.goes_on, response.received, response.sha256)
        return table.begins_anew()

    async def _evaluated(self, question: tokens_asking.Question) -> tuple[list[bytes], str]:
        """The tokens that a question asks for; one that is cut off is repeated and costs once."""

        async def attempt(left: float) -> tuple[list[bytes], str]:
            exchange = tokens_asking.Exchange(question, self.settings.log_key)
            call = cast("TokenServiceAsyncStub", TokenServiceStub(self._opened)).Evaluate(
                _asynchronous(exchange.sent()), timeout=left
            )
            try:
                async for response in call:
                    exchange.take(response)
            finally:
                call.cancel()
            return await asyncio.to_thread(exchange.result)

        return await self._persistently(attempt, UPLOAD_SECONDS, question.message.request_id)

    async def drop(self, name: str) -> None:
        """Forget one of the caller's own tables. Not repeated by itself: a second drop is refused."""
        request = pb.DropTableRequest(name=name)
        await self._translated(
            lambda left: self._stub.DropTable(request, timeout=left), self.settings.profile.timeout
        )


async def _made_in_a_thread(messages: Iterator[T]) -> AsyncIterator[T]:
    """Messages that take time to be made, which the loop does not wait for."""
    while (message := await asyncio.to_thread(next, messages, None)) is not None:
        yield message


async def _asynchronous(messages: Iterable[T]) -> AsyncIterator[T]:
    for message in messages:
        yield message
        # Reading the spooled file takes no turn of the loop; give others theirs.
        await asyncio.sleep(0)

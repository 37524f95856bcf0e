"""The asyncio client: what ``louver.client`` has, with ``await``.

    async with aio.connect(profile="bank-a") as bank:
        answer = await bank.analyse("SELECT count(*) FROM gov.ent_registry", purpose="RESEARCH")

Cancelling the task cancels the call and stops the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
import grpc.aio

from louver import questions, subjects, wire
from louver.access_calls import AsyncAccessCalls
from louver.client import KEY_LIFE
from louver.connection import CHANNEL_OPTIONS, open_channel_credentials, translated
from louver.failures import Misused, Unreachable
from louver.matching import asking
from louver.matching.aio import AsyncMatchingCalls
from louver.questions import Parameter
from louver.receipt import Receipt
from louver.redress_calls import AsyncRedressCalls
from louver.results import Answer, Explanation, QueryRecord, SealingKey, Table
from louver.scoring.aio import AsyncScoringCalls
from louver.settings import Settings, settle
from louver.surroundings import Surroundings, pause_before_retry
from louver.transparency import TreeHead
from louver.upload_calls import AsyncUploadCalls
from louver.v1 import sandbox_pb2 as pb
from louver.v1 import subjects_pb2
from louver.v1.sandbox_pb2_grpc import SandboxServiceStub
from louver.v1.subjects_pb2_grpc import SubjectServiceStub
from louver.wishes import Accuracy, Epsilon

if TYPE_CHECKING:
    from typing import Self

    from louver.sealing.keys import PrivateKey
    from louver.v1.sandbox_pb2_grpc import SandboxServiceAsyncStub
    from louver.v1.subjects_pb2_grpc import SubjectServiceAsyncStub
    from louver.warnings import AsyncWarnings

T = TypeVar("T")


def connect(
    target: str | None = None,
    *,
    profile: str | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    ca: str | Path | None = None,
    log_key: str | None = None,
    purpose: str | None = None,
    dialect: str | None = None,
    timeout: float | None = None,
    verify: bool | None = None,
    surroundings: Surroundings | None = None,
    keys: str | Path | None = None,
    key_passphrase: str | Callable[[], str] | None = None,
) -> AsyncClient:
    """A client to use in ``async with``; the arguments are those of ``louver.connect``. Raises ``Misused``."""
    return AsyncClient(
        settle(
            target,
            profile=profile,
            certificate=certificate,
            key=key,
            ca=ca,
            log_key=log_key,
            purpose=purpose,
            dialect=dialect,
            timeout=timeout,
            verify=verify,
            surroundings=surroundings,
            keys=keys,
            key_passphrase=key_passphrase,
        )
    )


class AsyncClient(AsyncUploadCalls, AsyncMatchingCalls, AsyncScoringCalls, AsyncRedressCalls, AsyncAccessCalls):
    """A connection to a sandbox within one event loop. Errors are those of ``louver.client``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._channel: grpc.aio.Channel | None = None
        self._sets = asking.Sets()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connection; running calls are cancelled, further ones raise ``Misused``."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    @property
    def _stub(self) -> SandboxServiceAsyncStub:
        return cast("SandboxServiceAsyncStub", SandboxServiceStub(self._opened))

    @property
    def _subjects(self) -> SubjectServiceAsyncStub:
        return cast("SubjectServiceAsyncStub", SubjectServiceStub(self._opened))

    @property
    def _opened(self) -> grpc.aio.Channel:
        if self._closed:
            raise Misused("the client is closed", "connect again")
        # Opened on first use: a grpc.aio channel belongs to the loop that runs at that moment.
        if self._channel is None:
            credentials = open_channel_credentials(self.settings)
            target = self.settings.profile.target
            self._channel = grpc.aio.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
        return self._channel

    async def analyse(
        self,
        sql: str,
        *,
        purpose: str | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        dialect: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Callable[[str], None] | None = None,
        seal: bool = False,
        epsilon: Epsilon | None = None,
        accuracy: Accuracy | None = None,
    ) -> Answer:
        """Ask a question and get the protected answer; see ``louver.client.Client.analyse``."""
        allowed = self.settings.time_allowed(timeout)
        question = self.settings.question(
            sql, purpose, parameters, request_id, allowed, dialect, seal, epsilon, accuracy
        )

        async def attempt(left: float) -> Answer:
            assembly = wire.Assembly(question.request_id, seal=seal)
            call = self._stub.Analyse(pb.AnalyseRequest(question=question), timeout=left)
            try:
                async for part in call:
                    stage = assembly.take(part)
                    if stage and progress:
                        progress(stage)
            finally:
                call.cancel()
            return assembly.answer(sql, self.settings.log_key, self.settings.private)

        return await self._persistently(attempt, allowed, question.request_id)

    async def explain(
        self,
        sql: str,
        *,
        purpose: str | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        dialect: str | None = None,
        timeout: float | None = None,
        seal: bool = False,
        epsilon: Epsilon | None = None,
        accuracy: Accuracy | None = None,
    ) -> Explanation:
        """What ``analyse`` would do. Spends nothing."""
        request = self.settings.explain_request(sql, purpose, parameters, dialect, seal, epsilon, accuracy)
        allowed = self.settings.time_allowed(timeout)
        response = await self._persistently(lambda left: self._stub.Explain(request, timeout=left), allowed)
        return wire.explanation(response)

    async def lookup(
        self,
        template: str,
        subject: str,
        *,
        authorisation: str = "",
        purpose: str | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Answer:
        """Ask an approved template (``id@version``) about one subject, under its recorded authorisation.

        The answer's notices say the sources and until when it is authorised. Where there is nothing to tell it has
        no rows, whether there is no such subject, no authorisation, or one that was revoked a moment ago.
        """
        given = subjects.call_parameters(subject, authorisation, parameters)
        return await self.analyse(
            template,
            purpose=purpose,
            parameters=given,
            dialect=subjects.DIALECT,
            request_id=request_id,
            timeout=timeout,
            progress=progress,
        )

    async def templates(self) -> list[subjects.Template]:
        """The templates that are offered to this caller today."""
        request = subjects_pb2.ListTemplatesRequest()
        response = await self._call(lambda left: self._subjects.ListTemplates(request, timeout=left))
        return subjects.templates(response.templates)

    @property
    def warnings(self) -> AsyncWarnings:
        """Flags of borrowers after the loan (``louver.warnings``)."""
        from louver.warnings import AsyncWarnings

        return AsyncWarnings(self)

    async def authorisations(self) -> list[subjects.Authorisation]:
        """The authorisations this institution has recorded, the newest first."""
        request = subjects_pb2.ListAuthorisationsRequest()
        response = await self._call(lambda left: self._subjects.ListAuthorisations(request, timeout=left))
        return subjects.authorisations(response.authorisations)

    async def tables(self, own_only: bool = False) -> list[Table]:
        """The catalogue as this caller may see it."""
        request = pb.ListTablesRequest(own_only=own_only)
        response = await self._call(lambda left: self._stub.ListTables(request, timeout=left))
        return [wire.table(message) for message in response.tables]

    async def register_key(self, key: PrivateKey, valid_for: timedelta = KEY_LIFE) -> SealingKey:
        """Register the public part of a Paillier key; the proof of its modulus is made in a thread."""
        request = await asyncio.to_thread(self.settings.key_registration, key, valid_for)
        response = await self._call(lambda left: self._stub.RegisterKey(request, timeout=left))
        return wire.sealing_keys([response.key])[0]

    async def keys(self) -> list[SealingKey]:
        """The caller's registered Paillier keys, the newest first."""
        response = await self._call(lambda left: self._stub.ListKeys(pb.ListKeysRequest(), timeout=left))
        return wire.sealing_keys(response.keys)

    async def my_queries(self, limit: int = 20) -> list[QueryRecord]:
        """The newest ``limit`` lines of the caller's own trail."""
        messages: list[pb.QueryRecord] = []
        token = ""
        while len(messages) < limit:
            page = await self._page(min(limit - len(messages), 100), token)
            messages.extend(page.queries)
            token = page.next_page_token
            if not token:
                break
        return wire.records(messages[:limit])

    async def _page(self, size: int, token: str) -> pb.ListQueriesResponse:
        request = pb.ListQueriesRequest(page_size=size, page_token=token)
        return await self._call(lambda left: self._stub.ListQueries(request, timeout=left))

    async def receipt(self, request_id: str) -> Receipt:
        """The receipt of an own answer. Raises ``Unproven``."""
        checked = questions.checked_request_id(request_id)
        request = pb.GetReceiptRequest(request_id=checked)
        response = await self._call(lambda left: self._stub.GetReceipt(request, timeout=left))
        return wire.proven_receipt(response.receipt, checked, self.settings.log_key)

    async def head(self) -> TreeHead:
        """The log's newest head, verified when a log key is set."""
        response = await self._call(lambda left: self._stub.GetHead(pb.GetHeadRequest(), timeout=left))
        return wire.proven_head(response.checkpoint, self.settings.log_key)

    async def _call(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        return await self._persistently(attempt, self.settings.profile.timeout)

    async def _persistently(
        self, attempt: Callable[[float], Awaitable[T]], allowed: float, request_id: str = ""
    ) -> T:
        around = self.settings.around
        deadline = around.elapsed() + allowed
        number = 0
        while True:
            try:
                return await self._translated(attempt, max(deadline - around.elapsed(), 0.001), request_id)
            except Unreachable as error:
                pause = pause_before_retry(error, number, deadline - around.elapsed(), around)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            number += 1

    async def _translated(self, attempt: Callable[[float], Awaitable[T]], left: float, request_id: str = "") -> T:
        try:
            return await attempt(left)
        except grpc.RpcError as error:
            # The probe that finds the reason of a broken connection blocks, so it has a thread.
            raise await asyncio.to_thread(translated, error, self.settings, request_id) from None

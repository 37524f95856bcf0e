"""The calls about warnings of the asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, cast

from louver.failures import Unreachable
from louver.warnings import calls
from louver.warnings.results import Borrower, Notices, Subscription, proven, subscription_of

if TYPE_CHECKING:
    from louver.aio import AsyncClient
    from louver.subjects import Template
    from louver.v1.warnings_pb2 import ListSubscriptionsResponse
    from louver.v1.warnings_pb2_grpc import WarningServiceAsyncStub


class AsyncWarnings:
    """The same for ``louver.aio.AsyncClient``; see ``Warnings`` for what each does."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    @property
    def _stub(self) -> WarningServiceAsyncStub:
        from louver.v1.warnings_pb2_grpc import WarningServiceStub

        return cast("WarningServiceAsyncStub", WarningServiceStub(self._client._opened))

    async def templates(self) -> list[Template]:
        """The warnings that are offered to this caller today."""
        from louver import subjects
        from louver.v1 import warnings_pb2 as pb

        request = pb.ListWarningsRequest()
        response = await self._client._call(lambda left: self._stub.ListWarnings(request, timeout=left))
        return subjects.templates(response.templates)

    async def subscribe(
        self,
        template: str,
        subject: str,
        *,
        authorisation: str,
        until: date,
        purpose: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Subscription:
        """Subscribe to a warning about one borrower until the loan is settled."""
        ids = None if request_id is None else [request_id]
        return (await self._subscribed(template, [Borrower(subject, authorisation, until)], purpose, ids, timeout))[0]

    async def subscribe_all(
        self,
        template: str,
        borrowers: Iterable[Borrower],
        *,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Subscription]:
        """Subscribe to a warning about many borrowers, some hundred in one call; each call is all or none."""
        rest = iter(borrowers)
        while part := tuple(islice(rest, calls.AT_ONCE)):
            for one in await self._subscribed(template, part, purpose, None, timeout):
                yield one

    async def _subscribed(
        self,
        template: str,
        borrowers: Sequence[Borrower],
        purpose: str | None,
        ids: Sequence[str] | None,
        timeout: float | None,
    ) -> Sequence[Subscription]:
        settings = self._client.settings
        allowed = settings.time_allowed(timeout)
        request = calls.request(settings, template, borrowers, purpose, ids, allowed)

        async def attempt(left: float) -> Sequence[Subscription]:
            response = await self._stub.Subscribe(request, timeout=left)
            return [subscription_of(one) for one in response.subscriptions]

        return await self._client._persistently(attempt, allowed)

    async def cancel(self, subscription: str) -> Subscription:
        """End one of your subscriptions, by its id."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.CancelRequest(id=subscription)
        response = await self._client._call(lambda left: self._stub.Cancel(request, timeout=left))
        return subscription_of(response.subscription)

    async def list(self) -> AsyncIterator[Subscription]:
        """Your subscriptions in the order they were made, cancelled ones included."""
        after, more = "", True
        while more:
            page = await self._page(after)
            for one in page.subscriptions:
                yield subscription_of(one)
            more = page.more and bool(page.subscriptions)
            after = page.subscriptions[-1].id if page.subscriptions else after

    async def _page(self, after: str) -> ListSubscriptionsResponse:
        from louver.v1 import warnings_pb2 as pb

        request = pb.ListSubscriptionsRequest(after=after)
        return await self._client._call(lambda left: self._stub.ListSubscriptions(request, timeout=left))

    async def poll(self, after: str = "", *, most: int = 0) -> Notices:
        """The notices after one that you have had, or all that may still be told."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.PollRequest(after=after, most=most)
        response = await self._client._call(lambda left: self._stub.Poll(request, timeout=left))
        return proven(self._client.settings, response.document, response.receipt)

    async def stream(self, after: str = "") -> AsyncIterator[Notices]:
        """Notices as they come up, for ever: a stream that ends is gone on with where it was. Cancelling the task, or
        closing what this gives, ends the call."""
        import grpc

        from louver.connection import translated
        from louver.v1 import warnings_pb2 as pb

        while True:
            call = self._stub.Follow(pb.FollowRequest(after=after))
            try:
                async for one in call:
                    if one.document:
                        found = proven(self._client.settings, one.document, one.receipt)
                        after = found.last or after
                        yield found
            except grpc.RpcError as error:
                # The probe that finds the reason of a broken connection blocks, so it has a thread.
                failed = await asyncio.to_thread(translated, error, self._client.settings)
                if not isinstance(failed, Unreachable):
                    raise failed from None
            finally:
                call.cancel()
            await asyncio.sleep(calls.PAUSE_S)

    async def set_webhook(self, url: str) -> None:
        """Have notices posted to an address whose host the operator has allowed you; an empty one ends it."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.SetWebhookRequest(url=url)
        await self._client._call(lambda left: self._stub.SetWebhook(request, timeout=left))

    async def webhook(self) -> str:
        """Where your notices are posted; empty where nowhere."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.GetWebhookRequest()
        return (await self._client._call(lambda left: self._stub.GetWebhook(request, timeout=left))).url

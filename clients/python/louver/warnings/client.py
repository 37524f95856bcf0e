"""The calls about warnings of the blocking client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from louver.failures import Unreachable
from louver.warnings import calls
from louver.warnings.results import Borrower, Notices, Subscription, proven, subscription_of

if TYPE_CHECKING:
    from louver.connection import Connection
    from louver.subjects import Template
    from louver.v1.warnings_pb2_grpc import WarningServiceStub


class Warnings:
    """The calls about warnings of one client."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _stub(self) -> WarningServiceStub:
        from louver.v1.warnings_pb2_grpc import WarningServiceStub

        return WarningServiceStub(self._connection._channel)

    def templates(self) -> list[Template]:
        """The warnings that are offered to this caller today; their fields are flags."""
        from louver import subjects
        from louver.v1 import warnings_pb2 as pb

        return subjects.templates(self._connection._call(self._stub.ListWarnings, pb.ListWarningsRequest()).templates)

    def subscribe(
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
        """Subscribe to a warning (``id@version``) about one borrower until the loan is settled. It is taken whether
        or not the authorisation covers it. The same ``request_id`` again is the same subscription, and its id."""
        wanted = [Borrower(subject, authorisation, until)]
        ids = None if request_id is None else [request_id]
        return self._subscribed(template, wanted, purpose, ids, timeout)[0]

    def subscribe_all(
        self,
        template: str,
        borrowers: Iterable[Borrower],
        *,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> Iterator[Subscription]:
        """Subscribe to a warning about many borrowers, some hundred in one call; each call is all or none."""
        part: list[Borrower] = []
        for one in borrowers:
            part.append(one)
            if len(part) == calls.AT_ONCE:
                yield from self._subscribed(template, part, purpose, None, timeout)
                part = []
        if part:
            yield from self._subscribed(template, part, purpose, None, timeout)

    def _subscribed(
        self,
        template: str,
        borrowers: Sequence[Borrower],
        purpose: str | None,
        ids: Sequence[str] | None,
        timeout: float | None,
    ) -> list[Subscription]:
        from louver.connection import awaited

        settings = self._connection.settings
        allowed = settings.time_allowed(timeout)
        request = calls.request(settings, template, borrowers, purpose, ids, allowed)

        def attempt(left: float) -> list[Subscription]:
            response = awaited(self._stub.Subscribe.future(request, timeout=left))
            return [subscription_of(one) for one in response.subscriptions]

        return self._connection._persistently(attempt, allowed)

    def cancel(self, subscription: str) -> Subscription:
        """End one of your subscriptions, by its id; one that has ended stays so."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.CancelRequest(id=subscription)
        return subscription_of(self._connection._call(self._stub.Cancel, request).subscription)

    def list(self) -> Iterator[Subscription]:
        """Your subscriptions in the order they were made, cancelled ones included."""
        from louver.v1 import warnings_pb2 as pb

        after, more = "", True
        while more:
            request = pb.ListSubscriptionsRequest(after=after)
            page = self._connection._call(self._stub.ListSubscriptions, request)
            yield from map(subscription_of, page.subscriptions)
            more = page.more and bool(page.subscriptions)
            after = page.subscriptions[-1].id if page.subscriptions else after

    def poll(self, after: str = "", *, most: int = 0) -> Notices:
        """The notices after one that you have had (``Notices.last``), or all that may still be told. One whose
        authorisation has ended meanwhile is among them no more."""
        from louver.v1 import warnings_pb2 as pb

        response = self._connection._call(self._stub.Poll, pb.PollRequest(after=after, most=most))
        return self._proven(response.document, response.receipt)

    def stream(self, after: str = "") -> Iterator[Notices]:
        """Notices as they come up, for ever: a stream that ends is gone on with where it was."""
        import grpc

        from louver.connection import translated
        from louver.v1 import warnings_pb2 as pb

        while True:
            call = self._stub.Follow(pb.FollowRequest(after=after))
            try:
                for one in call:
                    if one.document:
                        found = self._proven(one.document, one.receipt)
                        after = found.last or after
                        yield found
            except grpc.RpcError as error:
                failed = translated(error, self._connection.settings)
                if not isinstance(failed, Unreachable):
                    raise failed from None
            finally:
                call.cancel()
            time.sleep(calls.PAUSE_S)

    def set_webhook(self, url: str) -> None:
        """Have notices posted to an address whose host the operator has allowed you; an empty one ends it. Check what
        comes with ``louver.warnings.opened``."""
        from louver.v1 import warnings_pb2 as pb

        self._connection._call(self._stub.SetWebhook, pb.SetWebhookRequest(url=url))

    def webhook(self) -> str:
        """Where your notices are posted; empty where nowhere."""
        from louver.v1 import warnings_pb2 as pb

        return self._connection._call(self._stub.GetWebhook, pb.GetWebhookRequest()).url

    def _proven(self, document: bytes, receipt: bytes) -> Notices:
        return proven(self._connection.settings, document, receipt)

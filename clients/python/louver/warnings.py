"""Warnings (贷后预警), as a subscriber sees them: ``client.warnings``.

    with louver.connect(profile="bank-a", purpose="POST_LOAN") as bank:
        mine = bank.warnings.subscribe("post-loan-warning@1", firm, authorisation=consent, until=settlement)
        for notice in bank.warnings.poll():
            print(notice.subscription, notice.raised, notice.cleared)

A notice names a subscription and flags, never an amount and no subject. Nothing is told of a subscription that no
authorisation covers, of a subject that is not there, or of one without flags, and the three look alike.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

from louver.errors import Unproven
from louver.failures import Misused, Unreachable
from louver.receipt import Receipt

if TYPE_CHECKING:
    from louver.aio import AsyncClient
    from louver.connection import Connection
    from louver.questions import Parameter
    from louver.settings import Settings
    from louver.subjects import Template
    from louver.v1 import warnings_pb2
    from louver.v1.warnings_pb2_grpc import WarningServiceAsyncStub, WarningServiceStub

DIALECT = "warning"
"""What a question says its text is written in when it names a template of warnings."""
FORMAT = "louver warnings 1"
KIND = "warnings_told"
"""What the log calls the entry about a document of notices."""
AT_ONCE = 500
PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it was made; it says nothing of its flags. ``until`` is its last day in Beijing, ``created``
    and ``cancelled`` are RFC 3339 in UTC, the latter empty while it is not."""

    id: str
    template: str
    purpose: str
    unit: str
    subject: str
    authorisation: str
    until: date
    created: str
    cancelled: str
    log_index: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Flags of a subscription that came up (``raised``) or are gone (``cleared``), on tables as of the days in
    ``as_of``. A notice may come twice, under one ``id``."""

    id: str
    subscription: str
    template: str
    raised: tuple[str, ...]
    cleared: tuple[str, ...]
    as_of: Mapping[str, date]
    made: datetime


@dataclass(frozen=True, slots=True)
class Notices(Sequence[Notice]):
    """Notices that left together, oldest first, with the document that holds them and its receipt (None where there
    are none). ``last`` is the id to go on from."""

    institution: str
    notices: tuple[Notice, ...]
    document: bytes = field(repr=False)
    receipt: Receipt | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.notices)

    def __getitem__(self, place: Any) -> Any:
        return self.notices[place]

    @property
    def last(self) -> str:
        """The id of the last notice; empty where there is none."""
        return self.notices[-1].id if self.notices else ""

    def verify(self, log_key: str) -> None:
        """Whether the log that has this key says that exactly this was told. Raises ``Unproven``."""
        if not self.notices:
            return
        if self.receipt is None:
            raise Unproven("notices without a receipt", self.document)
        proof = self.receipt.verify(log_key)
        digest = hashlib.sha256(self.document).hexdigest()
        said = (proof.entry.get("kind"), proof.entry.get("institution"), proof.entry.get("result_digest"))
        if said != (KIND, self.institution, digest):
            raise Unproven("the log entry is not about these notices", self.receipt.entry)


@dataclass(frozen=True, slots=True)
class Borrower:
    """Whom to subscribe to: its number, its authorisation, and the day on which the loan is settled."""

    subject: str
    authorisation: str
    until: date


def parse(document: bytes, receipt: bytes) -> Notices:
    """Notices from their bytes. Raises ``Unproven`` for what has not the form of any."""
    try:
        said = json.loads(document)
        if said["format"] != FORMAT or not isinstance(said["institution"], str):
            raise Unproven("these are no notices of a form that is known here", document)
        found = tuple(map(_notice, said["notices"]))
        return Notices(said["institution"], found, document, Receipt.from_bytes(receipt) if receipt else None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven("these are no notices of a form that is known here", document) from None


def opened(body: bytes, log_key: str, institution: str) -> Notices:
    """The notices that were posted to your address (webhook), if the log that has this key says that they were told
    to you. Raises ``Unproven``: then the message is not the platform's."""
    try:
        said = json.loads(body)
        document, receipt = said["document"].encode(), said["receipt"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven("this is no message of notices", body) from None
    found = parse(document, receipt)
    if found.institution != institution or not found.notices:
        raise Unproven("this message is not to this institution", body)
    found.verify(log_key)
    return found


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
            if len(part) == AT_ONCE:
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
        request = _request(settings, template, borrowers, purpose, ids, allowed)

        def attempt(left: float) -> list[Subscription]:
            response = awaited(self._stub.Subscribe.future(request, timeout=left))
            return [_subscription(one) for one in response.subscriptions]

        return self._connection._persistently(attempt, allowed)

    def cancel(self, subscription: str) -> Subscription:
        """End one of your subscriptions, by its id; one that has ended stays so."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.CancelRequest(id=subscription)
        return _subscription(self._connection._call(self._stub.Cancel, request).subscription)

    def list(self) -> Iterator[Subscription]:
        """Your subscriptions in the order they were made, cancelled ones included."""
        from louver.v1 import warnings_pb2 as pb

        after, more = "", True
        while more:
            request = pb.ListSubscriptionsRequest(after=after)
            page = self._connection._call(self._stub.ListSubscriptions, request)
            yield from map(_subscription, page.subscriptions)
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
            time.sleep(PAUSE_S)

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
        return _proven(self._connection.settings, document, receipt)


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
        settings = self._client.settings
        allowed = settings.time_allowed(timeout)
        request = _request(settings, template, [Borrower(subject, authorisation, until)], purpose, ids, allowed)

        async def attempt(left: float) -> Subscription:
            response = await self._stub.Subscribe(request, timeout=left)
            return _subscription(response.subscriptions[0])

        return await self._client._persistently(attempt, allowed)

    async def cancel(self, subscription: str) -> Subscription:
        """End one of your subscriptions, by its id."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.CancelRequest(id=subscription)
        response = await self._client._call(lambda left: self._stub.Cancel(request, timeout=left))
        return _subscription(response.subscription)

    async def poll(self, after: str = "", *, most: int = 0) -> Notices:
        """The notices after one that you have had, or all that may still be told."""
        from louver.v1 import warnings_pb2 as pb

        request = pb.PollRequest(after=after, most=most)
        response = await self._client._call(lambda left: self._stub.Poll(request, timeout=left))
        return _proven(self._client.settings, response.document, response.receipt)


def _request(
    settings: Settings,
    template: str,
    borrowers: Sequence[Borrower],
    purpose: str | None,
    ids: Sequence[str] | None,
    allowed: float,
) -> warnings_pb2.SubscribeRequest:
    """The signed subscriptions to a warning. Raises ``Misused``."""
    from louver.v1 import warnings_pb2 as pb

    questions = []
    for place, one in enumerate(borrowers):
        if type(one.until) is not date:
            raise Misused("until is a day, such as datetime.date(2027, 6, 30)")
        given: dict[str, Parameter] = {
            "subject": one.subject,
            "authorisation": one.authorisation,
            "until": one.until,
        }
        identity = None if ids is None else ids[place]
        questions.append(settings.question(template, purpose, given, identity, allowed, DIALECT, False, None, None))
    return pb.SubscribeRequest(questions=questions)


def _proven(settings: Settings, document: bytes, receipt: bytes) -> Notices:
    """The notices, if they are this institution's and their receipt proves them. Raises ``Unproven``."""
    from louver.tls import institution_of

    found = parse(document, receipt)
    if found.institution != institution_of(settings.credentials.certificate):
        raise Unproven("these notices are another institution's", document)
    if settings.log_key:
        found.verify(settings.log_key)
    return found


def _notice(said: Mapping[str, Any]) -> Notice:
    flags = {name: tuple(map(str, said[name])) for name in ("raised", "cleared")}
    return Notice(
        str(said["id"]),
        str(said["subscription"]),
        str(said["template"]),
        flags["raised"],
        flags["cleared"],
        {str(table): date.fromisoformat(day) for table, day in said["as_of"].items()},
        datetime.fromisoformat(said["made"]),
    )


def _subscription(message: warnings_pb2.Subscription) -> Subscription:
    return Subscription(
        message.id,
        message.template,
        message.purpose,
        message.unit,
        message.subject,
        message.authorisation,
        date.fromisoformat(message.until),
        message.created,
        message.cancelled,
        message.log_index,
    )

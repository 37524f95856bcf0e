"""The gRPC methods of warnings: who subscribes to what, and what has come up."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc
from cryptography import x509

from louver.errors import Refused
from louver.v1 import warnings_pb2 as pb
from louver.v1 import warnings_pb2_grpc as pb_grpc
from louver.v1.sandbox_pb2 import Question
from louver_sandbox.identity import check_signature
from louver_sandbox.refusals import identity
from louver_sandbox.refusals import warnings as refuse
from louver_sandbox.service import convert
from louver_sandbox.service.edge import deadline, guarded, on_end
from louver_sandbox.service.marks import LOOKUP_MARK_S, Started
from louver_sandbox.service.peers import peer
from louver_sandbox.service.subjects import LONGEST_ID, template
from louver_sandbox.service.turnstile import Turnstile
from louver_sandbox.stages import Request, Subject
from louver_sandbox.warnings.posting import LONGEST_URL
from louver_sandbox.warnings.subscriptions import DIALECT, MOST_AT_ONCE
from louver_sandbox.warnings.tables import Subscription
from louver_sandbox.warnings.telling import MOST
from louver_sandbox.wiring import Platform

PAGE: Final = 1000
STREAMS_EACH, STREAMS = 2, 32
"""Streams of one institution, and of all: each holds a thread of the service."""
HEARTBEAT_S: Final = 15.0
LONGEST_STREAM_S: Final = 3600.0


class Warnings(pb_grpc.WarningServiceServicer):
    """Subscriptions and notices over one `Platform`. `wake` tells streams that there may be something new."""

    def __init__(self, platform: Platform, turnstile: Turnstile, stopping: threading.Event) -> None:
        self._platform = platform
        self._turnstile = turnstile
        self._stopping = stopping
        self._news = threading.Condition()
        self._streams: Counter[str] = Counter()

    def wake(self) -> None:
        """Has every stream look for notices now."""
        with self._news:
            self._news.notify_all()

    def ListWarnings(self, message: pb.ListWarningsRequest, context: grpc.ServicerContext) -> pb.ListWarningsResponse:
        """The templates of warnings that are offered to the caller today."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            found = self._platform.subscriptions.offered(subject)
            return pb.ListWarningsResponse(templates=[template(policy, one) for policy, one in found])

    def Subscribe(self, message: pb.SubscribeRequest, context: grpc.ServicerContext) -> pb.SubscribeResponse:
        """Takes subscriptions, whoever they are about."""
        with guarded(context):
            started = Started()
            subject, certificate = peer(self._platform, context)
            with self._turnstile.line_up(subject.institution, self._seconds(context)) as place:
                if not 1 <= len(message.questions) <= MOST_AT_ONCE:
                    raise refuse.too_many_at_once(MOST_AT_ONCE)
                on_end(context, place.wake)
                place.wait(float("inf"))
                place.take()
                requests = [self._signed(one, subject, certificate) for one in message.questions]
                made = self._platform.subscriptions.subscribe(requests)
            started.wait_for_mark(LOOKUP_MARK_S)
            return pb.SubscribeResponse(subscriptions=[_subscription(one) for one in made])

    def Cancel(self, message: pb.CancelRequest, context: grpc.ServicerContext) -> pb.CancelResponse:
        """Ends a subscription of the caller's."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            ended = self._platform.subscriptions.cancel(subject, message.id[:LONGEST_ID])
            return pb.CancelResponse(subscription=_subscription(ended))

    def ListSubscriptions(
        self, message: pb.ListSubscriptionsRequest, context: grpc.ServicerContext
    ) -> pb.ListSubscriptionsResponse:
        """A page of the caller's subscriptions."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            found = self._platform.subscriptions.listed(subject, message.after[:LONGEST_ID], PAGE + 1)
            page = [_subscription(one) for one in found[:PAGE]]
            return pb.ListSubscriptionsResponse(subscriptions=page, more=len(found) > PAGE)

    def Poll(self, message: pb.PollRequest, context: grpc.ServicerContext) -> pb.PollResponse:
        """What has come up since a notice."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            most = min(message.most or MOST, MOST)
            told = self._platform.telling.tell(subject.institution, message.after[:LONGEST_ID], most, "poll")
            return pb.PollResponse(document=told.document, receipt=told.receipt)

    def Follow(self, message: pb.FollowRequest, context: grpc.ServicerContext) -> Iterator[pb.FollowResponse]:
        """What comes up, as it does, for an hour at most: whoever goes on begins where it was."""
        with guarded(context):
            subject, certificate = peer(self._platform, context)
            ended = threading.Event()
            on_end(context, lambda: self._end(ended))
            after, until = message.after[:LONGEST_ID], time.monotonic() + deadline(context, LONGEST_STREAM_S)
            with self._stream(subject.institution):
                while not (ended.is_set() or self._stopping.is_set()) and (left := until - time.monotonic()) > 0:
                    self._platform.registry.subject(certificate)  # whoever was struck out hears no more
                    told = self._platform.telling.tell(subject.institution, after, MOST, "stream")
                    after = told.last
                    if told.count:
                        yield pb.FollowResponse(document=told.document, receipt=told.receipt)
                        continue
                    yield pb.FollowResponse()
                    with self._news:
                        if not (ended.is_set() or self._stopping.is_set()):
                            self._news.wait(min(HEARTBEAT_S, left))

    def SetWebhook(self, message: pb.SetWebhookRequest, context: grpc.ServicerContext) -> pb.SetWebhookResponse:
        """Keeps where the caller's notices are posted."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            if len(message.url) > LONGEST_URL:
                raise refuse.hook_not_allowed()
            self._platform.posting.keep(subject, message.url)
            return pb.SetWebhookResponse()

    def GetWebhook(self, message: pb.GetWebhookRequest, context: grpc.ServicerContext) -> pb.GetWebhookResponse:
        """Where the caller's notices are posted."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            return pb.GetWebhookResponse(url=self._platform.posting.kept(subject))

    @contextmanager
    def _stream(self, institution: str) -> Iterator[None]:
        """One stream of an institution's. Raises `Refused` LVR-5149."""
        with self._news:
            if self._streams[institution] >= STREAMS_EACH or self._streams.total() >= STREAMS:
                raise refuse.too_many_streams(STREAMS_EACH)
            self._streams[institution] += 1
        try:
            yield
        finally:
            with self._news:
                self._streams[institution] -= 1

    def _end(self, ended: threading.Event) -> None:
        ended.set()
        self.wake()

    def _signed(self, question: Question, subject: Subject, certificate: x509.Certificate) -> Request:
        """The caller's question. Raises `Refused` (logged) for what it has not signed, or that is no subscription."""
        try:
            check_signature(question, certificate, self._platform.clock())
            if question.dialect != DIALECT or question.seal:
                raise identity.malformed_request("dialect")
            return convert.request(question, subject)
        except Refused as refused:
            raise self._platform.refused_at_the_edge(subject, question, refused) from None

    def _seconds(self, context: grpc.ServicerContext) -> float:
        return deadline(context, self._platform.settings.limits.query_seconds)


def _subscription(one: Subscription) -> pb.Subscription:
    return pb.Subscription(
        id=one.id,
        template=one.template,
        purpose=one.purpose,
        unit=one.unit.value,
        subject=one.subject,
        authorisation=one.authorisation,
        until=one.until.isoformat(),
        created=one.created,
        cancelled=one.cancelled or "",
        log_index=one.entry,
    )

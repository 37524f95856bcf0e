"""The gRPC methods. Each says who asks, turns the message into a value, calls one thing and turns the result back."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack

import grpc
from cryptography import x509

from louver.errors import Refused
from louver.v1 import sandbox_pb2 as pb
from louver.v1 import sandbox_pb2_grpc as pb_grpc
from louver_sandbox.identity import check_registration, check_signature
from louver_sandbox.pipeline import Call
from louver_sandbox.policy.called import is_call
from louver_sandbox.service import catalogue, convert, trail
from louver_sandbox.service.edge import deadline, guarded, on_end
from louver_sandbox.service.incoming import UPLOAD_SILENCE_S, Intake
from louver_sandbox.service.marks import LOOKUP_MARK_S, Started
from louver_sandbox.service.observed import call_of
from louver_sandbox.service.peers import peer
from louver_sandbox.service.turnstile import Place, Turnstile
from louver_sandbox.stages import Receipted, Request, Subject
from louver_sandbox.telemetry.calls import Call as Observation
from louver_sandbox.wiring import Platform

HEARTBEAT_S = 5.0


class Sandbox(pb_grpc.SandboxServiceServicer):
    """The data plane's edge over one `Platform`."""

    def __init__(self, platform: Platform, executor: Executor, turnstile: Turnstile, intake: Intake) -> None:
        self._platform = platform
        self._executor = executor
        self._turnstile = turnstile
        self._intake = intake

    def _peer(self, context: grpc.ServicerContext) -> tuple[Subject, x509.Certificate]:
        """Who asks; somebody with a certificate of our authority that is not registered is noted in the log."""
        return peer(self._platform, context)

    def Analyse(self, message: pb.AnalyseRequest, context: grpc.ServicerContext) -> Iterator[pb.AnalyseResponse]:
        """Runs a query; progress while it runs, then header, rows and receipt."""
        with guarded(context):
            started = Started()
            subject, certificate = self._peer(context)
            said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            cancelled = threading.Event()
            with ExitStack() as held:
                # Before its signature is checked: whoever is turned away here shall cost next to nothing.
                place = held.enter_context(self._turnstile.line_up(subject.institution, self._seconds(context)))
                request = self._signed(message.question, subject, certificate)
                observed = call_of(context)
                observed.asks(request.id)
                held.enter_context(self._turnstile.claim(request))
                on_end(context, cancelled.set)
                on_end(context, place.wake)
                yield from _waiting(place)
                place.take()
                observed.passed("waiting")
                call = Call(self._seconds(context), cancelled, _heard_by(observed, said), started.paced)
                future = self._executor.submit(self._answer, request, call, said, held.pop_all())
            yield from _progress(said)
            observed.passed("answer")
            started.wait_for_pace()
            try:
                receipted = future.result()
            finally:
                # It holds what it raised, whose traceback holds this frame: a circle that would keep the call's
                # stream until a collection, and a connection has 64.
                del future
            if is_call(request):
                started.wait_for_mark(LOOKUP_MARK_S)
            yield from self._parts(request, receipted)

    def _seconds(self, context: grpc.ServicerContext) -> float:
        """What is left of the time that this question may take."""
        return deadline(context, self._platform.settings.limits.query_seconds)

    def _signed(self, question: pb.Question, subject: Subject, certificate: x509.Certificate) -> Request:
        """The caller's question. Raises `Refused` (logged) for what it has not signed."""
        try:
            check_signature(question, certificate, self._platform.clock())
            return convert.request(question, subject)
        except Refused as refused:
            raise self._platform.refused_at_the_edge(subject, question, refused) from None

    def _answer(
        self, request: Request, call: Call, said: queue.SimpleQueue[str | None], held: ExitStack
    ) -> Receipted:
        try:
            with held:
                return self._platform.pipeline.answer(request, call)
        finally:
            said.put(None)

    def _parts(self, request: Request, receipted: Receipted) -> Iterator[pb.AnalyseResponse]:
        development = self._platform.settings.development
        yield pb.AnalyseResponse(header=convert.header(request.id, receipted, development=development))
        for piece in convert.pieces(receipted.answer.arrow):
            yield pb.AnalyseResponse(arrow=piece)
        yield pb.AnalyseResponse(receipt=receipted.receipt)

    def Explain(self, message: pb.ExplainRequest, context: grpc.ServicerContext) -> pb.ExplainResponse:
        """Says what Analyse would do."""
        with guarded(context):
            subject, _ = self._peer(context)
            request = convert.dry_request(message, subject)
            with self._turnstile.line_up(subject.institution, self._seconds(context)) as place:
                on_end(context, place.wake)
                place.wait(math.inf)
                place.take()
                try:
                    plan = self._platform.pipeline.explain(request)
                    preview = self._platform.preview(plan, request)
                except Refused as refused:
                    return convert.refused_explanation(refused)
            return convert.explanation(plan, catalogue.readable(plan), preview)

    def ListTables(self, message: pb.ListTablesRequest, context: grpc.ServicerContext) -> pb.ListTablesResponse:
        """The catalogue as the caller may see it."""
        with guarded(context):
            subject, _ = self._peer(context)
            return pb.ListTablesResponse(tables=catalogue.tables(self._platform, subject, own_only=message.own_only))

    def UploadTable(
        self, messages: Iterator[pb.UploadTableRequest], context: grpc.ServicerContext
    ) -> pb.UploadTableResponse:
        """Stores one of the caller's own tables."""
        with guarded(context):
            subject, _ = self._peer(context)
            seconds = deadline(context, self._platform.settings.limits.upload_seconds)
            cancelled = threading.Event()
            on_end(context, cancelled.set)
            with self._intake.stream(subject.institution, messages) as incoming:
                name, replace, coming = convert.upload(incoming)
                incoming.allow(UPLOAD_SILENCE_S, math.inf)
                stored = self._platform.own_tables.receive(
                    subject.institution, name, coming, seconds, cancelled, replace=replace
                )
            return pb.UploadTableResponse(
                table=catalogue.own_table(stored),
                held=[pb.HeldIdentifier(column=o.column, element=o.element, texts=o.texts) for o in stored.held],
            )

    def GetUpload(self, message: pb.GetUploadRequest, context: grpc.ServicerContext) -> pb.GetUploadResponse:
        """How much of one of the caller's own uploads has come, where it was cut off."""
        with guarded(context):
            subject, _ = self._peer(context)
            found = self._platform.own_tables.partials.received(subject.institution, message.upload_id)
            return pb.GetUploadResponse(received=found.size, sha256=found.sha256)

    def DropTable(self, message: pb.DropTableRequest, context: grpc.ServicerContext) -> pb.DropTableResponse:
        """Forgets one of the caller's own tables."""
        with guarded(context):
            subject, _ = self._peer(context)
            self._platform.own_tables.drop(subject.institution, message.name)
            return pb.DropTableResponse()

    def ListQueries(self, message: pb.ListQueriesRequest, context: grpc.ServicerContext) -> pb.ListQueriesResponse:
        """The caller's own trail."""
        with guarded(context):
            subject, _ = self._peer(context)
            return trail.queries(self._platform.books, subject, message.page_size, message.page_token)

    def GetReceipt(self, message: pb.GetReceiptRequest, context: grpc.ServicerContext) -> pb.GetReceiptResponse:
        """The receipt of one of the caller's own answers."""
        with guarded(context):
            subject, _ = self._peer(context)
            return pb.GetReceiptResponse(receipt=trail.receipt(self._platform.books, subject, message.request_id))

    def RegisterKey(self, message: pb.RegisterKeyRequest, context: grpc.ServicerContext) -> pb.RegisterKeyResponse:
        """Admits one of the caller's Paillier keys."""
        with guarded(context):
            subject, certificate = self._peer(context)
            # Proofs take the processor for some tenths of a second, so they wait their turn like questions.
            with self._turnstile.line_up(subject.institution, self._seconds(context)) as place:
                on_end(context, place.wake)
                place.wait(math.inf)
                place.take()
                expires = check_registration(message, certificate)
                kept = self._platform.register_key(subject, message, expires)
            return pb.RegisterKeyResponse(key=convert.sealing_key(kept, kept.key.kid))

    def ListKeys(self, message: pb.ListKeysRequest, context: grpc.ServicerContext) -> pb.ListKeysResponse:
        """The caller's own registered Paillier keys."""
        with guarded(context):
            subject, _ = self._peer(context)
            keys = self._platform.sealing_keys
            current = keys.current(subject.institution)
            return pb.ListKeysResponse(
                keys=[convert.sealing_key(kept, current) for kept in keys.of(subject.institution)]
            )

    def GetHead(self, message: pb.GetHeadRequest, context: grpc.ServicerContext) -> pb.GetHeadResponse:
        """The log's newest signed head."""
        with guarded(context):
            self._peer(context)
            return pb.GetHeadResponse(checkpoint=self._platform.books.log.head().to_bytes().decode())


def _heard_by(observed: Observation, said: queue.SimpleQueue[str | None]) -> Callable[[str], None]:
    """What the pipeline says goes to whoever watches and to the caller."""

    def hear(text: str) -> None:
        observed.heard(text)
        said.put(text)

    return hear


def _waiting(place: Place) -> Iterator[pb.AnalyseResponse]:
    """A sign of life now and then until the waiting is over."""
    while not place.wait(HEARTBEAT_S):
        yield pb.AnalyseResponse(progress=pb.Progress(stage="waiting"))


def _progress(said: queue.SimpleQueue[str | None]) -> Iterator[pb.AnalyseResponse]:
    """What the pipeline says until it is done, and a sign of life when it says nothing for long."""
    stage: str | None = "received"
    while stage is not None:
        yield pb.AnalyseResponse(progress=pb.Progress(stage=stage))
        try:
            stage = said.get(timeout=HEARTBEAT_S)
        except queue.Empty:
            stage = "running"

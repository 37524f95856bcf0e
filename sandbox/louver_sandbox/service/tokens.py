"""The gRPC method that makes tokens. As in `servicer`: who asks, a value, one call, the result."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import grpc
from cryptography import x509

from louver.errors import Refused
from louver.matching.oprf import ELEMENT_BYTES
from louver.v1 import tokens_pb2 as pb
from louver.v1 import tokens_pb2_grpc as pb_grpc
from louver_sandbox.identity import check_tokens
from louver_sandbox.policy.token_terms import MOST_IDS
from louver_sandbox.policy.tokens import TokenQuestion
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.refusals.encrypted import tokens as refuse
from louver_sandbox.service.edge import guarded, on_end
from louver_sandbox.service.incoming import BATCH_S, SILENCE_S, Incoming, Intake, taken
from louver_sandbox.service.peers import peer
from louver_sandbox.service.turnstile import Turnstile, lane
from louver_sandbox.stages import Request, Subject
from louver_sandbox.token_line import Asked, Evaluated
from louver_sandbox.wiring import Platform

ELEMENT = re.compile(r"[a-z][a-z_]{0,39}\Z")
PIECE = 512 * 1024


class Tokens(pb_grpc.TokenServiceServicer):
    """Tokens over one `Platform`; it waits at the same turnstile as questions do, once its batch is there."""

    def __init__(self, platform: Platform, turnstile: Turnstile, intake: Intake) -> None:
        self._platform = platform
        self._turnstile = turnstile
        self._intake = intake

    def Evaluate(
        self, messages: Iterator[pb.EvaluateRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.EvaluateResponse]:
        """One evaluation, from its signed question to its receipt."""
        with guarded(context), ExitStack() as held, ExitStack() as behind:
            subject, certificate = peer(self._platform, context)
            cancelled = threading.Event()
            on_end(context, cancelled.set)
            with self._intake.stream(subject.institution, messages) as incoming:
                first = incoming.get()
                if first is None or first.WhichOneof("part") != "question":
                    raise refusals.malformed_request("question")
                asked = self._asked(first.question, subject, certificate)
                held.enter_context(self._turnstile.claim(Request(asked.id, subject, "", "")))
                line = self._platform.tokens
                admitted = line.decide(asked)
                incoming.allow(SILENCE_S, BATCH_S, lambda: line.logged(asked, capacity.silent()))
                batch = _received(incoming, asked.question.ids * ELEMENT_BYTES)
                # The batch is whole before a place in the line is asked for: nobody holds one by saying nothing.
                longest = self._platform.settings.limits.upload_seconds
                left = behind.enter_context(lane(self._turnstile, subject.institution, context, longest))
            with behind:
                made = line.answer(asked, admitted, batch, left, cancelled)
            yield from taken(self._told(made), context)

    def _asked(self, question: pb.TokenQuestion, subject: Subject, certificate: x509.Certificate) -> Asked:
        """The question as a value. Raises `Refused` (logged as a question's is) where it was not signed."""
        try:
            check_tokens(question, certificate, self._platform.clock())
            return _asked(question, subject)
        except Refused as refused:
            request = Request(question.request_id[:64], subject, "", "")
            raise self._platform.pipeline.logged(request, refused) from None

    def _told(self, made: Evaluated) -> Iterator[pb.EvaluateResponse]:
        asked = made.paid.asked
        header = pb.EvaluateHeader(
            request_id=asked.id,
            element=asked.question.element,
            public_key=made.paid.public_key,
            cost=made.paid.cost,
            remaining=made.paid.remaining,
            policies=made.paid.admitted.policies,
            development=self._platform.settings.development,
        )
        yield pb.EvaluateResponse(header=header)
        for start in range(0, len(made.content), PIECE):
            yield pb.EvaluateResponse(evaluated=made.content[start : start + PIECE])
        yield pb.EvaluateResponse(receipt=made.receipt)


def _received(incoming: Incoming[pb.EvaluateRequest], size: int) -> bytes:
    """The batch as far as it has come, and a little of what is too much: the line says whether it is whole."""
    content = bytearray()
    while len(content) < size and (message := incoming.get()) is not None and message.batch:
        content += message.batch
    return bytes(content)


def _asked(question: pb.TokenQuestion, subject: Subject) -> Asked:
    """The question as a value. Raises `Refused` LVR-0105 or LVR-5323."""
    try:
        whole = str(uuid.UUID(question.request_id)) == question.request_id
    except ValueError:
        whole = False
    if not whole:
        raise refusals.malformed_request("request_id")
    if not ELEMENT.match(question.element):
        raise refusals.malformed_request("element")
    if len(question.batch_sha256) != 32:
        raise refusals.malformed_request("batch_sha256")
    if not 1 <= question.ids <= MOST_IDS:
        raise refuse.batch_too_large(MOST_IDS)
    asked = TokenQuestion(subject, question.element, question.ids)
    return Asked(question.request_id, asked, question.batch_sha256, question.signature)

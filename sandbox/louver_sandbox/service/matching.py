"""The gRPC methods of private matching. As in `servicer`: who asks, a value, one call, the result."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date
from functools import partial

import grpc
from cryptography import x509

from louver.errors import Refused
from louver.matching.oprf import ELEMENT_BYTES, evaluated_bytes
from louver.matching.subjects import canonical
from louver.v1 import matching_pb2 as pb
from louver.v1 import matching_pb2_grpc as pb_grpc
from louver_sandbox import match_persons
from louver_sandbox.identity import check_match
from louver_sandbox.match_commit import Asked, Paid
from louver_sandbox.match_line import MatchLine
from louver_sandbox.matching.exactness import accuracy_of
from louver_sandbox.policy.match_terms import MOST_AMOUNT, MOST_BATCH, MatchMode
from louver_sandbox.policy.matching import MatchQuestion, Offered
from louver_sandbox.processes.sessions import Session
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.refusals import matching as refuse
from louver_sandbox.service.convert import PURPOSE, accuracy
from louver_sandbox.service.edge import guarded, on_end
from louver_sandbox.service.gauge import losses
from louver_sandbox.service.incoming import BATCH_S, SILENCE_S, UNTAKEN_S, Incoming, Intake, taken
from louver_sandbox.service.peers import peer
from louver_sandbox.service.turnstile import Turnstile, lane
from louver_sandbox.stages import Request, Subject
from louver_sandbox.wiring import Platform

LIST = re.compile(r"[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}/[a-z][a-z0-9-]{0,39}\Z")
MEASURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
KNOWN = re.compile(r"[0-9A-Za-z._-]{1,64}\Z")
"""What an authorisation's id looks like."""
PIECE = 512 * 1024
LONGEST_NOTE = 500
MOST_KNOWN_SETS = 64
EVALUATION_S = 0.001
"""How long a caller may take for each of a list's subjects, in the line: several times what it needs."""


class Matching(pb_grpc.MatchingServiceServicer):
    """Private matching over one `Platform`; it waits at the turnstile of questions, once its batch is there."""

    def __init__(self, platform: Platform, turnstile: Turnstile, intake: Intake) -> None:
        self._platform = platform
        self._turnstile = turnstile
        self._intake = intake

    @property
    def _line(self) -> MatchLine:
        return self._platform.matches

    def ListMatchable(
        self, message: pb.ListMatchableRequest, context: grpc.ServicerContext
    ) -> pb.ListMatchableResponse:
        """The lists that the caller may match against today."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            return pb.ListMatchableResponse(lists=[_list(item) for item in self._line.lists(subject)])

    def ReportMeasure(
        self, message: pb.ReportMeasureRequest, context: grpc.ServicerContext
    ) -> pb.ReportMeasureResponse:
        """Logs a measure taken on a hit."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            return pb.ReportMeasureResponse(log_index=self._line.report(subject, *_reported(message)))

    def Match(self, messages: Iterator[pb.MatchRequest], context: grpc.ServicerContext) -> Iterator[pb.MatchResponse]:
        """One match, from its signed question to its receipt."""
        with guarded(context), ExitStack() as held:
            subject, certificate = peer(self._platform, context)
            cancelled = threading.Event()
            on_end(context, cancelled.set)
            coming = held.enter_context(ExitStack())
            incoming = coming.enter_context(self._intake.stream(subject.institution, messages))
            first = _next(incoming, lambda: refusals.malformed_request("question"))
            asked = self._asked(first.question, subject, certificate)
            claimed = Request(asked.id, subject, asked.question.purpose, "")
            held.enter_context(self._turnstile.claim(claimed))
            behind = partial(self._behind, subject.institution, context, coming)
            yield from taken(self._answered(asked, first, incoming, behind, cancelled), context)

    @contextmanager
    def _behind(self, institution: str, context: grpc.ServicerContext, coming: ExitStack) -> Iterator[float]:
        """A place in the line, with the seconds left; what was `coming` in has come. Raises `Refused` LVR-3101."""
        with lane(self._turnstile, institution, context, self._platform.settings.limits.upload_seconds) as seconds:
            coming.close()
            yield seconds

    def _asked(self, question: pb.MatchQuestion, subject: Subject, certificate: x509.Certificate) -> Asked:
        """The match as a value. Raises `Refused` (logged as a question's is) for what was not signed or is none."""
        try:
            check_match(question, certificate, self._platform.clock())
            return _asked(question, subject)
        except Refused as refused:
            request = Request(question.request_id[:64], subject, question.purpose[:64], "")
            raise self._platform.pipeline.logged(request, refused) from None

    def _answered(
        self,
        asked: Asked,
        first: pb.MatchRequest,
        incoming: Incoming[pb.MatchRequest],
        behind: Callable[[], AbstractContextManager[float]],
        cancelled: threading.Event,
    ) -> Iterator[pb.MatchResponse]:
        """The batch is whole before a place in the line is asked for: nobody holds one by saying nothing."""
        line = self._line  # once: a bundle that comes into force meanwhile decides the next match
        admitted = line.decide(asked)
        yield pb.MatchResponse(progress="decided")
        size = asked.question.ids * asked.item_bytes
        incoming.allow(SILENCE_S, BATCH_S, lambda: line.logged(asked, capacity.silent()))
        batch = _received(incoming, size, "batch", lambda: line.logged(asked, refuse.batch_form()))
        line.check_batch(asked, batch)
        yield pb.MatchResponse(progress="received")
        with behind() as seconds, line.open(asked, seconds, cancelled) as session:
            edition, public = line.prepare(asked, admitted, batch, session)
            yield pb.MatchResponse(progress="checked")
            paid = line.commit(asked, admitted, edition)
            yield pb.MatchResponse(progress="admitted")
            if asked.question.mode is not MatchMode.HITS:
                yield from self._number(line, paid, incoming, session)
                return
            found = line.hits(paid, batch, session)
        # Behind the line: how fast the caller takes it holds up nobody else.
        yield from self._hits(paid, found, public, frozenset(first.known_sets[:MOST_KNOWN_SETS]))

    def _hits(
        self, paid: Paid, found: tuple[bytes, bytes, bytes], public: bytes, known: frozenset[bytes]
    ) -> Iterator[pb.MatchResponse]:
        evaluated, personal, receipt = found
        header = self._header(paid)
        header.public_key = public
        if header.set_sha256 not in known:
            header.set_bytes = paid.edition.size
        yield pb.MatchResponse(header=header)
        if header.set_bytes:
            with paid.edition.path.open("rb") as content:
                while piece := content.read(PIECE):
                    yield pb.MatchResponse(set=piece)
        for start in range(0, len(personal), PIECE):
            yield pb.MatchResponse(personal=personal[start : start + PIECE])
        for start in range(0, len(evaluated), PIECE):
            yield pb.MatchResponse(evaluated=evaluated[start : start + PIECE])
        yield pb.MatchResponse(receipt=receipt)

    def _number(
        self, line: MatchLine, paid: Paid, incoming: Incoming[pb.MatchRequest], session: Session
    ) -> Iterator[pb.MatchResponse]:
        subjects = line.blinded(paid, session)
        header = self._header(paid)
        header.subjects = subjects
        yield pb.MatchResponse(header=header)
        for piece in line.elements(paid, subjects, session):
            yield pb.MatchResponse(blinded=piece)

        def lost(reason: str) -> Refused:
            line.abandon(paid, reason)
            return refuse.evaluation()

        incoming.allow(UNTAKEN_S, UNTAKEN_S + EVALUATION_S * subjects, lambda: lost("silent"))
        evaluated = _received(incoming, evaluated_bytes(subjects), "evaluated", lambda: lost("cut_off"))
        yield pb.MatchResponse(progress="evaluated")
        number, receipt = line.number(paid, evaluated, session)
        yield pb.MatchResponse(number=_number(paid, number))
        yield pb.MatchResponse(receipt=receipt)

    def _header(self, paid: Paid) -> pb.MatchHeader:
        return pb.MatchHeader(
            request_id=paid.asked.id,
            list=paid.admitted.spec.title,
            mode=paid.asked.question.mode.value,
            set_sha256=bytes.fromhex(paid.edition.digest),
            day=paid.admitted.spec.day.isoformat(),
            cost=paid.cost,
            remaining=paid.remaining,
            policies=paid.admitted.policies,
            privacy=losses(paid.privacy, stored=paid.again or paid.given is not None),
            development=self._platform.settings.development,
        )


def _next(incoming: Incoming[pb.MatchRequest], refused: Callable[[], Refused]) -> pb.MatchRequest:
    """The next message; the refusal where the caller has no more, or has gone."""
    found = incoming.get()
    if found is None:
        raise refused()
    return found


def _received(incoming: Incoming[pb.MatchRequest], size: int, part: str, refused: Callable[[], Refused]) -> bytes:
    """So many bytes of one part, no more and no fewer."""
    content = bytearray()
    while len(content) < size:
        message = _next(incoming, refused)
        if message.WhichOneof("part") != part or not (piece := getattr(message, part)):
            raise refused()
        content += piece
    if len(content) > size:
        raise refused()
    return bytes(content)


def _asked(question: pb.MatchQuestion, subject: Subject) -> Asked:
    """The match as a value. Raises `Refused` LVR-0105 or LVR-5104."""
    if not PURPOSE.match(question.purpose):
        raise refusals.malformed_request("purpose")
    if not LIST.match(question.list):
        raise refusals.malformed_request("list")
    if question.mode not in set(MatchMode):
        raise refusals.malformed_request("mode")
    if question.largest_amount > MOST_AMOUNT:
        raise refusals.malformed_request("largest_amount")
    if len(question.batch_sha256) != 32:
        raise refusals.malformed_request("batch_sha256")
    mode = MatchMode(question.mode)
    if len(question.public_key) != (0 if mode is MatchMode.HITS else ELEMENT_BYTES):
        raise refusals.malformed_request("public_key")
    if question.ids > MOST_BATCH:
        raise refuse.batch_too_large(MOST_BATCH)
    brought = tuple(question.authorisations)
    if len(brought) > match_persons.MOST or len(set(brought)) != len(brought) or not all(map(KNOWN.match, brought)):
        raise refusals.malformed_request("authorisations")
    return Asked(
        _uuid(question.request_id),
        MatchQuestion(subject, question.purpose, question.list, mode, question.ids, question.largest_amount),
        question.batch_sha256,
        question.public_key,
        question.signature,
        brought,
    )


def _uuid(text: str) -> str:
    try:
        if str(uuid.UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise refusals.malformed_request("request_id")


def _reported(message: pb.ReportMeasureRequest) -> tuple[str, str, str, str, str, str]:
    """The feedback's parts, each of its form. Raises `Refused` LVR-0105."""
    try:
        subject = canonical(message.subject)
    except ValueError:
        raise refusals.malformed_request("subject") from None
    try:
        taken = date.fromisoformat(message.taken_on).isoformat()
    except ValueError:
        raise refusals.malformed_request("taken_on") from None
    if not MEASURE.match(message.measure):
        raise refusals.malformed_request("measure")
    if len(message.note) > LONGEST_NOTE:
        raise refusals.malformed_request("note")
    return _uuid(message.request_id), message.list[:120], subject, message.measure, taken, message.note


def _number(paid: Paid, number: int) -> pb.MatchNumber:
    rules = paid.admitted.number
    if rules is None:
        raise ValueError("a number without rules")
    return pb.MatchNumber(value=number, accuracy=accuracy(accuracy_of(paid.asked.question.mode, rules)))


def _list(item: Offered) -> pb.MatchableList:
    return pb.MatchableList(
        list=item.title,
        title=item.table_title,
        owner=item.owner,
        modes=[mode.value for mode in item.modes],
        purposes=item.purposes,
        columns=item.columns,
        minimum_batch=item.minimum_batch,
        ids_per_day=item.ids_per_day,
        ids_per_month=item.ids_per_month,
        persons=item.persons,
    )

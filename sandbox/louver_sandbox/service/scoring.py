"""The gRPC methods of secret scorecards, in front of the line of scores."""

from __future__ import annotations

import hashlib
import queue
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from louver.errors import Refused
from louver.scoring.audit import Certificate
from louver.scoring.calls import MOST_APPLICANTS, applicants_digest, is_ordered_by, is_recorded_by
from louver.scoring.models import Model
from louver.signing import verifies
from louver.v1 import sandbox_pb2, scoring_pb2
from louver.v1 import scoring_pb2_grpc as pb_grpc
from louver_sandbox.consents import SUBJECT, Consent
from louver_sandbox.identity import check_moment
from louver_sandbox.pipeline import Call
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.refusals import scoring as refuse
from louver_sandbox.scoring.line import Answered
from louver_sandbox.scoring.registry import Pair, RegisteredModel
from louver_sandbox.service.convert import PURPOSE, pieces
from louver_sandbox.service.edge import deadline, guarded, on_end
from louver_sandbox.service.peers import peer
from louver_sandbox.service.turnstile import Place, Turnstile
from louver_sandbox.stages import Request, Subject
from louver_sandbox.wiring import Platform

HEARTBEAT_S = 5.0
LONGEST_ID = 64
LARGEST_MODEL = 1024 * 1024


class Scoring(pb_grpc.ScoringServiceServicer):
    """The edge of scorecards over one `Platform`."""

    def __init__(self, platform: Platform, executor: Executor, turnstile: Turnstile) -> None:
        self._platform = platform
        self._executor = executor
        self._turnstile = turnstile

    def ListFeatureSets(
        self, message: scoring_pb2.ListFeatureSetsRequest, context: grpc.ServicerContext
    ) -> scoring_pb2.ListFeatureSetsResponse:
        """What policies let scorecards be made of."""
        with guarded(context):
            peer(self._platform, context)
            sets = self._platform.judgement.bundle.platform.feature_sets
            entries = [
                scoring_pb2.FeatureSetEntry(name=name, definition=one.definition, sha256=one.sha256)
                for name, one in sorted(sets.items())
            ]
            return scoring_pb2.ListFeatureSetsResponse(feature_sets=entries)

    def RegisterModel(
        self, message: scoring_pb2.RegisterModelRequest, context: grpc.ServicerContext
    ) -> scoring_pb2.RegisterModelResponse:
        """Admits one of the caller's models."""
        with guarded(context):
            subject, certificate = peer(self._platform, context)
            with self._turnstile.line_up(subject.institution, self._seconds(context)) as place:
                _take(place, context)
                model = _model(message, subject)
                if not _signed(certificate, message.signature, model.to_bytes()):
                    raise refusals.bad_signature()
                signed = Certificate(message.auditor, message.audit_signature)
                kept = self._platform.models.register(subject, model, signed, message.signature)
            return scoring_pb2.RegisterModelResponse(model=_entry(kept, self._bins(kept)))

    def ListModels(
        self, message: scoring_pb2.ListModelsRequest, context: grpc.ServicerContext
    ) -> scoring_pb2.ListModelsResponse:
        """The caller's own models."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            kept = self._platform.models.of(subject.institution)
            return scoring_pb2.ListModelsResponse(models=[_entry(one, self._bins(one)) for one in kept])

    def RecordAuthorisation(
        self, message: scoring_pb2.RecordAuthorisationRequest, context: grpc.ServicerContext
    ) -> scoring_pb2.RecordAuthorisationResponse:
        """Records what a subject has allowed the caller."""
        with guarded(context):
            subject, certificate = peer(self._platform, context)
            key = certificate.public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey) or not is_recorded_by(message, key):
                raise refusals.bad_signature()
            consent = Consent(
                unit=message.unit,
                subject=message.subject,
                purpose=message.purpose,
                scope=tuple(message.scope),
                granted_on=message.granted_on,
                expires_on=message.expires_on,
                evidence_sha256=message.evidence_sha256,
                single_consent=message.single_consent,
                adverse_notice=message.adverse_notice,
                uses=message.uses,
                signature=message.signature,
            )
            identity, entry = self._platform.consents.record(subject, consent)
            return scoring_pb2.RecordAuthorisationResponse(id=identity, log_index=entry)

    def RevokeAuthorisation(
        self, message: scoring_pb2.RevokeAuthorisationRequest, context: grpc.ServicerContext
    ) -> scoring_pb2.RevokeAuthorisationResponse:
        """Makes one of the caller's authorisations void."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            at = self._platform.consents.revoke(message.id[:LONGEST_ID], subject.institution)
            return scoring_pb2.RevokeAuthorisationResponse(revoked=at.isoformat())

    def Score(
        self, message: scoring_pb2.ScoreRequest, context: grpc.ServicerContext
    ) -> Iterator[scoring_pb2.ScoreResponse]:
        """Scores applicants; progress while it runs, then header, encrypted scores and receipt."""
        with guarded(context):
            subject, certificate = peer(self._platform, context)
            said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            cancelled = threading.Event()
            with ExitStack() as held:
                place = held.enter_context(self._turnstile.line_up(subject.institution, self._seconds(context)))
                request, pairs = self._ordered(message, subject, certificate)
                held.enter_context(self._turnstile.claim(request))
                on_end(context, cancelled.set)
                on_end(context, place.wake)
                while not place.wait(HEARTBEAT_S):
                    yield _progress("waiting")
                place.take()
                call = Call(self._seconds(context), cancelled, said.put)
                ending = held.pop_all()
                future = self._executor.submit(self._answer, request, message.model, pairs, call, said, ending)
            stage: str | None = "received"
            while stage is not None:
                yield _progress(stage)
                try:
                    stage = said.get(timeout=HEARTBEAT_S)
                except queue.Empty:
                    stage = "running"
            try:
                scored = future.result()
            finally:
                del future  # as in `Analyse`
            yield from self._parts(request.id, scored)

    def _answer(
        self,
        request: Request,
        model: str,
        pairs: tuple[Pair, ...],
        call: Call,
        said: queue.SimpleQueue[str | None],
        held: ExitStack,
    ) -> Answered:
        try:
            with held:
                return self._platform.scores.score(request, model, pairs, call)
        finally:
            said.put(None)

    def _ordered(
        self, message: scoring_pb2.ScoreRequest, subject: Subject, certificate: x509.Certificate
    ) -> tuple[Request, tuple[Pair, ...]]:
        """The caller's request. Raises `Refused` (logged) for what it has not signed or is none."""
        pairs = tuple((one.subject, one.authorisation) for one in message.applicants)
        told = f"SCORE {len(pairs)} SUBJECTS ({applicants_digest(message.applicants)[:16]}) WITH {message.model[:64]}"
        request = Request(message.request_id[:64], subject, message.purpose[:64], told, signature=message.signature)
        try:
            key = certificate.public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey) or not is_ordered_by(message, key):
                raise refusals.bad_signature()
            check_moment(message.expires, self._platform.clock())
            if not _is_uuid(message.request_id):
                raise refusals.malformed_request("request_id")
            if not PURPOSE.match(message.purpose):
                raise refusals.malformed_request("purpose")
            if not _are_applicants(pairs):
                raise refuse.applicants({"limit": str(MOST_APPLICANTS)})
        except Refused as refused:
            raise self._platform.pipeline.logged(request, refused) from None
        return request, pairs

    def _parts(self, request_id: str, answered: Answered) -> Iterator[scoring_pb2.ScoreResponse]:
        yield scoring_pb2.ScoreResponse(
            header=scoring_pb2.ScoreHeader(
                request_id=request_id,
                content_bytes=len(answered.content),
                content_sha256=hashlib.sha256(answered.content).digest(),
                cost=dict(answered.cost),
                stored=answered.stored,
                development=self._platform.settings.development,
            )
        )
        for piece in pieces(answered.content):
            yield scoring_pb2.ScoreResponse(content=piece)
        yield scoring_pb2.ScoreResponse(receipt=answered.receipt)

    def _seconds(self, context: grpc.ServicerContext) -> float:
        return deadline(context, self._platform.settings.limits.query_seconds)

    def _bins(self, kept: RegisteredModel) -> int:
        """How many ciphertexts the model has: their bytes are all that its content has beside a header."""
        width = self._platform.sealing_keys.public(kept.kid).width
        return len(kept.content) // width


def _model(message: scoring_pb2.RegisterModelRequest, subject: Subject) -> Model:
    """The model as a value. Raises `Refused` LVR-5201."""
    texts = (
        message.model,
        message.version,
        message.feature_set,
        message.feature_set_sha256,
        message.kid,
        message.rules_sha256,
    )
    if max(map(len, (*texts, message.auditor))) > 2 * LONGEST_ID or len(message.content) > LARGEST_MODEL:
        raise refuse.model_form({})
    return Model(
        institution=subject.institution,
        model=message.model,
        version=message.version,
        feature_set=message.feature_set,
        feature_set_sha256=message.feature_set_sha256,
        kid=message.kid,
        decimals=message.decimals,
        rules_sha256=message.rules_sha256,
        content=message.content,
    )


def _entry(kept: RegisteredModel, ciphertexts: int) -> scoring_pb2.ModelEntry:
    return scoring_pb2.ModelEntry(
        digest=kept.digest,
        model=kept.model,
        version=kept.version,
        feature_set=kept.feature_set,
        feature_set_sha256=kept.feature_set_sha256,
        kid=kept.kid,
        decimals=kept.decimals,
        auditor=kept.auditor,
        registered=kept.registered,
        log_index=kept.entry,
        ciphertexts=ciphertexts,
    )


def _signed(certificate: x509.Certificate, signature: bytes, content: bytes) -> bool:
    key = certificate.public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and verifies(signature, content, key)


def _are_applicants(pairs: tuple[Pair, ...]) -> bool:
    distinct = len({subject for subject, _ in pairs}) == len(pairs)
    forms = all(SUBJECT.match(subject) and 0 < len(of) <= LONGEST_ID for subject, of in pairs)
    return 0 < len(pairs) <= MOST_APPLICANTS and distinct and forms


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _take(place: Place, context: grpc.ServicerContext) -> None:
    on_end(context, place.wake)
    place.wait(float("inf"))
    place.take()


def _progress(stage: str) -> scoring_pb2.ScoreResponse:
    return scoring_pb2.ScoreResponse(progress=sandbox_pb2.Progress(stage=stage))

"""What the blocking client does about scorecards; ``louver.client.Client`` inherits it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from louver.failures import Misused

if TYPE_CHECKING:
    import grpc

    from louver.scoring.audit import Certificate
    from louver.scoring.calls import RegisteredModel
    from louver.scoring.cards import FeatureSet, Scorecard
    from louver.scoring.models import Model, Opening
    from louver.scoring.results import ScoreAnswer
    from louver.settings import Settings
    from louver.v1.scoring_pb2_grpc import ScoringServiceStub

    Q = TypeVar("Q")
    R = TypeVar("R")

T = TypeVar("T")


class ScoringCalls:
    """Models, authorisations and scores over a client's connection."""

    settings: Settings
    _channel: grpc.Channel

    if TYPE_CHECKING:

        def _call(
            self, method: grpc.UnaryUnaryMultiCallable[Q, R], request: Q, timeout: float | None = None
        ) -> R: ...

        def _persistently(self, attempt: Callable[[float], T], allowed: float, request_id: str = "") -> T: ...

    @property
    def _scoring(self) -> ScoringServiceStub:
        from louver.v1.scoring_pb2_grpc import ScoringServiceStub

        return ScoringServiceStub(self._channel)

    def feature_sets(self) -> list[FeatureSet]:
        """The feature sets that scorecards may be made for."""
        from louver.scoring import calls
        from louver.v1 import scoring_pb2 as pb

        response = self._call(self._scoring.ListFeatureSets, pb.ListFeatureSetsRequest())
        return [calls.feature_set(message) for message in response.feature_sets]

    def prepare_model(self, card: Scorecard) -> Opening:
        """Encrypt a scorecard to your newest key. The opening goes to the model auditor and holds the model too.

        Raises ``Misused`` for a card that does not fit its feature set.
        """
        from louver.scoring.models import prepare
        from louver.tls import institution_of

        features = next((one for one in self.feature_sets() if one.name == card.feature_set), None)
        if features is None:
            raise Misused(f"there is no feature set {card.feature_set!r}", "louver models features lists them")
        key = self.settings.private(self.settings.key_ring.find().kid)
        return prepare(card, features, institution_of(self.settings.credentials.certificate), key)

    def register_model(self, model: Model, certificate: Certificate) -> RegisteredModel:
        """Register an encrypted scorecard that an auditor has signed for. It never changes."""
        from louver.scoring import calls

        request = calls.registration(model, certificate, self.settings.credentials.signing_key)
        return calls.registered(self._call(self._scoring.RegisterModel, request).model)

    def models(self) -> list[RegisteredModel]:
        """Your registered models, the newest first."""
        from louver.scoring import calls
        from louver.v1 import scoring_pb2 as pb

        return [calls.registered(one) for one in self._call(self._scoring.ListModels, pb.ListModelsRequest()).models]

    def record_authorisation(
        self,
        subject: str,
        *,
        purpose: str,
        scope: Sequence[str],
        granted_on: date,
        expires_on: date,
        evidence_sha256: str,
        unit: str = "enterprise",
        single_consent: bool = False,
        adverse_notice: bool = False,
        uses: int = 1,
    ) -> str:
        """Record that a subject has authorised you, and get the id to ask about it or score it with.

        ``scope`` are the tables that may be read, ``evidence_sha256`` the digest of the signed document, which stays
        with you. ``uses`` is how many lookups and models may use it, together; 0 for any number. Days are Beijing's,
        both included.
        """
        from louver.scoring import calls

        request = calls.authorisation(
            self.settings.credentials.signing_key,
            subject=subject,
            purpose=purpose,
            scope=scope,
            granted_on=granted_on,
            expires_on=expires_on,
            evidence_sha256=evidence_sha256,
            unit=unit,
            single_consent=single_consent,
            adverse_notice=adverse_notice,
            uses=uses,
        )
        return str(self._call(self._scoring.RecordAuthorisation, request).id)

    def revoke_authorisation(self, identity: str) -> str:
        """Make one of your recorded authorisations void from now on; since when it is, as RFC 3339 text."""
        from louver.v1 import scoring_pb2 as pb

        request = pb.RevokeAuthorisationRequest(id=identity)
        return str(self._call(self._scoring.RevokeAuthorisation, request).revoked)

    def score(
        self,
        applicants: Iterable[tuple[str, str]],
        *,
        model: str,
        purpose: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Callable[[str], None] | None = None,
        canaries: Mapping[str, Decimal] | None = None,
    ) -> ScoreAnswer:
        """Score applicants (subject, id of its authorisation) with one of your models, and open the scores.

        ``model`` is a name with its version (``small-firms/1``), or the name alone for the newest version, or a
        digest. A list of more than a thousand goes in several requests; ``request_id`` is for lists that fit one.
        ``canaries`` are subjects whose score you know, because you know what stands about them: another score than
        that raises ``Unproven``, as does one that is no sum of your model's points.
        """
        from louver.scoring import calls

        rows = calls.listed(applicants, request_id)
        found = calls.chosen(self.models(), model)
        gathered = calls.Gathered(found, self.settings.private(found.kid), self.settings.log_key)
        for part in calls.parts(self.settings, rows, found, purpose, request_id, timeout):
            attempt = self._attempt(part.message, part.of, progress)
            gathered.add(part.applicants, self._persistently(attempt, part.allowed, part.message.request_id))
        return gathered.answer(rows, canaries or {})

    def _attempt(self, message: Any, of: str, progress: Callable[[str], None] | None) -> Callable[[float], Any]:
        from louver.scoring import calls

        def attempt(left: float) -> calls.Assembly:
            assembly = calls.Assembly(message.request_id)
            call = self._scoring.Score(message, timeout=left)
            try:
                for part in call:
                    stage = assembly.take(part)
                    if stage and progress:
                        progress(of + stage)
            finally:
                call.cancel()
            assembly.check()
            return assembly

        return attempt

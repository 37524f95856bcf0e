"""What the asyncio client does about scorecards; ``louver.aio.AsyncClient`` inherits it.

Powers modulo a large number are computed in threads, so that they take no turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar, cast

from louver.failures import Misused

if TYPE_CHECKING:
    import grpc.aio

    from louver.scoring.audit import Certificate
    from louver.scoring.calls import Assembly, Part, RegisteredModel
    from louver.scoring.cards import FeatureSet, Scorecard
    from louver.scoring.models import Model, Opening
    from louver.scoring.results import ScoreAnswer
    from louver.settings import Settings
    from louver.v1.scoring_pb2_grpc import ScoringServiceAsyncStub

T = TypeVar("T")


class AsyncScoringCalls:
    """Models, authorisations and scores over a client's connection; each call is explained at
    ``louver.scoring.client.ScoringCalls``."""

    settings: Settings

    if TYPE_CHECKING:

        @property
        def _opened(self) -> grpc.aio.Channel: ...

        async def _call(self, attempt: Callable[[float], Awaitable[T]]) -> T: ...

        async def _persistently(
            self, attempt: Callable[[float], Awaitable[T]], allowed: float, request_id: str = ""
        ) -> T: ...

        async def _translated(
            self, attempt: Callable[[float], Awaitable[T]], left: float, request_id: str = ""
        ) -> T: ...

    @property
    def _scoring(self) -> ScoringServiceAsyncStub:
        from louver.v1.scoring_pb2_grpc import ScoringServiceStub

        return cast("ScoringServiceAsyncStub", ScoringServiceStub(self._opened))

    async def feature_sets(self) -> list[FeatureSet]:
        """The feature sets that scorecards may be made for."""
        from louver.scoring import calls
        from louver.v1 import scoring_pb2 as pb

        request = pb.ListFeatureSetsRequest()
        response = await self._call(lambda left: self._scoring.ListFeatureSets(request, timeout=left))
        return [calls.feature_set(message) for message in response.feature_sets]

    async def prepare_model(self, card: Scorecard) -> Opening:
        """Encrypt a scorecard to your newest key. Raises ``Misused`` for a card that does not fit its feature set."""
        from louver.scoring.models import prepare
        from louver.tls import institution_of

        features = next((one for one in await self.feature_sets() if one.name == card.feature_set), None)
        if features is None:
            raise Misused(f"there is no feature set {card.feature_set!r}", "louver models features lists them")
        key = await asyncio.to_thread(lambda: self.settings.private(self.settings.key_ring.find().kid))
        institution = institution_of(self.settings.credentials.certificate)
        return await asyncio.to_thread(prepare, card, features, institution, key)

    async def register_model(self, model: Model, certificate: Certificate) -> RegisteredModel:
        """Register an encrypted scorecard that an auditor has signed for. It never changes."""
        from louver.scoring import calls

        request = calls.registration(model, certificate, self.settings.credentials.signing_key)
        response = await self._call(lambda left: self._scoring.RegisterModel(request, timeout=left))
        return calls.registered(response.model)

    async def models(self) -> list[RegisteredModel]:
        """Your registered models, the newest first."""
        from louver.scoring import calls
        from louver.v1 import scoring_pb2 as pb

        request = pb.ListModelsRequest()
        response = await self._call(lambda left: self._scoring.ListModels(request, timeout=left))
        return [calls.registered(one) for one in response.models]

    async def record_authorisation(
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
        """Record that a subject has authorised you; the id to ask about it or score it with."""
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
        response = await self._call(lambda left: self._scoring.RecordAuthorisation(request, timeout=left))
        return response.id

    async def revoke_authorisation(self, identity: str) -> str:
        """Make one of your recorded authorisations void from now on; since when it is, as RFC 3339 text."""
        from louver.v1 import scoring_pb2 as pb

        request = pb.RevokeAuthorisationRequest(id=identity)
        response = await self._call(lambda left: self._scoring.RevokeAuthorisation(request, timeout=left))
        return response.revoked

    async def score(
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
        """Score applicants (subject, id of its authorisation) with one of your models, and open the scores."""
        from louver.scoring import calls

        rows = calls.listed(applicants, request_id)
        found = calls.chosen(await self.models(), model)
        private = await asyncio.to_thread(self.settings.private, found.kid)
        gathered = calls.Gathered(found, private, self.settings.log_key)
        for part in calls.parts(self.settings, rows, found, purpose, request_id, timeout):
            assembly = await self._persistently(self._attempt(part, progress), part.allowed, part.message.request_id)
            await asyncio.to_thread(gathered.add, part.applicants, assembly)
        return gathered.answer(rows, canaries or {})

    def _attempt(self, part: Part, progress: Callable[[str], None] | None) -> Callable[[float], Awaitable[Assembly]]:
        from louver.scoring import calls

        async def attempt(left: float) -> Assembly:
            assembly = calls.Assembly(part.message.request_id)
            call = self._scoring.Score(part.message, timeout=left)
            try:
                async for message in call:
                    stage = assembly.take(message)
                    if stage and progress:
                        progress(part.of + stage)
            finally:
                call.cancel()
            assembly.check()
            return assembly

        return attempt

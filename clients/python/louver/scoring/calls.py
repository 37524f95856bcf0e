"""What a client signs and sends for scoring, and how it puts an answer together. Pure functions."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from louver import questions
from louver.errors import Unproven
from louver.failures import Misused, cut_off
from louver.receipt import Receipt
from louver.scoring.audit import Certificate
from louver.scoring.cards import FeatureSet
from louver.scoring.models import Model
from louver.scoring.results import ScoreAnswer, Scored, Scores, opened
from louver.sealing.keys import PrivateKey
from louver.signing import verifies
from louver.v1 import scoring_pb2 as pb

if TYPE_CHECKING:
    from louver.settings import Settings

ORDER_DOMAIN = "louver.dev/score/v1"
AUTHORISATION_DOMAIN = "louver.dev/authorisation/v1"
MOST_APPLICANTS = 1000
"""Applicants of one request; the client splits longer lists."""

_SUBJECT = re.compile(r"[0-9A-Za-z]{1,32}")
_AUTHORISATION = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model as the platform has it. ``registered`` is RFC 3339 in UTC."""

    digest: str
    model: str
    version: str
    feature_set: str
    kid: str
    decimals: int
    auditor: str
    registered: str
    log_index: int
    ciphertexts: int
    feature_set_sha256: str = field(repr=False, default="")

    @property
    def name(self) -> str:
        """Model and version, as calls name them."""
        return f"{self.model}/{self.version}"


def registered(message: pb.ModelEntry) -> RegisteredModel:
    """A registered model."""
    return RegisteredModel(
        digest=message.digest,
        model=message.model,
        version=message.version,
        feature_set=message.feature_set,
        kid=message.kid,
        decimals=message.decimals,
        auditor=message.auditor,
        registered=message.registered,
        log_index=message.log_index,
        ciphertexts=message.ciphertexts,
        feature_set_sha256=message.feature_set_sha256,
    )


def feature_set(message: pb.FeatureSetEntry) -> FeatureSet:
    """A feature set. Raises ``Unproven`` where the digest is another one."""
    found = FeatureSet(message.name, message.definition)
    if found.digest != message.sha256:
        raise Unproven("a feature set is not what its digest says", message.SerializeToString())
    return found


def registration(model: Model, certificate: Certificate, key: ec.EllipticCurvePrivateKey) -> pb.RegisterModelRequest:
    """The signed registration of a model."""
    return pb.RegisterModelRequest(
        model=model.model,
        version=model.version,
        feature_set=model.feature_set,
        feature_set_sha256=model.feature_set_sha256,
        kid=model.kid,
        decimals=model.decimals,
        rules_sha256=model.rules_sha256,
        content=model.content,
        auditor=certificate.auditor,
        audit_signature=certificate.signature,
        signature=key.sign(model.to_bytes(), ec.ECDSA(hashes.SHA256())),
    )


def authorisation_bytes(request: pb.RecordAuthorisationRequest) -> bytes:
    """The bytes that the record of an authorisation is signed over."""
    lines = (
        AUTHORISATION_DOMAIN,
        f"unit: {request.unit}",
        f"subject_sha256: {hashlib.sha256(request.subject.encode()).hexdigest()}",
        f"purpose: {request.purpose}",
        f"scope: {' '.join(request.scope)}",
        f"granted_on: {request.granted_on}",
        f"expires_on: {request.expires_on}",
        f"evidence_sha256: {request.evidence_sha256}",
        f"single_consent: {request.single_consent}",
        f"adverse_notice: {request.adverse_notice}",
        f"uses: {request.uses}",
    )
    return ("\n".join(lines) + "\n").encode()


def authorisation(
    key: ec.EllipticCurvePrivateKey,
    *,
    subject: str,
    purpose: str,
    scope: Sequence[str],
    granted_on: date,
    expires_on: date,
    evidence_sha256: str,
    unit: str,
    single_consent: bool,
    adverse_notice: bool,
    uses: int,
) -> pb.RecordAuthorisationRequest:
    """The signed record of an authorisation. Raises ``Misused`` for a subject that is no code."""
    request = pb.RecordAuthorisationRequest(
        unit=unit,
        subject=_checked(subject, _SUBJECT, "subject"),
        purpose=purpose,
        scope=sorted(scope),
        granted_on=granted_on.isoformat(),
        expires_on=expires_on.isoformat(),
        evidence_sha256=evidence_sha256,
        single_consent=single_consent,
        adverse_notice=adverse_notice,
        uses=uses,
    )
    request.signature = key.sign(authorisation_bytes(request), ec.ECDSA(hashes.SHA256()))
    return request


def is_recorded_by(request: pb.RecordAuthorisationRequest, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the record's signature is by this key."""
    return verifies(request.signature, authorisation_bytes(request), key)


def applicants_digest(applicants: Sequence[pb.Applicant]) -> str:
    """SHA-256 in hex of the applicants in order."""
    digest = hashlib.sha256()
    for one in applicants:
        for part in (one.subject.encode(), one.authorisation.encode()):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()


def order_bytes(request: pb.ScoreRequest) -> bytes:
    """The bytes that a request for scores is signed over."""
    lines = (
        ORDER_DOMAIN,
        f"request_id: {request.request_id}",
        f"purpose: {request.purpose}",
        f"model: {request.model}",
        f"expires: {request.expires}",
        f"applicants_sha256: {applicants_digest(request.applicants)}",
    )
    return ("\n".join(lines) + "\n").encode()


def is_ordered_by(request: pb.ScoreRequest, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the request's signature is by this key."""
    return verifies(request.signature, order_bytes(request), key)


def checked(applicants: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The applicants, if each is a code with an authorisation and none is there twice. Raises ``Misused``."""
    if not applicants:
        raise Misused("there is nobody to score")
    found: dict[str, int] = {}
    for row, (subject, authorisation_id) in enumerate(applicants, start=1):
        _checked(subject, _SUBJECT, f"row {row}: subject")
        _checked(authorisation_id, _AUTHORISATION, f"row {row}: authorisation")
        if subject in found:
            raise Misused(f"rows {found[subject]} and {row} are the same subject", "score each subject once")
        found[subject] = row
    return list(applicants)


def batches(applicants: Sequence[tuple[str, str]], most: int = MOST_APPLICANTS) -> list[list[tuple[str, str]]]:
    """The applicants in as few requests as may be, of nearly the same size, so that no last one is too small."""
    count = -(-len(applicants) // most)
    size, more = divmod(len(applicants), count)
    made, start = [], 0
    for place in range(count):
        end = start + size + (place < more)
        made.append(list(applicants[start:end]))
        start = end
    return made


def chosen(models: Sequence[RegisteredModel], wanted: str) -> RegisteredModel:
    """The model of that name and version, of that name (the newest), or of that digest. Raises ``Misused``."""
    for one in models:
        if wanted in (one.name, one.model, one.digest):
            return one
    raise Misused(f"you have no registered model {wanted!r}", "louver models list shows those you have")


def order_of(
    settings: Settings,
    applicants: Sequence[tuple[str, str]],
    model: RegisteredModel,
    purpose: str | None,
    request_id: str,
    allowed: float,
) -> pb.ScoreRequest:
    """The signed request for scores, good for the call's whole time."""
    said = settings.profile.purpose if purpose is None else purpose
    expires = questions.rfc3339(questions.expiry(settings.around.clock(), allowed))
    return order(settings.credentials.signing_key, applicants, model.digest, said, request_id, expires)


def order(
    key: ec.EllipticCurvePrivateKey,
    applicants: Sequence[tuple[str, str]],
    model: str,
    purpose: str,
    request_id: str,
    expires: str,
) -> pb.ScoreRequest:
    """The signed request for scores."""
    request = pb.ScoreRequest(
        request_id=request_id,
        purpose=purpose,
        model=model,
        applicants=[pb.Applicant(subject=subject, authorisation=of) for subject, of in applicants],
        expires=expires,
    )
    request.signature = key.sign(order_bytes(request), ec.ECDSA(hashes.SHA256()))
    return request


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a list: its applicants, its signed message, how long it may take in seconds, and what its
    progress begins with."""

    applicants: Sequence[tuple[str, str]]
    message: pb.ScoreRequest
    allowed: float
    of: str


def parts(
    settings: Settings,
    rows: Sequence[tuple[str, str]],
    model: RegisteredModel,
    purpose: str | None,
    request_id: str | None,
    timeout: float | None,
) -> Iterator[Part]:
    """The requests of a list, each signed when it is its turn."""
    several = batches(rows)
    for number, batch in enumerate(several, start=1):
        made = questions.checked_request_id(request_id or settings.around.new_request_id())
        allowed = settings.time_allowed(timeout)
        of = f"{number} of {len(several)}: " if len(several) > 1 else ""
        yield Part(batch, order_of(settings, batch, model, purpose, made, allowed), allowed, of)


def listed(applicants: Iterable[tuple[str, str]], request_id: str | None) -> list[tuple[str, str]]:
    """The applicants, if they may be asked about. Raises ``Misused``."""
    rows = checked(list(applicants))
    if request_id is not None and len(rows) > MOST_APPLICANTS:
        raise Misused("one request id is for one request", f"score at most {MOST_APPLICANTS} at once")
    return rows


@dataclass
class Assembly:
    """One answer under construction; ``take`` every part, then ask for the ``content``."""

    request_id: str
    header: pb.ScoreHeader | None = None
    receipt: bytes = b""
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0

    def take(self, part: pb.ScoreResponse) -> str | None:
        """Add one part; the stage's name when it is a sign of progress. Raises ``Unproven``."""
        match part.WhichOneof("part"):
            case "progress":
                return part.progress.stage
            case "header":
                self.header = part.header
            case "content":
                self._pieces.append(part.content)
                self._size += len(part.content)
                if self.header is None or self._size > self.header.content_bytes:
                    raise Unproven("the scores are longer than their header says", self.receipt)
            case "receipt":
                self.receipt = part.receipt
        return None

    def check(self) -> None:
        """Raises ``Unreachable`` when pieces are missing."""
        if self.header is None or self._size < self.header.content_bytes or not self.receipt:
            raise cut_off(self.request_id)

    def content(self, model: str, log_key: str) -> tuple[bytes, Receipt, Mapping[str, int]]:
        """The encrypted scores, their receipt and what they cost; with a log key, only if the receipt proves them.

        Raises ``Unreachable`` when pieces are missing and ``Unproven`` when they do not belong together.
        """
        self.check()
        header, content = self.header, b"".join(self._pieces)
        if header is None:
            raise cut_off(self.request_id)
        digest = hashlib.sha256(content).digest()
        if not hmac.compare_digest(digest, header.content_sha256) or header.request_id != self.request_id:
            raise Unproven("the scores are not those their header announces", content)
        receipt = Receipt.from_bytes(self.receipt)
        if log_key:
            proof = receipt.verify(log_key, result_digest=digest.hex(), request_id=self.request_id)
            if (proof.entry.get("kind"), proof.entry.get("model")) != ("outcome", model):
                raise Unproven("the log entry is not about scores of this model", receipt.entry)
        return content, receipt, dict(header.cost)


@dataclass
class Gathered:
    """The answers of several requests, opened one by one."""

    model: RegisteredModel
    private: PrivateKey
    log_key: str
    _scores: list[Decimal | None] = field(default_factory=list)
    _receipts: list[Receipt] = field(default_factory=list)
    _requests: list[str] = field(default_factory=list)
    _cost: int = 0

    def add(self, batch: Sequence[tuple[str, str]], assembly: Assembly) -> None:
        """Opens the answer for these applicants. Raises ``Unproven``."""
        content, receipt, cost = assembly.content(self.model.digest, self.log_key)
        scores = Scores.from_bytes(content, self.private.public.width)
        if (scores.model, scores.kid, len(scores.places)) != (self.model.digest, self.private.kid, len(batch)):
            raise Unproven("the scores are of another model, key or list", content)
        self._scores += opened(scores, self.private, self.model.model, self.model.version, self.model.decimals)
        self._receipts.append(receipt)
        self._requests.append(assembly.request_id)
        self._cost += sum(number for kind, number in cost.items() if kind.endswith(" scores"))

    def answer(self, rows: Sequence[tuple[str, str]], canaries: Mapping[str, Decimal]) -> ScoreAnswer:
        """Everything together. Raises ``Unproven`` for a canary with another score than expected."""
        found = tuple(Scored(subject, score) for (subject, _), score in zip(rows, self._scores, strict=True))
        for row in found:
            if row.subject in canaries and row.score != canaries[row.subject]:
                raise Unproven("a canary has another score than its features give", b"")
        return ScoreAnswer(found, tuple(self._receipts), tuple(self._requests), self._cost)


def _checked(text: str, form: re.Pattern[str], what: str) -> str:
    if not form.fullmatch(text):
        raise Misused(f"{what} is not of the form {form.pattern}")
    return text

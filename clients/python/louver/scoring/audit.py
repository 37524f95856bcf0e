"""What a model auditor does: opens every ciphertext, looks at the points, and signs for them.

The platform sees no points, so it relies on this: a scorecard of one feature reads that feature out, and points whose
sums all differ (1, 2, 4, ..., and far smaller ones) read all of them out at once. The auditor is a regulator or a
certified officer whom the contract names.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from gmpy2 import mpz

from louver.failures import Misused
from louver.scoring import layout
from louver.scoring.cards import Feature, FeatureSet
from louver.scoring.models import Model, Opening, encrypted, flat, rules_digest
from louver.scoring.telling import Telling, TooWide
from louver.sealing import bulk
from louver.sealing.keys import PublicKey

LEAST_FEATURES = 8
"""Features whose points differ between bins."""

MOST_SHARE = 40
"""Percent of the whole range of scores that one feature may decide."""

CROWD = 10
"""Combinations of points that have a score together, so that the score does not tell which."""

MOST_LONELY = 10
"""Percent of all combinations whose score fewer than ``CROWD`` have: the ends of a scale, and no more."""

MOST_TOLD = 50
"""Percent of a feature's entropy that a score may tell."""

MOST_POINTS = 2**16
DOMAIN = "louver.dev/scorecard-audit/v1"
FORMAT = "louver-scorecard-audit/1"


@dataclass(frozen=True, slots=True)
class Certificate:
    """An auditor's Ed25519 signature for one model."""

    auditor: str
    signature: bytes

    def to_json(self) -> bytes:
        """The certificate as a file."""
        told = {"format": FORMAT, "auditor": self.auditor, "signature": base64.b64encode(self.signature).decode()}
        return json.dumps(told, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> Certificate:
        """The certificate in a file. Raises ``Misused``."""
        try:
            told = json.loads(text)
            if told["format"] != FORMAT or not isinstance(told["auditor"], str):
                raise ValueError("another format")
            return cls(told["auditor"], base64.b64decode(told["signature"], validate=True))
        except (KeyError, TypeError, ValueError, RecursionError):
            raise Misused("this is no certificate of a model auditor", "louver models audit makes one") from None


def signing_bytes(auditor: str, digest: str) -> bytes:
    """The bytes that an auditor signs."""
    return f"{DOMAIN}\nauditor: {auditor}\nmodel: {digest}\n".encode()


def holds(certificate: Certificate, model: Model, public_key: bytes) -> bool:
    """Whether the certificate is this auditor's for this very model."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(certificate.signature, signing_bytes(certificate.auditor, model.digest))
    except (InvalidSignature, ValueError):
        return False
    return True


def certify(opening: Opening, auditor: str, key: Ed25519PrivateKey) -> Certificate:
    """Signs for a model. Raises ``Misused`` with every rule that it breaks."""
    broken = findings(opening)
    if broken:
        raise Misused("the scorecard cannot be certified: " + "; ".join(broken))
    return Certificate(auditor, key.sign(signing_bytes(auditor, opening.model.digest)))


def findings(opening: Opening) -> tuple[str, ...]:
    """What is wrong with a model; nothing when it may be signed. Raises ``Misused`` for an opening that is none."""
    return tuple(_opens(opening)) or tuple(_rules(opening))


def _opens(opening: Opening) -> Iterator[str]:
    """Whether the ciphertexts hold these points and nothing else, so that no more is signed than was seen."""
    model, key = opening.model, PublicKey(mpz(int.from_bytes(opening.modulus, "big")))
    features = FeatureSet(model.feature_set, opening.definition)
    if key.kid != model.kid:
        yield "the model is encrypted to another key"
    if features.digest != model.feature_set_sha256:
        yield "the model is for another definition of its feature set"
    if [len(of) for of in opening.points] != [len(one.bins) for one in features.features]:
        yield "the points are not one for each bin"
        return
    told = rules_digest(opening.salt, opening.base, opening.points, opening.explained)
    if not hmac.compare_digest(told, model.rules_sha256):
        yield "the points are not those of the model's digest"
    terms = [layout.term(each, opening.factor) for each in flat(opening.base, opening.points)]
    try:
        header, body = bulk.read(model.content)
        sealed = bulk.numbers(body, key.width)
    except bulk.Malformed:
        yield "the model's ciphertexts cannot be read"
        return
    same = (header.kid, len(sealed), len(opening.randomness)) == (key.kid, len(terms), len(terms))
    if not same or encrypted(terms, [mpz(each) for each in opening.randomness], key) != sealed:
        yield "a ciphertext holds something else than its points"


def _rules(opening: Opening) -> Iterator[str]:
    features = FeatureSet(opening.model.feature_set, opening.definition).features
    explained = dict(opening.explained)
    spreads = [max(of) - min(of) for of in opening.points]
    if sum(spread > 0 for spread in spreads) < LEAST_FEATURES:
        yield f"fewer than {LEAST_FEATURES} features have points that differ"
    if any(abs(each) >= MOST_POINTS for of in opening.points for each in of):
        yield f"points are {MOST_POINTS} or more"
    for feature, points, spread in zip(features, opening.points, spreads, strict=True):
        if spread * 100 > MOST_SHARE * sum(spreads):
            yield f"{feature.name} decides more than {MOST_SHARE} percent of the range of scores"
        if not _in_order(feature, points) and not explained.get(feature.name, "").strip():
            yield f"the points of {feature.name} neither only rise nor only fall, and nobody has explained why"
    names = [feature.name for feature in features]
    # Points for what is missing may be any, and most subjects miss nothing: whoever does is no company for them.
    yield from tuple(_told(names, opening.points, "")) or _told(
        names, [of[1:] or of for of in opening.points], " where nothing is missing"
    )


def _told(names: Sequence[str], points: Sequence[Sequence[int]], where: str) -> Iterator[str]:
    """Whether scores tell combinations of bins, or single features, apart."""
    try:
        telling = Telling(points)
    except TooWide:
        yield f"there are too many different scores{where} to count who shares one: use fewer decimals"
        return
    lonely = telling.lonely(CROWD) * 100
    if lonely > MOST_LONELY:
        yield (
            f"{lonely:.0f} percent of all combinations of bins have a score that fewer than {CROWD} share{where}: "
            f"use coarser points"
        )
    for name, share in zip(names, telling.of_features(), strict=True):
        if share * 100 > MOST_TOLD:
            yield f"scores tell {share * 100:.0f} percent of what there is to know of {name}{where}"


def _in_order(feature: Feature, points: tuple[int, ...]) -> bool:
    scale = list(points[1:])
    return not feature.ordered or scale in (sorted(scale), sorted(scale, reverse=True))

"""Scorecards, feature sets and auditors for tests: small keys, made from seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gmpy2 import mpz

from louver.scoring.cards import FeatureSet, Scorecard
from louver.scoring.models import Opening, prepare
from louver.sealing import bulk
from louver.sealing.keys import PrivateKey
from louver_sandbox.sealing.packing import Points

AUDITOR = "model-auditor"
AUDITOR_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
AUDITOR_PUBLIC = AUDITOR_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def feature_set(bins: Sequence[int] = (4,) * 10, name: str = "credit") -> FeatureSet:
    """Features f0, f1, ... with so many bins, on scales."""
    features = [
        {"name": f"f{number}", "bins": ["missing", *(f"b{place}" for place in range(1, most))], "ordered": True}
        for number, most in enumerate(bins)
    ]
    told = {"title": "test", "unit": "enterprise", "features": features}
    return FeatureSet(name, json.dumps(told, sort_keys=True))


def card(
    features: FeatureSet,
    points: Sequence[Sequence[int]] | None = None,
    base: int = 600,
    decimals: int = 0,
    version: str = "1",
    explained: Mapping[str, str] | None = None,
) -> Scorecard:
    """A scorecard with these points in order; without any, some that an auditor signs."""
    given = points or [
        [-3 * place + 2, *(number * (7 + 3 * place) + place for number in range(1, len(one.bins)))]
        for place, one in enumerate(features.features)
    ]
    named = {one.name: dict(zip(one.bins, of, strict=True)) for one, of in zip(features.features, given, strict=True)}
    return Scorecard("small-firms", version, features.name, decimals, base, named, explained or {})


def opening(key: PrivateKey, features: FeatureSet, of: Scorecard, seed: int = 5) -> Opening:
    """The model of a scorecard and its opening, the same for the same seed."""
    drawn = random.Random(seed)
    return prepare(of, features, "bank_a", key, below=drawn.randrange, randomness=drawn.randbytes)


def ciphertexts(made: Opening, key: PrivateKey) -> list[mpz]:
    """A model's ciphertexts."""
    return bulk.numbers(bulk.read(made.model.content)[1], key.public.width)


def points(made: Opening, key: PrivateKey) -> Points:
    """A model as the scorer has it."""
    return Points(key.public, ciphertexts(made, key), [len(of) for of in made.points])


def plain_score(made: Opening, bins: Sequence[int]) -> int:
    """What a subject with these bins scores, in units of the last decimal."""
    return made.base + sum(of[number] for of, number in zip(made.points, bins, strict=True))

"""A model as it is registered: the encrypted points, what they are for, and the digest that stands for all of it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gmpy2
from gmpy2 import mpz

from louver.failures import Misused
from louver.scoring import layout
from louver.scoring.cards import FeatureSet, Scorecard
from louver.sealing import bulk
from louver.sealing.keys import PrivateKey, PublicKey, RandomBelow

DOMAIN = "louver.dev/scorecard/v1"
FORMAT = "louver-scorecard/1"
OPENING_FORMAT = "louver-scorecard-opening/1"
SALT = 32
_CHUNK = 16
_LARGEST_FILE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Model:
    """An encrypted scorecard. ``content`` is a batch of ciphertexts: base first, then feature by feature its bins.

    ``rules_sha256`` is a salted digest of the points in clear, which only an opening can be compared with.
    """

    institution: str
    model: str
    version: str
    feature_set: str
    feature_set_sha256: str
    kid: str
    decimals: int
    rules_sha256: str
    content: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """What is signed: every fact of the model, its ciphertexts by their digest."""
        lines = (
            DOMAIN,
            f"institution: {self.institution}",
            f"model: {self.model}",
            f"version: {self.version}",
            f"feature_set: {self.feature_set}",
            f"feature_set_sha256: {self.feature_set_sha256}",
            f"kid: {self.kid}",
            f"decimals: {self.decimals}",
            f"rules_sha256: {self.rules_sha256}",
            f"ciphertexts_sha256: {hashlib.sha256(self.content).hexdigest()}",
        )
        return ("\n".join(lines) + "\n").encode()

    @property
    def digest(self) -> str:
        """SHA-256 in hex of what is signed: the model's id in logs and receipts."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def name(self) -> str:
        """Model and version, as calls name them."""
        return f"{self.model}/{self.version}"

    def to_json(self) -> bytes:
        """The model as a file; nothing in it is secret."""
        told = {name: getattr(self, name) for name in _TEXTS} | {"decimals": self.decimals}
        told |= {"format": FORMAT, "content": base64.b64encode(self.content).decode()}
        return json.dumps(told, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> Model:
        """The model in a file. Raises ``Misused``."""
        told = _read(text, FORMAT)
        try:
            content = base64.b64decode(told["content"], validate=True)
            texts = {name: told[name] for name in _TEXTS}
        except (KeyError, TypeError, ValueError):
            raise Misused("this is no model file") from None
        if not all(isinstance(each, str) for each in texts.values()) or type(told.get("decimals")) is not int:
            raise Misused("this is no model file")
        return cls(**texts, decimals=told["decimals"], content=content)


_TEXTS = (
    "institution",
    "model",
    "version",
    "feature_set",
    "feature_set_sha256",
    "kid",
    "rules_sha256",
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What the auditor alone gets to see beside the model: points, randomness and the secret of the check."""

    model: Model
    modulus: bytes
    definition: str
    base: int
    points: tuple[tuple[int, ...], ...] = field(repr=False)
    factor: int = field(repr=False)
    randomness: tuple[int, ...] = field(repr=False)
    salt: bytes = field(repr=False)
    explained: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> bytes:
        """The opening as a file. It is as secret as the scorecard."""
        told = {
            "format": OPENING_FORMAT,
            "model": self.model.to_json().decode(),
            "modulus": self.modulus.hex(),
            "definition": self.definition,
            "base": self.base,
            "points": self.points,
            "factor": self.factor,
            "randomness": [format(each, "x") for each in self.randomness],
            "salt": self.salt.hex(),
            "explained": dict(self.explained),
        }
        return json.dumps(told, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> Opening:
        """The opening in a file. Raises ``Misused``."""
        told = _read(text, OPENING_FORMAT)
        try:
            return cls(
                Model.from_json(told["model"].encode()),
                bytes.fromhex(told["modulus"]),
                str(told["definition"]),
                _integer(told["base"]),
                tuple(tuple(_integer(each) for each in of) for of in told["points"]),
                _integer(told["factor"]),
                tuple(int(each, 16) for each in told["randomness"]),
                bytes.fromhex(told["salt"]),
                tuple(sorted((str(name), str(why)) for name, why in told["explained"].items())),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Misused("this is no opening of a model") from None


def prepare(
    card: Scorecard,
    features: FeatureSet,
    institution: str,
    key: PrivateKey,
    *,
    below: RandomBelow = secrets.randbelow,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> Opening:
    """Encrypts a scorecard to its owner's key; the opening holds the model too.

    Raises:
        Misused: points are missing, there are too many features, or scores may leave their 20 bits.
    """
    points = card.of(features)
    if not 0 < len(points) <= layout.MOST_FEATURES:
        raise Misused(f"a scorecard has from 1 to {layout.MOST_FEATURES} features")
    factor, salt = layout.alpha(key, card.model, card.version), randomness(SALT)
    explained = tuple(sorted(card.explained.items()))
    terms = [layout.term(each, factor) for each in flat(card.base, points)]
    drawn = [_unit(key.public, below) for _ in terms]
    content = bulk.write(encrypted(terms, drawn, key.public), key.public)
    model = Model(
        institution,
        card.model,
        card.version,
        features.name,
        features.digest,
        key.kid,
        card.decimals,
        rules_digest(salt, card.base, points, explained),
        content,
    )
    opened = (points, factor, tuple(map(int, drawn)), salt, explained)
    return Opening(model, key.public.to_bytes(), features.definition, card.base, *opened)


def flat(base: int, points: Sequence[Sequence[int]]) -> list[int]:
    """Base and points as they are encrypted, from 0 up: each feature's least points move into the base.

    Raises ``Misused`` where a score could leave its 20 bits.
    """
    least = [min(of) for of in points]
    start = base + sum(least) + layout.OFFSET
    most = start + sum(max(of) - low for of, low in zip(points, least, strict=True))
    if not 0 <= start <= most < 1 << layout.SCORE_BITS:
        raise Misused(f"scores lie between -{layout.OFFSET} and {layout.OFFSET - 1} units", "use fewer decimals")
    return [start, *(each - low for of, low in zip(points, least, strict=True) for each in of)]


def encrypted(terms: Sequence[int], drawn: Sequence[mpz], key: PublicKey) -> list[mpz]:
    """Textbook ciphertexts of these terms with this randomness."""
    powers: list[mpz] = []
    for start in range(0, len(drawn), _CHUNK):
        powers += gmpy2.powmod_base_list(list(drawn[start : start + _CHUNK]), key.n, key.square)
    return [(1 + each * key.n) % key.square * power % key.square for each, power in zip(terms, powers, strict=True)]


def rules_digest(
    salt: bytes, base: int, points: Sequence[Sequence[int]], explained: Sequence[tuple[str, str]]
) -> str:
    """SHA-256 in hex of salt and points. Without the salt, small numbers could be found by trying."""
    told = json.dumps([base, points, explained], separators=(",", ":")).encode()
    return hashlib.sha256(salt + told).hexdigest()


def _unit(key: PublicKey, below: RandomBelow) -> mpz:
    while True:
        drawn = mpz(below(int(key.n)))
        if gmpy2.gcd(drawn, key.n) == 1:
            return drawn


def _read(text: bytes, form: str) -> dict[str, Any]:
    try:
        told = json.loads(text) if len(text) <= _LARGEST_FILE else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.get("format") != form:
        raise Misused(f"this is no {form.partition('/')[0]} file", "louver models prepare makes one")
    return told


def _integer(value: object) -> int:
    if type(value) is not int:
        raise ValueError("no whole number")
    return value

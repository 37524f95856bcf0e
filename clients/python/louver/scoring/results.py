"""Encrypted scores as they leave the platform, and what their owner makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gmpy2 import mpz

from louver.errors import Unproven
from louver.quality import TableQuality, of_receipt
from louver.receipt import Receipt
from louver.scoring import layout
from louver.sealing import processes
from louver.sealing.ciphertexts import NotACiphertext
from louver.sealing.keys import PrivateKey

MAGIC = b"LVRSCOR1"
LONGEST_HEADER = 1 << 20

Place = tuple[int, int]
"""Which ciphertext holds a score, and in which slot."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The encrypted scores of one request: a place for each applicant, None for one who has no score."""

    model: str
    kid: str
    places: tuple[Place | None, ...]
    packs: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """As they travel and as the log has their digest."""
        told = {"model": self.model, "kid": self.kid, "packs": len(self.packs), "places": self.places}
        header = json.dumps(told, separators=(",", ":"), sort_keys=True).encode()
        return MAGIC + len(header).to_bytes(4, "big") + header + b"".join(self.packs)

    @classmethod
    def from_bytes(cls, content: bytes, width: int) -> Scores:
        """The scores in these bytes, of ciphertexts so wide. Raises ``Unproven``."""
        at = len(MAGIC) + 4
        size = int.from_bytes(content[len(MAGIC) : at], "big")
        try:
            if not content.startswith(MAGIC) or size > LONGEST_HEADER:
                raise ValueError("no scores")
            told: Any = json.loads(content[at : at + size])
            body = content[at + size :]
            places = tuple(None if each is None else (int(each[0]), int(each[1])) for each in told["places"])
            if len(body) != told["packs"] * width or not _within(places, told["packs"]):
                raise ValueError("cut off")
            packs = tuple(body[start : start + width] for start in range(0, len(body), width))
            return cls(str(told["model"]), str(told["kid"]), places, packs)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):
            raise Unproven("the bytes are no whole set of scores", content) from None


def _within(places: Sequence[Place | None], packs: int) -> bool:
    return all(each is None or (0 <= each[0] < packs and each[1] >= 0) for each in places)


def opened(scores: Scores, key: PrivateKey, model: str, version: str, decimals: int) -> tuple[Decimal | None, ...]:
    """The scores in clear, each checked to be a sum of the model's own points. Raises ``Unproven``."""
    broken = Unproven("a score does not open to a sum of your model's points", scores.to_bytes())
    used = sorted({place[0] for place in scores.places if place is not None})
    try:
        sealed = [mpz(int.from_bytes(scores.packs[pack], "big")) for pack in used]
        plain = dict(zip(used, processes.decrypt(sealed, key), strict=True))
    except NotACiphertext:
        raise broken from None
    factor, slots = layout.alpha(key, model, version), layout.slots(key.public)
    found: list[Decimal | None] = []
    for place in scores.places:
        if place is None:
            found.append(None)
            continue
        if place[1] >= slots or plain[place[0]] < 0:
            raise broken
        try:
            found.append(Decimal(layout.score(plain[place[0]], place[1], factor)).scaleb(-decimals))
        except layout.BrokenScore:
            raise broken from None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Scored:
    """One applicant and its score, None where there is none: no authorisation, a revoked one and no such subject
    look alike."""

    subject: str
    score: Decimal | None


@dataclass(frozen=True, slots=True)
class ScoreAnswer:
    """The scores of a list of applicants in their order, with the receipt of each batch that was sent."""

    rows: tuple[Scored, ...]
    receipts: tuple[Receipt, ...]
    request_ids: tuple[str, ...]
    cost: int
    """Scores that were paid for; those given again are free."""

    @property
    def quality(self) -> tuple[TableQuality, ...]:
        """The quality of the data that the scores were made from, as the receipts' entries say it. Raises
        ``Unproven``."""
        told = {one: None for receipt in self.receipts for one in of_receipt(receipt)}
        return tuple(sorted(told, key=lambda one: (one.table, one.as_of)))

    @property
    def scored(self) -> int:
        """How many applicants have a score."""
        return sum(row.score is not None for row in self.rows)

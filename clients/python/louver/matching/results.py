"""What a match comes to, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from louver.privacy import PrivacyLoss
from louver.receipt import Receipt, VerifiedReceipt
from louver.results import Accuracy


@dataclass(frozen=True)
class MatchableList:
    """A list that you may match against: which answers it gives, for what, and on which terms.

    ``persons`` is the statute that makes its entries of persons public; empty where persons are left out of it.
    """

    list: str
    title: str
    owner: str
    modes: tuple[str, ...]
    purposes: tuple[str, ...]
    columns: tuple[str, ...]
    minimum_batch: int
    ids_per_day: int
    ids_per_month: int
    persons: str


@dataclass(frozen=True)
class Hit:
    """One of your ids that is on the list, as you wrote it, and one thing that the list says of it, by column."""

    id: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Match:
    """What came of a match.

    ``hits`` in mode hits, in the order of your ids; an id with two entries is there twice. ``value`` in modes count
    and sum: with noise, None in mode hits; a sum is in smallest units. ``accuracy`` says how far the true number may
    be from it, the same whatever your ids are; None in mode hits. ``largest`` is the bound of amounts that was
    signed, which the receipt names; 0 but for sums. ``privacy`` is what the number cost of the privacy of the list's
    subjects and what it leaves; nothing where the same batch has had it before.
    ``day`` is the day on which the entries were in force, ``set_sha256`` the list's set of that day, the same for
    everybody; the receipt names it. ``ids`` different ids were sent, blinded; ``skipped`` values were no ids.
    """

    request_id: str
    list: str
    mode: str
    set_sha256: str
    day: str
    ids: int
    skipped: int
    columns: tuple[str, ...]
    hits: tuple[Hit, ...]
    value: int | None
    accuracy: Accuracy | None
    largest: int
    privacy: tuple[PrivacyLoss, ...]
    cost: Mapping[str, int]
    remaining: Mapping[str, int]
    policies: tuple[str, ...]
    development: bool
    receipt: Receipt = field(repr=False)
    proof: VerifiedReceipt | None = field(repr=False)

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        """The hits as rows: the id, then the list's columns."""
        return [(hit.id, *(hit.values.get(name) for name in self.columns)) for hit in self.hits]

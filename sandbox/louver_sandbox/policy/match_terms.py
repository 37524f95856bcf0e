"""On which terms a list may be matched against, as officers write them (PRIVACY 7)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from louver_sandbox.policy.terms import LossTerms
from louver_sandbox.policy.words import Document, Text
from louver_sandbox.privacy.calendar import Period

LEAST_BATCH: Final = 20
"""Fewest ids of a match, whatever a policy says: fewer is asking about somebody."""
MOST_AMOUNT: Final = 10**15
"""Largest amount that anybody may declare."""
MOST_BATCH: Final = 100_000
"""Most ids of a match."""

ListId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
"""What a list is called, after its table: `gov.credit_list/black`."""
Ids = Annotated[int, Field(ge=LEAST_BATCH, le=10_000_000)]


class MatchMode(StrEnum):
    """What comes back: one's own ids that are on the list, with what the list says of them; how many they are; or
    what the requester's amounts of them come to."""

    HITS = "hits"
    COUNT = "count"
    SUM = "sum"


class MatchAsked(Document):
    """A match that a test speaks of: against which list, in which mode, of how many ids."""

    list: Text
    mode: MatchMode = MatchMode.HITS
    ids: int = Field(default=1000, ge=0, le=10_000_000)


class NumberTerms(Document):
    """What numbers and sums may tell of any one subject of a list: `each` costs so much, is paid out of the
    institution's `allowance` in a `window`, and of the `lifetime` of all institutions together."""

    each: LossTerms
    allowance: LossTerms
    lifetime: LossTerms
    window: Period = Period.MONTH

    @model_validator(mode="after")
    def _nested(self) -> NumberTerms:
        for name, part, whole in (("each", self.each, self.allowance), ("allowance", self.allowance, self.lifetime)):
            if part.epsilon > whole.epsilon or part.delta > whole.delta:
                raise ValueError(f"{name} is above what it is a part of")
        return self


class MatchTerms(Document):
    """A table's lists, each a predicate over its rows, and who may learn what of them.

    An entry counts on the days up to `until` (a date column) and as long as `ended` (a date column: repaired,
    removed) is empty or in the future. Entries of persons count only where `persons` names the statute that makes the
    list public, or, where `authorised` says so, in hits of whoever brings the person's own authorisation. A match has
    `minimum_batch` ids at least, and every id of every match is counted: `ids_per_day` and `ids_per_month` for each
    institution and purpose. Numbers and sums leave at most `answers_per_month` times and cost what `numbers` says of
    privacy; the bound of amounts that a requester declares is at most `largest_amount`, in whole smallest units.
    """

    lists: Mapping[ListId, Text] = Field(min_length=1, max_length=16)
    modes: tuple[MatchMode, ...] = Field(min_length=1)
    until: Text | None = None
    ended: Text | None = None
    persons: Text | None = None
    authorised: bool = False
    minimum_batch: int = Field(default=100, ge=LEAST_BATCH, le=MOST_BATCH)
    ids_per_day: Ids
    ids_per_month: Ids
    answers_per_month: int = Field(default=10, ge=1, le=1_000)
    largest_amount: int = Field(default=10**12, ge=1, le=MOST_AMOUNT)
    numbers: NumberTerms | None = None

    @model_validator(mode="after")
    def _room(self) -> MatchTerms:
        if self.ids_per_day < self.minimum_batch or self.ids_per_month < self.ids_per_day:
            raise ValueError("ids_per_month is at least ids_per_day, and that at least minimum_batch")
        if self.authorised and (self.persons is not None or MatchMode.HITS not in self.modes):
            raise ValueError("authorised is for hits of persons whom no statute makes public")
        return self

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is not said and was no key once, so that bundles signed before stay canonical."""
        written: dict[str, Any] = handler(self)
        if not self.authorised:
            del written["authorised"]
        if self.numbers is None:
            del written["numbers"]
        return written

    @property
    def counts(self) -> bool:
        """Whether numbers or sums may leave, which need a budget of privacy loss."""
        return MatchMode.COUNT in self.modes or MatchMode.SUM in self.modes

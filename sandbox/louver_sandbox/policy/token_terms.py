"""On which terms an institution may have tokens of ids that it joins a table by, as officers write them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from louver_sandbox.policy.words import Document

MOST_IDS: Final = 100_000
"""Most ids of one question for tokens."""

Ids = Annotated[int, Field(ge=1, le=100_000_000)]


class TokenTerms(Document):
    """Every id counts each time it is evaluated, in whichever table it is uploaded, for the institution and for all
    purposes together: at most `ids_per_day` and `ids_per_month`."""

    ids_per_day: Ids
    ids_per_month: Ids

    @model_validator(mode="after")
    def _room(self) -> TokenTerms:
        if self.ids_per_month < self.ids_per_day:
            raise ValueError("ids_per_month is at least ids_per_day")
        return self

"""To whom something is granted, and when."""

from __future__ import annotations

from datetime import date

from pydantic import ConfigDict, Field, model_validator

from louver_sandbox.policy.words import Document, Identifier
from louver_sandbox.stages import InstitutionType


class Grantees(Document):
    """To whom: a named institution or any member of a group; `institution_types` narrows that, or stands alone."""

    institutions: tuple[Identifier, ...] = ()
    groups: tuple[Identifier, ...] = ()
    institution_types: tuple[InstitutionType, ...] = ()

    @model_validator(mode="after")
    def _somebody(self) -> Grantees:
        if not (self.institutions or self.groups or self.institution_types):
            raise ValueError("names nobody")
        return self


class Validity(Document):
    """Beijing calendar days on which a grant holds, both ends included."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    start: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _forward(self) -> Validity:
        if self.until < self.start:
            raise ValueError("ends before it begins")
        return self

    def holds(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.start <= day <= self.until

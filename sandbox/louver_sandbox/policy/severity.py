"""How much a finding in a policy document matters."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """An error cannot work or is wider than allowed, a warning does nothing or too little, a note is to be known."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def fails(self) -> bool:
        """Whether a lint run with such a finding has failed."""
        return self is not Severity.NOTE

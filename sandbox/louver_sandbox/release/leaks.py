"""The last look at what leaves: no text of a protected answer holds the number of a person.

A label that departments have filled with remarks ("退回，身份证 3702...") passes every rule of cells once enough rows
share it, and rights are of columns. So texts are read by form and check digits before they leave, whatever their
column was registered as. Firms' codes are published by their register, and what an `exact` answer holds is public or
the requester's own.
"""

from __future__ import annotations

from dataclasses import replace

from louver_sandbox.algebra.types import Kind
from louver_sandbox.elements.scanner import PERSONAL, scan
from louver_sandbox.release import notices
from louver_sandbox.stages import Cell, Release


def without_personal_numbers(released: Release) -> Release:
    """The same answer with every text emptied that holds a citizen number, a mobile number or a bank card's, or says
    what somebody is called, and a notice of how many these are. An `exact` answer stays what it is."""
    places = [place for place, column in enumerate(released.columns) if column.type.kind is Kind.TEXT]
    if released.treatment.of_rows or not places:
        return released
    texts = {row[place] for row in released.rows for place in places}
    if released.remainder is not None:
        texts |= {released.remainder[place] for place in places}
    personal = {text for text in texts if isinstance(text, str) and scan(text) & PERSONAL}
    if not personal:
        return released
    stopped = sum(row[place] in personal for row in released.rows for place in places)

    def emptied(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return tuple(None if isinstance(value, str) and value in personal else value for value in row)

    return replace(
        released,
        rows=tuple(map(emptied, released.rows)),
        remainder=None if released.remainder is None else emptied(released.remainder),
        notices=(*released.notices, notices.personal_numbers(stopped)),
    )

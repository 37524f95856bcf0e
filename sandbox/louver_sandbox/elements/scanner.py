"""Finds identifiers inside texts, by form and check digits: what must not slip out in a label or a remark.

Numbers that are broken by single blanks or hyphens are found as well, and full-width ones. What has no check digit is
held against what there is: a mobile number against its form, an old citizen number against the list of counties.
A name is one where the text says so (联系人：王小明): by its form alone every third word would be one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from louver_sandbox.elements import codes, identifiers
from louver_sandbox.elements.names import names_somebody
from louver_sandbox.elements.text import half_width

_ALONE: Final = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])"
_BROKEN: Final = (re.compile(r"(?<=[0-9])[ -](?=[0-9Xx])"), re.compile(r"(?<=[0-9A-Za-z])[ -](?=[0-9A-Za-z])"))
"""Numbers in groups of digits, and codes in groups of digits and letters."""
_MAY_HOLD: Final = re.compile(r"[0-9](?:[ -]?[0-9A-Za-z]){8}")
"""Without nine of them in a row there is no number worth a closer look, which spares most texts the rest."""

PERSONAL: Final = frozenset(("citizen_number", "mobile", "bank_card", "person_name"))
"""What says which person: it leaves in no protected answer, whatever the column was registered as."""


def _is_old_citizen_number(text: str) -> bool:
    longer = identifiers.normal_citizen_number(text)
    return identifiers.citizen_number_defect(longer) is None and codes.region_defect(text[:6]) is None


_Kind = tuple[str, re.Pattern[str], Callable[[str], bool]]
_KINDS: Final[tuple[_Kind, ...]] = (
    (
        "citizen_number",
        re.compile(_ALONE.format(r"[1-8][0-9]{16}[0-9Xx]")),
        lambda text: identifiers.citizen_number_defect(text.upper()) is None,
    ),
    ("citizen_number", re.compile(_ALONE.format(r"[1-8][0-9]{14}")), _is_old_citizen_number),
    (
        "uscc",
        re.compile(_ALONE.format(r"[0-9A-Ya-y][0-9A-Za-z][0-9]{6}[0-9A-Za-z]{10}")),
        lambda text: identifiers.credit_code_defect(text.upper()) is None,
    ),
    (
        "bank_card",
        re.compile(_ALONE.format(r"(?:62[0-9]{14,17}|(?:4[0-9]|5[1-5])[0-9]{14})")),
        lambda text: identifiers.bank_card_defect(text) is None,
    ),
    ("mobile", re.compile(_ALONE.format(r"(?:\+?86)?1[3-9][0-9]{9}")), lambda text: True),
)


def scan(text: str) -> frozenset[str]:
    """The codes of the data elements of which a value stands in the text."""
    written = half_width(text)
    named = frozenset(("person_name",)) if names_somebody(written) else frozenset[str]()
    if _MAY_HOLD.search(written) is None:
        return named
    readings = {written, *(broken.sub("", written) for broken in _BROKEN)}
    return named | frozenset(
        code
        for code, pattern, is_one in _KINDS
        if any(is_one(found[0]) for reading in readings for found in pattern.finditer(reading))
    )


def scan_all(texts: Iterable[str]) -> dict[str, int]:
    """In how many of the texts each element was found."""
    counts: dict[str, int] = {}
    for text in texts:
        for code in scan(text):
            counts[code] = counts.get(code, 0) + 1
    return counts

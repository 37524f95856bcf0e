"""Codes of national standards, dates and amounts: form, tidying."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Final

from stdnum import numdb

from louver_sandbox.elements.model import Defect
from louver_sandbox.elements.text import without_blanks

SECTIONS: Final = "ABCDEFGHIJKLMNOPQRST"
_FIRST_DIVISIONS: Final = (1, 6, 13, 44, 47, 51, 53, 61, 63, 66, 70, 71, 73, 76, 80, 83, 84, 86, 91, 97)
"""The first division (大类) of each section of GB/T 4754-2017; there are 97."""
SUCCESSORS: Final = {"370205": "370203", "370282": "370215", "370284": "370211"}
"""Districts and cities of Qingdao that were merged since, with the district that holds them: 四方区 is 市北区, 即墨市
即墨区, 胶南市 黄岛区. For where something is now; where somebody was registered first stays what it was."""
SEX: Final = frozenset("0129")
MARRIAGE: Final = frozenset(("10", "20", "21", "22", "23", "30", "40", "90"))
_OF_TESTS: Final = re.compile(r"37029\d", re.ASCII)
_INDUSTRY: Final = re.compile(r"([A-T]?)(\d{2})(\d{0,2})", re.ASCII)
_DAY: Final = re.compile(r"(\d{4})(?:[-/.年])(\d{1,2})(?:[-/.月])(\d{1,2})日?|(\d{4})(\d{2})(\d{2})", re.ASCII)
_AMOUNT: Final = re.compile(r"-?\d{1,16}(\.\d{1,2})?", re.ASCII)
_WRITTEN: Final = re.compile(r"(?:人民币|RMB|CNY|¥|￥)?(-?[\d,]+(?:\.\d+)?)(亿元?|万元?|元)?", re.ASCII)
_UNITS: Final = {None: 1, "元": 1, "万": 10_000, "万元": 10_000, "亿": 100_000_000, "亿元": 100_000_000}


def listed(codes: frozenset[str]) -> Callable[[str], Defect | None]:
    """The check of a short list of codes."""
    return lambda text: None if text in codes else Defect.CODE


def region_defect(text: str) -> Defect | None:
    """What is wrong with a code of GB/T 2260: six digits that are, or once were, those of a county, city or district.

    Retired codes stay in papers for life. 3702 and 90 to 99 are nobody's, and what this platform's own test data
    use.
    """
    if len(text) != 6:
        return Defect.LENGTH
    if not (text.isascii() and text.isdigit()):
        return Defect.CHARACTERS
    return None if _is_region(text) or _OF_TESTS.fullmatch(text) else Defect.CODE


@cache
def _is_region(code: str) -> bool:
    return any("county" in found for _, found in numdb.get("cn/loc").info(code))


def industry_defect(text: str) -> Defect | None:
    """What is wrong with a code of GB/T 4754-2017: section and two to four digits, `C3913`.

    The division has to be one of the section; that the class exists is not checked.
    """
    found = _INDUSTRY.fullmatch(text)
    if found is None or not found[1]:
        return Defect.FORM
    return None if found[1] == section_of(found[2]) else Defect.CODE


def normal_industry(text: str) -> str:
    """With the letter of its section, where the file left it out."""
    code = without_blanks(text).upper()
    found = _INDUSTRY.fullmatch(code)
    return code if found is None or found[1] else f"{section_of(found[2])}{code}"


def section_of(division: str) -> str:
    """The section (门类) of a division of GB/T 4754-2017; empty for a number that is none."""
    number = int(division)
    return SECTIONS[bisect_right(_FIRST_DIVISIONS, number) - 1] if 1 <= number <= 97 else ""


def education_defect(text: str) -> Defect | None:
    """What is wrong with a code of GB/T 4658-2006: two digits whose first is a level of schooling."""
    if len(text) != 2:
        return Defect.LENGTH
    return None if text.isascii() and text.isdigit() and text[0] in "12346789" else Defect.CODE


def day_defect(text: str) -> Defect | None:
    """What is wrong with a day in the form of GB/T 7408 (ISO 8601): `2026-07-01`."""
    if len(text) != 10:
        return Defect.LENGTH
    try:
        return None if date.fromisoformat(text).isoformat() == text else Defect.FORM
    except ValueError:
        return Defect.DATE


def normal_day(text: str) -> str:
    """`2026年7月1日`, `2026/7/1`, `2026.07.01` and `20260701` as `2026-07-01`."""
    written = without_blanks(text)
    found = _DAY.fullmatch(written)
    if found is None:
        return written
    year, month, day = (part for part in found.groups() if part is not None)
    return f"{year}-{int(month):02}-{int(day):02}"


def amount_defect(text: str) -> Defect | None:
    """What is wrong with an amount in yuan: digits with at most two after the point."""
    return None if _AMOUNT.fullmatch(text) else Defect.FORM


def normal_amount(text: str) -> str:
    """`1,234.50元`, `3.5万元` and `￥12` as digits in yuan; an amount with parts of a fen stays what it was."""
    written = without_blanks(text)
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return written
    try:
        yuan = Decimal(found[1].replace(",", "")) * _UNITS[found[2]]
    except InvalidOperation:
        return written
    plain = f"{yuan.normalize():f}"
    return written if amount_defect(plain) else plain

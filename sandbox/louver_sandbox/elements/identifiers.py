"""Numbers that say who or what something is: form, check digits, tidying and masks.

County codes are not held against a list: they are those of first registration or of birth, and retired ones stay
valid for life. The province has to exist.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from stdnum import luhn
from stdnum.cn import ric, uscc

from louver_sandbox.elements.model import Defect
from louver_sandbox.elements.text import without_blanks

PROVINCES: Final = frozenset(
    re.findall("..", "1112131415212223313233343536374142434445465051525354616263646571818283")
)
"""First two digits of GB/T 2260; 83 is what residents from Taiwan have in their permits."""
AUTHORITIES: Final = frozenset("123456789ANY")
"""First character of a credit code: who registers."""
_CODE_LETTERS: Final = frozenset("0123456789ABCDEFGHJKLMNPQRTUWXY")
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_PROPERTY: Final = re.compile(r"\d{12}[A-Z]{2}\d{5}[A-Z]\d{8}", re.ASCII)
_MOBILE: Final = re.compile(r"1[3-9]\d{9}", re.ASCII)


def credit_code_defect(text: str) -> Defect | None:
    """What is wrong with a unified social credit code (GB 32100-2015), whose places 9 to 17 are GB 11714-1997."""
    if len(text) != 18:
        return Defect.LENGTH
    if not set(text) <= _CODE_LETTERS or not _digits(text[2:8]) or text[0] not in AUTHORITIES:
        return Defect.CHARACTERS
    if text[2:4] not in PROVINCES and text[2:4] != "10":  # 100000 is the country itself
        return Defect.REGION
    if text[16] != organisation_check(text[8:16]) or text[17] != uscc.calc_check_digit(text[:17]):
        return Defect.CHECK_DIGIT
    return None


def organisation_code_defect(text: str) -> Defect | None:
    """What is wrong with an organisation code (GB 11714-1997) of nine characters without its hyphen."""
    if len(text) != 9:
        return Defect.LENGTH
    if not (text.isascii() and text.isalnum() and text == text.upper()):
        return Defect.CHARACTERS
    return None if text[8] == organisation_check(text[:8]) else Defect.CHECK_DIGIT


def organisation_check(body: str) -> str:
    """The check character of eight digits and letters, A being 10 and Z 35 (GB 11714-1997)."""
    total = sum(int(letter, 36) * weight for letter, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X"[(11 - total % 11) % 11]


def citizen_number_defect(text: str) -> Defect | None:
    """What is wrong with a citizen number of 18 places (GB 11643-1999)."""
    if len(text) != 18:
        return Defect.LENGTH
    if not _digits(text[:17]) or text[17] not in "0123456789X":
        return Defect.CHARACTERS
    if text[:2] not in PROVINCES:
        return Defect.REGION
    if not _is_day(text[6:14]):
        return Defect.DATE
    return None if text[17] == ric.calc_check_digit(text) else Defect.CHECK_DIGIT


def subject_code_defect(text: str) -> Defect | None:
    """What is wrong with the code of a subject of any class: a citizen number or a unified social credit code."""
    as_person, as_firm = citizen_number_defect(text), credit_code_defect(text)
    if as_person is None or as_firm is None:
        return None
    return as_firm if as_person is Defect.CHARACTERS else as_person


def normal_code(text: str) -> str:
    """A code without blanks and hyphens, in capitals. O is not made a 0: nobody can know which it was."""
    return without_blanks(text).replace("-", "").upper()


def normal_citizen_number(text: str) -> str:
    """The same; one of 15 places, as issued until 1999, gets its century and check character."""
    code = normal_code(text)
    if len(code) != 15 or not _digits(code) or not _is_day(f"19{code[6:12]}"):
        return code
    longer = f"{code[:6]}19{code[6:]}"
    return longer + ric.calc_check_digit(f"{longer}0")


def bank_card_defect(text: str) -> Defect | None:
    """What is wrong with a bank card's number (ISO/IEC 7812-1: 12 to 19 digits, the last by Luhn)."""
    if not 12 <= len(text) <= 19:
        return Defect.LENGTH
    if not _digits(text):
        return Defect.CHARACTERS
    return None if luhn.is_valid(text) else Defect.CHECK_DIGIT


def mobile_defect(text: str) -> Defect | None:
    """What is wrong with a mobile telephone number of mainland China: 11 digits, 13 to 19."""
    if len(text) != 11:
        return Defect.LENGTH
    return None if _MOBILE.fullmatch(text) else Defect.CHARACTERS


def normal_mobile(text: str) -> str:
    """Digits alone, without the country's prefix."""
    digits = without_blanks(text).replace("-", "")
    return re.sub(r"^(\+|00)?86(?=1[0-9]{10}$)", "", digits)


def property_unit_defect(text: str) -> Defect | None:
    """What is wrong with a real estate unit number of 28 places (GB/T 37346-2019)."""
    if len(text) != 28:
        return Defect.LENGTH
    if not _PROPERTY.fullmatch(text):
        return Defect.FORM
    return None if text[:2] in PROVINCES else Defect.REGION


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_day(text: str) -> bool:
    try:
        return 1840 <= date(int(text[:4]), int(text[4:6]), int(text[6:8])).year <= 2100
    except ValueError:
        return False

"""What of a value may be shown where only a masked one may (脱敏). None fails: what has no form is masked whole."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from louver_sandbox.elements import codes, identifiers
from louver_sandbox.elements.text import tidy

WHOLE: Final = "***"
_COMPOUND: Final = frozenset(
    re.findall(
        "..",
        "欧阳太史端木上官司马东方独孤南宫万俟闻人夏侯诸葛尉迟公羊赫连澹台皇甫宗政濮阳公冶太叔申屠公孙慕容钟离"
        "长孙宇文司徒鲜于司空令狐呼延百里东郭南门轩辕淳于单于公良拓跋",
    )
)
"""Surnames of two characters."""
_DISTRICT: Final = re.compile(r"^(.{2,12}?(?:省|自治区))?(.{1,10}?(?:市|自治州|盟))?(.{1,10}?(?:区|县|旗|市))")
_BANDS: Final = (0, 50_000, 100_000, 200_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 50_000_000, 100_000_000)
"""Yuan at which a band begins."""


def name(text: str) -> str:
    """The surname alone: `王**`. A name in letters keeps its first one."""
    full = tidy(text)
    if not full:
        return WHOLE
    return f"{full[:2] if full[:2] in _COMPOUND and len(full) > 2 else full[0]}**"


def citizen_number(text: str) -> str:
    """Place and the last four: `370291********1235`. In lists nothing of it is shown at all."""
    number = identifiers.normal_citizen_number(text)
    return WHOLE if identifiers.citizen_number_defect(number) else f"{number[:6]}********{number[-4:]}"


def subject_code(text: str) -> str:
    """A credit code whole, for registers publish it; a citizen number as above."""
    code = identifiers.normal_citizen_number(text)
    return citizen_number(code) if identifiers.credit_code_defect(code) else code


def mobile(text: str) -> str:
    """The first three and the last four digits."""
    number = identifiers.normal_mobile(text)
    return WHOLE if identifiers.mobile_defect(number) else f"{number[:3]}****{number[-4:]}"


def bank_card(text: str) -> str:
    """The last four digits."""
    number = identifiers.normal_code(text)
    return WHOLE if identifiers.bank_card_defect(number) else f"{WHOLE}{number[-4:]}"


def address(text: str) -> str:
    """Down to the district: `青岛市市南区***`."""
    found = _DISTRICT.match(tidy(text))
    return WHOLE if found is None else f"{found[0]}{WHOLE}"


def amount(text: str) -> str:
    """The band it is in, in units of 10,000 yuan: `10–20 万`."""
    plain = codes.normal_amount(text)
    if codes.amount_defect(plain):
        return WHOLE
    yuan = Decimal(plain)
    if yuan < 0:
        return "< 0"
    above = [bound for bound in _BANDS if bound <= yuan]
    if len(above) == len(_BANDS):
        return f"≥ {_BANDS[-1] // 10_000} 万"
    return f"{above[-1] // 10_000}–{_BANDS[len(above)] // 10_000} 万"


def day(text: str) -> str:
    """The quarter: `2026-Q3`."""
    plain = codes.normal_day(text)
    return WHOLE if codes.day_defect(plain) else f"{plain[:4]}-Q{(int(plain[5:7]) + 2) // 3}"


def whole(text: str) -> str:
    """Nothing of it."""
    return WHOLE


def public(text: str) -> str:
    """All of it: what a register publishes."""
    return tidy(text)

"""What a data element is, and what can be wrong with a value of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Defect(StrEnum):
    """Why a text is no value of an element. Never the text itself."""

    LENGTH = "length"
    CHARACTERS = "characters"
    CHECK_DIGIT = "check_digit"
    DATE = "date"
    REGION = "region"
    CODE = "code"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Element:
    """One entry of the dictionary.

    `defect` is what is wrong with a text, None for nothing; `normal` the text in the element's own form, as far as
    that can be told for certain (what is no value stays what it was); `mask` what of a value may be shown where only
    a masked one may, and it never fails: what is no value is masked whole.
    """

    code: str
    title: str
    title_zh: str
    standard: str
    defect: Callable[[str], Defect | None]
    normal: Callable[[str], str]
    mask: Callable[[str], str]

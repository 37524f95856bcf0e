"""Texts as they come out of forms, faxes and copied web pages, brought into one shape."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_WIDTHS: Final = {code + 0xFEE0: code for code in range(0x21, 0x7F)} | {0x3000: 0x20}
_UNSEEN: Final = dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF, 0xAD))
"""Zero-width and direction marks, the soft hyphen, the byte order mark."""
_PINYIN: Final = re.compile(r"(?<=[\u3400-\u9fff])\([a-zāáǎàōóǒòēéěèīíǐìūúǔùüǖǘǚǜ]{1,6}\)")
"""The reading that some pages set behind a character: 數(shù)據(jù)."""
_VARIANTS: Final = str.maketrans({"囻": "国"})
"""Old forms of a character that tables of traditional characters leave out."""


def half_width(text: str) -> str:
    """Full-width letters, digits and signs as ASCII; characters, ，、。 and the like stay."""
    return text.translate(_WIDTHS)


def tidy(text: str) -> str:
    """Half-width, without marks nobody sees and readings in brackets, and with single blanks between words."""
    return " ".join(_PINYIN.sub("", half_width(text.translate(_UNSEEN))).split())


def without_blanks(text: str) -> str:
    """The same without any blank: for numbers and codes, in which one means nothing."""
    return tidy(text).replace(" ", "")


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, tidied."""
    return str(_converter().convert(tidy(text))).translate(_VARIANTS)


@cache
def _converter():  # type: ignore[no-untyped-def]
    import opencc  # reads its tables, so only where a text is converted

    return opencc.OpenCC("t2s")

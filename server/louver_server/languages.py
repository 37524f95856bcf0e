"""Chinese and English: what pages say, from one catalogue, and which of them a reader wants."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

LANGUAGES: Final[Mapping[str, str]] = {"zh": "中文", "en": "English"}
"""Each in its own words."""

DEFAULT: Final = "zh"


def wanted(chosen: str | None, accepted: str) -> str:
    """The language of a reader: what they chose, else the first of their browser's (RFC 9110, 12.5.4)."""
    if chosen is not None and chosen in LANGUAGES:
        return chosen
    weighed = sorted((_weight(part) for part in accepted[:500].split(",")), key=lambda one: -one[1])
    found = (language.split("-")[0].lower() for language, weight in weighed if weight > 0)
    return next((language for language in found if language in LANGUAGES), DEFAULT)


def marked(text: str) -> str:
    """The text itself, which is said in the reader's language later; so it is found when texts are collected."""
    return text


@cache
def translations(language: str) -> NullTranslations:
    """What every text is in a language; English texts are their own."""
    if language == "en":
        return NullTranslations()
    source = resources.files("louver_server").joinpath("locale", language, "messages.po")
    with source.open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def _weight(part: str) -> tuple[str, float]:
    language, _, weight = part.strip().partition(";")
    try:
        return language.strip(), float(weight.strip().removeprefix("q=")) if weight else 1.0
    except ValueError:
        return language.strip(), 0.0

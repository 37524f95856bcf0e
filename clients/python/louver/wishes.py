"""What a caller may want of a question under differential privacy: an epsilon, or how exact the answer is to be.

An epsilon is a number: ``0.5``, ``Decimal("0.25")``. An accuracy is text that says how far the 95 % interval may
reach to either side: ``"100"`` in the column's own unit, ``"2% of 50000"`` of the size that you expect, ``"0.5 among
8000"`` for an average over that many values. One text is for all columns; a mapping has one for each column it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from louver.failures import Misused
from louver.v1 import sandbox_pb2 as pb

Epsilon = int | float | Decimal
"""A number; a float is what it is written as, so that 0.1 is a tenth."""

Accuracy = str | int | float | Decimal | Mapping[str, "str | int | float | Decimal"]
"""One for all columns with noise, or one for each named column."""

EPSILON_CODE: Final = "LVR-2365"
ACCURACY_CODE: Final = "LVR-2367"
_EPSILON_MOST: Final = 20
_PLACES: Final = 18
_NUMBER = r"[0-9]{1,30}(?:\.[0-9]{1,18})?"
_WISH = re.compile(
    rf"\s*(?:±|\+-|\+/-)?\s*({_NUMBER})\s*(%?)(?:\s*of\s+({_NUMBER}))?(?:\s+among\s+([0-9]{{1,15}}))?\s*", re.ASCII
)
_FORM = "such as 100, 2% of 50000 or 0.5 among 8000"


def epsilon_text(epsilon: object) -> str:
    """An epsilon as the wire carries it; empty for None. Raises ``Misused`` LVR-2365."""
    if epsilon is None:
        return ""
    number = _exact(epsilon)
    if number is None or not 0 < number <= _EPSILON_MOST or _places(number) > _PLACES:
        raise Misused(
            f"epsilon must be a number above 0 and at most {_EPSILON_MOST}, with at most {_PLACES} decimals",
            "pass 0.5 or decimal.Decimal('0.25')",
            EPSILON_CODE,
        )
    return format(number, "f")


def epsilon_of_text(text: str) -> Decimal:
    """What stands on a command line. Raises ``Misused`` LVR-2365."""
    try:
        return Decimal(epsilon_text(Decimal(text.strip())))
    except InvalidOperation:
        raise Misused(f"epsilon is no number: {text[:60]!r}", "such as 0.5", EPSILON_CODE) from None


def accuracy_messages(accuracy: object) -> list[pb.WantedAccuracy]:
    """Wanted accuracies as the wire carries them; none for None. Raises ``Misused`` LVR-2367."""
    if accuracy is None:
        return []
    if not isinstance(accuracy, Mapping):
        return [_wanted("", accuracy)]
    if not accuracy:
        raise Misused("no accuracy is wanted of any column", _FORM, ACCURACY_CODE)
    return [_wanted(column, wanted) for column, wanted in accuracy.items()]


def accuracy_of_texts(texts: Iterable[str]) -> Mapping[str, str] | None:
    """What stands on a command line: ``2% of 50000`` or ``column=100``. Raises ``Misused`` LVR-2367."""
    found: dict[str, str] = {}
    for text in texts:
        column, _, wanted = text.rpartition("=")
        if column in found:
            raise Misused(f"accuracy is wanted twice of {column or 'all columns'}", _FORM, ACCURACY_CODE)
        found[column] = wanted
    return found or None


def checked(epsilon: object, accuracy: object) -> tuple[str, list[pb.WantedAccuracy]]:
    """Both as the wire carries them. Raises ``Misused`` where both are given, or one is not of its form."""
    if epsilon is not None and accuracy is not None:
        raise Misused("a question costs an epsilon or as little as an accuracy needs", "leave one out", ACCURACY_CODE)
    return epsilon_text(epsilon), accuracy_messages(accuracy)


def _wanted(column: object, wanted: object) -> pb.WantedAccuracy:
    if not isinstance(column, str) or not column.isprintable():
        raise Misused("a column is named by text", _FORM, ACCURACY_CODE)
    number = None if isinstance(wanted, str) else _exact(wanted)
    text = wanted if isinstance(wanted, str) else "" if number is None else format(number, "f")
    found = _WISH.fullmatch(text)
    if found is None or (found[3] and not found[2]):
        given = repr(text[:60]) if isinstance(wanted, str) else f"a {type(wanted).__name__}"
        raise Misused(f"an accuracy is not of its form: {given}", _FORM, ACCURACY_CODE)
    if any(part is not None and not Decimal(part) for part in (found[1], found[3], found[4])):
        raise Misused("an accuracy of nothing cannot be had", _FORM, ACCURACY_CODE)
    return pb.WantedAccuracy(
        column=column,
        within=found[1],
        percent=bool(found[2]),
        of=found[3] or "",
        among=int(found[4] or 0),
    )


def _exact(value: object) -> Decimal | None:
    """The number that was written; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    # Such a one is out of every range, and its digits would fill the memory.
    return number if number.is_finite() and abs(number.adjusted()) < 64 else None


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else _PLACES + 1

"""What a caller wants of privacy loss or accuracy, from the wire. What is not of its form is refused by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.privacy import amounts
from louver_sandbox.privacy.refused import PrivacyRefused
from louver_sandbox.private_core import WantedAccuracy, Wish
from louver_sandbox.refusals import asking as refuse

EPSILON = re.compile(r"[0-9]{1,3}(\.[0-9]{1,18})?\Z", re.ASCII)
AMOUNT = re.compile(r"[0-9]{1,30}(\.[0-9]{1,18})?\Z", re.ASCII)
MOST_WANTED = 64
LONGEST_COLUMN = 256
MOST_VALUES = 10**12


def wish(epsilon: str, accuracy: Sequence[pb.WantedAccuracy]) -> Wish | None:
    """What is wanted; None where nothing is said. Raises `Refused` LVR-2365 or LVR-2367."""
    if epsilon and accuracy:
        raise refuse.wish_invalid("epsilon")
    if epsilon:
        return Wish(epsilon=_epsilon(epsilon))
    if not accuracy:
        return None
    if len(accuracy) > MOST_WANTED:
        raise refuse.wish_invalid("number")
    wanted = tuple(map(_accuracy, accuracy))
    if len({one.column for one in wanted}) < len(wanted):
        raise refuse.wish_invalid("column")
    return Wish(accuracy=wanted)


def _epsilon(text: str) -> Fraction:
    if not EPSILON.match(text):
        raise refuse.epsilon_invalid()
    try:
        return amounts.epsilon(Decimal(text))
    except PrivacyRefused:
        raise refuse.epsilon_invalid() from None


def _accuracy(message: pb.WantedAccuracy) -> WantedAccuracy:
    if len(message.column) > LONGEST_COLUMN or not message.column.isprintable():
        raise refuse.wish_invalid("column")
    if message.of and not message.percent:
        raise refuse.wish_invalid("of")
    if message.among > MOST_VALUES:
        raise refuse.wish_invalid("among")
    return WantedAccuracy(
        column=message.column,
        within=_amount(message.within, "within"),
        percent=message.percent,
        of=_amount(message.of, "of") if message.of else None,
        among=message.among or None,
    )


def _amount(text: str, field: str) -> Fraction:
    found = Fraction(text) if AMOUNT.match(text) else Fraction(0)
    if not found:
        raise refuse.wish_invalid(field)
    return found

"""The one list that is evaluated under a batch's key (modes count and sum).

Whoever holds a batch's tokens and has an element evaluated under its key learns whether the id in it is in the batch.
Nobody can see what is in a blinded element. So how many are evaluated is what bounds a platform that blinds ids of
its own choice in place of its list: as many as it announces, once, and the log names the number.
"""

from __future__ import annotations

from collections.abc import Iterator

from louver.errors import Unproven
from louver.failures import UNKNOWN_INCIDENT, Unreachable
from louver.matching import oprf

LEAST_SUBJECTS = 64
"""Blinded subjects of the shortest list; any other is filled up to a power of two."""
MOST_SUBJECTS = 1 << 21
"""Blinded subjects of the longest list."""


def check_subjects(announced: int, records: int | None) -> None:
    """Whether a list may have so many blinded subjects; ``records`` are those of its set, where we have it. Raises
    ``Unproven``."""
    if announced > MOST_SUBJECTS:
        raise Unproven("the platform announces a larger list than there can be", b"")
    if announced < LEAST_SUBJECTS or announced & (announced - 1):
        raise Unproven("the platform announces a number of subjects that no list is filled up to", b"")
    if records is not None and announced > records:
        raise Unproven("the platform announces more subjects than the list's set has", b"")


class OneList:
    """A batch's key, good for one list: a retry gets no second one out of it."""

    def __init__(self, key: oprf.Evaluator) -> None:
        self._key = key
        self._begun = False

    def evaluated(self, blinded: bytes, request_id: str) -> Iterator[tuple[int, bytes]]:
        """The list's subjects under the key with the proofs of it, in pieces; with each how many are done.

        Raises ``Unproven`` for what is no element, and ``Unreachable``, not to be repeated, when a list was begun
        before: a connection that was cut off and a platform that says so look the same.
        """
        if self._begun:
            raise Unreachable(
                UNKNOWN_INCIDENT,
                "the match was cut off after its list was evaluated, and no list is evaluated twice by itself",
                "find out why before you ask again: each evaluation lets a dishonest platform test ids of its choice",
                False,
                request_id,
            )
        self._begun = True
        size = oprf.AT_ONCE * oprf.ELEMENT_BYTES
        for start in range(0, len(blinded), size):
            piece = blinded[start : start + size]
            try:
                evaluated = self._key.evaluate(piece)
            except oprf.NotElements:
                raise Unproven("a blinded subject of the list is no element", b"") from None
            yield (start + len(piece)) // oprf.ELEMENT_BYTES, evaluated

"""Cell keys: what decides the noise of one statistic over one set of units, and nothing else does.

Record keys (`publishing/record_keys.py`) are keyed hashes of unit ids. A worker combines those of a cell's distinct
contributing units by XOR; the releaser mixes the result with a secret of its own, so that neither a worker nor anyone
who holds the perturbation table can tell the noise.

XOR and not a sum modulo 2^64: both ignore order, and for independent uniform record keys both give every set a
uniform key that is independent of any other set's. XOR stays within 64 bits and is an aggregate of every engine
(`bit_xor`), where a sum needs 128 bits and a remainder that engines spell differently. Under both, a unit that is
combined twice makes another key (under XOR it vanishes), so they are taken over units, not rows. Under both, the key
of a union of disjoint sets follows from theirs; the keyed mixing hides that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import xor
from struct import Struct
from typing import Final

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason

SECRET_BYTES: Final = 32
DIGEST_BYTES: Final = 64
WORD_BYTES: Final = 4
_MASK: Final = (1 << 64) - 1
_PERSON: Final = b"louver cell key"
_FORM: Final = Struct(">BQQ")
_TYPES: Final = {UnitType.PERSON: 1, UnitType.ENTERPRISE: 2}


@dataclass(frozen=True, slots=True)
class UnitSet:
    """The distinct contributing units of one unit group in a cell: how many, and the XOR of their record keys.

    Contributing means: satisfies the measure's conditions and adds something that is not zero. Then `COUNT(*) FILTER
    (WHERE p)` and `COUNT(*) ... WHERE p` are over one set, and rows that add nothing make no new set.
    """

    type: UnitType
    units: int
    combined: int


class StatisticKind(StrEnum):
    """Which statistics share noise."""

    COUNT = "count"
    MAGNITUDE = "magnitude"


@dataclass(frozen=True, slots=True)
class Statistic:
    """What is computed over the units. Statistics that are equal have the same noise over the same units.

    Every count has one: `COUNT(*)`, `COUNT(x)` and the divisor of `AVG(x)` over the same units are one number. A
    magnitude is known by what is added up, `of`: the canonical name of the stored columns whose product is summed,
    whatever a question calls them; so sums of two columns have independent noise, and one sum has the same under
    every alias. A count of rows of which a unit may have several is a magnitude of the table's rows.
    """

    kind: StatisticKind
    of: str = ""


COUNT: Final = Statistic(StatisticKind.COUNT)


@dataclass(frozen=True, slots=True)
class CellKey:
    """512 bits for one statistic of one cell; each use takes words of its own, so that none tells of another."""

    digest: bytes

    def noise(self, number: int = 0) -> int:
        """The draw for the cell's noise, or for that of its `number`-th largest contribution: 32 bits."""
        return int.from_bytes(self.digest[number * WORD_BYTES : (number + 1) * WORD_BYTES], "little")

    @property
    def base(self) -> int:
        """The draw for the base to which a sum is rounded: the 64 bits before the last."""
        return int.from_bytes(self.digest[-16:-8], "little")

    @property
    def rounding(self) -> int:
        """The draw for random rounding: the last 64 bits."""
        return int.from_bytes(self.digest[-8:], "little")


DRAW_BITS: Final = 64
"""Bits of the draws for rounding."""

MOST_NOISE_WORDS: Final = DIGEST_BYTES // WORD_BYTES - 4
"""How many draws of noise a cell key has."""


def combined(record_keys: Iterable[int]) -> int:
    """The combination of units' record keys, in any order and however often each is given.

    The definition that the engine's `bit_xor` over one row per unit is held to; 0 for no unit.
    """
    return reduce(xor, {key & _MASK for key in record_keys}, 0)


def cell_keys(secret: bytes, statistic: Statistic) -> Callable[[Sequence[UnitSet]], CellKey]:
    """The cell keys of one statistic, as a function of a cell's unit groups.

    BLAKE2b (RFC 7693) keyed with the releaser's secret, over the statistic and the sets in an order of their own:
    which side of a join was written first is not known here. A group without units is left out, so that an optional
    group that is absent changes nothing. Changing the secret changes all noise, which is averaging: it is an
    explicit, logged act.

    Raises:
        PerturbationRefused: SECRET_TOO_SHORT.
    """
    if len(secret) != SECRET_BYTES:
        raise PerturbationRefused(
            Reason.SECRET_TOO_SHORT,
            f"the secret of cell keys has {SECRET_BYTES} bytes",
            f"单元格密钥的机密须为 {SECRET_BYTES} 字节",
        )
    start = hashlib.blake2b(key=secret, digest_size=DIGEST_BYTES, person=_PERSON)
    name = statistic.of.encode()
    start.update(f"{statistic.kind.value}\0{len(name)}\0".encode() + name)

    def of(sets: Sequence[UnitSet]) -> CellKey:
        state = start.copy()
        texts = [_FORM.pack(_TYPES[one.type], one.units, one.combined & _MASK) for one in sets if one.units]
        state.update(b"".join(sorted(texts)) if len(texts) > 1 else texts[0] if texts else b"")
        return CellKey(state.digest())

    return of

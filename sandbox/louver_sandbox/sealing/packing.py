"""Adding up encrypted points: many subjects' scores in one ciphertext, in a process of its own.

For a subject the ciphertexts of its bins are multiplied, which adds their points. Slots are put beside one another by
squaring: for a few subjects on the way (Horner), for a model in much use from a table of every ciphertext shifted to
every slot. Then a flood and a fresh r^n go on; toward a key holder nothing else hides what went in (CRYPTO 5.0).

A table is made ahead, once for a model, and lies in a file (`sealing.tables`). Until it is there, a scorer makes its
own: once as many squarings went into shifting sums as the table takes. So nobody ever pays more than
twice the least there was to pay, however many subjects come. It is made a few slots with each message, so that no
message waits for all of it, and not at all where it would take too much memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import gmpy2
from gmpy2 import mpz

from louver.scoring import layout
from louver.sealing.keys import PublicKey, RandomBelow

MOST_TABLES = 4
"""Models whose tables are kept at once."""

TABLE_BYTES = 32 << 20
"""Of the ciphertexts of one table: 2,340 bins at 2048 bits, 1,040 at 3072, 585 at 4096. A model with more is shifted
on the way for ever. The tables of a scorer then stay below an eighth of a gigabyte."""

SQUARINGS = 100_000
"""Of the table's making beside one message: half a second at 2048 bits, less than two at 4096."""

Bins = tuple[int, ...] | None
"""The number of a subject's bin for each feature; None for a slot that stays without a score."""


class Misfit(ValueError):
    """Bins or ciphertexts that do not fit the model. Says nothing of them."""


class Points:
    """A model's ciphertexts by feature and bin, with its base in those of the first feature."""

    def __init__(
        self, key: PublicKey, ciphertexts: Sequence[mpz], bins: Sequence[int], table: Sequence[mpz] | None = None
    ) -> None:
        """``table`` has the ciphertexts shifted to every slot, from the lowest on, these among them."""
        if not bins or min(bins) < 1 or len(ciphertexts) != 1 + sum(bins):
            raise Misfit("another number of ciphertexts than bins")
        self.key = key
        each, given = len(ciphertexts), ciphertexts if table is None else table
        if table is not None and len(table) != each * layout.slots(key):
            raise Misfit("another number of entries than slots")
        self._table = [
            _by_feature(given[start : start + each], bins, key.square) for start in range(0, len(given), each)
        ]
        self.features = self._table[0]

    @property
    def worth_a_table(self) -> int:
        """Subjects whose sums take as many squarings to shift as the table takes to be made."""
        return sum(map(len, self.features)) * (layout.slots(self.key) - 1)

    @property
    def fits_a_table(self) -> bool:
        """Whether the table may take that much memory."""
        entries = sum(map(len, self.features)) * layout.slots(self.key)
        return entries * self.key.width <= TABLE_BYTES

    def prepare(self, squarings: int | None = None) -> None:
        """Goes on with the table, which has every ciphertext shifted to each slot: for about so many squarings and
        one slot at least, or to its end."""
        square, shift = self.key.square, mpz(1) << layout.SLOT_BITS
        each = sum(map(len, self.features)) * layout.SLOT_BITS
        left = squarings
        while not self.prepared:
            self._table.append([gmpy2.powmod_base_list(of, shift, square) for of in self._table[-1]])
            if left is not None:
                left -= each
                if left < each:
                    return

    @property
    def prepared(self) -> bool:
        """Whether the table is there."""
        return len(self._table) == layout.slots(self.key)

    def packed(self, subjects: Sequence[Bins]) -> mpz:
        """The ciphertext of these subjects' scores, the first in the lowest slot; not yet fit to leave."""
        if len(subjects) > layout.slots(self.key):
            raise Misfit("more subjects than slots")
        square, product = self.key.square, mpz(1)
        if self.prepared:
            for of, bins in zip(self._table, subjects, strict=False):
                for feature, number in zip(of, bins or (), strict=bins is not None):
                    product = product * feature[number] % square
            return product
        shift = mpz(1) << layout.SLOT_BITS
        for bins in reversed(subjects):
            product = gmpy2.powmod(product, shift, square)
            for feature, number in zip(self.features, bins or (), strict=bins is not None):
                product = product * feature[number] % square
        return product

    def leaving(self, subjects: Sequence[Bins], power: mpz, below: RandomBelow) -> mpz:
        """The ciphertext as it leaves: flooded above each score, and with r^n. Each power is used once."""
        slots = layout.slots(self.key)
        held = [*subjects, *(None for _ in range(slots - len(subjects)))]
        drawn = [below(layout.FLOODS) for _ in held]
        unused = [below(1 << 2 * layout.SCORE_BITS) if bins is None else 0 for bins in held]
        added = (1 + layout.noise(drawn, unused) * self.key.n) % self.key.square
        return self.packed(subjects) * added % self.key.square * power % self.key.square


class Scorer:
    """Scores packs of subjects, and remembers the models that it is asked for."""

    def __init__(
        self,
        below: RandomBelow,
        table: Callable[[str, PublicKey, Sequence[mpz]], Sequence[mpz] | None] = lambda digest, key, of: None,
    ) -> None:
        """``table`` gives the one that is kept of a model, if any."""
        self._below = below
        self._table = table
        self._known: OrderedDict[str, tuple[Points, int]] = OrderedDict()

    def score(
        self, digest: str, key: PublicKey, ciphertexts: Sequence[mpz], bins: Sequence[int],
        packs: Sequence[Sequence[Bins]], powers: Sequence[mpz],
    ) -> list[mpz]:  # fmt: skip
        """A ciphertext for each pack. Raises ``Misfit``."""
        points, seen = self._known.get(digest) or (self._points(digest, key, ciphertexts, bins), 0)
        for pack in packs:
            for subject in pack:
                if subject is not None and not _fits(subject, bins):
                    raise Misfit("a bin that the model does not have")
        seen += sum(map(len, packs))
        if seen > points.worth_a_table and points.fits_a_table and not points.prepared:
            points.prepare(SQUARINGS)
        self._known[digest] = (points, seen)
        self._known.move_to_end(digest)
        if len(self._known) > MOST_TABLES:
            self._known.popitem(last=False)
        return [points.leaving(pack, power, self._below) for pack, power in zip(packs, powers, strict=True)]

    def _points(self, digest: str, key: PublicKey, ciphertexts: Sequence[mpz], bins: Sequence[int]) -> Points:
        return Points(key, ciphertexts, bins, self._table(digest, key, ciphertexts))


def shifted(key: PublicKey, ciphertexts: Sequence[mpz]) -> list[mpz]:
    """Ciphertexts of the same numbers one slot higher."""
    return list(gmpy2.powmod_base_list(list(ciphertexts), mpz(1) << layout.SLOT_BITS, key.square))


def _by_feature(ciphertexts: Sequence[mpz], bins: Sequence[int], square: mpz) -> list[list[mpz]]:
    """By feature and bin, with the base in those of the first feature."""
    features, at = [], 1
    for number in bins:
        features.append(list(ciphertexts[at : at + number]))
        at += number
    features[0] = [ciphertexts[0] * each % square for each in features[0]]
    return features


def _fits(subject: tuple[int, ...], bins: Sequence[int]) -> bool:
    return len(subject) == len(bins) and all(0 <= one < most for one, most in zip(subject, bins, strict=True))

"""From products of ciphertexts to the cells that leave: noise, a window and fresh randomness on each (CRYPTO 5.0).

c (1 + (eta + M rho) n) r^n: eta is the noise, rho uniform below n / M hides all of a sum but its last bits, and r^n,
uniform among the units, hides which rows went in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gmpy2
from gmpy2 import mpz

from louver.sealing.keys import PublicKey, RandomBelow
from louver_sandbox.encrypted_core import EncryptedCell, EncryptedPlan, EncryptedSums, Protection
from louver_sandbox.sealing.adding import Unfit


def leaving(
    sums: EncryptedSums,
    products: Sequence[Sequence[mpz]],
    key: PublicKey,
    randomisers: Callable[[int], Sequence[mpz]],
    below: RandomBelow,
) -> list[list[bytes | None]]:
    """The cells of each encrypted column, from the products of all sets for each column of the upload."""
    if key.kid != sums.plan.kid:
        raise Unfit("ciphertexts of another key")
    windowed = _Windowed(key, sums.plan, randomisers, below)
    found: list[list[bytes | None]] = []
    for column in sums.columns:
        own = products[column.measure.column]
        total = _product(own, key) if sums.plan.protection is Protection.STRICT else mpz(1)
        found.append(
            [
                None if cell is None else windowed.cell(cell, own[cell.rows], total, divided=column.measure.divided)
                for cell in column.cells
            ]
        )
    return found


class _Windowed:
    """Makes what leaves of one key."""

    def __init__(
        self,
        key: PublicKey,
        plan: EncryptedPlan,
        randomisers: Callable[[int], Sequence[mpz]],
        below: RandomBelow,
    ) -> None:
        self._key = key
        self._window = mpz(1) << plan.window
        self._randomisers = randomisers
        self._below = below
        if self._window**2 >= key.n:
            raise Unfit("a window that the key has no room for")

    def cell(self, cell: EncryptedCell, rows: mpz, total: mpz, *, divided: bool) -> bytes:
        square, width = self._key.square, self._key.width
        # Each as a list of one: so the library lets go of the interpreter's lock while it computes.
        (one,) = gmpy2.powmod_base_list([rows], cell.times, square)
        (other,) = gmpy2.powmod_base_list([total], cell.total_times, square)
        made = one * other % square
        first, second = self._fresh(cell.addend), self._fresh(cell.divisor) if divided else None
        content = int(made * first % square).to_bytes(width, "big")
        return content if second is None else content + int(second).to_bytes(width, "big")

    def _fresh(self, number: int) -> mpz:
        """A number in a window that nobody can look beyond, as a fresh ciphertext."""
        # From 1 on, so that a negative number does not wrap around n.
        beyond = 1 + self._below(int(self._key.n // self._window) - 2)
        plain = (number + self._window * beyond) % self._key.n
        (power,) = self._randomisers(1)
        return (1 + plain * self._key.n) % self._key.square * power % self._key.square


def _product(numbers: Sequence[mpz], key: PublicKey) -> mpz:
    made = mpz(1)
    for number in numbers:
        made = made * number % key.square
    return made

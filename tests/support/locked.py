"""Which calls of the library keep the interpreter's lock for long, counted and not timed.

Every function of gmpy2 that we call as `gmpy2.name` is looked at with what it was given. Those on lists let go of the
lock (`powmod_base_list`); of the others a power costs as many products as its exponent has bits, and a product as
many steps as the square of the modulus's words; a search or test of primes has no bound. Operators on numbers are one
product each, tens of microseconds at the most, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

STEPS = 2_500_000
"""Word products that take about two milliseconds: 4.4 us of a product modulo 4096 bits is 64^2 of them, twice."""

SEARCHES = ("is_prime", "next_prime", "is_strong_prp", "is_strong_bpsw_prp")
SHORT = 256
"""Bits of a number whose primality is found out in less than a millisecond."""

CHEAP = ("gcd", "invert", "is_power", "isqrt", "primorial", "bit_scan1", "mpz", "jacobi", "legendre")
"""Measured at the largest operands that occur: below 0.6 ms each."""


@dataclass
class Held:
    """What kept the lock: the dearest power, in word products, and calls without a bound."""

    dearest: int = 0
    unbounded: list[str] = field(default_factory=list)
    calls: int = 0


def power_steps(exponent: mpz, modulus: mpz) -> int:
    """Word products of a power: squarings, a fifth as many products by windows, each with its remainder."""
    words = -(-modulus.bit_length() // 64)
    return int(2 * 1.2 * abs(mpz(exponent)).bit_length() * words * words)


@contextmanager
def watched() -> Iterator[Held]:
    """Looks at every such call while it lasts."""
    held = Held()

    def power(base: Any, exponent: Any, modulus: Any) -> Any:
        held.calls += 1
        held.dearest = max(held.dearest, power_steps(exponent, mpz(modulus)))
        return honest["powmod"](base, exponent, modulus)

    def search(name: str) -> Any:
        def call(number: Any, *more: Any) -> Any:
            held.calls += 1
            if mpz(number).bit_length() > SHORT:
                held.unbounded.append(name)
            return honest[name](number, *more)

        return call

    def listed(bases: Any, exponent: Any, modulus: Any) -> Any:
        held.calls += 1
        return honest["powmod_base_list"](bases, exponent, modulus)

    honest = {name: getattr(gmpy2, name) for name in ("powmod", "powmod_base_list", *SEARCHES)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gmpy2, "powmod", power)
        patch.setattr(gmpy2, "powmod_base_list", listed)
        for name in SEARCHES:
            patch.setattr(gmpy2, name, search(name))
        yield held

"""Large batches over several processes: multiplying by tables holds the interpreter's lock, so no thread helps."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from gmpy2 import mpz

from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PrivateKey

T = TypeVar("T", int, mpz)
R = TypeVar("R", int, mpz)

LEAST = 512
"""Numbers for which a process is worth its start and its tables."""

_owner: Owner | None = None


def encrypt(numbers: Sequence[int], key: PrivateKey, processes: int | None = None) -> list[mpz]:
    """What ``Owner.encrypt`` makes, on so many processes (None: one for each processor). Raises ``OutOfWindow``."""
    return _spread(_encrypt, numbers, key, processes)


def decrypt(ciphertexts: Sequence[mpz], key: PrivateKey, processes: int | None = None) -> list[int]:
    """What ``Owner.decrypt`` gives, on so many processes. Raises ``NotACiphertext``."""
    return _spread(_decrypt, ciphertexts, key, processes)


def _spread(
    work: Callable[[Sequence[T]], list[R]], items: Sequence[T], key: PrivateKey, processes: int | None
) -> list[R]:
    count = min(processes or os.cpu_count() or 1, max(1, len(items) // LEAST))
    if count == 1:
        _begin(key)
        return work(items)
    size = -(-len(items) // count)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    # Not by fork: a child must not begin with locks that threads of ours hold. The key goes through a pipe.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(key,)) as pool:
        return [made for part in pool.map(work, parts) for made in part]


def _begin(key: PrivateKey) -> None:
    global _owner
    if _owner is None or _owner.key != key:
        _owner = Owner(key)


def _current() -> Owner:
    if _owner is None:
        raise RuntimeError("the process was not given a key")
    return _owner


def _encrypt(numbers: Sequence[int]) -> list[mpz]:
    return _current().encrypt(numbers)


def _decrypt(ciphertexts: Sequence[mpz]) -> list[int]:
    return _current().decrypt(ciphertexts)

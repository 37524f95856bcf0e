"""Large batches over several processes: multiplying by tables holds the interpreter's lock, so no thread helps."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from gmpy2 import mpz

from louver.sealing.ciphertexts import WORTH_A_TABLE, Owner
from louver.sealing.keys import PrivateKey

T = TypeVar("T", int, mpz)
R = TypeVar("R", int, mpz)

LEAST = 512
"""Numbers for which a process is worth its start and its tables."""

_owner: Owner | None = None
"""In a process started here: the holder of the key it was given."""


def encrypt(numbers: Sequence[int], key: PrivateKey, processes: int | None = None) -> list[mpz]:
    """What ``Owner.encrypt`` makes, on so many processes (None: one for each processor). Raises ``OutOfWindow``."""
    return _spread(Owner.encrypt, numbers, key, processes)


@contextmanager
def encrypting(key: PrivateKey, total: int) -> Iterator[Callable[[Sequence[int]], list[mpz]]]:
    """What encrypts so many numbers in all, part by part: one set of processes with their tables, for as long as it
    is used. What it gives raises ``OutOfWindow``."""
    count = min(os.cpu_count() or 1, max(1, total // LEAST))
    tables = total >= count * WORTH_A_TABLE
    if count == 1:
        owner = Owner(key)
        if tables:
            owner.prepare()
        yield owner.encrypt
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(key, tables)) as pool:

        def encrypt(numbers: Sequence[int]) -> list[mpz]:
            size = max(1, -(-len(numbers) // count))
            parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
            return [made for part in pool.map(partial(_in_child, Owner.encrypt), parts) for made in part]

        yield encrypt


def decrypt(ciphertexts: Sequence[mpz], key: PrivateKey, processes: int | None = None) -> list[int]:
    """What ``Owner.decrypt`` gives, on so many processes. Raises ``NotACiphertext``."""
    return _spread(Owner.decrypt, ciphertexts, key, processes)


def _spread(
    work: Callable[[Owner, Sequence[T]], list[R]], items: Sequence[T], key: PrivateKey, processes: int | None
) -> list[R]:
    count = min(processes or os.cpu_count() or 1, max(1, len(items) // LEAST))
    if count == 1:
        return work(Owner(key), items)
    size = -(-len(items) // count)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    # Not by fork: a child must not begin with locks that threads of ours hold. The key goes through a pipe.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(key,)) as pool:
        return [made for part in pool.map(partial(_in_child, work), parts) for made in part]


def _begin(key: PrivateKey, tables: bool = False) -> None:
    global _owner
    _owner = Owner(key)
    if tables:
        _owner.prepare()


def _in_child(work: Callable[[Owner, Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
    if _owner is None:
        raise RuntimeError("the process was not given a key")
    return work(_owner, items)

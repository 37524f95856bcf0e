"""Large batches over several processes: multiplying by tables holds the interpreter's lock, so no thread helps.

Ciphertexts travel as bytes and some at a time: a list of eight thousand numbers of the library takes fifty
milliseconds to be read back, all of it under the lock.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from gmpy2 import mpz

from louver.sealing import bulk
from louver.sealing.ciphertexts import WORTH_A_TABLE, Owner
from louver.sealing.keys import PrivateKey

T = TypeVar("T")

LEAST = 512
"""Numbers for which a process is worth its start and its tables."""
AT_ONCE = 1024
"""Numbers that go to a process, or come back from it, at once."""

_owner: Owner | None = None
"""In a process started here: the holder of the key it was given."""


def encrypt(numbers: Sequence[int], key: PrivateKey, processes: int | None = None) -> list[mpz]:
    """What ``Owner.encrypt`` makes, on so many processes (None: one for each processor). Raises ``OutOfWindow``."""
    count = _count(len(numbers), processes)
    if count == 1:
        return Owner(key).encrypt(numbers)
    with _started(count, key) as pool:
        return _encrypted(pool, numbers, key, count)


@contextmanager
def encrypting(key: PrivateKey, total: int) -> Iterator[Callable[[Sequence[int]], list[mpz]]]:
    """What encrypts so many numbers in all, part by part: one set of processes with their tables, for as long as it
    is used. What it gives raises ``OutOfWindow``."""
    count = _count(total, None)
    tables = total >= count * WORTH_A_TABLE
    if count == 1:
        owner = Owner(key)
        if tables:
            owner.prepare()
        yield owner.encrypt
        return
    with _started(count, key, tables) as pool:
        yield lambda numbers: _encrypted(pool, numbers, key, count)


def decrypt(ciphertexts: Sequence[mpz], key: PrivateKey, processes: int | None = None) -> list[int]:
    """What ``Owner.decrypt`` gives, on so many processes. Raises ``NotACiphertext``."""
    count = _count(len(ciphertexts), processes)
    if count == 1:
        return Owner(key).decrypt(ciphertexts)
    # One that has more bytes than any ciphertext is none: so many are enough for it to be found out.
    width, most = key.public.width, key.public.square
    with _started(count, key) as pool:
        sent = (
            b"".join(int(min(max(each, 0), most)).to_bytes(width, "big") for each in part)
            for part in _parts(ciphertexts, count)
        )
        return [number for part in pool.map(_opened_in_child, sent) for number in part]


def _count(items: int, processes: int | None) -> int:
    return min(processes or os.cpu_count() or 1, max(1, items // LEAST))


def _started(count: int, key: PrivateKey, tables: bool = False) -> ProcessPoolExecutor:
    # Not by fork: a child must not begin with locks that threads of ours hold. The key goes through a pipe.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(key, tables))


def _encrypted(pool: ProcessPoolExecutor, numbers: Sequence[int], key: PrivateKey, count: int) -> list[mpz]:
    made = pool.map(_encrypted_in_child, _parts(numbers, count))
    return [each for part in made for each in bulk.numbers(memoryview(part), key.public.width)]


def _parts(items: Sequence[T], count: int) -> Iterator[list[T]]:
    size = min(AT_ONCE, max(1, -(-len(items) // count)))
    return (list(items[start : start + size]) for start in range(0, len(items), size))


def _begin(key: PrivateKey, tables: bool) -> None:
    global _owner
    _owner = Owner(key)
    if tables:
        _owner.prepare()


def _encrypted_in_child(numbers: list[int]) -> bytes:
    owner = _held()
    width = owner.key.public.width
    return b"".join(int(each).to_bytes(width, "big") for each in owner.encrypt(numbers))


def _opened_in_child(content: bytes) -> list[int]:
    owner = _held()
    return owner.decrypt(bulk.numbers(memoryview(content), owner.key.public.width))


def _held() -> Owner:
    if _owner is None:
        raise RuntimeError("the process was not given a key")
    return _owner

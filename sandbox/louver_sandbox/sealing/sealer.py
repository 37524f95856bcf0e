"""Encrypting what leaves: with randomisers that were made while nothing else was to do."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gmpy2 import mpz

from louver.sealing import ends
from louver.sealing.ciphertexts import encrypt
from louver.sealing.keys import PublicKey, RandomBelow
from louver.sealing.randomisers import Pool
from louver_sandbox.encrypted_core import EncryptedSums
from louver_sandbox.sealing.adding import Add, Unfit, products
from louver_sandbox.sealing.sums import leaving

MOST_POOLS = 128
"""Keys with a stock; the one that was not used for longest gives way."""

AT_ONCE = 4
"""Randomisers made between two looks at who else is there."""

WANTED_ELSEWHERE = 1.5
"""From this many times its processor time on, work takes so long because others want the processor."""

RETREAT = 10
"""How many times as long as the work took it then stays away."""


class Sealer:
    """Seals integers to registered keys. Use it in a `with` statement; threads may share it.

    ``most`` are the cells of one answer; ``stock`` the randomisers kept ready for each key. ``add`` multiplies
    ciphertexts of uploads, which ``locate`` finds by their content and institution.
    """

    def __init__(
        self,
        public: Callable[[str], PublicKey],
        *,
        most: int,
        stock: int,
        below: RandomBelow = secrets.randbelow,
        elapsed: Callable[[], float] = time.monotonic,
        processor: Callable[[], float] = time.thread_time,
        add: Add = products,
        locate: Callable[[str, str], Path] | None = None,
    ) -> None:
        self.most = most
        self._add = add
        self._locate = locate
        self._elapsed = elapsed
        self._processor = processor
        self._public = public
        self._stock = stock
        self._below = below
        self._pools: OrderedDict[str, Pool] = OrderedDict()
        self._changed = threading.Condition()
        self._ended = False
        self._idle: threading.Thread | None = None

    def sealed(self, kid: str, numbers: Sequence[int]) -> tuple[int, list[bytes]]:
        """How many bytes a ciphertext has, and one for each number. KeyError for a key that is not registered."""
        pool = self._pool(kid)
        ciphertexts = encrypt(numbers, pool.key, pool.take(len(numbers)))
        with self._changed:
            self._changed.notify()
        return pool.key.width, [int(ciphertext).to_bytes(pool.key.width, "big") for ciphertext in ciphertexts]

    def room(self, kid: str) -> int:
        """How many bytes of ends a plaintext of a key holds. KeyError for one that is not registered."""
        return ends.room(self._public(kid))

    def randomisers(self, kid: str, count: int) -> list[mpz]:
        """So many fresh r^n of a key, from its stock while there are any. KeyError for one that is not registered."""
        taken = self._pool(kid).take(count)
        with self._changed:
            self._changed.notify()
        return taken

    def added(self, sums: EncryptedSums, institution: str) -> list[list[bytes | None]]:
        """The cells of each encrypted column, made of the ciphertexts of an upload of the institution's.

        Raises:
            Unfit: these are not there, or not under the key. Whatever ``add`` raises.
        """
        plan = sums.plan
        if self._locate is None:
            raise Unfit("no uploads here")
        pool, path = self._pool(plan.kid), self._locate(plan.snapshot, institution)
        columns = {column.measure.column for column in sums.columns}
        found = [
            self._add(path, pool.key, plan.columns, place, sums.sets) if place in columns else []
            for place in range(plan.columns)
        ]
        made = leaving(sums, found, pool.key, pool.take, self._below)
        with self._changed:
            self._changed.notify()
        return made

    def keep_ready(self, kid: str) -> None:
        """Begins a stock for a key."""
        self._pool(kid)
        with self._changed:
            self._changed.notify()

    def ready(self, kid: str) -> int:
        """How many randomisers are in stock for a key."""
        return len(self._pool(kid))

    def _pool(self, kid: str) -> Pool:
        key = self._public(kid)
        with self._changed:
            pool = self._pools.setdefault(kid, Pool(key, self._below))
            self._pools.move_to_end(kid)
            if len(self._pools) > MOST_POOLS:
                self._pools.popitem(last=False)
            return pool

    def _fill(self) -> None:
        """Fills stocks until the end, and stays away for a while whenever others want the processor.

        The thread's priority is as any other's: one that is lower may be kept from running while it holds the
        interpreter's lock, and with it everybody.
        """
        pause = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended, pause)
                self._changed.wait_for(lambda: self._ended or self._lacking() is not None)
                pool = self._lacking()
                if self._ended or pool is None:
                    return
            began, used = self._elapsed(), self._processor()
            pool.fill(self._stock, AT_ONCE)
            took, used = self._elapsed() - began, self._processor() - used
            pause = RETREAT * took if took > WANTED_ELSEWHERE * used else 0.0

    def _lacking(self) -> Pool | None:
        return next((pool for pool in reversed(self._pools.values()) if len(pool) < self._stock), None)

    def __enter__(self) -> Self:
        self._idle = threading.Thread(target=self._fill, name="randomisers", daemon=True)
        self._idle.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._idle is not None:
            self._idle.join()

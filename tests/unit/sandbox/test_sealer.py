"""The sealer keeps randomisers ready while nothing else is to do, gives each out once, and ends when it is told."""

from __future__ import annotations

import itertools
import random
import threading
import time

import pytest
from tests.support.installation import eventually
from tests.support.sealed import small_key

from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PublicKey, generate_key
from louver.sealing.randomisers import Pool, randomisers
from louver_sandbox.sealing.sealer import AT_ONCE, Sealer

KEY = small_key()


def public(kid: str) -> PublicKey:
    return {KEY.kid: KEY.public}[kid]


def opened(width_and_cells: tuple[int, list[bytes]]) -> list[int]:
    width, cells = width_and_cells
    assert {len(cell) for cell in cells} <= {width}
    return Owner(KEY).decrypt([int.from_bytes(cell, "big") for cell in cells])


def test_it_seals_from_its_stock_and_beyond() -> None:
    with Sealer(public, most=100, stock=8) as sealer:
        sealer.keep_ready(KEY.kid)
        assert eventually(lambda: sealer.ready(KEY.kid) == 8)
        assert opened(sealer.sealed(KEY.kid, list(range(-10, 10)))) == list(range(-10, 10))
        assert eventually(lambda: sealer.ready(KEY.kid) == 8)


def test_it_seals_without_its_thread_too() -> None:
    assert opened(Sealer(public, most=100, stock=8).sealed(KEY.kid, [7])) == [7]


def test_it_retreats_while_others_want_the_processor() -> None:
    """Four randomisers that seem to take an hour by the clock and no processor time: it stays away for ten hours, the
    stock stays low, whoever seals is not kept waiting for it, and the end is not either."""
    hours = itertools.count(step=3600)
    begin = time.monotonic()
    with Sealer(public, most=100, stock=12, elapsed=lambda: next(hours), processor=lambda: 0.0) as sealer:
        sealer.keep_ready(KEY.kid)
        assert eventually(lambda: sealer.ready(KEY.kid) == AT_ONCE)
        time.sleep(0.2)
        assert sealer.ready(KEY.kid) == AT_ONCE
        assert opened(sealer.sealed(KEY.kid, [1, 2, 3, 4, 5])) == [1, 2, 3, 4, 5]
        assert sealer.ready(KEY.kid) == 0
    assert time.monotonic() - begin < 20


def test_equal_numbers_have_different_ciphertexts() -> None:
    _, cells = Sealer(public, most=100, stock=1).sealed(KEY.kid, [0] * 50)
    assert len(set(cells)) == 50


def test_a_key_nobody_registered_is_no_key() -> None:
    with pytest.raises(KeyError):
        Sealer(public, most=1, stock=1).sealed("unknown", [1])


def test_a_randomiser_is_given_out_once_whoever_asks() -> None:
    pool = Pool(KEY.public)
    while not pool.fill(64):
        pass
    taken: list[int] = []
    threads = [threading.Thread(target=lambda: taken.extend(map(int, pool.take(20)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 80


def test_the_interpreter_runs_on_while_randomisers_are_made() -> None:
    """A call of the library takes some tenths of a second here; another thread is not kept waiting for it."""
    key = generate_key(2048, below=random.Random(9).randrange).public
    done = threading.Event()

    def work() -> None:
        randomisers(key, 16)
        done.set()

    worker = threading.Thread(target=work)
    steps, begin = 0, time.process_time()
    worker.start()
    while not done.is_set():
        steps += 1
        time.sleep(0.001)
    worker.join()
    assert time.process_time() - begin > 0.05, "it was too quick to tell"
    assert steps > 10

"""An auditor opens random rows of an encrypted table: what is shown is what is inside, and who shows chooses nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from gmpy2 import mpz
from tests.support.sealed import small_key

from louver.sealing.audits import NotOpened, Opening, check, opened, rows
from louver.sealing.ciphertexts import NotACiphertext, Owner

KEY = small_key()
OWNER = Owner(KEY)
VALUES = [0, 1, -1, 1250, -99_999, 2**40, 5_000_000]
CIPHERTEXTS = OWNER.encrypt(VALUES)
SEED, CONTENT = bytes(range(32)), "ab" * 32


def test_openings_are_the_numbers_inside_and_hold_before_anybody() -> None:
    found = opened(CIPHERTEXTS, OWNER)
    assert [one.number for one in found] == VALUES
    assert check(CIPHERTEXTS, found, KEY.public, 2**40) == []
    assert check(CIPHERTEXTS, found, KEY.public, 5_000_000) == [5]
    assert check(CIPHERTEXTS, found, KEY.public, 0) == [1, 2, 3, 4, 5, 6]


N = int(KEY.public.n)


@pytest.mark.parametrize(
    "lie",
    [
        lambda one: replace(one, number=one.number + 1),
        lambda one: replace(one, number=-one.number),
        lambda one: replace(one, number=one.number + N),
        lambda one: replace(one, randomness=one.randomness * 2 % N),
        lambda one: replace(one, randomness=one.randomness + N),
        lambda one: replace(one, randomness=0),
        lambda one: Opening(0, int(CIPHERTEXTS[3] % KEY.public.n)),
    ],
    ids=[
        "one more",
        "its negative",
        "another representative",
        "other randomness",
        "randomness again",
        "none",
        "zero",
    ],
)
def test_no_other_number_is_ever_believed(lie: object) -> None:
    """A bank that encrypted a large number, or a zero in all rows but one, would show another one."""
    found = opened(CIPHERTEXTS, OWNER)
    found[3] = lie(found[3])  # type: ignore[operator]  # one of the functions above
    with pytest.raises(NotOpened):
        check(CIPHERTEXTS, found, KEY.public, 2**40)


def test_an_opening_is_of_its_own_row_and_of_every_row() -> None:
    found = opened(CIPHERTEXTS, OWNER)
    for others in ([*found[1:], found[0]], found[:-1], [*found, found[0]], []):
        with pytest.raises(NotOpened):
            check(CIPHERTEXTS, others, KEY.public, 2**40)


def test_what_is_no_ciphertext_is_neither_opened_nor_believed() -> None:
    """The decryption of a multiple of n would give the key away."""
    broken = [*CIPHERTEXTS[:2], mpz(N)]
    with pytest.raises(NotACiphertext):
        opened(broken, OWNER)
    with pytest.raises(NotOpened):
        check(broken, opened(CIPHERTEXTS[:3], OWNER), KEY.public, 1)


def test_which_rows_are_opened_follows_from_seed_and_content_alone() -> None:
    first = rows(SEED, CONTENT, 1_000_000, 10_000)
    assert first == rows(SEED, CONTENT, 1_000_000, 10_000)
    assert len(set(first)) == 10_000
    assert first == sorted(first)
    assert 0 <= first[0] <= first[-1] < 1_000_000
    for other in (rows(SEED[::-1], CONTENT, 1_000_000, 10_000), rows(SEED, "cd" * 32, 1_000_000, 10_000)):
        assert len(set(first) & set(other)) < 300, "some hundred by chance"
    assert rows(SEED, CONTENT, 7, 7) == list(range(7))
    assert rows(SEED, CONTENT, 0, 0) == []


def test_every_row_is_as_likely_as_any_other() -> None:
    seen: Counter[int] = Counter()
    for number in range(4_000):
        seen.update(rows(number.to_bytes(32, "big"), CONTENT, 20, 5))
    # A thousand times each, with a standard deviation of 27: seven of them are 190.
    assert all(abs(seen[row] - 1_000) < 190 for row in range(20)), seen


@pytest.mark.parametrize(("seed", "total", "count"), [(b"short", 5, 1), (SEED, 5, 6), (SEED, 5, -1)])
def test_a_seed_that_can_be_guessed_or_rows_that_are_not_there_are_refused(
    seed: bytes, total: int, count: int
) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        rows(seed, CONTENT, total, count)

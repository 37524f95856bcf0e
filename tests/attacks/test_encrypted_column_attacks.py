"""Attacks on encrypted columns (CRYPTO 0 and 5.1): each succeeds against the naive sum and not against the platform.

The naive variant is the product of the ciphertexts of a group, given back as it is.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import gmpy2
import pytest
from gmpy2 import mpz
from tests.support.encrypted import A07, CONTRACT, SECRET, STRICT, Lending, asked, lending, permit
from tests.support.sealed import small_key
from tests.support.seeded_noise import SeededSampler, Silent

from louver.sealing import bulk
from louver.sealing.ciphertexts import Owner
from louver_sandbox.encrypted_core import EncryptedPlan
from louver_sandbox.plan.plan import plan
from louver_sandbox.sealing.adding import Job, Unfit, answer, combined, divided, products

KEY = small_key()
FIRMS = 40
GRADES = {f"u{n:04}": "AB"[(n * n + n // 3) % 2] for n in range(FIRMS)}
SUMS = "SELECT t.grade, sum(l.amount) AS s FROM bank_a.loan l JOIN gov.tax_credit t ON t.uscc = l.id_no GROUP BY 1"


def uploaded(amounts: list[int]) -> Lending:
    """A bank that encrypts what it likes, in fen, for one firm each."""
    loans = [{"id_no": f"u{n:04}", "amount": amount, "days": 0, "branch": "东"} for n, amount in enumerate(amounts)]
    return lending(loans, GRADES)


def naive(of: Lending, grade: str) -> int:
    """The sum of a group's amounts, as a platform without defences gives it back."""
    rows = [n for n in range(FIRMS) if GRADES[f"u{n:04}"] == grade]
    ciphertexts = Owner(KEY).encrypt([int(str(of.loans[n]["amount"])) for n in rows])
    product = mpz(1)
    for ciphertext in ciphertexts:
        product = product * ciphertext % KEY.public.square
    (opened,) = Owner(KEY).decrypt([product])
    return opened


def members(total: int) -> set[int]:
    """Whoever has a bit in the sum."""
    return {n for n in range(FIRMS) if total >> n & 1}


TRUE_A = {n for n in range(FIRMS) if GRADES[f"u{n:04}"] == "A"}


def test_powers_of_two_tell_who_is_in_a_group_from_one_sum(tmp_path: Path) -> None:
    of = uploaded([2**n for n in range(FIRMS)])
    assert members(naive(of, "A")) == TRUE_A
    # Under contract noise for the signed bound drowns all values that the bound allows.
    bound = replace(CONTRACT, most=Decimal(2**FIRMS).scaleb(-2))
    found = asked(of, permit(of, SUMS, bound), tmp_path, SeededSampler(1))
    guessed = members(int(found.by_key["A"][0] * 100))
    assert len(guessed ^ TRUE_A) >= FIRMS // 5
    # Under chances a row's bit is there whether it is in the group or, often, when it is not.
    strict = asked(of, permit(of, SUMS, replace(STRICT, epsilon=STRICT.epsilon / 4)), tmp_path, None)
    made = strict.plan.encrypted
    assert made is not None
    told = members(as_told(strict.by_key["A"][0], of, made))
    assert told != TRUE_A
    assert len(told ^ TRUE_A) >= FIRMS // 10


def as_told(shown: object, of: Lending, made: EncryptedPlan) -> int:
    """The sum of those who were told to be in a group, which the bank finds as it knows the chances and all amounts."""
    whole = sum(int(str(loan["amount"])) for loan in of.loans)
    scaled = round(Decimal(str(shown)) * 100 * made.over)
    return round((scaled + (made.kept_of - 1000) * whole) / (made.kept_of * made.labels))


def test_one_customer_among_zeros_is_not_seen(tmp_path: Path) -> None:
    one = next(iter(TRUE_A))
    of = uploaded([100_000 if n == one else 0 for n in range(FIRMS)])
    assert naive(of, "A") == 100_000
    assert naive(of, "B") == 0
    # k does not help: both groups have enough firms. Contract noise is as wide as the one amount can be.
    made = plan(permit(of, SUMS))
    assert made.encrypted is not None
    (measure,) = made.encrypted.measures
    assert measure.noise >= 100_000 * Decimal("0.9")


def test_the_same_question_spelt_differently_tells_rows_by_the_same_chance(tmp_path: Path) -> None:
    of = uploaded([2**n for n in range(FIRMS)])
    spelt = SUMS.replace("sum(l.amount) AS s", "sum(l.amount * 1) AS other, count(*) AS n")
    both = [asked(of, permit(of, sql, STRICT), tmp_path, None, SECRET) for sql in (SUMS, spelt)]
    assert both[0].by_key["A"][0] == both[1].by_key["A"][0]
    assert both[0].plan.encrypted is not None
    assert both[1].plan.encrypted is not None
    assert both[0].plan.encrypted.label == both[1].plan.encrypted.label


def test_a_sum_tells_no_more_than_its_window(tmp_path: Path) -> None:
    """64-bit steps: a naive sum holds one amount for each row; the platform gives the last 62 bits of it."""
    of = uploaded([n << (64 * (n % 4)) for n in range(FIRMS)])
    total = naive(of, "A")
    assert total.bit_length() > 190
    loose = replace(CONTRACT, most=Decimal("0.01"))
    found = asked(of, permit(of, SUMS, loose), tmp_path, Silent())
    assert abs(int(found.by_key["A"][0] * 100)) < 2**62
    column = found.answer.arrow
    assert column
    raw = raw_plaintexts(found.answer.arrow)
    assert all(plain >> 62 != total >> 62 for plain in raw)


def raw_plaintexts(arrow: bytes) -> list[int]:
    """All that the key holder can decrypt, window or not."""
    import pyarrow as pa

    table = pa.ipc.open_stream(arrow).read_all()
    cells = [cell for cell in table.column("s").to_pylist() if cell is not None]
    return [int(plain) for plain in Owner(KEY)._plaintexts([mpz(int.from_bytes(cell, "big")) for cell in cells])]


def test_marked_randomness_does_not_come_back(tmp_path: Path) -> None:
    """Rows with the first primes as randomness: in a naive product they divide out and name the rows."""
    n, square = KEY.public.n, KEY.public.square
    primes = [int(gmpy2.next_prime(100 + 50 * place)) for place in range(FIRMS)]
    marked = [gmpy2.powmod(prime, n, square) for prime in primes]
    product = mpz(1)
    for place in TRUE_A:
        product = product * marked[place] % square
    root = gmpy2.powmod(product % n, gmpy2.invert(n, (KEY.p - 1) * (KEY.q - 1)), n)

    def divides(value: mpz) -> set[int]:
        whole = mpz(1)
        found = {place for place, prime in enumerate(primes) if value % prime == 0}
        for place in found:
            whole *= primes[place]
        return found if whole == value else set()

    few = sorted(TRUE_A)[:20]
    naive_product = mpz(1)
    for place in few:
        naive_product = naive_product * marked[place] % square
    small = gmpy2.powmod(naive_product % n, gmpy2.invert(n, (KEY.p - 1) * (KEY.q - 1)), n)
    assert divides(small) == set(few)
    assert root
    of = uploaded([0] * FIRMS)
    path = tmp_path / "loans.sealed"
    rest = Owner(KEY).encrypt([0] * FIRMS)
    path.write_bytes(
        bulk.write([each for pair in zip(marked, rest, strict=True) for each in pair], KEY.public, (2, 0))
    )
    found = asked(of, permit(of, SUMS), tmp_path, Silent())
    import pyarrow as pa

    table = pa.ipc.open_stream(found.answer.arrow).read_all()
    for cell in table.column("s").to_pylist():
        value = mpz(int.from_bytes(cell, "big")) % n
        assert not divides(gmpy2.powmod(value, gmpy2.invert(n, (KEY.p - 1) * (KEY.q - 1)), n))


def test_one_firm_repeated_gains_nothing_beyond_its_share(tmp_path: Path) -> None:
    """A bank that uploads one firm a hundred times would have a hundred times the signal."""
    loans = [{"id_no": "u0000", "amount": 100, "days": 1, "branch": "东"} for _ in range(60)]
    loans += [{"id_no": f"u{n:04}", "amount": 0, "days": 0, "branch": "东"} for n in range(1, FIRMS)]
    of = lending(loans, GRADES)
    found = asked(of, permit(of, SUMS), tmp_path, Silent())
    assert found.by_key[GRADES["u0000"]][0] == 1  # yuan: one row, and not sixty


@pytest.mark.parametrize("broken", ["key", "columns", "rows", "cut", "text"])
def test_what_multiplies_ciphertexts_trusts_no_file(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "t.sealed"
    content = bulk.write(Owner(KEY).encrypt(range(6)), KEY.public, (2, 0))
    path.write_bytes({"cut": content[:-1], "text": b"not ciphertexts" * 20}.get(broken, content))
    key = small_key(2).public if broken == "key" else KEY.public
    columns = 3 if broken == "columns" else 2
    rows = b"\xff\xff\0\0" if broken == "rows" else b"\0\0\0\0"
    with pytest.raises(Unfit):
        products(path, key, columns, 0, [rows])


def test_work_divided_over_processes_is_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("louver_sandbox.sealing.adding.LEAST_ROWS", 3)
    monkeypatch.setattr("louver_sandbox.sealing.adding.open_only", lambda read, written: None)
    monkeypatch.setattr("louver_sandbox.sealing.adding.seal", lambda: None)
    path = tmp_path / "t.sealed"
    path.write_bytes(bulk.write(Owner(KEY).encrypt(range(20)), KEY.public, (2, 0)))
    sets = [
        bytes(byte for row in rows for byte in row.to_bytes(4, "little")) for rows in ([0, 1, 2, 3, 4, 5, 9], [], [7])
    ]
    parts = list(divided(sets, 3))
    assert len(parts) > 2
    made = []
    for part in parts:
        job = Job(path, KEY.public, 2, 1, tuple(rows for _, rows in part))
        made.append(([place for place, _ in part], answer(job.encode())))
    found = combined(len(sets), KEY.public, made)
    assert found == products(path, KEY.public, 2, 1, sets)
    assert found[1] == 1
    assert Owner(KEY).decrypt([found[0], found[2]]) == [1 + 3 + 5 + 7 + 9 + 11 + 19, 15]
    with pytest.raises(Unfit):
        combined(len(sets), KEY.public, [(made[0][0], made[0][1][:-1])])


def test_a_question_of_the_portfolio_is_planned_with_protection(tmp_path: Path) -> None:
    of = uploaded([100] * FIRMS)
    made = plan(permit(of, A07))
    assert made.encrypted is not None
    assert made.privacy

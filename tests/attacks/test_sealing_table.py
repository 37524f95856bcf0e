"""Rows of the attack table of CRYPTO 5.0 whose attack is a function of whom it is run against: the naive variant of
`tests.support.naive_sealing`, where it succeeds, and the platform or the client, where it does not.

docs/reference/sealing-attacks.md says which test is which row.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import gmpy2
import phe
import pyarrow as pa
import pytest
from gmpy2 import mpz
from tests.support import naive_sealing as naive
from tests.support.audit_logs import KEY as LOG_KEY
from tests.support.line import SECTIONS, Line, ask, call, line
from tests.support.sealed import SMALL, PlainSealer, small_key

from louver.encoding import encode
from louver.errors import Refused, Unproven
from louver.failures import Misused
from louver.sealing import bulk
from louver.sealing.ciphertexts import NotACiphertext, Owner
from louver.sealing.columns import METADATA, Mark
from louver.sealing.keys import PrivateKey, PublicKey
from louver.sealing.uploading import with_encrypted
from louver.v1 import sandbox_pb2 as pb
from louver.wire import Assembly
from louver_sandbox.service import convert
from louver_sandbox.stages import Receipted

KEY, ENEMY, NEXT = small_key(), small_key(2), small_key(3)
N, SQUARE = KEY.public.n, KEY.public.square


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


# c = 0, n, n squared to a decryptor


def factors_by(holder: naive.Holder, ciphertext: int) -> set[int]:
    """p and q, from one decryption of nothing: its inverse modulo n is p + q."""
    (plain,) = holder.decrypted([ciphertext])
    total = int(gmpy2.invert(plain, N))
    root = gmpy2.isqrt(total * total - 4 * N)
    return {int((total + root) // 2), int((total - root) // 2)}


@pytest.mark.parametrize("ciphertext", [0, int(N), int(SQUARE), 5 * int(N)], ids=["0", "n", "n squared", "5n"])
def test_one_decryption_of_nothing_gives_the_key_away(ciphertext: int) -> None:
    assert factors_by(naive.NaiveHolder(KEY), ciphertext) == {int(KEY.p), int(KEY.q)}
    with pytest.raises(NotACiphertext, match="not a sealed number of this key"):
        factors_by(naive.CarefulHolder(KEY), ciphertext)


# exponents


def filled(add: Callable[[str, PublicKey], object], exponent: int) -> tuple[int, type[Exception] | None]:
    """Bytes of memory that adding two numbers takes when one of them has such an exponent, and how it ended."""
    text = json.dumps({"public_key": {"n": str(int(N))}, "values": [["4", 0], ["5", exponent]]})
    ended: type[Exception] | None = None
    tracemalloc.start()
    try:
        add(text, KEY.public)
    except Exception as error:
        ended = type(error)
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most, ended


def test_an_exponent_fills_the_memory_of_whoever_raises_to_it() -> None:
    """16 to the power of the difference is the adder's first step: ten times the exponent is ten times the memory."""
    few, more = (filled(naive.naively_added, -(10**size))[0] for size in (5, 6))
    assert more > 500_000
    assert more > 5 * few
    for exponent in (-(10**5), -(10**6), -(10**8), 10**30, -1):
        most, ended = filled(naive.carefully_added, exponent)
        assert (most < 100_000, ended) == (True, Misused)


def magnitudes(numbers: Sequence[float], told: str) -> list[float]:
    """The numbers by what travels beside their ciphertexts, the least first, as whoever listens sorts them."""
    exponents = [exponent for _, exponent in json.loads(told)["values"]]
    return [number for _, number in sorted(zip(exponents, numbers, strict=True), key=lambda pair: pair[0])]


def test_an_exponent_tells_the_magnitude_of_what_is_encrypted() -> None:
    ordered = [0.01, 1.5, 1000.5, 1e9]
    shuffled = [ordered[place] for place in (2, 0, 3, 1)]
    assert magnitudes(shuffled, naive.naively_encrypted(shuffled, KEY.public)) == ordered
    # Here a column has one scale, and each cell one width; a column of doubles is turned away, not rounded.
    amounts = [Decimal(str(number)) for number in (1000.5, 0.01, 10**9, 1.5)]
    with (
        encode(pa.table({"amount": pa.array(amounts, pa.decimal128(18, 2))})) as clear,
        with_encrypted(clear, {"amount": 2}, KEY) as made,
    ):
        table = pa.ipc.open_stream(made.read() if made.seek(0) == 0 else b"").read_all()
    field, cells = table.schema.field("amount"), table.column("amount").to_pylist()
    assert json.loads(field.metadata[b"louver.encrypted"])["scale"] == 2
    assert {len(cell) for cell in cells} == {KEY.public.width}
    sealed = [mpz(int.from_bytes(cell, "big")) for cell in cells]
    assert Owner(KEY).decrypt(sealed) == [100_050, 1, 10**11, 150]
    with (
        encode(pa.table({"amount": pa.array(shuffled, pa.float64())})) as doubles,
        pytest.raises(Misused, match="no whole numbers or decimals"),
    ):
        with_encrypted(doubles, {"amount": 2}, KEY)


def test_nothing_is_rounded_on_its_way_through_a_float() -> None:
    """2^53 + 1 with 0.0 added to it is 2^53 to whoever decodes by a double."""
    public = phe.PaillierPublicKey(int(N))
    private = phe.PaillierPrivateKey(public, int(KEY.p), int(KEY.q))
    assert private.decrypt(public.encrypt(2**53 + 1) + public.encrypt(0.0)) == 2**53
    summed = naive.product(naive.sealed([2**53 + 1, 0], KEY.public), KEY.public)
    assert Owner(KEY).decrypt([summed]) == [2**53 + 1]
    for number in (0.0, float(2**53 + 1)):
        with pytest.raises(TypeError):
            Owner(KEY).encrypt([number])  # type: ignore[list-item]  # what a caller might hand over


# a batch


def poisoned(uploads: naive.Uploads, poison: int) -> list[int]:
    """The sum of ten honest rows once a poisoned batch came in beside them."""
    uploads.take(bulk.write(naive.sealed(list(range(10)), KEY.public), KEY.public))
    uploads.take(bulk.write([*naive.sealed([1, 2], KEY.public), mpz(poison)], KEY.public))
    return Owner(KEY).decrypt([uploads.total(range(13))])


@pytest.mark.parametrize("poison", [0, int(N), 2 * int(N)], ids=["0", "n", "2n"])
def test_one_ciphertext_of_nothing_spoils_the_whole_sum(poison: int) -> None:
    with pytest.raises(NotACiphertext):
        poisoned(naive.NaiveUploads(KEY.public), poison)
    careful = naive.CarefulUploads(KEY.public)
    with pytest.raises(Refused, match="LVR-5014"):
        poisoned(careful, poison)
    assert Owner(KEY).decrypt([careful.total(range(10))]) == [45], "what was there before is as it was"


def rows_with_the_mark(uploads: naive.Uploads) -> list[bool]:
    """Whether a row went into each of a platform's sums, by its own randomness, which the bank knows and no other
    row has: a ciphertext that is handed in twice is looked for in what comes back."""
    honest = naive.sealed([7] * 8, KEY.public)
    marked = honest[0]
    uploads.take(bulk.write([marked, *honest[1:], marked], KEY.public))
    known = {int(naive.product(chosen, KEY.public)) for chosen in ([marked, marked], [marked])}
    return [int(uploads.total(rows)) in known for rows in ([0, 8], [0], [3, 4], [5])]


def test_a_ciphertext_that_is_there_twice_is_known_again() -> None:
    assert rows_with_the_mark(naive.NaiveUploads(KEY.public)) == [True, True, False, False]
    careful = naive.CarefulUploads(KEY.public)
    with pytest.raises(Refused, match="LVR-5014"):
        rows_with_the_mark(careful)
    with pytest.raises(IndexError):
        careful.total([0])


# moduli


def read_by_a_stranger(platform: naive.Platform, modulus: mpz, size: int = SMALL // 8) -> list[int] | None:
    """What is sealed to a key, read by somebody who has its modulus and nothing else: by trying where it is tiny, and
    where it is prime by raising to the power of n - 1, which is all that its private key is."""
    platform.register("bank_a", int(modulus).to_bytes(size, "big"), b"")
    n = modulus
    found = []
    for ciphertext in platform.sealed("bank_a", [3, 1, 5]):
        if n < 1000:
            found += [m for m in range(n) for r in range(1, n) if (1 + m * n) * r**n % n**2 == ciphertext][:1]
        else:
            power = gmpy2.powmod(ciphertext, n - 1, n * n)
            found.append(int((power - 1) // n * gmpy2.invert(n - 1, n) % n))
    return found


BAD_MODULI = {"four bits": (mpz(15), 1, "LVR-5001"), "a prime": (gmpy2.next_prime(3 * mpz(2) ** 510), 64, "LVR-5002")}


@pytest.mark.parametrize("kind", BAD_MODULI)
def test_a_modulus_that_hides_nothing_is_read_by_anybody(kind: str, opened: Line) -> None:
    modulus, size, code = BAD_MODULI[kind]
    assert read_by_a_stranger(naive.NaivePlatform(), modulus, size) == [3, 1, 5]
    careful = naive.CarefulPlatform(opened)
    with pytest.raises(Refused, match=code):
        read_by_a_stranger(careful, modulus, size)
    assert careful.keys.current("bank_a") == "", "nothing is sealed to it"


# keys that are replayed


def read_after_a_replay(platform: naive.Platform) -> list[int] | None:
    """A bank's key is stolen, so the bank replaces it; the thief hands the old registration in again, every byte of
    it genuine, and reads the next answer."""
    stolen = naive.registration(KEY, "bank_a")
    platform.register(*stolen)
    platform.register(*naive.registration(NEXT, "bank_a"))
    platform.register(*stolen)
    return read_by_the_thief(platform)


def read_by_the_thief(platform: naive.Platform) -> list[int] | None:
    """What the stolen key makes of the next answer, None for nothing."""
    try:
        return Owner(KEY).decrypt([mpz(each) for each in platform.sealed("bank_a", [1250, 7])])
    except NotACiphertext:
        return None


def test_a_stolen_key_does_not_come_back_by_its_old_registration(opened: Line) -> None:
    assert read_after_a_replay(naive.NaivePlatform()) == [1250, 7]
    careful = naive.CarefulPlatform(opened)
    with pytest.raises(Refused, match="LVR-5004"):
        read_after_a_replay(careful)
    assert careful.keys.current("bank_a") == NEXT.kid
    assert read_by_the_thief(careful) != [1250, 7]


def sealed_to_anothers_key(platform: naive.Platform) -> str:
    """A bank's registration, seen on its way, is handed in by another institution as its own: whose key it is can no
    longer be told, and what is sealed to the one is sealed to the other."""
    seen = naive.registration(KEY, "bank_a")
    platform.register(*seen)
    platform.register("bank_b", *seen[1:])
    (first,) = Owner(KEY).decrypt([mpz(each) for each in platform.sealed("bank_b", [42])])
    return f"bank_a reads {first} of bank_b"


def test_a_registration_that_was_seen_is_nobody_elses(opened: Line) -> None:
    assert sealed_to_anothers_key(naive.NaivePlatform()) == "bank_a reads 42 of bank_b"
    careful = naive.CarefulPlatform(opened)
    with pytest.raises(Refused, match="LVR-5003"):
        sealed_to_anothers_key(careful)
    assert careful.keys.current("bank_b") == ""


# keys and cells that are substituted on a sealed answer


Read = Callable[[Receipted, bytes], list[tuple[object, ...]]]


def naively_read(answered: Receipted, stream: bytes) -> list[tuple[object, ...]]:
    """Opens whatever arrives, as a client without the log's key does."""
    return _collected(answered, stream).answer(SECTIONS, "", _ours).rows


def carefully_read(answered: Receipted, stream: bytes) -> list[tuple[object, ...]]:
    """Opens what the receipt proves."""
    return _collected(answered, stream).answer(SECTIONS, LOG_KEY, _ours).rows


def _ours(kid: str) -> PrivateKey:
    if kid != KEY.kid:
        raise Misused("you have no key of that id")
    return KEY


def _collected(answered: Receipted, stream: bytes) -> Assembly:
    """What came over the wire, its header made to fit whatever the enemy on the way has put there."""
    header = convert.header("request-1", answered, development=False)
    header.arrow_bytes, header.result_sha256 = len(stream), hashlib.sha256(stream).digest()
    found = Assembly("request-1", seal=True)
    for part in (
        pb.AnalyseResponse(header=header),
        pb.AnalyseResponse(arrow=stream),
        pb.AnalyseResponse(receipt=answered.receipt),
    ):
        found.take(part)
    return found


def exchanged(stream: bytes, key: PrivateKey, number: int) -> bytes:
    """The answer with every sealed cell replaced by a number of the enemy's, under a key of the enemy's choice: the
    bank's own modulus is no secret."""
    table = pa.ipc.open_stream(stream).read_all()
    for place, field in enumerate(table.schema):
        if METADATA not in (field.metadata or {}):
            continue
        mark = Mark.from_bytes(field.metadata[METADATA])
        made = naive.sealed([number] * len(table), key.public)
        cells = [int(each).to_bytes(key.public.width, "big") for each in made]
        named = field.with_metadata({METADATA: Mark(key.kid, mark.kind, mark.scale).to_bytes()})
        table = table.set_column(place, named, pa.array(cells, pa.binary(key.public.width)))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_a_sealed_answer_of_the_enemys_own_making_is_not_believed(opened: Line) -> None:
    """Anybody can encrypt to the bank: that a number opens says nothing of who put it there."""
    opened.sealing_key, opened.sealer = KEY.kid, PlainSealer(KEY.public)
    answered = opened.pipeline.answer(ask(seal="paillier"), call())
    forged = exchanged(answered.answer.arrow, KEY, 666)
    assert {row[1:] for row in naively_read(answered, forged)} == {(666, 666)}
    with pytest.raises(Unproven, match="result_digest"):
        carefully_read(answered, forged)
    assert [row[1] for row in carefully_read(answered, answered.answer.arrow)] == [30, 8]


def test_an_answer_that_is_sealed_to_another_key_is_opened_by_nobody_and_shows(opened: Line) -> None:
    """A platform, or whoever writes its store, seals to a key of its own, reads, seals anew to the bank and sends that
    on. Naive: the bank opens it and sees nothing. Here the log's entry, and so the receipt, names another key than
    the bank's, and what was sent on is not what the entry is about."""
    opened.sealing_key, opened.sealer = ENEMY.kid, PlainSealer(ENEMY.public)
    answered = opened.pipeline.answer(ask(seal="paillier"), call())
    table = pa.ipc.open_stream(answered.answer.arrow).read_all()
    read = Owner(ENEMY).decrypt([mpz(int.from_bytes(cell, "big")) for cell in table.column("n").to_pylist()])
    assert read == [30, 8], "the enemy reads"
    sent_on = exchanged(answered.answer.arrow, KEY, 30)
    assert [row[1] for row in naively_read(answered, sent_on)] == [30, 30]
    with pytest.raises(Unproven, match="result_digest"):
        carefully_read(answered, sent_on)
    with pytest.raises(Misused, match="no key of that id"):
        carefully_read(answered, answered.answer.arrow)
    (outcome,) = opened.books.log.entries(kind="outcome")
    assert outcome.fields["seal"] == ENEMY.kid != KEY.kid


# brute force by a third party


def factor_of(weight: mpz, leaving: mpz) -> int | None:
    """The small number that a ciphertext was multiplied by, by somebody who has no key and both ciphertexts."""
    power = mpz(1)
    for guess in range(10_000):
        if power == leaving:
            return guess
        power = power * weight % SQUARE
    return None


def test_a_third_party_finds_no_factor_in_what_leaves() -> None:
    (weight,) = naive.sealed([17], KEY.public)
    uploads = naive.CarefulUploads(KEY.public)
    uploads.take(bulk.write([weight], KEY.public))
    secret = 1000 + random.SystemRandom().randrange(9000)
    assert factor_of(weight, naive.NaiveUploads(KEY.public).total([])) == 0
    assert factor_of(weight, gmpy2.powmod(weight, secret, SQUARE)) == secret
    leaving = uploads.total([0] * secret)
    assert factor_of(weight, leaving) is None
    assert Owner(KEY).decrypt([leaving]) == [17 * secret]

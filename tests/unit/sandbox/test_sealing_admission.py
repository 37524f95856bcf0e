"""What a bank's Paillier key and its ciphertexts must be; each refusal says which test it was, and nothing more."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import gmpy2
import pytest
from gmpy2 import mpz
from tests.support.line import NOON, Line, line
from tests.support.policy_questions import BANK_A, BANK_B
from tests.support.sealed import SIZES, SMALL, small_key

from louver.errors import Refused
from louver.sealing import bulk, proofs
from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PrivateKey, PublicKey, generate_key
from louver_sandbox import journal
from louver_sandbox.refusals import sealing as refusals
from louver_sandbox.sealing import admission
from louver_sandbox.sealing.keys import SealingKeys
from louver_sandbox.sealing.registry import Registered
from louver_sandbox.stages import Subject

KEY = small_key()
NEXT_YEAR = NOON + timedelta(days=365)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as found:
        yield found


@pytest.fixture
def keys(opened: Line) -> SealingKeys:
    def note(tx: object, kind: str, **more: object) -> int:
        return journal.noted(opened.books, tx, kind, **more)  # type: ignore[arg-type]  # as the wiring binds it

    return SealingKeys(opened.books.state, opened.clock, note, sizes=SIZES)


def register(keys: SealingKeys, key: PrivateKey = KEY, who: Subject = BANK_A, **changes: object) -> Registered:
    given = {
        "modulus": key.public.to_bytes(),
        "proof": proofs.prove(key, who.institution),
        "expires": NEXT_YEAR,
        "signature": b"signed",
        **changes,
    }
    return keys.register(who, **given)  # type: ignore[arg-type]  # a test may hand over what it likes


def code(of: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        of()
    return caught.value.code


def prime(bits: int, seed: int) -> mpz:
    return gmpy2.next_prime(mpz(random.Random(seed).getrandbits(bits)) | mpz(2) ** (bits - 1))


# keys


def test_a_registered_key_is_the_current_one_and_in_the_log(opened: Line, keys: SealingKeys) -> None:
    kept = register(keys)
    assert keys.current("bank_a") == kept.key.kid == KEY.kid
    assert keys.current("bank_b") == ""
    (entry,) = opened.books.log.entries(kind="sealing_key")
    assert (entry.fields["key"], entry.fields["institution"], entry.index) == (KEY.kid, "bank_a", kept.entry)
    assert keys.public(KEY.kid) == KEY.public


def test_a_rotation_replaces_and_keeps_the_old_one(keys: SealingKeys) -> None:
    register(keys)
    register(keys, small_key(2))
    assert keys.current("bank_a") == small_key(2).kid
    assert [kept.key.kid for kept in keys.of("bank_a")] == [small_key(2).kid, KEY.kid]


def test_an_expired_key_is_nobodys_and_the_older_one_does_not_come_back(opened: Line, keys: SealingKeys) -> None:
    register(keys, expires=NOON + timedelta(days=600))
    register(keys, small_key(2))
    opened.clock.now = NEXT_YEAR
    assert keys.current("bank_a") == ""
    assert keys.live() == ()


def test_registering_the_current_key_again_changes_nothing(opened: Line, keys: SealingKeys) -> None:
    assert register(keys) == register(keys)
    assert len(opened.books.log.entries(kind="sealing_key")) == 1


BAD_MODULI: dict[str, Callable[[int], mpz]] = {
    "even": lambda seed: mpz(2) * prime(SMALL - 1, seed),
    "prime": lambda seed: prime(SMALL, seed),
    "a square": lambda seed: prime(SMALL // 2, seed) ** 2,
    "a fourth power": lambda seed: prime(SMALL // 4, seed) ** 4,
    "with a small factor": lambda seed: mpz(65521) * prime(SMALL - 16, seed),
    "with a small factor twice": lambda seed: mpz(251) ** 2 * prime(SMALL - 16, seed),
}


@pytest.mark.parametrize("kind", BAD_MODULI)
def test_a_modulus_that_is_none_is_refused_in_the_same_words(kind: str) -> None:
    made = (BAD_MODULI[kind](seed) for seed in range(100))
    n = next(found for found in made if found.bit_length() == SMALL)
    with pytest.raises(Refused) as caught:
        admission.modulus(int(n).to_bytes(SMALL // 8, "big"), sizes=SIZES)
    assert vars(caught.value) == vars(refusals.key_modulus({}))


@pytest.mark.parametrize("kind", ["even", "with a small factor", "prime", "a square"])
def test_every_test_is_made_whatever_the_others_found(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """So the time of a refusal does not tell which of them it was."""
    made: list[str] = []

    def counting(name: str) -> Callable[..., object]:
        honest = getattr(gmpy2, name)

        def call(*given: object) -> object:
            made.append(name)
            return honest(*given)

        return call

    n = next(found for found in map(BAD_MODULI[kind], range(100)) if found.bit_length() == SMALL)
    for name in ("gcd", "powmod_base_list", "is_power"):
        monkeypatch.setattr(gmpy2, name, counting(name))
    assert code(lambda: admission.modulus(int(n).to_bytes(SMALL // 8, "big"), sizes=SIZES)) == "LVR-5002"
    assert made == ["gcd", "powmod_base_list", "is_power"]


@pytest.mark.parametrize("bits", [4, 512, 1024, 2047, 3064, 8192])
def test_another_size_is_refused_before_anything_is_computed(bits: int) -> None:
    content = (2**bits - 1).to_bytes((bits + 7) // 8, "big")
    assert code(lambda: admission.modulus(content)) == "LVR-5001"


def test_leading_zeros_do_not_make_another_key(keys: SealingKeys) -> None:
    assert code(lambda: register(keys, modulus=b"\0" + KEY.public.to_bytes())) == "LVR-5001"


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2048])
def test_a_key_as_banks_make_them_is_admitted(bits: int) -> None:
    key = generate_key(bits)
    assert admission.modulus(key.public.to_bytes()) == key.public
    admission.proof(proofs.prove(key, "bank_a"), key.public, "bank_a")


def test_a_modulus_that_shares_a_factor_with_its_order_has_no_proof(keys: SealingKeys) -> None:
    """n = p q with p | q - 1: r^n is then not one to one, and randomisers leave a trace (CVE-2023-33241)."""
    p = prime(SMALL // 2 - 4, 11)
    q = next(c for c in (2 * k * p + 1 for k in range(4, 4000)) if gmpy2.is_prime(c))
    bad = PublicKey(p * q)
    order = (p - 1) * (q - 1)
    assert gmpy2.gcd(bad.n, order) == p
    # The best that is left: roots where there are any, and nothing where there are none.
    near = gmpy2.invert(bad.n // p, order // p) if gmpy2.gcd(bad.n // p, order // p) == 1 else mpz(1)
    made = b"".join(
        int(pow(wanted, near, bad.n)).to_bytes(bad.width // 2, "big") for wanted in proofs.challenges(bad, "bank_a")
    )
    assert not proofs.proves(made, bad, "bank_a")


@pytest.mark.parametrize(
    "wrong", ["another bank's", "another key's", "cut off", "empty", "one root changed", "zeros"]
)
def test_a_proof_of_something_else_proves_nothing(keys: SealingKeys, wrong: str) -> None:
    honest = proofs.prove(KEY, "bank_a")
    given = {
        "another bank's": proofs.prove(KEY, "bank_b"),
        "another key's": proofs.prove(small_key(2), "bank_a"),
        "cut off": honest[:-1],
        "empty": b"",
        "one root changed": honest[:-1] + bytes([honest[-1] ^ 1]),
        "zeros": bytes(len(honest)),
    }[wrong]
    assert code(lambda: register(keys, proof=given)) == "LVR-5003"


def test_a_key_is_registered_by_one_institution_once(keys: SealingKeys) -> None:
    register(keys)
    assert code(lambda: register(keys, who=BANK_B)) == "LVR-5004"
    register(keys, small_key(2))
    assert code(lambda: register(keys)) == "LVR-5004"


def test_a_factor_shared_with_anybodys_key_is_found_and_told_in_the_same_words(keys: SealingKeys) -> None:
    register(keys)
    related = PrivateKey(KEY.p, small_key(2).q)
    if related.public.bits != SMALL:
        related = PrivateKey(KEY.q, small_key(2).p)
    with pytest.raises(Refused) as caught:
        register(keys, related, BANK_B)
    assert vars(caught.value) == vars(refusals.key_shared({}))
    assert keys.current("bank_b") == ""


def test_an_institution_registers_so_many_keys_in_a_quarter(opened: Line, keys: SealingKeys) -> None:
    keys._most = 2
    register(keys)
    register(keys, small_key(2))
    assert code(lambda: register(keys, small_key(3))) == "LVR-5029"
    assert register(keys, small_key(2)).key == small_key(2).public  # the current one again is no registration
    register(keys, small_key(3), BANK_B)
    opened.clock.now = NOON + timedelta(days=92)
    register(keys, small_key(4))
    refused = opened.books.log.entries(kind="sealing_key_refused")
    assert [entry.fields["code"] for entry in refused] == ["LVR-5029"]


def test_a_factor_is_found_of_a_key_that_came_while_others_were_compared(
    keys: SealingKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All keys are compared with outside the transaction that keeps the new one, and those since then within it."""
    related = PrivateKey(KEY.p, small_key(2).q)
    if related.public.bits != SMALL:
        related = PrivateKey(KEY.q, small_key(2).p)
    apart, seen = admission.apart, list[int]()

    def meanwhile(key: PublicKey, others: Iterable[mpz]) -> None:
        found = tuple(others)
        seen.append(len(found))
        apart(key, found)
        if len(seen) == 1:
            register(keys)

    monkeypatch.setattr(admission, "apart", meanwhile)
    assert code(lambda: register(keys, related, BANK_B)) == "LVR-5004"
    assert seen == [0, 0, 0, 1]
    assert keys.current("bank_b") == ""


@pytest.mark.parametrize("end", [NOON, NOON - timedelta(days=1), NOON + timedelta(days=6 * 366)])
def test_an_end_that_is_none_is_refused(keys: SealingKeys, end: object) -> None:
    assert code(lambda: register(keys, expires=end)) == "LVR-5005"


def test_keys_of_2048_bits_end_with_2030() -> None:
    key = PublicKey(mpz(2) ** 2047 + 1)
    late = NOON.replace(year=2031)
    assert code(lambda: admission.validity(late, key, NOON)) == "LVR-5005"
    admission.validity(NOON.replace(year=2030), key, NOON)
    admission.validity(late, PublicKey(mpz(2) ** 3071 + 1), NOON)


def test_refused_keys_are_in_the_log_and_nowhere_else(opened: Line, keys: SealingKeys) -> None:
    code(lambda: register(keys, proof=b""))
    (entry,) = opened.books.log.entries()
    assert (entry.fields["kind"], entry.fields["code"]) == ("sealing_key_refused", "LVR-5003")
    assert keys.of("bank_a") == ()


def test_a_key_that_cannot_be_logged_is_not_kept(opened: Line, keys: SealingKeys) -> None:
    with opened.log_refuses("sealing_key"), pytest.raises(Exception, match="store"):
        register(keys)
    assert keys.of("bank_a") == ()


# batches


OWNER = Owner(KEY)
N, SQUARE, WIDTH = int(KEY.public.n), int(KEY.public.square), KEY.public.width
HONEST = [int(each) for each in OWNER.encrypt(list(range(12)))]


def batch(ciphertexts: list[int], scales: tuple[int, ...] = (0, 2), key: PublicKey = KEY.public) -> bytes:
    return bulk.write([mpz(each) for each in ciphertexts], key, scales)


def admitted(content: bytes, most_rows: int = 100) -> admission.Batch:
    return admission.batch(content, KEY.public, (0, 2), most_rows)


def test_an_honest_batch_is_admitted_as_it_was_sent() -> None:
    found = admitted(batch(HONEST))
    assert (found.rows, list(found.ciphertexts)) == (6, HONEST)
    assert OWNER.decrypt(found.ciphertexts) == list(range(12))


@pytest.mark.parametrize(
    "value",
    [0, 1, 2, N - 1, N, N + N, SQUARE - 1, int(KEY.p) * 3 + N * 0, int(KEY.p) * N, 256**WIDTH - 1, 3**40],
    ids=["0", "1", "2", "n - 1", "n", "2n", "n squared - 1", "3p", "pn", "beyond n squared", "no randomness"],
)
def test_a_value_outside_the_group_or_trivial_is_refused_in_the_same_words(value: int) -> None:
    with pytest.raises(Refused) as caught:
        admitted(batch([*HONEST[:7], value, *HONEST[8:]]))
    assert vars(caught.value) == vars(refusals.batch_ciphertexts({}))


def test_a_ciphertext_that_is_there_twice_marks_a_row_and_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        admitted(batch([*HONEST[:11], HONEST[0]]))
    assert vars(caught.value) == vars(refusals.batch_ciphertexts({}))


@pytest.mark.parametrize(
    "changed",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[:40],
        lambda content: b"",
        lambda content: b"LVRSEAL1\xff\xff\xff\xff" + content[12:],
        lambda content: content.replace(b'"rows":6', b'"rows":5'),
        lambda content: content.replace(b'"rows":6', b'"rows":6.0'),
        lambda content: content.replace(b'"rows":6', b'"rows":99999999999999'),
        lambda content: content.replace(b'"scales":[0,2]', b'"scales":[0,-2]'),
        lambda content: content.replace(b'"kid"', b'"who"'),
    ],
    ids=["cut off", "longer", "a bit changed", "half a header", "nothing", "a huge header", "another number of rows",
         "rows that are a float", "more rows than there can be", "a negative scale", "another field"],
)  # fmt: skip
def test_a_batch_that_is_not_what_its_header_tells_of_is_refused(changed: Callable[[bytes], bytes]) -> None:
    assert code(lambda: admitted(changed(batch(HONEST)))) == "LVR-5011"


def test_a_batch_for_another_key_or_other_columns_is_refused() -> None:
    other = small_key(2)
    foreign = batch([int(each) for each in Owner(other).encrypt([1, 2])], key=other.public)
    assert code(lambda: admitted(foreign)) == "LVR-5012"
    assert code(lambda: admitted(batch(HONEST, (0, 3)))) == "LVR-5012"
    assert code(lambda: admitted(batch(HONEST, (0,)))) == "LVR-5012"


def test_a_batch_with_too_many_rows_is_refused_before_it_is_read() -> None:
    assert code(lambda: admitted(batch([0] * 12), most_rows=5)) == "LVR-5013"


def test_the_bulk_form_takes_two_fifths_of_the_bytes_of_json() -> None:
    from louver.sealing import interchange

    key = PublicKey(mpz(2) ** 2048 - 1)
    drawn = [mpz(random.Random(place).getrandbits(4094)) for place in range(200)]
    assert len(bulk.write(drawn, key)) <= 0.42 * len(interchange.to_json(drawn, key))

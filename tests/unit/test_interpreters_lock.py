"""No long call keeps the interpreter's lock, on either side: counted, so that no busy machine changes it.

The numbers are of 2048 bits, and a power at 4096 bits takes eight times as long, so an eighth of two milliseconds is
all that any may take here. `bench.stalls` measures the milliseconds.
"""

from __future__ import annotations

import ast
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import gmpy2
import pytest
from gmpy2 import mpz
from tests.support import scorecards
from tests.support.encrypted import CONTRACT, STRICT, asked, lending, permit
from tests.support.locked import CHEAP, SEARCHES, STEPS, watched
from tests.support.sealed import whole_key
from tests.support.seeded_noise import Silent

from louver.scoring import audit
from louver.scoring.results import Scores
from louver.scoring.results import opened as scores_opened
from louver.sealing import audits, bulk, ciphertexts, proofs
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.keys import PrivateKey, generate_key
from louver.sealing.randomisers import Pool, randomisers
from louver_sandbox.encrypted_core import EncryptedRules
from louver_sandbox.sealing import adding, admission
from louver_sandbox.sealing.sealer import Sealer

KEY = whole_key()
PUBLIC = KEY.public
PLAIN = PrivateKey(KEY.p, KEY.q)
"""The same without tables, as a key that was made elsewhere."""
SEALED = Owner(KEY).encrypt(range(40))
FEATURES = scorecards.feature_set((3,) * 8)
MADE = scorecards.opening(KEY, FEATURES, scorecards.card(FEATURES))
POWERS = randomisers(PUBLIC, 4)
MODEL = scorecards.points(MADE, KEY)
LEFT = MODEL.leaving([(0,) * 8], POWERS[0], lambda most: most - 1)
PROOF = proofs.prove(KEY, "bank_a")
OPENINGS = audits.opened(SEALED[:2], Owner(KEY))


def open_scores() -> None:
    scores = Scores("m", KEY.kid, ((0, 0),), (int(LEFT).to_bytes(PUBLIC.width, "big"),))
    scores_opened(scores, KEY, "small-firms", "1", 0)


PATHS: dict[str, Callable[[], object]] = {
    "making a key": lambda: generate_key(2048),
    "reading a key": lambda: PrivateKey.from_jwk(KEY.to_jwk()),
    "proving a key": lambda: proofs.prove(KEY, "bank_a"),
    "admitting a key": lambda: admission.proof(PROOF, admission.modulus(PUBLIC.to_bytes()), "bank_a"),
    "a key apart from a thousand": lambda: admission.apart(PUBLIC, [whole_key(2).public.n] * 1000),
    "randomisers": lambda: Pool(PUBLIC).take(20),
    "the owner's tables": lambda: Owner(KEY).randomisers(200),
    "the owner without tables": lambda: Owner(PLAIN).encrypt(range(20)),
    "sealing an answer": lambda: Sealer(lambda kid: PUBLIC, most=100, stock=0).sealed(KEY.kid, range(10)),
    "admitting a batch": lambda: admission.batch(bulk.write(SEALED, PUBLIC), PUBLIC, (0,), 100),
    "opening": lambda: Owner(KEY).decrypt(SEALED),
    "opening windows": lambda: Owner(KEY).decrypt_windowed(SEALED, 62),
    "combining sums": lambda: adding.combined(2, PUBLIC, [([0, 1], b"\1" * (2 * PUBLIC.width))] * 20),
    "a model": lambda: scorecards.opening(KEY, FEATURES, scorecards.card(FEATURES)),
    "a model's audit": lambda: audit.findings(MADE),
    "opening scores": open_scores,
    "openings for an auditor": lambda: audits.opened(SEALED[:2], Owner(KEY)),
    "an auditor's check": lambda: audits.check(SEALED[:2], OPENINGS, PUBLIC, 100),
}


@pytest.mark.parametrize("path", PATHS)
def test_no_call_of_a_long_path_keeps_the_lock_for_two_milliseconds(path: str) -> None:
    with watched() as held:
        PATHS[path]()
    assert held.unbounded == []
    assert held.dearest <= STEPS // 8


def test_randomness_is_drawn_before_the_powers_and_not_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A draw lets go of the lock for too short a time to be taken, and whoever waits begins to wait anew: 100 ms so."""
    steps: list[str] = []
    owner = Owner(KEY, below=lambda most: steps.append("draw") or most - 1)  # type: ignore[func-returns-value]
    owner.prepare()
    plain = ciphertexts._Table.power
    monkeypatch.setattr(ciphertexts._Table, "power", lambda *args: steps.append("power") or plain(*args))  # type: ignore[func-returns-value]
    owner.randomisers(5)
    assert steps == [*["draw"] * 5, *["power"] * 5] * 2


SUMS = (
    "SELECT t.grade, sum(l.amount) AS s, avg(l.amount) AS a FROM bank_a.loan l JOIN gov.tax_credit t "
    "ON t.uscc = l.id_no GROUP BY 1"
)


@pytest.mark.parametrize("rules", [CONTRACT, STRICT], ids=["contract", "strict"])
def test_nor_does_a_grouped_sum(rules: EncryptedRules, tmp_path: Path) -> None:
    loans = [{"id_no": f"u{n:04}", "amount": n, "days": 0, "branch": "东"} for n in range(40)]
    of = lending(loans, {f"u{n:04}": "AB"[n % 2] for n in range(40)}, KEY)
    with watched() as held:
        found = asked(of, permit(of, SUMS, rules), tmp_path, Silent())
    assert found.by_key
    assert held.unbounded == []
    assert held.calls > 0
    assert held.dearest <= STEPS // 8


def test_what_is_looked_for_is_seen() -> None:
    """A power with an exponent of the modulus's length keeps the lock for 9 ms, a search of primes for longer."""
    with watched() as held:
        gmpy2.powmod(SEALED[0], PUBLIC.n, PUBLIC.square)
        gmpy2.next_prime(mpz(1) << 600)
    assert held.dearest > STEPS // 8
    assert held.unbounded == ["next_prime"]
    with watched() as held:
        encrypt([1], PUBLIC, POWERS[:1])
        gmpy2.powmod_base_list(SEALED[:1], PUBLIC.n, PUBLIC.square)
    assert (held.dearest, held.unbounded, held.calls) == (0, [], 1)


ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "clients/python/louver").rglob("*.py"), *(ROOT / "sandbox/louver_sandbox").rglob("*.py")]


def test_every_function_of_the_library_that_is_called_is_one_that_is_looked_at() -> None:
    """So no call comes in by another name, nor as the built-in power, which keeps the lock as well."""
    known = {*CHEAP, *SEARCHES, "powmod", "powmod_base_list", "powmod_exp_list"}
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gmpy2":
                assert node.attr in known, f"{path.name} calls gmpy2.{node.attr}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "pow":
                assert len(node.args) < 3, f"{path.name} raises to a power by the built-in"
            if isinstance(node, ast.ImportFrom) and node.module == "gmpy2":
                assert [alias.name for alias in node.names] == ["mpz"], path.name


def test_a_thread_of_the_service_gives_way_after_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """What computes in Python has the lock for a turn at a time; Python's own turn is 5 ms."""
    from louver_sandbox.service import server

    set_to: list[float] = []
    monkeypatch.setattr(sys, "setswitchinterval", set_to.append)

    def nothing(settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "Server", nothing)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    with pytest.raises(KeyboardInterrupt):
        server.serve(None, print)  # type: ignore[arg-type]  # it ends before it needs any
    assert set_to == [server.TURN_S] == [0.001]

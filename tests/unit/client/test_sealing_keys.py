"""Private keys at rest, and `louver keys`: made, registered, shown, exported, rotated; never in clear unasked."""

from __future__ import annotations

import base64
import io
import json
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partialmethod
from pathlib import Path

import pyarrow as pa
import pytest
from gmpy2 import mpz
from tests.support.sandbox_simulator import Recorded, Simulation
from tests.support.sealed import small_key
from tests.unit.client.conftest import IMPATIENT
from typer.testing import CliRunner, Result

from louver import aio
from louver.cli.app import app
from louver.client import connect
from louver.errors import Unproven
from louver.failures import Misused
from louver.sealing import processes
from louver.sealing.ciphertexts import NotACiphertext, Owner, well_formed
from louver.sealing.columns import METADATA, Mark
from louver.sealing.key_files import KeyRing, describe, lock, unlock
from louver.sealing.keys import PrivateKey, PublicKey, generate_key

KEY, NEXT = small_key(), small_key(2)
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
CHEAP = 2**4
"""scrypt's N in these tests; the real one takes half a second a file."""


def ring(folder: Path, passphrase: str = "open sesame") -> KeyRing:
    return KeyRing(folder, lambda: passphrase)


@pytest.fixture
def kept(tmp_path: Path) -> KeyRing:
    made = ring(tmp_path / "keys")
    made.add(KEY, NOON, cost=CHEAP)
    return made


# at rest


def test_a_key_comes_back_under_its_passphrase_alone(kept: KeyRing) -> None:
    content = kept.find().path.read_bytes()
    found = unlock(content, "open sesame")
    assert (found, found.bases) == (KEY, KEY.bases)
    with pytest.raises(Misused, match="passphrase"):
        unlock(content, "open  sesame")


def test_the_file_is_its_owners_and_holds_no_factor(kept: KeyRing) -> None:
    path = kept.find().path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    for secret in (KEY.p, KEY.q):
        raw = int(secret).to_bytes(32, "big")
        for form in (raw, raw.hex().encode(), base64.b64encode(raw)[:-2], str(int(secret)).encode()):
            assert form not in content


@pytest.mark.parametrize(
    "change",
    [
        {"created": "2020-01-01T00:00:00+00:00"},
        {"kid": NEXT.kid},
        {"public": NEXT.public.to_jwk()},
        {"cipher": {"name": "none", "nonce": ""}},
        {"kdf": {"name": "scrypt", "n": 2**40, "r": 8, "p": 1, "salt": ""}},
        {"kdf": {"name": "scrypt", "n": 2**4, "r": 2**30, "p": 1, "salt": ""}},
        {"kdf": {"name": "scrypt", "n": 17, "r": 8, "p": 1, "salt": ""}},
        {"private": ""},
        {"format": "louver-paillier-key/2"},
    ],
    ids=["another date", "another id", "another public part", "no cipher", "a cost that fills the memory",
         "blocks that fill the memory", "a cost that is none", "no private part", "another format"],
)  # fmt: skip
def test_a_changed_file_opens_nothing(kept: KeyRing, change: dict[str, object]) -> None:
    document = json.loads(kept.find().path.read_bytes())
    with pytest.raises(Misused):
        unlock(json.dumps({**document, **change}).encode(), "open sesame")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_key_file_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(Misused, match="no key file"):
        unlock(content, "open sesame")


def test_no_key_is_kept_without_a_passphrase() -> None:
    with pytest.raises(Misused, match="without a passphrase"):
        lock(KEY, "", NOON, cost=CHEAP)


def test_the_newest_key_comes_first_and_old_ones_stay(kept: KeyRing) -> None:
    kept.add(NEXT, NOON + timedelta(days=1), cost=CHEAP)
    assert [file.kid for file in kept.files()] == [NEXT.kid, KEY.kid]
    assert (kept.find().kid, kept.find(KEY.kid[:8]).kid) == (NEXT.kid, KEY.kid)
    assert ring(kept.folder).private(KEY.kid) == KEY


def test_a_private_key_is_found_by_its_whole_id_only(kept: KeyRing) -> None:
    for kid in ("", KEY.kid[:20]):
        with pytest.raises(Misused):
            kept.private(kid)


def test_a_key_is_never_written_over(kept: KeyRing) -> None:
    with pytest.raises(Misused, match="cannot write"):
        kept.add(KEY, NOON, cost=CHEAP)


@pytest.mark.parametrize("bits", [0, 512, 1024, 3071, 16384])
def test_only_the_sizes_that_are_admitted_are_made(bits: int) -> None:
    with pytest.raises(Misused, match="2048, 3072, 4096"):
        generate_key(bits)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {**KEY.to_jwk(), "p": KEY.to_jwk()["q"]},
        {**KEY.to_jwk(), "p": "AQ", "q": "AQ"},
        {**KEY.to_jwk(), "q": "====", "p": 7},
        {**KEY.to_jwk(), "pub": NEXT.public.to_jwk()},
    ],
    ids=["nothing", "one factor twice", "ones", "no numbers", "another modulus"],
)
def test_factors_that_are_none_are_no_private_key(jwk: dict[str, object]) -> None:
    with pytest.raises(Misused):
        PrivateKey.from_jwk(jwk)


def test_whoever_prints_a_private_key_sees_no_factor() -> None:
    assert str(int(KEY.p)) not in repr(KEY) + repr(Owner(KEY))


# registered, asked for, opened


def sealed_answer(key: PublicKey = KEY.public) -> pa.Table:
    (cell,) = (int(each).to_bytes(key.width, "big") for each in Owner(KEY).encrypt([41]))
    field = pa.field("n", pa.binary(key.width), metadata={METADATA: Mark(key.kid, "integer").to_bytes()})
    return pa.table(
        [pa.array(["a", "b"]), pa.array([cell, None], field.type)], pa.schema([("g", pa.string()), field])
    )


QUESTION = "SELECT g, n FROM sealed"


@pytest.fixture
def sealing(sandbox: Simulation) -> Simulation:
    sandbox.service.answers[QUESTION] = Recorded(sealed_answer(), "threshold")
    sandbox.service.keys.clear()
    return sandbox


def test_an_answer_is_opened_when_its_rows_are_looked_at(sealing: Simulation, kept: KeyRing) -> None:
    arguments = sealing.arguments(surroundings=IMPATIENT, keys=kept.folder, key_passphrase="open sesame")
    with connect(**arguments) as bank:
        answer = bank.analyse(QUESTION, seal=True)
        assert sealing.service.asked[-1].seal == "paillier"
        assert (answer.rows, answer.proof is not None) == ([("a", 41), ("b", None)], True)
        assert answer.summary.count("sealed") == 1
        assert answer.sealed is not None
        assert json.loads(answer.sealed.to_json("n", KEY.public))["values"][0][1] == 0
        with pytest.raises(KeyError):
            answer.sealed.column("g")


def test_an_answer_in_clear_is_none_to_who_asked_for_a_seal(sealing: Simulation, kept: KeyRing) -> None:
    """Whoever stands between must not be able to leave the seal away."""
    sealing.service.answers[QUESTION] = Recorded(pa.table({"g": ["a"], "n": [41]}), "threshold")
    with connect(**sealing.arguments(keys=kept.folder, key_passphrase="open sesame")) as bank:
        assert bank.analyse(QUESTION).rows == [("a", 41)]
        with pytest.raises(Unproven, match="came in clear"):
            bank.analyse(QUESTION, seal=True)


def test_nothing_is_asked_sealed_that_could_not_be_opened(sealing: Simulation) -> None:
    with connect(**sealing.arguments()) as bank, pytest.raises(Misused, match="no key"):
        bank.analyse(QUESTION, seal=True)
    assert sealing.service.asked == []


async def _registered(sealing: Simulation) -> list[str]:
    async with aio.connect(**sealing.arguments()) as bank:
        await bank.register_key(KEY)
        return [key.kid for key in await bank.keys()]


def test_both_clients_register_keys(sealing: Simulation) -> None:
    import asyncio

    with connect(**sealing.arguments()) as bank:
        made = bank.register_key(NEXT, timedelta(days=10))
    assert (made.kid, made.current) == (NEXT.kid, True)
    assert asyncio.run(_registered(sealing)) == [KEY.kid, NEXT.kid]


# the command line

Run = Callable[..., Result]


@pytest.fixture
def louver(sealing: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    keys = {"LOUVER_KEYS": str(tmp_path / "keys"), "LOUVER_KEY_PASSPHRASE": "open sesame"}
    runner = CliRunner(env={**sealing.environment(), **keys, "LOUVER_LANG": "en", "TERMINAL_WIDTH": "100"})
    small = iter([KEY, NEXT, small_key(3)])
    monkeypatch.setattr("louver.sealing.keys.generate_key", lambda bits: next(small))
    monkeypatch.setattr(KeyRing, "add", partialmethod(KeyRing.add, cost=CHEAP))

    def run(*arguments: str | Path, **options: object) -> Result:
        return runner.invoke(app, [str(argument) for argument in arguments], **options)  # type: ignore[arg-type]  # input or environment

    return run


def test_a_key_is_made_registered_shown_and_rotated(louver: Run, sealing: Simulation) -> None:
    made = louver("keys", "new")
    assert made.exit_code == 0, made.stderr
    assert f"key {KEY.kid[:16]}" in made.stdout
    assert "log entry 7" in made.stdout
    assert louver("keys", "new").exit_code == 2
    assert louver("keys", "rotate").exit_code == 0
    assert [key.kid for key in sealing.service.keys] == [NEXT.kid, KEY.kid]
    shown = louver("keys", "show").stdout
    assert KEY.kid[:16] in shown
    assert NEXT.kid[:16] in shown
    listed = louver("keys", "show", "--registered").stdout.splitlines()
    assert any(NEXT.kid[:16] in line and "yes" in line and "here" in line for line in listed)


def test_a_key_that_cannot_be_registered_is_not_kept(louver: Run, sealing: Simulation, tmp_path: Path) -> None:
    from tests.support.sandbox_simulator import Trouble

    sealing.service.troubles.extend([Trouble.FAULT] * 9)
    assert louver("keys", "new").exit_code == 3
    assert list((tmp_path / "keys").iterdir()) == []


def test_rotating_needs_a_key(louver: Run) -> None:
    assert louver("keys", "rotate").exit_code == 2


def test_a_key_is_exported_as_python_paillier_reads_it(louver: Run, tmp_path: Path) -> None:
    louver("keys", "new", "--no-register")
    public = louver("keys", "export").stdout
    assert PublicKey.from_jwk(json.loads(public)) == KEY.public
    assert "p" not in json.loads(public)
    assert louver("keys", "export", "--private").exit_code == 2
    target = tmp_path / "private.json"
    told = louver("keys", "export", KEY.kid[:6], "--private", "-o", target)
    assert "private key in clear" in told.stderr
    assert PrivateKey.from_jwk(json.loads(target.read_text())) == KEY
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert louver("keys", "export", "--private", "-o", target).exit_code == 2
    assert louver("keys", "export", "ffff").exit_code == 2


def test_a_sealed_answer_prints_numbers_and_keeps_ciphertexts_for_its_receipt(louver: Run, tmp_path: Path) -> None:
    louver("keys", "new")
    asked = louver("query", QUESTION, "--seal")
    assert asked.stdout.splitlines() == ["g,n", "a,41", "b,"]
    assert "sealed" in asked.stderr
    louver("query", QUESTION, "--seal", "-o", tmp_path / "answer.arrow")
    assert METADATA in (tmp_path / "answer.arrow").read_bytes()


def test_without_a_passphrase_the_command_says_where_it_comes_from(louver: Run) -> None:
    louver("keys", "new")
    result = louver("query", QUESTION, "--seal", env={"LOUVER_KEY_PASSPHRASE": ""})
    assert result.exit_code == 2
    assert "LOUVER_KEY_PASSPHRASE" in result.stderr


def test_a_mark_of_two_keys_is_no_answer() -> None:
    from louver.sealing.opening import opened

    first = sealed_answer()
    field = first.schema.field("n").with_metadata({METADATA: Mark(NEXT.kid, "integer").to_bytes()})
    both = first.append_column(field.with_name("m"), first.column("n"))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, both.schema) as writer:
        writer.write_table(both)
    with pytest.raises(Unproven):
        opened(sink.getvalue(), lambda kid: KEY)


def test_the_file_says_which_key_it_is_without_a_passphrase(kept: KeyRing) -> None:
    file = describe(kept.find().path)
    assert (file.kid, file.created) == (KEY.kid, NOON)


# large batches, and the order in which things are looked at


def test_batches_on_two_processes_are_those_on_one() -> None:
    values = list(range(-600, 600))
    ciphertexts = processes.encrypt(values, KEY, processes=2)
    assert Owner(KEY).decrypt(ciphertexts) == values
    assert processes.decrypt(ciphertexts, KEY, processes=2) == values
    with pytest.raises(NotACiphertext):
        processes.decrypt([*ciphertexts[:-1], KEY.public.n], KEY, processes=2)


@pytest.mark.parametrize("place", [0, 5, 9])
def test_every_ciphertext_is_looked_at_before_any_is_decrypted(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """How long a refusal takes does not tell which of them it was, and no decryption is even begun."""
    ciphertexts = Owner(KEY).encrypt(range(10))
    ciphertexts[place] = KEY.public.n
    looked_at: list[int] = []

    def watched() -> Iterator[mpz]:
        for each in ciphertexts:
            looked_at.append(each)
            yield each

    assert not well_formed(watched(), KEY.public)
    assert len(looked_at) == 10
    monkeypatch.setattr(Owner, "_plaintexts", lambda owner, given: pytest.fail("a decryption was begun"))
    with pytest.raises(NotACiphertext):
        Owner(KEY).decrypt(ciphertexts)

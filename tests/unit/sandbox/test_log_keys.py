"""The key that signs the log hands over inside the log, and everybody who signs goes over with that entry."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.audit_logs import KEY, MALLORY, ORIGIN, SIGNER, SeededRandomness, SettableClock, answer
from tests.support.databases import AT_LENGTH, BOTH, SQLITE
from tests.support.postgres import Server
from typer.testing import CliRunner, Result

from louver.audit.witness import Contradiction, look
from louver.errors import Unproven
from louver.receipt import Receipt
from louver.transparency import Checkpoint, LogKey, Signature, TreeHead, VerifierKey
from louver.transparency.whole_log import verify_export
from louver_sandbox.audit import AuditLog, Ed25519Signer, LogDamaged, export_log, seeds, verify_log
from louver_sandbox.audit.head import Signer, hand_over, sign_head
from louver_sandbox.audit.keys import KIND, LogKeyMissing
from louver_sandbox.operator import keys
from louver_sandbox.operator.health import problems
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, create
from louver_sandbox.operator.main import app
from louver_sandbox.premises import open_books
from louver_sandbox.recount import anchor
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State

NEXT = Ed25519Signer.from_seed(ORIGIN, hashlib.sha256(b"the log's next key, for tests only").digest())
LAST = Ed25519Signer.from_seed(ORIGIN, hashlib.sha256(b"the log's last key, for tests only").digest())


def of(*held: Ed25519Signer) -> Callable[[VerifierKey], Signer | None]:
    """Whoever has one of these keys."""
    return {one.verifier_key: one for one in held}.get


def log_of(state: State, held: Ed25519Signer = SIGNER, *others: Ed25519Signer) -> AuditLog:
    return AuditLog(state, held, ORIGIN, clock=SettableClock(), randomness=SeededRandomness(), find=of(NEXT, *others))


def said(log: AuditLog) -> int:
    """An entry that charges nothing."""
    with log.state.transaction() as tx:
        return log.append(tx, {"kind": "note"}).index


def replaced(log: AuditLog, successor: Ed25519Signer = NEXT) -> int:
    with log.state.transaction() as tx:
        return log.succeeded(tx, successor, {"reason": "once a year"}).index


@pytest.fixture(params=AT_LENGTH)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """A store on each kind of database."""
    at = (
        tmp_path / "state.db"
        if request.param == SQLITE
        else str(request.getfixturevalue("postgres_server").database(empty=True))
    )
    with State.open(at) as opened:
        yield opened


def test_the_new_key_signs_from_its_entry_on_and_everything_before_still_holds(state: State) -> None:
    log = log_of(state)
    before = [log.receipt(answer(log, number).index) for number in range(3)]
    entry = replaced(log)
    after = log.receipt(answer(log, 3).index)
    assert log.entry(entry).fields["kind"] == KIND
    old, new = KEY, str(NEXT.verifier_key)
    for receipt in before:
        assert receipt.verify(old).entry["kind"] == "outcome"
        assert receipt.verify(log.key).entry["kind"] == "outcome"
    for key in (old, new, log.key):
        assert Receipt.from_bytes(after.to_bytes()).verify(key).index == after.index
    assert after.checkpoint.note.signatures[0].key_id == NEXT.verifier_key.id
    proof = log.consistency(before[0].checkpoint.claimed.size)
    assert proof.verify(before[0].checkpoint.claimed, VerifierKey.parse(old)).size == log.size()


@pytest.mark.parametrize("pin", [KEY, str(NEXT.verifier_key), str(LAST.verifier_key)])
def test_a_whole_log_with_two_changes_of_its_key_verifies_under_any_of_them(state: State, pin: str) -> None:
    log = log_of(state, SIGNER, LAST)
    anchors = []
    for successor in (NEXT, LAST, None):
        said(log)
        anchors.append(log.head())
        if successor is not None:
            replaced(log, successor)
    report = verify_log(state, pin, anchors)
    assert report.ok
    assert report.covered == report.size == 5
    whole = verify_export(io.BytesIO(b"".join(export_log(state, ORIGIN))), pin, anchors)
    assert (whole.findings, whole.heads) == ((), 3)


def test_a_process_that_was_started_with_the_old_key_goes_over_with_the_entry(state: State) -> None:
    """Two services on one log: one rotates, the other signs its next head with the new key, unasked."""
    here, there = log_of(state), log_of(state)
    there.head()
    replaced(here)
    assert there.receipt(answer(there, 1).index).checkpoint.note.signatures[0].key_id == NEXT.verifier_key.id
    # And one that is started later has only the new one.
    late = AuditLog(state, NEXT, ORIGIN, clock=SettableClock(), randomness=SeededRandomness())
    assert late.head().verify(SIGNER.verifier_key).size == late.size()
    assert late.key == here.key


def test_nothing_is_signed_by_whoever_has_not_the_key(state: State) -> None:
    log = log_of(state)
    lone = AuditLog(state, SIGNER, ORIGIN, clock=SettableClock(), randomness=SeededRandomness())
    replaced(log)
    with pytest.raises(LogKeyMissing, match="its secret is not among these"):
        lone.attested(lambda tx: lone.append(tx, {"kind": "note"}))
    assert log.size() == 1, "nor is it written"
    with pytest.raises(LogKeyMissing):
        AuditLog(state, SIGNER, ORIGIN, clock=SettableClock(), randomness=SeededRandomness())


def taken_back(log: AuditLog) -> None:
    """A change whose transaction ends in nothing."""
    with log.state.transaction() as tx:
        log.succeeded(tx, NEXT, {})
        raise ZeroDivisionError


def test_a_change_that_was_taken_back_leaves_the_old_key_in_its_place(state: State) -> None:
    log = log_of(state)
    with pytest.raises(ZeroDivisionError):
        taken_back(log)
    assert log.receipt(answer(log, 1).index).verify(KEY)
    assert log.key == KEY
    replaced(log)
    with pytest.raises(Unproven):
        replaced(log, SIGNER)
    assert log.head().note.signatures[0].key_id == NEXT.verifier_key.id


def test_who_writes_the_database_cannot_make_the_log_anothers(state: State) -> None:
    """An entry that says so has to be signed by a key of the log, and by its successor."""
    log = log_of(state)
    said(log)
    forged = hand_over(TreeHead(ORIGIN, log.size(), log.head().claimed.root), MALLORY, NEXT)
    with state.transaction() as tx:
        log.append(tx, {"kind": KIND, "succession": forged.to_note().decode()})
    with pytest.raises(LogDamaged, match="none of its keys"):
        log.head()
    with pytest.raises(LogDamaged):
        log_of(state)
    assert "a key hands over by it that is not the log's" in str(verify_log(state, KEY).first)
    whole = verify_export(io.BytesIO(b"".join(export_log(state, ORIGIN))), KEY)
    assert "a key hands over by it that is not the log's" in str(whole.findings[0])


def test_a_change_of_key_that_no_entry_says_is_found(state: State) -> None:
    """An operator who lets the next key sign without the log saying so."""
    log = log_of(state)
    said(log)
    size, root = log.size(), log.head().claimed.root
    succession = hand_over(TreeHead(ORIGIN, size, root), SIGNER, NEXT)
    said(log)
    with state.reading() as tx:
        claimed = log._checked(tx, None)[1]
    head = sign_head(claimed, NEXT, [succession])
    lines = list(export_log(state, ORIGIN))
    found = verify_export(with_head(lines, 2, head), KEY)
    assert [one.index for one in found.findings] == [size]
    assert "the log's key changed here, and it does not say so" in str(found.findings[0])


def with_head(lines: list[bytes], place: int, head: Checkpoint) -> io.BytesIO:
    """An export with one more head."""
    line = json.dumps({"head": head.to_bytes().decode()}, ensure_ascii=False).encode() + b"\n"
    return io.BytesIO(b"".join((*lines[:place], line, *lines[place:])))


def test_a_head_by_the_former_key_after_its_retirement_is_found(state: State) -> None:
    log = log_of(state)
    said(log)
    log.head()
    replaced(log)
    said(log)
    log.head()
    with state.reading() as tx:
        claimed = log._checked(tx, None)[1]
    stolen = sign_head(claimed, SIGNER)
    with pytest.raises(Unproven, match="has retired"):
        verify_log(state, log.key, [stolen])
    lines = list(export_log(state, ORIGIN))
    found = verify_export(with_head(lines, 1, stolen), KEY)
    assert any("stolen key" in str(one) for one in found.findings)


class Served:
    """A log as a witness meets it."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log
        self.shown: Checkpoint | None = None

    def checkpoint(self) -> Checkpoint:
        return self.shown or self.log.head()

    def consistency(self, old_size: int, new_size: int) -> object:
        return self.log.consistency(old_size, new_size)

    def cosign(self, size: int, signature: Signature) -> None:
        raise AssertionError("nothing to cosign with")


def test_a_witness_goes_over_to_the_next_key_and_never_back(state: State, tmp_path: Path) -> None:
    log, seen = log_of(state), tmp_path / "seen.json"
    served = Served(log)
    answer(log, 1)
    assert look(served, seen, KEY, [], 1).new  # type: ignore[arg-type]
    replaced(log)
    assert look(served, seen, KEY, [], 2).head.size == log.size()  # type: ignore[arg-type]
    answer(log, 2)
    with state.reading() as tx:
        claimed = log._checked(tx, None)[1]
    served.shown = sign_head(claimed, SIGNER)
    with pytest.raises(Contradiction, match="stolen key: signed by"):
        look(served, seen, KEY, [], 3)  # type: ignore[arg-type]
    forged = hand_over(TreeHead(ORIGIN, 1, bytes(32)), SIGNER, MALLORY)
    served.shown = sign_head(claimed, MALLORY, [forged])
    with pytest.raises(Contradiction, match=r"stolen key: a key of .* has two successors") as found:
        look(served, seen, KEY, [], 4)  # type: ignore[arg-type]
    assert served.shown.to_bytes() in found.value.evidence
    served.shown = None
    for pin in (KEY, str(NEXT.verifier_key), log.key):
        assert look(served, seen, pin, [], 5).head.size == log.size()  # type: ignore[arg-type]


def test_a_witness_that_pins_the_new_key_reads_what_it_saw_under_the_old(state: State, tmp_path: Path) -> None:
    log, seen = log_of(state), tmp_path / "seen.json"
    answer(log, 1)
    look(Served(log), seen, KEY, [], 1)  # type: ignore[arg-type]
    replaced(log)
    assert look(Served(log), seen, str(NEXT.verifier_key), [], 2).new  # type: ignore[arg-type]


# The command, on an installation.


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with nothing in it."""
    home = tmp_path_factory.mktemp("made") / "home"
    create(home, ORIGIN, "127.0.0.1", 0, TOOLS)
    return home


@pytest.fixture
def filed(made: Path, tmp_path: Path) -> Settings:
    shutil.copytree(made, tmp_path / "home")
    return load(tmp_path / "home")


@pytest.fixture(params=BOTH)
def settings(request: pytest.FixtureRequest, filed: Settings) -> Settings:
    """The same, with its state on each kind of database."""
    if request.param == SQLITE:
        return filed
    running: Server = request.getfixturevalue("postgres_server")
    toml = filed.home / "louver.toml"
    toml.write_text(f'{toml.read_text()}\n[store]\nurl = "{running.database()}"\n')
    return load(filed.home)


def command(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def noted(settings: Settings) -> Receipt:
    """An entry of the installation's log, proved."""
    with State.open(settings.state) as state:
        log = open_books(settings, state, TOOLS.clock).log
        return log.attested(lambda tx: log.append(tx, {"kind": "note"}))


def test_the_command_replaces_secret_and_public_key(settings: Settings) -> None:
    before, old = noted(settings), (settings.home / "log.pub").read_text()
    seed = (settings.secrets / seeds.SEED).read_bytes()
    done = command("keys", "rotate", "log", "--reason", "once a year", "--home", settings.home)
    assert done.exit_code == 0, done.stderr
    assert "entry 1: the log is signed by" in done.stdout
    public = (settings.home / "log.pub").read_text()
    assert (settings.secrets / seeds.SEED).read_bytes() != seed
    assert not (settings.secrets / seeds.NEXT).exists()
    assert (settings.secrets / seeds.SEED).stat().st_mode & 0o077 == 0
    after = noted(settings)
    assert after.checkpoint.note.signatures[0].key_id == LogKey.parse(public).pinned.id
    for key in (old.strip(), public):
        assert after.verify(key)
        assert before.verify(key)
    assert command("log", "verify", "--home", settings.home).exit_code == 0
    assert not [one for one in problems(settings, TOOLS.clock()) if "log." in one]
    listed = command("keys", "list", "--home", settings.home).stdout.splitlines()
    assert len([line for line in listed if line.startswith("log ")]) == 2
    with State.open(settings.state) as state:
        assert verify_log(state, old.strip()).ok
        assert verify_log(state, public).ok


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_operator_who_is_root_does_not_take_the_key_from_the_service(filed: Settings) -> None:
    os.chown(filed.secrets / seeds.SEED, 65534, 65534)
    keys.rotate_log(filed, "once a year", TOOLS)
    assert (filed.secrets / seeds.SEED).stat().st_uid == 65534
    assert (filed.secrets / seeds.SEED).stat().st_mode & 0o777 == 0o600


def test_a_dry_run_says_what_it_would_do_and_does_nothing(filed: Settings) -> None:
    noted(filed)
    before = {
        path: path.read_bytes() for path in filed.home.rglob("*") if path.is_file() and "state" not in path.name
    }
    done = command("keys", "rotate", "log", "--reason", "why", "--dry-run", "--home", filed.home)
    assert done.exit_code == 0, done.stderr
    assert "entry 1 or a later one would hand over" in done.stdout
    assert before == {
        path: path.read_bytes() for path in filed.home.rglob("*") if path.is_file() and "state" not in path.name
    }


@pytest.mark.parametrize("reason", ["", " ", "two\nlines"])
def test_a_reason_is_given(filed: Settings, reason: str) -> None:
    with pytest.raises(InstallationRefused, match="--reason"):
        keys.rotate_log(filed, reason, TOOLS)


@pytest.mark.parametrize(
    "cut",
    [
        (AuditLog, "succeeded", 1, "before"),
        (AuditLog, "succeeded", 1, "after"),
        (anchor, "keep", 1, "before"),
        (seeds, "settle", 2, "before"),
        (keys, "write_public", 2, "before"),
    ],
    ids=lambda cut: f"{cut[3]} {cut[1]}",
)
def test_cut_off_anywhere_the_log_goes_on_and_the_command_is_called_again(
    filed: Settings, monkeypatch: pytest.MonkeyPatch, cut: tuple[object, str, int, str]
) -> None:
    """As a kill leaves it: of what comes after nothing is done. What a transaction is worth, others have tried."""
    settings, (owner, name, turn, when) = filed, cut
    receipts = [noted(settings)]
    old = (settings.home / "log.pub").read_text().strip()
    whole, calls = getattr(owner, name), 0

    def stopped(*words: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls < turn:
            return whole(*words, **named)
        if when == "after":
            whole(*words, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, stopped)
    with pytest.raises(KeyboardInterrupt):
        keys.rotate_log(settings, "once a year", TOOLS)
    monkeypatch.undo()
    receipts.append(noted(settings))
    keys.rotate_log(settings, "again", TOOLS)
    receipts.append(noted(settings))
    public = (settings.home / "log.pub").read_text()
    assert not (settings.secrets / seeds.NEXT).exists()
    assert not [one for one in problems(settings, TOOLS.clock()) if "log." in one]
    for receipt in receipts:
        assert receipt.verify(public)
    with State.open(settings.state) as state:
        assert verify_log(state, old).ok
        assert verify_log(state, public).ok


def test_a_backup_from_before_is_restored_with_what_came_after_and_the_new_secret(
    filed: Settings, tmp_path: Path
) -> None:
    settings = filed
    noted(settings)
    old = shutil.copytree(settings.secrets, tmp_path / "old")
    assert command("backup", tmp_path / "backup", "--home", settings.home).exit_code == 0
    keys.rotate_log(settings, "once a year", TOOLS)
    kept = noted(settings)
    witness, export = tmp_path / "witness.checkpoint", tmp_path / "audit.jsonl"
    witness.write_bytes(kept.checkpoint.to_bytes())
    assert command("log", "export", export, "--home", settings.home).exit_code == 0
    words = ("restore", tmp_path / "backup", "--witness", witness, "--log", export)
    refused = command(*words, "--home", tmp_path / "no", "--secrets", old)
    assert refused.exit_code == 1
    assert "its secret is not among these" in refused.stderr
    done = command(*words, "--home", tmp_path / "new", "--secrets", settings.secrets)
    assert done.exit_code == 0, done.stderr
    public = (tmp_path / "new" / "log.pub").read_text()
    assert public == (settings.home / "log.pub").read_text()
    after = noted(load(tmp_path / "new"))
    assert after.verify(public)
    assert kept.verify(public)


def test_a_store_from_before_the_change_is_known_for_an_old_copy(filed: Settings, tmp_path: Path) -> None:
    """A rewind past the change of key: the thief of the old one has all it takes to sign on, but for the anchor."""
    noted(filed)
    kept = shutil.copytree(filed.home, tmp_path / "before")
    keys.rotate_log(filed, "once a year", TOOLS)
    for name in ("state.db", "secrets/log.seed", "log.pub"):
        shutil.copy2(kept / name, filed.home / name)
    for beside in filed.home.glob("state.db-*"):
        beside.unlink()
    assert any("service.checkpoint proves 2 log entries" in one for one in problems(filed, TOOLS.clock()))


def test_a_store_from_before_the_change_is_brought_up_by_an_export(filed: Settings, tmp_path: Path) -> None:
    """As a database that was recovered to an earlier time is, beside the present secrets."""
    noted(filed)
    kept = Path(shutil.copy2(filed.state_file, tmp_path / "before.db"))
    keys.rotate_log(filed, "once a year", TOOLS)
    after, export = noted(filed), tmp_path / "audit.jsonl"
    assert command("log", "export", export, "--home", filed.home).exit_code == 0
    for beside in filed.home.glob("state.db*"):
        beside.unlink()
    shutil.copy2(kept, filed.state_file)
    assert any("from before the log's key was replaced" in one for one in problems(filed, TOOLS.clock()))
    rebuilt = command("ledger", "rebuild", "--log", export, "--home", filed.home)
    assert rebuilt.exit_code == 0, rebuilt.stderr
    assert noted(filed).verify((filed.home / "log.pub").read_text())
    with State.open(filed.state) as state:
        assert verify_log(state, (filed.home / "log.pub").read_text(), [after.checkpoint]).ok


def test_those_who_write_meanwhile_lose_nothing(settings: Settings) -> None:
    """Threads of another process's log go on while the key is replaced three times; every receipt holds for ever."""
    old = (settings.home / "log.pub").read_text().strip()
    receipts: list[Receipt] = []
    wrong: list[BaseException] = []
    over = threading.Event()
    with State.open(settings.state) as state:
        log = open_books(settings, state, TOOLS.clock).log

        def go_on() -> None:
            try:
                while not over.wait(0.01):
                    receipts.append(log.attested(lambda tx: log.append(tx, {"kind": "note"})))
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=go_on) for _ in range(3)]
        for one in threads:
            one.start()
        for number in range(3):
            keys.rotate_log(settings, f"number {number}", TOOLS)
        over.set()
        for one in threads:
            one.join()
    assert not wrong
    public = (settings.home / "log.pub").read_text()
    for receipt in receipts:
        assert receipt.verify(old).entry["kind"] == receipt.verify(public).entry["kind"] == "note"
    assert len(LogKey.parse(public).successions) == 3
    with State.open(settings.state) as state:
        assert verify_log(state, old).ok

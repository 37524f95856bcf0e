"""A backup is whole and signed for; a restore gives nothing back; a store that moves is the same store."""

from __future__ import annotations

import secrets
import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import delete
from tests.support import postgres
from tests.support.databases import BOTH, SQLITE
from tests.support.postgres import Server
from typer.testing import CliRunner, Result

from louver_sandbox import consents, journal
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.consents import Consent, Consents
from louver_sandbox.operator.installation import TOOLS, create, write_registry
from louver_sandbox.operator.main import app
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.recount import anchor
from louver_sandbox.registered import Pin, parse_registry
from louver_sandbox.service.server import Server as Sandbox
from louver_sandbox.settings import Settings, load
from louver_sandbox.stages import InstitutionType, Subject
from louver_sandbox.store import State, StoreConflict, StoreUnavailable
from louver_sandbox.store.alone import only_service, own_folder
from louver_sandbox.store.copying import copy_store
from louver_sandbox.suspensions import Suspension, Suspensions, suspensions

BANK = Subject("bank_a", InstitutionType.BANK, frozenset(), "ff")
ON_POSTGRESQL = pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing())


def command(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with nothing in it."""
    home = tmp_path_factory.mktemp("made") / "home"
    create(home, "louver.example/log", "127.0.0.1", 0, TOOLS)
    return home


@pytest.fixture
def filed(made: Path, tmp_path: Path) -> Settings:
    """A copy of it, with its state in a file."""
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


def authorised(settings: Settings, state: State, uses: int = 0) -> str:
    held = Consents(state, utc_now, partial(journal.appended, open_books(settings, state, utc_now)))
    one = Consent("person", "P1", "CREDIT", ["gov.tax"], "2026-01-01", "2126-01-01", "0" * 64, False, True, uses)
    return held.record(BANK, one)[0]


def revoked(settings: Settings, state: State, identity: str) -> None:
    Consents(state, utc_now, partial(journal.appended, open_books(settings, state, utc_now))).revoke(identity, None)


def is_revoked(state: State, identity: str) -> bool:
    with state.reading() as tx:
        found = consents.find(tx, identity)
    assert found is not None
    return found.revoked_at is not None


def switch(settings: Settings, state: State) -> Suspensions:
    return Suspensions(state, utc_now, partial(journal.appended, open_books(settings, state, utc_now)))


def exported(settings: Settings, folder: Path) -> tuple[Path, Path]:
    """What a witness saw last, and an export that reaches it."""
    with State.open(settings.state) as state:
        witness = witnessed(settings, state, folder)
    export = folder / "audit.jsonl"
    done = command("log", "export", export, "--home", settings.home)
    assert done.exit_code == 0, done.stderr
    return witness, export


def restored(settings: Settings, folder: Path) -> tuple[Settings, str]:
    """An installation from `folder`'s backup, taken as far as its export goes; and what was said."""
    witness, export = exported(settings, folder)
    new, secrets_ = folder / "new", settings.home / "secrets"
    if settings.store.url:
        lose(settings.store.url)
    done = command(
        "restore", folder / "backup", "-H", new, "--witness", witness, "--log", export, "--secrets", secrets_
    )
    assert done.exit_code == 0, done.stderr
    return load(new), done.stdout


def witnessed(settings: Settings, state: State, folder: Path) -> Path:
    """What a witness saw last."""
    file = folder / "witness.checkpoint"
    file.write_bytes(open_books(settings, state, utc_now).log.head().to_bytes())
    return file


def lose(url: str) -> None:
    """The database is lost, and an empty one is in its place."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def test_a_restore_revives_no_authorisation_and_rewinds_no_log(settings: Settings, tmp_path: Path) -> None:
    home, backup, export = settings.home, tmp_path / "backup", tmp_path / "audit.jsonl"
    with State.open(settings.state) as state:
        kept, gone, once = (authorised(settings, state, uses) for uses in (0, 0, 1))
        done = command("backup", backup, "--home", home)
        assert done.exit_code == 0, done.stderr
        before = witnessed(settings, state, tmp_path).read_bytes()
        assert command("verify", backup).exit_code == 0
        revoked(settings, state, gone)
        witness = witnessed(settings, state, tmp_path)
    assert witness.read_bytes() != before
    assert command("log", "export", export, "--home", home).exit_code == 0
    late = command("verify", backup, "--witness", witness)
    assert late.exit_code == 1, "the witness saw more"
    new = tmp_path / "new"
    if settings.store.url:
        lose(settings.store.url)
    alone = command("restore", backup, "--home", new, "--witness", witness, "--secrets", home / "secrets")
    assert (alone.exit_code, new.exists()) == (1, False)
    assert "LVR-3105" in alone.stderr
    known = command(
        "restore", backup, "-H", new, "--witness", witness, "--log", export, "--secrets", home / "secrets"
    )
    assert known.exit_code == 0, known.stderr
    restored = load(new)
    with State.open(restored.state) as state:
        assert state.is_shared is bool(settings.store.url)
        assert [is_revoked(state, one) for one in (kept, gone, once)] == [False, True, True]
        assert verify_log(state, (new / "log.pub").read_text().strip()).ok
        books = open_books(restored, state, utc_now)
        assert anchor.problem(books, restored.anchors) is None
        last = books.log.latest(None, 1)[0].fields
        assert (last["kind"], last["revoked"]) == ("restored", 1)


def test_a_restore_lets_no_suspended_institution_be_served(settings: Settings, tmp_path: Path) -> None:
    """Nor does it suspend one that two people have let be served again since."""
    with State.open(settings.state) as state:
        act = switch(settings, state)
        act.suspend("bank_b", "key lost", "zhao")
        act.suspend("bank_c", "key lost", "zhao")
        assert command("backup", tmp_path / "backup", "--home", settings.home).exit_code == 0
        held = act.suspend("bank_a", "key found on a public server", "zhao")
        for by in ("qian", "sun"):
            act.resume("bank_b", "new key", by)
        act.resume("bank_c", "new key", "qian")
    fresh, said = restored(settings, tmp_path)
    assert "3 suspensions" in said
    with State.open(fresh.state) as state:
        found = switch(fresh, state).all()
    assert sorted(found) == ["bank_a", "bank_c"]
    assert (found["bank_a"].entry, found["bank_a"].by, found["bank_a"].reason) == (held.entry, "zhao", "restored")
    assert (found["bank_c"].reason, found["bank_c"].resume_by) == ("key lost", "qian")


def test_a_restore_revives_no_certificate_that_was_struck_out(filed: Settings, tmp_path: Path) -> None:
    home = filed.home
    for name in ("bank_a", "bank_b", "bank_c", "bank_d"):
        added = command("institution", "add", name, "--type", "bank", "--group", "banks", "--home", home)
        assert added.exit_code == 0, added.stderr
    assert command("backup", tmp_path / "backup", "--home", home).exit_code == 0
    before = parse_registry(filed.institutions.read_text())
    (lost,) = before["bank_a"].fingerprints
    assert command("institution", "unpin", "bank_a", lost, "--home", home).exit_code == 0
    sooner = replace(before["bank_c"].pins[0], not_after=datetime(2027, 1, 1, tzinfo=UTC))
    changed = {**before, "bank_c": replace(before["bank_c"], pins=(sooner,), groups=frozenset())}
    changed["bank_a"] = replace(before["bank_a"], pins=(Pin("ab" * 32),))
    del changed["bank_b"]
    write_registry(filed.institutions, list(changed.values()))
    assert command("institution", "show", "bank_a", "--home", home).exit_code == 0, "which logs what has changed"
    fresh, said = restored(filed, tmp_path)
    found = parse_registry(fresh.institutions.read_text())
    assert found == {
        "bank_a": replace(before["bank_a"], pins=()),
        "bank_c": changed["bank_c"],
        "bank_d": before["bank_d"],
    }
    assert all(f"{name}: the log has taken" in said for name in ("bank_a", "bank_b", "bank_c"))
    assert "bank_d:" not in said
    assert "institutions.toml: nothing new" in said
    assert "administrators.toml" in said


def test_a_table_that_has_lost_a_suspension_is_not_served_until_it_is_rebuilt(filed: Settings) -> None:
    with State.open(filed.state) as state:
        act = switch(filed, state)
        before: Suspension = act.suspend("bank_a", "key found on a public server", "zhao")
        with state.transaction() as tx:
            tx.execute(delete(suspensions))
        behind = anchor.problem(open_books(filed, state, utc_now), filed.anchors)
        assert behind is not None
        assert behind.code == "LVR-3105"
    assert command("ledger", "rebuild", "--home", filed.home).exit_code == 0
    with State.open(filed.state) as state:
        found = switch(filed, state).of("bank_a")
        assert found is not None
        assert (found.entry, found.reason) == (before.entry, before.reason), "the reason is still kept"
        assert anchor.problem(open_books(filed, state, utc_now), filed.anchors) is None


def test_a_backup_put_back_over_its_own_installation_is_known_for_one(filed: Settings, tmp_path: Path) -> None:
    """Though no head was kept since it was taken: what came after it is not known, and is not taken for nothing."""
    with State.open(filed.state) as state:
        authorised(filed, state)
    assert command("backup", tmp_path / "backup", "--home", filed.home).exit_code == 0
    for path in filed.home.glob("state.db*"):
        path.unlink()
    shutil.copy2(tmp_path / "backup" / "state.db", filed.state_file)
    with State.open(filed.state) as state:
        behind = anchor.problem(open_books(filed, state, utc_now), filed.anchors)
    assert behind is not None
    assert behind.code == "LVR-3105"


@pytest.mark.parametrize("file", ["state.db", "louver.toml", "backup.checkpoint", "more"])
def test_a_backup_that_somebody_changed_is_neither_verified_nor_restored(
    filed: Settings, tmp_path: Path, file: str
) -> None:
    backup, witness = tmp_path / "backup", tmp_path / "witness.checkpoint"
    with State.open(filed.state) as state:
        authorised(filed, state)
        witnessed(filed, state, tmp_path)
    assert command("backup", backup, "--with-secrets", "--home", filed.home).exit_code == 0
    with (backup / file).open("ab") as changed:
        changed.write(b"\n")
    for words in (("verify", backup), ("restore", backup, "--home", tmp_path / "new", "--witness", witness)):
        refused = command(*words)
        assert refused.exit_code == 1
        assert f"{file} is not as it was copied" in refused.stderr
    assert not (tmp_path / "new").exists()


def test_a_restore_needs_a_witness_and_a_new_folder(filed: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert command("backup", backup, "--with-secrets", "--home", filed.home).exit_code == 0
    assert "needs the newest checkpoint" in command("restore", backup, "--home", tmp_path / "new").stderr
    assert "exists already" in command("restore", backup, "--home", filed.home).stderr


def test_a_backup_is_one_moment_while_another_writes(settings: Settings, tmp_path: Path) -> None:
    begun, over = threading.Event(), threading.Event()

    def write() -> None:
        with State.open(settings.state, busy_timeout_s=60) as state:
            while not over.is_set():
                authorised(settings, state)
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(60)
        taken = command("backup", tmp_path / "backup", "--home", settings.home)
    finally:
        over.set()
        writer.join()
    assert taken.exit_code == 0, taken.stderr
    verified = command("verify", tmp_path / "backup")
    assert verified.exit_code == 0, verified.stderr


@ON_POSTGRESQL
def test_a_store_that_moves_is_the_same_and_its_file_is_served_no_more(
    filed: Settings, tmp_path: Path, postgres_server: Server
) -> None:
    with State.open(filed.state) as state:
        identity = authorised(filed, state)
        before = witnessed(filed, state, tmp_path).read_bytes()
    url = postgres_server.database(empty=True)
    moved = command("store", "move", "--to", url, "--home", filed.home)
    assert moved.exit_code == 0, moved.stderr
    settings = load(filed.home)
    assert not filed.state_file.exists()
    with State.open(settings.state) as state:
        assert state.is_shared
        assert witnessed(settings, state, tmp_path).read_bytes() == before
        assert not is_revoked(state, identity)
        authorised(settings, state)
        with State.open(tmp_path / "other.db") as other, pytest.raises(StoreConflict, match="holds something"):
            copy_store(other, state)
    again = command("store", "move", "--to", url, "--home", filed.home)
    assert again.exit_code == 1
    shown = command("store", "show", "--home", filed.home)
    assert "2 log entries" in shown.stdout


def test_two_services_on_one_file_are_refused(filed: Settings) -> None:
    with only_service(filed.state_file):
        with pytest.raises(StoreUnavailable, match="another service"):
            Sandbox(filed)
        with State.open(filed.state) as state:
            assert state.healthy, "an operator's command may look"
    with only_service(filed.state_file):
        pass


def test_what_a_process_that_is_gone_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    with own_folder(tmp_path / "run") as first:
        (first / "half").write_bytes(secrets.token_bytes(8))
        shutil.copytree(first, tmp_path / "run" / "left")
        (tmp_path / "run" / "loose").touch()
        with own_folder(tmp_path / "run") as second:
            assert {path.name for path in (tmp_path / "run").glob("[!.]*")} == {first.name, second.name}
            assert (first / "half").exists()
    assert list((tmp_path / "run").glob("[!.]*")) == []

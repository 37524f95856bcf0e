"""Private keys whose passphrase is in the operating system's keyring: nobody is asked, and nothing falls back to less."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from tests.support.sealed import small_key
from typer.testing import CliRunner

from louver.cli.app import app
from louver.failures import MissingExtra, Misused
from louver.sealing import keyrings
from louver.sealing.key_files import KeyRing

keyring = pytest.importorskip("keyring", reason="the extra louver[keyring] is not installed")
Backend: Any = pytest.importorskip("keyring.backend").KeyringBackend
errors = pytest.importorskip("keyring.errors")

KEY, NEXT = small_key(), small_key(2)
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
CHEAP = 2**4


class Session(Backend):  # type: ignore[misc]  # untyped where the extra is not installed
    """A keyring of the library's own kind over one file, which can be locked, as a desktop's is."""

    priority: float = 5

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.locked, self.full = path, False, False

    def _entries(self) -> dict[str, str]:
        if self.locked:
            raise errors.KeyringLocked("the session is locked")
        found: dict[str, str] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return found

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.full:
            raise errors.PasswordSetError("no more room for hunter2")
        self.path.write_text(json.dumps({**self._entries(), f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        del entries[f"{service}/{username}"]
        self.path.write_text(json.dumps(entries))


class Weak(Session):
    """One that the library does not recommend, such as a file in clear."""

    priority = 0.5


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session(tmp_path / "session.json")
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    assert keyring.get_keyring() is made, "it is the one that the library gives"
    assert isinstance(made, Session)
    return made


def never() -> str:
    raise AssertionError("nobody is asked for a passphrase")


def test_a_key_comes_back_without_anybody_being_asked(session: Session, tmp_path: Path) -> None:
    file = KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)
    assert file.in_keyring
    assert KeyRing(tmp_path / "keys", never).private(KEY.kid) == KEY
    ((name, passphrase),) = json.loads(session.path.read_text()).items()
    assert name == f"{keyrings.SERVICE}/{KEY.kid}"
    assert len(passphrase) >= 43, "256 bits"
    assert passphrase.encode() not in file.path.read_bytes()


def test_keys_of_both_kinds_live_in_one_folder(session: Session, tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys", lambda: "open sesame")
    ring.add(KEY, NOON, cost=CHEAP)
    ring.add(NEXT, NOON, cost=CHEAP, keyring=True)
    again = KeyRing(tmp_path / "keys", lambda: "open sesame")
    assert (again.private(KEY.kid), again.private(NEXT.kid)) == (KEY, NEXT)


def test_a_file_that_was_changed_to_ask_for_a_passphrase_opens_with_none(session: Session, tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys", lambda: "guessed")
    file = ring.add(KEY, NOON, cost=CHEAP, keyring=True)
    document = json.loads(file.path.read_bytes())
    del document["passphrase"]
    file.path.write_text(json.dumps(document))
    with pytest.raises(Misused, match="passphrase"):
        KeyRing(tmp_path / "keys", lambda: session.get_password(keyrings.SERVICE, KEY.kid) or "").private(KEY.kid)


def test_a_locked_keyring_says_so_and_not_what_it_says(session: Session, tmp_path: Path) -> None:
    KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)
    session.locked = True
    with pytest.raises(Misused, match="KeyringLocked"):
        KeyRing(tmp_path / "keys", never).private(KEY.kid)
    session.locked, session.full = False, True
    with pytest.raises(Misused, match="PasswordSetError") as caught:
        KeyRing(tmp_path / "keys", never).add(NEXT, NOON, cost=CHEAP, keyring=True)
    assert "hunter2" not in str(caught.value)
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_on_another_machine_the_key_stays_shut(session: Session, tmp_path: Path) -> None:
    KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)
    session.path.unlink()
    with pytest.raises(Misused, match="has no passphrase of key"):
        KeyRing(tmp_path / "keys", never).private(KEY.kid)


@pytest.mark.parametrize("module", ["keyring.backends.fail", "keyring.backends.null", "weak"])
def test_what_keeps_nothing_safe_is_no_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """The library's own stand-ins, and one that keeps secrets in clear: never used quietly."""
    made = Weak(tmp_path / "weak.json") if module == "weak" else pytest.importorskip(module).Keyring()
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    with pytest.raises(Misused, match="no keyring here"):
        KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)
    assert not (tmp_path / "keys").exists()
    assert not (tmp_path / "weak.json").exists()


def test_of_several_keyrings_the_safe_one_is_used(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = pytest.importorskip("keyring.backends.chainer").ChainerBackend()
    several = [Weak(tmp_path / "weak.json"), session]
    monkeypatch.setattr(type(chain), "backends", several)
    monkeypatch.setattr("keyring.core._keyring_backend", chain)
    KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)
    assert session.path.exists()
    assert not (tmp_path / "weak.json").exists()


def test_one_that_keeps_nothing_is_found_out(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "set_password", lambda *entry: None)
    with pytest.raises(Misused, match="does not keep"):
        KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)


def test_of_a_key_that_could_not_be_written_the_keyring_keeps_nothing(session: Session, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("no folder")
    with pytest.raises(Misused, match="cannot write"):
        KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)
    assert json.loads(session.path.read_text()) == {}


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtra, match="keyring"):
        KeyRing(tmp_path / "keys", never).add(KEY, NOON, cost=CHEAP, keyring=True)


def test_the_command_makes_shows_and_uses_such_a_key(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("louver.sealing.keys.generate_key", lambda bits: KEY)
    monkeypatch.setattr(KeyRing, "add", partialmethod(KeyRing.add, cost=CHEAP))
    home = {
        "LOUVER_KEYS": str(tmp_path / "keys"),
        "LOUVER_CONFIG": str(tmp_path / "config.toml"),
        "LOUVER_LANG": "en",
    }
    runner = CliRunner(env={**home, "TERMINAL_WIDTH": "200"})
    made = runner.invoke(app, ["keys", "new", "--keyring", "--no-register"])
    assert made.exit_code == 0, made.stderr
    assert "in the keyring" in runner.invoke(app, ["keys", "show"]).stdout
    target = tmp_path / "private.json"
    told = runner.invoke(app, ["keys", "export", "--private", "-o", str(target)])
    assert told.exit_code == 0, told.stderr
    assert json.loads(target.read_text())["pub"]
    again = runner.invoke(app, ["keys", "rotate", "--keyring", "--no-register"])
    assert again.exit_code == 2, "the same key is never written over"
    assert len(json.loads(session.path.read_text())) == 1
    assert KeyRing(tmp_path / "keys", never).private(KEY.kid) == KEY

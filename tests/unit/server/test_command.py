"""`louver-server`: a folder is made, accounts are made and changed in it, and mistakes are said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from louver_sandbox.pki import Authority
from louver_server.command import app

PROFILE = '[profiles.{name}]\ntarget = "h:1"\ncertificate = "{name}.pem"\nkey = "k"\nca = "a"\nlog_key = "l"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "console"
    assert run("init", str(home)).exit_code == 0
    authority, now = Authority.create(datetime.now(UTC)), datetime.now(UTC)
    (home / "bank-a.pem").write_bytes(authority.client("bank_a", now).certificate)
    (home / "office.pem").write_bytes(authority.auditor("office", now).certificate)
    profiles = "".join(PROFILE.format(name=name) for name in ("bank-a", "office"))
    (home / "profiles.toml").write_text(profiles, encoding="utf-8")
    return home


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_what_init_makes_is_read_by_the_other_commands(home: Path) -> None:
    assert home.stat().st_mode & 0o077 == 0
    first = run("accounts", "add", "zhao.lei", "administrator", "--home", str(home))
    assert first.exit_code == 0, first.output
    password = first.stdout.strip()
    assert len(password) == 16
    second = run("accounts", "add", "wang.fang", "analyst", "--profile", "bank-a", "--home", str(home))
    assert second.exit_code == 0, second.output
    listed = [line.split("\t") for line in run("accounts", "list", "--home", str(home)).stdout.splitlines()]
    assert listed == [["wang.fang", "analyst", "bank-a", "invited"], ["zhao.lei", "administrator", "-", "invited"]]
    assert run("accounts", "lock", "wang.fang", "--home", str(home)).exit_code == 0
    assert "locked" in run("accounts", "list", "--home", str(home)).stdout
    assert run("accounts", "unlock", "wang.fang", "--home", str(home)).exit_code == 0
    again = run("accounts", "reset", "wang.fang", "--home", str(home)).stdout.strip()
    assert again
    assert again != second.stdout.strip()


def test_an_administrators_profile_is_given_once(home: Path) -> None:
    authority, now = Authority.create(datetime.now(UTC)), datetime.now(UTC)
    (home / "zhao.pem").write_bytes(authority.administrator("zhao", now).certificate)
    with (home / "profiles.toml").open("a", encoding="utf-8") as profiles:
        profiles.write(PROFILE.format(name="zhao"))
    add = ("--profile", "zhao", "--home", str(home))
    assert run("accounts", "add", "zhao.lei", "administrator", *add).exit_code == 0
    second = run("accounts", "add", "helper", "administrator", *add)
    assert second.exit_code == 2
    assert "one person's" in second.output
    assert "helper" not in run("accounts", "list", "--home", str(home)).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("accounts", "add", "A B", "analyst", "--profile", "bank-a"), "name"),
        (("accounts", "add", "li.na", "analyst"), "profile"),
        (("accounts", "add", "li.na", "administrator", "--profile", "bank-a"), "profile"),
        (("accounts", "add", "li.na", "analyst", "--profile", "bank-z"), "bank-a"),
        (("accounts", "add", "li.na", "auditor", "--profile", "bank-a"), "profile"),
        (("accounts", "add", "li.na", "analyst", "--profile", "office"), "profile"),
        (("accounts", "lock", "nobody.there"), "no account"),
        (("accounts", "reset", "nobody.there"), "no account"),
    ],
)
def test_mistakes_are_said_and_change_nothing(home: Path, words: tuple[str, ...], said: str) -> None:
    done = run(*words, "--home", str(home))
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert run("accounts", "list", "--home", str(home)).stdout == ""


def test_a_folder_with_something_in_it_is_left_alone(home: Path, tmp_path: Path) -> None:
    done = run("init", str(home))
    assert done.exit_code == 2
    assert "not empty" in done.output
    missing = run("serve", "--home", str(tmp_path / "nowhere"))
    assert missing.exit_code == 2
    assert "louver-server init" in missing.output


def test_a_code_can_be_told_without_a_telephone() -> None:
    done = run("code", "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")
    assert done.exit_code == 0
    assert len(done.stdout.strip()) == 6
    assert done.stdout.strip().isdigit()
    assert run("code", "not a secret 1").exit_code == 2

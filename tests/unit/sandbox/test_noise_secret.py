"""The secret by which noise is drawn: who may read it, who starts without it, and how it is replaced."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.noisy_city import ask_for_noise
from tests.unit.sandbox.test_operator_cli import problem, run

from louver_sandbox.demo.city import City
from louver_sandbox.operator.health import problems
from louver_sandbox.premises import NOISE_FILE, load_judgement, noise_secret, open_books, utc_now
from louver_sandbox.publishing.record_keys import KeyRefused
from louver_sandbox.settings import load
from louver_sandbox.store import State
from louver_sandbox.wiring import Platform


def secret_of(home: Path) -> Path:
    return home / "secrets" / NOISE_FILE


def test_init_makes_a_secret_that_only_its_owner_reads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init", home=home).exit_code == 0
    assert secret_of(home).stat().st_mode & 0o777 == 0o600
    assert len(secret_of(home).read_bytes()) == 32


def test_a_rotation_is_an_entry_with_its_reason_and_no_secret(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("init", home=home)
    before = secret_of(home).read_bytes()
    said = run("noise", "rotate", "--reason", "a lost disk", home=home)
    assert said.exit_code == 0, said.output
    after = secret_of(home).read_bytes()
    assert before != after
    assert secret_of(home).stat().st_mode & 0o777 == 0o600
    settings = load(home)
    with State.open(settings.state) as state:
        (entry,) = open_books(settings, state, utc_now).log.latest(
            None, 1, institution=None, kinds=("noise-rotation",)
        )
    fields = dict(entry.fields)
    assert fields["reason"] == "a lost disk"
    assert fields["former"] != fields["secret"]
    assert before.hex() not in repr(fields)
    assert after.hex() not in repr(fields)
    assert [file.name for file in secret_of(home).parent.iterdir() if file.name.startswith(".noise")] == []


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines"])
def test_nothing_is_replaced_without_a_reason(tmp_path: Path, reason: str) -> None:
    home = tmp_path / "home"
    run("init", home=home)
    before = secret_of(home).read_bytes()
    assert "--reason" in problem("noise", "rotate", "--reason", reason, home=home)
    assert secret_of(home).read_bytes() == before


def test_when_the_log_cannot_take_it_the_secret_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    run("init", home=home)
    before = secret_of(home).read_bytes()
    (home / "secrets" / "log.seed").unlink()
    assert problem("noise", "rotate", "--reason", "a lost disk", home=home)
    assert secret_of(home).read_bytes() == before


def test_an_older_installation_gets_a_secret_by_the_same_command(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("init", home=home)
    secret_of(home).unlink()
    assert run("noise", "rotate", "--reason", "policies ask for noise now", home=home).exit_code == 0
    assert len(secret_of(home).read_bytes()) == 32


def test_who_asks_for_noise_does_not_serve_without_a_secret(own_city: City) -> None:
    ask_for_noise(own_city)
    settings = own_city.settings
    assert list(problems(settings, utc_now())) == []
    secret_of(settings.home).unlink()
    bundle = load_judgement(settings, utc_now()).bundle
    assert noise_secret(settings, replace(bundle, policies=())) is None, "nobody asks for noise"
    assert any("noise rotate" in text for text in problems(settings, utc_now()))
    with pytest.raises(KeyRefused, match="noise secret"):
        Platform(settings, utc_now, lambda error: "")


@pytest.mark.parametrize("spoil", ["mode", "size", "link"])
def test_a_secret_that_is_not_private_is_not_used(own_city: City, tmp_path: Path, spoil: str) -> None:
    ask_for_noise(own_city)
    settings, path = own_city.settings, secret_of(own_city.settings.home)
    match spoil:
        case "mode":
            path.chmod(0o640)
        case "size":
            path.write_bytes(bytes(31))
        case _:
            path.rename(tmp_path / "elsewhere")
            os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(KeyRefused, match="noise secret"):
        noise_secret(settings, load_judgement(settings, utc_now()).bundle)
    assert any("noise" in text for text in problems(settings, utc_now()))

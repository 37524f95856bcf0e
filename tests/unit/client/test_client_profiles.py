"""Settings come from arguments, then environment, then a profile; what cannot be right is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from louver.failures import Misused
from louver.profiles import Profile, config_path, parse_config, resolve

CONFIG = """
default = "a"

[profiles.a]
target = "sandbox.example:8443"
certificate = "a.pem"
key = "keys/a.key"
ca = "ca.pem"
log_key = "log.pub"
purpose = "credit_approval"
timeout = 9

[profiles.b]
target = "other.example:1"
certificate = "b.pem"
key = "b.key"
ca = "ca.pem"
"""
KEY = "louver.example/log+1f2e3d4c+AQID"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / ".config" / "louver"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "log.pub").write_text(KEY + "\n")
    return tmp_path


def test_the_default_profile_is_used_and_paths_are_relative_to_the_file(home: Path) -> None:
    folder = home / ".config" / "louver"
    assert resolve({}, {}, home) == Profile(
        target="sandbox.example:8443",
        certificate=folder / "a.pem",
        key=folder / "keys" / "a.key",
        ca=folder / "ca.pem",
        log_key=KEY,
        purpose="credit_approval",
        timeout=9.0,
        name="a",
        keys=folder / "keys",
    )


def test_arguments_beat_the_environment_which_beats_the_profile(home: Path) -> None:
    environment = {"LOUVER_TARGET": "env.example:2", "LOUVER_PURPOSE": "research", "LOUVER_LOG_KEY": KEY}
    environment["LOUVER_DIALECT"] = "mysql"
    profile = resolve({"target": "argument.example:3"}, environment, home)
    assert (profile.target, profile.purpose, profile.timeout) == ("argument.example:3", "research", 9.0)
    assert profile.dialect == "mysql"


def test_a_profile_is_chosen_by_argument_or_environment(home: Path) -> None:
    assert resolve({}, {}, home, "b").target == "other.example:1"
    assert resolve({}, {"LOUVER_PROFILE": "b"}, home).target == "other.example:1"
    with pytest.raises(Misused) as caught:
        resolve({}, {}, home, "c")
    assert caught.value.hint == "profiles: a, b"


def test_without_a_file_everything_may_come_from_the_environment(tmp_path: Path) -> None:
    environment = {
        "LOUVER_TARGET": "[::1]:8443",
        "LOUVER_CERTIFICATE": "c.pem",
        "LOUVER_KEY": "c.key",
        "LOUVER_CA": "ca.pem",
        "LOUVER_TIMEOUT": "2.5",
    }
    profile = resolve({}, environment, tmp_path)
    assert (profile.target, profile.timeout, profile.log_key) == ("[::1]:8443", 2.5, "")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="target, certificate, key, ca"):
        resolve({}, {}, tmp_path)


@pytest.mark.parametrize("target", ["https://sandbox.example:1", "sandbox.example", "a b:1", "x:123456"])
def test_a_target_is_host_and_port(home: Path, target: str) -> None:
    with pytest.raises(Misused, match="HOST:PORT"):
        resolve({"target": target}, {}, home)


@pytest.mark.parametrize("timeout", ["soon", "0", "-1", "nan", "inf", "90000"])
def test_a_timeout_is_a_sensible_number_of_seconds(home: Path, timeout: str) -> None:
    with pytest.raises(Misused, match="timeout"):
        resolve({}, {"LOUVER_TIMEOUT": timeout}, home)


@pytest.mark.parametrize(
    "text",
    [
        "default = [",
        "verify = false",
        "[profiles]\na = 1",
        '[profiles.a]\ntargett = "x:1"',
        "[profiles.a]\ntarget = 1",
    ],
)
def test_a_file_with_something_else_in_it_is_refused(text: str) -> None:
    with pytest.raises(Misused):
        parse_config(text, Path())


def test_a_log_key_that_is_neither_key_nor_file(home: Path) -> None:
    with pytest.raises(Misused, match="log_key"):
        resolve({"log_key": "nowhere.pub"}, {}, home)


def test_where_the_file_is_looked_for(tmp_path: Path) -> None:
    assert config_path({"LOUVER_CONFIG": "/x/y.toml"}, tmp_path) == Path("/x/y.toml")
    assert config_path({"XDG_CONFIG_HOME": "/xdg"}, tmp_path) == Path("/xdg/louver/config.toml")
    assert config_path({}, tmp_path) == tmp_path / ".config/louver/config.toml"


def test_the_key_ring_is_where_the_profile_or_the_environment_says(home: Path) -> None:
    file = home / ".config" / "louver" / "config.toml"
    file.write_text(CONFIG.replace("[profiles.a]", '[profiles.a]\nkeys = "ring"'))
    assert resolve({}, {}, home).keys == file.parent / "ring"
    assert resolve({}, {"LOUVER_KEYS": "/elsewhere"}, home).keys == Path("/elsewhere")
    assert resolve({"keys": "/argument"}, {"LOUVER_KEYS": "/elsewhere"}, home).keys == Path("/argument")

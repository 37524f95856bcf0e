"""The settings: a default for everything, every problem at once and by name, and a page that tells the truth."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver_sandbox.settings import Limits, Listen, Settings, SettingsRefused, load, pairs

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def loaded(folder: Path, text: str) -> Settings:
    """The settings of a folder with this file."""
    (folder / "louver.toml").write_text(text, encoding="utf-8")
    return load(folder)


def problems(folder: Path, text: str) -> tuple[str, ...]:
    """Why this file cannot be used."""
    with pytest.raises(SettingsRefused) as caught:
        loaded(folder, text)
    return caught.value.problems


def test_an_empty_file_is_a_whole_configuration(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "")
    assert (settings.listen, settings.limits, settings.development) == (Listen(), Limits(), False)
    assert settings.home == tmp_path.resolve()


def test_what_is_set_is_in_force_and_the_rest_stays(tmp_path: Path) -> None:
    settings = loaded(tmp_path, 'origin = "x"\n[listen]\nport = 0\n[limits]\nworkers = 7\n')
    assert (settings.origin, settings.listen.port, settings.limits.workers) == ("x", 0, 7)
    assert settings.listen.host == Listen().host
    assert settings.limits.queue == Limits().queue


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("workerz = 3", "workerz: no such setting"),
        ("[limits]\nworkerz = 3", "limits.workerz: no such setting"),
        ('home = "x"', "home: no such setting"),
        ('[limits]\nworkers = "3"', "limits.workers: int is expected"),
        ("[limits]\nworkers = true", "limits.workers: int is expected"),
        ("[limits]\nworkers = 2.5", "limits.workers: int is expected"),
        ("[limits]\nworkers = 0", "limits.workers: at least 1"),
        ("[limits]\nquery_seconds = -1", "limits.query_seconds: at least 1"),
        ("[listen]\nport = 65536", "listen.port: 0 to 65535"),
        ("[listen]\nport = -1", "listen.port: 0 to 65535"),
        ("listen = 3", "listen: a table is expected"),
        ("development = 1", "development: bool is expected"),
        ('[isolation]\nleast = "limits"', "isolation.least: one of default, hardened"),
    ],
)
def test_a_problem_names_its_key(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == (problem,)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "a = 1\nb = 2\n[limits]\nc = 3\n")) == 3


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="louver-sandbox init"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"not = = toml", b"\xff\xfe"])
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "louver.toml").write_bytes(content)
    with pytest.raises(SettingsRefused, match="not TOML"):
        load(tmp_path)


@given(st.dictionaries(st.sampled_from([item.name for item in fields(Limits)]), st.integers(1, 10**9), max_size=20))
def test_every_limit_can_be_set(tmp_path_factory: pytest.TempPathFactory, limits: dict[str, int]) -> None:
    text = "[limits]\n" + "".join(f"{name} = {value}\n" for name, value in limits.items())
    settings = loaded(tmp_path_factory.mktemp("settings"), text)
    assert {name: getattr(settings.limits, name) for name in limits} == limits


def test_what_is_shown_can_be_loaded_again(tmp_path: Path) -> None:
    settings = loaded(tmp_path, 'origin = "x"\ndevelopment = true\n[limits]\nworkers = 7\n')
    text = "".join(f"{name} = {value}\n" for name, value in pairs(settings))
    assert loaded(tmp_path, text) == settings


def test_every_path_is_below_the_home(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "")
    properties = [name for name, item in vars(Settings).items() if isinstance(item, property)]
    assert properties
    for name in properties:
        assert getattr(settings, name).is_relative_to(settings.home), name


def test_the_reference_lists_every_setting_with_its_default(tmp_path: Path) -> None:
    rows = dict(
        re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert rows == dict(pairs(loaded(tmp_path, "")))

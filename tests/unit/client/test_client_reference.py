"""The reference pages name everything a bank can use."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import louver
from louver.aio import AsyncClient
from louver.cli.app import app
from louver.client import Client
from louver.profiles import Profile
from louver.results import Answer
from louver.warnings import AsyncWarnings, Warnings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def public(kind: type) -> set[str]:
    """Public methods and properties of a class and of what it inherits from."""
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_public_name_is_described() -> None:
    page = (REFERENCE / "client.md").read_text(encoding="utf-8")
    names = {*louver.__all__, *public(Client), *public(Answer), *Profile.__dataclass_fields__} - {"name"}
    missing = sorted(name for name in names if f"`{name}" not in page and f".{name}" not in page)
    assert not missing, f"docs/reference/client.md does not name {missing}"


def test_every_command_has_its_heading() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    commands = [
        (command.name or command.callback.__name__) for command in app.registered_commands if command.callback
    ]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        commands += [
            f"{group.name} {command.name or command.callback.__name__}"
            for command in group.typer_instance.registered_commands
            if command.callback
        ]
    missing = [command for command in commands if f"## `louver {command}" not in page]
    assert not missing, f"docs/reference/cli.md has no heading for {missing}"


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Warnings, AsyncWarnings)])
def test_both_clients_offer_the_same_calls(one: type, other: type) -> None:
    """Those that they inherit and those of their parts as well."""
    assert public(one) == public(other)
    for name in public(one):
        given = getattr(one, name)
        assert isinstance(given, property) is isinstance(getattr(other, name), property), name
        if not callable(given):
            continue
        blocking, asynchronous = (inspect.signature(getattr(kind, name)) for kind in (one, other))
        assert list(blocking.parameters) == list(asynchronous.parameters), name
        assert [part.default for part in blocking.parameters.values()] == [
            part.default for part in asynchronous.parameters.values()
        ], name


def test_no_part_of_the_clients_is_left_out_of_the_comparison() -> None:
    """A property that gives a class of ours with calls of its own is compared as well."""
    parts = {name for name in public(Client) if isinstance(getattr(Client, name), property)}
    assert parts == {"warnings"}
    assert inspect.signature(louver.connect).parameters == inspect.signature(louver.aio.connect).parameters


@pytest.mark.parametrize("name", louver.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(louver, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        louver.nothing  # noqa: B018 - reading is what must fail

"""The module of typed functions that `louver templates --python` writes, and what a shell completes to."""

from __future__ import annotations

import ast
from datetime import date
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sandbox_simulator import Simulation
from typer.testing import CliRunner

import louver
from louver.cli.app import app
from louver.subjects import Template, TemplateField, TemplateParameter
from louver.typed_templates import module

FIELDS = (TemplateField("grade", "等级", "whole"),)
SINCE = TemplateParameter("since", "date", "since when", least="2020-01-01")
KIND = TemplateParameter("kind", "choice", "which", choices=("电", "水"))
REPORT = Template("firm-report@1", "企业 report", "enterprise", ("LOAN_ORIGINATION",), (SINCE, KIND), FIELDS, 1, "局")


class Bank:
    """Keeps what it is asked."""

    def lookup(self, *given: object, **named: object) -> tuple[object, ...]:
        return given, named


def made(*templates: Template) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(module(templates), "templates", "exec"), names)
    return names


def test_a_function_takes_what_its_template_takes_and_asks_for_it() -> None:
    names = made(REPORT)
    asks = names["firm_report_1"]
    hints = get_type_hints(asks)
    assert hints["since"] is date
    assert get_args(hints["kind"]) == ("电", "水")
    assert get_args(hints["purpose"]) == ("LOAN_ORIGINATION",)
    assert hints["return"] is louver.Answer
    assert "grade 等级" in asks.__doc__
    given, named = asks(Bank(), "X", since=date(2026, 1, 1), kind="电", authorisation="a")
    assert given == ("firm-report@1", "X")
    assert named["parameters"] == {"since": date(2026, 1, 1), "kind": "电"}
    assert (named["purpose"], named["authorisation"]) == ("LOAN_ORIGINATION", "a")


@given(
    st.text(max_size=40), st.text(min_size=1, max_size=20), st.sampled_from(["from", "bank", "purpose", "class", "n"])
)
def test_no_word_of_a_template_becomes_code(title: str, choice: str, name: str) -> None:
    part = TemplateParameter(name, "choice", title, choices=(choice,))
    text = module(
        [Template("t@1", title, "person", (choice,), (part,), (TemplateField("f", title, "whole"),), 1, title)]
    )
    tree = ast.parse(text)
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert len(function.body) == 2, "what it is, and one call"
    assert ast.get_docstring(function, clean=False) is not None
    assert {node.func.attr for node in ast.walk(function) if isinstance(node, ast.Call)} == {"lookup"}  # type: ignore[attr-defined]


def completed(sandbox: Simulation, words: str) -> str:
    """What a shell is given to complete the last word."""
    environment = {
        **sandbox.environment(),
        "_LOUVER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    return CliRunner(env=environment).invoke(app, [], prog_name="louver").stdout


def test_commands_are_completed(sandbox: Simulation) -> None:
    assert {"lookup", "logout"} & set(completed(sandbox, "louver loo").split())


def test_templates_and_their_parameters_are_completed(sandbox: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(louver.Client, "templates", lambda self: [REPORT])
    assert completed(sandbox, "louver lookup fi").split() == ["firm-report@1"]
    assert completed(sandbox, "louver lookup other").split() == []
    assert set(completed(sandbox, "louver lookup firm-report@1 X --param kind").split()) == {"kind=电", "kind=水"}


def test_where_the_service_cannot_be_asked_nothing_is_completed(
    sandbox: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(client: object) -> list[Template]:
        raise louver.Unreachable("gone")

    monkeypatch.setattr(louver.Client, "templates", unreachable)
    assert completed(sandbox, "louver lookup fi").split() == []

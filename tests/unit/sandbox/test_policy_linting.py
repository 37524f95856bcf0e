"""Findings have a code, a severity, a place and two languages, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from tests.support.policy_questions import DEMO_CATALOG, LIBRARY, ROOT, TODAY, city_catalog
from typer.testing import CliRunner

from louver_sandbox.operator.main import app
from louver_sandbox.policy.documents import PolicyProblem
from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.linting.formats import Format, Language, formatted
from louver_sandbox.policy.load import load_library
from louver_sandbox.policy.severity import Severity

GRADES = "queries_per_day: 5000, predicates_per_day: 500}"


def findings(
    folder: Path, *edits: tuple[str, str], today: date = TODAY, known: Collection[str] | None = None
) -> dict[str, PolicyProblem]:
    """The findings on the taxation and platform documents after these edits, by code."""
    for name in ("taxation", "platform"):
        text = (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8")
        for old, new in edits:
            text = text.replace(old, new, 1)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return {item.code: item for item in lint(load_library([folder]), city_catalog(), today, known)}


@pytest.mark.parametrize(
    ("edit", "code", "severity"),
    [
        (("table: gov.tax_credit", "table: gov.tax_kredit"), "unknown-table", Severity.ERROR),
        (("rating_year: [group_key", "rated: [group_key"), "unknown-column", Severity.ERROR),
        (("owner: 市税务局", "owner: 市公安局"), "not-the-owner", Severity.ERROR),
        (("row_filter: grade = 'A'", "row_filter: x = 1"), "not-a-predicate", Severity.ERROR),
        (("zero_declared: [", "zero_declared: [output, "), "wider-than-level", Severity.ERROR),
        (("until: 2030-12-31}", "until: 2026-02-01}"), "expired-grant", Severity.WARNING),
        (("until: 2030-12-31}", "until: 2031-12-31}"), "outlives-bundle", Severity.NOTE),
        (("expires: 2030-12-31", "expires: 2026-02-01"), "expired-bundle", Severity.ERROR),
        (("to: {groups: [banks]}", "to: {institutions: [bank_x]}"), "unknown-institution", Severity.WARNING),
        (("banks: {title: ", "banks: {members: [bank_y], title: "), "unknown-institution", Severity.WARNING),
        (("a: 1", "a: 1"), "budget-without-window", Severity.NOTE),
    ],
)
def test_each_finding_has_a_code_a_severity_and_two_languages(
    tmp_path: Path, edit: tuple[str, str], code: str, severity: Severity
) -> None:
    found = findings(tmp_path, edit, known={"bank_a"})[code]
    assert found.severity is severity
    assert found.line > 0
    assert any("\u4e00" <= letter <= "\u9fff" for letter in found.message_zh)
    assert found.hint
    assert found.hint_zh


def test_nobody_is_unknown_where_no_registry_is_read(tmp_path: Path) -> None:
    assert "unknown-institution" not in findings(tmp_path, ("groups: [banks]", "institutions: [bank_x]"))


LONGER = (GRADES, "queries_per_day: 5000, queries_per_year: 9, predicates_per_day: 500}")
CAPPED = ("noise: none}", "noise: none, unit_sets: {}}")
CAPPED_WITH_NOISE = ("sums: {share: 2}}}", "sums: {share: 2}}, unit_sets: {}}")


@pytest.mark.parametrize("edits", [(LONGER, LONGER), (CAPPED, CAPPED_WITH_NOISE)])
def test_a_longer_window_or_a_cap_ends_the_note(tmp_path: Path, edits: tuple[tuple[str, str], ...]) -> None:
    assert "budget-without-window" in findings(tmp_path)
    assert "budget-without-window" not in findings(tmp_path, *edits)


PROBLEM = PolicyProblem("a,b.yaml", 3, 7, "x: 5 %\nno", "不行", "do", "改", "shadowed-grant", Severity.WARNING)


def test_the_forms_of_a_finding() -> None:
    assert formatted([PROBLEM], Format.TEXT, Language.ENGLISH).startswith("a,b.yaml:3:7: warning[shadowed-grant]: x:")
    assert formatted([PROBLEM], Format.TEXT, Language.CHINESE) == "a,b.yaml:3:7: warning[shadowed-grant]: 不行（改）"
    assert formatted([PROBLEM], Format.GITHUB, Language.ENGLISH) == (
        "::warning file=a%2Cb.yaml,title=shadowed-grant,line=3,col=7::x: 5 %25%0Ano: do"
    )
    (row,) = json.loads(formatted([PROBLEM], Format.JSON, Language.ENGLISH))
    assert (row["message_zh"], row["hint_zh"], row["severity"], row["line"]) == ("不行", "改", "warning", 3)


def lint_command(folder: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        app, ["policy", "lint", "--policies", str(folder), "--catalog", str(DEMO_CATALOG), *words]
    )
    return result.exit_code, result.stdout


def test_notes_alone_fail_a_strict_run_only(tmp_path: Path) -> None:
    findings(tmp_path)
    assert lint_command(tmp_path)[0] == 0
    assert lint_command(tmp_path, "--strict")[0] == 1


def test_a_document_that_cannot_be_loaded_is_a_finding_in_every_format(tmp_path: Path) -> None:
    findings(tmp_path)
    text = (tmp_path / "taxation.yaml").read_text(encoding="utf-8")
    (tmp_path / "taxation.yaml").write_text(text.replace("[POST_LOAN,", "[FISHING,", 1), encoding="utf-8")
    code, printed = lint_command(tmp_path, "--format", "json")
    assert code == 1
    (row,) = json.loads(printed)
    assert (row["code"], row["source"]) == ("unknown-purpose", str(tmp_path / "taxation.yaml"))
    assert lint_command(tmp_path, "--format", "github")[1].startswith(f"::error file={tmp_path}/taxation.yaml")
    assert "未知的目的代码 FISHING" in lint_command(tmp_path, "--lang", "zh")[1]


def commands(command: Any, words: list[str]) -> Any:
    for word in words:
        command = command.commands[word]
    return command


def test_the_pre_commit_hooks_run_commands_that_exist() -> None:
    hooks = YAML(typ="safe", pure=True).load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [hook["id"] for hook in hooks] == ["louver-policy-lint", "louver-policy-test"]
    for hook in hooks:
        program, *words = hook["entry"].split()
        assert program == "louver-sandbox"
        options = {name for param in commands(typer.main.get_command(app), words).params for name in param.opts}
        assert {"--policies", "--catalog"} <= options
        assert hook["pass_filenames"] is False

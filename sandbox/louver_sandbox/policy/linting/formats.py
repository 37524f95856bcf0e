"""Findings for people, for programs, and as annotations of a GitHub workflow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum

from louver_sandbox.policy.documents import PolicyProblem
from louver_sandbox.policy.severity import Severity


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class Language(StrEnum):
    """In which language."""

    ENGLISH = "en"
    CHINESE = "zh"


_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def formatted(problems: Sequence[PolicyProblem], how: Format, language: Language) -> str:
    """All findings as one text; JSON holds both languages whatever the language."""
    match how:
        case Format.JSON:
            return json.dumps([asdict(problem) for problem in problems], ensure_ascii=False, indent=2)
        case Format.GITHUB:
            return "\n".join(_annotation(problem, language) for problem in problems)
        case Format.TEXT:
            return "\n".join(_line(problem, language) for problem in problems)


def said(problem: PolicyProblem, language: Language) -> tuple[str, str]:
    """Message and hint; where there is no Chinese hint, the English one."""
    if language is Language.CHINESE:
        return problem.message_zh, problem.hint_zh or problem.hint
    return problem.message, problem.hint


def _line(problem: PolicyProblem, language: Language) -> str:
    message, hint = said(problem, language)
    place = f"{problem.source}:{problem.line}:{problem.column}" if problem.line else problem.source
    after = "" if not hint else f"（{hint}）" if language is Language.CHINESE else f" ({hint})"
    return f"{place}: {problem.severity.value}[{problem.code}]: {message}{after}"


def _annotation(problem: PolicyProblem, language: Language) -> str:
    """A workflow command; what would end a property or the line is percent-encoded."""
    message, hint = said(problem, language)
    where = {"file": problem.source, "title": problem.code}
    if problem.line:
        where |= {"line": str(problem.line), "col": str(problem.column)}
    properties = ",".join(f"{name}={_property(value)}" for name, value in where.items())
    return f"::{_GITHUB[problem.severity]} {properties}::{_data(f'{message}: {hint}' if hint else message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

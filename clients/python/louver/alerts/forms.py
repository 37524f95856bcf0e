"""The fields of rules: one table, from which the check and the published JSON Schema are both made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SEVERITIES: Final = ("informational", "low", "medium", "high", "critical")
FILTERS: Final = ("kind", "institution", "purpose", "dataset", "verdict", "code", "treatment", "finding")
"""What an entry may be asked for. `finding` is a pattern that the platform's history has found in the question."""
PER: Final = ("institution", "purpose", "dataset", "code")
"""What may be counted apart."""


@dataclass(frozen=True, slots=True)
class Form:
    """A field's form: text, name, whole, decimal or duration; ``doc`` says what it means."""

    kind: str
    doc: str
    needed: bool = False
    default: str | None = None
    least: int = 0
    most: int = 10**9
    choices: tuple[str, ...] = ()

    def said(self) -> tuple[str, str]:
        """The form in words, English and Chinese."""
        if self.choices:
            return f"one of {', '.join(self.choices)}", f" {'、'.join(self.choices)} 之一"
        return {
            "text": ("a text of at most 200 characters", "不超过 200 字的文本"),
            "name": ("a name of lower-case letters, digits and _", "小写字母、数字与下划线组成的名称"),
            "whole": (f"a whole number from {self.least} to {self.most}", f" {self.least} 至 {self.most} 的整数"),
            "decimal": ("a decimal number", "十进制数"),
            "duration": ("a duration such as 90s, 10m, 2h or 30d", "时长，例如 90s、10m、2h、30d"),
        }[self.kind]

    def schema(self) -> dict[str, Any]:
        """As JSON Schema, for values as YAML editors read them."""
        if self.choices:
            return {"enum": list(self.choices), "description": self.doc}
        known: dict[str, dict[str, Any]] = {
            "text": {"type": "string", "minLength": 1, "maxLength": 200},
            "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"},
            "whole": {"type": "integer", "minimum": self.least, "maximum": self.most},
            "decimal": {"type": ["number", "string"]},
            "duration": {"type": "string", "pattern": "^[1-9][0-9]{0,4}[smhd]$"},
        }
        return known[self.kind] | {"description": self.doc}


GENERAL: Final[Mapping[str, Form]] = {
    "id": Form("name", "what alerts call the rule", needed=True),
    "title": Form("text", "what it looks for, in English", needed=True),
    "title_zh": Form("text", "the same in Chinese", needed=True),
    "severity": Form("text", "how grave it is", needed=True, choices=SEVERITIES),
    "quiet": Form("duration", "for how long the same is not said again; by default as long as `within`"),
}
_WITHIN = Form("duration", "what counts together", needed=True)
_AT_LEAST = Form("whole", "how many make an alert", needed=True, least=1, most=100_000)

PATTERNS: Final[Mapping[str, Mapping[str, Form]]] = {
    "burst": {"at_least": _AT_LEAST, "within": _WITHIN},
    "near_duplicates": {
        "at_least": Form("whole", "how many neighbouring statements make an alert", needed=True, least=2, most=100),
        "within": _WITHIN,
        "apart": Form(
            "whole", "words by which two statements may differ beside literals", default="4", least=0, most=50
        ),
    },
    "budget_burn": {
        "within": _WITHIN,
        "share": Form("whole", "percent of a day's grant", least=1, most=100),
        "units": Form("whole", "units of access budget", least=1),
        "rho": Form("decimal", "privacy loss in rho"),
    },
    "new_purpose": {"within": Form("duration", "for how long purposes are remembered", default="365d")},
    "edge": {
        "at_least": _AT_LEAST,
        "within": _WITHIN,
        "share": Form(
            "whole", "percent of an answer's rows that are withheld, at least", default="1", least=1, most=100
        ),
    },
}
"""The fields of each pattern beside the general ones."""

FORMS: Final[Mapping[str, Mapping[str, Form]]] = {name: {**GENERAL, **fields} for name, fields in PATTERNS.items()}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file of rules."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Louver alert rules",
        "type": "object",
        "additionalProperties": False,
        "required": ["version", "rules"],
        "properties": {
            "version": {"const": 1},
            "rules": {"type": "array", "minItems": 1, "items": {"oneOf": [_rule(name) for name in PATTERNS]}},
        },
    }


def _rule(pattern: str) -> dict[str, Any]:
    fields = FORMS[pattern]
    several = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    case = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "entries", "alerts"],
        "properties": {
            "name": {"type": "string"},
            "entries": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "alerts": {"type": "integer", "minimum": 0},
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["pattern", "tests", *(name for name, form in fields.items() if form.needed)],
        "properties": {
            "pattern": {"const": pattern},
            **{name: form.schema() for name, form in fields.items()},
            "where": {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(FILTERS, several)},
            "per": {"type": "array", "items": {"enum": list(PER)}},
            "tests": {"type": "array", "minItems": 2, "items": case},
        },
    }

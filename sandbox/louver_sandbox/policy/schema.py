"""JSON Schema (2020-12) of policy and case documents, for editors and pre-commit hooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.testing import CASE_DOCUMENT

DIALECT = "https://json-schema.org/draft/2020-12/schema"

POLICY_DOCUMENT: TypeAdapter[Platform | Policy] = TypeAdapter(
    Annotated[Platform | Policy, Field(discriminator="kind")]
)


def schemas() -> Mapping[str, dict[str, Any]]:
    """The schema files by name."""
    return {
        "policy.json": {"$schema": DIALECT, "title": "Louver policy document", **POLICY_DOCUMENT.json_schema()},
        "cases.json": {"$schema": DIALECT, "title": "Louver policy cases", **CASE_DOCUMENT.json_schema()},
    }


def schema_text(schema: Mapping[str, Any]) -> str:
    """A schema as it is written to its file."""
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def write_schemas(directory: Path) -> None:
    """Writes every schema file into the folder (`policies/schema`)."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (directory / name).write_text(schema_text(schema), encoding="utf-8")

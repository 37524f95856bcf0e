"""The JSON Schema in policies/schema is the one the models give.

After changing a model: `python -c "from pathlib import Path; from louver_sandbox.policy.schema import write_schemas;
write_schemas(Path('policies/schema'))"`.
"""

from __future__ import annotations

import pytest
from tests.support.policy_questions import ROOT

from louver_sandbox.policy.schema import schema_text, schemas


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_published_schema_is_current(name: str) -> None:
    assert (ROOT / "policies" / "schema" / name).read_text(encoding="utf-8") == schema_text(schemas()[name])


def test_editors_learn_the_short_and_the_detailed_form_of_rights() -> None:
    grant = schemas()["policy.json"]["$defs"]["Grant"]
    forms = grant["properties"]["columns"]["additionalProperties"]["anyOf"]
    assert {"array", None} == {form.get("type") for form in forms}
    assert grant["additionalProperties"] is False

"""The schema that the console's editor completes by is the one that is published."""

from importlib import resources
from pathlib import Path

PUBLISHED = Path(__file__).parents[2] / "policies" / "schema" / "policy.json"


def test_the_editor_knows_the_published_schema() -> None:
    served = resources.files("louver_server").joinpath("static", "policy-schema.json")
    assert served.read_bytes() == PUBLISHED.read_bytes()

"""The attacks on exact answers are tried under noise as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support import relations
from tests.support.twins import Twins

WITH_TWINS = ("test_threshold_attacks", "test_needle_uploads")
"""How the files begin whose stories have a perturbed twin each."""


@pytest.fixture(autouse=True)
def twins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins | None]:
    """What is asked in a story is asked once more under noise, and must withhold as much."""
    if not request.path.name.startswith(WITH_TWINS):
        yield None
        return
    found = Twins()
    monkeypatch.setattr(relations, "WATCHERS", [found])
    yield found

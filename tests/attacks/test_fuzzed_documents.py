"""Whoever writes catalogues, policies, bundles, registries or certificates: what is not whole is refused, with a place.

`python -m tests.support.fuzzed_documents --count 100000` tries more.
"""

from __future__ import annotations

import pytest
from tests.support import fuzzed_documents
from tests.support.fuzzed_documents import tried
from tests.support.lengths import at_length

COUNTS = {"catalogue": 150, "policy": 150, "bundle": 150, "registry": 2_000, "certificate": 2_000}
LONG = 20_000


@pytest.mark.parametrize("kind", COUNTS)
def test_a_damaged_document_is_taken_or_refused_and_nothing_else_happens(kind: str) -> None:
    found = tried(kind, 1, at_length(COUNTS[kind], LONG))
    assert found.failures == []
    assert len(found.verdicts) > 1, "of each kind some are taken or get as far as the registry"


def test_a_reader_that_breaks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> None:
        raise KeyError(text[:3])

    monkeypatch.setattr(fuzzed_documents, "parse_registry", broken)
    assert len(tried("registry", 1, 3).failures) == 3

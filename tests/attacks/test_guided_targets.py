"""The readers that coverage-guided fuzzing attacks take what they are to take, and refuse its damage in their own words.

`make attack` and `make soak` let atheris guide the damage where it is installed; here it is drawn.
"""

from __future__ import annotations

from random import Random

import pytest
from tests.support.fuzzed_documents import flipped
from tests.support.guided import TARGETS
from tests.support.lengths import at_length

DAMAGED = at_length(10, 1_000)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_takes_or_refuses_whatever_comes(name: str) -> None:
    target, chance = TARGETS[name], Random(name)
    seeds = target.seeds()
    assert seeds
    for content in seeds[:3]:
        target.read(content)
    for _ in range(DAMAGED):
        target.read(flipped(chance, chance.choice(seeds)))
    target.read(b"")

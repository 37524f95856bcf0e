"""Blinding on several processes gives what blinding on one does, tells how far it is, and fails as it does."""

from __future__ import annotations

import multiprocessing
from contextlib import closing
from typing import Any

import pytest

from louver.errors import Unproven
from louver.failures import Misused
from louver.matching import oprf, spread

KEY = oprf.Evaluator.of(bytes(range(32)))
VALUES = [b"subject\0%d" % n for n in range(3_300)]


@pytest.fixture(params=[1, 2], ids=["here", "two processes"])
def made(request: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Blinded ids, and everything that was told of them."""
    monkeypatch.setattr(spread, "LEAST", 1_000)
    told: list[tuple[int, int]] = []
    with closing(spread.blind(VALUES, lambda done, total: told.append((done, total)), request.param)) as blinded:
        assert isinstance(blinded, spread.Here if request.param == 1 else spread.Several)
        yield blinded, told


def test_the_tokens_are_those_of_one_process_in_their_order(made: Any) -> None:
    blinded, told = made
    assert len(blinded) == len(VALUES)
    assert len(blinded.elements) == oprf.ELEMENT_BYTES * len(VALUES)
    halfway = len(told)
    evaluated = KEY.evaluate(blinded.elements)
    tokens = blinded.finish(evaluated, KEY.public)
    assert tokens == list(KEY.tokens(VALUES))
    assert blinded.finish(evaluated, KEY.public) == tokens, "a retry finishes the same"
    done = [each for each, _ in told]
    assert {total for _, total in told} == {len(VALUES)}
    assert sorted(done[:halfway]) == done[:halfway]
    assert done[halfway - 1] == len(VALUES) // 2
    assert max(done) == len(VALUES)


def test_an_evaluation_by_another_key_or_of_another_length_is_unproven(made: Any) -> None:
    blinded, _ = made
    with pytest.raises(Unproven, match="another number"):
        blinded.finish(b"", KEY.public)
    with pytest.raises(Unproven, match="key"):
        blinded.finish(oprf.Evaluator.of(bytes(32 * [7])).evaluate(blinded.elements), KEY.public)


def test_what_cannot_be_blinded_is_misused_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "LEAST", 1_000)
    for processes in (1, 2):
        with pytest.raises(Misused):
            spread.blind([*VALUES[:-1], b""], None, processes)
    assert multiprocessing.active_children() == []


def test_few_ids_and_one_processor_start_nothing() -> None:
    assert isinstance(spread.blind(VALUES, None, 8), spread.Here)
    assert isinstance(spread.blind(VALUES, None, 1), spread.Here)

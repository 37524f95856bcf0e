"""A match is one bundle's from its decision to its receipt, whatever comes into force meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.matching import House, Listed, firm, house

from louver.matching import oprf
from louver.matching.asking import Batch, _tokens
from louver.v1 import matching_pb2 as pb
from louver_sandbox.match_commit import Asked
from louver_sandbox.service.incoming import Intake
from louver_sandbox.service.matching import Matching

BOOK = [firm(n) for n in range(40, 90)]


class Replaced:
    """A platform on which a bundle came into force after this match was decided: nobody has asked the new line."""

    settings = SimpleNamespace(development=True)

    def __init__(self, line: object) -> None:
        self._line: object | None = line

    @property
    def matches(self) -> Any:
        line, self._line = self._line, None
        assert line is not None, "the match met a second bundle"
        return line


def answered(edge: Any, asked: Asked, sent: Iterator[pb.MatchRequest]) -> Iterator[pb.MatchResponse]:
    """What the match is told, with a place in the line whenever it asks for one."""
    intake = Intake(1)
    with closing(intake), intake.stream("bank_a", sent) as incoming:
        yield from edge._answered(asked, pb.MatchRequest(), incoming, partial(nullcontext, 60.0), threading.Event())


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, [Listed(firm(n)) for n in range(60)]) as made:
        yield made


def test_hits_are_one_bundles(here: House) -> None:
    blinded = oprf.blind(Batch.of(BOOK).values)
    asked = here.asked(blinded.elements, len(blinded), "hits")
    edge: Any = Matching(Replaced(here.line), None, None)  # type: ignore[arg-type]  # what stands behind it is no matter here
    sent = iter([pb.MatchRequest(batch=blinded.elements)])
    told = list(answered(edge, asked, sent))
    evaluated = b"".join(one.evaluated for one in told)
    assert len(oprf.finalize(blinded, evaluated, told[4].header.public_key)) == len(BOOK)
    assert told[-1].receipt


def test_a_number_is_one_bundles(here: House) -> None:
    evaluator = oprf.Evaluator.of(b"k" * 32)
    batch = Batch.of(BOOK)
    content = _tokens(evaluator, batch)
    asked = here.asked(content, len(batch.values), "count", public=evaluator.public)
    edge: Any = Matching(Replaced(here.line), None, None)  # type: ignore[arg-type]  # what stands behind it is no matter here
    blinded = bytearray()

    def sent() -> Iterator[pb.MatchRequest]:
        yield pb.MatchRequest(batch=content)
        yield pb.MatchRequest(evaluated=evaluator.evaluate(bytes(blinded)))

    told = []
    for one in answered(edge, asked, sent()):
        blinded += one.blinded
        told.append(one)
    assert told[-2].number.accuracy.kind
    assert told[-1].receipt

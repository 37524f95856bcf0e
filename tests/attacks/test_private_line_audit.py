"""What many answers, as they leave, prove about one unit is never above what they were charged for.

From the question to the released rows: planned, executed by the engine on two worlds that differ by one unit, released
again and again. The audit is shown to work on a clip, a cut and a partition that are broken. `LOUVER_AUDIT_DRAWS` asks
for more draws; docs/reference/dp.md tells what 100,000 have proven.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.line import ask, call
from tests.support.line_audit import CASES, DELTA, Audited, proven, unclipped, uncut, unnoised, worlds
from tests.support.privacy_audit import least_epsilon
from tests.support.private_line import paying, private_line, versioned
from tests.support.seeded_noise import SeededSampler

from louver_sandbox.privacy.conversion import epsilon_of
from louver_sandbox.recount import verify
from louver_sandbox.stages import Cell, Plan

DRAWS = int(os.environ.get("LOUVER_AUDIT_DRAWS", "250"))
LINE_DRAWS = int(os.environ.get("LOUVER_LINE_DRAWS", "10"))
SEEING = 20_000
"""Draws from which on the audit must see something of what is charged."""
NAMED = {one.name: one for one in CASES}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("of", CASES, ids=lambda of: of.name.replace(" ", "-"))
def test_no_number_of_answers_proves_more_than_is_charged(of: Audited) -> None:
    found, charged = proven(of, DRAWS)
    assert found <= charged
    assert DRAWS < SEEING or found >= of.tight * charged


@pytest.mark.parametrize(
    ("name", "broken"),
    [("sum", unclipped), ("count", uncut), ("count", unnoised), ("groups", unnoised)],
    ids=["a-clip", "a-cut", "a-number-without-noise", "a-partition-without-noise"],
)
def test_the_audit_accuses_what_is_broken(name: str, broken: Callable[[Plan], Plan]) -> None:
    found, charged = proven(NAMED[name], 1_200, broken)
    assert found > charged


@pytest.mark.timeout(7200)
def test_every_version_of_the_data_is_a_draw_of_its_own_and_is_paid_for(tmp_path: Path) -> None:
    """Through the whole line: judged, charged, logged, computed, released and kept, with data published anew each time.

    `LOUVER_LINE_DRAWS` asks for more.
    """
    of = NAMED["count"]
    seen: list[list[int]] = []
    for place, one in enumerate(worlds(of)):
        folder = tmp_path / str(place)
        folder.mkdir()
        with private_line(folder, one) as line:
            line.allowed = (paying(of.rules[0], 2 * LINE_DRAWS, 2 * LINE_DRAWS), *of.rules[1:])
            line.redraw(SeededSampler(place))
            answers = []
            for number in range(LINE_DRAWS):
                line.world = versioned(one, f"v{number}")
                answers.append(line.pipeline.answer(ask(of.sql, f"r{number}"), call()))
            assert not any(answer.stored for answer in answers)
            assert line.spent_losses() == 3 * LINE_DRAWS
            paid = [answer.answer.privacy[0].cost for answer in answers]
            assert len(set(paid)) == 1
            assert list(verify.differences(line.books.state)) == []
            seen.append([of.seen(read(answer.answer.arrow)) for answer in answers])
    assert len(set(seen[0])) > 1, "noise is drawn anew"
    assert least_epsilon(seen[0], seen[1], float(DELTA)) <= epsilon_of(paid[0], DELTA)


def read(arrow: bytes) -> list[tuple[Cell, ...]]:
    """The rows of an answer as it left."""
    table = pa.ipc.open_stream(arrow).read_all()
    return [tuple(row.values()) for row in table.to_pylist()]

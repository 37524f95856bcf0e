"""kill -9 at every step of a question that costs privacy loss: no release without its charge, none without a record.

`LOUVER_KILLS` asks for more kills than CI has time for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.killed_line import ACCOUNTS, QUESTION, sealing
from tests.support.line import ask, call
from tests.support.private_line import private_line
from tests.support.private_worlds import world

from louver.sealing.columns import METADATA
from louver_sandbox.accounting import privacy
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.recount import verify

KILLS = int(os.environ.get("LOUVER_KILLS", "20"))
ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("seal", "kills"), [("", KILLS), ("paillier", max(6, KILLS // 4))])
def test_kill_9_at_every_step_leaves_no_release_without_its_charge_and_no_charge_without_its_record(
    tmp_path: Path, any_place: Path | str, seal: str, kills: int
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_line", str(any_place), str(kills), seal],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    steps, *killed = told.stdout.decode().splitlines()
    assert int(steps) > 200
    assert [line.split()[1] for line in killed].count("0") >= kills - 2, "but for the last steps all were killed"
    with private_line(tmp_path, world(accounts=ACCOUNTS), place=any_place) as line:
        assert not verify_log(line.books.state, line.books.log.key).findings
        assert list(verify.differences(line.books.state)) == [], "every balance follows from the log"
        with line.books.state.reading() as tx:
            assert privacy.audit(tx) == ()
        admitted = {str(one.fields["request_id"]) for one in line.books.log.entries(limit=1000, kind="admission")}
        left = {str(one.fields["request_id"]) for one in line.books.log.entries(limit=1000, kind="outcome")}
        assert left <= admitted
        assert 0 < len(admitted - left) < kills, "some were killed between the charge and the release"
        assert len(left) < kills
        sealing(line)
        for number in range(kills + 1):
            again = line.pipeline.answer(ask(QUESTION.format(number), f"request-{number}", seal=seal), call())
            assert (METADATA in again.answer.arrow) is bool(seal)
            assert again.stored is (f"request-{number}" in left)
        assert line.spent_losses() == 3 * (kills + 1), "each was charged once, on three accounts"
        assert list(verify.differences(line.books.state)) == []

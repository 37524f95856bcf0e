"""Two worlds that differ in one firm, asked the same: neither time nor size nor the number of rows tells which it was.

The story: bank A knows everything about a city but whether one firm is in the data. It asks questions of which the firm
changes a number at most: groups it is in, arithmetic that has no result for this firm alone, a filter that finds it and
many others. Whatever comes back besides that number is compared: errors, rows, columns and bytes exactly, and times by
the two-sample test of Kolmogorov and Smirnov, at a level of one false alarm in a thousand million. Real workers answer
from a snapshot of each world, in an order that is drawn. A third world, many times larger, is told apart by the same
test, so it can tell.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from tests.support.catalogs import a_catalog, a_table
from tests.support.lengths import at_length
from tests.support.line import ask
from tests.support.policy_questions import TODAY, bundle_of, grant_document, policy
from tests.support.relations import committed

from louver.errors import Refused
from louver_sandbox.delegates import Worker
from louver_sandbox.engines import WORKER_ENTRY, WORKER_ENVIRONMENT, WORKER_PRELOAD, WORKER_PREPARE
from louver_sandbox.pipeline import Call, judge
from louver_sandbox.processes.pool import WorkerPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.release.complementary import no_solver
from louver_sandbox.release.decode import decode
from louver_sandbox.release.encode import encode
from louver_sandbox.release.release import release
from louver_sandbox.settings import Limits
from louver_sandbox.stages import Facts, Plan

pytestmark = pytest.mark.timeout(3600)

RUNS = at_length(6, 2000)
"""Answers of each question, from both worlds together. Few tell nothing of times, which are compared at length."""
LONG = RUNS > 1000
LEVEL = 1e-9
FIRMS, VICTIM, LARGER = 4_000, 107, 400
QUESTIONS = {
    "its group": "SELECT section, count(*) AS n, sum(amount) AS total FROM gov.firm GROUP BY section ORDER BY 1",
    "arithmetic that fails for it": "SELECT section, count(*) AS n FROM gov.firm "
    f"WHERE 1 / (amount - {100 + VICTIM}) < 5 GROUP BY section ORDER BY 1",
    "a filter that finds it": "SELECT count(*) AS n, avg(amount) AS mean FROM gov.firm WHERE amount < 3000",
}


@dataclass(frozen=True)
class Seen:
    """What a bank can see of an answer but for its numbers."""

    error: str
    rows: int
    size: int
    withheld: int


def _unheard(text: str) -> None:
    """Progress that nobody listens to."""


class Worlds:
    """A pool of real workers over three snapshots."""

    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        self._paths = {name: folder / f"{name}.duckdb" for name in ("with", "without", "larger")}
        self._pool = pool
        for name, path in self._paths.items():
            size = FIRMS * (LARGER if name == "larger" else 1)
            with duckdb.connect(str(path)) as made:
                made.execute(
                    "CREATE TABLE data AS SELECT i::UBIGINT AS record_key_enterprise_uscc, "
                    "chr(65 + (i % 4)::INT) AS section, (100 + i)::BIGINT AS amount "
                    f"FROM range({size}) AS firms(i) WHERE {name == 'with'} OR i <> {VICTIM}"
                )

    def asked(self, world: str, planned: Plan) -> tuple[Seen, float]:
        """What is seen, and in how many seconds from the reservation to the bytes."""
        path = self._paths[world]
        while not self._pool.ready_count():
            time.sleep(0.001)
        began = time.perf_counter()
        with self._pool.reserve("bank_a", time.monotonic() + 60) as slot:
            worker = Worker(slot, Limits(), lambda table, id_: path, "bank_a")
            try:
                execution = decode(worker.run(planned, Call(60, threading.Event(), _unheard)), committed(planned))
                released = release(execution, no_solver, None, None)
                answer = encode(released, execution.committed, None)
                seen = Seen("", answer.rows, len(answer.arrow), sum(one.count for one in answer.notices))
            except Exception as error:
                seen = Seen(type(error).__name__, 0, 0, 0)
        return seen, time.perf_counter() - began


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    folder = tmp_path_factory.mktemp("worlds")
    kind = Zygote(
        WORKER_ENTRY,
        preload=WORKER_PRELOAD,
        prepare=WORKER_PREPARE,
        environment=WORKER_ENVIRONMENT,
        readable=(folder,),
    )
    with kind as zygote, WorkerPool(zygote, size=2, queue=1, per_institution=1) as pool:
        yield Worlds(folder, pool)


def planned(sql: str) -> Plan:
    grant = grant_document(
        table="gov.firm",
        columns={"section": ["group_key", "filter", "order"], "amount": ["aggregate", "filter"]},
    )
    bundle = bundle_of(policy(grant, owner="测试部门"))
    return judge(ask(sql), a_catalog(a_table("gov.firm")), bundle, Facts(TODAY))


def apart(one: list[float], other: list[float]) -> float:
    """How likely two samples of one distribution are to differ so (Kolmogorov and Smirnov, two-sided)."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(one, other, method="exact" if len(one) < 100 else "asymp").pvalue)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=list(QUESTIONS))
def test_nothing_but_a_number_depends_on_one_firm(worlds: Worlds, question: str) -> None:
    made, drawn = planned(question), random.Random(7)
    order = ["with", "without"] * (RUNS // 2)
    drawn.shuffle(order)
    times: dict[str, list[float]] = {"with": [], "without": []}
    seen: dict[str, set[Seen]] = {"with": set(), "without": set()}
    for world in order:
        one, seconds = worlds.asked(world, made)
        seen[world].add(one)
        times[world].append(seconds)
    assert seen["with"] == seen["without"], "what is seen depends on one firm"
    (only,) = seen["with"]
    assert only.error == ""
    assert only.rows
    if LONG:
        chance = apart(times["with"], times["without"])
        print(f"{len(order)} answers: p = {chance:.3g}")
        assert chance > LEVEL


@pytest.mark.skipif(not LONG, reason="times are compared at length (LOUVER_SOAK=1)")
def test_the_same_test_tells_a_world_apart_in_which_the_worker_has_more_to_do(worlds: Worlds) -> None:
    made = planned(QUESTIONS["its group"])
    times: dict[str, list[float]] = {"with": [], "larger": []}
    for world in ["with", "larger"] * 20:
        _, seconds = worlds.asked(world, made)
        times[world].append(seconds)
    assert apart(times["with"], times["larger"]) < LEVEL


@pytest.mark.parametrize(
    "sql", ["SELECT section FROM gov.firm", f"SELECT count(*) AS n FROM gov.firm WHERE uscc = '{VICTIM}'"]
)
def test_a_refusal_is_told_before_any_world_is_looked_at(sql: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(sql)
    assert str(VICTIM) not in str(refused.value)

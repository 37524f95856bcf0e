"""The solver gives what the pure function gives, in a process that ends at its limits; its word is checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.additive_tables import flat, random_table

from louver_sandbox import solver
from louver_sandbox.delegates import SolveInProcess
from louver_sandbox.engines import WORKER_ENVIRONMENT
from louver_sandbox.pipeline import Failed
from louver_sandbox.processes.child import REQUEST_CAP
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.suppression.pattern import Number, Pattern, Problem, choose, stands
from louver_sandbox.suppression.table import Protection
from louver_sandbox.suppression.wire import (
    Malformed,
    pattern_from_bytes,
    pattern_to_bytes,
    problem_from_bytes,
    problem_to_bytes,
)

STRANGE = """
import os, time
from louver_sandbox.processes.child import serve_one

def handle(request):
    time.sleep(60)

def hang(channel):
    serve_one(channel, handle)

def spin(channel):
    serve_one(channel, lambda request: any(iter(int, 1)))

def grow(channel):
    serve_one(channel, lambda request: bytearray(1 << 31))

def forget(channel):
    serve_one(channel, lambda request: b"[[],[],[]]")
"""


def a_problem(seed: int, width: str = "abcde") -> Problem:
    """A two-way table of counts and of amounts."""
    counts = random_table(seed, [flat("T", width), flat("T", "xyzw")], share=0.3)
    amounts = random_table(seed, [flat("T", width), flat("T", "xyzw")], share=0.2, amounts=True)
    hidden = frozenset(map(counts.place.__getitem__, counts.primary))
    protections = {counts.place[name]: counts[name].protection for name in counts.primary}
    levels = {place: Protection(1, 1) for place in hidden} | {
        amounts.place[name]: amounts[name].protection for name in amounts.primary
    }
    return Problem(
        tuple(max(1, cell.value) for cell in counts.cells),
        tuple(
            (counts.place[relation.total], tuple(map(counts.place.__getitem__, relation.parts)))
            for relation in counts.relations
        ),
        hidden,
        (Number(tuple(cell.value for cell in counts.cells), {k: v for k, v in protections.items() if v}),),
        (Number(tuple(cell.value for cell in amounts.cells), {k: v for k, v in levels.items() if v}),),
    )


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Callable[..., SolveInProcess]]:
    (tmp_path / "solvers_for_test.py").write_text(STRANGE)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    open_: list[CheckerPool | Zygote] = []

    def make(entry: str = solver.ENTRY, seconds: float = 20.0, cpu_seconds: int = 20) -> SolveInProcess:
        zygote = Zygote(
            entry,
            preload=solver.PRELOAD,
            environment={**WORKER_ENVIRONMENT, "PYTHONPATH": path},
            limits=Limits(memory_mib=256, cpu_seconds=cpu_seconds),
        )
        pool = CheckerPool(zygote, size=1, lifetime=1, reply_cap=solver.REPLY_CAP)
        open_.extend((pool, zygote))
        return SolveInProcess(pool, seconds)

    yield make
    for each in open_:
        each.close()


def test_a_solver_gives_what_the_pure_function_gives(asking: Callable[..., SolveInProcess]) -> None:
    solve = asking()
    for seed in range(3):
        asked = a_problem(seed)
        found = solve(asked)
        assert found is not None
        assert found == choose(asked)
        assert stands(asked, found)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [("hang", "timeout"), ("spin", "timeout"), ("grow", "memory"), ("forget", "reply")],
)
def test_a_solver_that_does_not_end_well_is_a_fault(
    asking: Callable[..., SolveInProcess], entry: str, kind: str
) -> None:
    solve = asking(f"solvers_for_test:{entry}", seconds=3.0 if entry == "hang" else 20.0, cpu_seconds=1)
    with pytest.raises(Failed) as caught:
        solve(a_problem(1))
    assert caught.value.kind == kind


def test_a_problem_that_is_too_large_to_ask_is_not_solved(asking: Callable[..., SolveInProcess]) -> None:
    asked = a_problem(1)
    number = replace(asked.of_cells[0], values=(10**12,) * (REQUEST_CAP // 10))
    assert asking()(replace(asked, of_cells=(number,))) is None


def test_problems_and_patterns_cross_the_boundary_unchanged() -> None:
    asked = a_problem(2)
    assert problem_from_bytes(problem_to_bytes(asked)) == asked
    found = choose(asked)
    assert pattern_from_bytes(pattern_to_bytes(found), asked) == found
    assert pattern_from_bytes(pattern_to_bytes(None), asked) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[[],[]]",
        b"[[],[],[],[]]",
        b"[[0.5],[],[]]",
        b"[[true],[],[]]",
        b"[[100000],[],[]]",
        b"[[-1],[],[]]",
        b"[[],[],[]]",
    ],
)
def test_what_is_no_pattern_of_the_problem_is_not_believed(content: bytes) -> None:
    with pytest.raises(Malformed):
        pattern_from_bytes(content, a_problem(1))


def test_what_is_no_problem_is_not_read() -> None:
    for content in (b"", b"[]", b'{"weights":[1]}'):
        with pytest.raises(Malformed):
            problem_from_bytes(content)


def test_a_number_that_cannot_be_protected_is_told_and_the_others_are_kept() -> None:
    """Two parts and their total, of which the attacker knows the upper limits already."""
    count = Number((3, 7, 10), {0: Protection(1, 7, 10)})
    known = Number((2, 5, 7), {0: Protection(1, 1)}, (2, 5, 7))
    asked = Problem((1, 1, 1), ((2, (0, 1)),), frozenset({0}), (count,), (known,))
    found = choose(asked)
    assert found is not None
    assert found.unproved == {0}
    assert found.hidden > {0}


def test_cells_that_cannot_be_protected_have_no_pattern() -> None:
    count = Number((3, 3), {0: Protection(1, 7, 10)}, (3, 3))
    assert choose(Problem((1, 1), ((1, (0,)),), frozenset({0}), (count,), ())) is None


def test_what_is_withheld_for_one_number_does_not_depend_on_the_others() -> None:
    for seed in range(5):
        asked = a_problem(seed)
        (amounts,) = asked.of_values
        twice = Number(tuple(2 * value for value in amounts.values), {0: Protection(1, 1)})
        alone, beside = choose(asked), choose(replace(asked, of_values=(amounts, twice)))
        assert alone is not None
        assert beside is not None
        assert beside.hidden == alone.hidden
        assert beside.emptied >= alone.emptied


def test_a_pattern_that_gives_a_cell_away_does_not_stand() -> None:
    asked = a_problem(1)
    assert not stands(asked, Pattern(asked.hidden, frozenset(), frozenset()))

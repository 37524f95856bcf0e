"""Each stage takes what the one before it returns, by its type hints, and the pipeline hands it exactly that."""

import ast
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from louver_sandbox import journal, pipeline
from louver_sandbox.plan.calls import judge_call
from louver_sandbox.stages import (
    Admitted,
    Answer,
    Bound,
    Committed,
    Execution,
    Parsed,
    Plan,
    Receipted,
    Release,
    Request,
    Stored,
)

Stage = Callable[..., object]


def used(name: str) -> Stage:
    """The function that `pipeline` calls by this name."""
    stage: Stage = vars(pipeline)[name]
    return stage


BEFORE_THE_COMMIT: tuple[Stage, ...] = (
    used("parse"),
    used("bind"),
    used("decide"),
    used("plan"),
    used("commit"),
    pipeline.Pipeline.run,
)
AFTER_THE_COMMIT: tuple[Stage, ...] = (pipeline.Slot.run, used("decode"), used("release"), used("encode"))


def takes(stage: Stage) -> object:
    """The type of a stage's first argument."""
    first = next(name for name in inspect.signature(stage).parameters if name != "self")
    return typing.get_type_hints(stage)[first]


def returns(stage: Stage) -> object:
    """The type of a stage's result."""
    return typing.get_type_hints(stage)["return"]


def alternatives(hint: object) -> tuple[object, ...]:
    """The types a union stands for."""
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def test_every_stage_takes_what_the_one_before_it_returns() -> None:
    for line in (BEFORE_THE_COMMIT, AFTER_THE_COMMIT):
        for stage, following in itertools.pairwise(line):
            assert takes(following) in alternatives(returns(stage)), (
                f"{following.__qualname__} takes {takes(following)}, {stage.__qualname__} returns {returns(stage)}"
            )


def test_the_line_goes_through_every_value_in_order() -> None:
    assert [takes(stage) for stage in BEFORE_THE_COMMIT] == [Request, Parsed, Bound, Admitted, Plan, Committed]
    assert returns(used("commit")) == Committed | Stored
    assert takes(pipeline.judge) is takes(judge_call) is Request
    assert returns(pipeline.judge) is returns(judge_call) is Plan
    assert [returns(stage) for stage in AFTER_THE_COMMIT] == [bytes, Execution, Release, Answer]
    assert returns(pipeline.Pipeline.run) is returns(pipeline.Pipeline.answer) is Receipted
    hints = typing.get_type_hints(journal.record)
    assert (hints["committed"], hints["release"], hints["answer"]) == (Committed, Release, Answer)


def body(function: Stage) -> list[ast.stmt]:
    """The statements of a function, its docstring apart."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    return definition.body[1:]


def called(node: ast.expr) -> tuple[str, str]:
    """The function a call names, and the name of the call's first argument."""
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    (first, *_) = node.args
    assert isinstance(first, ast.Name), f"{node.func.id} is handed something made on the spot"
    return node.func.id, first.id


@pytest.mark.parametrize(
    ("judge", "chain"),
    [(pipeline.judge, ["parse", "bind", "decide", "plan"]), (judge_call, ["admit_call", "plan"])],
)
def test_judge_is_nothing_but_the_chain(judge: Stage, chain: list[str]) -> None:
    handed = "request"
    stages: list[str] = []
    for statement in body(judge):
        if isinstance(statement, ast.Assign):
            (target,) = statement.targets
            assert isinstance(target, ast.Name)
            made, value = target.id, statement.value
        else:
            assert isinstance(statement, ast.Return)
            assert statement.value is not None
            made, value = "", statement.value
        stage, argument = called(value)
        assert argument == handed, f"{stage} is handed {argument} instead of {handed}"
        stages.append(stage)
        handed = made
    assert stages == chain


def test_the_right_half_decodes_releases_encodes_and_records_in_this_order() -> None:
    first = body(pipeline.Pipeline.run)[0]
    assert isinstance(first, ast.Try)
    order = [
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for statement in first.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    ]
    assert order == ["decode", "run", "release", "encode", "record"]


def test_nothing_is_refused_after_the_commit() -> None:
    package = Path(pipeline.__file__).parent
    for path in (package / "release").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert "Refused" not in names, f"{path.name} can refuse"
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not module.startswith("louver_sandbox.refusals"), f"{path.name} can refuse"


def test_the_pipeline_fits_on_two_screens() -> None:
    lines = inspect.getsource(pipeline).splitlines()
    assert len(lines) <= 170, "pipeline.py is the table of contents of the product; move detail out of it"

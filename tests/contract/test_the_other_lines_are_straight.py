"""Scores and matches keep the order of the line too: what reads rows comes after the commit and refuses nothing."""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing

from louver_sandbox.match_line import MatchLine
from louver_sandbox.plan.verify_scores import sent, verify_scores
from louver_sandbox.score_plan import ScoreCase, ScorePlan
from louver_sandbox.scoring import commit
from louver_sandbox.scoring import line as score_line
from louver_sandbox.scoring.line import Parts, ScoreLine
from louver_sandbox.service.matching import Matching

REFUSING = {"refuse", "Refused", "logged", "_logged", "capacity"}


def calls(function: object) -> list[str]:
    """What a function calls, in the order of its text."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))  # type: ignore[arg-type]
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [
        (node.lineno, node.col_offset, node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        for node in found
        if isinstance(node.func, ast.Name | ast.Attribute)
    ]
    return [name for _, _, name in sorted(named)]


def names(function: object) -> set[str]:
    """Every name and attribute in a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))  # type: ignore[arg-type]
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def in_order(function: object, *expected: str) -> bool:
    """Whether these are called, each for the first time after the one before it."""
    made = calls(function)
    places = [made.index(name) for name in expected if name in made]
    return len(places) == len(expected) and places == sorted(places)


def test_scores_are_decided_reserved_committed_and_only_then_run() -> None:
    assert in_order(ScoreLine.score, "find_given", "_order", "reserve", "commit", "_run")
    assert in_order(ScoreLine._run, "_scored", "record")
    assert in_order(ScoreLine._scored, "run_statement", "decode_bins", "add_up")
    after = (ScoreLine._run, ScoreLine._scored, ScoreLine._aborted, commit.record, commit.abort)
    assert not [function.__qualname__ for function in after if names(function) & REFUSING]
    assert names(ScoreLine.score) & REFUSING, "the check itself sees"


def test_what_runs_for_scores_is_what_a_checker_let_through() -> None:
    assert typing.get_args(typing.get_type_hints(Parts)["judge"]) == ([ScoreCase], ScorePlan)
    assert typing.get_type_hints(verify_scores)["plan"] is typing.get_type_hints(sent)["plan"] is ScorePlan
    source = inspect.getsource(score_line)
    assert "run_statement(order.plan.features.sources, sent(order.plan, asked), call)" in source
    assert "decide_score" not in source


def test_matches_are_committed_before_anything_is_evaluated() -> None:
    assert in_order(Matching._answered, "decide", "check_batch", "open", "prepare", "commit", "_hits")
    before = (MatchLine.decide, MatchLine.check_batch, MatchLine.open, MatchLine.prepare, MatchLine.commit)
    sending = {"EVALUATE", "BLIND", "FINISH", "RESULT"}
    assert not [function.__qualname__ for function in before if names(function) & sending]
    after = (
        MatchLine.hits,
        MatchLine.blinded,
        MatchLine.elements,
        MatchLine._drawn,
        MatchLine._kept,
        MatchLine._record,
        MatchLine._aborted,
        MatchLine.abandon,
    )
    assert not [function.__qualname__ for function in after if names(function) & REFUSING]
    # The one exception is about bytes that the requester made: LVR-5106 (ADR 37).
    assert "evaluation" in names(MatchLine.number)
    assert sending <= names(MatchLine.number) | names(MatchLine.hits) | names(MatchLine.blinded)

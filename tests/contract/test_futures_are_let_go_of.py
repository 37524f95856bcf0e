"""A future holds what it raised, whose traceback holds the frame that asked it: a circle, if the frame holds the future.

A call in such a circle keeps its stream until the next collection, and a connection that has 64 of them takes no more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "sandbox" / "louver_sandbox" / "service"


def kept(source: str) -> Iterator[str]:
    """Names whose `result` is asked for outside of a `try` that deletes them in the end."""
    tree = ast.parse(source)
    let_go: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            deleted = {
                target.id
                for statement in node.finalbody
                if isinstance(statement, ast.Delete)
                for target in statement.targets
                if isinstance(target, ast.Name)
            }
            let_go |= {below for part in node.body for below in ast.walk(part) if asked(below) in deleted}
    yield from (name for node in ast.walk(tree) if node not in let_go and (name := asked(node)) is not None)


def asked(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "result":
        return ast.unparse(node.func.value)
    return None


def test_no_call_waits_for_the_collector() -> None:
    found = {path.name: list(kept(path.read_text(encoding="utf-8"))) for path in SERVICE.glob("*.py")}
    assert len(found) > 10
    assert {name: names for name, names in found.items() if names} == {}


def test_a_future_that_is_kept_is_seen() -> None:
    assert list(kept("def f():\n    one = g()\n    return one.result()")) == ["one"]
    assert list(kept("def f():\n    try:\n        return one.result()\n    finally:\n        del one")) == []

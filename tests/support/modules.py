"""The sandbox's modules as syntax, read once for all tests that look at them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SANDBOX = Path(__file__).parents[2] / "sandbox" / "louver_sandbox"


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def modules() -> Iterator[tuple[str, tuple[ast.AST, ...]]]:
    """Every module by its path in the package, with all its nodes."""
    for path in sorted(SANDBOX.rglob("*.py")):
        yield path.relative_to(SANDBOX).as_posix(), _nodes(path)

"""Deciding reads no clock, no file, no environment and no randomness (law 6), so that it can be replayed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SANDBOX = Path(__file__).parents[2] / "sandbox" / "louver_sandbox"
AT_THE_RIM = {
    "load.py",
    "testing.py",
    "schema.py",
}  # policies, decision tables and the schema are files, never met while deciding
PURE = sorted(
    path
    for part in ("sql", "policy", "plan", "algebra", "refusals", "catalog")
    for path in (SANDBOX / part).rglob("*.py")
    if path.name not in AT_THE_RIM and not (part == "catalog" and path.name in {"check.py", "sources.py"})
)
IMPURE_NAMES = {"open", "print", "input", "exec", "eval", "compile", "globals", "__import__"}
IMPURE_METHODS = {"now", "utcnow", "today", "monotonic", "getenv", "read_text", "read_bytes", "write_text", "unlink"}
IMPURE_MODULES = {"duckdb", "grpc", "os", "random", "secrets", "socket", "subprocess", "threading", "time", "uuid"}


def impurities(tree: ast.AST) -> Iterator[str]:
    """What in a module could make the same question be decided otherwise tomorrow."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_NAMES:
                yield f"line {node.lineno}: {name}()"
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                yield f"line {node.lineno}: .{name}()"
            case ast.Import(names=names):
                yield from (
                    f"line {node.lineno}: {a.name}" for a in names if a.name.partition(".")[0] in IMPURE_MODULES
                )
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in IMPURE_MODULES:
                yield f"line {node.lineno}: {module}"
            case ast.Global(names=names):
                yield f"line {node.lineno}: global {names}"


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.relative_to(SANDBOX).as_posix())
def test_a_module_of_the_left_half_touches_nothing_outside(path: Path) -> None:
    found = list(impurities(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found, found


@pytest.mark.parametrize("text", ["import time", "from os import path", "open('x')", "datetime.now()", "eval('1')"])
def test_the_check_itself_sees(text: str) -> None:
    assert list(impurities(ast.parse(text)))

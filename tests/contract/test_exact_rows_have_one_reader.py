"""Exact rows have one reader (law 4): a worker's reply goes to `decode`, what it makes to `release`, and nowhere else."""

import ast
from collections.abc import Iterator

from tests.support.modules import SANDBOX, modules

PIPELINE = ast.parse((SANDBOX / "pipeline.py").read_text(encoding="utf-8"))


def importers(name: str) -> Iterator[str]:
    """The modules that name the thing, by their path in the package."""
    for path, nodes in modules():
        for node in nodes:
            if (isinstance(node, ast.Name) and node.id == name) or (
                isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.value, ast.Name)
            ):
                yield path


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """The node above each node."""
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def is_argument_of(node: ast.AST, function: str) -> bool:
    """Whether a node stands as an argument of a call to the function."""
    above = parents(PIPELINE)[node]
    return isinstance(above, ast.Call) and isinstance(above.func, ast.Name) and above.func.id == function


def test_only_the_releaser_knows_the_type_of_exact_rows() -> None:
    strangers = {path for path in importers("Execution") if not path.startswith("release/")}
    assert not strangers, f"{sorted(strangers)} can read exact rows"


def test_the_pipeline_passes_a_workers_reply_on_unread() -> None:
    replies = [
        node
        for node in ast.walk(PIPELINE)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "slot"
    ]
    assert len(replies) == 1
    assert is_argument_of(replies[0], "decode")


def test_the_pipeline_passes_exact_rows_on_unread() -> None:
    (made,) = [
        node
        for node in ast.walk(PIPELINE)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "decode"
    ]
    (target,) = made.targets
    assert isinstance(target, ast.Name)
    uses = [
        node
        for node in ast.walk(PIPELINE)
        if isinstance(node, ast.Name) and node.id == target.id and isinstance(node.ctx, ast.Load)
    ]
    assert len(uses) == 1, "exact rows are named once after they are decoded"
    assert is_argument_of(uses[0], "release")


def test_nobody_else_decodes_a_reply() -> None:
    importing = {
        path
        for path, nodes in modules()
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        and node.module == "louver_sandbox.release.decode"
        and "decode" in {alias.name for alias in node.names}
    }
    assert importing == {"pipeline.py"}

"""sqlglot compiled and sqlglot in plain Python are one parser to us: same closed grammar, same trees, same refusals.

The compiled build checks no recursion depth, so it could crash where the plain one raises. It must not on anything
that the gate lets through.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import sqlglot

ROOT = Path(__file__).parents[2]
ENDS = {"parsed", *(f"LVR-{number}" for number in range(1001, 1400))}
PATIENCE_S = 240


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the installed sqlglot without its compiled parts."""
    folder = tmp_path_factory.mktemp("plain")
    only_python = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(Path(sqlglot.__file__).parent, folder / "sqlglot", ignore=only_python)
    return folder


def found(*arguments: str, first: Path | None = None) -> Any:
    """What a fresh process finds; it imports from `first` before anything else."""
    path = os.pathsep.join(str(folder) for folder in (first, ROOT) if folder is not None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.parser_builds", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return json.loads(done.stdout)


def is_compiled_installed() -> bool:
    try:
        return version("sqlglotc") == version("sqlglot")
    except PackageNotFoundError:
        return False


def test_both_builds_read_every_text_alike(plain: Path) -> None:
    installed, in_python = found(), found(first=plain)
    assert in_python.pop("build") == "plain"
    assert installed.pop("build") == ("compiled" if is_compiled_installed() else "plain")
    assert len(installed["texts"]) > 200
    assert installed == in_python


def test_what_the_gate_lets_through_ends_in_a_tree_or_a_refusal_and_never_in_a_crash() -> None:
    ends = found("deepest")
    assert len(ends) > 100
    assert set(ends.values()) <= ENDS

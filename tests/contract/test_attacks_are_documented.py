"""The page of attacks on sealing names tests that are there, and has the rows of the design's table."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "sealing-attacks.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))

DESIGNED = (
    "c = 0", "superincreasing values", "one-hot", "tagged randomness: prime", "tagged randomness of shared order",
    "brute force", "exponent bomb", "float exponents", "2^53", "ciphertext 0 in a batch", "tiny modulus, prime",
    "unit-vector", "duplicated", "replayed key", "substituted key", "enumeration",
)  # fmt: skip
"""Rows of CRYPTO 5.0 and what issue 6 names beside them."""


@cache
def names_in(file: str) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_named_test_is_there(file: str, name: str) -> None:
    assert name in names_in(file)


@pytest.mark.parametrize("row", DESIGNED)
def test_every_row_of_the_design_has_a_test(row: str) -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and row in line.split("|")[1]]
    assert lines
    assert all("::test_" in line.split("|")[4] for line in lines)


def test_every_attack_of_the_table_is_on_the_page() -> None:
    """No test of the table is left out of it."""
    here = {name for name in names_in("tests/attacks/test_sealing_table.py") if name.startswith("test_")}
    assert here == {name for file, name in NAMED if file.endswith("test_sealing_table.py")}

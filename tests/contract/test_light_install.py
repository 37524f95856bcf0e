"""`pip install louver` brings a bank the light client: what the client imports must be among its own dependencies.

Optional libraries may be imported only inside the function that needs them, where their absence becomes a message.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python" / "louver"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CLIENT_EXTRAS = ("arrow", "pandas", "polars", "phe", "match", "keyring", "report", "alerts", "hsm")


def names(requirements: Iterable[str]) -> set[str]:
    """Canonical distribution names; our own name in an extra stands for nothing new."""
    return {str(canonicalize_name(Requirement(text).name)) for text in requirements} - {"louver"}


BASE = names(PROJECT["dependencies"])
OPTIONAL = {name for extra in CLIENT_EXTRAS for name in names(PROJECT["optional-dependencies"][extra])}


def closure(direct: Iterable[str]) -> set[str]:
    """The distributions that come along, as installed here."""
    found: set[str] = set()
    waiting = list(direct)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # a dependency of another platform, such as colorama of Windows
        found.add(name)
        parsed = map(Requirement, requires)
        waiting.extend(item.name for item in parsed if item.marker is None or item.marker.evaluate({"extra": ""}))
    return found


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Top-level names a module imports, and whether a plain import of the module needs them."""
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(source), True)]
    while waiting:
        node, always = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], always) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0], always
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting.extend((child, always) for child in node.orelse)
            continue
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting.extend((child, always and not inside) for child in ast.iter_child_nodes(node))


@cache
def provided() -> Mapping[str, list[str]]:
    """The distributions that provide each importable name here."""
    return packages_distributions()


def strangers(source: str) -> set[str]:
    """Imported names that no dependency of the client provides."""
    found = set()
    for name, always in imports(source):
        allowed = BASE if always else BASE | OPTIONAL
        # Of an extra that is not installed here nobody knows the modules but by its own name.
        providers = {canonicalize_name(item) for item in provided().get(name, [name])}
        if name not in sys.stdlib_module_names and name != "louver" and not providers & allowed:
            found.add(name)
    return found


def test_the_client_needs_nothing_but_its_dependencies() -> None:
    found = {path.relative_to(ROOT).as_posix(): strangers(path.read_text("utf-8")) for path in CLIENT.rglob("*.py")}
    extra = sorted(set().union(*found.values()))
    where = {path: sorted(names_) for path, names_ in found.items() if names_}
    assert not extra, f"the bank would now have to install {extra}: {where}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fastapi", {"fastapi"}),
        ("import pyarrow as pa", {"pyarrow"}),
        ("try:\n    import pandas\nexcept ImportError:\n    pandas = None", {"pandas"}),
        ("class A:\n    from polars import DataFrame", {"polars"}),
        ("def f():\n    import pyarrow, duckdb", {"duckdb"}),
        ("if TYPE_CHECKING:\n    import pandas\nelse:\n    import sqlglot", {"sqlglot"}),
        ("import grpc, nanoarrow, rich\nfrom google.rpc import status_pb2\nfrom louver import wire", set()),
    ],
)
def test_this_contract_sees_what_it_should(source: str, found: set[str]) -> None:
    assert strangers(source) == found


PROBE = """
import importlib, pkgutil, sys
allowed = set(sys.argv[1].split())
class Bare:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Bare())
import louver
for module in pkgutil.walk_packages(louver.__path__, "louver."):
    importlib.import_module(module.name)
print(louver.connect.__module__, louver.dbapi.apilevel)
"""


def test_every_module_is_imported_where_only_the_dependencies_are_installed() -> None:
    installed = closure(BASE)
    tops = {
        name for name, providers in provided().items() if {canonicalize_name(item) for item in providers} & installed
    }
    run = subprocess.run(
        [sys.executable, "-c", PROBE, " ".join({*tops, "louver"})], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["louver.client", "2.0"]


def test_importing_louver_loads_neither_grpc_nor_a_dataframe_library() -> None:
    heavy = [
        "grpc",
        "google",
        "nanoarrow",
        "pyarrow",
        "pandas",
        "polars",
        "numpy",
        "rich",
        "typer",
        "cryptography",
        "pydantic",
        "asyncio",
    ]
    code = f"import louver, sys; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

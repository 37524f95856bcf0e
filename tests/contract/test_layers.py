"""The import contracts of pyproject.toml hold: each part knows only what stands below it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def test_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([command, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in run.stdout, "a contract was not checked"


def test_a_new_module_must_say_where_it_stands() -> None:
    (layers,) = [contract for contract in CONTRACTS if contract["type"] == "layers"]
    assert layers["exhaustive"]
    named = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    package = ROOT / "sandbox" / "louver_sandbox"
    present = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert named == present - {"__init__"}


def test_the_architecture_page_names_the_layers_as_they_are() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (layers,) = [contract for contract in CONTRACTS if contract["type"] == "layers"]
    named = [sorted(name.strip() for name in layer.split("|")) for layer in layers["layers"] if layer != "__main__"]
    (sentence,) = re.findall(r"`pyproject.toml`\):\s(.*?)\. `sql`", page, re.DOTALL)
    written = [
        sorted(name.strip() for name in re.split(r",\s", group.strip("{}")))
        for group in re.findall(r"\{[^}]*\}|\w+", sentence)
    ]
    assert written == named


def test_every_test_that_the_architecture_page_names_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[^`]+)`", page)
    assert len(named) > 10
    assert [pattern for pattern in named if not list(ROOT.glob(pattern))] == []

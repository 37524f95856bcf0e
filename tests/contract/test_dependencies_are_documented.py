"""Every requirement of pyproject.toml and every peer has a row in docs/dependencies.md that says why, and every row one."""

import fnmatch
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required() -> set[str]:
    """The names of everything we install, in any extra, and of the peers that have environments of their own."""
    texts = [
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    ]
    peers = {file.stem for file in (ROOT / "bench" / "peers").glob("*.txt")}
    return {str(canonicalize_name(Requirement(text).name)) for text in texts} - {"louver"} | peers


def rows() -> Iterator[tuple[list[str], list[str]]]:
    """The names in each row of the table, and its other cells."""
    for line in (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "package" and not cells[0].startswith("-"):
            yield (
                [part.split()[0].replace(".", "-") for part in cells[0].split(", ") if re.match(r"[a-z]", part)],
                cells[1:],
            )


def test_every_requirement_says_why_it_is_there() -> None:
    patterns = [name for names, _ in rows() for name in names]
    undocumented = {name for name in required() if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}
    assert undocumented == set()


def test_no_row_is_about_something_we_do_not_use() -> None:
    used = required()
    for names, _ in rows():
        for name in names:
            assert fnmatch.filter(used, name), f"{name} is documented and not required"


def test_every_row_has_part_reason_and_licence() -> None:
    for names, cells in rows():
        assert len(cells) == 4, names
        part, why, _, licence = cells
        assert all((part, why, licence)), names


def test_a_peers_version_is_pinned_with_all_it_needs() -> None:
    for file in (ROOT / "bench" / "peers").glob("*.txt"):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        pinned = [Requirement(line) for line in lines]
        assert file.stem in {str(canonicalize_name(one.name)) for one in pinned}
        assert all(str(one.specifier).startswith("==") for one in pinned)

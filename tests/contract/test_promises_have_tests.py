"""Every promise of the threat model names a test that exists and runs; no attack is without a promise or a story."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE)))


def promises() -> list[list[str]]:
    """The cells of each row of the table of promises."""
    section = PAGE.partition("## Promises, and the test that would fail")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists_and_asserts_something(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    if Path(name).name.startswith("test_"):
        assert re.search(r"^def test_|\.TestCase$", text, re.MULTILINE)
        assert "assert" in text or "pytest.raises" in text


@pytest.mark.parametrize("row", promises(), ids=lambda row: row[0][:40])
def test_a_promise_has_a_test_and_a_limit(row: list[str]) -> None:
    promise, held, not_promised = row
    assert promise
    assert not_promised
    assert re.findall(r"`tests/[\w/]+\.py`", held)


def cited() -> list[tuple[str, str]]:
    """File and part of a test's name, where the page on isolation's sentences cites one; "the same" is the escape."""
    section = PAGE.partition("## Isolation, sentence by sentence")[2].partition("\n## ")[0]
    found, file = [], ""
    for said in re.findall(r"`([\w/.]+)`|\b(the same):", "\n".join(re.findall(r"\|([^|]*)\|$", section, re.M))):
        name, same = said
        if same:
            file = "tests/attacks/test_escape_from_isolation.py"
        elif name.endswith(".py"):
            file = name
        else:
            found.append((file, name))
    return found


@pytest.mark.parametrize(("file", "part"), cited())
def test_a_cited_test_is_there(file: str, part: str) -> None:
    assert re.search(rf"^def test_\w*{part}\w*\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def listed_in_the_makefile(name: str) -> set[str]:
    """The paths of a variable of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (said,) = re.findall(rf"^{name} := (.*)$", text, re.MULTILINE)
    folders = re.sub(
        r"\$\(addprefix ([^,]+),([^)]*)\)", lambda found: " ".join(found[1] + one for one in found[2].split()), said
    )
    return set(folders.split())


def test_whatever_waits_for_a_long_run_is_in_the_long_run() -> None:
    listed = listed_in_the_makefile("AT_LENGTH")
    waiting = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if "tests.support.lengths" in path.read_text(encoding="utf-8") and path != Path(__file__)
    }
    assert waiting
    for name in sorted(waiting):
        assert any(name == one or name.startswith(f"{one}/") for one in listed), name


@pytest.mark.parametrize("name", ["ATTACKED", "AT_LENGTH"])
def test_the_makefile_names_what_is_there(name: str) -> None:
    assert all((ROOT / one).exists() for one in listed_in_the_makefile(name))


def test_there_are_promises() -> None:
    assert len(cited()) >= 35
    assert len(promises()) >= 15

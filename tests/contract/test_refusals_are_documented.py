"""Every refusal code has one function, one page heading, two languages, and a hint; codes are never shared."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.modules import SANDBOX, modules

from louver_sandbox.service.edge import _STATUS_BY_CODE

ROOT = Path(__file__).parents[2]
REFUSALS = SANDBOX / "refusals"
PAGES = ROOT / "docs" / "reference" / "refusals.d"
CODE = re.compile(r"LVR-\d{4}")
MAKERS = {"refusal", "_refuse"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
FAMILIES = {
    "identity": "LVR-01",
    "sql": "LVR-1",
    "policy": "LVR-2",
    "plan": "LVR-2",
    "private": "LVR-23",
    "asking": "LVR-23",
    "capacity": "LVR-3",
    "privacy": "LVR-301",
    "history": "LVR-32",
    "catalog": "LVR-4",
    "sealing": "LVR-50",
    "matching": "LVR-51",
    "disputes": "LVR-512",
    "reports": "LVR-513",
    "warnings": "LVR-51",
    "cubes": "LVR-542",
    "scoring": "LVR-52",
    "encrypted": "LVR-53",
    "access": "LVR-54",
    "lookups": "LVR-61",
    "auditing": "LVR-71",
    "retention": "LVR-73",
    "drafting": "LVR-72",
    "registry": "LVR-73",
}


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function that makes refusals, with the name of its family's file or folder."""
    for path in sorted(REFUSALS.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and path.name != "base.py":
                yield path.relative_to(REFUSALS).parts[0].removesuffix(".py"), node


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call that makes a refusal, with the place it stands in; `_refuse` hands its code on to `refusal`."""
    for family, function in functions():
        if function.name == "_refuse":
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                yield f"{family}:{function.name}", node


def code_of(call: ast.Call) -> str:
    """The code that a call of `refusal` gives."""
    first = call.args[0]
    assert isinstance(first, ast.Constant)
    assert isinstance(first.value, str)
    return first.value


CALLS = list(calls())


def codes_documented() -> dict[str, list[str]]:
    """The codes that have a heading, by page."""
    return {
        page.stem: [
            code
            for line in page.read_text(encoding="utf-8").splitlines()
            if line.startswith("## ")
            for code in CODE.findall(line)
        ]
        for page in sorted(PAGES.glob("*.md"))
    }


def test_every_code_has_exactly_one_page() -> None:
    made = {code_of(call) for _, call in CALLS}
    documented = [code for codes in codes_documented().values() for code in codes]
    assert sorted(documented) == sorted(set(documented)), "a code has two headings"
    assert made - set(documented) == set(), "refusals without a page"
    assert set(documented) - made == set(), "pages without a refusal"


def test_no_code_is_made_by_two_functions() -> None:
    by_code: dict[str, set[str]] = {}
    for place, call in CALLS:
        by_code.setdefault(code_of(call), set()).add(place)
    assert {code: places for code, places in by_code.items() if len(places) > 1} == {}


@pytest.mark.parametrize(("place", "call"), CALLS, ids=[f"{code_of(call)}-{place}" for place, call in CALLS])
def test_a_refusal_says_what_to_do_in_two_languages(place: str, call: ast.Call) -> None:
    code = code_of(call)
    assert CODE.fullmatch(code)
    assert code.startswith(FAMILIES[place.partition(":")[0]]), f"{place} makes a code of another family"
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    for name in ("message", "hint", "message_zh", "hint_zh"):
        assert said.get(name, "''") not in ("''", '""'), f"{place} has no {name}"
    for name in ("message_zh", "hint_zh"):
        written = [node for keyword in call.keywords if keyword.arg == name for node in ast.walk(keyword.value)]
        chinese = [node for node in written if isinstance(node, ast.Constant) and CHINESE.search(str(node.value))]
        by_name = [node for node in written if isinstance(node, ast.Name)]
        assert chinese or by_name, f"{place}.{name} is not Chinese"


def test_a_page_stands_for_each_family_and_the_overview_links_it() -> None:
    overview = (PAGES.parent / "refusals.md").read_text(encoding="utf-8")
    for family in FAMILIES:
        assert (PAGES / f"{family}.md").exists(), f"{family} has no page"
        assert f"refusals.d/{family}.md" in overview


def test_only_refusals_make_refusals() -> None:
    for path, nodes in modules():
        if path.startswith("refusals/"):
            continue
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "refusal", f"{path} makes a refusal outside refusals/"


def test_statuses_are_given_to_codes_that_exist() -> None:
    assert set(_STATUS_BY_CODE) <= {code_of(call) for _, call in CALLS}

"""The SQL reference is true: every example on every page is admitted or refused as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.sandbox.test_sql_world import DOCS, ask

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.functions import FUNCTIONS

PAGES = sorted(path for path in DOCS.glob("*.md") if path.name != "README.md")
CODES = DOCS.parent / "refusals.d" / "sql.md"
OPERATORS = {
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), "comparison"),
    **dict.fromkeys(("+", "-", "*", "/", "//", "%", "negate"), "arithmetic"),
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Tag and query of every tagged block."""
    return re.findall(r"```sql ([^\n]+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


EXAMPLES = [(page.stem, tag, sql) for page in PAGES for tag, sql in blocks(page)]
ADMITTED = [pytest.param(tag, sql, id=page) for page, tag, sql in EXAMPLES if tag == "admitted"]
REFUSED = [pytest.param(tag, sql, id=page) for page, tag, sql in EXAMPLES if tag != "admitted"]


@pytest.mark.parametrize(("tag", "sql"), ADMITTED)
def test_an_admitted_example_is_understood(tag: str, sql: str) -> None:
    assert tag == "admitted"
    assert ask(sql).columns


@pytest.mark.parametrize(("tag", "sql"), REFUSED)
def test_a_refused_example_is_refused_with_its_code(tag: str, sql: str) -> None:
    with pytest.raises(Refused) as caught:
        ask(sql)
    assert tag == f"refused {caught.value.code}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_shows_one_of_each(page: Path) -> None:
    assert {tag.split()[0] for tag, _ in blocks(page)} == {"admitted", "refused"}


def test_every_text_that_parsers_read_differently_is_shown() -> None:
    """The numbers are without a gap but D3, which no page can hold, and below each stands what becomes of it."""
    parts = re.split(r"^## D(\d+)$", (DOCS / "parsers.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    shown = {int(number): text for number, text in zip(parts[::2], parts[1::2], strict=True)}
    assert shown.keys() == set(range(1, 19)) - {3}
    assert all("```sql " in text for text in shown.values())


@pytest.mark.parametrize("name", [rule.name for rule in FUNCTIONS])
def test_every_function_has_its_page(name: str) -> None:
    assert (DOCS / f"{OPERATORS.get(name, name)}.md").exists()


def made() -> list[Refused]:
    """One refusal of every code."""
    at = Position(1, 1)
    return [
        refusals.too_long(2, 1),
        refusals.too_deep(at),
        refusals.character_not_allowed("x", at),
        refusals.malformed("x", "数", at),
        refusals.several_statements(at),
        refusals.too_complex("x", "x", 1, at),
        refusals.syntax(at),
        refusals.not_a_select(at),
        refusals.empty(),
        refusals.parameter_missing("x", at),
        refusals.parameter_unused("x"),
        refusals.constant_invalid("x", "x", at),
        refusals.dialect_unsupported(),
        refusals.unknown_table("x", (), at),
        refusals.unknown_column("x", (), at),
        refusals.ambiguous_column("x", ("a", "b"), at),
        refusals.duplicate_name("x", at),
        refusals.unknown_function("x", at),
        refusals.returns_stored_values("x", at),
        refusals.never_allowed("x", "", "", at),
        refusals.wrong_arguments("x", "x", "数", at),
        refusals.unknown_type(at),
        refusals.returned_per_row("x", at),
        refusals.not_in_this_version("x", at),
        refusals.join_without_equality("x", at),
        refusals.type_mismatch("x", ("a",), at),
        refusals.aggregate_misplaced("x", "x", "x", at),
        refusals.ordinal_invalid("x", 1, at),
        refusals.no_table(at),
        refusals.subquery_misplaced(at),
        refusals.correlation_unsupported(at),
        refusals.subquery_shape(1, at),
        refusals.set_operation_width("x", 1, 2, at),
        refusals.window_misplaced(at),
        refusals.window_over_rows(at),
        refusals.grouping_invalid(at),
        refusals.natural_join("x", at),
        refusals.column_aliases(2, 1, at),
        refusals.frame_unsupported(at),
        refusals.unclear_in_dialect("x", "mysql", "x", "数", at),
        refusals.pattern_unsupported("x", "数", at),
    ]


def test_every_code_has_its_heading_and_every_heading_its_code() -> None:
    headings = re.findall(r"^## (LVR-\d{4}) ", CODES.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == sorted(refusal.code for refusal in made())
    assert len(set(headings)) == len(headings)


def test_every_refusal_speaks_both_languages() -> None:
    for refusal in made():
        assert refusal.message
        assert refusal.hint
        assert re.search(r"[\u4e00-\u9fff]", refusal.message_zh)
        assert re.search(r"[\u4e00-\u9fff]", refusal.hint_zh)

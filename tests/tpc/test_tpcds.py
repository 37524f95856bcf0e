"""TPC-DS with customers as persons: a verdict on each of the 99 templates, by name where it is a refusal."""

from pathlib import Path

import pytest
from tests.support import tpcds
from tests.support.tpc import read_yaml

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
EXPECTED: dict[str, str] = read_yaml(tpcds.VERDICTS)


def test_there_is_a_verdict_on_every_template() -> None:
    assert list(EXPECTED) == list(tpcds.queries())
    assert len({name.rstrip("ab") for name in EXPECTED}) == tpcds.TEMPLATES


@pytest.mark.parametrize("name", EXPECTED)
def test_the_verdict_is_the_one_written_down(name: str) -> None:
    assert tpcds.judge().verdict(tpcds.queries()[name]) == EXPECTED[name]


@pytest.mark.parametrize("code", sorted(set(EXPECTED.values()) - {"answered"}))
def test_every_refusal_has_a_page(code: str) -> None:
    pages = (REFERENCE / "refusals.d").glob("*.md")
    assert any(f"\n## {code} " in f"\n{page.read_text(encoding='utf-8')}" for page in pages)


def test_the_reference_states_how_many_are_answered_and_why_the_others_are_not() -> None:
    page = (REFERENCE / "tpc.md").read_text(encoding="utf-8")
    assert tpcds.summary(EXPECTED) in page

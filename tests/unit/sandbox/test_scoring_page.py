"""docs/reference/scoring.md says what is done: its program runs, its policy and its card are read, its codes exist."""

import re
from pathlib import Path

import pytest

from louver.scoring import audit, layout
from louver.scoring.cards import read_card
from louver_sandbox.policy.load import read_policy_text
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.refusals import scoring
from louver_sandbox.settings import Limits

LIBRARY = Path(__file__).parents[3] / "policies" / "library"
REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGE = (REFERENCE / "scoring.md").read_text(encoding="utf-8")


def test_the_program_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "scoring.md", "exec"), {})
    assert capsys.readouterr().out == "584\n"


def test_the_card_of_the_page_is_one() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    card = read_card(text)
    assert (card.base, card.points["tax_score"]["<60"], card.decimals) == (6000, -125, 1)


def test_the_policy_of_the_page_is_one() -> None:
    """Feature set and terms, put where they belong in the demo's documents, are read as policy."""
    sets, terms = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    platform = (LIBRARY / "platform.yaml").read_text(encoding="utf-8").split("# What a bank's secret")[0]
    loaded, wrong = read_policy_text("platform.yaml", platform + sets)
    assert not wrong
    document = loaded[0].document
    assert isinstance(document, Platform)
    assert [one.name for one in document.feature_sets["enterprise-credit"].features] == [
        "tax_score", "penalties", "headcount", "grade",
    ]  # fmt: skip
    taxation = (LIBRARY / "taxation.yaml").read_text(encoding="utf-8")
    line = "    scoring: {auditors: [model-auditor], subjects_per_day: 10000}\n"
    assert line in taxation
    loaded, wrong = read_policy_text("taxation.yaml", taxation.replace(line, terms))
    assert not wrong
    assert isinstance(loaded[0].document, Policy)
    listed = [grant.scoring.models for grant in loaded[0].document.grants if grant.scoring is not None]
    assert listed == [("bank_a/small-firms",)] * 2


def test_every_refusal_is_on_its_page_and_limits_are_settings() -> None:
    documented = [getattr(scoring, name).__doc__ or "" for name in vars(scoring) if not name.startswith("_")]
    codes = {found.group() for text in documented if (found := re.match(r"LVR-\d{4}", text))}
    page = (REFERENCE / "refusals.d" / "scoring.md").read_text(encoding="utf-8")
    assert len(codes) == 13
    assert codes == set(re.findall(r"^## (LVR-52\d\d)", page, re.MULTILINE))
    assert set(re.findall(r"`limits\.(\w+)`", PAGE)) <= set(Limits.__dataclass_fields__)


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    assert f"at least {audit.LEAST_FEATURES} features" in PAGE
    assert f"more than {audit.MOST_SHARE} percent" in PAGE
    assert f"below {audit.MOST_POINTS:,}" in PAGE
    told = f"A slot of {layout.SLOT_BITS} bits holds {layout.SCORE_BITS} bits of\nscore"
    assert told in PAGE
    assert [(bits - 3) // layout.SLOT_BITS for bits in (2048, 3072, 4096)] == [28, 42, 56]

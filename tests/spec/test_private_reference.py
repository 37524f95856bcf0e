"""Every question in docs/reference/dp.md is judged as the page says, against the demo city's policies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.policy_questions import BANK_A, city_bundle, city_catalog, facts

from louver.errors import Refused
from louver_sandbox.pipeline import judge
from louver_sandbox.stages import Plan, Request, Treatment

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dp.md"
FENCED = re.compile(r"^```sql dp (admitted|free|refused LVR-\d{4}) ([A-Z_]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = FENCED.findall(PAGE.read_text(encoding="utf-8"))


def judged(purpose: str, sql: str) -> Plan:
    return judge(Request("r", BANK_A, purpose, sql), city_catalog(), city_bundle(), facts())


@pytest.mark.parametrize(("said", "purpose", "sql"), EXAMPLES, ids=[f"{n}" for n, _ in enumerate(EXAMPLES)])
def test_the_page_tells_the_truth(said: str, purpose: str, sql: str) -> None:
    if said in ("admitted", "free"):
        made = judged(purpose, sql)
        assert made.treatment is Treatment.DP
        assert bool(made.privacy) is (said == "admitted")
        return
    with pytest.raises(Refused) as refused:
        judged(purpose, sql)
    assert refused.value.code == said.removeprefix("refused ")


def test_the_example_of_a_wanted_accuracy_runs() -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(program, "dp.md", "exec"), {})


def test_there_are_examples_of_each() -> None:
    assert {said.split()[0] for said, _, _ in EXAMPLES} == {"admitted", "free", "refused"}

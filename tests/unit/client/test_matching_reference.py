"""What docs/reference/matching.md shows is run, and its policy is one."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from louver_sandbox.policy.load import read_policy_text
from louver_sandbox.policy.model import Policy

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "matching.md").read_text(encoding="utf-8")


def test_the_exchange_on_the_page_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "matching.md", "exec"), {})


def test_the_policy_on_the_page_is_one() -> None:
    (grant,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    head = 'kind: policy\nid: p\nversion: "1"\nowner: 市发改委\ntitle: t\ngrants:\n'
    (loaded,), problems = read_policy_text("page", head + textwrap.indent(grant, "  "))
    assert problems == ()
    assert isinstance(loaded.document, Policy)
    assert loaded.document.grants[0].matching is not None

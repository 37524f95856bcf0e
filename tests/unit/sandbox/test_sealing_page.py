"""docs/reference/sealing.md says what is done: its program runs, and its tests of keys are the ones there are."""

import re
from pathlib import Path

from louver_sandbox.refusals import sealing
from louver_sandbox.settings import Limits

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGE = (REFERENCE / "sealing.md").read_text(encoding="utf-8")


def test_the_program_of_the_page_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "sealing.md", "exec"), {})


def test_every_refusal_is_on_the_page() -> None:
    documented = [getattr(sealing, name).__doc__ or "" for name in vars(sealing) if not name.startswith("_")]
    codes = {found.group() for text in documented if (found := re.match(r"LVR-\d{4}", text))}
    assert len(codes) == 13
    assert codes == set(re.findall(r"LVR-5\d{3}", PAGE))


def test_the_limits_on_the_page_are_settings() -> None:
    assert set(re.findall(r"`limits\.(\w+)`", PAGE)) <= set(Limits.__dataclass_fields__)

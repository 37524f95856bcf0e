"""docs/reference/encrypted.md says what is done: its program runs, its terms load, its refusals are the ones there are."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from louver.sealing.uploading import MOST_SCALE
from louver_sandbox.encrypted_core import ContractRules, StrictRules
from louver_sandbox.plan.encrypted.asked import MOST_FACTOR
from louver_sandbox.plan.encrypted.rows import STRICT_WINDOW, WINDOW
from louver_sandbox.policy.encrypted import written
from louver_sandbox.policy.terms import ThresholdTerms
from louver_sandbox.refusals import encrypted
from louver_sandbox.uploads.encrypted import MOST

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGE = (REFERENCE / "encrypted.md").read_text(encoding="utf-8")


def test_the_program_of_the_page_runs() -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        exec(compile(program, "encrypted.md", "exec"), {})


def test_every_refusal_is_on_the_page() -> None:
    documented = [getattr(encrypted, name).__doc__ or "" for name in vars(encrypted) if not name.startswith("_")]
    codes = {found.group() for text in documented if (found := re.match(r"LVR-\d{4}", text))}
    assert len(codes) == 10
    # One that answers join conditions alone stands in the list of refusals.
    assert codes - set(re.findall(r"LVR-53\d{2}", PAGE)) == {"LVR-5309"}


def test_the_terms_of_the_page_are_terms() -> None:
    blocks = [
        YAML(typ="safe").load(block)["threshold"] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    ]
    contract, strict = (written(ThresholdTerms(**block).encrypted) for block in blocks)
    assert isinstance(contract, ContractRules)
    assert (str(contract.bound("days")), str(contract.bound("balance"))) == ("3650", "5000000")
    assert isinstance(strict, StrictRules)
    assert (strict.labels, strict.labels_of_all) == (2, 4)


def test_the_figures_of_the_page_are_those_of_the_program() -> None:
    assert f"more than {MOST:,} encrypted numbers" in PAGE
    assert f"2^{MOST_FACTOR.bit_length() - 1};" in PAGE
    assert (f"2^{WINDOW} the window" in PAGE, f"2^{STRICT_WINDOW} under" in PAGE) == (True, True)
    assert MOST_SCALE == 12

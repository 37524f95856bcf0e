"""docs/reference/tokens.md says what is done: its program runs, its grant loads, its figures and refusals are right."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.support.policy_questions import policy

from louver import signing
from louver.matching import oprf
from louver.tokens import asking
from louver.tokens.columns import TOKEN_BYTES
from louver.v1 import tokens_pb2 as pb
from louver_sandbox.policy.token_terms import MOST_IDS
from louver_sandbox.refusals.encrypted import tokens

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "tokens.md").read_text(encoding="utf-8")


def test_the_program_of_the_page_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "tokens.md", "exec"), {})


def test_every_refusal_is_on_the_page() -> None:
    documented = [getattr(tokens, name).__doc__ or "" for name in vars(tokens) if not name.startswith("_")]
    codes = {found.group() for text in documented if (found := re.match(r"LVR-\d{4}", text))}
    assert len(codes) == 8
    assert codes <= set(re.findall(r"LVR-53\d{2}", PAGE))


def test_the_grant_of_the_page_is_one() -> None:
    ((grant,),) = [YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    (made,) = policy(grant).grants
    assert made.tokens is not None
    assert made.tokens.ids_per_month == 400_000
    with pytest.raises(ValueError, match="ids_per_month"):
        policy(grant | {"tokens": {"ids_per_day": 2, "ids_per_month": 1}})


def test_the_figures_of_the_page_are_those_of_the_program() -> None:
    assert f"batches of {oprf.BATCH} with" in PAGE
    assert f"at most {MOST_IDS:,} ids" in PAGE
    assert asking.MOST_IDS == MOST_IDS
    assert f"the first {TOKEN_BYTES} of the {oprf.TOKEN_BYTES} bytes" in PAGE


def test_the_signing_bytes_are_those_of_the_page() -> None:
    lines = signing.token_bytes(pb.TokenQuestion(request_id="r", element="uscc", ids=3)).decode().splitlines()
    assert f"`{lines[0]}`" in PAGE
    told = PAGE.partition("`louver.dev/token/v1`, then ")[2]
    assert re.findall(r"`(\w+)`", told)[:5] == [line.partition(":")[0] for line in lines[1:]]

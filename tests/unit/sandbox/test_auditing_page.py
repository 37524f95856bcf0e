"""docs/reference/auditing.md says what is done: its programs run, its filters, verdicts and methods are those there are."""

import re
from pathlib import Path

import pytest

from louver.audit.client import entry_filter
from louver.v1 import audit_pb2 as pb
from louver_sandbox.auditing import tables
from louver_sandbox.auditing.described import VERDICTS
from louver_sandbox.service import audit_filters

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "auditing.md").read_text(encoding="utf-8")


def test_the_programs_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(program, "auditing.md", "exec"), names)
    honest, changed, first, second = capsys.readouterr().out.splitlines()
    assert (honest, first) == ("True 3 3", "True")
    assert changed.startswith("entry 0: its bytes hash to")
    assert second == "rewind: the log showed 5 entries before and shows 4 now"


def test_every_filter_has_its_line() -> None:
    table = PAGE.split("### Filters")[1].split("### What is not shown")[0]
    told = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert told == set(entry_filter.__kwdefaults__ or {})
    for verdict in VERDICTS:
        assert f"`{verdict}`" in table
    assert f"at most {audit_filters.MOST_WORDS}" in table
    assert f"at most {audit_filters.MOST_VALUES}" in table
    assert {*tables.FACETS, "dataset"} <= told


def test_every_method_has_its_line() -> None:
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["AuditService"].methods}
    told = {
        name for row in re.findall(r"^\| ([A-Z]\w+(?:, \w+)*) \|", PAGE, re.MULTILINE) for name in row.split(", ")
    }
    assert told == methods

"""docs/reference/alerts.md says what is done: its rules and outputs are taken, its tables name what there is."""

import re
from pathlib import Path

from louver.alerts.forms import FILTERS, GENERAL, PATTERNS, PER, SEVERITIES
from louver.alerts.outputs import parse
from louver.alerts.posting import TIMEOUT_S
from louver.alerts.reading import MAX_BYTES
from louver.alerts.rules import parse as parse_rules
from louver.alerts.trying import try_rules
from louver.cli.app import app

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "alerts.md").read_text(encoding="utf-8")
RULES, OUTPUTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_rule_of_the_page_holds() -> None:
    assert all(one.ok for one in try_rules(parse_rules(RULES)))


def test_the_outputs_of_the_page_are_outputs(tmp_path: Path) -> None:
    (tmp_path / "hook.secret").write_bytes(b"0123456789abcdef")
    assert [one.kind for one in parse(OUTPUTS, tmp_path)] == ["file", "syslog", "webhook"]


def test_every_pattern_and_field_has_its_line() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    for name, fields in PATTERNS.items():
        assert set(re.findall(r"`(\w+)`", rows[name].rpartition("|")[2])) == set(fields), name
    for said in (*SEVERITIES, *FILTERS, *PER, *GENERAL):
        assert said in PAGE, said
    assert f"{MAX_BYTES // 1024} KiB" in PAGE
    assert "twenty seconds" in PAGE
    assert 2 * TIMEOUT_S == 20


def test_every_command_is_told() -> None:
    group = next(one for one in app.registered_groups if one.name == "audit").typer_instance
    assert group is not None
    alerts = next(one for one in group.registered_groups if one.name == "alerts").typer_instance
    assert alerts is not None
    for command in alerts.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert f"louver audit alerts {name}" in PAGE, name

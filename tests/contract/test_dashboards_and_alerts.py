"""The dashboard and the alerts speak of metrics and labels that exist, in expressions that could be read.

`promtool` is in no package registry, so expressions are read here: brackets match, and every word is a metric of
docs/reference/telemetry.md (which an end-to-end test holds against a running service), a label, a function or a keyword
that is listed below. Where `promtool` is, it judges the alerts too.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.helm_chart import loaded

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "louver-sandbox.json"
REFERENCE = (ROOT / "docs" / "reference" / "telemetry.md").read_text(encoding="utf-8")
FUNCTIONS = {"absent", "changes", "histogram_quantile", "increase", "rate", "sum", "time", "topk"}
KEYWORDS = {"and", "by", "offset", "on", "or"}
ROWS = re.findall(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \|([^|]*)\|", REFERENCE, re.MULTILINE)
METRICS = {
    name + suffix
    for name, kind, _ in ROWS
    for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
}
LABELS = {label for _, _, labels in ROWS for label in re.findall(r"`(\w+)`", labels)} | {"le"}
PATTERNS = {"code": r"LVR-\d{4}", "method": r"[A-Z]\w+Service/[A-Z]\w+"}
VALUES = set(re.findall(r"`([^`|]+)`", REFERENCE))


def words(expression: str) -> set[str]:
    """Every name in an expression, without texts, numbers and durations."""
    bare = re.sub(r'"[^"]*"|\[\d+[smhd]\]|offset \d+[smhd]', " ", expression)
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", bare))


def wrongs(expression: str) -> Iterator[str]:
    """What Prometheus would not understand, or find nothing for."""
    if expression.count("(") != expression.count(")") or expression.count("{") != expression.count("}"):
        yield "brackets do not match"
    yield from (f"unknown: {word}" for word in words(expression) - METRICS - LABELS - FUNCTIONS - KEYWORDS)
    if not words(expression) & METRICS:
        yield "no metric"
    for label, sign, value in re.findall(r'(\w+)(!=|=~|=)"([^"]*)"', expression):
        known = sign != "=" or value in VALUES or (label in PATTERNS and re.fullmatch(PATTERNS[label], value))
        if not known:
            yield f"no value of {label}: {value}"


def rules() -> list[dict[str, Any]]:
    return [rule for group in loaded(ALERTS)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_is_whole_and_about_what_there_is(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Louver[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
    assert list(wrongs(rule["expr"])) == []


def test_alerts_have_names_of_their_own_and_their_codes_have_pages() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) >= 12
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs/reference/refusals.d").glob("*.md"))
    for rule in rules():
        for code in re.findall(r'code="(LVR-\d{4})"', rule["expr"]):
            assert f"## {code} " in pages


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_shows_what_there_is(panel: dict[str, Any]) -> None:
    assert {"id", "type", "title", "gridPos", "targets", "datasource"} <= panel.keys()
    assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
    for target in panel["targets"]:
        assert list(wrongs(target["expr"])) == []
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= LABELS


def test_the_dashboard_shows_every_metric_of_ours_and_panels_do_not_overlap() -> None:
    shown = {word for panel in panels() for target in panel["targets"] for word in words(target["expr"])}
    ours = {name for name, _, _ in ROWS if name.startswith("louver_")}
    assert {name for name in ours if not any(word.startswith(name) for word in shown)} == set()
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.parametrize(
    "expression",
    ["louver_nothing > 0", "sum(rate(louver_calls_total[5m])", 'louver_questions{state="sleeping"}', "time() > 5"],
)
def test_what_could_not_be_read_is_found(expression: str) -> None:
    assert list(wrongs(expression))


def test_promtool_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this host")
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

"""Rules of alerts: what is no rule is refused with its place, and every rule that ships does what its tests say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from louver.alerts.forms import FORMS, PATTERNS, schema
from louver.alerts.reading import MAX_BYTES, NotRead, read
from louver.alerts.rules import RulesRefused, duration, parse
from louver.alerts.shapes import shape_of
from louver.alerts.trying import try_rules
from louver.cli.alerts import standard_text

ROOT = Path(__file__).parents[3]
RULE = """\
version: 1
rules:
  - id: burst
    title: Many refusals
    title_zh: 多次被拒
    severity: low
    pattern: burst
    where: {verdict: refused}
    at_least: 3
    within: 10m
    tests:
      - {name: three, entries: [{repeat: 3, kind: refusal, institution: a}], alerts: 1}
      - {name: two, entries: [{repeat: 2, kind: refusal, institution: a}], alerts: 0}
"""


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(RulesRefused) as refused:
        parse(text)
    for one in refused.value.problems:
        assert any("一" <= char <= "鿿" for char in one.message_zh), one
    return [(one.line, one.message) for one in refused.value.problems]


def test_every_pattern_of_the_standard_rules_does_what_its_tests_say() -> None:
    rules = parse(standard_text())
    tried = try_rules(rules)
    assert [one for one in tried if not one.ok] == []
    assert {rule.pattern for rule in rules} == set(PATTERNS), "the issue names five patterns, and each has a rule"
    assert len(tried) >= 2 * len(rules)


def test_the_published_schema_is_the_one_that_is_checked() -> None:
    published = json.loads((ROOT / "policies" / "schema" / "alerts.json").read_text(encoding="utf-8"))
    assert published == schema(), "write it anew: louver audit alerts schema > policies/schema/alerts.json"


def test_the_schema_takes_the_standard_rules_and_every_field_of_theirs() -> None:
    """Without a validator among the dependencies: by the schema's own words, rule by rule."""
    document = YAML(typ="safe").load(standard_text())
    of = {one["properties"]["pattern"]["const"]: one for one in schema()["properties"]["rules"]["items"]["oneOf"]}
    for rule in document["rules"]:
        known = of[rule["pattern"]]
        assert rule.keys() <= known["properties"].keys()
        assert set(known["required"]) <= rule.keys()
    assert set(of) == set(FORMS)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("severity: low", "severity: dreadful", 6, "severity is not one of"),
        ("at_least: 3", "at_least: 0", 9, "at_least is not a whole number from 1"),
        ("at_least: 3", "at_least: .inf", 9, "at_least is not a whole number"),
        ("at_least: 3", "at_last: 3", 9, "is not a key of this pattern's rules"),
        ("within: 10m", "within: 10", 10, "within is not a duration"),
        ("within: 10m", "within: 99999d", 10, "within is not a duration"),
        ("pattern: burst", "pattern: boom", 7, "is not one of burst"),
        ("{verdict: refused}", "{verdikt: refused}", 8, "is not one of kind"),
        ("{verdict: refused}", "{verdict: []}", 8, "is not a text or a list"),
        ("id: burst", "id: 'a b'", 3, "id is not a name"),
        ("version: 1", "version: 2", 1, "not `version: 1`"),
        ("alerts: 0", "alerts: 1", 3, "needs a test that gives alerts and one that gives none"),
        ("entries: [{repeat: 2, kind: refusal, institution: a}]", "entries: []", 13, "a test has a name"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_at_its_place(old: str, new: str, line: int, said: str) -> None:
    assert old in RULE
    found = problems(RULE.replace(old, new))
    assert any(at == line and said in message for at, message in found), found


def test_a_rule_without_tests_is_refused_and_two_of_one_name() -> None:
    head, _, _ = RULE.partition("    tests:")
    assert problems(head) == [(3, "has no tests")]
    body = RULE.partition("rules:\n")[2]
    assert problems(RULE + body) == [(14, "is the id of an earlier rule")]


def bombs() -> dict[str, str]:
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
    )
    return {
        "a billion laughs": laughs,
        "merge": "base: &b {x: 1}\nrules: [{<<: *b}]",
        "python": "!!python/object/apply:os.system ['true']",
        "tag": "rules: !!set {a, b}",
        "deep": "[" * 5000,
        "flow depth": "[" * 50 + "]" * 50,
        "long": "#" * (MAX_BYTES + 1),
        "many": "rules: [" + "a," * 60_000 + "]",
        "twice": "version: 1\nversion: 1",
        "two documents": "version: 1\n---\nversion: 1",
        "nothing": "",
        "control": "a: \x00",
        "surrogate": "a: \ud800",
        "key": "? [a]\n: b",
    }


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_in_yaml_is_refused_at_once(name: str) -> None:
    with pytest.raises(NotRead):
        read(bombs()[name])


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=" \n-:{}[]&*!'\"#|>?%@`,abc1", max_size=60))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    refused: NotRead | None = None
    try:
        read(text)
    except NotRead as caught:
        refused = caught
    assert refused is None or min(refused.problem.line, refused.problem.column) >= 1


def test_statements_are_neighbours_by_words_not_by_spelling() -> None:
    key = b"k"
    one = shape_of("SELECT count(*) FROM t WHERE a > 5", key)
    assert shape_of("select  COUNT(*)\nfrom t /* x */ where a > 5 -- y", key) == one
    assert one.near(shape_of("SELECT count(*) FROM t WHERE a > 6", key), 0)
    assert not one.near(one, 50)
    assert one.near(shape_of("SELECT count(*) FROM t WHERE a > 5 AND b <> 'x'", key), 4)
    assert not one.near(shape_of("SELECT max(b), c FROM u JOIN v USING (w) GROUP BY c", key), 4)
    assert shape_of("SELECT 1", b"other").words != shape_of("SELECT 1", key).words, "a file tells no words"


@pytest.mark.parametrize("text", ["/*" + "*" * 20_000, "'" * 20_000, "-" * 20_000, '"' * 20_001, "(" * 20_000])
def test_no_statement_makes_the_reader_go_back(text: str) -> None:
    assert len(shape_of(text, b"k").words) <= 400


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("366d", 366 * 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds
    for wrong in ("", "10", "-1s", "1.5h", "０s", "1 h", "367d", "1w"):
        with pytest.raises(ValueError, match="duration"):
            duration(wrong)


def test_a_rule_is_named_by_its_wording_and_not_by_its_tests() -> None:
    (one,) = parse(RULE)
    (other_tests,) = parse(RULE.replace("name: two", "name: a pair"))
    (other,) = parse(RULE.replace("at_least: 3", "at_least: 2").replace("repeat: 2", "repeat: 1"))
    assert one.digest == other_tests.digest
    assert one.digest != other.digest


@pytest.mark.parametrize(
    "entry",
    ["{typo: 1}", "{repeat: x}", "{repeat: 999999999}", "{charges: [{kind: query}]}", "{every: 1}", "{history: 3}"],
)
def test_a_test_that_cannot_be_run_is_no_test_that_holds(entry: str) -> None:
    text = RULE.replace("{repeat: 2, kind: refusal, institution: a}", entry)
    tried: list[Any] = [one for one in try_rules(parse(text)) if one.case.name == "two"]
    assert [(one.alerts, one.ok) for one in tried] == [(None, False)]
    assert tried[0].problem

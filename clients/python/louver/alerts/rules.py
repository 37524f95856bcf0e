"""Rules as values, read strictly from a document. What is not known is refused; nothing has a silent meaning.

version: 1
rules:
  - id: refusal_burst
    title: Many refusals of one institution
    title_zh: 同一机构短时间内多次被拒
    severity: medium
    pattern: burst
    where: {verdict: [refused]}
    per: [institution]
    at_least: 20
    within: 10m
    tests: [...]
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from louver.alerts.forms import FILTERS, FORMS, GENERAL, PATTERNS, PER, Form
from louver.alerts.reading import Document, NotRead, Path, Problem, Tree, read

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MOST_RULES = 200


@dataclass(frozen=True, slots=True)
class Case:
    """A test of a rule: entries as a log would have them, and how many alerts the rule gives."""

    name: str
    entries: tuple[Mapping[str, Any], ...]
    alerts: int


@dataclass(frozen=True)
class Rule:
    """What is looked for. ``digest`` names this very wording; ``options`` are the pattern's own fields.

    ``within`` and ``quiet`` are seconds: what counts together, and for how long the same is not said again.
    """

    id: str
    title: str
    title_zh: str
    severity: str
    pattern: str
    where: Mapping[str, tuple[str, ...]]
    per: tuple[str, ...]
    within: int
    quiet: int
    options: Mapping[str, Any]
    cases: tuple[Case, ...]
    digest: str


class RulesRefused(Exception):
    """The rules cannot be used; every reason at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a file. Raises ``RulesRefused``, and ``Misused`` where YAML cannot be read."""
    try:
        document = read(text)
    except NotRead as not_read:
        raise RulesRefused([not_read.problem]) from None
    reader = _Rules(document)
    rules = reader.rules()
    if reader.problems:
        raise RulesRefused(sorted(reader.problems, key=lambda one: (one.line, one.column)))
    return rules


def duration(text: str) -> int:
    """Seconds of `90s`, `10m`, `2h` or `30d`. Raises ``ValueError``."""
    found = re.fullmatch(r"([1-9]\d{0,4})([smhd])", text, re.ASCII)
    if found is None or (seconds := int(found[1]) * SECONDS[found[2]]) > 366 * 86400:
        raise ValueError("no duration")
    return seconds


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("no number")
    return int(text)


def _decimal(text: str) -> Fraction:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        raise ValueError("no decimal")
    return Fraction(Decimal(text))


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "text": str,
    "name": str,
    "whole": _whole,
    "decimal": _decimal,
    "duration": duration,
}


class _Rules:
    """Reads a document, and notes everything that is wrong with it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def wrong(self, path: Path, message: str, message_zh: str) -> None:
        self.problems.append(self._document.problem(path, message, message_zh))

    def rules(self) -> tuple[Rule, ...]:
        tree = self._document.tree
        given = tree.get("rules") if isinstance(tree, dict) else None
        if not isinstance(tree, dict) or tree.get("version") != "1" or not isinstance(given, list):
            self.wrong((), "not `version: 1` with a list of `rules`", "须为 `version: 1` 及 `rules` 列表")
            return ()
        for name in tree.keys() - {"version", "rules"}:
            self.wrong((name,), "is not a key of this document", "不是本文档的键")
        if not 0 < len(given) <= MOST_RULES:
            self.wrong(("rules",), f"one rule at least and {MOST_RULES} at most", f"规则数须为 1 至 {MOST_RULES}")
            return ()
        found = [self._rule(item, ("rules", number)) for number, item in enumerate(given)]
        seen: set[str] = set()
        for number, rule in enumerate(found):
            if rule is not None and rule.id in seen:
                self.wrong(("rules", number, "id"), "is the id of an earlier rule", "与前面的规则重名")
            seen |= {rule.id} if rule is not None else set()
        return tuple(rule for rule in found if rule is not None)

    def _rule(self, tree: Tree, path: Path) -> Rule | None:
        before = len(self.problems)
        if not isinstance(tree, dict):
            self.wrong(path, "is not a rule", "不是规则")
            return None
        pattern = tree.get("pattern")
        if not isinstance(pattern, str) or pattern not in PATTERNS:
            self.wrong((*path, "pattern"), f"is not one of {', '.join(PATTERNS)}", f"须为 {'、'.join(PATTERNS)} 之一")
            return None
        forms = FORMS[pattern]
        values = dict(self._fields(tree, forms, path))
        where = self._where(tree.get("where", {}), (*path, "where"))
        per = self._per(tree.get("per", ["institution"]), (*path, "per"))
        cases = tuple(self._cases(tree.get("tests"), (*path, "tests")))
        if len(self.problems) > before:
            return None
        options = {name: values.get(name) for name in PATTERNS[pattern] if name not in GENERAL}
        if pattern == "budget_burn" and sum(options[name] is not None for name in ("share", "units", "rho")) != 1:
            self.wrong(path, "needs one of share, units and rho", "须给出 share、units、rho 之一")
            return None
        without_tests = {name: value for name, value in tree.items() if name != "tests"}
        said = json.dumps(without_tests, sort_keys=True, ensure_ascii=False)
        within = int(values.get("within", 86400))
        return Rule(
            values["id"], values["title"], values["title_zh"], values["severity"], pattern, where, per, within,
            int(values.get("quiet", within)), options, cases, hashlib.sha256(said.encode()).hexdigest()[:16],
        )  # fmt: skip

    def _fields(self, tree: Mapping[str, Tree], forms: Mapping[str, Form], path: Path) -> Iterator[tuple[str, Any]]:
        for name in sorted(tree.keys() - forms.keys() - {"where", "per", "tests", "pattern"}):
            self.wrong((*path, name), "is not a key of this pattern's rules", "不是该模式规则的键")
        for name, form in forms.items():
            if name not in tree:
                if form.needed:
                    self.wrong(path, f"{name} is missing", f"缺少 {name}")
                elif form.default is not None:
                    yield name, _READERS[form.kind](form.default)
                continue
            value = tree[name]
            try:
                if not isinstance(value, str) or not value.strip():
                    raise ValueError
                read_value = _READERS[form.kind](value)
                if form.choices and value not in form.choices:
                    raise ValueError
                if form.kind == "name" and not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value, re.ASCII):
                    raise ValueError
                if form.kind == "text" and len(value) > 200:
                    raise ValueError
                if form.kind == "whole" and not form.least <= read_value <= form.most:
                    raise ValueError
            except ValueError:
                told, told_zh = form.said()
                self.wrong((*path, name), f"{name} is not {told}", f"{name} 须为{told_zh}")
                continue
            yield name, read_value

    def _where(self, tree: Tree, path: Path) -> Mapping[str, tuple[str, ...]]:
        if not isinstance(tree, dict):
            self.wrong(path, "is not a mapping of fields to values", "须为字段到取值的映射")
            return {}
        found: dict[str, tuple[str, ...]] = {}
        for name, value in tree.items():
            values = [value] if isinstance(value, str) else value
            if name not in FILTERS:
                self.wrong((*path, name), f"is not one of {', '.join(FILTERS)}", f"须为 {'、'.join(FILTERS)} 之一")
            elif (
                not isinstance(values, list) or not values or not all(isinstance(one, str) and one for one in values)
            ):
                self.wrong((*path, name), "is not a text or a list of texts", "须为文本或文本列表")
            else:
                found[name] = tuple(map(str, values))
        return found

    def _per(self, tree: Tree, path: Path) -> tuple[str, ...]:
        if not isinstance(tree, list) or not all(isinstance(one, str) and one in PER for one in tree):
            self.wrong(path, f"is not a list of {', '.join(PER)}", f"须为 {'、'.join(PER)} 的列表")
            return ()
        return tuple(map(str, tree))

    def _cases(self, tree: Tree | None, path: Path) -> Iterator[Case]:
        if not isinstance(tree, list) or not tree:
            self.wrong(path[:-1], "has no tests", "没有测试")
            return
        expected: set[bool] = set()
        for number, item in enumerate(tree):
            here = (*path, number)
            if not isinstance(item, dict) or item.keys() != {"name", "entries", "alerts"}:
                self.wrong(here, "is not a test with name, entries and alerts", "测试须含 name、entries、alerts")
                continue
            name, entries, alerts = item["name"], item["entries"], item["alerts"]
            fine = isinstance(entries, list) and entries and all(isinstance(one, dict) for one in entries)
            if not isinstance(name, str) or not fine or not isinstance(alerts, str) or not alerts.isdigit():
                self.wrong(here, "a test has a name, a list of entries and a number of alerts", "测试格式错误")
                continue
            expected.add(alerts != "0")
            yield Case(name, tuple(one for one in entries if isinstance(one, dict)), int(alerts[:6]))
        if expected == {True} or expected == {False}:
            self.wrong(
                path[:-1], "needs a test that gives alerts and one that gives none", "须各有一项触发与不触发的测试"
            )


__all__ = ["FORMS", "Case", "Rule", "RulesRefused", "duration", "parse"]

"""A verdict as lines of text: what would be answered and how, at what cost, and what would run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from louver.cli.gauge import gauge
from louver.display import visible, width
from louver.results import Accuracy, Explanation, Notice

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "answer": "answer",
        "exact": "exact: public data and your own leave as they are",
        "threshold": "threshold: groups and values leave where subjects are enough and none stands out",
        "cost": "cost",
        "nothing": "nothing",
        "query": "query",
        "predicate": "predicate",
        "cells": "released groups at most",
        "left": "left today afterwards",
        "left_of_version": "left of this version of the data afterwards",
        "policies": "policies",
        "columns": "columns",
        "rules": "rules",
        "notices": "will be said",
        "accuracy": "how exact",
        "privacy": "privacy",
        "reads": "reads",
        "runs": "runs",
        "then": "then, over released rows",
    },
    "zh": {
        "answer": "作答方式",
        "exact": "精确（exact）：公开数据与本机构数据原样给出",
        "threshold": "阈值（threshold）：主体足够多且无突出主体的分组与数值才会给出",
        "cost": "费用",
        "nothing": "无",
        "query": "次查询",
        "predicate": "个条件",
        "cells": "个发布的分组（最多）",
        "left": "此后今日剩余",
        "left_of_version": "此后本数据版本剩余",
        "policies": "政策",
        "columns": "结果列",
        "rules": "规则",
        "notices": "必有说明",
        "accuracy": "精度",
        "privacy": "隐私额度",
        "reads": "读取",
        "runs": "执行",
        "then": "然后，对已发布的行计算",
    },
}

_CLAUSES_ZH: Mapping[str, str] = {
    "output": "输出",
    "group_key": "分组",
    "filter": "筛选",
    "join_key": "连接",
    "aggregate": "聚合",
    "order": "排序",
}


def explained(verdict: Explanation, language: str) -> list[str]:
    """An admitted verdict, each text safe for a terminal."""
    words = _WORDS[language]
    sections: list[tuple[str, Sequence[str]]] = [
        ("answer", [words.get(verdict.treatment, verdict.treatment)]),
        ("cost", list(_costs(verdict, words))),
        ("policies", verdict.policies),
        ("columns", _columns(verdict, language)),
        ("rules", [_rule(rule, language) for rule in verdict.rules]),
        ("notices", [f"{notice.code}: {notice.text(language)}" for notice in verdict.notices]),
        ("accuracy", [_exactness(one, language) for one in verdict.accuracy]),
        ("privacy", gauge(verdict.privacy, language)),
        ("reads", list(_reads(verdict, language))),
    ]
    margin = max(width(words[name]) for name, _ in sections) + 2
    lines: list[str] = []
    for name, texts in sections:
        for number, text in enumerate(texts):
            label = words[name] if number == 0 else ""
            lines.append(f"{label}{' ' * (margin - width(label))}{visible(text)}")
    lines += ["", words["runs"], *(visible(line) for line in verdict.statement.split("\n"))]
    if verdict.shape:
        lines += ["", words["then"], *(visible(line) for line in verdict.shape.split("\n"))]
    return lines


def _costs(verdict: Explanation, words: Mapping[str, str]) -> Iterator[str]:
    if not verdict.cost:
        yield words["nothing"]
    for kind, count in sorted(verdict.cost.items()):
        dataset, _, what = kind.rpartition(" ")
        shown = f"{count} {words.get(what, what)}, {dataset}" if dataset else f"{count} {kind}"
        rest = verdict.remaining.get(kind)
        left = words["left_of_version" if what == "cells" else "left"]
        yield shown if rest is None else f"{shown}; {left}: {rest}"


def _columns(verdict: Explanation, language: str) -> list[str]:
    """Aligned: name, type, how it leaves."""
    shown = [(visible(one.name), one.type, one.text(language)) for one in verdict.outcomes]
    shown = shown or [(visible(column.name), column.type, "") for column in verdict.columns]
    wide = [max((width(line[place]) for line in shown), default=0) for place in (0, 1)]
    return ["  ".join((*map(_padded, line[:2], wide), line[2])).rstrip() for line in shown]


def _exactness(one: Accuracy, language: str) -> str:
    """How exact a column will be, and what part of the cost goes to it."""
    said = f"{one.column}: {one.text(language)}"
    if one.share is None:
        return said
    share = format(one.share.normalize(), "f")
    return f"{said}（占成本的 {share} %）" if language == "zh" else f"{said} ({share} % of the cost)"


def _padded(text: str, size: int) -> str:
    return text + " " * (size - width(text))


def _rule(rule: Notice, language: str) -> str:
    return f"{rule.rule}: {rule.text(language)}"


def _reads(verdict: Explanation, language: str) -> Iterator[str]:
    """Each column that is used, once, with the clauses it is used in."""
    found: dict[str, dict[str, None]] = {}
    for use in verdict.uses:
        clause = _CLAUSES_ZH.get(use.clause, use.clause) if language == "zh" else use.clause
        found.setdefault(f"{use.table}.{use.column}", {})[clause] = None
    for column, clauses in sorted(found.items()):
        yield f"{column} ({', '.join(clauses)})" if language == "en" else f"{column}（{'、'.join(clauses)}）"

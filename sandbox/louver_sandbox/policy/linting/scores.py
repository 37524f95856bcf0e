"""What a person should look at in feature sets and grants to score before they are signed."""

from __future__ import annotations

from collections.abc import Iterator

from louver.errors import Refused
from louver_sandbox.catalog.model import Catalog, Table, Verb
from louver_sandbox.policy.feature_columns import table_named, unit_column
from louver_sandbox.policy.features import Feature, FeatureSet
from louver_sandbox.policy.floors import Finding
from louver_sandbox.policy.grants import Rulebook
from louver_sandbox.policy.model import Grant, Platform
from louver_sandbox.policy.severity import Severity
from louver_sandbox.sql.predicates import bind_predicate

Path = tuple[str | int, ...]


def feature_sets(platform: Platform, catalog: Catalog, rulebook: Rulebook) -> Iterator[Finding]:
    """Tables and columns that are not there, conditions that cannot be bound, and sets that nobody can use."""
    for name, features in platform.feature_sets.items():
        at: Path = ("feature_sets", name)
        yield from _table(features.subjects, features, catalog, (*at, "subjects"))
        for index, one in enumerate(features.features):
            yield from _feature(one, features, catalog, (*at, "features", index))
        for text in features.tables:
            permits = rulebook.permits.get(text, ())
            if not any(Verb.SCORE in permit.grant.verbs for permit in permits):
                yield Finding(
                    at,
                    f"no grant lets {text} be scored: every request for this set is refused",
                    f"没有授权允许对 {text} 评分，使用该特征集的请求都会被拒绝",
                    "its owner grants it with the verb score",
                    "由数据提供单位以 score 授权",
                    "unreachable-features",
                    Severity.NOTE,
                )


def idle_right(grant: Grant) -> Iterator[Finding]:
    """The right `score` in a grant for other verbs, which gives nothing."""
    for name, rights in grant.rights.items():
        if rights.score and Verb.SCORE not in grant.verbs:
            yield Finding(
                ("columns", name),
                "the right score gives nothing without the verb score",
                "没有 score 功能，score 权利不起作用",
                "put it into a grant of its own with verbs: [score]",
                "请另设 verbs: [score] 的授权",
                "idle-right",
                Severity.WARNING,
            )


def _feature(one: Feature, features: FeatureSet, catalog: Catalog, at: Path) -> Iterator[Finding]:
    yield from _table(one.table, features, catalog, (*at, "table"))
    table = catalog.table(table_named(one.table))
    if table is None:
        return
    for column in one.columns:
        if table.column(column) is None:
            says, says_zh = f"{one.table} has no column {column}", f"{one.table} 没有字段 {column}"
            yield Finding(at, says, says_zh, "see the catalogue", "请查目录", "unknown-column")
    if one.where is not None:
        yield from _condition(one.where, table, (*at, "where"))


def _condition(text: str, table: Table, at: Path) -> Iterator[Finding]:
    try:
        bind_predicate(text, table, 0)
    except Refused as refused:
        yield Finding(at, refused.message, refused.message_zh, refused.hint, refused.hint_zh, "bad-predicate")


def _table(text: str, features: FeatureSet, catalog: Catalog, at: Path) -> Iterator[Finding]:
    table = catalog.table(table_named(text))
    if table is None:
        yield Finding(
            at, f"unknown table {text}", f"未知的表 {text}", "see the catalogue", "请查目录", "unknown-table"
        )
    elif unit_column(table, features.unit) is None:
        says = f"{text} has no {features.unit.value} of its own"
        yield Finding(at, says, f"{text} 没有该类主体", "choose another table", "请改用其他表", "no-such-subjects")

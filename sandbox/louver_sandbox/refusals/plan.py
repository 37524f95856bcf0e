"""Refusals only planning can see (LVR-23xx): the query is permitted, but no protected answer can be computed for it.

Each is static: it depends on the query, the catalogue and the policy, never on a row (ARCHITECTURE law 1).
"""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal

_RULE = "threshold"


def not_an_aggregate(at: Position | None = None) -> Refused:
    """LVR-2301: protected columns, and no aggregate to protect."""
    return refusal(
        "LVR-2301",
        message="a protected answer must be an aggregate",
        hint="use COUNT, SUM or AVG, with or without GROUP BY",
        message_zh="受保护的答案必须是聚合结果",
        hint_zh="请使用 COUNT、SUM 或 AVG,可以带 GROUP BY",
        at=at,
        rule=_RULE,
    )


def aggregate_not_protected(function: str, at: Position | None = None) -> Refused:
    """LVR-2302: an aggregate whose cells the threshold rules cannot judge."""
    return refusal(
        "LVR-2302",
        message=f"{function} cannot be protected by thresholds",
        hint="use COUNT, SUM, AVG or COUNT(DISTINCT <privacy unit>)",
        message_zh=f"{function} 无法用阈值规则保护",
        hint_zh="请使用 COUNT、SUM、AVG 或 COUNT(DISTINCT 主体列)",
        at=at,
        rule=_RULE,
    )


def distinct_not_a_unit(at: Position | None = None) -> Refused:
    """LVR-2303: DISTINCT over something other than a privacy unit of the query."""
    return refusal(
        "LVR-2303",
        message="in a protected answer only distinct privacy units can be counted",
        hint="count the unit column itself, without FILTER, or group by the other column",
        message_zh="受保护的答案只能对主体去重计数",
        hint_zh="请直接对主体列去重计数(不带 FILTER),或按另一列分组",
        at=at,
        rule=_RULE,
    )


def unit_lost(column: str, at: Position | None = None) -> Refused:
    """LVR-2304: an inner GROUP BY or DISTINCT merges rows of several privacy units."""
    return refusal(
        "LVR-2304",
        message="an inner aggregate loses the privacy unit, so the outer one could not be protected",
        hint=f"add the unit column {column} to the inner GROUP BY, or aggregate once",
        message_zh="内层聚合丢失了主体列,外层结果无法保护",
        hint_zh=f"请把主体列 {column} 加入内层 GROUP BY,或只聚合一次",
        at=at,
        rule=_RULE,
    )


def join_above_aggregate(at: Position | None = None) -> Refused:
    """LVR-2305: protected aggregates joined with something."""
    return refusal(
        "LVR-2305",
        message="the results of protected aggregates cannot be joined",
        hint="join the tables first and aggregate once, or send two queries",
        message_zh="受保护的聚合结果之间不能连接",
        hint_zh="请先连接各表再聚合一次,或分两次查询",
        at=at,
        rule=_RULE,
    )


def own_values_as_weights(at: Position | None = None) -> Refused:
    """LVR-2306: sums of the requester's own values over protected cells tell who is in each cell (PRIVACY 5.3)."""
    return refusal(
        "LVR-2306",
        message="a sum of your own values over protected cells would tell which of your subjects are in each cell",
        hint="use your own columns as conditions (COUNT(*) FILTER, SUM(flag::INT), AVG(flag::INT)) or as group keys",
        message_zh="用自有数值对受保护的分组求和,会暴露每组里有哪些主体",
        hint_zh="自有列请只作条件(COUNT(*) FILTER、SUM(flag::INT)、AVG(flag::INT))或分组列",
        at=at,
        rule="own-knowledge",
    )


def rows_as_weights(table: str, at: Position | None = None) -> Refused:
    """LVR-2309: known rows that multiply protected ones weigh them, and weights spell out who is counted."""
    return refusal(
        "LVR-2309",
        message=f"{table} can have several rows for one protected row, so that counts would weigh the subjects",
        hint="join it on a column without repeated values, or on a derived table grouped by the join column",
        message_zh=f"{table} 的多行可能对应同一受保护行,计数会变成对主体的加权",
        hint_zh="请用无重复值的列连接,或先按连接列 GROUP BY 成子查询再连接",
        at=at,
        rule="own-knowledge",
        details={"table": table},
    )


def not_one_column(at: Position | None = None) -> Refused:
    """LVR-2310: only sums of one protected column can be judged for dominance; known numbers in them are weights."""
    return refusal(
        "LVR-2310",
        message="a sum or average in a protected answer is over one protected column, or counts a condition",
        hint="write SUM(x), AVG(x), SUM(x * 0.13) or SUM(CASE WHEN ... THEN x END); or SUM(x) + SUM(y)",
        message_zh="受保护答案中的求和或平均只能针对一个受保护列,或对条件计数",
        hint_zh="请写 SUM(x)、AVG(x)、SUM(x * 0.13) 或 SUM(CASE WHEN … THEN x END);多列请分别求和后相加",
        at=at,
        rule="dominance",
    )


def overlapping_sums(at: Position | None = None) -> Refused:
    """LVR-2311: two sums of one column over different rows of a cell differ by those of a few subjects."""
    return refusal(
        "LVR-2311",
        message="two sums of the same column under different conditions would differ by a few subjects' values",
        hint="make the condition a group key (GROUP BY ..., condition), or send two questions",
        message_zh="同一列在不同条件下的两个和之差可能就是少数主体的数值",
        hint_zh="请把条件作为分组键(GROUP BY …, 条件),或分两次查询",
        at=at,
        rule="differencing",
    )


def limit_below_aggregate(at: Position | None = None) -> Refused:
    """LVR-2307: a LIMIT below a protected aggregate picks single rows."""
    return refusal(
        "LVR-2307",
        message="LIMIT cannot choose protected rows before they are aggregated",
        hint="put LIMIT on the answer, not on a derived table",
        message_zh="不能在聚合之前用 LIMIT 挑选受保护的行",
        hint_zh="请把 LIMIT 放在最外层,不要放在子查询中",
        at=at,
        rule=_RULE,
    )


def output_kind(kind: str, at: Position | None = None) -> Refused:
    """LVR-2308: a column of the answer has a kind an answer cannot carry."""
    return refusal(
        "LVR-2308",
        message=f"an answer cannot carry a column of kind {kind}",
        hint="convert it in the query, for example to text or to a number of days",
        message_zh=f"答案中不能有 {kind} 类型的列",
        hint_zh="请在查询中转换,例如转换为文本或天数",
        at=at,
        rule="answer",
    )

"""Refusals of questions under differential privacy (LVR-235x, LVR-236x): permitted, but no bounded answer is known.

Each is static: it depends on the query, the catalogue and the policy, never on a row (ARCHITECTURE law 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal

_RULE = "dp"


def aggregate_not_private(function: str, at: Position | None = None) -> Refused:
    """LVR-2350: an aggregate that no mechanism of this version answers."""
    return refusal(
        "LVR-2350",
        message=f"{function} is not answered with differential privacy",
        hint="use COUNT, SUM, AVG, VAR, STDDEV, MEDIAN, QUANTILE_CONT, or MIN and MAX of numbers, with or without "
        "FILTER, or COUNT(DISTINCT <privacy unit>)",
        message_zh=f"{function} 不能以差分隐私方式作答",
        hint_zh="请使用 COUNT、SUM、AVG、VAR、STDDEV、MEDIAN、QUANTILE_CONT 或数值的 MIN、MAX（可带 FILTER），"
        "或 COUNT(DISTINCT 主体列)",
        at=at,
        rule=_RULE,
    )


def form_not_private(what: str, what_zh: str, at: Position | None = None) -> Refused:
    """LVR-2351: a relation in which the rows of one subject decide about rows of others."""
    return refusal(
        "LVR-2351",
        message=f"under differential privacy no question may rest on {what}: one subject would decide about others",
        hint="join protected tables with INNER JOIN on the subject's column, and aggregate once",
        message_zh=f"差分隐私下的查询不能依赖{what}，否则一个主体会影响其他主体的行",
        hint_zh="请对受保护的表按主体列做 INNER JOIN，并只聚合一次",
        at=at,
        rule=_RULE,
    )


def rows_not_bounded(missing: str, unit: str, at: Position | None = None) -> Refused:
    """LVR-2352: nothing declares how many rows of the question one unit has at most."""
    return refusal(
        "LVR-2352",
        message=f"nothing bounds how many rows one subject ({unit}) adds: missing is {missing}",
        hint="join on columns that are declared unique, or ask the owner to declare it or to set rows in the policy",
        message_zh=f"没有声明每个主体（{unit}）最多影响多少行：缺少 {missing}",
        hint_zh="请按已声明唯一的列连接，或请数据主管部门在目录中声明或在政策中设定 rows",
        at=at,
        rule=_RULE,
        details={"missing": missing, "unit": unit},
    )


def several_subjects(at: Position | None = None) -> Refused:
    """LVR-2353: one row belongs to several units of one kind."""
    return refusal(
        "LVR-2353",
        message="a row of this question belongs to several subjects of one kind, whom no noise protects together",
        hint="join the tables on the subject's column, so that each row is about one",
        message_zh="本查询的一行同时属于多个同类主体，无法用噪声一并保护",
        hint_zh="请按主体列连接各表，使每行只涉及一个主体",
        at=at,
        rule=_RULE,
    )


def value_not_bounded(columns: Sequence[str], at: Position | None = None) -> Refused:
    """LVR-2354: a sum, average or quantile of values between no declared bounds."""
    named = ", ".join(columns) or "the value"
    return refusal(
        "LVR-2354",
        message=f"what is added up or ranked must lie between declared bounds; {named} has none, or too wide ones",
        hint="use a column with bounds (the catalogue shows them), or limit the value with LEAST and GREATEST",
        message_zh=f"求和或求分位的数值须有声明的取值范围，而 {named} 没有声明或范围过宽",
        hint_zh="请使用目录中有取值范围的字段，或用 LEAST 与 GREATEST 限定取值",
        at=at,
        rule=_RULE,
        details={"columns": named},
    )


def groups_not_public(at: Position | None = None) -> Refused:
    """LVR-2355: groups that only rows name, where the rows of each belong to persons and enterprises at once."""
    return refusal(
        "LVR-2355",
        message="where rows belong to a person and an enterprise at once, groups must come from declared values",
        hint="group by columns with a declared list of values, by bands of them (CASE), or limit them in WHERE",
        message_zh="当行同时属于自然人与企业时，分组的取值必须是已声明的",
        hint_zh="请按已声明值域的列分组，用 CASE 分段，或在 WHERE 中限定取值",
        at=at,
        rule=_RULE,
    )


def unit_not_in_every_row(at: Position | None = None) -> Refused:
    """LVR-2356: every kind of unit of the rows is exempt, so that nobody would be protected."""
    return refusal(
        "LVR-2356",
        message="no kind of subject in these rows has a privacy budget, so noise would protect nobody",
        hint="ask the owner of the table for a budget",
        message_zh="这些行涉及的主体均未设隐私预算，加噪将不保护任何主体",
        hint_zh="请数据主管部门设定隐私预算",
        at=at,
        rule=_RULE,
    )


def budget_too_small(at: Position | None = None) -> Refused:
    """LVR-2357: the cost of a question leaves so little for each number that its noise would exceed 64 bits."""
    return refusal(
        "LVR-2357",
        message="the cost of one question is too small for so many numbers of this size: noise would be all there is",
        hint="ask for fewer numbers at once, or for values between narrower bounds",
        message_zh="单次查询的隐私成本不足以支撑这些数值，噪声将淹没结果",
        hint_zh="请减少一次查询的聚合数，或缩小取值范围",
        at=at,
        rule=_RULE,
    )


def too_many_groups_for_quantiles(most: int, at: Position | None = None) -> Refused:
    """LVR-2361: more public groups than noise can be drawn for, a tree of counts for each."""
    return refusal(
        "LVR-2361",
        message=f"quantiles are answered for at most {most} groups at once",
        hint="group by fewer or coarser columns, or limit them in WHERE",
        message_zh=f"一次查询最多为 {most} 个分组给出分位数",
        hint_zh="请减少分组列、改用更粗的分段，或在 WHERE 中限定取值",
        at=at,
        rule=_RULE,
        details={"most": str(most)},
    )

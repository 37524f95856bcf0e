"""LVR-53xx: columns that an institution has uploaded encrypted. No refusal depends on what is inside."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal


def no_key_for_upload(facts: Mapping[str, str]) -> Refused:
    """LVR-5301: a column is encrypted, and the institution has no key that is valid."""
    return refusal(
        "LVR-5301",
        message="a column of the table is encrypted, and you have registered no key, or its validity has ended",
        hint="make and register one with `louver keys new`, or a new one with `louver keys rotate`, and upload again",
        message_zh="表中有加密列，而您没有登记有效的密钥",
        hint_zh="请用 `louver keys new` 登记密钥，或用 `louver keys rotate` 换新，再重新上传",
    )


def misused(column: str, what: str, what_zh: str, at: Position | None) -> Refused:
    """LVR-5302: an encrypted column is used otherwise than it can be computed with."""
    return refusal(
        "LVR-5302",
        message=f"column {column} is encrypted: {what}",
        hint="sum it, average it or count rows: sum(x), avg(x), times whole numbers and conditions such as "
        "CASE WHEN ... THEN x ELSE 0 END or FILTER, grouped by columns in clear",
        message_zh=f"列 {column} 为加密列：{what_zh}",
        hint_zh="可求和、求平均、计数：sum(x)、avg(x)，可乘以整数常量或条件"
        "（CASE WHEN ... THEN x ELSE 0 END、FILTER），按明文列分组",
        at=at,
        details={"column": column},
    )


def another_key(column: str, at: Position | None) -> Refused:
    """LVR-5303: the column is under a key that is not the institution's current one."""
    return refusal(
        "LVR-5303",
        message=f"column {column} is encrypted to a key that is no longer your current one, or that has ended",
        hint="upload the table again, encrypted to your current key",
        message_zh=f"列 {column} 加密所用密钥已不是您的当前密钥，或已到期",
        hint_zh="请用当前密钥加密后重新上传该表",
        at=at,
        details={"column": column},
    )


def not_granted(table: str, at: Position | None) -> Refused:
    """LVR-5304: encrypted numbers meet protected rows, and no grant says how these are protected then."""
    return refusal(
        "LVR-5304",
        message=f"no grant says how subjects of {table} are protected when encrypted numbers are added up by it",
        hint="ask the owner for terms `threshold: {encrypted: ...}`; a threshold alone is no protection where nobody "
        "sees which numbers are zero",
        message_zh=f"没有授权说明按 {table} 的列汇总加密数值时如何保护其中的主体",
        hint_zh="请向数据提供方申请 `threshold: {encrypted: ...}` 条款；数值是否为零无法看到时，仅有阈值不构成保护",
        at=at,
        rule="encrypted-input",
        details={"table": table},
    )


def answer_form(what: str, what_zh: str, at: Position | None) -> Refused:
    """LVR-5305: the answer is not one row for each group with its keys beside the encrypted sums."""
    return refusal(
        "LVR-5305",
        message=f"encrypted sums leave as one row for each group, beside its keys: {what}",
        hint="SELECT every key as it is grouped by, and each sum or average as a column of its own, "
        "of one encrypted table",
        message_zh=f"加密求和的结果为每组一行，并列出分组键：{what_zh}",
        hint_zh="请逐一列出分组键，每个求和或平均值单独成列，且只用一张加密表",
        at=at,
    )


def with_noise_only(at: Position | None) -> Refused:
    """LVR-5306: the question is answered with differential privacy, and has encrypted columns."""
    return refusal(
        "LVR-5306",
        message="this question is answered with differential privacy, and encrypted columns are not part of that yet",
        hint="use tables that are answered under thresholds, or the same columns in clear",
        message_zh="该查询以差分隐私方式回答，本版本不支持与加密列一并使用",
        hint_zh="请使用按阈值方式回答的表，或使用明文列",
        at=at,
    )


def too_inaccurate(percent: str, most: int, rows: int, labels: int) -> Refused:
    """LVR-5307: the error to be expected is above what the policy lets pass. Nothing has been spent."""
    return refusal(
        "LVR-5307",
        message=f"the sums would be off by about {percent} % for {rows} rows in {labels} groups, above the {most} % "
        "of the policy",
        hint="ask for fewer groups, or of a larger table",
        message_zh=f"{rows} 行、{labels} 组时求和误差约 {percent}%，超过策略规定的 {most}%",
        hint_zh="请减少分组，或使用更大的表",
        details={"percent": percent, "most": str(most), "rows": str(rows), "groups": str(labels)},
    )


def labels_unknown(at: Position | None) -> Refused:
    """LVR-5308: groups are told at random, and which groups there are is not public."""
    return refusal(
        "LVR-5308",
        message="the policy lets each row be counted in a group by chance, so the groups must be known "
        "without the data",
        hint="group by columns whose values the catalogue lists, or list them in the question (IN)",
        message_zh="策略要求随机化每行所属分组，分组的取值须在不看数据时已知",
        hint_zh="请按目录已列出取值的列分组，或在查询中用 IN 列出取值",
        at=at,
    )


def draws_spent(dataset: str, limit: int, spent: int, *, everybody: bool) -> Refused:
    """LVR-5310: one more draw of rows' groups would tell more of a subject than policy ever lets an institution, or
    all together, learn by chance. Nothing was charged."""
    most, told = format(Decimal(limit) / 1000, "f"), format(Decimal(spent) / 1000, "f")
    whose, whose_zh = ("all institutions together have", "全部机构合计") if everybody else ("you have", "贵机构")
    return refusal(
        "LVR-5310",
        message=f"this way of grouping {dataset} is not one that was drawn before; {whose} been told {told} of "
        f"epsilon {most} by chance, for ever and for all purposes",
        hint="ways that were drawn before still answer, also with other sums and in other words; conditions on your "
        "own columns, another upload and new data are other ways: ask for groups once, and add up what you opened",
        message_zh=f"按此方式对 {dataset} 分组尚未抽取过；{whose_zh}已用随机化隐私额度 epsilon {told}，"
        f"上限 {most}（永久，不分用途）",
        hint_zh="已抽取过的分组方式可继续使用，求和列与写法可不同；加自有列条件、重新上传或数据更新均为另一种方式；"
        "请一次取得各组结果后自行汇总",
        rule="encrypted-input",
        details={"dataset": dataset, "limit": most, "spent": told},
    )


def several_subjects(at: Position | None) -> Refused:
    """LVR-5309: a row is about several subjects, whose share in a sum cannot be bounded together."""
    return refusal(
        "LVR-5309",
        message="encrypted numbers are added up by rows that are about several protected subjects at once",
        hint="join one protected table, or tables that are joined by their subject",
        message_zh="加密数值按同时涉及多个受保护主体的行汇总",
        hint_zh="请只连接一张受保护的表，或按主体相等连接",
        at=at,
    )

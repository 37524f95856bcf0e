"""Refusals only planning can see (LVR-23xx): the query is permitted, but no protected answer can be computed for it.

Each is static: it depends on the query, the catalogue and the policy, never on a row (ARCHITECTURE law 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal

_RULE = "threshold"

Told = tuple[str, str]
"""What is said, in English and in Chinese."""


def not_an_aggregate(at: Position | None = None) -> Refused:
    """LVR-2301: protected columns, and no aggregate to protect."""
    return refusal(
        "LVR-2301",
        message="a protected answer must be an aggregate",
        hint="use COUNT, SUM or AVG, with or without GROUP BY",
        message_zh="受保护的答案必须是聚合结果",
        hint_zh="请使用 COUNT、SUM 或 AVG，可以带 GROUP BY",
        at=at,
        rule=_RULE,
    )


def aggregate_not_protected(function: str, at: Position | None = None) -> Refused:
    """LVR-2302: an aggregate whose cells the threshold rules cannot judge."""
    return refusal(
        "LVR-2302",
        message=f"{function} cannot be protected by thresholds",
        hint="use COUNT, SUM, AVG, VAR, STDDEV, COVAR, CORR or COUNT(DISTINCT <privacy unit>)",
        message_zh=f"{function} 无法用阈值规则保护",
        hint_zh="请使用 COUNT、SUM、AVG、VAR、STDDEV、COVAR、CORR 或 COUNT(DISTINCT 主体列)",
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
        hint_zh="请直接对主体列去重计数（不带 FILTER），或按另一列分组",
        at=at,
        rule=_RULE,
    )


def unit_lost(column: str, at: Position | None = None) -> Refused:
    """LVR-2304: an inner GROUP BY or DISTINCT merges rows of several privacy units, and they are aggregated again."""
    return refusal(
        "LVR-2304",
        message="an inner aggregate loses the privacy unit, so the outer one could not be protected",
        hint=f"add the unit column {column} to the inner GROUP BY, or aggregate once",
        message_zh="内层聚合丢失了主体列，外层结果无法保护",
        hint_zh=f"请把主体列 {column} 加入内层 GROUP BY，或只聚合一次",
        at=at,
        rule=_RULE,
    )


def join_above_aggregate(at: Position | None = None) -> Refused:
    """LVR-2305: protected rows beside an aggregate, which only released values could be joined with."""
    return refusal(
        "LVR-2305",
        message="protected rows cannot be joined with the result of an aggregate",
        hint="join the tables first and aggregate once, or aggregate both sides and join the results",
        message_zh="受保护的行不能与聚合结果连接",
        hint_zh="请先连接各表再聚合一次，或两侧都聚合后再连接结果",
        at=at,
        rule=_RULE,
    )


def own_values_as_weights(at: Position | None = None) -> Refused:
    """LVR-2306: sums of the requester's own values over protected cells tell who is in each cell (PRIVACY 5.3)."""
    return refusal(
        "LVR-2306",
        message="a sum of your own values over protected cells would tell which of your subjects are in each cell",
        hint="use your own columns as conditions (COUNT(*) FILTER, SUM(flag::INT), AVG(flag::INT)) or as group keys",
        message_zh="用自有数值对受保护的分组求和，会暴露每组里有哪些主体",
        hint_zh="自有列请只作条件（COUNT(*) FILTER、SUM(flag::INT)、AVG(flag::INT)）或分组列",
        at=at,
        rule="own-knowledge",
    )


def rows_as_weights(table: str, cause: Told, cure: Told, at: Position | None = None) -> Refused:
    """LVR-2309: known rows that multiply protected ones weigh them, and weights spell out who is counted."""
    message, message_zh = cause
    hint, hint_zh = cure
    return refusal(
        "LVR-2309",
        message=message,
        hint=hint,
        message_zh=message_zh,
        hint_zh=hint_zh,
        at=at,
        rule="own-knowledge",
        details={"table": table},
    )


def repeated_rows(table: str, compared: Sequence[str], unique: Sequence[str]) -> Refused:
    """LVR-2309 for a side of a join that is known and meets one protected row several times.

    `compared` are its columns that the join fixes by equality, `unique` those in which no value repeats.
    """
    if compared:
        names = ", ".join(compared)
        cause = (
            f"{table} is joined on {names}, where its rows repeat: one protected row would be counted several times",
            f"{table} 按 {names} 连接，而其中的值会重复：同一受保护行会被计数多次",
        )
    else:
        cause = (
            f"no equality says which one row of {table} a protected row meets: it would be counted several times",
            f"没有等值条件限定受保护行只对应 {table} 的一行：同一受保护行会被计数多次",
        )
    key = compared[0] if compared else unique[0] if unique else "k"
    grouped = f"JOIN (SELECT {key}, ... FROM {table} GROUP BY {key}) d ON d.{key} = ..."  # noqa: S608 - advice, never run
    plainly = f"join it on {' or '.join(unique)}, or " if unique else ""
    plainly_zh = f"按 {' 或 '.join(unique)} 连接，或" if unique else ""
    cure = (
        f"{plainly}make its rows one per key first: {grouped}; IN and EXISTS never multiply",
        f"请{plainly_zh}先使每个键只有一行：{grouped.replace('...', '…')}；IN 与 EXISTS 不会造成重复",
    )
    return rows_as_weights(table, cause, cure)


def meeting_by_known(table: str, columns: Sequence[str]) -> Refused:
    """LVR-2309 for a condition, key or measure over several subjects in which something is known."""
    names = ", ".join(columns)
    cause = (
        f"{names} are of different subjects, and you know those of {table}: you would choose who meets whom",
        f"{names} 属于不同主体却出现在同一处，而 {table} 的值为您所知：谁与谁相遇将由您决定",
    )
    cure = (
        f"compare the columns of {table} with one subject's columns only, best by its unit column, and let subjects "
        "meet by protected columns (a.k = b.k; beside your own tables by keys or public columns)",
        f"{table} 的列请只与一个主体的列比较（最好是其主体列），主体之间请用受保护的列相连（a.k = b.k；"
        "与自有表一起查询时请用键或公开列）",
    )
    return rows_as_weights(table, cause, cure)


def unions_of_strangers(table: str, limit: int) -> Refused:
    """LVR-2309 for a core of several subjects with more combinations of UNION sides than are looked at."""
    cause = (
        f"the UNIONs below this aggregate combine in more than {limit} ways, too many to see who meets whom",
        f"此聚合之下各 UNION 的组合超过 {limit} 种，无法逐一判定谁与谁相遇",
    )
    cure = (
        "use fewer UNIONs below one aggregate, or ask in several questions",
        "请减少同一聚合之下的 UNION，或分多次查询",
    )
    return rows_as_weights(table, cause, cure)


def not_one_column(at: Position | None = None, reason: Told | None = None) -> Refused:
    """LVR-2310: only polynomials of protected columns can be judged; known numbers in them are weights.

    `reason` says what in this one cannot be; `public_number` and `not_multiplied` give it.
    """
    message = "a protected sum adds up protected columns, their products and constants, or counts a condition"
    message_zh = "受保护答案中的求和只能由受保护列、其乘积与常数组成，或对条件计数"
    hint = (
        "write SUM(x * (1 - y)), SUM(CASE WHEN ... THEN x END), SUM(x) / SUM(y) for ratios; no powers, flags as "
        "factors, public numbers, rounding or functions of columns"
    )
    hint_zh = (
        "请写 SUM(x * (1 - y))、SUM(CASE WHEN … THEN x END)，比率写 SUM(x) / SUM(y)；不支持乘方、以标志列为"
        "因子、公开数值、取整或列的函数"
    )
    if reason is not None:
        (hint, hint_zh) = reason
    return refusal(
        "LVR-2310",
        message=message,
        hint=hint,
        message_zh=message_zh,
        hint_zh=hint_zh,
        at=at,
        rule="dominance",
    )


def public_number(column: str) -> Told:
    """Why a public column is no part of a protected sum, average, correlation or regression, and what is instead."""
    return (
        f"{column} is public: whoever knows each subject's number could read from a sum of them who is in the cell. "
        f"Make it a band to group by (CASE WHEN {column} < 100 THEN 'small' ELSE 'large' END) or a condition "
        f"(FILTER (WHERE {column} >= 100)); over public columns alone it is answered exactly",
        f"{column} 为公开列：知道各主体该数值者，可由其和推知组内有谁。请将其分档作为分组键"
        f"（CASE WHEN {column} < 100 THEN '小' ELSE '大' END），或作为条件（FILTER (WHERE {column} >= 100)）；"
        "仅涉及公开列时可得到精确答复",
    )


def not_multiplied(columns: Sequence[str]) -> Told:
    """Why these factors make no product that can be judged."""
    names = " * ".join(columns)
    return (
        f"{names} is no product of different amounts (columns of the role val): a power, or a flag or key as a "
        "factor. Write a flag as a condition: SUM(CASE WHEN flag THEN x END)",
        f"{names} 不是不同数额（角色为 val 的列）的乘积：不支持乘方，也不支持以标志列或键为因子。"
        "标志请写成条件：SUM(CASE WHEN flag THEN x END)",
    )


def overlapping_sums(at: Position | None = None) -> Refused:
    """LVR-2311: two sums of one product over rows of a cell that may meet differ by those of a few subjects."""
    return refusal(
        "LVR-2311",
        message="two sums of the same column under different conditions would differ by a few subjects' values",
        hint="use conditions that exclude each other (x = 'a', x = 'b'), make them a group key, or ask twice",
        message_zh="同一列在不同条件下的两个和之差可能就是少数主体的数值",
        hint_zh="请使用互斥的条件（x = 'a'、x = 'b'），或作为分组键，或分两次查询",
        at=at,
        rule="differencing",
    )


def too_many_parts(limit: int) -> Refused:
    """LVR-2320: a question has more separately aggregated parts than one worker runs."""
    return refusal(
        "LVR-2320",
        message=f"the question has more than {limit} separately aggregated parts",
        hint="use GROUP BY or several aggregates in one SELECT, or send several questions",
        message_zh=f"一次查询中单独聚合的部分超过 {limit} 个",
        hint_zh="请使用 GROUP BY 或在同一 SELECT 中写多个聚合，或分多次查询",
        at=None,
        rule=_RULE,
    )


def anti_join_over_others(at: Position | None = None) -> Refused:
    """LVR-2312: rows are kept because nobody among other subjects was found, which may be about one of them."""
    return refusal(
        "LVR-2312",
        message="NOT EXISTS, NOT IN or EXCEPT over other subjects would tell that one of them is not there",
        hint="compare the privacy unit itself (inner.unit = outer.unit); for rows of your own tables count those "
        "that a JOIN finds, all of them in a question of their own, and subtract",
        message_zh="对其他主体使用 NOT EXISTS、NOT IN 或 EXCEPT 会暴露某个主体不存在",
        hint_zh="请按主体列本身比较（内层主体列 = 外层主体列）；对自有表的行，请用 JOIN 统计匹配的行，"
        "另行查询全部行，再相减",
        at=at,
        rule=_RULE,
    )


def semi_join_by_equality(at: Position | None = None) -> Refused:
    """LVR-2313: the other subjects that EXISTS looks at cannot be counted unless they are found by equality."""
    return refusal(
        "LVR-2313",
        message="EXISTS or IN over other subjects must find them by equality, so that they can be counted",
        hint="compare a column of each side with =, and put other conditions on the inner table alone",
        message_zh="对其他主体使用 EXISTS 或 IN 时，须按等值查找，以便计数",
        hint_zh="请用 = 比较两侧的列，其他条件只写内层表的列",
        at=at,
        rule=_RULE,
    )


def window_below_aggregate(at: Position | None = None) -> Refused:
    """LVR-2314: a window over protected rows, below the aggregate that would protect them."""
    return refusal(
        "LVR-2314",
        message="a window function cannot look at protected rows before they are aggregated",
        hint="put the window on the answer of an aggregate, where it sees released values",
        message_zh="不能在聚合之前对受保护的行使用窗口函数",
        hint_zh="请把窗口函数放在聚合结果之上",
        at=at,
        rule=_RULE,
    )


def too_many_steps(limit: int) -> Refused:
    """LVR-2321: what is computed over released values is nested too deeply."""
    return refusal(
        "LVR-2321",
        message=f"more than {limit} steps are computed one after another over the aggregates",
        hint="write fewer queries inside one another, or compute the last steps on the answer",
        message_zh=f"对聚合结果的逐步计算超过 {limit} 步",
        hint_zh="请减少嵌套的查询，或在得到结果后自行完成最后几步计算",
        at=None,
        rule=_RULE,
    )


def own_key_left_out(at: Position | None = None) -> Refused:
    """LVR-2315: a total over the requester's own groups, which would tell what is missing from them."""
    return refusal(
        "LVR-2315",
        message="a total over your own labels beside the parts would tell who is in a part that is withheld",
        hint="put keys of your own tables into every grouping set, or ask for the total by itself",
        message_zh="在按自有标签分组的同时给出合计，会暴露未发布的部分里有谁",
        hint_zh="请把自有表的分组列放进每个分组集，或单独查询合计",
        at=at,
        rule="own-knowledge",
    )


def class_not_judged(at: Position | None = None) -> Refused:
    """LVR-2316: an attribute chooses among the requester's own subjects where nobody can count those left out."""
    return refusal(
        "LVR-2316",
        message="beside your own tables an attribute of subjects may select rows only where those that it leaves out "
        "can be counted, or an answer could say the same of every subject on your list",
        hint="ask for it in WHERE; of a table with several rows per subject: JOIN (SELECT unit, count(*) FILTER "
        "(WHERE ...) AS n FROM ... GROUP BY unit) d ON d.unit = ... WHERE d.n > 0 (for NOT EXISTS: d.n = 0)",
        message_zh="与自有表一起查询时，主体属性只能在可以统计被排除主体之处作筛选，否则答案可能说明名单上每个主体的情况",
        hint_zh="请写在 WHERE 中；每个主体有多行的表请写：JOIN (SELECT 主体列, count(*) FILTER (WHERE …) AS n FROM … "
        "GROUP BY 主体列) d ON d.主体列 = … WHERE d.n > 0（NOT EXISTS 写 d.n = 0）",
        at=at,
        rule="class-disclosure",
    )


def limit_below_aggregate(at: Position | None = None) -> Refused:
    """LVR-2307: a LIMIT below a protected aggregate picks single rows."""
    return refusal(
        "LVR-2307",
        message="LIMIT cannot choose protected rows before they are aggregated",
        hint="put LIMIT on the answer, not on a derived table",
        message_zh="不能在聚合之前用 LIMIT 挑选受保护的行",
        hint_zh="请把 LIMIT 放在最外层，不要放在子查询中",
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
        hint_zh="请在查询中转换，例如转换为文本或天数",
        at=at,
        rule="answer",
    )


def noise_not_computed(what: str, what_zh: str, at: Position | None = None) -> Refused:
    """LVR-2322: the policies ask for noise, which this aggregate or comparison cannot have."""
    return refusal(
        "LVR-2322",
        message=f"the policies of this data ask for noise by cell key, which is not computed for {what}",
        hint="ask for numbers of subjects: COUNT(DISTINCT ...) of their column, or COUNT(*) where each has one row",
        message_zh=f"数据政策要求按单元格密钥加噪，而{what_zh}尚不能加噪",
        hint_zh="请查询主体数：对主体列用 COUNT(DISTINCT ...)，每个主体一行时可用 COUNT(*)",
        at=at,
        rule="noise",
    )


def no_noise_table(unit: str, k: int, at: Position | None = None) -> Refused:
    """LVR-2323: the policies that meet have no perturbation table in common."""
    return refusal(
        "LVR-2323",
        message=f"the policies of these tables ask for noise; no perturbation table is made for {k} units ({unit})",
        hint="ask about fewer tables at once, or ask their owners for thresholds that have a perturbation table",
        message_zh=f"各表政策要求加噪，但没有适用于至少 {k} 个主体（{unit}）的扰动表",
        hint_zh="请减少一次查询的表，或请数据主管部门改用有扰动表的阈值",
        at=at,
        rule="noise",
    )


def cells_unbounded(columns: Sequence[str], at: Position | None = None) -> Refused:
    """LVR-2340: the number of released cells is capped, and nothing declares how many groups a key makes."""
    named = ", ".join(columns)
    return refusal(
        "LVR-2340",
        message=f"released groups are counted before a row is read; how many {named} makes is not declared",
        hint="group by columns with a declared list of values, by bands of them (CASE), or limit them in WHERE",
        message_zh=f"该数据发布的分组数须在读取数据之前计数，而 {named} 的取值个数没有声明",
        hint_zh="请按已声明值域的列分组，用 CASE 分段，或在 WHERE 中限定取值",
        at=at,
        rule="unit-sets",
        details={"columns": named},
    )


def units_undeclared(table: str) -> Refused:
    """LVR-2341: the number of released cells is capped as a share of units that nobody has declared."""
    return refusal(
        "LVR-2341",
        message=f"released groups of {table} are capped, and nobody has declared how many subjects it has at least",
        hint="ask its owner to declare at_least for every privacy unit of the table",
        message_zh=f"{table} 的发布分组数有上限，但未声明该表至少有多少主体",
        hint_zh="请数据主管部门在目录中为该表的每个隐私单元声明 at_least",
        rule="unit-sets",
        details={"table": table},
    )

"""LVR-13xx: what is known, put together in a way that has no answer: clauses, joins, subqueries, windows, types."""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal
from louver_sandbox.refusals.sql.names import in_chinese


def returned_per_row(column: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1301",
        at=at,
        message=f"column {column} would be returned per row",
        hint="wrap it in an aggregate or GROUP BY it",
        message_zh=f"列 {column} 会逐行返回",
        hint_zh="请放入聚合函数，或写入 GROUP BY",
    )


def not_in_this_version(feature: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1302",
        at=at,
        message=f"{feature} is not in this version",
        hint="docs/reference/sql has a page for each function and clause that is answered",
        message_zh=f"当前版本尚不支持 {in_chinese(feature)}",
        hint_zh="可用的函数与子句逐一见 docs/reference/sql",
        details={"feature": feature},
    )


def join_without_equality(rewrite: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1303",
        at=at,
        message="a join needs an equality between columns of both sides",
        hint=f"write {rewrite}",
        message_zh="连接必须含有两侧列之间的等值条件",
        hint_zh=f"请写作 {rewrite}",
    )


def type_mismatch(name: str, types: Sequence[str], at: Position | None) -> Refused:
    return refusal(
        "LVR-1304",
        at=at,
        message=f"{name} cannot be applied to {', '.join(types)}",
        hint="quote text constants, and cast columns explicitly, for example x::INTEGER",
        message_zh=f"{name} 不能用于 {'、'.join(types)}",
        hint_zh="文本常量请加引号；列可显式转换，例如 x::INTEGER",
    )


def aggregate_misplaced(name: str, place: str, place_zh: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1305",
        at=at,
        message=f"the aggregate {name} cannot stand in {place}",
        hint="compute it in a derived table or CTE, or move the condition to HAVING",
        message_zh=f"聚合函数 {name} 不能用在{place_zh}中",
        hint_zh="请先在派生表或 CTE 中计算，或将条件移到 HAVING",
    )


def ordinal_invalid(clause: str, columns: int, at: Position | None) -> Refused:
    return refusal(
        "LVR-1306",
        at=at,
        message=f"{clause} names a position that is not in the SELECT list",
        hint=f"use 1 to {columns}, or the name of a column",
        message_zh=f"{clause} 中的序号不在 SELECT 列表内",
        hint_zh=f"请使用 1 到 {columns}，或直接写列名",
    )


def no_table(at: Position | None) -> Refused:
    return refusal(
        "LVR-1307",
        at=at,
        message="the query reads no table",
        hint="add FROM with a table of the catalogue",
        message_zh="查询没有读取任何表",
        hint_zh="请在 FROM 之后写明目录中的表",
    )


def subquery_misplaced(at: Position | None) -> Refused:
    return refusal(
        "LVR-1310",
        at=at,
        message="a subquery cannot stand here",
        hint="use it in WHERE, HAVING or SELECT; write x >= ALL (SELECT y ...) as x >= (SELECT max(y) ...); beside "
        "OR, NOT IN needs columns that are never NULL (add WHERE y IS NOT NULL)",
        message_zh="此处不能使用子查询",
        hint_zh="子查询可用于 WHERE、HAVING 与 SELECT；x >= ALL (SELECT y …) 可写作 x >= (SELECT max(y) …)；"
        "与 OR 并列的 NOT IN 要求列不为 NULL（可加 WHERE y IS NOT NULL）",
    )


def correlation_unsupported(at: Position | None) -> Refused:
    return refusal(
        "LVR-1311",
        at=at,
        message="a subquery uses a column of the query around it in a way that cannot be turned into a join",
        hint="compare inner and outer columns in the subquery's own WHERE (for a value, by = only), or write the "
        "join yourself: FROM a LEFT JOIN (SELECT k, avg(x) AS v FROM b GROUP BY k) d ON d.k = a.k; a range goes "
        "beside an equality into ON, as in ON b.k = a.k AND b.day < a.day",
        message_zh="子查询引用外层查询的列的方式无法改写为连接",
        hint_zh="请只在子查询自身的 WHERE 中比较内外层的列（取值时只用 =），或自行写成连接："
        "FROM a LEFT JOIN (SELECT k, avg(x) AS v FROM b GROUP BY k) d ON d.k = a.k；"
        "范围条件与等值条件一并写入 ON，如 ON b.k = a.k AND b.day < a.day",
    )


def subquery_shape(wanted: int, at: Position | None) -> Refused:
    return refusal(
        "LVR-1312",
        at=at,
        message=f"this subquery must give {wanted} column(s), of a type that can be compared",
        hint="select as many columns as stand before IN, and one column where a value is wanted",
        message_zh=f"此子查询须给出 {wanted} 列，且类型可比较",
        hint_zh="列数须与 IN 之前的列数相同；作为值使用时只选一列",
    )


def set_operation_width(name: str, left: int, right: int, at: Position | None) -> Refused:
    return refusal(
        "LVR-1313",
        at=at,
        message=f"the two sides of {name} have {left} and {right} columns",
        hint="select the same number of columns on both sides; columns meet by position",
        message_zh=f"{name} 两侧分别有 {left} 列与 {right} 列",
        hint_zh="两侧列数须相同，按位置对应",
    )


def window_misplaced(at: Position | None) -> Refused:
    return refusal(
        "LVR-1314",
        at=at,
        message="a window (OVER) cannot stand here",
        hint="windows belong in SELECT, ORDER BY and QUALIFY, not inside one another; filter on one with QUALIFY",
        message_zh="此处不能使用窗口（OVER）",
        hint_zh="窗口只能用于 SELECT、ORDER BY 与 QUALIFY，不可嵌套；按窗口结果筛选请用 QUALIFY",
    )


def window_over_rows(at: Position | None) -> Refused:
    return refusal(
        "LVR-1315",
        at=at,
        message="a window over single rows would tell of single rows",
        hint="group first: rank and compare the groups of the answer, for example "
        "rank() OVER (ORDER BY count(*)) with GROUP BY",
        message_zh="对单行开窗会透露单行信息",
        hint_zh="请先分组，再对分组结果排名或比较，例如在 GROUP BY 查询中写 rank() OVER (ORDER BY count(*))",
    )


def grouping_invalid(at: Position | None) -> Refused:
    return refusal(
        "LVR-1316",
        at=at,
        message="a grouping set stands here twice, or GROUPING names no key",
        hint="write each grouping set once; GROUPING takes expressions that GROUP BY lists",
        message_zh="分组集重复，或 GROUPING 的参数不是分组键",
        hint_zh="每个分组集只写一次；GROUPING 只接受 GROUP BY 中的表达式",
    )


def natural_join(rewrite: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1317",
        at=at,
        message="NATURAL JOIN joins whatever columns happen to share a name",
        hint=f"write {rewrite}",
        message_zh="NATURAL JOIN 会连接所有恰好同名的列",
        hint_zh=f"请写作 {rewrite}",
    )


def column_aliases(given: int, columns: int, at: Position | None) -> Refused:
    return refusal(
        "LVR-1318",
        at=at,
        message=f"{given} column names for {columns} columns",
        hint="give at most one name for each column of a subquery; columns of a table keep their names",
        message_zh=f"{columns} 列却给出 {given} 个列名",
        hint_zh="子查询的列名不可多于其列数；目录中的表不可改列名",
    )


def frame_unsupported(at: Position | None) -> Refused:
    return refusal(
        "LVR-1319",
        at=at,
        message="this window frame is not supported",
        hint="leave the frame out, or write RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW (or AND UNBOUNDED "
        "FOLLOWING); ROWS up to the current row works over plain groups; a moving mean is (x + lag(x) OVER w) / 2",
        message_zh="不支持此窗口范围",
        hint_zh="请省略范围，或写 RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW（或 AND UNBOUNDED FOLLOWING）；"
        "截至当前行的 ROWS 可用于普通分组；移动平均可写作 (x + lag(x) OVER w) / 2",
    )


def unclear_in_dialect(what: str, dialect: str, instead: str, instead_zh: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1320",
        at=at,
        message=f"{what} does not say one thing in {dialect}",
        hint=instead,
        message_zh=f"{what} 在 {dialect} 中含义不唯一",
        hint_zh=instead_zh,
        details={"dialect": dialect},
    )


def pattern_unsupported(expected: str, expected_zh: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1321",
        at=at,
        message="this pattern is not one that every engine reads alike",
        hint=f"use {expected}",
        message_zh="各引擎对此模式的理解不一",
        hint_zh=f"请使用{expected_zh}",
    )

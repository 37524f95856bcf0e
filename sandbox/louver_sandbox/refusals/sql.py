"""Refusals of the SQL front, LVR-1xxx: what was written, never what is in the data.

One function per code. 10xx text and grammar, 11xx names, 12xx functions and constructs, 13xx structure and types.
Each has a heading in `docs/reference/refusals.d/sql.md`. A name in a message is one the caller wrote or may see.
"""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal


def too_long(size: int, limit: int) -> Refused:
    return refusal(
        "LVR-1001",
        message=f"the query is {size} bytes long; {limit} are allowed",
        hint="upload long lists as a table of your own and join it",
        message_zh=f"查询长 {size} 字节，上限为 {limit} 字节",
        hint_zh="较长的清单请先上传为本机构的表，再进行连接",
    )


def too_deep(at: Position | None) -> Refused:
    return refusal(
        "LVR-1002",
        at=at,
        message="the query is nested too deeply",
        hint="name the inner parts with WITH, or join conditions with AND/OR instead of brackets",
        message_zh="查询嵌套过深",
        hint_zh="请用 WITH 为内层命名，或以 AND/OR 并列条件代替层层括号",
    )


def character_not_allowed(description: str, at: Position) -> Refused:
    return refusal(
        "LVR-1003",
        at=at,
        message=f"character {description} is not allowed here",
        hint="outside quotes use letters, digits, _ and half-width operators and punctuation; quote other names; "
        "parameters are :name",
        message_zh=f"此处不允许字符 {description}",
        hint_zh="引号之外只可使用字母、汉字、数字、下划线与半角的运算符和标点；其他名称请加引号；参数写作 :name",
    )


def malformed(what: str, what_zh: str, at: Position) -> Refused:
    return refusal(
        "LVR-1004",
        at=at,
        message=f"{what}",
        hint="close every quote and comment, and put a space between separate words and numbers",
        message_zh=f"{what_zh}",
        hint_zh="请闭合引号与注释，并以空格分隔词与数字",
    )


def several_statements(at: Position) -> Refused:
    return refusal(
        "LVR-1005",
        at=at,
        message="there is more than one statement",
        hint="send one SELECT at a time",
        message_zh="包含多条语句",
        hint_zh="每次只发送一条 SELECT",
    )


def too_complex(what: str, what_zh: str, limit: int, at: Position | None) -> Refused:
    return refusal(
        "LVR-1006",
        at=at,
        message=f"too many {what}; {limit} are allowed",
        hint="ask in several queries, or upload long lists as a table of your own",
        message_zh=f"{what_zh}过多，上限为 {limit}",
        hint_zh="请分成多次查询，或将长清单上传为本机构的表",
    )


def syntax(at: Position | None) -> Refused:
    return refusal(
        "LVR-1007",
        at=at,
        message="this is not understood as SQL",
        hint="see docs/reference/sql for what can be written here",
        message_zh="无法理解为 SQL",
        hint_zh="可用写法见 docs/reference/sql",
    )


def not_a_select(at: Position | None) -> Refused:
    return refusal(
        "LVR-1008",
        at=at,
        message="only SELECT (or WITH ... SELECT) is answered",
        hint="start with SELECT or WITH; name the columns and the table after FROM",
        message_zh="只受理 SELECT（或 WITH … SELECT）",
        hint_zh="请以 SELECT 或 WITH 开头，并在 FROM 之后写明表名",
    )


def empty() -> Refused:
    return refusal(
        "LVR-1009",
        message="the query is empty",
        hint="write one SELECT",
        message_zh="查询为空",
        hint_zh="请写一条 SELECT",
    )


def parameter_missing(name: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1010",
        at=at,
        message=f"parameter :{name} has no value",
        hint=f"send a value for {name} with the request",
        message_zh=f"参数 :{name} 没有取值",
        hint_zh=f"请在请求中给出 {name} 的值",
    )


def parameter_unused(name: str) -> Refused:
    return refusal(
        "LVR-1011",
        message=f"parameter {name} is not used in the query",
        hint=f"write :{name} where it belongs, or leave it out of the request",
        message_zh=f"查询中未使用参数 {name}",
        hint_zh=f"请在查询中写 :{name}，或从请求中去掉该参数",
    )


def constant_invalid(kind: str, kind_zh: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1012",
        at=at,
        message=f"this constant is not a valid {kind}",
        hint="dates are 'YYYY-MM-DD'; whole numbers have at most 18 digits, decimals 12 digits after the point",
        message_zh=f"此常量不是有效的{kind_zh}",
        hint_zh="日期写作 'YYYY-MM-DD'；整数至多 18 位，小数点后至多 12 位",
    )


def dialect_unsupported() -> Refused:
    return refusal(
        "LVR-1013",
        message="this SQL dialect is not known",
        hint="the dialects are duckdb, postgres, mysql, spark and oracle",
        message_zh="不认识该 SQL 方言",
        hint_zh="可用方言为 duckdb、postgres、mysql、spark、oracle",
    )


def unknown_table(name: str, similar: Sequence[str], at: Position | None) -> Refused:
    likely = f"did you mean {', '.join(similar)}? " if similar else ""
    likely_zh = f"是否指 {'、'.join(similar)}？" if similar else ""
    return refusal(
        "LVR-1101",
        at=at,
        message=f"there is no table {name} for you",
        hint=f"{likely}the catalogue lists the tables you may use; a grant may be missing",
        message_zh=f"没有可供您使用的表 {name}",
        hint_zh=f"{likely_zh}可用的表见目录；也可能尚未获得授权",
    )


def unknown_column(name: str, similar: Sequence[str], at: Position | None) -> Refused:
    likely = f"did you mean {', '.join(similar)}? " if similar else ""
    likely_zh = f"是否指 {'、'.join(similar)}？" if similar else ""
    return refusal(
        "LVR-1102",
        at=at,
        message=f"there is no column {name} for you here",
        hint=f"{likely}the catalogue lists the columns you may use",
        message_zh=f"此处没有可供您使用的列 {name}",
        hint_zh=f"{likely_zh}可用的列见目录",
    )


def ambiguous_column(name: str, tables: Sequence[str], at: Position | None) -> Refused:
    first = tables[0] if tables else "table"
    return refusal(
        "LVR-1103",
        at=at,
        message=f"column {name} is in more than one table",
        hint=f"say which one, for example {first}.{name}",
        message_zh=f"列 {name} 存在于多个表中",
        hint_zh=f"请写明表名，例如 {first}.{name}",
    )


def duplicate_name(name: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1104",
        at=at,
        message=f"the name {name} is given twice",
        hint="give each table and each WITH query a name of its own",
        message_zh=f"名称 {name} 重复",
        hint_zh="请为每个表和每个 WITH 查询取不同的名称",
    )


def unknown_function(name: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1201",
        at=at,
        message=f"function {name} is not in the list of allowed functions",
        hint="docs/reference/sql has a page for each function that can be used",
        message_zh=f"函数 {name} 不在允许的函数清单中",
        hint_zh="docs/reference/sql 逐一列出可用函数",
    )


def returns_stored_values(name: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1202",
        at=at,
        message=f"{name} returns stored values of single rows",
        hint="use count, sum or avg, which say something about a group and nothing about one row",
        message_zh=f"{name} 会返回单行的原始值",
        hint_zh="请使用 count、sum 或 avg：只描述群体，不透露单行",
    )


def never_allowed(feature: str, instead: str, instead_zh: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1203",
        at=at,
        message=f"{feature} is never allowed",
        hint=instead or "leave it out",
        message_zh=f"不允许使用 {_in_chinese(feature)}",
        hint_zh=instead_zh or "请删去",
    )


def wrong_arguments(name: str, expected: str, expected_zh: str, at: Position | None) -> Refused:
    return refusal(
        "LVR-1204",
        at=at,
        message=f"{name} takes other arguments",
        hint=expected,
        message_zh=f"{name} 的参数不符",
        hint_zh=expected_zh,
    )


def unknown_type(at: Position | None) -> Refused:
    return refusal(
        "LVR-1205",
        at=at,
        message="this type cannot be used in a cast",
        hint="cast to BOOLEAN, INTEGER, BIGINT, DECIMAL(p, s), DOUBLE, VARCHAR, DATE or TIMESTAMP",
        message_zh="不能转换为此类型",
        hint_zh="可转换为 BOOLEAN、INTEGER、BIGINT、DECIMAL(p, s)、DOUBLE、VARCHAR、DATE 或 TIMESTAMP",
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


def _in_chinese(feature: str) -> str:
    """SQL words stay as they are; only the word "function" before a name is translated."""
    return f"函数 {feature.removeprefix('function ')}" if feature.startswith("function ") else feature


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
        message_zh=f"当前版本尚不支持 {_in_chinese(feature)}",
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
        message="this use of a column of the query around it is not supported",
        hint="compare inner and outer columns in the subquery's own WHERE (for a value, by =), or join a derived "
        "table that is grouped by the compared columns",
        message_zh="不支持如此引用外层查询的列",
        hint_zh="请只在子查询自身的 WHERE 中比较内外层的列（取值时用 =），或连接一个按这些列分组的派生表",
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

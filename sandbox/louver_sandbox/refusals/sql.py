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
        hint='outside quotes use ASCII or Chinese letters, digits, _ and operators; quote other names as "name"',
        message_zh=f"此处不允许字符 {description}",
        hint_zh='引号之外只可使用 ASCII 或中文字符、数字、下划线与运算符；其他名称请写作 "名称"',
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
        message="this SQL dialect is not supported in this version",
        hint="send the query with dialect duckdb",
        message_zh="当前版本不支持该 SQL 方言",
        hint_zh="请使用 duckdb 方言",
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
        message_zh=f"不允许使用 {feature}",
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
        hint="docs/reference/sql lists what this version answers; a join or a derived table often says the same",
        message_zh=f"当前版本尚不支持 {feature}",
        hint_zh="当前版本的可用写法见 docs/reference/sql；常可改写为连接或派生表",
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

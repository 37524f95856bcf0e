"""LVR-10xx: the text of a question, its words, constants, parameters and dialect, before any name has a meaning."""

from __future__ import annotations

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


_MEANT = {
    "`": ('"', 'names are written "x"; or say that the dialect is mysql or spark'),
    **dict.fromkeys(("U+2018", "U+2019", "U+FF07"), ("'", "texts are written 'x', names \"x\"")),
    **dict.fromkeys(("U+201C", "U+201D", "U+FF02"), ('"', "texts are written 'x', names \"x\"")),
    **{
        f"U+{ord(wide):04X}": (plain, "full-width signs belong inside quotes only")
        for wide, plain in zip("，；：（）．＝＜＞＋－＊／％", ",;:().=<>+-*/%", strict=True)
    },
}
"""Characters that input methods and word processors put in the place of others: what was meant, and why."""


def character_not_allowed(description: str, at: Position) -> Refused:
    if description in _MEANT:
        plain, why = _MEANT[description]
        return refusal(
            "LVR-1003",
            at=at,
            message=f"character {description} is not allowed here",
            hint=f"write {plain} instead: {why}",
            message_zh=f"此处不允许字符 {description}",
            hint_zh=f"请改用半角字符 {plain} ；文本写作 'x'，名称写作 \"x\"，全角符号只可用于引号之内",
        )
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


def syntax(at: Position | None, instead: str = "", instead_zh: str = "") -> Refused:
    return refusal(
        "LVR-1007",
        at=at,
        message="this is not understood as SQL",
        hint=instead or "see docs/reference/sql for what can be written here",
        message_zh="无法理解为 SQL",
        hint_zh=instead_zh or "可用写法见 docs/reference/sql",
    )


def not_a_select(at: Position | None, instead: str = "", instead_zh: str = "") -> Refused:
    return refusal(
        "LVR-1008",
        at=at,
        message="only SELECT (or WITH ... SELECT) is answered",
        hint=instead or "start with SELECT or WITH; name the columns and the table after FROM",
        message_zh="只受理 SELECT（或 WITH … SELECT）",
        hint_zh=instead_zh or "请以 SELECT 或 WITH 开头，并在 FROM 之后写明表名",
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

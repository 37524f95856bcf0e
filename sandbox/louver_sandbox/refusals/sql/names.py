"""LVR-11xx and LVR-12xx: names, functions and types that are not known, or cannot be used."""

from __future__ import annotations

from collections.abc import Sequence

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal


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
    text = "" if "." in name else f"write '{name}' if a text is meant; "
    text_zh = "" if "." in name else f"若为文本，请写 '{name}'；"
    return refusal(
        "LVR-1102",
        at=at,
        message=f"there is no column {name} for you here",
        hint=f"{likely or text}the catalogue lists the columns you may use",
        message_zh=f"此处没有可供您使用的列 {name}",
        hint_zh=f"{likely_zh or text_zh}可用的列见目录",
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
        message_zh=f"不允许使用 {in_chinese(feature)}",
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


def in_chinese(feature: str) -> str:
    """SQL words stay as they are; only the word "function" before a name is translated."""
    return f"函数 {feature.removeprefix('function ')}" if feature.startswith("function ") else feature

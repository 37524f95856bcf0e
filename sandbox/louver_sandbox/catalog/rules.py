"""What the keys of one declaration must say together (PRIVACY 2; levels and roles: DOMAIN 2.5, 4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from louver_sandbox.catalog.model import Role, SourceKind, SpaceKind
from louver_sandbox.catalog.positions import Path
from louver_sandbox.catalog.schema import (
    EXPECTED,
    NOT_APPLICABLE,
    ColumnDeclaration,
    LevelConditionDeclaration,
    TableDeclaration,
    UnitDeclaration,
)

RESERVED_PREFIX = "record_key_"
"""Names of columns the publisher adds."""
MAX_SCALE = 18
"""Most digits after the point of a decimal column, so that sums keep 20 digits before it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before it has a file: the way to the value, the reason in two languages, and the cure."""

    at: Path
    message: str
    message_zh: str
    hint: str


def table_findings(table: TableDeclaration) -> tuple[Finding, ...]:
    """Everything that is wrong with one declaration whose form is right."""
    found = [
        *_origin(table),
        *_operation(table),
        *_units(table),
        *_repaired(table),
        *_rules(table),
        *_shared_levels(table),
    ]
    for name, column in table.columns.items():
        found.extend(_column(("columns", name), name, column))
    seen: set[str] = set()
    for name in table.columns:
        if name.casefold() in seen:
            found.append(
                Finding(
                    ("columns", name),
                    "two columns differ only in case",
                    "两列仅大小写不同",
                    "engines ignore case; rename one",
                )
            )
        seen.add(name.casefold())
    return tuple(found)


def _origin(table: TableDeclaration) -> Iterator[Finding]:
    if (table.source is None) == (table.view is None):
        yield Finding(
            ("source",),
            "exactly one of source and view must be given",
            "source 与 view 必须且只能给出一个",
            EXPECTED["source"],
        )
    if table.source is None:
        return
    path = PurePosixPath(table.source.path)
    if path.is_absolute() or ".." in path.parts or "\\" in table.source.path:
        yield Finding(
            ("source", "path"), "the path leaves the data folder", "路径超出数据目录", "give a path below it"
        )
    if (table.source.kind is SourceKind.DUCKDB) != (table.source.table is not None):
        yield Finding(
            ("source", "table"),
            "a table inside the database is named for duckdb, and only for duckdb",
            "仅 duckdb 源需给出库内表名",
            EXPECTED["source"],
        )
    if table.source.kind is SourceKind.DUCKDB and any(mark in table.source.path for mark in "*?["):
        yield Finding(("source", "path"), "a DuckDB source is one file", "DuckDB 源只能是一个文件", "name the file")
    for name, column in table.columns.items():
        if table.source.kind is SourceKind.CSV and column.type == "text_list":
            yield Finding(("columns", name, "type"), "a CSV has no lists", "CSV 不支持列表", "use parquet or duckdb")


def _operation(table: TableDeclaration) -> Iterator[Finding]:
    government = table.space is SpaceKind.GOVERNMENT
    for key, value in (("share_type", table.share_type), ("open_type", table.open_type)):
        if government and value == NOT_APPLICABLE:
            yield Finding((key,), f"a department's table needs its {key}", f"部门数据必须填写 {key}", EXPECTED[key])
    if len(set(table.operable)) != len(table.operable):
        yield Finding(("operable",), "a verb is listed twice", "动作重复", "list each verb once")
    if all(column.level == "L5" for column in table.columns.values()):
        yield Finding(
            ("columns",),
            "L5 data cannot be registered for operation",
            "L5 数据不得登记用于授权运营",
            "leave the table out, or declare the columns below L5 that may be used",
        )


def _repaired(table: TableDeclaration) -> Iterator[Finding]:
    """Repairs are found by subject and day, so both must be in the table itself."""
    if table.repaired is None:
        return
    column = table.columns.get(table.repaired)
    if column is None or column.type != "date" or not any(unit.via is None for unit in table.units):
        yield Finding(
            ("repaired",),
            "the column must be a date of this table, which holds its subjects itself",
            "须为本表的日期列，且主体须在本表内",
            EXPECTED["repaired"],
        )


def _rules(table: TableDeclaration) -> Iterator[Finding]:
    """Each rule of quality is of one kind, about columns of this table below L5."""
    below = {name: column for name, column in table.columns.items() if column.level != "L5"}
    for index, rule in enumerate(table.rules):
        at: Path = ("rules", index)
        if sum(part is not None for part in (rule.holds, rule.working_days, rule.magnitude)) != 1:
            yield Finding(
                at,
                "a rule has exactly one of holds, working_days and magnitude",
                "规则须且只能给出 holds、working_days、magnitude 之一",
                EXPECTED["rules"],
            )
        days = rule.working_days[:2] if rule.working_days is not None else ()
        amounts = (rule.magnitude,) if rule.magnitude is not None else ()
        wrong = any(name not in below or below[name].type != "date" for name in days)
        wrong |= any(name not in below or below[name].role is not Role.VALUE for name in amounts)
        wrong |= bool(amounts) and not any(unit.via is None for unit in table.units)
        if wrong:
            yield Finding(
                at,
                "working_days are of two dates of this table, a magnitude of a value column of a table with subjects",
                "working_days 须为本表的两个日期列，magnitude 须为含主体的表的数值列",
                EXPECTED["rules"],
            )


def _units(table: TableDeclaration) -> Iterator[Finding]:
    if table.space is SpaceKind.INSTITUTION and table.units:
        yield Finding(
            ("units",),
            "an institution's own table has no privacy units",
            "机构自有表不设隐私单元",
            "write units: []; the government tables it meets bring theirs",
        )
    public = all(column.level == "L1" for column in table.columns.values())
    if not table.units and table.space is not SpaceKind.INSTITUTION and not public:
        yield Finding(
            ("units",),
            "a table above L1 needs a privacy unit",
            "L1 以上的表必须声明隐私单元",
            EXPECTED["units"],
        )
    seen = set()
    for index, unit in enumerate(table.units):
        column = table.columns.get(unit.column)
        if column is None or column.level == "L5" or column.type not in ("text", "integer"):
            yield Finding(
                ("units", index, "column"),
                "the unit's column must be a text or integer column of this table below L5",
                "隐私单元列须为本表 L5 以下的文本或整数列",
                EXPECTED["column"],
            )
        if (unit.type, unit.column) in seen:
            yield Finding(("units", index), "this unit is declared twice", "隐私单元重复声明", "keep one of them")
        seen.add((unit.type, unit.column))
        if unit.via is not None and (len(unit.via) % 2 == 0 or unit.via[0] != unit.column):
            yield Finding(
                ("units", index, "via"),
                "the foreign-key path must begin with the unit's column and name a column after each key",
                "外键路径须以该列开头，且每个键后给出一列",
                EXPECTED["via"],
            )
        yield from _once_per(table, index, unit)


def _once_per(table: TableDeclaration, index: int, unit: UnitDeclaration) -> Iterator[Finding]:
    """Columns whose values can be demanded one by one: of no type in which equal values are told apart."""
    names = unit.once_per or ()
    for name in names:
        column = table.columns.get(name)
        if (
            column is None
            or column.level == "L5"
            or column.type in ("double", "timestamp", "text_list")
            or name == unit.column
            or names.count(name) > 1
        ):
            yield Finding(
                ("units", index, "once_per"),
                "each column of once_per must be another one of this table below L5, named once, and no double,"
                " timestamp or list",
                "once_per 各列须为本表其他 L5 以下的列，不得重复，且不为浮点、时间戳或列表",
                EXPECTED["once_per"],
            )
            return


def _shared_levels(table: TableDeclaration) -> Iterator[Finding]:
    if table.when and not any(_milder(table.when, column) for column in table.columns.values() if not column.when):
        yield Finding(
            ("when",), "no column is stricter than this condition's level", "没有列严于该条件级别", EXPECTED["when"]
        )


def _milder(conditions: tuple[LevelConditionDeclaration, ...], column: ColumnDeclaration) -> bool:
    return column.level != "L5" and any(condition.level < column.level for condition in conditions)


def _column(at: Path, name: str, column: ColumnDeclaration) -> Iterator[Finding]:
    if name.casefold().startswith(RESERVED_PREFIX):
        yield Finding(at, f"names beginning with {RESERVED_PREFIX} are the publisher's", "列名前缀保留", "rename it")
    yield from _numbers(at, column)
    if column.domain is not None:
        if len(set(column.domain)) != len(column.domain):
            yield Finding((*at, "domain"), "a value is listed twice", "值域重复", "list each value once")
        if column.type not in ("text", "integer", "date", "boolean"):
            yield Finding(
                (*at, "domain"),
                "a domain is for codes, not for amounts",
                "值域仅用于代码列",
                "declare bounds instead",
            )
    for index, condition in enumerate(column.when):
        if condition.level >= column.level or column.level == "L5":
            yield Finding(
                (*at, "when", index, "level"),
                "the column's level is the stricter one; a condition can only make it milder, and never an L5",
                "条件只能降低级别，且不适用于 L5",
                "declare the strict level on the column and the mild one here",
            )


def _numbers(at: Path, column: ColumnDeclaration) -> Iterator[Finding]:
    numeric = column.type in ("integer", "double") or column.type.startswith("decimal")
    if column.type.startswith("decimal") and int(column.type[8:-1]) > MAX_SCALE:
        yield Finding((*at, "type"), f"at most {MAX_SCALE} digits after the point", "小数位过多", "use fewer digits")
    if column.bounds is not None:
        if not numeric:
            yield Finding((*at, "bounds"), "only numbers have bounds", "仅数值列可设上下界", "remove the bounds")
        elif column.bounds[0] >= column.bounds[1]:
            yield Finding(
                (*at, "bounds"), "the lower bound must be below the upper", "下界须小于上界", EXPECTED["bounds"]
            )
    elif numeric and column.role is Role.VALUE and column.level != "L5":
        yield Finding(
            at,
            "a value column that may be aggregated needs bounds",
            "可聚合的数值列必须声明上下界",
            EXPECTED["bounds"],
        )
    if (column.type == "double") != (column.decimals is not None) and column.level != "L5":
        yield Finding(
            (*at, "decimals"),
            "a double needs decimals, the digits its sums keep; other types have none",
            "double 列须声明 decimals，其他类型不得声明",
            EXPECTED["decimals"],
        )

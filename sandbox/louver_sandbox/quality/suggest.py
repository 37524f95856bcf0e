"""Proposes the declaration of a file: types, elements, levels, roles and units, each with its reason.

A proposal is for a person to judge. What only the department can know (share type, open type, verbs, refresh) is left
out, so that the catalogue's check asks for it; levels err on the strict side.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.catalog.check import engine_type
from louver_sandbox.catalog.model import Role, Source
from louver_sandbox.catalog.sources import attach_statement, quote, raw_relation
from louver_sandbox.elements.dictionary import ELEMENTS
from louver_sandbox.elements.model import Defect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE: Final = 2_000
"""Distinct values of a column that are looked at."""
_SHARE: Final = 0.95
"""Of those, how many have to be of an element for it to be proposed."""
_FEW: Final = 60
"""Distinct values up to which a text is taken for a code."""
_SHARED: Final = 10
"""Rows that each value has to stand in before the list of them is shown: a value of one row may be a person's."""
_TELLING: Final = [
    "uscc",
    "citizen_number",
    "property_unit",
    "organisation_code",
    "bank_card",
    "mobile",
    "industry",
    "region",
    "day",
]
"""Elements whose form alone tells them, the most telling first. A day is one only where it is kept as text."""
_NAMES: Final = {
    "person_name": ("person_name", "姓名", "rep_name", "full_name"),
    "firm_name": ("firm_name", "ent_name", "company", "单位名称", "企业名称", "机构名称"),
    "address": ("address", "addr", "地址", "住所"),
    "section": ("section", "门类"),
    "sex": ("sex", "gender", "性别"),
    "marriage": ("marital", "marriage", "婚姻"),
    "education": ("education", "学历"),
}
"""Parts of a column's name that tell an element whose form does not."""
_SENSITIVE: Final = {
    "race": "race or ethnicity",
    "ethnic": "race or ethnicity",
    "hispanic": "race or ethnicity",
    "民族": "race or ethnicity",
    "religio": "religion",
    "宗教": "religion",
    "health": "health",
    "disab": "health",
    "illness": "health",
    "disease": "health",
    "medical": "health",
    "疾病": "health",
    "残疾": "health",
    "健康": "health",
    "病": "health",
    "gene": "genes",
    "基因": "genes",
    "blood": "blood type",
    "血型": "blood type",
    "fingerprint": "biometrics",
    "指纹": "biometrics",
    "人脸": "biometrics",
    "special": "a special group",
    "特殊群体": "a special group",
}
"""Parts of a column's name that tell sensitive personal information (PIPL art. 28, 征信业管理条例 art. 14): what no
rule of forms can see, and a department must not miss."""
_IDENTIFIES: Final = {"uscc": 1, "organisation_code": 1, "citizen_number": 4, "property_unit": 3, "bank_card": 4}
_KNOWN: Final = {
    **{code: (level, Role.IDENTIFIER) for code, level in _IDENTIFIES.items()},
    "mobile": (4, Role.IDENTIFIER),
    "person_name": (4, Role.TEXT),
    "firm_name": (1, Role.IDENTIFIER),
    "address": (4, Role.TEXT),
    "region": (2, Role.QUASI_IDENTIFIER),
    "industry": (1, Role.QUASI_IDENTIFIER),
    "section": (1, Role.QUASI_IDENTIFIER),
    "sex": (2, Role.QUASI_IDENTIFIER),
    "marriage": (3, Role.QUASI_IDENTIFIER),
    "education": (3, Role.QUASI_IDENTIFIER),
    "day": (3, Role.TIME),
}
_UNITS: Final = {"uscc": "enterprise", "citizen_number": "person"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a column finds: type, whether values are missing, how many different ones, a sample as text."""

    name: str
    type: Type | None
    rows: int
    nulls: int
    distinct: int
    sample: tuple[str, ...]
    least: Decimal | None = None
    greatest: Decimal | None = None
    most_rows: int = 0
    least_rows: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to declare of a column, and why, in both languages. `type` is empty for one that cannot be registered."""

    seen: Seen
    element: str
    level: int
    role: Role
    reason: str
    reason_zh: str


def look(source: Source, connect: Callable[[], DuckDBPyConnection]) -> tuple[Seen, ...]:
    """Looks at every column of a source.

    Raises:
        duckdb.Error: the source cannot be read.
    """
    with connect() as connection:
        attach = attach_statement(source)
        if attach:
            connection.execute(attach)
        rows = raw_relation(source)
        described = connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()  # noqa: S608 - quoted paths
        return tuple(_seen(connection, rows, str(name), engine_type(str(kind))) for name, kind, *_ in described)


def _seen(connection: DuckDBPyConnection, rows: str, name: str, type_: Type | None) -> Seen:
    column = quote(name)
    total, filled, distinct = connection.execute(
        f"SELECT count(*), count({column}), count(DISTINCT {column}) FROM {rows}"  # noqa: S608
    ).fetchall()[0]
    most = (
        f"SELECT max(n), min(n) FROM (SELECT count(*) AS n FROM {rows} WHERE {column} IS NOT NULL GROUP BY {column})"  # noqa: S608
    )
    sample = connection.execute(
        f"SELECT DISTINCT CAST({column} AS VARCHAR) AS text FROM {rows} WHERE {column} IS NOT NULL "  # noqa: S608
        f"ORDER BY md5(text) LIMIT {SAMPLE}"
    ).fetchall()
    least = greatest = None
    if type_ is not None and type_.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE) and filled:
        low, high = connection.execute(f"SELECT min({column}), max({column}) FROM {rows}").fetchall()[0]  # noqa: S608
        least, greatest = Decimal(str(low)), Decimal(str(high))
    texts = tuple(str(text) for (text,) in sample)
    most_rows, least_rows = (int(number or 0) for number in connection.execute(most).fetchall()[0])
    return Seen(name, type_, total, total - filled, distinct, texts, least, greatest, most_rows, least_rows)


def suggest(seen: Seen) -> Suggestion:
    """What to declare of a column."""
    if sensitive := _sensitive(seen.name):
        reason = f"its name says {sensitive}: sensitive personal information (PIPL art. 28)"
        return Suggestion(seen, "", 4, Role.SENSITIVE, reason, "列名涉及敏感个人信息（个人信息保护法第二十八条）")
    element, share = _element(seen)
    if element:
        level, role = _KNOWN[element]
        title, title_zh = ELEMENTS[element].title, ELEMENTS[element].title_zh
        reason = f"{share:.0%} of {len(seen.sample)} values looked at are a {title}"
        reason_zh = f"抽查 {len(seen.sample)} 个值，{share:.0%} 为{title_zh}"
        return Suggestion(seen, element, level, role, reason, reason_zh)
    kind = None if seen.type is None else seen.type.kind
    if kind is Kind.BOOLEAN or (kind is Kind.INTEGER and seen.distinct <= 2):
        return Suggestion(seen, "", 3, Role.FLAG, "two values", "只有两个值")
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        return Suggestion(seen, "", 3, Role.TIME, "a date", "日期")
    if kind in (Kind.TEXT, Kind.INTEGER) and 0 < seen.distinct <= _FEW and seen.distinct < seen.rows:
        return Suggestion(
            seen, "", 3, Role.QUASI_IDENTIFIER, f"a code of {seen.distinct} values", f"{seen.distinct} 个取值的代码"
        )
    if kind is Kind.TEXT and seen.rows and seen.distinct == seen.rows:
        return Suggestion(seen, "", 3, Role.KEY, "another value in every row", "每行取值不同")
    if kind in (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE):
        return Suggestion(seen, "", 3, Role.VALUE, "a number of many values", "取值众多的数值")
    return Suggestion(seen, "", 4, Role.TEXT, "free text may name persons", "自由文本可能含有个人姓名")


def _sensitive(name: str) -> str:
    """What of a person the name of a column tells that law protects apart; empty for nothing."""
    words = re.split(r"[^0-9a-z\u4e00-\u9fff]+", name.casefold())
    return next(
        (
            said
            for part, said in _SENSITIVE.items()
            for word in words
            if word.startswith(part) or (not part.isascii() and part in word)
        ),
        "",
    )


def _element(seen: Seen) -> tuple[str, float]:
    """The element of a column and the share of values that are of it; empty for none."""
    if seen.type is None or seen.type.kind is not Kind.TEXT or not seen.sample:
        return "", 0.0
    for code in _TELLING:
        share = _share(seen.sample, ELEMENTS[code].defect)
        if share >= _SHARE:
            return code, share
    lowered = seen.name.casefold()
    for code, parts in _NAMES.items():
        if any(part in lowered for part in parts) and (share := _share(seen.sample, ELEMENTS[code].defect)) >= _SHARE:
            return code, share
    return "", 0.0


def _share(sample: tuple[str, ...], defect: Callable[[str], Defect | None]) -> float:
    return sum(defect(text) is None for text in sample) / len(sample)


def declaration(name: str, source: Source, columns: tuple[Suggestion, ...]) -> str:
    """The proposal as YAML with reasons in comments. `catalog check` says what is still to be filled in."""
    lines = [
        "# A proposal, to be judged by the department. Still missing: owner, title, share_type, open_type, operable,",
        "# refresh, as_of. 此为建议稿，须由部门审定；共享类型、开放类型等须由部门填写。",
        f"table: {name}",
        "space: government",
        f"source: {{kind: {source.kind.value}, path: {_text(source.path)}}}",
        *_unit_lines(columns),
        "columns:",
    ]
    for item in columns:
        lines.extend(_column_lines(item))
    return "\n".join(lines) + "\n"


def _unit_lines(columns: tuple[Suggestion, ...]) -> Iterator[str]:
    units = [item for item in columns if item.element in _UNITS]
    if not units:
        yield "units: []  # no column says whose row it is: name one, or a foreign key path to one"
        return
    yield "units:"
    for item in units:
        rows = "1" if item.seen.most_rows == 1 else "unbounded"
        yield f"  - {{type: {_UNITS[item.element]}, column: {_text(item.seen.name)}, rows_per_unit: {rows}}}"


def _column_lines(item: Suggestion) -> Iterator[str]:
    seen = item.seen
    if seen.type is None:
        yield f"  # {seen.name}: of a type that cannot be registered; convert it in the source, or leave it out"
        return
    parts = [
        f"type: {seen.type}",
        f"nullable: {'true' if seen.nulls else 'false'}",
        f"level: L{item.level}",
        f"role: {item.role.value}",
    ]
    if seen.type.kind is Kind.DOUBLE:
        parts.append("decimals: 6")
    if item.role is Role.VALUE and seen.least is not None and seen.greatest is not None:
        parts.append(f"bounds: [{_outward(seen.least, up=False)}, {_outward(seen.greatest, up=True)}]")
    if item.role is Role.QUASI_IDENTIFIER and seen.distinct <= _FEW and seen.least_rows >= _SHARED:
        parts.append(f"domain: [{', '.join(map(_text, sorted(seen.sample)))}]")
    if item.element:
        parts.append(f"element: {item.element}")
    yield f"  # {item.reason}；{item.reason_zh}"
    yield f"  {_text(seen.name)}: {{{', '.join(parts)}}}"


def _outward(value: Decimal, *, up: bool) -> str:
    """Away from zero, or towards it, to one digit: a bound is public and must not tell the largest value."""
    if not value:
        return "0"
    digit = Decimal(1).scaleb(value.adjusted())
    return f"{(value / digit).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * digit:f}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)

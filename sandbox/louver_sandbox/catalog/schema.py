"""The form of a table's declaration, as pydantic models; `json_schema` exports it for editors and other tools.

Only the form is checked here, key by key. What several keys must say together is in `load.py`. Values arrive as
text (see `positions.py`), therefore every field says how its text is read.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from louver_sandbox.catalog.model import Role, SourceKind, SpaceKind, UnitType, Verb
from louver_sandbox.catalog.numbers import InDigits
from louver_sandbox.elements.dictionary import ELEMENTS

MAX_COLUMNS = 256
"""Most columns of a table."""
MAX_PREDICATE = 2_000
"""Longest predicate, in characters."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(max_length=2_000)]
Predicate = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PREDICATE, strip_whitespace=True)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w{0,62}$")]
QualifiedName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}\.[^\W\d]\w{0,62}$")]
TypeName = Annotated[
    str, StringConstraints(pattern=r"^(text|integer|double|boolean|date|timestamp|text_list|decimal\([0-9]{1,2}\))$")
]
Level = Literal["L1", "L2", "L3", "L4", "L5"]
ShareType = Literal["无条件共享", "有条件共享", "不予共享", "不适用"]
OpenType = Literal["无条件开放", "有条件开放", "不予开放", "不适用"]
Refresh = Literal["live", "day", "week", "month", "quarter", "year"]

NOT_APPLICABLE = "不适用"
"""Share and open type of what no department owns."""
UNBOUNDED = "unbounded"


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError("neither true nor false")


def _rows_per_unit(value: Any) -> int | None:
    if value is None or value == UNBOUNDED:
        return None
    if type(value) is int or (isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,8}", value)):
        return int(value)
    raise ValueError("neither a count nor unbounded")


def _element(value: Any) -> str:
    if isinstance(value, str) and value in ELEMENTS:
        return value
    raise ValueError("not in the dictionary of data elements")


ElementCode = Annotated[str, BeforeValidator(_element), WithJsonSchema({"type": "string", "enum": sorted(ELEMENTS)})]
Boolean = Annotated[bool, BeforeValidator(_boolean), WithJsonSchema({"type": "boolean"})]
RowsPerUnit = Annotated[
    int | None,
    BeforeValidator(_rows_per_unit),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": UNBOUNDED}]}),
]


class Declaration(InDigits):
    """Common rules: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LevelConditionDeclaration(Declaration):
    """Rows that satisfy `predicate` are of the milder `level`."""

    predicate: Predicate
    level: Level


class ColumnDeclaration(Declaration):
    """One column; see `catalog.model.Column`."""

    type: TypeName
    nullable: Boolean
    level: Level
    role: Role
    bounds: tuple[Decimal, Decimal] | None = None
    domain: Annotated[tuple[Word, ...], Field(min_length=1, max_length=10_000)] | None = None
    decimals: Annotated[int, Field(ge=0, le=12)] | None = None
    unique: Boolean = False
    element: ElementCode = ""
    when: tuple[LevelConditionDeclaration, ...] = ()
    description: Text = ""


class UnitDeclaration(Declaration):
    """One privacy unit; see `catalog.model.PrivacyUnit`."""

    type: UnitType
    column: Identifier
    rows_per_unit: RowsPerUnit
    when: Predicate | None = None
    via: Annotated[tuple[Word, ...], Field(min_length=3, max_length=9)] | None = None
    at_least: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    once_per: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=8)] | None = None


class QualityRuleDeclaration(Declaration):
    """One rule of quality; see `catalog.model.QualityRule`. Exactly one of the three last is given."""

    dimension: Literal["completeness", "validity", "uniqueness", "consistency", "timeliness"]
    title: Text = ""
    holds: Predicate | None = None
    working_days: tuple[Identifier, Identifier, Annotated[int, Field(ge=1, le=250)]] | None = None
    magnitude: Identifier | None = None


class SourceDeclaration(Declaration):
    """Where the rows are: a path or glob below the data folder and, for DuckDB, the table in the database."""

    kind: SourceKind
    path: Word
    table: Word | None = None


class TableDeclaration(Declaration):
    """One table or view; every key without a default must be given (PRIVACY 2)."""

    table: QualifiedName
    space: SpaceKind
    owner: Word
    title: Word
    share_type: ShareType
    open_type: OpenType
    operable: tuple[Verb, ...]
    refresh: Refresh
    as_of: date
    units: Annotated[tuple[UnitDeclaration, ...], Field(max_length=16)]
    columns: Annotated[dict[Identifier, ColumnDeclaration], Field(min_length=1, max_length=MAX_COLUMNS)]
    source: SourceDeclaration | None = None
    view: Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)] | None = None
    copy_of: QualifiedName | None = None
    kept: Predicate | None = None
    sunset: date | None = None
    repaired: Identifier | None = None
    rules: Annotated[tuple[QualityRuleDeclaration, ...], Field(max_length=64)] = ()
    themes: Annotated[tuple[Word, ...], Field(max_length=16)] = ()
    when: tuple[LevelConditionDeclaration, ...] = ()
    description: Text = ""


EXPECTED: dict[str, str] = {
    "table": "write schema.name in lower case, for example gov.tax_credit",
    "space": "government, platform or institution",
    "owner": "name the department that answers for the data",
    "title": "give the title of the resource as the catalogue shows it",
    "share_type": "无条件共享、有条件共享、不予共享, or 不适用 outside government",
    "open_type": "无条件开放、有条件开放、不予开放, or 不适用 outside government",
    "operable": "list the verbs the authorised operation covers: analyse, match, query, score; [] for none",
    "refresh": "live, day, week, month, quarter or year",
    "as_of": "the date of the data, as 2026-06-30",
    "units": "list the privacy units: {type: person, column: person_id, rows_per_unit: 1}; [] for none",
    "columns": "map each column's name to {type, nullable, level, role}",
    "source": "{kind: parquet | duckdb | csv, path: below the data folder, table: for duckdb}",
    "kind": "parquet, duckdb or csv",
    "path": "a path or glob below the data folder",
    "view": "the SELECT that defines the view",
    "copy_of": "schema.name of the table whose data these are, registered or not any more",
    "kept": "SQL over the table's own columns and :as_of that rows must satisfy to be used, or leave it out",
    "sunset": "the last day of a special-purpose dataset, as 2026-12-31, or leave it out",
    "repaired": "the date column that says since when a record no longer counts, or leave it out",
    "rules": "a list of {dimension, holds: SQL} or {dimension, working_days: [day, later day, 7]} or "
    "{dimension, magnitude: column}",
    "dimension": "completeness, validity, uniqueness, consistency or timeliness",
    "holds": "SQL over the table's own columns and :as_of",
    "working_days": "[column of the act, column of what must follow, working days from 1 to 250]",
    "magnitude": "a column of amounts",
    "themes": "a list of names of theme catalogues, such as 信用, or leave it out",
    "type": "text, integer, decimal(2), double, boolean, date, timestamp, text_list; of a unit: person, enterprise",
    "nullable": "true or false",
    "level": "L1, L2, L3, L4 or L5",
    "role": "id, key, qi, val, flag, time, text or spi",
    "bounds": "[least, greatest] in the column's own unit",
    "domain": "a list of the values the column may have",
    "decimals": "digits kept of a double, 0 to 12",
    "unique": "true where no two rows hold the same value; else leave it out",
    "element": f"a data element, or leave it out: {', '.join(ELEMENTS)}",
    "when": "of a level: a list of {predicate: SQL over the table's columns, level: L1}; of a unit: a predicate",
    "predicate": "SQL over the table's own columns and :as_of",
    "rows_per_unit": "1, the declared bound, or unbounded",
    "column": "the name of a column of this table",
    "via": "[column, schema.table.key, unit column]",
    "at_least": "a round number of units that the table publicly has at least, or leave it out",
    "once_per": "columns of this table for whose values together a unit has one row at most, or leave it out",
}
"""For each key, what is expected: the hint of a problem with it."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one declaration document."""
    return TableDeclaration.model_json_schema()

"""The catalogue as values. `catalog/load.py` makes them from YAML and refuses what is missing (PRIVACY 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from louver_sandbox.algebra.types import TableName, Type


class Verb(StrEnum):
    """The verbs, granted separately (查询 / 比对 / 分析 / 评分)."""

    ANALYSE = "analyse"
    MATCH = "match"
    QUERY = "query"
    SCORE = "score"


class Role(StrEnum):
    """What a column is to re-identification (DOMAIN 4.1)."""

    IDENTIFIER = "id"
    KEY = "key"
    QUASI_IDENTIFIER = "qi"
    VALUE = "val"
    FLAG = "flag"
    TIME = "time"
    TEXT = "text"
    SENSITIVE = "spi"


class UnitType(StrEnum):
    """Whose row it is. Persons and enterprises are protected by rules of their own (DOMAIN 0.4)."""

    PERSON = "person"
    ENTERPRISE = "enterprise"


class SpaceKind(StrEnum):
    """Who holds a table: a department, the platform itself, or the institution that uploaded it."""

    GOVERNMENT = "government"
    PLATFORM = "platform"
    INSTITUTION = "institution"


@dataclass(frozen=True, slots=True)
class LevelCondition:
    """Rows that satisfy `predicate` (SQL over the table's own columns and `:as_of`) are of this milder level."""

    predicate: str
    level: int


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `level` is L1..L5; `bounds` are in the column's own unit; `decimals` digits kept of a double.

    `unique`: no two rows hold the same value. It is found out of an institution's own tables when they are uploaded,
    and declared of all others, where registration and publishing check it. `distinct` is the number of different
    values of an own column, counted at the same time; None where nobody counted. `element` is the code of its data
    element (`elements.dictionary`), empty where none is declared. `encrypted` is the id of the Paillier key that the
    values of an own column are encrypted to: what is stored, and what an engine reads, are the numbers of its rows.
    `tokens` is the public key in hex under which the ids of an own column of the `element` came as tokens.
    """

    name: str
    type: Type
    nullable: bool
    level: int
    role: Role
    bounds: tuple[Decimal, Decimal] | None = None
    domain: tuple[str, ...] | None = None
    decimals: int = 6
    when: tuple[LevelCondition, ...] = ()
    description: str = ""
    unique: bool = False
    distinct: int | None = None
    element: str = ""
    encrypted: str = ""
    tokens: str = ""

    @property
    def bounds_hold(self) -> bool:
        """Whether publishing checks the bounds. Those of a value only say where contributions are cut off."""
        return self.bounds is not None and self.role is not Role.VALUE


@dataclass(frozen=True, slots=True)
class PrivacyUnit:
    """A column whose values are the units of one type, for the rows where `when` holds (None: all rows).

    `rows_per_unit` is 1, a declared bound, or None for unbounded. `via` is a foreign-key path for tables that do
    not hold the unit themselves: ("loan_id", "gov.loan.loan_id", "uscc"). `at_least` is a number of units that the
    table is publicly known to hold, which publishing checks; caps on released cells are shares of it. `once_per` are
    columns for each of whose combinations of values a unit has one row at most; publishing checks that too.
    """

    type: UnitType
    column: str
    rows_per_unit: int | None
    when: str | None = None
    via: tuple[str, ...] = ()
    at_least: int | None = None
    once_per: tuple[str, ...] = ()

    @property
    def record_key(self) -> str:
        """The snapshot column that holds the 64-bit keyed hash of the unit, null where `when` does not hold."""
        return f"record_key_{self.type.value}_{self.column}"


class SourceKind(StrEnum):
    """Where a registered table's rows are."""

    PARQUET = "parquet"
    DUCKDB = "duckdb"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Source:
    """Files of a table. `path` may hold a glob; `table` names the table inside a DuckDB database."""

    kind: SourceKind
    path: str
    table: str | None = None


@dataclass(frozen=True, slots=True)
class QualityRule:
    """What rows should be, as their department has written it, beside what columns say of themselves. One of three:

    `holds` is SQL over the table's own columns and `:as_of`; `working_days` the day of an act, the day on which
    what must follow did, and within how many working days of the Chinese calendar; `magnitude` a column of amounts,
    none of which is a thousand times what its subject's usually are, or a thousandth (万元 in a column of 元).
    `dimension` is one of GB/T 36344. Nothing is refused for them: they are counted and graded.
    """

    dimension: str
    title: str
    holds: str | None = None
    working_days: tuple[str, str, int] | None = None
    magnitude: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One registered table (or, with `view` set, a named query over registered tables).

    `copy_of` names the table whose data these are too, registered or not any more: both share its budgets. `kept` is
    a predicate that rows must satisfy to be used at all, by any verb; others are in no snapshot and in no list.
    `sunset` is the last day of a special-purpose dataset: no grant on it holds after, and purging removes it.
    `repaired` is the date column that says since when a record no longer counts (信用修复): whoever was told of one
    before is told so. `rules` are what its quality is measured by beside its columns, `themes` the catalogues
    of themes (主题目录) that it belongs to. `record_key` is the fingerprint of the secret that its snapshots'
    record keys are made with, None for the first one.
    """

    name: TableName
    space: SpaceKind
    owner: str
    title: str
    share_type: str
    open_type: str
    operable: frozenset[Verb]
    refresh: str
    as_of: date
    units: tuple[PrivacyUnit, ...]
    columns: tuple[Column, ...]
    source: Source | None = None
    view: str | None = None
    data_version: str = ""
    copy_of: TableName | None = None
    kept: str | None = None
    sunset: date | None = None
    repaired: str | None = None
    rules: tuple[QualityRule, ...] | None = None
    themes: tuple[str, ...] | None = None
    record_key: str | None = None

    def column(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every registered table, and the digest that log entries carry."""

    tables: Mapping[TableName, Table] = field(repr=False)
    digest: str

    def table(self, name: TableName) -> Table | None:
        """The table of that exact name, or None."""
        return self.tables.get(name)

    def dataset_of(self, name: TableName) -> TableName:
        """The dataset whose budgets a table is charged to: its own name, or that of what it is a copy of."""
        table = self.tables.get(name)
        return name if table is None or table.copy_of is None else self.dataset_of(table.copy_of)

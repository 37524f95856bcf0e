"""The values that travel the line. Each is frozen, each has one maker; holding one is the proof of its stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from louver_sandbox.algebra.expressions import Expression, Value
from louver_sandbox.algebra.relations import Relation
from louver_sandbox.algebra.types import Position, TableName, Type
from louver_sandbox.catalog.model import Catalog, Table, UnitType

if TYPE_CHECKING:
    from sqlglot import exp

    from louver_sandbox.sql.lexical import Source


class InstitutionType(StrEnum):
    """Requester types: a credit agency is not a bank (DOMAIN 2.6)."""

    BANK = "bank"
    CREDIT_AGENCY = "credit_agency"
    DEPARTMENT = "department"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks, as the certificate and the institution registry say."""

    institution: str
    type: InstitutionType
    groups: frozenset[str]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Request:
    """One signed question. `signature` covers id, expiry, purpose, SQL, its dialect and parameters."""

    id: str
    subject: Subject
    purpose: str
    sql: str = field(repr=False)
    parameters: Mapping[str, Value] = field(default_factory=dict, repr=False)
    dialect: str = "duckdb"
    received: datetime | None = None
    signature: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A single SELECT made of allowed nodes only, and the text its positions are in. Made by `sql.parse.parse`."""

    request: Request
    source: Source = field(repr=False)
    tree: exp.Expr = field(repr=False)


class Clause(StrEnum):
    """Where a column is used; PRIVACY 3 grants rights per clause."""

    OUTPUT = "output"
    GROUP_KEY = "group_key"
    FILTER = "filter"
    JOIN_KEY = "join_key"
    AGGREGATE = "aggregate"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Use:
    """One use of one base column at one place of the query.

    `function` is the aggregate (for AGGREGATE), the comparison or scalar that meets the column first (for FILTER:
    `=`, `in`, `<`, `like`, ...), or the binning (for GROUP_KEY: `date_trunc:month`, ...; "" for the bare column).
    `through` names every function between the column and this place, innermost first, aggregates included.
    `literal_unit` is true when a privacy-unit column is compared with a constant: a question about one subject.
    """

    table: TableName
    scan: int
    column: str
    clause: Clause
    function: str = ""
    through: tuple[str, ...] = ()
    literal_unit: bool = False
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of the answer, as the caller will see it."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Bound:
    """The query as our own relation tree, every name resolved. Made by `sql.bind.bind`.

    `implied` holds, per scan id, the conjuncts over that scan's own columns that every row reaching the answer
    satisfies (used for conditional levels and row-dependent rules).
    """

    request: Request
    relation: Relation
    columns: tuple[OutputColumn, ...]
    uses: tuple[Use, ...]
    implied: Mapping[int, tuple[Expression, ...]]
    catalog: Catalog = field(repr=False)


class Treatment(StrEnum):
    """How a permitted answer leaves (PRIVACY 4); this version computes the first two."""

    EXACT = "exact"
    THRESHOLD = "threshold"


class Totals(StrEnum):
    """What is withheld where a total would tell a withheld part: the total, or further parts beside it."""

    KEEP_BACK = "keep-back"
    COMPLEMENTARY = "complementary"


class RoundingKind(StrEnum):
    """How perturbed values are rounded, the strictest last: not at all, to the nearest multiple, at random by the
    cell's key, or to the nearest and totals so that they are the sums of their parts."""

    NONE = "none"
    BASE = "base"
    RANDOM = "random"
    CONTROLLED = "controlled"


@dataclass(frozen=True, slots=True)
class NoiseRules:
    """Cell-key perturbation (PRIVACY 5.6): the table of noise for counts of each unit type, by name, and the rounding
    that follows. A unit type without a table cannot be counted. `share` is the noise of a sum in standard deviations
    for each of its largest contributions; None allows no sums."""

    tables: Mapping[UnitType, str]
    rounding: RoundingKind = RoundingKind.NONE
    base: int = 1
    share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ThresholdRules:
    """The obligations of a `threshold` answer: least units per type, dominance share, p %, remainder row, noise,
    and what becomes of totals."""

    k: Mapping[UnitType, int]
    dominance_percent: int = 60
    p_percent: int = 10
    remainder: bool = True
    noise: NoiseRules | None = None
    totals: Totals = Totals.KEEP_BACK


@dataclass(frozen=True, slots=True)
class AccessBudget:
    """Most queries and distinct predicates per (institution, dataset, purpose) and Beijing calendar day."""

    queries_per_day: int
    predicates_per_day: int


@dataclass(frozen=True, slots=True)
class GrantUse:
    """The grant a table was read under, with the snapshot that holds exactly its columns and rows."""

    scan: int
    table: TableName
    grant: str
    policy: str
    policy_version: str
    row_filter: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision may know besides the query and the policies, handed in so that it stays pure: the day."""

    today: date


@dataclass(frozen=True, slots=True)
class Admitted:
    """A permit with its obligations. Made by `policy.decide.decide`.

    `protected` are the scan ids whose privacy units must reach the thresholds; the others are public or own.
    """

    bound: Bound
    treatment: Treatment
    grants: tuple[GrantUse, ...]
    protected: frozenset[int]
    threshold: ThresholdRules | None
    budget: AccessBudget
    bundle_digest: str
    facts: Facts


class Part(StrEnum):
    """What one column of a worker's result is."""

    KEY = "key"
    VALUE = "value"
    UNITS = "units"
    ROW_KIND = "row_kind"
    SET = "set"
    COMBINED = "combined"


@dataclass(frozen=True, slots=True)
class CoreColumn:
    """One column of the worker's result, by position.

    `name` is the engine-side name. For KEY and VALUE, `of` is the Aggregate's (or Project's) output column it
    carries. UNITS columns hold distinct privacy units of `unit`, COMBINED ones the XOR of the record keys of such
    units (0 for none). SET says which grouping set a cell belongs to: a bit per key, the first key's the highest, set
    where the key is left out (GROUPING of all keys).
    """

    name: str
    part: Part
    type: Type
    of: str = ""
    unit: UnitType | None = None


@dataclass(frozen=True, slots=True)
class CountedUnit:
    """One kind of unit that a cell is made of. `optional`: a cell may honestly have none, because the catalogue
    declares these units for some rows only; otherwise a cell without any is a LEFT JOIN's empty side."""

    type: UnitType
    optional: bool = False


@dataclass(frozen=True, slots=True)
class JudgedTotal:
    """One sum or count over a cell, by the names of its columns, with the parts that say whether it may be known.

    `value` is the sum or count itself. `largest`, `second`, `magnitude` hold the largest and second largest unit's
    absolute contribution and the sum of them (dominance), `contributors` the units with a non-zero contribution, one
    column per unit group; empty where not needed. `own` depends on the requester's own columns; `presence` counts
    rows that have a value, which all of them may. An `optional` one only guards others, and may have no contributor.
    A sum that `tallies` adds up inner counts of rows with a property, and is judged as such a count as well.
    A count `by_key` asks for a key of its cells, so that a cell may be empty or full by the question alone.
    """

    value: str
    contributors: tuple[str, ...] = ()
    largest: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    magnitude: tuple[str, ...] = ()
    own: bool = False
    presence: bool = False
    optional: bool = False
    by_key: bool = False
    tallies: bool = False


@dataclass(frozen=True, slots=True)
class Addend:
    """A total times the constant numerator / denominator."""

    total: JudgedTotal
    numerator: int = 1
    denominator: int = 1


@dataclass(frozen=True, slots=True)
class Measure:
    """How one aggregate of the query is put together from exact parts the worker returns.

    `kind` is count, sum, average or units: the sum of the addends, for an average divided by the column `count`; or a
    function of `sql.statistics`, whose power sums are the addends in the order of `plan.measures.POWER_SUMS`; or
    grouping, which is made of the cell's set and the numbers of its `keys`, and always leaves. Any other leaves
    when every addend's total and every guard passes the rules by itself.
    """

    name: str
    kind: str
    type: Type
    addends: tuple[Addend, ...]
    count: str = ""
    guards: tuple[JudgedTotal, ...] = ()
    keys: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyedUnits:
    """A set of distinct units, by the names of the columns with their number and with their combined record keys."""

    type: UnitType
    units: str
    combined: str


@dataclass(frozen=True, slots=True)
class Amounts:
    """The columns with the largest and second largest absolute contribution of a unit of one group, and with the sum
    of them all."""

    largest: str
    second: str
    magnitude: str


@dataclass(frozen=True, slots=True)
class NoisyTotal:
    """A column of a core that leaves with noise, and the sets of units that decide it.

    Without `amounts` it is the number of units of its sets, each of which has the noise of its own key. With
    `amounts`, for every unit group, it is a sum of what `of` names, or a number of rows where `of` is empty; that is
    a number of units as well, in cells where it is the number of units of one of the sets.
    """

    value: str
    sets: tuple[KeyedUnits, ...]
    of: str = ""
    amounts: tuple[Amounts, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A snapshot the worker may open: the alias the statement uses, the table, and the snapshot's identity."""

    alias: str
    table: TableName
    snapshot: str


@dataclass(frozen=True, slots=True)
class Charge:
    """One unit of access budget: `kind` is `query` or `predicate`; a predicate counts once a day by `key`."""

    dataset: str
    purpose: str
    kind: str
    limit: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Finer:
    """A core of the same question whose cells divide another's: the same rows, grouped by more keys.

    `keys` and `measures` pair the names of the divided core with those of this one, for keys that are the same and
    for measures that are about the same values. `by_key` are the divided core's measures that look at
    what this one's keys are made of: the question alone may leave them nothing of a part.
    """

    core_id: int
    keys: tuple[tuple[str, str], ...]
    measures: tuple[tuple[str, str], ...]
    by_key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CorePlan:
    """One part of a question that a worker computes, with a statement of its own.

    `statement` is canonical SQL generated from the relation tree and `columns` describes its result. In the plan's
    shape the released rows are those of the Scan with id `core_id`. A protected core's rows are cells: `measures`
    and `unit_groups` say how the releaser judges them and puts their values together; `finer` are the cores whose
    cells its own must not give away; `compares` says that rows are compared with cells that the engine has judged,
    `outer` that a protected table stands on the side of an outer join that may be missing; `noisy` are the columns
    that leave with noise where policies ask for it: every one that a measure is made of.
    The rows of any other core are public or the requester's own and leave as they are.
    """

    core_id: int
    protected: bool
    statement: str = field(repr=False)
    columns: tuple[CoreColumn, ...]
    measures: tuple[Measure, ...] = ()
    unit_groups: tuple[CountedUnit, ...] = ()
    finer: tuple[Finer, ...] = ()
    compares: bool = False
    outer: bool = False
    noisy: tuple[NoisyTotal, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, what it costs and how its result becomes an answer. Made by `plan.plan.plan`.

    The worker runs the cores' statements in order. `shape` is a relation tree above Scans of released rows, which the
    releaser computes; None means the one core's rows are the answer. `question` identifies the canonical question
    on this data, catalogue and policy: equal questions get the stored answer.
    """

    request_id: str
    treatment: Treatment
    cores: tuple[CorePlan, ...]
    sources: tuple[SourceRef, ...]
    shape: Relation | None
    columns: tuple[OutputColumn, ...]
    threshold: ThresholdRules | None
    charges: tuple[Charge, ...]
    question: str
    bundle_digest: str
    catalog_digest: str
    policies: tuple[str, ...]
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """A plan that is paid for and logged; nothing after it may refuse. Made by `commit.commit`.

    `admission` is the index of its log entry, `commitments` what that entry holds in place of the texts, by field.
    """

    plan: Plan
    request: Request
    admission: int
    commitments: Mapping[str, str]
    cost: Mapping[str, int]
    remaining: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Execution:
    """Exact rows from a worker, one table per core of the plan. Only `release/` may read `rows` (law 4)."""

    committed: Committed
    rows: tuple[tuple[tuple[object, ...], ...], ...] = field(repr=False)


Cell = None | bool | int | float | Decimal | str | date | datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the caller must know about the answer: a stable code, how many cells, and the rule."""

    code: str
    count: int
    rule: str
    message: str
    message_zh: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far the perturbed numbers of one column of the answer may be from the true ones.

    `kind` is count, rows, sum, average or computed. Whatever the true number is, the released one is at most `below`
    over it or `above` under it in 95 of 100 draws of the keys, and `standard_error` is at least the root of its mean
    squared error; for rows, sums and averages, `relative_error` is that of the sum in proportion to its absolute
    contributions. Decimal text, empty where there is no such statement.
    """

    column: str
    kind: str
    standard_error: str
    below: str
    above: str
    message: str
    message_zh: str
    relative_error: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """What leaves. A withheld cell is None and is counted in a notice. Made by `release.release.release`."""

    columns: tuple[OutputColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notices: tuple[Notice, ...]
    treatment: Treatment
    remainder: tuple[Cell, ...] | None = None
    accuracy: tuple[Accuracy, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A release as bytes, the same for the wire, the store and the log's digest. Made by `pipeline`.

    `arrow` and `remainder` are Arrow IPC streams; `remainder` is empty when no remainder row is safe.
    """

    treatment: Treatment
    arrow: bytes = field(repr=False)
    remainder: bytes = field(repr=False)
    rows: int
    notices: tuple[Notice, ...]
    cost: Mapping[str, int]
    remaining: Mapping[str, int]
    policies: tuple[str, ...]
    accuracy: tuple[Accuracy, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer given before to the same request or question: free, the same bytes. `outcome` is its log entry."""

    answer: Answer
    outcome: int


@dataclass(frozen=True, slots=True)
class Receipted:
    """What the caller gets: the answer and the proof that the log holds it."""

    answer: Answer
    receipt: bytes = field(repr=False)
    stored: bool


@dataclass(frozen=True, slots=True)
class Case:
    """What a checker is asked: the request, the caller's own tables, and the facts."""

    request: Request
    own: tuple[Table, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """A refusal as a value, so that it can cross a process boundary."""

    code: str
    message: str
    hint: str
    message_zh: str
    hint_zh: str
    line: int | None
    column: int | None
    rule: str
    policy_version: str
    details: Mapping[str, str]
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a checker answers: a plan, or why there is none."""

    plan: Plan | None
    refusal: RefusalRecord | None

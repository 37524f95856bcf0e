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
from louver_sandbox.catalog.atoms import AtomRules
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.encrypted_core import EncryptedPlan, EncryptedSums, TokenUse
from louver_sandbox.lookups import LookupPlan, LookupRules, Standing
from louver_sandbox.obligations import (
    AccessBudget,
    CellCharge,
    Charge,
    PrivacyBalance,
    PrivacyCharge,
    Seal,
    SealedColumns,
    ThresholdRules,
)
from louver_sandbox.private_core import PrivateRules, Wish
from louver_sandbox.selections import FLAGGED, HistoryRules, Selection

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
    """One signed question. `signature` covers id, expiry, purpose, SQL, its dialect, parameters, `seal`, by which the
    caller asks for a sealed answer (`paillier`; empty means as policies say), and `wish`, what the answer may cost of
    privacy or how exact it is to be."""

    id: str
    subject: Subject
    purpose: str
    sql: str = field(repr=False)
    parameters: Mapping[str, Value] = field(default_factory=dict, repr=False)
    dialect: str = "duckdb"
    received: datetime | None = None
    signature: bytes = field(default=b"", repr=False)
    seal: str = ""
    wish: Wish | None = None


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
    """How a permitted answer leaves (PRIVACY 4)."""

    EXACT = "exact"
    THRESHOLD = "threshold"
    DP = "dp"
    AUTHORISED = "authorised"

    @property
    def of_rows(self) -> bool:
        """Whether what leaves are rows as a worker found them, and no cells that are judged or drawn."""
        return self in (Treatment.EXACT, Treatment.AUTHORISED)


@dataclass(frozen=True, slots=True)
class GrantUse:
    """The grant a table was read under, with the snapshot that holds exactly its columns and rows, recoded by its
    atoms where it has such."""

    scan: int
    table: TableName
    grant: str
    policy: str
    policy_version: str
    row_filter: str | None
    columns: tuple[str, ...]
    atoms: AtomRules | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision may know besides the query and the policies, handed in so that it stays pure: the day, and
    the id of the key that answers to the requester are sealed to (empty: it has none that is valid)."""

    today: date
    sealing_key: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A permit with its obligations. Made by `policy.decide.decide`.

    `protected` are the scan ids whose privacy units must reach the thresholds, or are protected by noise as `private`
    says; the others are public or own. `lookup` is what an authorisation must cover, and `about_nobody` the same
    question about a subject that does not exist. `seal` is how the numbers of an answer under differential privacy
    leave; those of a threshold answer leave as its rules say. Answers leave at whole numbers of `pace` milliseconds.
    """

    bound: Bound
    treatment: Treatment
    grants: tuple[GrantUse, ...]
    protected: frozenset[int]
    threshold: ThresholdRules | None
    budget: AccessBudget
    bundle_digest: str
    facts: Facts
    history: HistoryRules = FLAGGED
    private: tuple[PrivateRules, ...] = ()
    lookup: LookupRules | None = None
    about_nobody: Relation | None = None
    seal: Seal = Seal.NONE
    pace: int = 0


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A snapshot the worker may open: the alias the statement uses, the table, and the snapshot's identity."""

    alias: str
    table: TableName
    snapshot: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, what it costs and how its result becomes an answer. Made by `plan.plan.plan`.

    The worker runs the cores' statements in order. `shape` is a relation tree above Scans of released rows, which the
    releaser computes; None means the one core's rows are the answer. `question` identifies the canonical question
    on this data, catalogue and policy: equal questions get the stored answer. `cells` are what caps on released
    cells are charged, besides `charges`; `selections` are the rows it asks for, which the commit compares with
    earlier ones as `history` says. `privacy` is its privacy loss, one charge per dataset and kind of unit. `seal` are
    the columns whose numbers leave encrypted; `encrypted` says which of them are sums of numbers that came so, and
    how the worker's last statement tells which rows are in them. `unsealed` identifies the question that a sealed one
    under differential privacy is but for its seal: noise is drawn for it once. `lookup` is what an authorisation must
    cover when it commits. `tokens` are the columns whose ids came as tokens. `pace` is the admission's.
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
    cells: tuple[CellCharge, ...] = ()
    selections: tuple[Selection, ...] = ()
    history: HistoryRules = FLAGGED
    privacy: tuple[PrivacyCharge, ...] = ()
    seal: SealedColumns | None = None
    encrypted: EncryptedPlan | None = None
    lookup: LookupPlan | None = None
    tokens: tuple[TokenUse, ...] = ()
    unsealed: str = ""
    pace: int = 0

    @property
    def noise(self) -> str:
        """What noise is drawn for: the question, however its answer is sealed."""
        return self.unsealed or self.question

    @property
    def statements(self) -> tuple[str, ...]:
        """Everything the worker runs, in order."""
        own = tuple(core.statement for core in self.cores)
        return own if self.encrypted is None else (*own, self.encrypted.statement)


@dataclass(frozen=True, slots=True)
class Committed:
    """A plan that is paid for and logged; nothing after it may refuse. Made by `commit.commit`.

    `admission` is the index of its log entry, `commitments` what that entry holds in place of the texts, by field.
    `standing` is what the authorisation of a lookup said. Where the question was answered before under another seal,
    `drawn` is the noise of that answer, as `release.draws` keeps it, or `before` the answer, which was in clear; the
    same numbers are released again and cost nothing.
    """

    plan: Plan
    request: Request
    admission: int
    commitments: Mapping[str, str]
    cost: Mapping[str, int]
    remaining: Mapping[str, int]
    privacy: tuple[PrivacyBalance, ...] = ()
    standing: Standing | None = None
    drawn: bytes = field(default=b"", repr=False)
    before: Answer | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Members:
    """Which rows of an upload a worker says are in which cell, row by row.

    `cells` are their keys; `cell`, `row` and `unit` are 64-bit numbers in little-endian order: the cell's place, the
    upload's row and the record key of its subject, of which `present` (bytes of 0 and 1) says whether there is one.
    `holds` are such bytes for each condition. The last two are empty where nothing is protected.
    """

    cells: tuple[tuple[object, ...], ...]
    cell: bytes
    row: bytes
    unit: bytes
    present: bytes
    holds: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """Exact rows from a worker, one table per core of the plan. Only `release/` may read `rows` (law 4)."""

    committed: Committed
    rows: tuple[tuple[tuple[object, ...], ...], ...] = field(repr=False)
    members: Members | None = field(default=None, repr=False)


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

    `kind` is count, rows, sum, average, quantile or computed. Whatever the true number is, the released one is at
    most `below` over it or `above` under it in 95 of 100 draws of the keys, and `standard_error` is at least the root
    of its mean squared error; for rows, sums and averages, `relative_error` is that of the sum in proportion to its
    absolute contributions. Decimal text, empty where there is no such statement. Under `dp`, `low` and `high` are the
    ends of the 95 % interval of each row's number, in the order of rows; empty text where a row has none. `share` is
    the part of the question's rho that the column costs, in percent; numbers that several columns need count for each
    in equal parts. In a sealed answer the ends are in `sealed` instead, as ciphertexts (`louver.sealing.ends`).
    """

    column: str
    kind: str
    standard_error: str
    below: str
    above: str
    message: str
    message_zh: str
    relative_error: str = ""
    low: tuple[str, ...] = ()
    high: tuple[str, ...] = ()
    share: str = ""
    sealed: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Release:
    """What leaves. A withheld cell is None and is counted in a notice. Made by `release.release.release`.

    `encrypted` says of which ciphertexts the cells of encrypted columns are made; their places in `rows` hold the
    numbers of rows by which they were judged, and these do not leave there. `drawn` is noise that is kept for the
    same question under another seal (`release.draws`); it does not leave.
    """

    columns: tuple[OutputColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notices: tuple[Notice, ...]
    treatment: Treatment
    remainder: tuple[Cell, ...] | None = None
    accuracy: tuple[Accuracy, ...] = ()
    encrypted: EncryptedSums | None = None
    drawn: bytes = field(default=b"", repr=False)


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
    privacy: tuple[PrivacyBalance, ...] = ()


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

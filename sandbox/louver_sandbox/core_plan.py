"""What a worker computes of a question, and how the releaser judges its numbers and puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from louver_sandbox.algebra.types import Type
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.private_core import PrivateCells


class Part(StrEnum):
    """What one column of a worker's result is."""

    KEY = "key"
    VALUE = "value"
    UNITS = "units"
    ROW_KIND = "row_kind"
    SET = "set"
    COMBINED = "combined"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class CoreColumn:
    """One column of the worker's result, by position.

    `name` is the engine-side name. For KEY and VALUE, `of` is the Aggregate's (or Project's) output column it
    carries. UNITS columns hold distinct privacy units of `unit`, COMBINED ones the XOR of the record keys of such
    units (0 for none). MARGIN columns hold the distinct units of `unit` in all cells that agree with one on all keys
    but `of`; where `of` is empty, in the rows that agree on all keys and that conditions on attributes did not select
    as well. SET says which grouping set a cell belongs to: a bit per key, the first key's the highest, set where the
    key is left out (GROUPING of all keys).
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
    a number of units as well, in cells where it is the number of units of one of the sets. A sum is rounded to
    multiples of `base`, in smallest units of the column; of 0, to a base by the noise of each cell.
    """

    value: str
    sets: tuple[KeyedUnits, ...]
    of: str = ""
    amounts: tuple[Amounts, ...] = ()
    base: int = 0


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
class Family:
    """All cells of one grouping set under one condition, known by `key`: at most `cells` different sets of units."""

    key: str
    cells: int


@dataclass(frozen=True, slots=True)
class AskedSet:
    """A grouping set of the question: its keys, and those of the set in the worker's result that has its cells, which
    may have further ones that its own decide. By index among the columns that are keys."""

    keys: tuple[int, ...]
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CorePlan:
    """One part of a question that a worker computes, with a statement of its own.

    `statement` is canonical SQL generated from the relation tree and `columns` describes its result. In the plan's
    shape the released rows are those of the Scan with id `core_id`. A protected core's rows are cells: `measures`
    and `unit_groups` say how the releaser judges them and puts their values together; `finer` are the cores whose
    cells its own must not give away; `compares` says that rows are compared with cells that the engine has judged,
    `outer` that a protected table stands on the side of an outer join that may be missing; `noisy` are the columns
    that leave with noise where policies ask for it: every one that a measure is made of; `families` say of
    which sets of units its cells are, where policies cap their number. `asked` are the grouping sets that leave,
    where the worker computes totals that only count as known; empty where all leave. `private` says, in place of
    all these, which noise its numbers leave with where they are answered with differential privacy.
    With `ranks_of` its rows are one histogram of the core with that id: cells, a bin, and how many rows count in it.
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
    families: tuple[Family, ...] = ()
    asked: tuple[AskedSet, ...] = ()
    private: PrivateCells | None = None
    ranks_of: int | None = None

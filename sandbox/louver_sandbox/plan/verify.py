"""Law 10: what will be sent is what was planned, by three readings of the generated text (SECURITY 5, rule 3).

1. Our own tokens. The emitter quotes every identifier, so any bare word before a parenthesis is a function or a
   keyword of the emitter's short list, and every table is a three-part quoted name.
2. sqlglot's tree of the text: one SELECT made of allowed nodes, the same tables and columns.
3. The engine's own parser (`engine.parse`), handed in as a `StatementShape`, so that nothing here imports an engine.

All must name the same tables, columns and functions, and the obligations must be in the statement. A mismatch is
`PlanUnverified`, a fault of the platform: it is never sent and never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from louver_sandbox.core_plan import CorePlan, JudgedTotal, Part
from louver_sandbox.encrypted_core import THOUSAND, Protection
from louver_sandbox.obligations import RoundingKind, ThresholdRules
from louver_sandbox.plan.private.check import problem
from louver_sandbox.plan.rewrites.threshold import REMAINDER, withheld_condition
from louver_sandbox.stages import Plan, Treatment


class PlanUnverified(Exception):
    """The statement is not what was planned. The text names the check, never the statement."""


class NamedTable(Protocol):
    """A table as an engine's parser read it; parts not written are empty."""

    @property
    def catalog(self) -> str: ...
    @property
    def schema(self) -> str: ...
    @property
    def name(self) -> str: ...


class StatementShape(Protocol):
    """A statement as an engine's parser read it (`engines.shape.Shape` fills it)."""

    @property
    def kind(self) -> str: ...
    @property
    def tables(self) -> Iterable[NamedTable]: ...
    @property
    def columns(self) -> frozenset[tuple[str, ...]]: ...
    @property
    def functions(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader found: source aliases as often as they are read, column paths, functions in lower case."""

    tables: tuple[str, ...]
    columns: frozenset[tuple[str, ...]]
    functions: frozenset[str]


_TOKEN = re.compile(
    r"""
      (?P<name>"(?:[^"]|"")+"(?:\."(?:[^"]|"")+")*)
    | (?P<text>'(?:[^']|'')*')
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+)
    | (?P<mark>[-+*/%(),<>=|.~!\[\]^&:]+)
    | (?P<space>[ ]+)
    """,
    re.VERBOSE,
)

_SYNTAX = frozenset(
    {
        "all", "and", "anti", "as", "asc", "between", "by", "case", "cast", "coalesce", "decimal",
        "desc", "distinct", "else", "end", "filter", "from", "full", "group", "grouping", "having", "ilike",
        "in", "inner", "interval", "is", "join", "left", "like", "limit", "materialized", "not", "null", "nullif",
        "nulls", "offset", "on", "or", "order", "over", "partition", "select", "semi", "sets", "then",
        "try_cast", "union", "when", "where", "with", "escape",
    }
)  # fmt: skip
"""Words the emitter writes before a parenthesis that are grammar, not functions."""

_WORDS = _SYNTAX | {
    "bigint", "boolean", "date", "double", "false", "first", "hugeint", "integer", "last", "timestamp", "true",
    "varchar",
}  # fmt: skip
"""Every other word the emitter writes: types and constants. Names are always in quotes."""

_ENGINE_FUNCTION = {"count_star": "count"}
"""The engine's names for what has syntax of its own, as the word we wrote."""


_UP_TO_TEXT = re.compile(r"""  ( (?: [^'"]++ | "[^"]*+" )++ )  (?: '((?:[^']|'')*+)' )?  """, re.VERBOSE)
_PLAIN = re.compile(r"[\w .:,%/+~-]*")
_FORMS = 1024


@lru_cache(maxsize=8)
def form(statement: str) -> str:
    """The statement with its plain constants emptied: all that parsing it depends on.

    The emitter writes every constant as a quoted text. One of letters, digits and a few marks cannot end its quotes
    or be taken for anything else by any parser, so statements of one form are read alike, and a form is read once.
    Any other constant stays where it is and makes a form of its own.
    """

    def emptied(found: re.Match[str]) -> str:
        before, constant = found.groups()
        plain = constant is not None and "--" not in constant and _PLAIN.fullmatch(constant)
        return f"{before}''" if plain else found.group()

    return _UP_TO_TEXT.sub(emptied, statement)


@lru_cache(maxsize=_FORMS)
def read_tokens(statement: str) -> Reading:
    """Our reading of our own text. Anything the emitter cannot have written raises PlanUnverified."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(statement):
        found = _TOKEN.match(statement, position)
        if found is None:
            raise PlanUnverified("a character the emitter does not write")
        if found.lastgroup != "space":
            tokens.append((found.lastgroup or "", found.group()))
        position = found.end()
    if any("--" in text or "/*" in text for kind, text in tokens if kind == "mark"):
        raise PlanUnverified("a comment")
    tables: list[str] = []
    columns: set[tuple[str, ...]] = set()
    functions: set[str] = set()
    for index, (kind, text) in enumerate(tokens):
        if kind not in ("word", "name"):
            continue
        before = tokens[index - 1][1].upper() if index else ""
        after = [following.upper() for _, following in tokens[index + 1 : index + 3]]
        if kind == "word" and text.lower() not in _WORDS:
            if not after or not after[0].startswith("("):
                raise PlanUnverified("a word the emitter does not write")
            functions.add(text.lower())
        elif kind == "name" and before != "AS" and after != ["AS", "MATERIALIZED"]:
            parts = _parts(text)
            if len(parts) == 3 and parts[1:] == ("main", "data"):
                tables.append(parts[0])
            elif len(parts) > 1 or before not in ("FROM", "JOIN"):
                columns.add(parts)
    return Reading(tuple(sorted(tables)), frozenset(columns), frozenset(functions))


def _parts(text: str) -> tuple[str, ...]:
    found = re.findall(r'"((?:[^"]|"")+)"', text)
    return tuple(part.replace('""', '"') for part in found)


def read_sqlglot(statement: str) -> Reading:
    """sqlglot's reading. Its functions are left out: it has classes of its own where engines have names."""
    try:
        trees = sqlglot.parse(statement, dialect="duckdb")
    except (SqlglotError, RecursionError, ValueError) as error:
        raise PlanUnverified("sqlglot cannot read the statement") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Select | exp.Union):
        raise PlanUnverified("not one SELECT to sqlglot")
    tree = trees[0]
    if any(isinstance(node, _REFUSED) or _bare_star(node) for node in tree.walk()):
        raise PlanUnverified("a node the emitter does not write")
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables: list[str] = []
    for table in tree.find_all(exp.Table):
        if table.catalog and (table.db, table.name) == ("main", "data"):
            tables.append(table.catalog)
        elif table.catalog or table.db or table.name not in ctes:
            raise PlanUnverified("a table that is not a snapshot")
    columns = frozenset(tuple(part.name for part in column.parts) for column in tree.find_all(exp.Column))
    return Reading(tuple(sorted(tables)), columns, frozenset())


def _bare_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count)


_REFUSED = (
    exp.Command,
    exp.DDL,
    exp.DML,
    exp.WindowSpec,
    exp.TableSample,
    exp.Lateral,
    exp.Unnest,
    exp.Placeholder,
    exp.Parameter,
    exp.Into,
    exp.Lock,
    exp.Pivot,
    exp.SessionParameter,
)


def read_engine(shape: StatementShape) -> Reading:
    """The engine's reading, in our words."""
    if shape.kind != "select":
        raise PlanUnverified("not a SELECT to the engine")
    tables: list[str] = []
    for table in shape.tables:
        if (table.schema, table.name) != ("main", "data") or not table.catalog:
            raise PlanUnverified("a table that is not a snapshot")
        tables.append(table.catalog)
    functions = frozenset(_ENGINE_FUNCTION.get(name, name) for name in shape.functions)
    return Reading(tuple(sorted(tables)), shape.columns, functions - _SYNTAX)


def verify(plan: Plan, engine: Sequence[StatementShape]) -> None:
    """Compares the engine's readings of the statements' forms, one per core in order, with our tokens, the plan's
    sources and its obligations.

    Raises:
        PlanUnverified: a reading differs, or an obligation is missing.
    """
    if not plan.cores or len(engine) != len(plan.statements):
        raise PlanUnverified("not one reading per core")
    ours = tuple(read_tokens(form(statement)) for statement in plan.statements)
    if {table for reading in ours for table in reading.tables} != {source.alias for source in plan.sources}:
        raise PlanUnverified("not the planned sources")
    if tuple(read_engine(shape) for shape in engine) != ours:
        raise PlanUnverified("the engine reads other tables, columns or functions")
    _verify_obligations(plan)


def verify_own(plan: Plan, scans: Sequence[tuple[str, ...]]) -> None:
    """Compares our tokens and sqlglot's tree of each statement with the scans of its core: their source aliases,
    repeats included.

    Raises:
        PlanUnverified: a reading differs.
    """
    for statement, aliases in zip(plan.statements, scans, strict=True):
        text = form(statement)
        ours, glot = read_tokens(text), _read_parts(text)
        if ours.tables != tuple(sorted(aliases)):
            raise PlanUnverified("not the planned tables")
        if (glot.tables, glot.columns) != (ours.tables, ours.columns):
            raise PlanUnverified("sqlglot reads other tables or columns")


_STUB = 'SELECT TRUE AS "c1"'


@lru_cache(maxsize=_FORMS)
def _read_parts(statement: str) -> Reading:
    """sqlglot's reading, part by part: parsing is most of what planning costs.

    Around the base of a threshold core stands nothing of the question, only numbers; so that text is read once and
    remembered. The base itself is read as the whole query it must be.
    """
    start, end = statement.find(" FROM (SELECT "), statement.rfind(') AS "b"')
    if not statement.startswith("WITH ") or not 0 < start < end:
        return read_sqlglot(statement)
    start += len(" FROM (")
    around = _read_around(statement[:start] + _STUB + statement[end:])
    base = read_sqlglot(statement[start:end])
    return Reading(tuple(sorted(around.tables + base.tables)), around.columns | base.columns, frozenset())


@lru_cache(maxsize=_FORMS)
def _read_around(statement: str) -> Reading:
    return read_sqlglot(statement)


def _verify_obligations(plan: Plan) -> None:
    """Thresholds, unit counts and remainder are in the statements, and every measure's parts are in the results."""
    if plan.treatment.of_rows:
        if plan.threshold is not None or plan.shape is not None or any(core.protected for core in plan.cores):
            raise PlanUnverified("an exact plan with thresholds")
    elif plan.treatment is Treatment.DP:
        _verify_private(plan)
    elif plan.threshold is None or plan.shape is None:
        raise PlanUnverified("a threshold plan without thresholds")
    elif not any(core.protected for core in plan.cores):
        raise PlanUnverified("a threshold plan without protected cores")
    _verify_encrypted(plan)
    for core in plan.cores:
        if core.protected and (core.private is not None or core.ranks_of is not None):
            if (wrong := problem(core, plan.cores)) is not None:
                raise PlanUnverified(wrong)
        elif core.protected and plan.threshold is not None:
            _verify_cells(core, plan.threshold)
        elif core.measures or core.unit_groups or any(column.part is not Part.VALUE for column in core.columns):
            raise PlanUnverified("an exact core with cells")


def _verify_encrypted(plan: Plan) -> None:
    """Encrypted numbers meet protected rows under noise that is paid for, or under chances; nothing else under
    thresholds is paid for in privacy loss, and no encrypted sum leaves in clear."""
    made, protected = plan.encrypted, plan.treatment is Treatment.THRESHOLD
    paid = made is not None and made.protection is Protection.CONTRACT
    if bool(plan.privacy) is not paid and plan.treatment is not Treatment.DP:
        raise PlanUnverified("a privacy loss without noise, or noise that costs nothing")
    if made is None:
        return
    if plan.treatment is Treatment.DP or protected is (made.protection is Protection.NONE):
        raise PlanUnverified("encrypted numbers meet protected rows without protection")
    if paid and not all(one.noise > 0 for one in made.measures):
        raise PlanUnverified("an encrypted sum without noise")
    if made.protection is Protection.STRICT and not (made.kept_of > THOUSAND and made.label):
        raise PlanUnverified("rows whose groups are told for certain")
    if made.protection is Protection.STRICT and sorted(made.number_of.values()) != list(range(made.labels - 1)):
        raise PlanUnverified("groups whose numbers are not theirs alone")
    drawn = {charge.key for charge in plan.charges if charge.everybody}
    if drawn != ({made.label} if made.protection is Protection.STRICT else set()):
        raise PlanUnverified("a draw that nobody pays for")
    if protected and not (made.has_units and made.unit_rows > 0):
        raise PlanUnverified("subjects whose rows are not bounded")
    sealed = () if plan.seal is None else plan.seal.columns
    if protected and not {one.place for one in made.measures} <= set(sealed):
        raise PlanUnverified("an encrypted sum that is not sealed")


def _verify_private(plan: Plan) -> None:
    protected = [core for core in plan.cores if core.protected]
    # Keys of declared values alone tell nothing of any row, so they cost nothing; whatever has noise is paid for.
    noisy = any(core.private is not None and (core.private.noisy or core.private.ranks) for core in protected)
    if plan.threshold is not None or plan.shape is None or bool(plan.privacy) is not noisy:
        raise PlanUnverified("an answer under differential privacy that costs nothing")
    if not protected or any(core.private is None and core.ranks_of is None for core in protected):
        raise PlanUnverified("a protected core without noise")


def _verify_cells(core: CorePlan, rules: ThresholdRules) -> None:
    if not core.unit_groups:
        raise PlanUnverified("a protected core without units")
    units = tuple(column.unit for column in core.columns if column.part is Part.UNITS)
    if units != tuple(group.type for group in core.unit_groups):
        raise PlanUnverified("not every unit group is counted")
    keyed = any(column.part is Part.KEY for column in core.columns)
    failing = withheld_condition(core.unit_groups, rules)
    in_sets = any(column.part is Part.SET for column in core.columns)
    margins = [column.unit for column in core.columns if column.part is Part.MARGIN]
    if margins != list(units) * (len(margins) // len(units)):
        raise PlanUnverified("a margin that leaves out a unit group")
    wanted = rules.remainder and keyed and not in_sets and not margins
    if wanted != (failing in core.statement) or wanted != (f"TRY_CAST({REMAINDER} AS" in core.statement):
        raise PlanUnverified("the remainder is not over the withheld cells")
    names = {column.name for column in core.columns}
    for measure in core.measures:
        if bool(measure.addends) == (measure.kind == "grouping") or (measure.count and measure.count not in names):
            raise PlanUnverified("a measure without its parts")
        for total in (*(addend.total for addend in measure.addends), *measure.guards):
            _verify_total(total, names, len(core.unit_groups))
    _verify_noise(core, rules)


def _verify_noise(core: CorePlan, rules: ThresholdRules) -> None:
    """Under noise every column that leaves has it, by combined keys that the statement computes; else none has."""
    combined = {column.name: column.unit for column in core.columns if column.part is Part.COMBINED}
    if rules.noise is None:
        if core.noisy or combined:
            raise PlanUnverified("noise that nobody asked for")
        return
    leaving = {addend.total.value for measure in core.measures for addend in measure.addends}
    leaving |= {measure.count for measure in core.measures if measure.count}
    if core.compares or leaving != {total.value for total in core.noisy}:
        raise PlanUnverified("a measure without its noise")
    names = {column.name for column in core.columns}
    for keyed in (one for total in core.noisy for one in total.sets):
        if combined.get(keyed.combined) is not keyed.type or keyed.units not in names:
            raise PlanUnverified("noise without its key")
        if f' AS "{keyed.combined}"' not in core.statement or keyed.type not in rules.noise.tables:
            raise PlanUnverified("noise without its key or table")
    for total in core.noisy:
        amounts = {name for one in total.amounts for name in (one.largest, one.second, one.magnitude)}
        whole = len(total.amounts) in ((len(core.unit_groups),) if total.of else (0, len(core.unit_groups)))
        if not total.sets or not whole or not amounts <= names:
            raise PlanUnverified("noise without its key or amounts")
        if amounts and rules.noise.share is None:
            raise PlanUnverified("a sum under noise that has none")
        if total.value.startswith("s") is not bool(total.of):
            raise PlanUnverified("a sum with the noise of a count")
        by_bounds = rules.noise.by_bounds and rules.noise.rounding is not RoundingKind.NONE and bool(total.of)
        if total.base < 0 or bool(total.base) is not by_bounds:
            raise PlanUnverified("a sum rounded to another base than policies ask for")


def _verify_total(total: JudgedTotal, names: set[str], groups: int) -> None:
    """A total is judged for every unit group, unless it is a column that the cell's own units protect."""
    ranked = (total.largest, total.second, total.magnitude)
    if not {total.value, *total.contributors, *(name for parts in ranked for name in parts)} <= names:
        raise PlanUnverified("a measure without its parts")
    if not total.contributors:
        if any(ranked) or not _is_cell_count(total.value):
            raise PlanUnverified("a total without its contributors")
    elif len(total.contributors) != groups or any(len(parts) not in (0, groups) for parts in ranked):
        raise PlanUnverified("a total that leaves out a unit group")
    elif total.value.startswith("s") and not all(ranked):
        raise PlanUnverified("a sum whose contributions are not ranked")


def _is_cell_count(name: str) -> bool:
    """Whether the column counts a cell's rows or units."""
    return name == "n" or name.startswith("u")

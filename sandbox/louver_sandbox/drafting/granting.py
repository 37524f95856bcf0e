"""`grants-for`: the smallest grant that would make a question legal, as a draft for a person to judge, risks named.

What a question needs is read off its uses, granted whole, and then taken away again right by right for as long as the
question stays legal: what is left is smallest in the sense that nothing in it can be spared. Whether it should be
granted is no question for a program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from louver.errors import Refused
from louver_sandbox.algebra.relations import scans
from louver_sandbox.catalog.model import Catalog, Role, SpaceKind, Table
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.approvals import FOUR_EYES_LEVEL
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.levels import PUBLIC, is_own
from louver_sandbox.policy.model import (
    AggregateRight,
    ColumnRights,
    FilterRight,
    Grant,
    GrantTreatment,
    GroupKeyRight,
    OutputRight,
    Platform,
    Policy,
)
from louver_sandbox.policy.rights import BARE, missing_right
from louver_sandbox.policy.sealing import SOME_KEY
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Clause, Facts, Request, Use

MOST_STEPS = 64
"""Rights that one use may lack, one after the other."""
TREATMENTS = ("threshold", "exact")
"""In the order in which they are tried: the strictest that answers is enough."""
BUDGET = {"queries_per_day": 20, "predicates_per_day": 20, "queries_per_year": 500}
VALID = timedelta(days=180)

Rights = dict[str, dict[str, ColumnRights]]
"""Rights by table and column."""
Risk = tuple[str, str]
"""A risk in English and in Chinese."""


@dataclass(frozen=True)
class Wanted:
    """A grant that is missing: the policy that it belongs into, and what to think of before signing it."""

    policy: str
    owner: str
    grant: Grant
    risks: tuple[Risk, ...]


@dataclass(frozen=True)
class Granting:
    """The grants that make the question legal; none where it is legal already (`refused` None) or no grant could make
    it so (`refused` says why)."""

    wanted: tuple[Wanted, ...]
    refused: Refused | None


def grants_for(
    request: Request, platform: Platform, policies: Sequence[Policy], catalog: Catalog, today: date
) -> Granting:
    """What is missing for this question of this requester on this day. Reads no data.

    Raises:
        PolicyRefused: what it needs lies below a floor, so that no policy may grant it.
    """
    search = _Search(request, platform, tuple(policies), catalog, today)
    if (refused := search.verdict({}, TREATMENTS[0])) is None:
        return Granting((), None)
    try:
        needed = _needed(request, catalog)
    except Refused as unreadable:
        return Granting((), unreadable)
    for treatment in TREATMENTS:
        if (refused := search.verdict(needed, treatment)) is None:
            least = _least(needed, lambda fewer, by=treatment: search.verdict(fewer, by) is None)  # type: ignore[misc]
            return Granting(tuple(search.wanted(least, treatment)), None)
    return Granting((), refused)


@dataclass(frozen=True)
class _Search:
    """The question with everything that it is judged by."""

    request: Request
    platform: Platform
    policies: tuple[Policy, ...]
    catalog: Catalog
    today: date

    def verdict(self, rights: Rights, treatment: str) -> Refused | None:
        """Why the question is refused when these rights are granted beside what is in force; None if it is not."""
        bundle = parse_bundle(bundle_content(self.platform, self._with(rights, treatment)))
        try:
            judge(self.request, self.catalog, bundle, Facts(self.today, sealing_key=SOME_KEY))
        except Refused as refused:
            return refused
        return None

    def wanted(self, rights: Rights, treatment: str) -> Iterator[Wanted]:
        """The grants with their risks."""
        for name, columns in rights.items():
            table, home = self._table(name), self._home(name)
            grant = self._grant(name, columns, treatment)
            others = [item for policy in self.policies for item in policy.grants if item.table == name]
            yield Wanted(home.id, home.owner, grant, (*_risks(grant, table), *_wider_than(grant, others)))

    def _with(self, rights: Rights, treatment: str) -> tuple[Policy, ...]:
        policies = {item.id: item for item in self.policies}
        for name, columns in rights.items():
            home = policies.get(self._home(name).id, self._home(name))
            grant = self._grant(name, columns, treatment)
            policies[home.id] = home.model_copy(update={"grants": (*home.grants, grant)})
        return tuple(policies.values())

    def _table(self, name: str) -> Table:
        return next(table for known, table in self.catalog.tables.items() if str(known) == name)

    def _home(self, name: str) -> Policy:
        """The policy of the table's owner, a new one where there is none."""
        owner = self._table(name).owner
        for policy in self.policies:
            if policy.owner == owner:
                return policy
        fresh = {"kind": "policy", "id": f"owner-of-{name}", "version": "1", "owner": owner, "title": owner}
        return Policy.model_validate(fresh)

    def _grant(self, name: str, columns: Mapping[str, ColumnRights], treatment: str) -> Grant:
        """The grant, under the terms of the owner's other grants on the table where there are any."""
        like = [grant for policy in self.policies for grant in policy.grants if grant.table == name]
        alike = [grant for grant in like if grant.treatment.value == treatment] or like
        until = min(self.platform.expires, self.today + VALID)
        body: dict[str, Any] = {
            "id": f"wanted-{self.request.subject.institution}-{name}",
            "to": {"institutions": [self.request.subject.institution]},
            "verbs": ["analyse"],
            "purposes": [self.request.purpose],
            "valid": {"from": self.today, "until": max(until, self.today)},
            "table": name,
            "columns": columns,
            "treatment": treatment,
            "budget": BUDGET,
        }
        if alike:
            # The strictest terms of all grants that meet hold for every question: stricter ones here would hit all.
            body |= {name: getattr(alike[0], name) for name in ("threshold", "atoms", "history", "budget")}
        return Grant.model_validate(body)


def _needed(request: Request, catalog: Catalog) -> Rights:
    """Every right that the question uses on other people's tables. Raises Refused where it cannot be read at all."""
    whole = replace(
        catalog, tables={name: table for name, table in catalog.tables.items() if _may_see(table, request)}
    )
    bound = bind(parse(request), whole)
    needed: Rights = {}
    for scan in scans(bound.relation):
        table = bound.catalog.tables[scan.table]
        if table.space is not SpaceKind.GOVERNMENT:
            continue
        columns = needed.setdefault(str(table.name), {})
        for use in (use for use in bound.uses if use.scan == scan.id):
            columns[use.column] = _widened(columns.get(use.column, ColumnRights()), use)
        if not columns:
            columns[table.units[0].column if table.units else table.columns[0].name] = ColumnRights(
                aggregate=AggregateRight(functions=("count",))
            )
    return needed


def _may_see(table: Table, request: Request) -> bool:
    return table.space is not SpaceKind.INSTITUTION or is_own(table, request.subject.institution)


def _widened(rights: ColumnRights, use: Use) -> ColumnRights:
    """The rights with what the use lacks of them."""
    for _ in range(MOST_STEPS):
        lacking = missing_right(use, rights)
        if lacking is None:
            break
        rights = _with(rights, lacking)
    return rights


def _with(rights: ColumnRights, lacking: str) -> ColumnRights:
    """The rights and the one that a refusal would name, such as `filter (<)` or `aggregate (sum of sqrt)`."""
    right, _, named = lacking.partition(" (")
    function = named.removesuffix(")").rpartition(" of ")[2]
    match Clause(right):
        case Clause.JOIN_KEY:
            return rights.model_copy(update={"join_key": True})
        case Clause.ORDER:
            return rights.model_copy(update={"order": True})
        case Clause.OUTPUT:
            return rights.model_copy(update={"output": OutputRight()})
        case Clause.GROUP_KEY:
            held = rights.group_key.binnings if rights.group_key else ()
            binning = function or BARE
            # A binning that is there and still lacks is met through another function: only the whole right allows it.
            binnings = None if held is None or binning in held else (*held, binning)
            return rights.model_copy(update={"group_key": GroupKeyRight(binnings=binnings)})
        case Clause.FILTER:
            operators = (rights.filter.operators or ()) if rights.filter else ()
            return rights.model_copy(update={"filter": FilterRight(operators=(*operators, function))})
        case Clause.AGGREGATE:
            functions = (rights.aggregate.functions or ()) if rights.aggregate else ()
            return rights.model_copy(update={"aggregate": AggregateRight(functions=(*functions, function))})


def _least(needed: Rights, legal: Callable[[Rights], bool]) -> Rights:
    """The rights without those that the question stays legal without, given what is granted already."""
    kept = {table: dict(columns) for table, columns in needed.items()}
    for table, column, right in list(_single(needed)):
        fewer = {name: dict(columns) for name, columns in kept.items()}
        bare = fewer[table][column].model_copy(update={right: False if right in ("join_key", "order") else None})
        fewer[table][column] = bare
        if bare == ColumnRights():
            del fewer[table][column]
        if not fewer[table]:
            del fewer[table]
        if legal(fewer):
            kept = fewer
    return kept


def _single(needed: Rights) -> Iterator[tuple[str, str, str]]:
    for table, columns in needed.items():
        for column, rights in columns.items():
            for right in ColumnRights.model_fields:
                if getattr(rights, right):
                    yield table, column, right


def _risks(grant: Grant, table: Table) -> Iterator[Risk]:
    """What an officer should think of before signing."""
    for name, rights in grant.rights.items():
        column = table.column(name)
        level = FOUR_EYES_LEVEL if column is None else column.level
        if level > PUBLIC:
            yield f"{name} is L{level}", f"{name} 为 L{level} 级"
        if level >= FOUR_EYES_LEVEL:
            yield f"{name}: three officers must sign (four eyes)", f"{name}：须三名策略官签名（四眼原则）"
        if rights.output is not None and level > PUBLIC:
            yield f"{name} would be shown row by row", f"{name} 将逐行显示"
        if rights.join_key:
            yield (
                f"{name} links rows to other tables, the requester's own among them",
                f"{name} 可与其他表（含申请机构自有表）关联",
            )
        if rights.filter is not None and column is not None and column.role is Role.VALUE:
            yield f"conditions on {name} can be narrowed step by step", f"对 {name} 的条件可逐步收窄"
        if rights.aggregate is not None and column is not None and column.role is Role.VALUE and not column.bounds:
            yield f"{name} has no bounds in the catalogue", f"{name} 在目录中未声明取值范围"
    terms = grant.threshold
    if grant.treatment.value == "threshold" and terms.unit_sets is None and grant.atoms is None:
        yield (
            "no cap on released cells and no atoms: single answers are bounded, many together are not",
            "未设发布分组数上限，也未声明原子：单次结果受限，多次结果合并不受限",
        )


def _wider_than(grant: Grant, others: Sequence[Grant]) -> Iterator[Risk]:
    """Where officers have narrowed what the draft would open."""
    for name, rights in grant.rights.items():
        shown = {held.output.where for other in others if (held := other.rights.get(name)) and held.output}
        if rights.output is not None:
            for where in sorted(where for where in shown if where is not None):
                yield f"{name} is shown only where {where} so far", f"{name} 目前仅在 {where} 时可显示"
    for row_filter in sorted({other.row_filter for other in others if other.row_filter} - {grant.row_filter or ""}):
        says = f"other grants of {grant.table} are for rows where {row_filter} only; this one is for all"
        yield says, f"{grant.table} 的其他授权仅限 {row_filter} 的行，本授权为全部行"


def as_yaml(granting: Granting, request: Request) -> str:
    """The drafts as YAML, each with the policy that it belongs into and its risks as comments."""
    return "\n".join(text for wanted in granting.wanted for text in _lines(wanted, request))


def _lines(wanted: Wanted, request: Request) -> Iterator[str]:
    grant = wanted.grant.model_dump(mode="json", by_alias=True)
    if wanted.grant.treatment is GrantTreatment.EXACT:
        del grant["threshold"]
    who = f"{request.subject.institution}, {request.purpose}"
    yield f"# For {who}; belongs into policy {wanted.policy} of {wanted.owner}."
    yield "# A draft for a person to judge; whether it should be granted is not decided here."
    for english, chinese in wanted.risks:
        yield f"# risk: {english}"
        yield f"# 风险：{chinese}"
    for index, (name, value) in enumerate(grant.items()):
        lead = "- " if index == 0 else "  "
        if name != "columns" and value is not None:
            yield f"{lead}{name}: {json.dumps(value, ensure_ascii=False)}"
        if name != "columns":
            continue
        yield f"{lead}columns:"
        for column, rights in value.items():
            yield f"    {column}: {json.dumps(_short(rights), ensure_ascii=False)}"


def _short(rights: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rights that are there, without what does not narrow them."""
    there = {name: value for name, value in rights.items() if value not in (None, False)}
    return {
        name: {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value
        for name, value in there.items()
    }

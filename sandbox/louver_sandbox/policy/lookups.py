"""The decision about one subject: what its template reads, and what an authorisation must cover.

Pure, like `decide`: whether the subject exists and whether anybody has authorised it is no part of it. Nothing here
looks at either, so that nothing here can tell.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from louver.errors import Refused
from louver_sandbox.algebra.one_subject import about, needs_subject
from louver_sandbox.algebra.relations import Project, Scan, scans
from louver_sandbox.algebra.types import BOOLEAN
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, Role, SpaceKind, Table, Verb
from louver_sandbox.lookups import NOBODY, LookupRules, LookupSource, ShownField
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.called import Called, called
from louver_sandbox.policy.grants import Covering, Permit
from louver_sandbox.policy.history import budget_of, smallest_budget
from louver_sandbox.policy.levels import PUBLIC
from louver_sandbox.policy.templated import opening, readable, snapshot_columns
from louver_sandbox.refusals import lookups as refuse
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Admitted, Bound, Facts, GrantUse, Request, Treatment

SENSITIVE_LEVEL = 4
MOST_BOUND = 64
"""Statements of templates that are remembered as they were bound."""


@dataclass(frozen=True)
class _Read:
    """One scan of a template: its table, what opens it, and the column that holds the subject."""

    scan: Scan
    table: Table
    covering: Covering
    permits: tuple[Permit, ...]
    unit: PrivacyUnit | None


def decide_lookup(bound: Bound, call: Called, bundle: Bundle, facts: Facts) -> Admitted:
    """The permit for a template about one subject. Raises `Refused` LVR-6104 or LVR-6105.

    `bound` is the template's statement as the binder made it; the permit's is cut down to the subject.
    """
    reads = tuple(_read(scan, bound, call, bundle, facts) for scan in scans(bound.relation))
    for read in reads:
        _check_columns(read, bound, call)
    units = {read.scan.id: read.unit.column for read in reads if read.unit is not None}
    relation = bound.relation
    if not isinstance(relation, Project) or not needs_subject(relation, units):
        why = ("it gives rows without its subject", "没有该主体时也会产生结果")
        raise refuse.template_unfit(*why, call.ruling)
    if {column.name for column in bound.columns} != call.template.fields.keys():
        raise refuse.template_unfit("its fields are not its columns", "声明的字段与查询列不一致", call.ruling)
    if call.template.warning is not None and any(column.type != BOOLEAN for column in bound.columns):
        raise refuse.template_unfit("a warning tells flags alone", "预警只能给出标志", call.ruling)
    narrowed = replace(bound, request=call.statement, relation=about(relation, units, call.subject))
    return Admitted(
        bound=narrowed,
        treatment=Treatment.AUTHORISED,
        grants=tuple(_grant_use(read, call) for read in reads),
        protected=frozenset(),
        threshold=None,
        budget=smallest_budget([budget_of(item.grant.budget) for read in reads for item in read.permits]),
        bundle_digest=bundle.digest,
        facts=facts,
        lookup=_rules(reads, bound, call),
        about_nobody=about(relation, units, NOBODY),
    )


def _read(scan: Scan, bound: Bound, call: Called, bundle: Bundle, facts: Facts) -> _Read:
    table = bound.catalog.tables[scan.table]
    if table.space is not SpaceKind.GOVERNMENT:
        why = (f"{table.name} is no table of a department", f"{table.name} 不是部门数据表")
        raise refuse.template_unfit(*why, call.ruling)
    covering = bundle.rulebook.covering(table, call.statement.subject)
    permits = opening(covering, call.template.name, call.statement.purpose, facts.today)
    if not permits or Verb.QUERY not in table.operable:
        raise refuse.template_not_granted(str(table.name), "", table.owner, call.ruling)
    return _Read(scan, table, covering, permits, _unit(table, call))


def _unit(table: Table, call: Called) -> PrivacyUnit | None:
    """The unit of the subject's kind, None for a table of no subjects at all."""
    if not table.units:
        return None
    found = next((unit for unit in table.units if unit.type is call.template.subject), None)
    if found is None or found.via or found.column != table.units[0].column:
        why = f"the rows of {table.name} are those of other subjects", f"{table.name} 的记录属于其他主体"
        raise refuse.template_unfit(*why, call.ruling)
    return found


def _check_columns(read: _Read, bound: Bound, call: Called) -> None:
    """Every column used is granted: by name to the template, or to everybody where it is public."""
    allowed = _readable(read, call)
    used = {use.column for use in bound.uses if use.scan == read.scan.id}
    for column in sorted({*read.scan.columns, *used} - _the_subject(read) - allowed):
        raise refuse.template_not_granted(str(read.table.name), column, read.table.owner, call.ruling)


def _the_subject(read: _Read) -> set[str]:
    """The column that the engine itself adds a condition on needs no right of the template's."""
    return set() if read.unit is None else {read.unit.column}


def _readable(read: _Read, call: Called) -> frozenset[str]:
    return readable(read.table, read.covering, read.permits, call.template.name)


def _grant_use(read: _Read, call: Called) -> GrantUse:
    policies = {permit.policy.id: permit.policy.version for permit in read.permits}
    policies[call.policy.id] = call.policy.version
    return GrantUse(
        scan=read.scan.id,
        table=read.table.name,
        grant="+".join(permit.grant.id for permit in read.permits),
        policy="+".join(sorted(policies)),
        policy_version="+".join(policies[name] for name in sorted(policies)),
        row_filter=None,
        columns=snapshot_columns(read.table, _readable(read, call)),
    )


def _rules(reads: Sequence[_Read], bound: Bound, call: Called) -> LookupRules:
    columns: dict[str, set[str]] = {}
    sensitive = restricted = False
    for read in reads:
        for name in sorted({use.column for use in bound.uses if use.scan == read.scan.id} - _the_subject(read)):
            column = read.table.column(name)
            if column is None or column.level <= PUBLIC:
                continue
            columns.setdefault(str(read.table.name), set()).add(name)
            sensitive |= column.level >= SENSITIVE_LEVEL or column.role is Role.SENSITIVE
            restricted |= any(
                denial.subject_class is not None and denial.speaks_of(call.statement.purpose) and denial.names(name)
                for denial in read.covering.denials
            )
    tables = {str(read.table.name): read.table for read in reads}
    fields = call.template.fields
    return LookupRules(
        template=call.template.name,
        unit=call.template.subject,
        subject=call.subject,
        authorisation=call.authorisation,
        columns={name: frozenset(found) for name, found in sorted(columns.items())},
        sensitive=sensitive,
        restricted=restricted,
        fields=tuple(ShownField(column.name, fields[column.name].show) for column in bound.columns),
        most_rows=call.template.most_rows,
        sources=tuple(LookupSource(name, table.owner, table.as_of) for name, table in sorted(tables.items())),
    )


def admit_call(
    request: Request, catalog: Catalog, bundle: Bundle, facts: Facts, *, warnings: bool = False
) -> Admitted:
    """The permit for a request that names a template, or one of `warnings`. Raises `Refused` LVR-61xx.

    The officers' statement is read against everything that is registered; what of it is granted is decided after.
    """
    return admit(called(request, bundle, facts, warnings=warnings), catalog, bundle, facts)


def admit(call: Called, catalog: Catalog, bundle: Bundle, facts: Facts) -> Admitted:
    """The permit for a template with what it was given. Raises `Refused` LVR-6104 or LVR-6105."""
    try:
        bound = _bound(call.statement, catalog)
    except Refused as unfit:
        raise refuse.template_unfit(
            f"its statement is refused ({unfit.code})", f"其语句被拒绝（{unfit.code}）", call.ruling
        ) from None
    return decide_lookup(bound, call, bundle, facts)


_BOUND: OrderedDict[tuple[object, ...], Bound] = OrderedDict()


def _bound(statement: Request, catalog: Catalog) -> Bound:
    """The officers' statement as it is read, remembered by everything that the parser and the binder look at.

    Neither the subject nor the authorisation is in it (`called`), and what is decided is decided each time.
    """
    given = tuple((name, type(value).__name__, repr(value)) for name, value in sorted(statement.parameters.items()))
    key = (id(catalog), statement.sql, statement.dialect, statement.subject.institution, given)
    known = _BOUND.pop(key, None)
    if known is None or known.catalog is not catalog:
        known = bind(parse(statement), catalog, about_one=True)
    _BOUND[key] = known
    if len(_BOUND) > MOST_BOUND:
        _BOUND.popitem(last=False)
    return replace(known, request=statement)

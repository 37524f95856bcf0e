"""What a person should look at before a library is signed: rules that cannot work, or that do more than they seem.

Loading already refuses what is malformed or below a floor. Lint holds the documents against a catalogue and a day.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date

from louver.errors import Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, Column, Role, Table, Verb
from louver_sandbox.policy import atoms, holding, known_totals, match_lint, private, unit_sets
from louver_sandbox.policy.documents import PolicyProblem
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL, VALUE_FUNCTIONS, Finding
from louver_sandbox.policy.grants import Rulebook
from louver_sandbox.policy.levels import HIGHEST_UNDER_THRESHOLD, PUBLIC
from louver_sandbox.policy.linting import scores
from louver_sandbox.policy.linting.cubes import cube_findings
from louver_sandbox.policy.linting.reports import report_findings
from louver_sandbox.policy.linting.surroundings import surroundings
from louver_sandbox.policy.linting.templates import template_findings
from louver_sandbox.policy.load import Library
from louver_sandbox.policy.model import ColumnRights, Deny, Grant, Grantees, GrantTreatment, Platform, Policy
from louver_sandbox.policy.rights import QUANTILE
from louver_sandbox.policy.severity import Severity
from louver_sandbox.policy.words import Document
from louver_sandbox.sql.predicates import bind_predicate

TOO_WIDE = "wider-than-level"
"""What is granted on a column and its level does not allow."""


@dataclass(frozen=True, slots=True)
class _Context:
    policy: Policy
    catalog: Catalog
    rulebook: Rulebook
    today: date


def lint(
    library: Library, catalog: Catalog, today: date, institutions: Collection[str] | None = None
) -> tuple[PolicyProblem, ...]:
    """Every finding over the library, with file, line and column, in document order.

    `institutions` are the registered ones; without them no institution is unknown.
    """
    rulebook = Rulebook.of(library.platform, library.policies)
    problems: list[PolicyProblem] = []
    for item in library.loaded:
        if isinstance(item.document, Policy):
            context = _Context(item.document, catalog, rulebook, today)
            problems.extend(item.problem(finding) for finding in _policy(context))
        else:
            problems.extend(item.problem(finding) for finding in _platform(item.document, catalog))
            problems.extend(
                item.problem(finding) for finding in scores.feature_sets(item.document, catalog, rulebook)
            )
        beside = surroundings(item.document, library.platform, today, institutions)
        problems.extend(item.problem(finding) for finding in beside)
    return tuple(problems)


def unaccepted_risks(library: Library, catalog: Catalog) -> tuple[PolicyProblem, ...]:
    """Those findings for which no officer may put the library in force: terms that cannot hold what is promised of
    numbers, and whose risk nobody has named."""
    rulebook = Rulebook.of(library.platform, library.policies)
    problems: list[PolicyProblem] = []
    for item in library.loaded:
        for index, grant in enumerate(item.document.grants if isinstance(item.document, Policy) else ()):
            table = catalog.table(_name(grant.table))
            if table is not None and isinstance(item.document, Policy) and table.owner == item.document.owner:
                for finding in holding.unheld(grant, table, rulebook.atoms(table)):
                    problems.append(item.problem(replace(finding, where=("grants", index, *finding.where))))
    return tuple(problems)


def _platform(platform: Platform, catalog: Catalog) -> Iterator[Finding]:
    for index, rule in enumerate(platform.requester_rules):
        for name, columns in rule.columns.items():
            at = ("requester_rules", index, "columns", name)
            table = catalog.table(_name(name))
            if table is None:
                yield Finding(
                    at,
                    f"unknown table {name}",
                    f"未知的表 {name}",
                    "it bars nothing",
                    "该规则不起作用",
                    "unknown-table",
                )
                continue
            for place, column in enumerate(columns):
                if table.column(column) is None:
                    yield _unknown_column((*at, place), name, column)
            yield from _predicate(rule.unless.get(name), table, ("requester_rules", index, "unless", name))


def _policy(context: _Context) -> Iterator[Finding]:
    for index, grant in enumerate(context.policy.grants):
        yield from _grant(context, grant, ("grants", index))
    for index, deny in enumerate(context.policy.denies):
        yield from _deny(context, deny, ("denies", index))
    for index, template in enumerate(context.policy.templates):
        for finding in template_findings(template, context.policy, context.rulebook, context.catalog, context.today):
            yield replace(finding, where=("templates", index, *finding.where))
    yield from report_findings(context.policy, context.rulebook)
    yield from cube_findings(context.policy, context.rulebook, context.catalog, context.today)


def _grant(context: _Context, grant: Grant, at: tuple[str | int, ...]) -> Iterator[Finding]:
    table = context.catalog.table(_name(grant.table))
    if grant.valid.until < context.today:
        day = grant.valid.until.isoformat()
        yield Finding(
            (*at, "valid", "until"),
            f"the grant expired on {day}",
            f"授权已于 {day} 到期",
            "renew or remove it",
            "请续期或删除",
            "expired-grant",
            Severity.WARNING,
        )
    if table is None:
        says, says_zh = f"unknown table {grant.table}", f"未知的表 {grant.table}"
        yield Finding((*at, "table"), says, says_zh, "see the catalogue", "请查目录", "unknown-table")
        return
    if table.owner != context.policy.owner:
        yield Finding(
            (*at, "table"),
            f"{grant.table} belongs to {table.owner}: this grant never counts",
            f"{grant.table} 属于{table.owner}，本授权不生效",
            "only the owner of a table grants it",
            "表只能由其提供单位授权",
            "not-the-owner",
        )
        return
    yield from _predicate(grant.row_filter, table, (*at, "row_filter"))
    partition = context.rulebook.atoms(table)
    for finding in (*holding.unheld(grant, table, partition), *holding.idle(grant, table, partition)):
        yield replace(finding, where=(*at, *finding.where))
    if atoms.fills_snapshots(grant):
        for problem in (
            *_cap(context, grant, table),
            *known_totals.other_patterns(grant, _others(context, grant)),
        ):
            where = (*at, "threshold", *problem.where)
            yield Finding(where, problem.message, problem.message_zh, problem.hint, code="weak-terms")
    for idle in scores.idle_right(grant):
        yield replace(idle, where=(*at, *idle.where))
    for name, rights in grant.rights.items():
        column = table.column(name)
        if column is None:
            yield _unknown_column((*at, "columns", name), grant.table, name)
        else:
            yield from _column(grant, table, column, rights, (*at, "columns", name))
    for found in (*match_lint.findings(grant, table), *match_lint.idle_tokens(grant, table)):
        yield replace(found, where=(*at, *found.where))
    for name, predicate in (grant.matching.lists if grant.matching is not None else {}).items():
        yield from _predicate(predicate, table, (*at, "matching", "lists", name))
    for loss in private.findings(grant, table) if Verb.ANALYSE in grant.verbs else ():
        where = (*at, "treatment") if grant.privacy is None else (*at, "privacy", *loss.where)
        yield Finding(where, loss.message, loss.message_zh, loss.hint)
    for misfit in atoms.misfits(grant.atoms, grant, table) if grant.atoms is not None else ():
        yield Finding((*at, *misfit.where), misfit.message, misfit.message_zh, misfit.hint, code="atoms-misfit")
    yield from _reach(context, grant, table, at)


def _cap(context: _Context, grant: Grant, table: Table) -> Iterator[unit_sets.TermsProblem]:
    """A cap that cannot be counted, and one that other grants of the table get round."""
    if grant.threshold.unit_sets is None:
        return
    if any(unit.at_least is None for unit in table.units):
        says = f"the catalogue does not say how many units {grant.table} has at least: every question is refused"
        says_zh = f"目录未声明 {grant.table} 至少有多少主体，所有查询都会被拒绝"
        yield unit_sets.TermsProblem(("unit_sets",), says, says_zh, "declare at_least for its units")
    for policy, other in _others(context, grant):
        computed = other.treatment.rank <= GrantTreatment.THRESHOLD.rank and Verb.ANALYSE in other.verbs
        if computed and other.threshold.unit_sets is None:
            says = f"cells released under {policy}/{other.id} are not counted: it has no unit_sets"
            says_zh = f"{policy}/{other.id} 未设 unit_sets，据其发布的分组不计数"
            yield unit_sets.TermsProblem(("unit_sets",), says, says_zh, "set it in every grant of the table")
            return


def _column(
    grant: Grant, table: Table, column: Column, rights: ColumnRights, at: tuple[str | int, ...]
) -> Iterator[Finding]:
    level, name = min((column.level, *(item.level for item in column.when))), column.name
    if column.level > HIGHEST_OPERABLE_LEVEL:
        says, says_zh = f"{name} is L5 and cannot be operated", f"{name} 为五级数据，不得运营"
        yield Finding(at, says, says_zh, "remove the column", "请删除该字段", TOO_WIDE)
        return
    if rights.output is not None:
        yield from _predicate(rights.output.where, table, (*at, "output", "where"))
    if Verb.ANALYSE not in grant.verbs:
        return
    if level > PUBLIC and rights.output is not None:
        says, says_zh = f"{name} is L{level}: output is wider than its level", f"{name} 的 output 超出其级别"
        yield Finding(at, says, says_zh, "grant group_key or aggregate", "请改授 group_key 或 aggregate", TOO_WIDE)
    aggregated = () if rights.aggregate is None else rights.aggregate.functions or ("count", "sum", "avg")
    if grant.treatment is GrantTreatment.EXACT and level > PUBLIC and VALUE_FUNCTIONS.intersection(aggregated):
        says = f"{name} is L{level}: min, max and their like are wider than its level"
        hint, hint_zh = "grant count, sum or avg", "请改授 count、sum 或 avg"
        yield Finding(at, says, f"{name} 的聚合函数超出其级别", hint, hint_zh, TOO_WIDE)
    only_counted = set(aggregated) == {"count"} and not (rights.join_key or rights.group_key or rights.filter)
    protects_too_little = grant.treatment.rank <= GrantTreatment.THRESHOLD.rank and level > HIGHEST_UNDER_THRESHOLD
    if protects_too_little and not only_counted:
        says = f"{name} is L{level}: under {grant.treatment.value} only counting it is answered"
        says_zh = f"{name} 为 L{level} 级：在 {grant.treatment.value} 下只能计数"
        yield Finding(at, says, says_zh, "grant it with treatment dp", "请以 dp 方式授权", TOO_WIDE)
    if column.role is Role.VALUE and column.bounds is None and {"sum", "avg", QUANTILE}.intersection(aggregated):
        yield Finding(
            at,
            f"{column.name} may be summed or ranked but has no bounds",
            f"{column.name} 可求和或求分位，但未声明取值范围",
            "declare bounds in the catalogue",
            "请在目录中声明取值范围",
            "missing-bounds",
        )


def _reach(context: _Context, grant: Grant, table: Table, at: tuple[str | int, ...]) -> Iterator[Finding]:
    if not set(grant.verbs) & table.operable:
        says, says_zh = f"{grant.table} is not operable for these verbs", f"{grant.table} 未开放这些功能"
        yield Finding((*at, "verbs"), says, says_zh, code="not-operable", severity=Severity.WARNING)
        return
    if Verb.ANALYSE in grant.verbs and table.view is None and not _reachable(context, grant, table):
        yield Finding(
            at,
            "unreachable: denies and the negative list take every column away",
            "不可达：所有字段均被禁止或列入负面清单",
            "remove the grant or the deny",
            "请删除该授权或相应禁止",
            "unreachable-grant",
            Severity.WARNING,
        )
    for policy, other in _others(context, grant):
        if _subsumes(other, grant):
            rule = f"{policy}/{other.id}"
            says, says_zh = f"shadowed by {rule}, which grants all of it", f"被 {rule} 完全覆盖"
            yield Finding(
                at, says, says_zh, "remove one", "请删除其中之一", "shadowed-grant", severity=Severity.WARNING
            )
            return


def _others(context: _Context, grant: Grant) -> Iterator[tuple[str, Grant]]:
    for permit in context.rulebook.permits.get(grant.table, ()):
        if permit.policy.owner == context.policy.owner and permit.grant is not grant:
            yield permit.policy.id, permit.grant


def _reachable(context: _Context, grant: Grant, table: Table) -> bool:
    coverings = context.rulebook.coverings(table)
    return any(
        permit.grant is grant and set(grant.rights) - group.denied
        for covering, purpose in itertools.product(coverings, grant.purposes)
        for group in covering.groups(table, purpose, grant.valid.start)
        for permit in group.permits
    )


def _subsumes(other: Grant, grant: Grant) -> bool:
    """Whether `other` gives everything `grant` gives, so that `grant` changes no decision by its rights."""
    return (
        _covers_all(other.to, grant.to)
        and set(grant.verbs) <= set(other.verbs)
        and set(grant.purposes) <= set(other.purposes)
        and other.valid.start <= grant.valid.start
        and grant.valid.until <= other.valid.until
        and other.row_filter == grant.row_filter
        and other.treatment.rank <= grant.treatment.rank
        and all(_wider(other.rights.get(name), rights) for name, rights in grant.rights.items())
    )


def _covers_all(wide: Grantees, narrow: Grantees) -> bool:
    types = not wide.institution_types or (
        bool(narrow.institution_types) and set(narrow.institution_types) <= set(wide.institution_types)
    )
    anybody = not (wide.institutions or wide.groups)
    named = bool(narrow.institutions or narrow.groups) and (
        set(narrow.institutions) <= set(wide.institutions) and set(narrow.groups) <= set(wide.groups)
    )
    return types and (anybody or named)


def _wider(wide: ColumnRights | None, narrow: ColumnRights) -> bool:
    if wide is None:
        return False
    if (narrow.join_key and not wide.join_key) or (narrow.order and not wide.order):
        return False
    if narrow.match and not wide.match:
        return False
    if narrow.output is not None and wide.output not in (narrow.output, type(narrow.output)()):
        return False
    return (
        _wider_list(wide.group_key, narrow.group_key, "binnings")
        and _wider_list(wide.filter, narrow.filter, "operators")
        and _wider_list(wide.aggregate, narrow.aggregate, "functions")
    )


def _wider_list(wide: Document | None, narrow: Document | None, field: str) -> bool:
    """Whether a right with an optional list of names allows all that another does (no list: everything)."""
    if narrow is None:
        return True
    if wide is None:
        return False
    outer, inner = getattr(wide, field), getattr(narrow, field)
    return outer is None or (inner is not None and set(inner) <= set(outer))


def _deny(context: _Context, deny: Deny, at: tuple[str | int, ...]) -> Iterator[Finding]:
    table = context.catalog.table(_name(deny.table))
    if table is None:
        says, says_zh = f"unknown table {deny.table}", f"未知的表 {deny.table}"
        yield Finding((*at, "table"), says, says_zh, "it denies nothing", "该禁止不起作用", "unknown-table")
        return
    for index, name in enumerate(deny.columns):
        if table.column(name) is None:
            yield _unknown_column((*at, "columns", index), deny.table, name)


def _predicate(text: str | None, table: Table, at: tuple[str | int, ...]) -> Iterator[Finding]:
    if text is None:
        return
    try:
        bind_predicate(text, table, 0)
    except Refused as refused:
        yield Finding(
            at,
            f"not a predicate over {table.name}: {refused.code}",
            f"不是 {table.name} 上的有效条件：{refused.code}",
            refused.hint,
            refused.hint_zh,
            "not-a-predicate",
        )


def _unknown_column(at: tuple[str | int, ...], table: str, column: str) -> Finding:
    says, says_zh = f"unknown column {table}.{column}", f"未知的字段 {table}.{column}"
    return Finding(at, says, says_zh, "see the catalogue", "请查目录", "unknown-column")


def _name(text: str) -> TableName:
    schema, _, name = text.partition(".")
    return TableName(schema, name)

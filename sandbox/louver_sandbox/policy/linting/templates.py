"""Whether a template could be answered at all, by the decision that would be asked, before officers approve it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.catalog.model import Catalog, UnitType
from louver_sandbox.lookups import Show
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.called import Called
from louver_sandbox.policy.floors import Finding
from louver_sandbox.policy.grants import Rulebook
from louver_sandbox.policy.lookups import SENSITIVE_LEVEL, admit
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.severity import Severity
from louver_sandbox.policy.templates import Parameter, ParameterKind, Template
from louver_sandbox.stages import Clause, Facts, InstitutionType, Request, Subject, Use

_SOMEBODY = {UnitType.ENTERPRISE: "91370200MA3SOMEBOD", UnitType.PERSON: "370200190001010000"}


def template_findings(
    template: Template, policy: Policy, rulebook: Rulebook, catalog: Catalog, today: date
) -> Iterator[Finding]:
    """A statement that is refused, purposes for which some department grants nothing, and L4 values shown whole."""
    granting = {permit.policy.id: permit.policy for permits in rulebook.permits.values() for permit in permits}
    bundle = Bundle(rulebook.platform, tuple({**granting, policy.id: policy}.values()), "")
    groups = frozenset(rulebook.platform.groups)
    for place, purpose in enumerate(template.purposes):
        refusals = []
        for kind in InstitutionType:
            call = _call(template, policy, Subject("", kind, groups, ""), purpose, today)
            try:
                admitted = admit(call, catalog, bundle, Facts(today))
            except Refused as refused:
                refusals.append(refused)
                continue
            yield from _shown_whole(template, admitted.bound.uses, catalog)
            return
        first = refusals[0]
        says = f"{template.name} cannot be answered for {purpose}: {first.message}"
        says_zh = f"{template.name} 无法就 {purpose} 作答：{first.message_zh}"
        yield Finding(("purposes", place), says, says_zh, first.hint, first.hint_zh, "template-unanswerable")


def _shown_whole(template: Template, uses: Iterable[Use], catalog: Catalog) -> Iterator[Finding]:
    for use in uses:
        column, field = catalog.tables[use.table].column(use.column), template.fields.get(use.column)
        bare = use.clause is Clause.OUTPUT and not use.function and not use.through
        if not bare or column is None or field is None:
            continue
        if column.level >= SENSITIVE_LEVEL and field.show is Show.WHOLE:
            says = f"{use.table}.{use.column} is L{column.level} and is shown whole"
            says_zh = f"{use.table}.{use.column} 为 L{column.level}，却完整显示"
            hint, hint_zh = "mask it (show), or band it in the statement", "请以 show 脱敏，或在语句中分档"
            yield Finding(("fields", use.column), says, says_zh, hint, hint_zh, "shown-whole", Severity.WARNING)


def _call(template: Template, policy: Policy, subject: Subject, purpose: str, today: date) -> Called:
    given = {name: _some(parameter) for name, parameter in template.parameters.items()}
    statement = Request("lint", subject, purpose, template.sql, {**given, **template.given_day(today)})
    return Called(policy, template, _SOMEBODY[template.subject], "", statement)


def _some(parameter: Parameter) -> Value:
    match parameter.type:
        case ParameterKind.BOOLEAN:
            return True
        case ParameterKind.CHOICE:
            return parameter.choices[0]
        case ParameterKind.INTEGER | ParameterKind.DATE:
            return parameter.least

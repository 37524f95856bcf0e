"""A template called by name: who may call it, and what it is given. No parameter of it can carry SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.lookups import DIALECT
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.grants import covers
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.templates import (
    AUTHORISATION,
    RESERVED,
    SUBJECT,
    Parameter,
    ParameterKind,
    Template,
    is_subject,
)
from louver_sandbox.refusals import lookups as refuse
from louver_sandbox.refusals.policy import Ruling
from louver_sandbox.stages import Facts, Request, Subject

LONGEST_ID = 80


@dataclass(frozen=True)
class Called:
    """A template with what was given to it. `statement` is the question that it comes to."""

    policy: Policy
    template: Template
    subject: str
    authorisation: str
    statement: Request

    @cached_property
    def ruling(self) -> Ruling:
        """The template, as a refusal names it."""
        return ruling_of(self.policy, self.template)


def ruling_of(policy: Policy, template: Template) -> Ruling:
    """The template, as refusals and the log name it."""
    return Ruling(f"{policy.id}/{template.name}", policy.version)


def offered(
    bundle: Bundle, subject: Subject, facts: Facts, *, warnings: bool = False
) -> Iterator[tuple[Policy, Template]]:
    """The templates that some grant in force names for this subject, by name: those that are asked, or those of
    `warnings`, which are subscribed to. A name that two have is nobody's: no bundle is made so, and one that was is
    not believed."""
    named = {
        name
        for permits in bundle.rulebook.permits.values()
        for permit in permits
        if permit.grant.templates
        and permit.grant.valid.holds(facts.today)
        and covers(permit.grant.to, subject, bundle.platform)
        for name in permit.grant.templates
    }
    bearers = Counter(template.name for policy in bundle.policies for template in policy.templates)
    found = [
        (policy, template)
        for policy in bundle.policies
        for template in policy.templates
        if template.name in named and bearers[template.name] == 1 and (template.warning is not None) is warnings
    ]
    return iter(sorted(found, key=lambda item: item[1].name))


def called(request: Request, bundle: Bundle, facts: Facts, *, warnings: bool = False) -> Called:
    """The template that a request names, with its parameters. Raises `Refused` LVR-6101 to LVR-6103."""
    found = offered(bundle, request.subject, facts, warnings=warnings)
    known = {template.name: (policy, template) for policy, template in found}
    if request.sql not in known:
        none = Ruling("default-deny", bundle.digest[:16])
        raise refuse.template_unknown(request.sql[:LONGEST_ID], none, sorted(known))
    policy, template = known[request.sql]
    ruling = ruling_of(policy, template)
    if request.purpose not in template.purposes:
        raise refuse.template_purpose(template.name, ruling, template.purposes)
    given = _parameters(request.parameters, template, ruling)
    spelt = {name: value for name, value in given.items() if name not in RESERVED}
    statement = replace(
        request, sql=template.sql, dialect="duckdb", parameters={**spelt, **template.given_day(facts.today)}
    )
    return Called(policy, template, str(given[SUBJECT]), str(given.get(AUTHORISATION, "")), statement)


def _parameters(given: Mapping[str, Value], template: Template, ruling: Ruling) -> Mapping[str, Value]:
    for name in sorted(given.keys() - template.parameters.keys() - {SUBJECT, AUTHORISATION}):
        raise refuse.parameter_unfit(name[:40], "it has no such parameter", "没有该参数", ruling)
    if not is_subject(template.subject, given.get(SUBJECT)):
        raise refuse.parameter_unfit(SUBJECT, f"the number of one {template.subject}", "一个主体的代码", ruling)
    authorisation = given.get(AUTHORISATION, "")
    if not isinstance(authorisation, str) or len(authorisation) > LONGEST_ID:
        raise refuse.parameter_unfit(AUTHORISATION, "the id of a recorded authorisation", "已登记授权的编号", ruling)
    for name, parameter in template.parameters.items():
        if name not in given or not parameter.accepts(given[name]):
            raise refuse.parameter_unfit(name, *_wanted(parameter), ruling)
    return given


def _wanted(parameter: Parameter) -> tuple[str, str]:
    match parameter.type:
        case ParameterKind.CHOICE:
            return f"one of {', '.join(parameter.choices)}", f"{'、'.join(parameter.choices)} 之一"
        case ParameterKind.BOOLEAN:
            return "true or false", "true 或 false"
        case ParameterKind.INTEGER:
            return (
                f"a whole number from {parameter.least} to {parameter.most}",
                f"{parameter.least} 至 {parameter.most} 的整数",
            )
        case ParameterKind.DATE:
            return (
                f"a day from {parameter.least} to {parameter.most}",
                f"{parameter.least} 至 {parameter.most} 的日期",
            )


def is_call(request: Request) -> bool:
    """Whether the request names a template rather than writing SQL."""
    return request.dialect == DIALECT

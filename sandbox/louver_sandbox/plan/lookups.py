"""A question about one subject, as it will run: the same statement about the subject and about nobody."""

from __future__ import annotations

from dataclasses import replace

from louver_sandbox.algebra.cores import Core
from louver_sandbox.algebra.relations import Project
from louver_sandbox.lookups import NOBODY, LookupPlan
from louver_sandbox.plan.cores import SourceOf, exact_core
from louver_sandbox.plan.emit import text_literal
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.stages import Admitted, Plan, Treatment


def lookup_plan(admitted: Admitted, source_of: SourceOf) -> LookupPlan | None:
    """What an authorisation must cover, beside the same statement about nobody; None where the verb is another.

    Raises:
        PlanUnverified: a permit of this treatment without rules.
    """
    if admitted.treatment is not Treatment.AUTHORISED:
        return None
    nobody = admitted.about_nobody
    if admitted.lookup is None or not isinstance(nobody, Project):
        raise PlanUnverified("a lookup without rules, or that cannot be asked about nobody")
    return LookupPlan(admitted.lookup, (exact_core(Core(nobody.id, nobody, protected=False), source_of),))


def verify_lookup(plan: Plan) -> None:
    """The subject is in the statement, and the two statements differ in nothing else.

    Raises:
        PlanUnverified: they do, or only one of treatment and rules speaks of one subject.
    """
    lookup = plan.lookup
    if (plan.treatment is Treatment.AUTHORISED) is not (lookup is not None):
        raise PlanUnverified("a lookup that is none, or none that is one")
    if lookup is None:
        return
    if plan.encrypted is not None:
        raise PlanUnverified("a lookup of encrypted columns, of which the statement about nobody knows nothing")
    subject, nobody = text_literal(lookup.rules.subject), text_literal(NOBODY)
    asked = [core.statement for core in plan.cores]
    if lookup.rules.subject == NOBODY or not all(subject in statement for statement in asked):
        raise PlanUnverified("a lookup of nobody in particular")
    if [text.replace(subject, nobody) for text in asked] != [core.statement for core in lookup.about_nobody]:
        raise PlanUnverified("what would run about nobody is another statement")


def about_nobody(plan: Plan) -> tuple[Plan, ...]:
    """The plan that runs instead where no authorisation covers the subject; none for what needs none."""
    return () if plan.lookup is None else (replace(plan, cores=plan.lookup.about_nobody),)

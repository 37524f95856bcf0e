"""From a template of warnings to one statement about many subjects.

The template is decided and planned as a lookup about one placeholder, so every rule of lookups holds of it. In the
text that comes out the placeholder stands in one condition of each scan that has subjects, and nowhere else; there
the subject of the row of `"asked"` takes its place. The whole is a lateral join: what is computed for a subject is
what the template computes of that one alone, whatever it ranks or counts. That a scan also keeps to those who are
asked about at all changes no row, and spares the engine the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlglot
from sqlglot import exp

from louver_sandbox.catalog.model import Catalog
from louver_sandbox.lookups import NOBODY
from louver_sandbox.plan.emit import text_literal
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, StatementShape, form, read_engine, read_tokens
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.called import Called, offered, ruling_of
from louver_sandbox.policy.lookups import admit
from louver_sandbox.refusals import lookups as refuse
from louver_sandbox.refusals.policy import Ruling
from louver_sandbox.stages import Facts, Plan, Request
from louver_sandbox.warning_plan import WarningCase, WarningPlan

EACH = "~each"
"""Stands for the subject while the template is planned: no identifier is written so."""
ASKED = "asked"
_PLACE = re.compile(rf"""\(("t[0-9]+"\."(?:[^"]|"")+") = CAST\({re.escape(text_literal(EACH))} AS VARCHAR\)\)""")
_LISTED = f'IN (SELECT "id" FROM "{ASKED}")'
_ONE = f"""WITH "{ASKED}" AS MATERIALIZED (SELECT {text_literal(NOBODY)} AS "id")"""


def judge_warnings(case: WarningCase, catalog: Catalog, bundle: Bundle) -> tuple[WarningPlan, Plan]:
    """Everything that is decided of a subscription without reading a row, with the plan about the placeholder that it
    was made from. Raises `Refused` LVR-61xx."""
    facts = Facts(case.today)
    known = {
        template.name: (policy, template) for policy, template in offered(bundle, case.subject, facts, warnings=True)
    }
    if case.template not in known:
        raise refuse.template_unknown(case.template, Ruling("default-deny", bundle.digest[:16]), sorted(known))
    policy, template = known[case.template]
    ruling = ruling_of(policy, template)
    if case.purpose not in template.purposes:
        raise refuse.template_purpose(template.name, ruling, template.purposes)
    statement = Request("warning", case.subject, case.purpose, template.sql, template.given_day(case.today))
    planned = plan(admit(Called(policy, template, EACH, "", statement), catalog, bundle, facts))
    if planned.lookup is None or len(planned.cores) != 1:
        raise PlanUnverified("a warning that is no lookup")
    rules, core = planned.lookup.rules, planned.cores[0]
    made = WarningPlan(
        case=case,
        rules=rules,
        flags=tuple(column.of for column in core.columns),
        sources=planned.sources,
        body=_about_each(core.statement),
        policies=planned.policies,
        bundle_digest=planned.bundle_digest,
        catalog_digest=planned.catalog_digest,
    )
    _verify_body(made.body, core.statement)
    return made, planned


def verify_warnings(made: WarningPlan, planned: Plan, engine: StatementShape) -> None:
    """Compares the engine's reading of the statement about nobody with our own, and with the plan's sources.

    Raises:
        PlanUnverified: they differ.
    """
    ours = read_tokens(form(about_nobody(made)))
    if set(ours.tables) != {source.alias for source in planned.sources} or read_engine(engine) != ours:
        raise PlanUnverified("the engine reads other tables, columns or functions")


def about_nobody(made: WarningPlan) -> str:
    """The statement as it is checked."""
    return f"{_ONE}{_around(made)}"


def about_many(made: WarningPlan, subjects: Sequence[str | None]) -> str:
    """The statement about these subjects; None stands for nobody, and takes as long. Only the list is another than in
    what was checked, and it is made of text constants alone."""
    listed = ", ".join(f"({text_literal(NOBODY if one is None else one)})" for one in subjects)
    return f'WITH "{ASKED}"("id") AS MATERIALIZED (VALUES {listed}){_around(made)}'


def _around(made: WarningPlan) -> str:
    told = ", ".join(f'"f"."c{place}" AS "c{place}"' for place in range(1, len(made.flags) + 1))
    return f' SELECT "p"."id" AS "id", {told} FROM "{ASKED}" AS "p" INNER JOIN ({made.body}) AS "f" ON TRUE'


def _about_each(statement: str) -> str:
    return _PLACE.sub(rf'(\1 {_LISTED} AND \1 = "p"."id")', statement)


def _verify_body(body: str, statement: str) -> None:
    """The body is the statement that was verified, once each condition on the row's subject is read as the one on the
    placeholder: sqlglot's trees of the two are one. Raises `PlanUnverified`."""
    read = sqlglot.parse_one(body, dialect="duckdb")
    places = 0
    for both in list(read.find_all(exp.And)):
        column, test = _listed(both.left), both.right
        if column is None or not isinstance(test, exp.EQ) or test.left != column or test.right.sql() != '"p"."id"':
            continue
        places += 1
        constant = sqlglot.parse_one(f"CAST({text_literal(EACH)} AS VARCHAR)", dialect="duckdb")
        both.replace(exp.EQ(this=column.copy(), expression=constant))
    single = sqlglot.parse_one(statement, dialect="duckdb")
    if not places or read.sql(dialect="duckdb") != single.sql(dialect="duckdb") or '"p"' in read.sql():
        raise PlanUnverified("what would run about many is another statement")


def _listed(test: exp.Expr) -> exp.Expr | None:
    """The column that is looked for among those who are asked about; None for any other test."""
    query = test.args.get("query") if isinstance(test, exp.In) else None
    column: exp.Expr | None = (
        test.this if query is not None and query.sql() == f'(SELECT "id" FROM "{ASKED}")' else None
    )
    return column

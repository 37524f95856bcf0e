"""Bound queries put together by hand, the demo city's policies, and small policies written in a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from louver_sandbox.algebra.expressions import AggregateCall, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, Join, JoinKind, Project, Relation, Scan
from louver_sandbox.algebra.types import INTEGER, Position, TableName
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.policy.bundle import Bundle, bundle_content, parse_bundle
from louver_sandbox.policy.load import Library, load_library
from louver_sandbox.policy.model import Grant, Platform, Policy
from louver_sandbox.policy.visible import visible
from louver_sandbox.stages import Bound, Clause, Facts, InstitutionType, OutputColumn, Request, Subject, Use

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "policies" / "library"
CASES = ROOT / "policies" / "cases"
DEMO_CATALOG = ROOT / "sandbox" / "louver_sandbox" / "demo" / "catalog"

TODAY = date(2026, 7, 1)

BANK_A = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "")
BANK_B = Subject("bank_b", InstitutionType.BANK, frozenset({"banks"}), "")
AGENCY_C = Subject("agency_c", InstitutionType.CREDIT_AGENCY, frozenset({"credit_agencies"}), "")
STRANGER = Subject("stranger_d", InstitutionType.BANK, frozenset(), "")


def facts(today: date = TODAY) -> Facts:
    return Facts(today)


@cache
def library() -> Library:
    return load_library([LIBRARY])


@cache
def city_bundle() -> Bundle:
    return parse_bundle(bundle_content(library().platform, library().policies))


@cache
def city_catalog() -> Catalog:
    return load_catalog([DEMO_CATALOG], ROOT / "no-data-is-read-here")


def table_name(text: str) -> TableName:
    schema, _, name = text.partition(".")
    return TableName(schema, name)


def use(table: str, column: str, clause: Clause, function: str = "", **more: Any) -> Use:
    """A use of the table's first scan; `scan` numbers are given by `question`, by table."""
    more.setdefault("at", Position(1, 8))
    return Use(table_name(table), more.pop("scan", -1), column, clause, function, **more)


def question(
    *uses: Use,
    tables: tuple[str, ...] = (),
    who: Subject = BANK_A,
    purpose: str = "RESEARCH",
    aggregated: bool = True,
    implied: Mapping[str, tuple[Expression, ...]] | None = None,
    catalog: Catalog | None = None,
    bundle: Bundle | None = None,
) -> Bound:
    """A query that makes these uses: one scan per table, joined, and COUNT(*) over them if `aggregated`."""
    names = list(dict.fromkeys([*tables, *(str(item.table) for item in uses)]))
    ids = {name: index + 1 for index, name in enumerate(names)}
    placed = tuple(replace(item, scan=ids[str(item.table)]) for item in uses)
    source: Relation | None = None
    for name in names:
        scan = Scan(ids[name], table_name(name), tuple(sorted({x.column for x in uses if str(x.table) == name})))
        source = scan if source is None else Join(JoinKind.INNER, source, scan, Literal(True, INTEGER))
    assert source is not None
    count = Named("n", AggregateCall("count", (), INTEGER))
    relation: Relation = Aggregate(90, source, (), (count,)) if aggregated else source
    return Bound(
        request=Request(id="r", subject=who, purpose=purpose, sql="SELECT 1"),
        relation=Project(91, relation, ()),
        columns=(OutputColumn("n", INTEGER),),
        uses=placed,
        implied={ids[name]: held for name, held in (implied or {}).items()},
        catalog=visible(catalog or city_catalog(), bundle or city_bundle(), who),
    )


def platform(**changes: Any) -> Platform:
    """A platform document with two purposes and two groups."""
    document: dict[str, Any] = {
        "kind": "platform",
        "id": "platform",
        "version": "1",
        "expires": "2030-12-31",
        "purposes": {"RESEARCH": "research", "MODEL_BUILD": "models"},
        "groups": {"banks": {"title": "banks"}, "agencies": {"title": "agencies"}},
        "own_data_budget": {"queries_per_day": 1000, "predicates_per_day": 1000},
    }
    return Platform.model_validate(document | changes)


def grant_document(name: str = "g", **changes: Any) -> dict[str, Any]:
    """A grant on gov.tax_credit to banks for RESEARCH, as plain data."""
    return {
        "id": name,
        "to": {"groups": ["banks"]},
        "verbs": ["analyse"],
        "purposes": ["RESEARCH"],
        "valid": {"from": "2026-01-01", "until": "2026-12-31"},
        "table": "gov.tax_credit",
        "columns": {"grade": ["group_key", "filter", "aggregate", "order"], "rating_year": ["group_key", "filter"]},
        "treatment": "threshold",
        "budget": {"queries_per_day": 100, "predicates_per_day": 10},
    } | changes


def grant(name: str = "g", **changes: Any) -> Grant:
    return Grant.model_validate(grant_document(name, **changes))


def policy(
    *grants: dict[str, Any], denies: tuple[dict[str, Any], ...] = (), name: str = "taxation", owner: str = "市税务局"
) -> Policy:
    """The tax office's policy with these grants and denies."""
    return Policy.model_validate(
        {
            "kind": "policy",
            "id": name,
            "version": "1",
            "owner": owner,
            "title": name,
            "grants": list(grants),
            "denies": list(denies),
        }
    )


def deny_document(name: str = "d", **changes: Any) -> dict[str, Any]:
    """A deny of tax_credit.grade to all banks, as plain data."""
    return {
        "id": name,
        "to": {"groups": ["banks"]},
        "table": "gov.tax_credit",
        "columns": ["grade"],
        "reason": "not any more",
    } | changes


def bundle_of(*policies: Policy, **changes: Any) -> Bundle:
    return parse_bundle(bundle_content(platform(**changes), policies))

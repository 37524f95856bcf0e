"""What TPC-H and TPC-DS share: rights written column by column, turned into policies, and verdicts on query texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from louver.errors import Refused
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import Bundle, bundle_content, parse_bundle
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.stages import Facts, InstitutionType, Plan, Request, Subject

FOLDER = Path(__file__).parents[1] / "tpc"
TODAY = date(2026, 7, 1)
OWNER = "Trade office"

UNITS = {"RESEARCH": 10, "MODEL_BUILD": 3}
"""The least number of units of either type in a cell, by purpose: data of scale 0.01 has few firms."""

EVERYTHING = {
    "join_key": True,
    "group_key": {},
    "filter": {},
    "aggregate": {"functions": ["count", "sum", "avg", "min", "max", "stddev_samp"]},
    "order": True,
    "output": {},
}
"""Rights on a column of a public table."""
PLENTY = {"queries_per_day": 100_000, "predicates_per_day": 100_000}

Rights = Mapping[str, Mapping[str, object]]
"""Rights by table and column, as in a grant's `columns`."""


def read_yaml(path: Path) -> Any:
    """The document in a YAML file."""
    return YAML(typ="safe").load(path)


def is_public(table: Table) -> bool:
    """Whether anybody may read its rows."""
    return all(column.level == 1 for column in table.columns)


def platform_document() -> dict[str, Any]:
    """The rules of the house, with one purpose for every number of units."""
    return {
        "kind": "platform",
        "id": "platform",
        "version": "1",
        "expires": "2036-12-31",
        "purposes": {purpose: f"cells of at least {units} units" for purpose, units in UNITS.items()},
        "groups": {"banks": {"title": "banks"}},
        "own_data_budget": PLENTY,
    }


def policy_document(catalog: Catalog, rights: Rights) -> dict[str, Any]:
    """One grant per purpose and table: thresholds where `rights` names the table, everything where it is public.

    A table that is neither is not granted.
    """
    grants: list[dict[str, Any]] = []
    for name, table in catalog.tables.items():
        if name.name in rights:
            grants += [_grant(table, purpose, rights[name.name], units) for purpose, units in UNITS.items()]
        elif is_public(table):
            open_ = {column.name: EVERYTHING for column in table.columns}
            grants += [_grant(table, purpose, open_) for purpose in UNITS]
    return {"kind": "policy", "id": "trade", "version": "1", "owner": OWNER, "title": "Trade", "grants": grants}


def _grant(table: Table, purpose: str, columns: Mapping[str, object], units: int | None = None) -> dict[str, Any]:
    treatment: dict[str, Any] = (
        {"treatment": "exact"}
        if units is None
        else {
            "treatment": "threshold",
            "threshold": {"person": units, "enterprise": units, "dominance_percent": 60, "p_percent": 10},
        }
    )
    return {
        "id": f"{table.name.name}-{purpose}",
        "to": {"groups": ["banks"]},
        "verbs": ["analyse"],
        "purposes": [purpose],
        "valid": {"from": "2020-01-01", "until": "2036-12-31"},
        "table": str(table.name),
        "columns": dict(columns),
        "budget": PLENTY,
        **treatment,
    }


def bundle_of(catalog: Catalog, rights: Rights) -> Bundle:
    """The policies as a bundle."""
    policy = Policy.model_validate(policy_document(catalog, rights))
    return parse_bundle(bundle_content(Platform.model_validate(platform_document()), [policy]))


def subject(institution: str) -> Subject:
    """A bank; the one named like the tables' schema may call them by one-part names, as the texts do."""
    return Subject(institution, InstitutionType.BANK, frozenset({"banks"}), "")


@dataclass(frozen=True)
class Judge:
    """Who decides about query texts without reading a row."""

    catalog: Catalog
    bundle: Bundle
    asker: Subject
    dialect: str = "duckdb"

    def plan(self, sql: str, purpose: str = "RESEARCH") -> Plan:
        """What would run. Raises `Refused`."""
        request = Request("tpc", self.asker, purpose, sql, dialect=self.dialect)
        return judge(request, self.catalog, self.bundle, Facts(TODAY))

    def verdict(self, sql: str, purpose: str = "RESEARCH") -> str:
        """`answered`, or the code of the refusal."""
        try:
            self.plan(sql, purpose)
        except Refused as refused:
            return refused.code
        return "answered"

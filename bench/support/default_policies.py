"""The demo's policies as their defaults would have them: atoms for protected columns, and no accepted risk.

What an officer would write who wants no risk in the log: each protected table has dimensions, its other columns can
only be added up, and no subject can be joined. The register stays public without its protected columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

Dimensions = list[dict[str, Any]]

DIMENSIONS: Final[Mapping[str, Dimensions]] = {
    "gov.pop_person": [
        {"column": "education"},
        {"column": "birth_date", "by": "year"},
        {"column": "live_district"},
        {"column": "sex"},
    ],
    "gov.re_property": [{"column": "use_code"}, {"column": "district_code"}, {"column": "owner_class"}],
    "gov.ss_ent_month": [{"column": "pay_month", "by": "month"}],
    "gov.tax_credit": [{"column": "rating_year"}, {"column": "grade"}],
    "gov.tax_quarter": [{"column": "quarter", "by": "quarter"}, {"column": "zero_declared"}],
    "gov.utl_month": [{"column": "bill_month", "by": "month"}, {"column": "kind"}, {"column": "subject_class"}],
}
"""By table, what gives way first standing first."""
TOO_FEW: Final = frozenset({"gov.court_dishonest", "gov.pen_penalty"})
"""Tables of which no grant is left: of 20,000 persons fewer than 110 are in them, and no atom can be."""
PROTECTED: Final[Mapping[str, frozenset[str]]] = {"gov.ent_registry": frozenset({"scale", "n_employees"})}
"""Columns that leave a public table."""
UNITS: Final = frozenset({"uscc", "subject_id", "owner_id", "person_id"})
"""Columns of privacy units that have several rows, which atoms cannot count."""
OF_DIMENSIONS: Final = ["group_key", "filter", "order"]
OF_MEASURES: Final = {"aggregate": {"functions": ["count", "sum", "avg"]}}


def rewrite(folder: Path) -> None:
    """Writes every policy of the folder anew."""
    yaml = YAML(typ="safe", pure=True)
    yaml.representer.ignore_aliases = lambda data: True
    for file in folder.glob("*.yaml"):
        document = yaml.load(file)
        if document["kind"] == "policy":
            document["grants"] = list(_grants(document["grants"]))
            # What cubes are made of is in the grants that are left out.
            document.pop("cubes", None)
            yaml.dump(document, file)


def _grants(grants: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for grant in grants:
        dimensions = DIMENSIONS.get(grant["table"])
        fills = "analyse" in grant["verbs"] and grant["treatment"] in ("exact", "threshold")
        if dimensions is not None and "privacy" in grant:
            # Over rows that atoms have recoded what one subject changes has no bound.
            continue
        if "privacy" in grant and grant["table"] in PROTECTED:
            # Without those columns it gives nothing that the public ones do not.
            continue
        if fills and grant["table"] in TOO_FEW:
            continue
        if "threshold" in grant:
            # Noise without a cap is a risk too, and over atoms nothing is hidden by it.
            grant["threshold"].pop("accepts_risk", None)
            grant["threshold"]["noise"] = "none"
        if fills and dimensions is not None:
            if "row_filter" not in grant:
                # One partition a table: a grant of some of its rows cannot stand beside it.
                yield grant | _under(dimensions, grant["columns"])
            continue
        for name in PROTECTED.get(grant["table"], ()):
            grant["columns"].pop(name, None)
        yield grant


def _under(dimensions: Dimensions, columns: Mapping[str, Any]) -> dict[str, Any]:
    names = [dimension["column"] for dimension in dimensions]
    summed = [name for name, rights in columns.items() if isinstance(rights, dict) and _is_measure(name, rights)]
    rights = {name: OF_MEASURES for name in summed if name not in names} | dict.fromkeys(names, OF_DIMENSIONS)
    return {"treatment": "threshold", "atoms": dimensions, "columns": rights}


def _is_measure(name: str, rights: Mapping[str, Any]) -> bool:
    return name not in UNITS and "sum" in rights.get("aggregate", {}).get("functions", ())

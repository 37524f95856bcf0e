"""The named subjects an attacker would pick, for the attack suite: `truth/targets.json`."""

from typing import Any

import numpy as np

from louver_sandbox.demo.world import identifiers, people
from louver_sandbox.demo.world.blueprint import Blueprint, month_starts
from louver_sandbox.demo.world.city import City
from louver_sandbox.demo.world.codes import DISTRICTS, SECTION_GIANTS, SECTION_LETTERS, SECTIONS
from louver_sandbox.demo.world.columns import Array
from louver_sandbox.demo.world.people import YEAR

MOST = 50
"""Subjects named per kind; the giants are all named."""


def _day(days: Any) -> str:
    return str(np.datetime64(int(days), "D"))


def unique_persons(plan: Blueprint, city: City) -> list[dict[str, Any]]:
    """Workers whose birth date, sex and first registration nobody in the city shares."""
    _, first, counts = np.unique(identifiers.key_cell(city.keys), return_index=True, return_counts=True)
    alone = np.sort(first[counts == 1])
    age = (plan.today - identifiers.key_birth(city.keys[alone])) / YEAR
    chosen = alone[people.employed(plan, alone, age)][:MOST]
    keys = city.keys[chosen]
    return [
        {
            "person_id": identifier,
            "birth_date": _day(identifiers.key_birth(key)),
            "sex": 1 if key & 1 else 2,
            "id_prefix": identifier[:6],
        }
        for identifier, key in zip(identifiers.text(identifiers.person_ids(keys)), keys, strict=True)
    ]


def _named(plan: Blueprint, city: City, rows: Array) -> list[dict[str, Any]]:
    firms = city.firms
    return [
        {
            "uscc": code,
            "district_code": DISTRICTS[int(firms.district[row])].code,
            "section": SECTION_LETTERS[int(firms.section[row])],
        }
        for code, row in zip(identifiers.text(city.codes_of(plan, rows)), rows, strict=True)
    ]


def alone_in_cell(plan: Blueprint, city: City) -> list[dict[str, Any]]:
    """Open firms that are the only one of their district and section."""
    cell = city.firms.district.astype(np.int64) * len(SECTIONS) + city.firms.section
    standing = np.flatnonzero(city.firms.open)
    _, first, counts = np.unique(cell[standing], return_index=True, return_counts=True)
    return _named(plan, city, np.sort(standing[first[counts == 1]])[:MOST])


def early_warnings(plan: Blueprint, city: City) -> list[dict[str, Any]]:
    """Firms whose electricity collapses some months before their taxes."""
    rows = np.flatnonzero((city.firms.collapse >= 0) & (city.firms.power > 0))[:MOST]
    falls = city.firms.collapse[rows].astype(np.int64) + plan.first_month
    later = falls + city.firms.lag[rows]
    return [
        named | {"utility_falls_on": _day(utility), "tax_falls_on": _day(tax)}
        for named, utility, tax in zip(
            _named(plan, city, rows), month_starts(falls), month_starts(later), strict=True
        )
    ]


def family_groups(plan: Blueprint, city: City) -> list[dict[str, Any]]:
    """Representatives of two to eight firms in one district, with the firms."""
    groups = city.firms.group
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    chosen = np.flatnonzero(counts >= 2)[:MOST]
    ends = np.cumsum(counts)
    holders = identifiers.text(identifiers.person_ids(city.keys[city.representative[chosen]]))
    return [
        {
            "legal_rep_id": holder,
            "uscc": identifiers.text(city.codes_of(plan, order[ends[group] - counts[group] : ends[group]])),
        }
        for holder, group in zip(holders, chosen, strict=True)
    ]


def targets(plan: Blueprint, city: City) -> dict[str, Any]:
    """Everything named, ready for JSON; pure, so equal worlds name equal subjects."""
    giants = np.flatnonzero(city.firms.giant)
    over_section = np.isin(city.firms.section[giants], SECTION_GIANTS)
    return {
        "seed": plan.seed,
        "persons": plan.persons,
        "as_of": plan.as_of.isoformat(),
        "unique_persons": unique_persons(plan, city),
        "cell_giants": _named(plan, city, giants[~over_section]),
        "section_giants": _named(plan, city, giants[over_section]),
        "alone_in_cell": alone_in_cell(plan, city),
        "early_warnings": early_warnings(plan, city),
        "family_groups": family_groups(plan, city),
    }

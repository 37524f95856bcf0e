"""Tables with totals for `bench.suppression`: made ones for the solver, and answers with CUBE over small cities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.additive_tables import Hierarchy, random_table, tree
from tests.support.published_tables import Published, Row, breaks_a_rule
from tests.support.relations import RULES_5, firms, question, run

from louver_sandbox.obligations import Totals
from louver_sandbox.suppression.table import Table

K = 5
KEYS = ("district", "section", "arrears")
FIRMS = 700
CUBE = (
    "SELECT t.district, r.section, t.arrears, count(*) AS n, sum(t.revenue) AS revenue "
    "FROM gov.tax t JOIN gov.registry r USING (uscc) GROUP BY CUBE (t.district, r.section, t.arrears)"
)
SETS = [[key for place, key in enumerate(KEYS) if number >> place & 1] for number in range(8)]


def wide(seed: int, rows: int, columns: int, *, share: float) -> Table:
    """A plain two-way table with its margins."""
    return random_table(seed, [_flat(rows), _flat(columns)], share=share)


def _flat(parts: int) -> Hierarchy:
    names = tuple(f"p{number:03}" for number in range(parts))
    return {"T": names, **dict.fromkeys(names, ())}


def crossed(seed: int, widths: tuple[int, ...], *, share: float) -> Table:
    """Two hierarchies of so many children on each level, crossed."""
    return random_table(seed, [tree(*widths), tree(*widths)], share=share)


def greedily_withheld(table: Table) -> frozenset[str]:
    """The primary cells and, until no total has a single withheld member, the smallest other one beside it."""
    withheld = set(table.primary)
    beside: dict[str, list[Sequence[str]]] = {}
    for relation in table.relations:
        members: Sequence[str] = (relation.total, *relation.parts)
        for name in members:
            beside.setdefault(name, []).append(members)
    waiting = [members for name in sorted(withheld) for members in beside.get(name, ())]
    while waiting:
        members = waiting.pop(0)
        if sum(name in withheld for name in members) == 1:
            others = [name for name in members if name not in withheld]
            if others:
                chosen = min(others, key=lambda name: (table[name].value, name))
                withheld.add(chosen)
                waiting += beside[chosen]
    return frozenset(withheld)


@dataclass(frozen=True)
class Shown:
    """How many values of an answer may leave by themselves, and how many do leave under either rule."""

    totals: int
    parts: int
    totals_kept: int
    parts_kept: int
    totals_kept_back: int
    parts_kept_back: int


def shown_of(chance: Random) -> Shown:
    """The sums of one city's CUBE under either rule."""
    rows = list(_city(chance))
    world = firms(rows)
    section = {row["uscc"]: row["section"] for name, found in world.rows.items() for row in found if "section" in row}
    joined = [{**row, "section": section[row["uscc"]]} for row in rows]
    found: dict[Totals, Mapping[bool, int]] = {}
    may: Mapping[bool, int] = {}
    for totals in Totals:
        ran = run(world, question(world, CUBE, rules=replace(RULES_5, totals=totals)))
        seen = Published.of(joined, KEYS, SETS, ran.release.rows)
        safe = [
            place
            for place, cell in seen.cells.items()
            if len(seen.units(place)) >= K and not breaks_a_rule(cell, lambda row: Decimal(row["revenue"]), K)
        ]
        may = {total: sum((None in place) is total for place in safe) for total in (True, False)}
        found[totals] = {
            total: sum((None in place) is total and seen.shows(place, 1) for place in safe) for total in (True, False)
        }
    kept, back = found[Totals.COMPLEMENTARY], found[Totals.KEEP_BACK]
    return Shown(may[True], may[False], kept[True], kept[False], back[True], back[False])


def _city(chance: Random) -> list[Row]:
    """Firms of uneven size in uneven districts, one return each."""
    made: list[dict[str, Any]] = []
    for firm in range(FIRMS):
        made.append(
            {
                "uscc": f"f{firm:04}",
                "district": f"d{min(11, int(chance.paretovariate(0.6)) - 1):02}",
                "arrears": chance.random() < 0.2,
                "revenue": Decimal(int(chance.lognormvariate(6, 1.2))) / 100,
                "staff": 3,
                "score": None,
            }
        )
    return list(made)

"""Tables with totals for `bench.suppression`: made ones for the solver, and answers with CUBE over small cities."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.additive_tables import Hierarchy, random_table, tree
from tests.support.published_tables import Published, Row, breaks_a_rule
from tests.support.relations import RULES_5, firms, question, run

from louver_sandbox.obligations import Totals
from louver_sandbox.release.release import release
from louver_sandbox.suppression.pattern import choose
from louver_sandbox.suppression.table import Table

K = 5
KEYS = ("district", "section", "arrears")
FIRMS = 700
CUBE = (
    "SELECT t.district, r.section, t.arrears, count(*) AS n, sum(t.revenue) AS revenue "
    "FROM gov.tax t JOIN gov.registry r USING (uscc) GROUP BY CUBE (t.district, r.section, t.arrears)"
)
TWO_WAYS = (
    "SELECT t.district, r.section, count(*) AS n, sum(t.revenue) AS revenue "
    "FROM gov.tax t JOIN gov.registry r USING (uscc) GROUP BY t.district, r.section"
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
    """How many values of an answer may leave by themselves, and how many do leave under each rule; seconds of
    processor time in the releaser."""

    totals: int
    parts: int
    totals_kept: int
    parts_kept: int
    totals_kept_back: int
    parts_kept_back: int
    totals_known: int
    parts_known: int
    seconds: Mapping[Totals, float]


def shown_of(chance: Random) -> Shown:
    """The sums of one city's CUBE under each rule."""
    rows = list(_city(chance))
    world = firms(rows)
    section = {row["uscc"]: row["section"] for name, found in world.rows.items() for row in found if "section" in row}
    joined = [{**row, "section": section[row["uscc"]]} for row in rows]
    found: dict[Totals, Mapping[bool, int]] = {}
    may: Mapping[bool, int] = {}
    seconds: dict[Totals, float] = {}
    for totals in Totals:
        ran = run(world, question(world, CUBE, rules=replace(RULES_5, totals=totals)))
        begin = time.process_time()
        release(ran.execution, choose)
        seconds[totals] = time.process_time() - begin
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
    kept, back, known = (found[totals] for totals in (Totals.COMPLEMENTARY, Totals.KEEP_BACK, Totals.KNOWN))
    of_known = (known[True], known[False], seconds)
    return Shown(may[True], may[False], kept[True], kept[False], back[True], back[False], *of_known)


@dataclass(frozen=True)
class Plain:
    """The values of a plain two-way table that may leave by themselves, and that do beside known totals; of both,
    those of cells of at least ten firms. Seconds of processor time in the releaser, without and with them."""

    parts: int
    parts_known: int
    large: int
    large_known: int
    seconds: float
    seconds_known: float


def plain_of(chance: Random) -> Plain:
    """Districts by sections, without totals, of one city."""
    rows = list(_city(chance))
    world = firms(rows)
    section = {row["uscc"]: row["section"] for name, found in world.rows.items() for row in found if "section" in row}
    joined = [{**row, "section": section[row["uscc"]]} for row in rows]
    sizes: list[list[int]] = []
    seconds: list[float] = []
    for totals in (Totals.COMPLEMENTARY, Totals.KNOWN):
        ran = run(world, question(world, TWO_WAYS, rules=replace(RULES_5, totals=totals)))
        begin = time.process_time()
        release(ran.execution, choose)
        seconds.append(time.process_time() - begin)
        seen = Published.of(joined, KEYS[:2], [KEYS[:2]], ran.release.rows)
        sizes.append([len(seen.units(place)) for place in seen.cells if seen.shows(place, 1)])
    (without, known), large = sizes, [sum(units >= 2 * K for units in some) for some in sizes]
    return Plain(len(without), len(known), large[0], large[1], seconds[0], seconds[1])


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

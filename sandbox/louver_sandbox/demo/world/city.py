"""What depends on the whole city: giants, representatives, employers, and the subjects an attacker would pick.

These arrays are small (tens of bytes per firm, four per person) and are shared by all tasks through memory-mapped
files; everything else is made chunk by chunk.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from louver_sandbox.demo.world import codes, identifiers
from louver_sandbox.demo.world.blueprint import Blueprint
from louver_sandbox.demo.world.codes import LONELY_SECTION, SECTION_GIANTS, SECTIONS
from louver_sandbox.demo.world.columns import Array
from louver_sandbox.demo.world.firms import Firms
from louver_sandbox.demo.world.people import YEAR
from louver_sandbox.demo.world.randomness import stream

GIANT_CELLS = 0.15
"""Share of the non-empty district x section cells that get a giant."""
GIANT_FACTOR = 4.0
"""A giant's revenue and electricity as a multiple of all others of its cell: four fifths of the cell."""
CELL_FLOOR = 6
"""A cell needs this many firms with a meter to get a giant; smaller ones are withheld for their size anyway."""


@dataclass(frozen=True)
class City:
    """All firms, the identity keys of all persons, and the links between the two."""

    firms: Firms
    keys: Array
    representative: Array
    """Row number of the legal representative of each group."""
    partners: Array
    """Row numbers of two further persons of each group, -1 where the group needs none."""
    jobs: Array
    """Running total of insured employees over the firms: where an employee number falls is the employer."""

    def codes_of(self, plan: Blueprint, rows: Array) -> Array:
        """Unified social credit codes of any firms as a byte matrix."""
        rows = np.asarray(rows)
        return identifiers.credit_codes(rows, self.firms.subject_class[rows], self.firms.district[rows], plan.seed)

    def save(self, folder: Path) -> None:
        for f in fields(Firms):
            np.save(folder / f"firms.{f.name}.npy", getattr(self.firms, f.name))
        for name in ("keys", "representative", "partners", "jobs"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    @staticmethod
    def load(folder: Path) -> "City":
        def mapped(name: str) -> Array:
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

        firms = Firms(**{f.name: mapped(f"firms.{f.name}") for f in fields(Firms)})
        return City(firms, *(mapped(name) for name in ("keys", "representative", "partners", "jobs")))


def _crown(firms: Firms, giant: int, others: Array) -> None:
    """Makes `giant` dominate `others`; works on the arrays of a fresh copy."""
    others = others[others != giant]
    firms.revenue[giant] = max(GIANT_FACTOR * firms.revenue[others].sum(), firms.revenue[giant])
    firms.power[giant] = max(GIANT_FACTOR * firms.power[others].sum(), firms.power[giant])
    # Giants book far more per head than their section: half the others' workforce, not four times it.
    firms.employees[giant] = max(int(0.5 * firms.employees[others].sum()), firms.employees[giant])
    firms.insured[giant] = int(0.75 * firms.employees[giant])
    firms.giant[giant] = True
    firms.arrears[giant] = firms.dishonest[giant] = False
    firms.collapse[giant] = -1
    firms.z[giant] = abs(float(firms.z[giant]))


def plant_giants(plan: Blueprint, drawn: Firms) -> Firms:
    """One giant in about 15 % of the cells, one in each section of SECTION_GIANTS, one firm alone in its section."""
    firms = replace(
        drawn,
        **{
            f.name: getattr(drawn, f.name).copy()
            for f in fields(Firms)
            if f.name
            in {"revenue", "power", "employees", "insured", "giant", "arrears", "dishonest", "collapse", "z"}
        },
    )
    rng = stream(plan.seed, "plan")
    cell = firms.district.astype(np.int64) * len(SECTIONS) + firms.section
    taxed = firms.closed > plan.today - 800
    metered = firms.open & (firms.power > 0)
    throne = metered & (firms.subject_class == codes.E) & (plan.today - firms.born > 3 * YEAR)
    crowded = np.bincount(cell[metered], minlength=10 * len(SECTIONS)) >= CELL_FLOOR
    eligible = np.flatnonzero(crowded & (np.bincount(cell[throne], minlength=10 * len(SECTIONS)) > 0))
    eligible = eligible[~np.isin(eligible % len(SECTIONS), SECTION_GIANTS)]
    wanted = round(GIANT_CELLS * len(np.unique(cell[firms.open])))
    for chosen in np.sort(rng.permutation(eligible)[:wanted]):
        candidates = np.flatnonzero(throne & (cell == chosen))
        giant = int(candidates[np.argmax(firms.employees[candidates])])
        _crown(firms, giant, np.flatnonzero((cell == chosen) & taxed))
    for section in SECTION_GIANTS:
        candidates = np.flatnonzero(throne & (firms.section == section))
        if len(candidates):
            giant = int(candidates[np.argmax(firms.employees[candidates])])
            _crown(firms, giant, np.flatnonzero((firms.section == section) & taxed))
    return _plant_lonely(firms, throne)


def _plant_lonely(firms: Firms, candidates: Array) -> Firms:
    """Moves one ordinary firm into the section nobody else is in."""
    free = np.flatnonzero(candidates & ~firms.giant & (firms.insured > 0) & (firms.collapse < 0))
    section, industry = firms.section.copy(), firms.industry.copy()
    if len(free):
        section[free[0]], industry[free[0]] = LONELY_SECTION, 0
    return replace(firms, section=section, industry=industry)


def settle(plan: Blueprint, firms: Firms, keys: Array) -> City:
    """Gives every group a representative of 25 to 70 years and, when it holds a company, two partners."""
    rng = stream(plan.seed, "plan", 1)
    age = (plan.today - identifiers.key_birth(keys)) / YEAR
    grown = rng.permutation(np.flatnonzero((age >= 25) & (age < 70)).astype(np.int32))
    groups = int(firms.group.max()) + 1
    company = np.zeros(groups, dtype=bool)
    company[firms.group[np.isin(firms.subject_class, (codes.E, codes.C))]] = True
    # A tiny world may have more seats than people; then people sit twice, as they do in small towns.
    seats = np.resize(grown, groups + 2 * int(company.sum()))
    partners = np.full((groups, 2), -1, dtype=np.int32)
    partners[company] = seats[groups:].reshape(-1, 2)
    insured = np.where(firms.closed > plan.today - 730, firms.insured, 0)
    return City(firms, keys, seats[:groups], partners, np.cumsum(insured, dtype=np.int64))

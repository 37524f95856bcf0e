"""What a worker combines so that the releaser can perturb (PRIVACY 5.6): the record keys of distinct units.

A count is about a set of units, and its noise is looked up by the XOR of their record keys. Where every row is a unit
of its own (of one unit group at least) a number of rows is a number of units, and that group alone decides the key:
whatever else is joined changes no row. What cannot be perturbed yet is refused before anything is paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from louver_sandbox.algebra.relations import Aggregate, scans
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.plan.measures import Asked, Total
from louver_sandbox.plan.parts import unit_total
from louver_sandbox.plan.provenance import Provenance
from louver_sandbox.plan.units import UnitGroup, one_row_per_unit
from louver_sandbox.refusals.plan import no_noise_table, noise_not_computed
from louver_sandbox.stages import KeyedUnits, NoiseRules, NoisyTotal, ThresholdRules


@dataclass(frozen=True, slots=True)
class Keyed:
    """The units of one group whose record keys are combined in every cell: all of them, or those that contribute to
    the total of that number (from 1)."""

    group: int
    number: int = 0

    @property
    def units(self) -> str:
        """The column that counts them."""
        return f"z{self.number}_{self.group + 1}" if self.number else f"u{self.group + 1}"

    @property
    def combined(self) -> str:
        """The column with their combined record keys."""
        return f"x{self.number}_{self.group + 1}" if self.number else f"x{self.group + 1}"


@dataclass(frozen=True, slots=True)
class Noisy:
    """A column that leaves with noise, and the sets of units whose numbers it adds up."""

    value: str
    sets: tuple[Keyed, ...]

    def total(self, groups: Sequence[UnitGroup]) -> NoisyTotal:
        """As the releaser finds it."""
        named = (KeyedUnits(groups[one.group].type, one.units, one.combined) for one in self.sets)
        return NoisyTotal(self.value, tuple(named))


@dataclass(frozen=True, slots=True)
class Perturbable:
    """Reads what each aggregate of one core needs for its noise. Raises Refused LVR-2322 and LVR-2323.

    `whole` is the unit group of which every row is another unit.
    """

    rules: ThresholdRules
    noise: NoiseRules
    groups: tuple[UnitGroup, ...]
    whole: int | None

    @classmethod
    def of(
        cls, core: Aggregate, groups: tuple[UnitGroup, ...], rules: ThresholdRules, catalog: Catalog, made: Provenance
    ) -> Perturbable | None:
        """For a core under rules with noise; None for one without."""
        if rules.noise is None:
            return None
        if core.sets not in ((), (tuple(range(len(core.keys))),)):
            raise noise_not_computed("totals beside their parts", "合计与各部分并列", core.keys[0].expression.at)
        tables = {scan.id: str(catalog.tables[scan.table].name) for scan in scans(core.input)}

        def place(index: int) -> tuple[str, list[str]]:
            members = [f"{tables.get(scan, '')} {unit.column}" for scan, unit in groups[index].members]
            return groups[index].type.value, sorted(members)

        single = [index for index, group in enumerate(groups) if one_row_per_unit(core.input, group, catalog, made)]
        return cls(rules, rules.noise, groups, min(single, key=place, default=None))

    def noisy(self, asked: Iterable[Asked], totals: Sequence[Total]) -> tuple[Noisy, ...]:
        """Every column that the aggregates are made of, once."""
        return tuple(dict.fromkeys(noisy for one in asked for noisy in self._parts(one, totals)))

    def _parts(self, asked: Asked, totals: Sequence[Total]) -> Iterator[Noisy]:
        if asked.kind == "grouping":
            return
        if asked.kind == "units":
            for group in asked.groups:
                self._counted(group, asked)
            yield Noisy(unit_total(asked.groups), tuple(Keyed(group) for group in asked.groups))
            return
        if asked.kind not in ("count", "sum"):
            raise noise_not_computed(f"{asked.kind} of protected rows", "对受保护行的平均值与统计量", asked.at)
        for _, total in asked.addends:
            yield self._rows(total, asked, totals)

    def _rows(self, total: Total, asked: Asked, totals: Sequence[Total]) -> Noisy:
        if not total.counts:
            raise noise_not_computed("a sum of protected values", "受保护数值的求和", asked.at)
        if self.whole is None:
            raise noise_not_computed(
                "a number of rows of which a subject may have several", "同一主体可有多行时的行数", asked.at
            )
        self._counted(self.whole, asked)
        number = 0 if total.is_rows else totals.index(total) + 1
        return Noisy(f"n{number}" if number else "n", (Keyed(self.whole, number),))

    def _counted(self, group: int, asked: Asked) -> None:
        unit = self.groups[group].type
        if unit not in self.noise.tables:
            raise no_noise_table(unit.value, self.rules.k[unit], asked.at)

"""What a worker combines so that the releaser can perturb (PRIVACY 5.6): the record keys of distinct units.

A count is about a set of units, and its noise is looked up by the XOR of their record keys. Where every row is a unit
of its own (of one unit group at least) a number of rows is a number of units, and that group alone decides the key:
whatever else is joined changes no row. A sum, and a number of rows of which a unit may have several, has noise in
proportion to its largest contributions. What cannot be perturbed is refused before anything is paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import AggregateCall, ColumnRef, Expression
from louver_sandbox.algebra.relations import Aggregate, scans
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.core_plan import Amounts, KeyedUnits, NoisyTotal
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.named import magnitudes_of
from louver_sandbox.plan.bounds import largest_declared
from louver_sandbox.plan.measures import POWER_SUMS, Asked, Total
from louver_sandbox.plan.parts import unit_total
from louver_sandbox.plan.provenance import ROWS, Provenance
from louver_sandbox.plan.units import UnitGroup, one_row_per_unit
from louver_sandbox.refusals.plan import no_noise_table, noise_not_computed


@dataclass(frozen=True, slots=True)
class Keyed:
    """The units of one group whose record keys are combined in every cell: all of them, or those that contribute to
    the total of that number (from 1), or those that have a value for it (`valued`)."""

    group: int
    number: int = 0
    valued: bool = False

    @property
    def units(self) -> str:
        """The column that counts them."""
        prefix = "v" if self.valued else "z"
        return f"{prefix}{self.number}_{self.group + 1}" if self.number else f"u{self.group + 1}"

    @property
    def combined(self) -> str:
        """The column with their combined record keys."""
        prefix = "y" if self.valued else "x"
        return f"{prefix}{self.number}_{self.group + 1}" if self.number else f"x{self.group + 1}"


@dataclass(frozen=True, slots=True)
class Noisy:
    """A column that leaves with noise, and the sets of units that decide it.

    `of` is what is added up, by the stored columns; "" for a number of rows or units. `ranks_rows` asks for the
    largest numbers of rows, those of the total of that `number` (0: all rows of the cell). `base` is that of
    `NoisyTotal`.
    """

    value: str
    sets: tuple[Keyed, ...]
    number: int = 0
    of: str = ""
    ranks_rows: bool = False
    base: int = 0

    def total(self, groups: Sequence[UnitGroup]) -> NoisyTotal:
        """As the releaser finds it."""
        named = (KeyedUnits(groups[one.group].type, one.units, one.combined) for one in self.sets)
        prefixes = ("a", "d", "w") if self.ranks_rows else ("l", "e", "m")
        ranked = range(1, len(groups) + 1) if self.of or self.ranks_rows else ()
        amounts = (Amounts(*(f"{prefix}{self.number}_{group}" for prefix in prefixes)) for group in ranked)
        return NoisyTotal(self.value, tuple(named), self.of, tuple(amounts), self.base)


@dataclass(frozen=True, slots=True)
class Perturbable:
    """Reads what each aggregate of one core needs for its noise. Raises Refused LVR-2322 and LVR-2323.

    `order` are the unit groups in an order that how a question is written does not change; `whole` is the first of
    those of which every row is another unit.
    """

    rules: ThresholdRules
    noise: NoiseRules
    groups: tuple[UnitGroup, ...]
    order: tuple[int, ...]
    whole: int | None
    tables: Mapping[int, Table]
    provenance: Provenance

    @classmethod
    def of(
        cls, core: Aggregate, groups: tuple[UnitGroup, ...], rules: ThresholdRules, catalog: Catalog, made: Provenance
    ) -> Perturbable | None:
        """For a core under rules with noise; None for one without."""
        if rules.noise is None:
            return None
        tables = {scan.id: catalog.tables[scan.table] for scan in scans(core.input)}

        def place(index: int) -> tuple[str, list[str]]:
            members = [f"{_name_of(tables, scan)} {unit.column}" for scan, unit in groups[index].members]
            return groups[index].type.value, sorted(members)

        order = sorted(range(len(groups)), key=place)
        single = (index for index in order if one_row_per_unit(core.input, groups[index], catalog, made))
        return cls(rules, rules.noise, groups, tuple(order), next(single, None), tables, made)

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
        if asked.kind in POWER_SUMS:
            raise noise_not_computed("variances and correlations", "方差与相关系数", asked.at)
        for _, total in asked.addends:
            yield self._sum(total, asked, totals) if total.summand.factors else self._rows(total, asked, totals)
        if asked.count is not None:
            yield self._rows(asked.count, asked, totals)

    def _rows(self, total: Total, asked: Asked, totals: Sequence[Total]) -> Noisy:
        """A number of rows, or of the values of a sum."""
        number = 0 if total.is_rows else totals.index(total) + 1
        valued = not total.counts
        if self.whole is None:
            self._summed(asked, "a number of rows of which a subject may have several", "同一主体可有多行时的行数")
        for group in self._deciding():
            self._counted(group, asked)
        sets = tuple(Keyed(group, number, valued) for group in self._deciding())
        return Noisy(f"n{number}" if number else "n", sets, number, ranks_rows=self.whole is None)

    def _sum(self, total: Total, asked: Asked, totals: Sequence[Total]) -> Noisy:
        self._summed(asked, "a sum of protected values", "受保护数值的求和")
        number = totals.index(total) + 1
        name = " * ".join(sorted(map(self._name, total.summand.factors)))
        sets = tuple(Keyed(group, number) for group in self._deciding())
        return Noisy(f"s{number}", sets, number, of=name, base=self._base(total, asked))

    def _base(self, total: Total, asked: Asked) -> int:
        """The base that follows from declared bounds, where policies ask for it; 0 for one by each cell's noise."""
        noise = self.noise
        if not noise.by_bounds or noise.rounding is RoundingKind.NONE or noise.share is None:
            return 0
        largest = largest_declared(total, self.tables, self.provenance)
        if largest is None:
            what = "a sum of a column without declared bounds, or of a table without declared rows per subject"
            raise noise_not_computed(what, "未声明上下界的列或未声明每主体行数的表的求和", asked.at)
        return magnitudes_of(noise.share).bound_to_hide(largest)

    def _deciding(self) -> tuple[int, ...]:
        """The unit groups whose sets decide the noise of rows and of what is added up over them."""
        return self.order if self.whole is None else (self.whole,)

    def _name(self, factor: Expression) -> str:
        """What is added up, whatever a question calls it: the sum of each subject's sum is the sum."""
        if not isinstance(factor, ColumnRef):
            raise TypeError("a factor is a column")
        found = self.provenance.columns(factor)
        stored = [column for column in found if column[1] != ROWS] or found
        bases = ", ".join(sorted(f"{self.tables[scan].name}.{name}" for scan, name in stored))
        inner = factor.relation in self.provenance.derived and self.provenance.definition(factor)
        function = inner.function if isinstance(inner, AggregateCall) else "sum"
        return bases if function == "sum" else f"{function}({bases})"

    def _summed(self, asked: Asked, what: str, what_zh: str) -> None:
        if self.noise.share is None:
            raise noise_not_computed(what, what_zh, asked.at)

    def _counted(self, group: int, asked: Asked) -> None:
        unit = self.groups[group].type
        if unit not in self.noise.tables:
            raise no_noise_table(unit.value, self.rules.k[unit], asked.at)


def _name_of(tables: Mapping[int, Table], scan: int) -> str:
    return str(tables[scan].name) if scan in tables else ""

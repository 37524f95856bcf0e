"""Where the releaser finds the parts of totals among the columns of a core."""

from __future__ import annotations

from dataclasses import dataclass

from louver_sandbox.core_plan import Addend, JudgedTotal, Measure
from louver_sandbox.plan.measures import Asked, Total
from louver_sandbox.plan.overlaps import Guards, judged


def unit_total(groups: tuple[int, ...]) -> str:
    """The column with the distinct units of several groups together."""
    return "u" + "_".join(str(group + 1) for group in groups)


@dataclass(frozen=True, slots=True)
class Parts:
    """The totals of a core, over so many unit groups: the parts of the i-th total end in i + 1.

    `by_key` are those whose conditions ask for a key of the core.
    """

    totals: tuple[Total, ...]
    groups: int
    by_key: frozenset[Total]

    def measure(self, asked: Asked, needed: Guards) -> Measure:
        """Where it finds the parts of one aggregate."""
        if asked.kind == "units":
            return Measure(asked.name, "units", asked.type, (Addend(JudgedTotal(unit_total(asked.groups))),))
        if asked.kind == "grouping":
            return Measure(asked.name, "grouping", asked.type, (), keys=asked.keys)
        addends = tuple(
            Addend(self._judged(total), constant.numerator, constant.denominator) for constant, total in asked.addends
        )
        totals = [total for _, total in asked.addends]
        guarding = [self._judged(total) for total in judged(asked) if total not in totals and not total.is_rows]
        guarding += [
            self._judged(guard.total, optional=guard.optional)
            for guard in dict.fromkeys(guard for total in judged(asked) for guard in needed[total])
        ]
        count = "" if asked.count is None else self._counted(asked.count)
        return Measure(asked.name, asked.kind, asked.type, addends, count, tuple(guarding))

    def _counted(self, total: Total) -> str:
        return "n" if total.is_rows else f"n{self.totals.index(total) + 1}"

    def _judged(self, total: Total, *, optional: bool = False) -> JudgedTotal:
        if total.is_rows:
            return JudgedTotal("n")
        number = self.totals.index(total) + 1
        suffixes = [f"{number}_{group + 1}" for group in range(self.groups)]
        ranked = () if total.counts else suffixes
        return JudgedTotal(
            value=f"n{number}" if total.counts else f"s{number}",
            contributors=tuple(f"z{suffix}" for suffix in suffixes),
            largest=tuple(f"l{suffix}" for suffix in ranked),
            second=tuple(f"e{suffix}" for suffix in ranked),
            magnitude=tuple(f"m{suffix}" for suffix in ranked),
            own=total.own,
            presence=total.presence,
            tallies=total.tallies,
            optional=optional,
            by_key=total in self.by_key,
        )

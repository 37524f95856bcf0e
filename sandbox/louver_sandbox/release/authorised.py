"""The `authorised` mechanism: the declared fields of one subject, masked as the template says (PRIVACY 8).

Whether the authorisation covered the subject was settled at the commit: where it did not, the statement ran about
nobody. So there is one way of saying nothing, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType

from louver_sandbox.algebra.types import TEXT
from louver_sandbox.core_plan import Part
from louver_sandbox.elements import masks
from louver_sandbox.lookups import LookupRules, Show, Standing
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.release.complementary import Solve
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.exact import exact_rows
from louver_sandbox.stages import Cell, Execution, Notice, OutputColumn, Release, Treatment

MASKS: Mapping[Show, Callable[[str], str]] = MappingProxyType(
    {
        Show.NAME: masks.name,
        Show.CITIZEN_NUMBER: masks.citizen_number,
        Show.SUBJECT_CODE: masks.subject_code,
        Show.MOBILE: masks.mobile,
        Show.BANK_CARD: masks.bank_card,
        Show.ADDRESS: masks.address,
        Show.AMOUNT: masks.amount,
        Show.QUARTER: masks.day,
    }
)
"""How a value is masked; what is shown whole has no entry."""


class Authorised:
    """Releases the rows of one subject, field by field."""

    def release(self, execution: Execution, solve: Solve, secret: bytes | None, sampler: Sampler | None) -> Release:
        """The fields of a lookup, which has one core. Nothing is solved or drawn."""
        committed = execution.committed
        plan, standing = committed.plan, committed.standing
        if plan.treatment is not Treatment.AUTHORISED or plan.lookup is None or standing is None:
            raise WorkerLied("rows that are not one subject's")
        if any(core.protected or column.part is not Part.VALUE for core in plan.cores for column in core.columns):
            raise WorkerLied("rows that are not one subject's")
        (found,) = execution.rows
        if found and not standing.covered:
            raise WorkerLied("rows about nobody")
        rules = plan.lookup.rules
        columns = tuple(_column(column, field.show) for column, field in zip(plan.columns, rules.fields, strict=True))
        shows = [field.show for field in rules.fields]
        rows = tuple(
            tuple(_shown(cell, show) for cell, show in zip(row, shows, strict=True))
            for row in exact_rows(found[: rules.most_rows])
        )
        return Release(columns, rows, tuple(_notices(rules, standing, len(found))), plan.treatment)


def _column(column: OutputColumn, show: Show) -> OutputColumn:
    """What is masked is a text, whatever it was."""
    return column if show is Show.WHOLE else OutputColumn(column.name, TEXT)


def _shown(cell: Cell, show: Show) -> Cell:
    if cell is None or show is Show.WHOLE:
        return cell
    return MASKS[show](cell.isoformat() if isinstance(cell, date) else str(cell))


def _notices(rules: LookupRules, standing: Standing, found: int) -> list[Notice]:
    """Where the fields come from, or the one thing that is said of nothing."""
    template = Notice("TEMPLATE", 0, rules.template, f"by template {rules.template}", f"依据模板 {rules.template}")
    if not found:
        told = "there is nothing to tell: no such subject, or no authorisation in force that covers this question"
        told_zh = "无可提供的内容：没有该主体，或没有涵盖本次查询的有效授权"
        return [template, Notice("NOTHING_TOLD", 0, rules.template, told, told_zh)]
    sources = [
        Notice(
            "SOURCE",
            0,
            source.table,
            f"{source.table}, {source.owner}, as of {source.as_of}",
            f"{source.table}，{source.owner}，截至 {source.as_of}",
        )
        for source in rules.sources
    ]
    until = [] if standing.expires is None else [_until(standing.expires)]
    cut = [] if found <= rules.most_rows else [_cut(rules)]
    return [template, *sources, *until, *cut]


def _until(day: date) -> Notice:
    return Notice("AUTHORISED_UNTIL", 0, day.isoformat(), f"authorised until {day}", f"授权有效期至 {day}")


def _cut(rules: LookupRules) -> Notice:
    most = rules.most_rows
    return Notice(
        "ROWS_CUT", most, rules.template, f"the first {most} rows; there are more", f"仅列出前 {most} 行，另有更多"
    )

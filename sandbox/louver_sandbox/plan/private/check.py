"""Law 10 for cores under differential privacy: every number has noise, and the statement bounds every unit."""

from __future__ import annotations

from louver_sandbox.core_plan import CorePlan, Part

_DRAWING = ("random", "setseed", "uuid")
"""Functions that no such statement has: noise is drawn by the releaser alone."""


_BOUNDING = (' ANTI JOIN "over" ', '(SELECT CAST(least("h"."n", ', '"x"."u2" IS NULL')
"""What a statement says that cuts off rows among cells or in the only cell, or clips."""


def problem(core: CorePlan) -> str | None:
    """What is wrong with a core's description or statement; None where nothing is."""
    private = core.private
    if private is None or not core.unit_groups or core.measures or core.noisy or core.finer or core.families:
        return "a private core without noise or units, or judged by thresholds as well"
    keys = [column.name for column in core.columns if column.part is Part.KEY]
    numbers = [column.name for column in core.columns if column.part is Part.VALUE]
    if len(keys) + len(numbers) != len(core.columns) or numbers != [one.name for one in private.noisy]:
        return "a column without noise"
    named = {name for one in private.measures for name in (one.count, one.total, one.squares) if name}
    if not named <= set(numbers) or any(one.scale <= 0 for one in private.noisy):
        return "a measure without its numbers"
    if private.domain is not None:
        if private.tau or private.units or len(private.domain) != len(keys):
            return "a public domain that is not one of the keys"
    elif private.tau < 1 or private.units not in numbers:
        return "groups that nothing lists"
    return _of_text(core)


def _of_text(core: CorePlan) -> str | None:
    """One kind of unit is cut off to so many rows (`over`, or in the only cell), or a second kind is clipped beside
    it (`u2`)."""
    text = core.statement
    bounded = any(mark in text for mark in _BOUNDING)
    if '"u1" IS NOT NULL' not in text or "least(" not in text or not bounded:
        return "a statement that bounds no unit"
    return "a statement that draws" if any(f"{word}(" in text for word in _DRAWING) else None

"""Law 10 for cores under differential privacy: every number has noise, and the statement bounds every unit."""

from __future__ import annotations

from collections.abc import Sequence

from louver_sandbox.core_plan import CorePlan, Part

_DRAWING = ("random", "setseed", "uuid")
"""Functions that no such statement has: noise is drawn by the releaser alone."""


_ORDERED, _CLIPPED, _CUT = ' ANTI JOIN "over" ', '"x"."u2" IS NULL', "least(count(*), "
"""What a statement says that cuts off rows among cells, that clips, and that cuts off rows in each cell."""


def problem(core: CorePlan, cores: Sequence[CorePlan]) -> str | None:
    """What is wrong with a core's description or statement; None where nothing is. `cores` are all of the plan's."""
    private = core.private
    if not core.unit_groups or core.measures or core.noisy or core.finer or core.families:
        return "a private core without units, or judged by thresholds as well"
    keys = [column.name for column in core.columns if column.part is Part.KEY]
    numbers = [column.name for column in core.columns if column.part is Part.VALUE]
    if len(keys) + len(numbers) != len(core.columns):
        return "a column that is neither key nor number"
    if private is None:
        if len(numbers) != 1 or not any(one.core_id == core.ranks_of and one.private for one in cores):
            return "a histogram of no core"
        return _of_text(core)
    own = bool(private.ranks) and not private.noisy
    beside = sum(one.ranks_of == core.core_id for one in cores)
    if core.ranks_of is not None or len(private.ranks) != beside + own:
        return "a histogram without its ranks"
    if own:
        keys, numbers = keys[:-1], numbers[1:]
    if numbers != [one.name for one in private.noisy]:
        return "a column without noise"
    named = {name for one in private.measures for name in (one.count, one.total, one.squares) if name}
    scales = [*(one.scale for one in private.noisy), *(one.scale for one in private.ranks)]
    ranked = all(measure.ranks < len(private.ranks) for measure in private.measures)
    if not named <= set(numbers) or not ranked or any(scale <= 0 for scale in scales):
        return "a measure without its numbers"
    if private.domain is not None:
        if private.tau or private.units or len(private.domain) != len(keys):
            return "a public domain that is not one of the keys"
    elif private.tau < 1 or private.units not in numbers:
        return "groups that nothing lists"
    return _of_text(core)


def _of_text(core: CorePlan) -> str | None:
    """One kind of unit is cut off to so many rows, among its cells by `over` or, where all cells that leave are
    public or there is one, in each of them; or a second kind is clipped beside it (`u2`). Where declared keys stand
    alone no unit adds anything."""
    text = core.statement
    adds = any(column.part is Part.VALUE for column in core.columns)
    keyed = any(column.part is Part.KEY for column in core.columns)
    public = not keyed or (core.private is not None and core.private.domain is not None)
    bounded = _CLIPPED in text or (_CUT in text and (_ORDERED in text if '"over"' in text else public))
    if adds and ('"u1" IS NOT NULL' not in text or "least(" not in text or not bounded):
        return "a statement that bounds no unit"
    return "a statement that draws" if any(f"{word}(" in text for word in _DRAWING) else None

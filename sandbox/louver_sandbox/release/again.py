"""A release that is stored in clear, to leave under a seal: the same numbers, whatever rows now say."""

from __future__ import annotations

import pyarrow as pa

from louver_sandbox.release.seals import is_sealed
from louver_sandbox.stages import Answer, Committed, Release


class NotInClear(Exception):
    """The stored answer is sealed itself, or not of the plan's columns."""


def released_again(answer: Answer, committed: Committed) -> Release:
    """The stored answer as what leaves for a plan that is the same question but for the seal. Raises `NotInClear`."""
    columns = committed.plan.columns
    table = pa.ipc.open_stream(answer.arrow).read_all()
    if is_sealed(table.schema) or table.column_names != [column.name for column in columns] or answer.remainder:
        raise NotInClear
    rows = tuple(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return Release(columns, rows, answer.notices, answer.treatment, None, answer.accuracy)

"""How many entries there are of which verdict, by the day or by the hour.

Days are summed as the index follows the log, so a year of a million entries is counted from sums. Hours, words,
requests and exact costs are counted entry by entry, so many at most; then the counts say that they are not all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from louver_sandbox.auditing import index, search, tables
from louver_sandbox.auditing.search import Filter

MOST_BLOCKS = 50
"""Blocks of neighbouring entries that are looked at one by one."""

_r, _g, _d = tables.rows.c, tables.groups.c, tables.days.c


@dataclass(frozen=True)
class Timeline:
    """Entries by the beginning of a day or an hour (``2026-07-01T08``, UTC) and verdict. Not ``exact``: at least so
    many."""

    counts: Mapping[tuple[str, str], int]
    exact: bool


def timeline(tx: Connection, wanted: Filter, *, hours: bool) -> Timeline:
    """What is wanted, by the day or the hour. The filter names both ends: days, for days."""
    if wanted.text or wanted.request_id:
        found, further = search.candidates(tx, wanted, index.indexed(tx) - 1, ascending=False)
        return Timeline(_looked_at(tx, wanted, _r.entry.in_(found), hours), further is None)
    if not hours and not wanted.has_costs and len(wanted.since) == len(wanted.until) == 10:
        return Timeline(_summed(tx, wanted), True)
    blocks = search.near_blocks(wanted).order_by(tables.blocks.c.block.desc()).limit(MOST_BLOCKS + 1)
    near, total = list(tx.execute(blocks).scalars()), Counter[tuple[str, str]]()
    for block in near[:MOST_BLOCKS]:
        total.update(_looked_at(tx, wanted, search.of_block(block), hours))
    return Timeline(total, len(near) <= MOST_BLOCKS)


def _summed(tx: Connection, wanted: Filter) -> dict[tuple[str, str], int]:
    query = select(_d.day, _g.verdict, func.sum(_d.entries)).join_from(
        tables.days, tables.groups, _g.id == _d.group_id
    )
    query = query.where(_d.day >= wanted.since, _d.day < wanted.until, search.in_groups(_d.group_id, wanted))
    return {(day, verdict): int(n) for day, verdict, n in tx.execute(query.group_by(_d.day, _g.verdict))}


def _looked_at(
    tx: Connection, wanted: Filter, looked: ColumnElement[bool], hours: bool
) -> dict[tuple[str, str], int]:
    start = func.substr(_r.time, 1, 13 if hours else 10)
    query = select(start, _g.verdict, func.count()).join_from(tables.rows, tables.groups, _g.id == _r.group_id)
    query = query.where(looked, *search.residual(wanted)).group_by(start, _g.verdict)
    return {(begin, verdict): int(n) for begin, verdict, n in tx.execute(query)}

"""Finding entries and counting them, in bounded work whatever the log's size and whatever is asked.

What groups of entries say, and times, are counted from kept sums. Words and exact costs are looked up entry by entry,
the newest first and so many at most; then counts say that they are not all.

A page may be shorter than asked for and still have a next one: the work of one page is bounded too. Pages go by
index, so entries that come meanwhile move none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, or_, select

from louver_sandbox.auditing import index, tables
from louver_sandbox.auditing.texts import words as words_of
from louver_sandbox.store import schema

MOST_LOOKED_AT = 20_000
"""Entries that are looked at one by one for counts, or by words for a page."""
MOST_BLOCKS = 10
"""Blocks of neighbouring entries that are looked at one by one, for a page or for counts."""
MOST_VALUES = 50
"""Values of one facet that are counted, the most frequent first."""
MOST_SPELLINGS = 64
"""Words that a beginning (`tax*`) may stand for."""

_r, _g, _b, _s = tables.rows.c, tables.groups.c, tables.blocks.c, tables.spans.c
_w, _t = tables.words.c, tables.terms.c


@dataclass(frozen=True)
class Filter:
    """What entries are wanted. Empty fields want everything; several values of one field are alternatives.

    ``facets`` are values by name (``tables.FACETS``). ``since`` (inclusive) and ``until`` (exclusive) are RFC 3339 in
    UTC, or their beginnings. ``text``: all of these words are in the SQL; ``tax*`` is any word that begins so.
    """

    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    request_id: str = ""
    since: str = ""
    until: str = ""
    least_cost: int | None = None
    most_cost: int | None = None
    text: str = ""

    @property
    def has_costs(self) -> bool:
        """Whether it wants costs, of which only the order is kept in sums."""
        return self.least_cost is not None or self.most_cost is not None


@dataclass(frozen=True)
class Page:
    """Indices in order; ``following`` is where the next page starts, None after the last."""

    entries: tuple[int, ...]
    following: int | None


@dataclass(frozen=True)
class Counts:
    """How many entries a filter finds, and by facet which values how often. Not ``exact``: at least so many."""

    matched: int
    exact: bool
    facets: Mapping[str, tuple[tuple[str, int], ...]]


def page(tx: Connection, wanted: Filter, start: int | None, limit: int, *, ascending: bool = False) -> Page:
    """One page of what is wanted, the newest first unless ``ascending``, from index ``start`` on."""
    size = index.indexed(tx)
    first = (0 if ascending else size - 1) if start is None else min(start, size - 1)
    if not 0 <= first < size or (start is not None and ascending and start >= size) or limit < 1:
        return Page((), None)
    if wanted.text or wanted.request_id:
        return _by_candidates(tx, wanted, first, limit, ascending)
    return _by_blocks(tx, wanted, first, limit, ascending)


def counts(tx: Connection, wanted: Filter) -> Counts:
    """How many entries are wanted, by each facet."""
    if wanted.text and not _asked(wanted.text):
        return _counted(tx, {}, True)
    if wanted.text or wanted.request_id:
        found, further = candidates(tx, wanted, index.indexed(tx) - 1, ascending=False)
        return _counted(tx, _looked_at(tx, wanted, _r.entry.in_(found)), further is None)
    if not (wanted.since or wanted.until or wanted.has_costs):
        query = select(_g.id, _g.entries)
        chosen = _groups(wanted)
        query = query if chosen is None else query.where(_g.id.in_(chosen))
        return _counted(tx, {row.id: row.entries for row in tx.execute(query)}, True)
    return _counted_by_blocks(tx, wanted)


def _counted_by_blocks(tx: Connection, wanted: Filter) -> Counts:
    """Whole blocks from their sums, the others entry by entry."""
    total: Counter[int] = Counter()
    inside = literal(False) if wanted.has_costs else _b.block.in_(select(_s.block).where(*_inside(wanted)))
    query = select(_b.group_id, func.sum(_b.entries)).where(in_groups(_b.group_id, wanted), inside)
    for group, count in tx.execute(query.group_by(_b.group_id)):
        total[group] += int(count)
    parts = near_blocks(wanted).where(~inside).order_by(_b.block.desc()).limit(MOST_BLOCKS + 1)
    blocks = list(tx.execute(parts).scalars())
    for block in blocks[:MOST_BLOCKS]:
        total.update(_looked_at(tx, wanted, of_block(block)))
    return _counted(tx, total, len(blocks) <= MOST_BLOCKS)


def _looked_at(tx: Connection, wanted: Filter, looked: ColumnElement[bool]) -> dict[int, int]:
    query = select(_r.group_id, func.count()).where(looked, *residual(wanted)).group_by(_r.group_id)
    return {group: int(count) for group, count in tx.execute(query)}


def related(tx: Connection, entry: int, limit: int) -> tuple[int, ...]:
    """Entries about this one, and the one that it is about, in order."""
    above = select(_r.about).where(_r.entry == entry).scalar_subquery()
    query = select(_r.entry).where(or_(_r.about == entry, _r.entry == above)).order_by(_r.entry).limit(limit)
    return tuple(int(found) for found in tx.execute(query).scalars())


def _counted(tx: Connection, by_group: Mapping[int, int], exact: bool) -> Counts:
    facets: dict[str, Counter[str]] = {name: Counter() for name in (*tables.FACETS, "dataset")}
    ids = list(by_group)
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        for row in tx.execute(select(_g.id, *(_g[name] for name in tables.FACETS)).where(_g.id.in_(some))):
            for name, value in zip(tables.FACETS, row[1:], strict=True):
                facets[name][value] += by_group[row[0]]
        of = tables.group_datasets.c
        for dataset, group in tx.execute(select(of.dataset, of.group_id).where(of.group_id.in_(some))):
            facets["dataset"][dataset] += by_group[group]
    return Counts(sum(by_group.values()), exact, {name: tuple(_most(found)) for name, found in facets.items()})


def _most(found: Counter[str]) -> Sequence[tuple[str, int]]:
    named = [(value, count) for value, count in found.items() if value]
    return sorted(named, key=lambda item: (-item[1], item[0]))[:MOST_VALUES]


def _groups(wanted: Filter) -> Select[Any] | None:
    """The ids of the groups that may hold what is wanted; None for all."""
    chosen: list[ColumnElement[bool]] = [_g[name].in_(values) for name, values in wanted.facets.items() if values]
    if wanted.datasets:
        of = tables.group_datasets.c
        chosen.append(_g.id.in_(select(of.group_id).where(of.dataset.in_(wanted.datasets))))
    if wanted.least_cost is not None:
        chosen.append(_g.cost_to >= wanted.least_cost)
    if wanted.most_cost is not None:
        chosen.append(_g.cost_from <= wanted.most_cost)
    return select(_g.id).where(*chosen) if chosen else None


def in_groups(column: ColumnElement[int], wanted: Filter) -> ColumnElement[bool]:
    found = _groups(wanted)
    return literal(True) if found is None else column.in_(found)


def _inside(wanted: Filter) -> list[ColumnElement[bool]]:
    """The blocks all of whose entries are of the wanted time."""
    since = [_s.earliest >= wanted.since] if wanted.since else []
    return since + ([_s.latest < wanted.until] if wanted.until else [])


def near_blocks(wanted: Filter) -> Select[Any]:
    """The blocks that may hold what is wanted."""
    query = select(_b.block).where(in_groups(_b.group_id, wanted)).distinct()
    if wanted.since:
        query = query.where(_b.block.in_(select(_s.block).where(_s.latest >= wanted.since)))
    if wanted.until:
        query = query.where(_b.block.in_(select(_s.block).where(_s.earliest < wanted.until)))
    return query


def of_block(block: int) -> ColumnElement[bool]:
    return and_(_r.entry >= block * tables.BLOCK, _r.entry < (block + 1) * tables.BLOCK)


def residual(wanted: Filter) -> list[ColumnElement[bool]]:
    """Everything but the words, entry by entry."""
    found = [in_groups(_r.group_id, wanted)]
    if wanted.since:
        found.append(_r.time >= wanted.since)
    if wanted.until:
        found.append(_r.time < wanted.until)
    if wanted.least_cost is not None:
        found.append(_r.cost >= wanted.least_cost)
    if wanted.most_cost is not None:
        found.append(_r.cost <= wanted.most_cost)
    return found


def _by_blocks(tx: Connection, wanted: Filter, start: int, limit: int, ascending: bool) -> Page:
    """Block by block, those only that may hold what is wanted."""
    here = start // tables.BLOCK
    blocks = near_blocks(wanted).where(_b.block >= here if ascending else _b.block <= here)
    blocks = blocks.order_by(_b.block.asc() if ascending else _b.block.desc()).limit(MOST_BLOCKS + 1)
    near = list(tx.execute(blocks).scalars())
    order = _r.entry.asc() if ascending else _r.entry.desc()
    reach = _r.entry >= start if ascending else _r.entry <= start
    found: list[int] = []
    for block in near[:MOST_BLOCKS]:
        query = select(_r.entry).where(of_block(block), reach, *residual(wanted))
        found += tx.execute(query.order_by(order).limit(limit + 1 - len(found))).scalars()
        if len(found) > limit:
            return Page(tuple(found[:limit]), found[limit])
    if len(near) <= MOST_BLOCKS:
        return Page(tuple(found), None)
    edge = near[MOST_BLOCKS] * tables.BLOCK
    return Page(tuple(found), edge if ascending else edge + tables.BLOCK - 1)


def _by_candidates(tx: Connection, wanted: Filter, start: int, limit: int, ascending: bool) -> Page:
    """Among the next entries that have the words or the request's id."""
    near, further = candidates(tx, wanted, start, ascending=ascending)
    order = _r.entry.asc() if ascending else _r.entry.desc()
    query = select(_r.entry).where(_r.entry.in_(near), *residual(wanted)).order_by(order).limit(limit + 1)
    found = list(tx.execute(query).scalars())
    if len(found) > limit:
        return Page(tuple(found[:limit]), found[limit])
    return Page(tuple(found), further)


def candidates(
    tx: Connection, wanted: Filter, start: int, *, ascending: bool
) -> tuple[Select[Any] | list[int], int | None]:
    """The next entries that may be wanted, at most so many, and where to look on if there are more."""
    spelled = [_spellings(tx, word) for word in _asked(wanted.text)]
    if not all(spelled):
        return [], None
    if wanted.request_id:
        column, of = schema.entries.c.index, schema.entries.c.request_id == wanted.request_id
        others = spelled
    elif spelled:
        rarest, *others = sorted(spelled, key=lambda ids: sum(ids.values()))
        column, of = _w.entry, _w.term.in_(rarest)
    else:
        return [], None
    order = column.asc() if ascending else column.desc()
    near = select(column.label("entry")).where(of, column >= start if ascending else column <= start)
    near = near.distinct().order_by(order)
    edge = tx.execute(near.offset(MOST_LOOKED_AT).limit(1)).scalar_one_or_none()
    some = near.limit(MOST_LOOKED_AT).subquery()
    query = select(some.c.entry)
    for ids in others:
        also = tables.words.alias()
        query = query.where(exists().where(also.c.term.in_(ids), also.c.entry == some.c.entry))
    return query, edge


def _asked(text: str) -> Collection[str]:
    """The words of a search; one that ends in an asterisk keeps it."""
    found: dict[str, None] = {}
    for part in text.split():
        pieces = words_of(part)
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            found[piece + "*" if part.endswith("*") and last else piece] = None
    return found


def _spellings(tx: Connection, word: str) -> dict[int, int]:
    """The terms that a word of a search stands for, and how many entries have each."""
    if not word.endswith("*"):
        return _counts_of(tx, select(_t.id, _t.entries).where(_t.word == word))
    begins = word.removesuffix("*")
    query = select(_t.id, _t.entries).where(_t.word >= begins, _t.word < begins + "\U0010ffff")
    return _counts_of(tx, query.order_by(_t.entries.desc()).limit(MOST_SPELLINGS))


def _counts_of(tx: Connection, query: Select[Any]) -> dict[int, int]:
    return {int(row.id): int(row.entries) for row in tx.execute(query)}

"""The index follows the log: a batch of entries at a time, in transactions of its own, never on a question's way.

An entry is in all tables of the index or in none. What is not yet in it is found a moment later.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, bindparam, case, delete, func, insert, select, update

from louver_sandbox.audit import commitments, pruned, stored
from louver_sandbox.audit.entries import commitments_of
from louver_sandbox.auditing import tables
from louver_sandbox.auditing.described import Described, describe, order_of
from louver_sandbox.auditing.texts import words
from louver_sandbox.store import State, schema
from louver_sandbox.store.prepared import Prepared
from louver_sandbox.store.upserts import Upsert, insert_into

BATCH = 200
"""Entries of one transaction, for which a question may have to wait some hundredths of a second."""
_PARAMETERS = 500
"""Values in one IN list."""


def catch_up(state: State, at_most: int) -> int:
    """Takes up to so many further entries into the index; returns how many were taken."""
    taken, known = 0, _Known()
    while taken < at_most:
        with state.reading() as tx:
            if indexed(tx) >= stored.size_of(tx):
                return taken
        with state.transaction() as tx:
            found = _advance(tx, min(BATCH, at_most - taken), known)
        if not found:
            return taken
        taken += found
    return taken


@dataclass
class _Known:
    """Ids that earlier batches have found. ``end`` is where they ended: if the index is elsewhere, they are stale."""

    end: int = -1
    groups: dict[str, int] = field(default_factory=dict)
    terms: dict[str, int] = field(default_factory=dict)


def indexed(tx: Connection) -> int:
    """How many entries, from the first on, are in the index."""
    last = tx.execute(select(func.max(tables.rows.c.entry))).scalar_one()
    return 0 if last is None else int(last) + 1


def clear(state: State) -> None:
    """Empties the index, so that it is made anew; the log and its cosignatures stay."""
    with state.transaction() as tx:
        for table in tables.DERIVED:
            tx.execute(delete(table))


def forget(tx: Connection, entries: Sequence[int], sql: str) -> None:
    """Takes the words of an erased text out of the index, and the words that no other text has."""
    for word in words(sql):
        term = tx.execute(select(tables.terms.c.id).where(tables.terms.c.word == word)).scalar_one_or_none()
        if term is None:
            continue
        gone = sum(
            tx.execute(
                delete(tables.words).where(tables.words.c.term == term, tables.words.c.entry.in_(some))
            ).rowcount
            for some in _split(entries)
        )
        tx.execute(
            update(tables.terms).where(tables.terms.c.id == term).values(entries=tables.terms.c.entries - gone)
        )
    tx.execute(delete(tables.terms).where(tables.terms.c.entries <= 0))


def regroup(tx: Connection, lefts: Mapping[int, Mapping[str, Any]]) -> None:
    """Takes what was pruned of these entries out of the index: their words, and all that is not left of them."""
    known = sorted(set(lefts) & set(tx.execute(select(_r.entry).where(_r.entry.in_(lefts))).scalars()))
    for some in _split(known):
        _forget_words(tx, some)
    batch, moved = _Batch(tx, _Known()), Counter[tuple[int, int]]()
    days = Counter[tuple[str, int]]()
    before = {row.entry: row.group_id for row in tx.execute(select(_r.entry, _r.group_id).where(_r.entry.in_(known)))}
    for index in known:
        found = describe(lefts[index])
        if not found.datasets and found.about is not None and found.verdict:
            found = describe(lefts[index], batch.datasets_of(found.about))
        group, block = batch.group_of(found), index // tables.BLOCK
        moved[block, before[index]] -= 1
        moved[block, group] += 1
        days[found.time[:10], before[index]] -= 1
        days[found.time[:10], group] += 1
        changed = update(tables.rows).where(tables.rows.c.entry == index)
        tx.execute(changed.values(group_id=group, cost=found.cost, about=found.about))
    rows = [{"block": block, "group_id": group, "entries": n} for (block, group), n in moved.items() if n]
    if rows:
        _BLOCKS.run(tx, *rows)
        totals: Counter[int] = Counter()
        for (_, group), count in moved.items():
            totals[group] += count
        _TOTALS.run(tx, *({"group": group, "more": count} for group, count in totals.items()))
        tx.execute(delete(tables.blocks).where(tables.blocks.c.entries <= 0))
        _add_days(tx, days)
        tx.execute(delete(tables.days).where(tables.days.c.entries <= 0))


def _add_days(tx: Connection, days: Mapping[tuple[str, int], int]) -> None:
    rows = [{"day": day, "group_id": group, "entries": n} for (day, group), n in days.items() if n]
    if rows:
        _DAYS.run(tx, *rows)


def _forget_words(tx: Connection, entries: Sequence[int]) -> None:
    of = tables.words.c
    counts = tx.execute(select(of.term, func.count()).where(of.entry.in_(entries)).group_by(of.term)).all()
    tx.execute(delete(tables.words).where(of.entry.in_(entries)))
    for term, gone in counts:
        fewer = update(tables.terms).where(tables.terms.c.id == term)
        tx.execute(fewer.values(entries=tables.terms.c.entries - gone))
    tx.execute(delete(tables.terms).where(tables.terms.c.entries <= 0))


def entries_with(tx: Connection, institution: str, request_id: str, commitment: str) -> list[int]:
    """The entries of a request that repeat a commitment."""
    table = schema.entries.c
    query = select(table.index, table.body).where(table.request_id == request_id, table.institution == institution)
    return [int(index) for index, body in tx.execute(query) if commitment in commitments_of(fields_of(body)).values()]


def fields_of(body: bytes) -> Mapping[str, Any]:
    """The fields of an entry, not looked at closely; none where somebody has made its bytes unreadable."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass
class _Batch:
    """What some entries add to the index."""

    tx: Connection
    known: _Known
    datasets: dict[int, tuple[str, ...]] = field(default_factory=dict)
    rows: list[dict[str, object]] = field(default_factory=list)
    blocks: Counter[tuple[int, int]] = field(default_factory=Counter)
    days: Counter[tuple[str, int]] = field(default_factory=Counter)
    spans: dict[int, tuple[str, str]] = field(default_factory=dict)
    words: list[tuple[int, str]] = field(default_factory=list)

    def take(self, index: int, fields: Mapping[str, Any]) -> None:
        found = describe(fields)
        if not found.datasets and found.about is not None and found.verdict:
            found = describe(fields, self.datasets_of(found.about))
        group = self.group_of(found)
        self.datasets[index] = found.datasets
        self.rows.append(
            {"entry": index, "group_id": group, "time": found.time, "cost": found.cost, "about": found.about}
        )
        block = index // tables.BLOCK
        self.blocks[block, group] += 1
        self.days[found.time[:10], group] += 1
        earliest, latest = self.spans.get(block, (found.time, found.time))
        self.spans[block] = min(earliest, found.time), max(latest, found.time)
        value = commitments_of(fields).get("sql")
        opening = commitments.find(self.tx, {"sql": value}).get("sql") if value is not None else None
        if opening is not None:
            self.words.extend((index, word) for word in words(opening.text))

    def group_of(self, found: Described) -> int:
        least, most = order_of(found.cost)
        said = {name: getattr(found, name) for name in tables.FACETS}
        key = json.dumps([*said.values(), list(found.datasets), least], ensure_ascii=False)
        known = self.known.groups.get(key)
        if known is None:
            table = tables.groups
            known = self.tx.execute(select(table.c.id).where(table.c.key == key)).scalar_one_or_none()
            if known is None:
                made = self.tx.execute(
                    insert(table).values(key=key, cost_from=least, cost_to=most, entries=0, **said)
                )
                known = int(made.inserted_primary_key[0])  # type: ignore[index] # one row was inserted
                if found.datasets:
                    rows = [{"dataset": name, "group_id": known} for name in found.datasets]
                    self.tx.execute(insert(tables.group_datasets), rows)
            self.known.groups[key] = known
        return known

    def datasets_of(self, entry: int) -> tuple[str, ...]:
        if entry not in self.datasets:
            of = tables.group_datasets.c
            query = select(of.dataset).join(tables.rows, tables.rows.c.group_id == of.group_id)
            query = query.where(tables.rows.c.entry == entry).order_by(of.dataset)
            self.datasets[entry] = tuple(self.tx.execute(query).scalars())
        return self.datasets[entry]

    def write(self) -> None:
        _ROWS.run(self.tx, *self.rows)
        rows = [{"block": block, "group_id": group, "entries": n} for (block, group), n in self.blocks.items()]
        _BLOCKS.run(self.tx, *rows)
        _add_days(self.tx, self.days)
        _SPANS.run(self.tx, *({"block": block, "earliest": a, "latest": b} for block, (a, b) in self.spans.items()))
        totals: Counter[int] = Counter()
        for (_, group), count in self.blocks.items():
            totals[group] += count
        _TOTALS.run(self.tx, *({"group": group, "more": count} for group, count in totals.items()))
        if self.words:
            self._write_words()

    def _write_words(self) -> None:
        counts = Counter(word for _, word in self.words)
        _TERMS.run(self.tx, *({"word": word, "entries": count} for word, count in counts.items()))
        ids = self.known.terms
        for some in _split([word for word in counts if word not in ids]):
            query = select(tables.terms.c.word, tables.terms.c.id).where(tables.terms.c.word.in_(some))
            ids |= {str(row.word): int(row.id) for row in self.tx.execute(query)}
        _WORDS.run(self.tx, *({"term": ids[word], "entry": entry} for entry, word in self.words))


def _advance(tx: Connection, limit: int, known: _Known) -> int:
    """The next entries of the log into the index; how many."""
    table, start = schema.entries.c, indexed(tx)
    if known.end != start:
        known.groups.clear()
        known.terms.clear()
    query = select(table.index, table.body).where(table.index >= start).order_by(table.index).limit(limit)
    found = tx.execute(query).all()
    if found:
        batch = _Batch(tx, known)
        lefts = pruned.between(tx, start, found[-1][0] + 1)
        for index, body in found:
            batch.take(index, fields_of(body) if body or index not in lefts else lefts[index].fields)
        batch.write()
        known.end = start + len(found)
    return len(found)


def _split(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), _PARAMETERS):
        yield values[start : start + _PARAMETERS]


def _added(table: Table, *keys: str) -> Prepared:
    """Adds rows; counts of what is there already are added up."""
    given: dict[str, object] = {
        column.name: bindparam(column.name) for column in table.columns if column.name != "id"
    }

    def made(dialect: str) -> Upsert:
        row = insert_into(table, dialect).values(given)
        more = {"entries": table.c.entries + row.excluded.entries}
        return row.on_conflict_do_update(index_elements=keys, set_=more)

    return Prepared(made)


def _widened() -> Prepared:
    table = tables.spans

    def made(dialect: str) -> Upsert:
        row = insert_into(table, dialect).values({column.name: bindparam(column.name) for column in table.columns})
        new, old = row.excluded, table.c
        wider = {
            "earliest": case((new.earliest < old.earliest, new.earliest), else_=old.earliest),
            "latest": case((new.latest > old.latest, new.latest), else_=old.latest),
        }
        return row.on_conflict_do_update(index_elements=["block"], set_=wider)

    return Prepared(made)


_r, _DAYS = tables.rows.c, _added(tables.days, "day", "group_id")
_ROWS, _WORDS = Prepared(insert(tables.rows)), Prepared(insert(tables.words))
_BLOCKS, _TERMS, _SPANS = _added(tables.blocks, "block", "group_id"), _added(tables.terms, "word"), _widened()
_TOTALS = Prepared(
    update(tables.groups)
    .where(tables.groups.c.id == bindparam("group"))
    .values(entries=tables.groups.c.entries + bindparam("more"))
)

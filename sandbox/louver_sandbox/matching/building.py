"""Making a list's set: the entries in force on a day, sealed under their subjects' tokens, and the subjects beside.

It reads rows, so it is done by a process of its own (`build_main`), never by the service. Two files come of it: the
set that is given out, and the subjects, by which numbers and sums are computed inside.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from louver.matching import sets
from louver.matching.subjects import value_of
from louver_sandbox.catalog.model import Catalog, Column, Table
from louver_sandbox.catalog.sources import attach_statement, quote, relation
from louver_sandbox.matching.oprf import MATCH_USE, Key
from louver_sandbox.matching.process import SIZE_BYTES
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL
from louver_sandbox.policy.matching import ListSpec, person_predicate
from louver_sandbox.publishing.predicates import predicate_sql


class SetRefused(Exception):
    """The set cannot be made as the policy and the catalogue say; the text names no value."""


@dataclass(frozen=True)
class Built:
    """A set: what is given out, what stays inside, and how many subjects are in it (which is told to nobody).

    `personal` are records of persons who are hit by their own authorisation: each leaves alone, or never."""

    given: bytes
    inside: bytes
    personal: bytes
    subjects: int


@dataclass(frozen=True)
class Entry:
    """A subject on the list: its one spelling, whether it is a person, and what the list says of it."""

    subject: str
    person: bool
    rows: tuple[sets.Row, ...]


def build(catalog: Catalog, spec: ListSpec, seed: bytes) -> Built:
    """The set of a list on its day.

    Raises:
        SetRefused: the table is not as the specification says, a date column is none, or an entry is too long.
        Refused: a predicate is not one over the table.
    """
    table = catalog.table(spec.table)
    if table is None or table.source is None or table.data_version != spec.data_version:
        raise SetRefused(f"{spec.table}: the data are not those that the set was asked of")
    everybody = entries(table, spec)
    found = tuple(entry for entry in everybody if spec.persons or not entry.person)
    apart = tuple(entry for entry in everybody if not spec.persons and entry.person)
    key = Key(seed, MATCH_USE, spec.title, spec.id)
    size = entry_bytes(everybody, spec)
    whole = sets.LABEL_BYTES + size + sets.TAG_BYTES
    personal = whole.to_bytes(SIZE_BYTES, "big") + b"".join(sorted(records(apart, spec, key, size)))
    return Built(given(found, spec, key, seed, size), inside(found), personal, len(found))


def entries(table: Table, spec: ListSpec) -> tuple[Entry, ...]:
    """The subjects with an entry in force, in the order of their ids; each once, with all its rows."""
    columns = _columns(table, spec)
    rows: dict[str, list[sets.Row]] = defaultdict(list)
    persons: dict[str, bool] = {}
    for subject, person, *values in _read(table, spec, columns):
        try:
            spelling = value_of(subject)
        except ValueError:
            continue  # no id of anybody: nobody can ask for it
        name = spelling.partition(b"\0")[2].decode()
        persons[name] = persons.get(name, False) or bool(person)
        rows[name].append(dict(zip(spec.columns, map(_plain, values), strict=True)))
    return tuple(Entry(name, persons[name], tuple(sorted(rows[name], key=repr))) for name in sorted(rows))


def _columns(table: Table, spec: ListSpec) -> tuple[Column, ...]:
    found = [column for name in (spec.key, *spec.columns) if (column := table.column(name)) is not None]
    if len(found) != 1 + len(spec.columns) or any(column.level > HIGHEST_OPERABLE_LEVEL for column in found):
        raise SetRefused(f"{spec.table}: a column of the set is not in the catalogue, or is L5")
    return tuple(found)


def _read(table: Table, spec: ListSpec, columns: Sequence[Column]) -> Iterator[tuple[Any, ...]]:
    """Id, whether a person, and the shown columns of every row in force."""
    below = tuple(column for column in table.columns if column.level <= HIGHEST_OPERABLE_LEVEL)
    person = person_predicate(table)
    is_person = "FALSE" if person is None else f"COALESCE({predicate_sql(table, person)}, TRUE)"
    conditions = [predicate_sql(table, spec.predicate), f"{quote(spec.key)} IS NOT NULL", *_in_force(table, spec)]
    if table.kept is not None:
        conditions.append(predicate_sql(table, table.kept))
    if not spec.persons and not spec.authorised:
        conditions.append(f"NOT {is_person}")
    shown = ", ".join(quote(column.name) for column in columns[1:])
    statement = (
        f"SELECT CAST({quote(spec.key)} AS VARCHAR), {is_person}{', ' + shown if shown else ''} "  # noqa: S608
        f"FROM {relation(table, below)} AS s WHERE {' AND '.join(conditions)}"
    )
    with duckdb.connect(":memory:", config={"threads": 2, "autoinstall_known_extensions": False}) as connection:
        if table.source is not None and (attach := attach_statement(table.source)):
            connection.execute(attach)
        cursor = connection.execute(statement)
        while batch := cursor.fetchmany(10_000):
            yield from batch


def _in_force(table: Table, spec: ListSpec) -> Iterator[str]:
    """Where an entry counts on the day: not expired, and neither repaired nor removed.

    A row without an end has none in writing, and is not taken to be in force for ever.
    """
    day = f"DATE '{spec.day.isoformat()}'"
    for name, condition in ((spec.until, "{} >= {}"), (spec.ended, "({0} IS NULL OR {0} > {1})")):
        if name is None:
            continue
        column = table.column(name)
        if column is None or str(column.type) != "date":
            raise SetRefused(f"{spec.table}: {name} is no date column")
        yield condition.format(quote(name), day)


def _plain(value: Any) -> Any:
    """A value as JSON holds it: numbers beyond whole ones and dates as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case float():
            return repr(value)
        case list() | tuple():
            return [_plain(item) for item in value]
    raise SetRefused("a column of the set has a type that hits cannot show")


def entry_bytes(found: Sequence[Entry], spec: ListSpec) -> int:
    """The one length of all entries. Raises `SetRefused`."""
    longest = max((len(sets.seal(entry.rows)) for entry in found), default=0) + 4
    size = -(-longest // sets.STEP) * sets.STEP
    if size > sets.LARGEST_ENTRY:
        raise SetRefused(f"{spec.title}: a subject's entries are longer than {sets.LARGEST_ENTRY} bytes")
    return size


def records(found: Sequence[Entry], spec: ListSpec, key: Key, size: int) -> list[bytes]:
    """A record for each subject."""
    tokens = key.tokens([value_of(entry.subject) for entry in found])
    return [
        sets.record(token, sets.seal(entry.rows), spec.id, size) for token, entry in zip(tokens, found, strict=True)
    ]


def given(found: Sequence[Entry], spec: ListSpec, key: Key, seed: bytes, size: int) -> bytes:
    """The set that requesters get: a record for each subject, and dummies up to a power of two."""
    edition, made = spec.id, records(found, spec, key, size)
    number = max(sets.LEAST_RECORDS, 1 << max(0, len(made) - 1).bit_length())
    made += _dummies(number - len(made), sets.LABEL_BYTES + size + sets.TAG_BYTES, seed, edition)
    header = sets.SetHeader(
        edition=edition,
        list=spec.title,
        day=spec.day.isoformat(),
        public_key=key.public.hex(),
        columns=spec.columns,
        records=number,
        entry_bytes=size,
    )
    return sets.write(header, made)


def _dummies(count: int, size: int, seed: bytes, edition: str) -> Iterator[bytes]:
    """Records that open with no token. They follow from the seed, so that the same edition is the same bytes."""
    secret = hmac.digest(seed, b"louver set dummies\0" + edition.encode(), "sha256")
    for number in range(count):
        yield hashlib.shake_256(secret + number.to_bytes(8, "big")).digest(size)


def inside(found: Sequence[Entry]) -> bytes:
    """The subjects, one a line, for numbers and sums."""
    return "".join(f"{entry.subject}\n" for entry in found).encode()

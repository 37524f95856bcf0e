"""What attackers ask: a plain threshold, noise by cell key, the whole line in process. Limits: `attackers.platform`.

`CellKeyed` applies the platform's own tables, keys and rounding to unit sets that DuckDB finds in bulk; `Line` takes
every question through binding, planning, the worker's statement and the release. Tests hold the one to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count, repeat
from typing import Final, Protocol

import duckdb
import numpy as np
import pyarrow as pa
from tests.support.attackers.people import People
from tests.support.relations import (
    BANK,
    World,
    column,
    engine_type,
    person,
    question,
    readings,
    record_key,
    reply_to,
    table,
)

from louver_sandbox.algebra.types import BOOLEAN, INTEGER
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.keys import COUNT, UnitSet, cell_keys
from louver_sandbox.perturbation.named import rounding_of, table_of
from louver_sandbox.perturbation.rounding import rounded
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.release.decode import decode
from louver_sandbox.release.release import release
from louver_sandbox.stages import Committed, Subject

Answer = int | None
"""A number, or None for what is withheld."""

K: Final = 10
SECRET: Final = bytes(range(32))
NOISE: Final = NoiseRules({UnitType.PERSON: "persons"})
RECOMMENDED: Final = NoiseRules({UnitType.PERSON: "persons"}, RoundingKind.RANDOM, 5)
"""Noise of standard deviation 2, rounded to more than twice that."""

_COUNT: Final = re.compile(r"SELECT count\(\*\) FROM gov\.person WHERE (.*)", re.DOTALL)
_AT_ONCE: Final = 100


class LimitReached(Exception):
    """No further question is answered to anybody."""


class Releaser(Protocol):
    """What an attacker sees of the platform."""

    def ask(self, sqls: Sequence[str]) -> list[Answer]:
        """The answers to questions of one number each."""
        ...


def counting(condition: str) -> str:
    """The question how many people satisfy a condition."""
    return f"SELECT count(*) FROM gov.person WHERE {condition}"


def counts(releaser: Releaser, conditions: Sequence[str]) -> list[Answer]:
    """How many people satisfy each condition, as it is answered."""
    return releaser.ask([counting(condition) for condition in conditions])


class Engine:
    """The rows, where a worker would find them, and as `gov.person` for statements of our own."""

    def __init__(self, people: People) -> None:
        self.world = _world()
        (described,) = self.world.tables
        self.connection = duckdb.connect(config={"threads": 1})
        names = [f"P{number}" for number in range(len(people.known))]
        rows = pa.table(
            {
                "person_id": names,
                "district": people.known.district,
                "age": people.known.age,
                "house": people.known.house,
                "late": people.late,
                "grade": people.grade,
                "income": people.income,
                described.units[0].record_key: [record_key(name) for name in names],
            }
        )
        self.connection.register("rows", rows)
        self.connection.execute("ATTACH ':memory:' AS s1")
        self._keys = np.array(rows[described.units[0].record_key])
        kept = [f'"{item.name}"::{engine_type(item.type)} AS "{item.name}"' for item in described.columns]
        key = f'"{described.units[0].record_key}"'
        self.connection.execute(f"CREATE TABLE s1.main.data AS SELECT {', '.join(kept)}, {key} FROM rows")
        self.connection.execute("CREATE SCHEMA gov")
        self.connection.execute("CREATE VIEW gov.person AS SELECT * FROM s1.main.data")

    def sets(self, sqls: Sequence[str]) -> list[UnitSet]:
        """Whom each question counts, as the engine of the platform describes them: one row is one person."""
        found: list[UnitSet] = []
        for start in range(0, len(sqls), _AT_ONCE):
            conditions = [_condition(sql) for sql in sqls[start : start + _AT_ONCE]]
            shown = ", ".join(f"({condition}) AS c{number}" for number, condition in enumerate(conditions))
            chosen = self.connection.sql(f"SELECT {shown} FROM gov.person").fetchnumpy()
            for number in range(len(conditions)):
                keys = self._keys[chosen[f"c{number}"]]
                found.append(UnitSet(UnitType.PERSON, len(keys), int(np.bitwise_xor.reduce(keys))))
        return found


def _world() -> World:
    columns = [column("person_id", nullable=False), column("late", BOOLEAN, nullable=False)]
    columns += [column(name, INTEGER, nullable=False) for name in ("district", "age", "house", "grade", "income")]
    return World((table("gov.person", columns, [person("person_id", rows_per_unit=1)]),), {})


def _condition(sql: str) -> str:
    found = _COUNT.fullmatch(sql)
    assert found is not None, sql
    return found[1]


class PlainThreshold:
    """The baseline: exact numbers of whatever has k people, nothing else, nothing remembered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, sqls: Sequence[str]) -> list[Answer]:
        return [one.units if one.units >= K else None for one in self._engine.sets(sqls)]


class PlainNumber:
    """The baseline for any one number: the question as it is written, and a count of its rows beside it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, sqls: Sequence[str]) -> list[Answer]:
        answers: list[Answer] = []
        for sql in sqls:
            ((value, rows),) = self._engine.connection.sql(sql.replace(" FROM", ", count(*) FROM", 1)).fetchall()
            answers.append(int(value) if rows >= K else None)
        return answers


class CellKeyed:
    """Noise by the set of people, then rounding, by the platform's own functions; the threshold comes first."""

    def __init__(
        self, engine: Engine, rules: NoiseRules = RECOMMENDED, secrets: Iterator[bytes] | None = None
    ) -> None:
        found = table_of(rules, UnitType.PERSON)
        assert found is not None
        self._engine, self._table, self._rounding = engine, found, rounding_of(rules)
        self._secrets = repeat(SECRET) if secrets is None else secrets

    def ask(self, sqls: Sequence[str]) -> list[Answer]:
        return [self._released(one) for one in self._engine.sets(sqls)]

    def _released(self, one: UnitSet) -> Answer:
        if one.units < K:
            return None
        key = cell_keys(next(self._secrets), COUNT)([one])
        noisy = self._table.perturbed(one.units, key.noise())
        return noisy if self._rounding is None else rounded(noisy, self._rounding, key)


def drawn_anew(engine: Engine) -> CellKeyed:
    """Noise that every question draws for itself, as much of it, and not rounded."""
    return CellKeyed(engine, NOISE, (number.to_bytes(32) for number in count()))


class Line:
    """The whole line in process: binds, plans, verifies, runs the worker's statement, judges and releases."""

    def __init__(self, engine: Engine, rules: NoiseRules | None = RECOMMENDED, subject: Subject = BANK) -> None:
        self._engine, self._rules = engine, ThresholdRules({UnitType.PERSON: K}, noise=rules)
        self._subject = subject

    def ask(self, sqls: Sequence[str]) -> list[Answer]:
        return [self._answers(sql)[0] for sql in sqls]

    def repeated(self, sql: str, times: int) -> list[Answer]:
        """One plan and one reply of a worker, released so many times."""
        return self._answers(sql, times)

    def _answers(self, sql: str, times: int = 1) -> list[Answer]:
        permit = question(self._engine.world, sql, rules=self._rules)
        request = replace(permit.bound.request, subject=self._subject)
        made = plan(replace(permit, bound=replace(permit.bound, request=request)))
        verify(made, readings(made))
        reply = reply_to(self._engine.connection, made)
        execution = decode(reply, Committed(made, request, 0, {}, {}, {}))
        answers: list[Answer] = []
        for _ in range(times):
            ((value,),) = release(execution, secret=SECRET).rows
            assert value is None or isinstance(value, int | Decimal)
            answers.append(None if value is None else int(value))
        return answers


class Recorded:
    """Keeps what was asked and answered, so that another releaser can be asked the same."""

    def __init__(self, releaser: Releaser) -> None:
        self._releaser = releaser
        self.answers: dict[str, Answer] = {}

    def ask(self, sqls: Sequence[str]) -> list[Answer]:
        answers = self._releaser.ask(sqls)
        self.answers |= dict(zip(sqls, answers, strict=True))
        return answers

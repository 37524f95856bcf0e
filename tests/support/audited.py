"""A log as a year of questions leaves it, made fast and the same every time, for what auditors do with it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.support.audit_logs import ORIGIN, SIGNER, SeededRandomness

from louver_sandbox.audit import JSON, AuditLog, Entry, stored
from louver_sandbox.store import State

TABLES = ("gov.tax_credit", "gov.ent_registry", "gov.population", "gov.social_security", "gov.real_estate")
BANKS = ("bank_a", "bank_b", "bank_c", "fund_d")
PURPOSES = ("RESEARCH", "CREDIT_REVIEW", "MARKETING")
CODES = ("LVR-2001", "LVR-2101", "LVR-1301", "LVR-3001")
WORDS = ("rating_year", "district_code", "grade", "朝阳区", "海淀区", "uscc")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Calendar:
    """A clock that goes a fixed step further at each look."""

    def __init__(self, step: timedelta, begin: datetime = BEGIN) -> None:
        self.now, self.step = begin, step

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


def year_log(state: State, entries: int, days: float = 365.0) -> AuditLog:
    """A log whose so many entries will take so many days."""
    clock = Calendar(timedelta(days=days) / max(entries, 1))
    with state.reading() as tx:
        seed = b"%d" % stored.size_of(tx)  # what is opened again must not make the same salts again
    return AuditLog(state, SIGNER, ORIGIN, clock=clock, randomness=SeededRandomness(seed))


def sql_of(draw: random.Random) -> str:
    """One of some hundreds of questions."""
    table, column, word = draw.choice(TABLES), draw.choice(WORDS), draw.choice(WORDS)
    return (
        f"SELECT {column}, count(*) FROM {table} WHERE {word} <> '{draw.choice(WORDS)}' AND x > {draw.randrange(90)}"
    )


def bodies(draw: random.Random, start: int = 0) -> Iterator[tuple[dict[str, JSON], dict[str, str]]]:
    """Entries without end: most are admissions with their outcomes, some refusals, dry runs and acts."""
    number, charged = start, 0
    while True:
        request: dict[str, JSON] = {
            "request_id": f"request-{number}",
            "institution": draw.choice(BANKS),
            "certificate": "c" * 64,
            "purpose": draw.choice(PURPOSES),
            "dialect": "duckdb",
        }
        sql, kind = {"sql": sql_of(draw), "parameters": "[]"}, draw.random()
        if kind < 0.2:
            yield {**request, "kind": "refusal", "code": draw.choice(CODES), "rule": "r", "policy": "p@1"}, sql
            number += 1
        elif kind < 0.25:
            yield {**request, "kind": "explain", "treatment": "threshold", "question": "q"}, sql
            number += 1
        elif kind < 0.26:
            yield {"kind": "snapshot", "table": draw.choice(TABLES)}, {}
            number += 1
        else:
            table, cost = draw.choice(TABLES), draw.choice((1, 1, 1, 2, 3, 9))
            charged += cost
            charges: list[JSON] = [
                {"dataset": table, "kind": "queries", "limit": 100, "further": {}, "count": cost, "keys": []}
            ]
            yield (
                {
                    **request,
                    "kind": "admission",
                    "treatment": draw.choice(("threshold", "exact", "dp")),
                    "question": "7" * 64,
                    "bundle": "b" * 64,
                    "catalog": "a" * 64,
                    "policies": ["taxation@3"],
                    "statement_sha256": "5" * 64,
                    "snapshots": {table: "s" * 64},
                    "charges": charges,
                    "charged": "2026-07-01T00:00:00.000000Z",
                    "ledger": {"charges": charged, "privacy": 0},
                },
                sql,
            )
            yield (
                {
                    **request,
                    "kind": "outcome",
                    "treatment": "threshold",
                    "question": "7" * 64,
                    "rows": 5,
                    "result_digest": "d" * 64,
                    "admission": number,
                },
                {},
            )
            number += 2


Bodies = Iterator[tuple[dict[str, JSON], dict[str, str]]]


def fill(log: AuditLog, entries: int, seed: int = 7, group: int = 100, source: Bodies | None = None) -> list[Entry]:
    """Appends so many entries, `group` in each transaction; outcomes repeat the texts of their admissions."""
    source = bodies(random.Random(seed), log.size()) if source is None else source
    made: list[Entry] = []
    left = entries
    repeated: dict[str, str] = {}
    while left:
        with log.state.transaction() as tx:
            for _ in range(min(group, left)):
                body, private = next(source)
                if body["kind"] == "outcome":
                    entry = log.append(tx, body, repeated=repeated)
                else:
                    entry = log.append(tx, body, private)
                repeated = dict(entry.commitments)
                made.append(entry)
                left -= 1
    return made

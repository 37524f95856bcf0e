"""A table of loans with tokens, a published one, and questions over both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.ipc
from tests.support.policy_questions import (
    BANK_A,
)
from tests.support.relations import World, column, enterprise, question, readings, table
from tests.support.tokens import House

from louver.matching.subjects import canonical
from louver_sandbox.catalog.model import SpaceKind
from louver_sandbox.encrypted_core import TokenUse
from louver_sandbox.engines.duckdb import DuckDbEngine, open_hardened
from louver_sandbox.engines.engine import Job, Source, Translation, decode_job, encode_job
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.stages import Plan, SourceRef, Subject
from louver_sandbox.uploads.ingest import table_path

LOANS: list[dict[str, Any]] = [
    {"loan": n, "id_no": id_}
    for n, id_ in enumerate(
        [
            *(f"91370200MA{n % 7:07d}X" for n in range(20)),
            " 9137 0200 MA00 0000 1x ",
            "９１３７０２００ＭＡ００００００２Ｘ",
            None,
            "-",
        ]
    )
]
"""Loans to seven firms, two of them in other spellings, one without an id and one with what is none."""


GRADED: list[dict[str, Any]] = [{"uscc": f"91370200MA{n:07d}X", "grade": "AB"[n % 2]} for n in range(4)] + [
    {"uscc": "91370200ma0000004x", "grade": "A"},
    {"uscc": None, "grade": "C"},
    {"uscc": "???", "grade": "C"},
]


A07 = "SELECT t.grade, count(*), count(DISTINCT l.id_no) FROM s1.data l JOIN s2.data t ON t.uscc = l.id_no GROUP BY 1 ORDER BY 1"


def uploaded(house_: House, who: Subject = BANK_A) -> tuple[Path, str]:
    """The table of loans as it is stored, and the key its tokens are under."""
    taken = house_.taken(house_.upload(LOANS, {"id_no": "uscc"}, who), who)
    assert house_.skipped == {"id_no": 1}
    return table_path(house_.settings.uploads / who.institution, taken.digest), taken.columns[1].key


def planned(key: str, graded_in: str = "graded") -> Plan:
    """As much of a plan as tables of tokens are made by."""
    use = TokenUse("s1", "id_no", "uscc", key, (("s2", "uscc"),))
    graded = table("gov.tax_credit", [column("uscc")]).name
    loans = table("bank_a.loan", [column("id_no")]).name
    sources = (SourceRef("s1", loans, "own"), SourceRef("s2", graded, graded_in))
    return replace(made_of("SELECT count(*) FROM gov.tax"), sources=sources, tokens=(use,))


def asked(sql: str, loans: Path, graded: Path, tokens: tuple[Translation, ...] = ()) -> list[tuple[Any, ...]]:
    """What the engine says, locked down as in a worker."""
    sources = (Source("s1", str(loans), tokens), Source("s2", str(graded)))
    job = decode_job(encode_job(Job(sources, (sql,), 100, 1 << 20, 64, 1, 5_000)))
    with open_hardened() as connection:
        answer = pa.ipc.open_stream(DuckDbEngine(connection).execute(job)).read_all()
    return [tuple(row.values()) for row in answer.to_pylist()]


def raw(folder: Path, loans: list[dict[str, Any]]) -> Path:
    """The same loans by ids, in their one spelling."""
    path = folder / "raw.duckdb"
    with duckdb.connect(str(path)) as connection:
        rows = pa.Table.from_pylist(loans)
        connection.register("rows", rows)
        connection.execute("CREATE TABLE main.data AS FROM rows")
    return path


def spelt(id_: object) -> str | None:
    try:
        return canonical(str(id_)) if id_ is not None else None
    except ValueError:
        return None


OWN = [
    replace(column("id_no"), element="uscc", tokens="ab" * 32, unique=True),
    replace(column("old_id"), element="uscc", tokens="cd" * 32),
    replace(column("person"), element="citizen_number", tokens="ab" * 32),
    column("branch"),
]


WORLD = World(
    (
        table("bank_a.loan", OWN, space=SpaceKind.INSTITUTION),
        table("bank_a.card", OWN[:1], space=SpaceKind.INSTITUTION),
        table("gov.tax", [replace(column("uscc"), element="uscc"), column("grade"), column("name")], [enterprise()]),
        table("gov.registry", [replace(column("uscc"), element="uscc"), column("section")], [enterprise()]),
    ),
    {},
)


def made_of(sql: str) -> Plan:
    found = plan(question(WORLD, sql))
    verify(found, readings(found))
    return found

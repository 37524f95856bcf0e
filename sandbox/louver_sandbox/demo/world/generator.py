"""The generator: a city of persons and firms, sixteen tables that agree with each other.

Three steps. First every chunk's people and firms are drawn (only keys and firm facts are kept). Then what depends
on the whole city is settled: giants, representatives, employers. Then every chunk writes its parts of the tables.
Steps one and three run in parallel; a chunk's bytes depend on the blueprint and its number alone, so neither the
number of processes nor their order shows in the result. Memory is bounded by a chunk plus about a hundred bytes a
firm and four a person.
"""

import json
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from louver_sandbox.demo.world import (
    bank,
    dirt,
    economy,
    household,
    identifiers,
    justice,
    people,
    real_estate,
    registry,
    work,
)
from louver_sandbox.demo.world.blueprint import DEMO_PERSONS, Blueprint
from louver_sandbox.demo.world.city import City, plant_giants, settle
from louver_sandbox.demo.world.codes import CITY_POPULATION
from louver_sandbox.demo.world.firms import firm_facts, join
from louver_sandbox.demo.world.parquet import part_path, write_part, write_table
from louver_sandbox.demo.world.schema import TABLES, views_sql
from louver_sandbox.demo.world.targets import targets

FIRM_TABLES = tuple(
    table for table in TABLES if table not in {"gov.pop_person", "gov.ss_person_month", "gov.hf_account"}
)
PERSON_TABLES = (
    "gov.pop_person", "gov.ss_person_month", "gov.hf_account", "gov.re_property", "gov.pen_penalty",
    "gov.court_dishonest", "gov.credit_list", "gov.utl_month", "bank_a.loan_book", "bank_a.applicant",
    "plat.authorization",
)  # fmt: skip
Progress = Callable[[str, int, int], None]
"""Called with table, parts done, parts in all, whenever a chunk is finished."""

_T = TypeVar("_T")
_INLINE = 4
"""Up to this many chunks a second process costs more than it saves."""


@dataclass(frozen=True)
class World:
    """A generated world on disk."""

    root: Path
    seed: int
    persons: int
    as_of: date
    rows: Mapping[str, int]
    """Rows per table."""

    @property
    def tables(self) -> tuple[str, ...]:
        return TABLES

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())

    @property
    def views(self) -> Path:
        """The SQL file that defines the three credit-library views over the tables."""
        return self.root / "views.sql"

    @property
    def targets(self) -> Path:
        return self.root / "truth" / "targets.json"

    @property
    def defects(self) -> Path:
        return self.root / "truth" / "dirt.parquet"

    def folder(self, table: str) -> Path:
        """The folder of a table's parts. Raises KeyError for a table of another world."""
        if table not in self.rows:
            raise KeyError(table)
        return self.root / table

    def parts(self, table: str) -> list[Path]:
        return sorted(self.folder(table).glob("part-*.parquet"))


@dataclass(frozen=True)
class _Site:
    """Where a worker writes, and what it builds."""

    plan: Blueprint
    root: Path

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"


def generate(
    *,
    persons: int | None = None,
    scale: float | None = None,
    seed: int = 1,
    as_of: date = date(2026, 6, 30),
    dirt: float = 0.0,
    out: Path,
    progress: Progress | None = None,
    processes: int = 2,
) -> World:
    """Writes a world to `out` and tells what is in it; same arguments, same bytes.

    `persons` or `scale` (1.0 = all of Qingdao, 10,071,722 persons) gives the size, 5,000 persons when neither does.
    `dirt` from 0 to 1 adds recorded defects. `out` must not exist or be empty, and appears only when complete.
    Raises ValueError for values out of range and FileExistsError when `out` holds something.
    """
    if persons is not None and scale is not None:
        raise ValueError("give persons or scale, not both")
    if persons is None:
        persons = DEMO_PERSONS if scale is None else round(scale * CITY_POPULATION)
    return build(Blueprint(persons, seed, as_of, dirt), out, progress=progress, processes=processes)


def build(plan: Blueprint, out: Path, *, progress: Progress | None = None, processes: int = 2) -> World:
    """`generate` for a given blueprint."""
    if processes < 1:
        raise ValueError("processes must be at least 1")
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty")
    site = _Site(plan, out.parent / f".{out.name}.partial")
    if site.root.exists():
        shutil.rmtree(site.root)
    site.scratch.mkdir(parents=True)
    try:
        rows = _fill(site, progress or _silent, processes)
        shutil.rmtree(site.scratch)
        site.root.replace(out)
    except BaseException:
        shutil.rmtree(site.root, ignore_errors=True)
        raise
    counted = {table: rows[table] for table in TABLES}
    return World(out, plan.seed, plan.persons, plan.as_of, MappingProxyType(counted))


def _silent(table: str, done: int, total: int) -> None:
    """The progress of callers who asked for none."""


def _fill(site: _Site, progress: Progress, processes: int) -> Counter[str]:
    plan = site.plan
    chunks = plan.person_chunks + plan.firm_chunks
    with ExitStack() as stack:
        pool: Executor | None = None
        if processes > 1 and chunks > _INLINE:
            spawn = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(min(processes, chunks), mp_context=spawn))
        city = draw(plan, pool)
        city.save(site.scratch)
        (site.root / "truth").mkdir()
        named = json.dumps(targets(plan, city), ensure_ascii=False, indent=1, sort_keys=True)
        (site.root / "truth" / "targets.json").write_text(named + "\n", encoding="utf-8")
        (site.root / "views.sql").write_text(views_sql(plan.as_of), encoding="utf-8")
        del city
        rows = _write(site, pool, progress)
    _gather_defects(site)
    return rows


def draw(plan: Blueprint, pool: Executor | None = None) -> City:
    """Steps one and two: all identity keys and firm facts, then what depends on the whole city."""
    keys = _each(pool, partial(people.person_keys, plan), range(plan.key_chunks))
    firms = _each(pool, partial(firm_facts, plan), range(plan.firm_chunks))
    drawn = plant_giants(plan, join(list(firms)))
    return settle(plan, drawn, np.concatenate(list(keys)))


def _each(pool: Executor | None, function: Callable[[int], _T], chunks: Iterable[int]) -> Iterable[_T]:
    return pool.map(function, chunks) if pool else map(function, chunks)


def _write(site: _Site, pool: Executor | None, progress: Progress) -> Counter[str]:
    """Step three; reports progress as chunks finish, in whatever order."""
    plan = site.plan
    jobs = [(write_person_chunk, c) for c in range(plan.person_chunks)]
    jobs += [(write_firm_chunk, c) for c in range(plan.firm_chunks)]
    parts = Counter(dict.fromkeys(FIRM_TABLES, plan.firm_chunks))
    parts.update(dict.fromkeys(PERSON_TABLES, plan.person_chunks))
    done: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for finished in _finished(pool, [partial(job, site, chunk) for job, chunk in jobs]):
        rows.update(finished)
        for table in finished:
            done[table] += 1
            progress(table, done[table], parts[table])
    return rows


def _finished(pool: Executor | None, jobs: list[Callable[[], _T]]) -> Iterator[_T]:
    if pool is None:
        yield from (job() for job in jobs)
        return
    running: list[Future[_T]] = [pool.submit(job) for job in jobs]
    try:
        for future in as_completed(running):
            yield future.result()
    finally:
        for future in running:
            future.cancel()


def write_firm_chunk(site: _Site, chunk: int) -> dict[str, int]:
    """Writes one chunk of firms to all tables about firms; returns rows per table."""
    return _store(site, chunk, firm_tables(site.plan, City.load(site.scratch), chunk))


def write_person_chunk(site: _Site, chunk: int) -> dict[str, int]:
    """Writes one chunk of persons to all tables about persons; returns rows per table."""
    part = site.plan.firm_chunks + chunk
    return _store(site, part, person_tables(site.plan, City.load(site.scratch), chunk))


def firm_tables(plan: Blueprint, city: City, chunk: int) -> Iterator[tuple[str, pa.Table]]:
    """The tables of one chunk of firms, one at a time."""
    yield "gov.ent_registry", registry.ent_registry(plan, city, chunk)
    yield "gov.ent_person_role", registry.ent_person_role(plan, city, chunk)
    run = economy.course(plan, city, chunk)
    credit, grade = economy.tax_credit(plan, run)
    yield "gov.tax_credit", credit
    yield "gov.tax_quarter", economy.tax_quarter(plan, run)
    yield "gov.ss_ent_month", economy.ss_ent_month(plan, run)
    yield "gov.utl_month", economy.utl_month(plan, run)
    yield "gov.re_property", real_estate.firm_property(plan, run, chunk)
    verdicts = justice.firm_verdicts(plan, run, grade, chunk)
    yield from _public_credit(verdicts)
    yield from _banking(bank.firm_desk(plan, run, verdicts.recent, chunk))


def person_tables(plan: Blueprint, city: City, chunk: int) -> Iterator[tuple[str, pa.Table]]:
    """The tables of one chunk of persons, one at a time."""
    persons = people.person_facts(plan, chunk)
    span = plan.person_rows(chunk)
    keys = np.asarray(city.keys[span.start : span.stop])
    ids = identifiers.strings(identifiers.person_ids(keys))
    yield "gov.pop_person", people.pop_person(plan, persons, keys)
    crew = work.workers(plan, city, persons, chunk)
    crew_ids = identifiers.strings(identifiers.person_ids(keys[crew.place]))
    yield "gov.ss_person_month", work.ss_person_month(plan, city, crew, crew_ids, chunk)
    yield "gov.hf_account", work.hf_account(plan, persons, crew, crew_ids, chunk)
    yield "gov.re_property", real_estate.person_property(plan, persons, ids, chunk)
    yield "gov.utl_month", household.home_utilities(plan, persons, ids, chunk)
    yield from _public_credit(justice.person_verdicts(plan, persons, ids, chunk))
    yield from _banking(bank.person_desk(plan, persons, ids, chunk))


def _public_credit(verdicts: justice.Verdicts) -> Iterator[tuple[str, pa.Table]]:
    yield "gov.pen_penalty", verdicts.penalties
    yield "gov.court_dishonest", verdicts.court
    yield "gov.credit_list", verdicts.lists


def _banking(desk: bank.Desk) -> Iterator[tuple[str, pa.Table]]:
    yield "bank_a.loan_book", desk.loans
    yield "bank_a.applicant", desk.applicants
    yield "plat.authorization", desk.authorizations


def _store(site: _Site, part: int, tables: Iterable[tuple[str, pa.Table]]) -> dict[str, int]:
    written = {}
    for table, clean in tables:
        rows, defects = dirt.spoil(site.plan, table, part, clean)
        written[table] = write_part(site.root, table, part, rows)
        if defects.num_rows:
            path = part_path(site.scratch / "dirt", table, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_table(path, defects, dirt.DEFECTS)
    return written


def _gather_defects(site: _Site) -> None:
    """One truth file from the parts, in the order of tables and parts."""
    with pq.ParquetWriter(
        site.root / "truth" / "dirt.parquet", dirt.DEFECTS, compression="zstd", store_schema=False
    ) as writer:
        for table in TABLES:
            for path in sorted((site.scratch / "dirt" / table).glob("part-*.parquet")):
                writer.write_table(pq.read_table(path, schema=dirt.DEFECTS))
